"""The played Discord as its own process: `python -m tests.discord_server --port 0`.

It prints one line of JSON with its addresses when it listens, and ends on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from tests.discord_server.limits import Limits
from tests.discord_server.server import DiscordServer


async def serve(port: int, token: str, pace: float) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with DiscordServer(token=token, limits=Limits(pace=pace), port=port) as server:
        url = f"http://127.0.0.1:{server.port}"
        print(
            json.dumps({"url": url, "api_base": server.api_base, "gateway_url": server.gateway_url}),
            flush=True,
        )
        await stopped.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.discord_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--token", default="a-bot-token")
    parser.add_argument("--pace", type=float, default=0.01, help="1.0: Discord's own windows of rate limits")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.token, arguments.pace))
    return 0


if __name__ == "__main__":
    sys.exit(main())
