"""The command line, typed: each command is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.forks import FORKS


def threadreel(
    *arguments: str, cwd: Path, env: Mapping[str, str], piped: str = "", timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, as `subprocess.run` would."""
    with tempfile.TemporaryDirectory() as there:
        streams = [Path(there, name) for name in ("in", "out", "err")]
        streams[0].write_text(piped)
        process = FORKS.Process(target=_be, args=(arguments, cwd, dict(env), streams))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        out, err = (stream.read_text() for stream in streams[1:])
        return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


def _be(arguments: tuple[str, ...], cwd: Path, env: dict[str, str], streams: list[Path]) -> None:
    given, out, err = streams
    for fd, path, how in ((0, given, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, how | os.O_CREAT), fd)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["threadreel", *arguments]

    from adapters.__main__ import main

    main()
