"""Servers in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

RUN = (
    "import gc, runpy, sys; gc.set_threshold(2000, 20, 10**6); del sys.argv[0];"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
"""They keep all there ever was: a full collection finds nothing and stops everybody, for longer each time."""


@contextlib.asynccontextmanager
async def served(module: str, log: Path, *arguments: str) -> AsyncIterator[str]:
    """`python -m module`: its first line, which says where it listens. `log` takes its complaints."""
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    finally:
        os.close(errors)
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        assert line, f"{module} did not start: {log.read_text()[-2000:]}"
        yield line
    finally:
        process.kill()
        await process.wait()
