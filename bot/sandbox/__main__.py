"""The sandbox as a process of its own: `python -m bot.sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from bot.catalogue import load
from bot.sandbox.server import Sandbox, serve

DEFAULT_PORT = 8090
LOOK_EVERY = 1.0


def run(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    as_gateway: bool = False,
    *,
    token: str = "sandbox",  # noqa: S107  opens a server that draws pictures
    boot_seconds: float = 1.0,
    workers: int = 2,
    output_ttl: float = 3600,
    allow_webhooks: bool = False,
    parent_pid: int | None = None,
    idle_exit: float | None = None,
    address_file: Path | None = None,
) -> None:
    """Serves until Ctrl-C or SIGTERM.

    It also ends with the process `parent_pid`, and after `idle_exit` seconds without a request. Prints one
    line with its address, and writes "pid address" to `address_file`. Raises OSError where the address can't
    be had.
    """
    from bot.sandbox.art import make  # drawing needs libraries that others of this module don't

    sandbox = Sandbox(
        load(),
        make,
        token=token,
        kind="gateway" if as_gateway else "replicate",
        boot_seconds=boot_seconds,
        workers=workers,
        output_ttl=output_ttl,
        allow_webhooks=allow_webhooks,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(sandbox, host, port, parent_pid, idle_exit, address_file))


async def _serve(
    sandbox: Sandbox,
    host: str,
    port: int,
    parent_pid: int | None,
    idle_exit: float | None,
    address_file: Path | None,
) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    async with serve(sandbox, host, port) as address:
        if address_file:
            _write_note(address_file, f"{os.getpid()} {address}")
        print(f"The sandbox is running at {address}", flush=True)  # noqa: T201
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await stop.wait()
            is_orphan = parent_pid is not None and not _is_alive(parent_pid)
            is_idle = idle_exit is not None and sandbox.idle_seconds() > idle_exit
            if is_orphan or is_idle:
                return


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)


def _write_note(path: Path, text: str) -> None:
    """Whole or not at all: somebody may be reading it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bot.sandbox",
        description="A local server that speaks Replicate's API and draws with the CPU.",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument("--as", dest="kind", choices=("replicate", "gateway"), default="replicate")
    parser.add_argument("--token", default="sandbox")
    parser.add_argument("--boot-seconds", type=float, default=1.0, help="how long a prediction is starting")
    parser.add_argument("--workers", type=int, default=2, help="how many are drawn at once")
    parser.add_argument("--output-ttl", type=float, default=3600, help="seconds that results stay")
    parser.add_argument("--allow-webhooks", action="store_true", help="call webhooks on other machines too")
    parser.add_argument("--parent-pid", type=int, help="end with this process")
    parser.add_argument("--idle-exit", type=float, help="end after so many seconds without a request")
    parser.add_argument("--address-file", type=Path, help='write "pid address" there')
    options = vars(parser.parse_args(arguments))
    try:
        run(as_gateway=options.pop("kind") == "gateway", **options)
    except OSError as error:
        print(f"The sandbox can't be served there: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
