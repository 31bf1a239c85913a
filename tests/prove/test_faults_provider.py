"""Each line of `faults.toml` that is about the provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.prove.faults import calls_of, unlike_the_table
from tests.sampling import a_sample

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]


@pytest.mark.parametrize("name", a_sample(calls_of("provider"), 8))
async def test_each_fault_ends_as_the_table_says(tmp_path: Path, name: str) -> None:
    assert await unlike_the_table(tmp_path, name) == {}
