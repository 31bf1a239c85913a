"""The played Slack as its own process: `python -m tests.slack_server --port 0 --manifest manifest.json`.

It prints one line of JSON with its addresses and the app's secrets when it listens, and ends on SIGTERM or
SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from tests.slack_server.limits import JSON, Limits
from tests.slack_server.manifest import make_manifest
from tests.slack_server.server import SlackServer


async def serve(port: int, manifest: JSON, pace: float) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with SlackServer(manifest, limits=Limits(pace=pace), port=port) as server:
        told = {
            "url": f"http://127.0.0.1:{server.port}",
            "api_base": server.api_base,
            "authorize_url": server.authorize_url,
            "app_token": server.app_token,
            "signing_secret": server.app.signing_secret,
            "client_id": server.app.client_id,
            "client_secret": server.app.client_secret,
        }
        print(json.dumps(told), flush=True)
        await stopped.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slack_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--manifest", type=Path, help="a file of JSON; without it one that allows everything")
    parser.add_argument("--pace", type=float, default=0.01, help="1.0: Slack's own windows of rate limits")
    arguments = parser.parse_args()
    manifest = json.loads(arguments.manifest.read_text()) if arguments.manifest else make_manifest()
    asyncio.run(serve(arguments.port, manifest, arguments.pace))
    return 0


if __name__ == "__main__":
    sys.exit(main())
