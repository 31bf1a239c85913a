"""`make bench-policy` runs, in its short form, and says what policy adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import policy


@pytest.mark.timeout(120)
@pytest.mark.long
def test_the_benchmark_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = tmp_path / "policy.json"
    monkeypatch.setattr("sys.argv", ["policy", "--short", "--json", str(written)])
    policy.main()
    assert json.loads(written.read_text())
