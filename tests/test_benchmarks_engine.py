"""`make bench-engine` runs, in its short form, and gives every figure that it promises."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.engine import rows

ROOT = Path(__file__).parents[1]


@pytest.mark.timeout(180)
@pytest.mark.long
async def test_the_benchmark_runs(tmp_path: Path) -> None:
    written = tmp_path / "engine.json"
    command = [sys.executable, "-m", "benchmarks.engine", "--short", "--json", str(written)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    found = json.loads(written.read_text())
    assert [row["count"] for row in found["sizes"]] == [20, 300]
    assert all(row["ours"]["requests_per_second"] > 0 for row in found["sizes"])
    assert found["official"]["requests_per_second"] > found["sizes"][0]["ours"]["requests_per_second"]
    for label, *_ in rows(found):
        assert label in said.decode()
