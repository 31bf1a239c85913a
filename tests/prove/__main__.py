"""`python -m tests.prove crash | soak`: the long forms, as `make prove` runs them."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.prove import crash, soak


async def _until_told(work: Any) -> Any:
    """`work` gets an event that the first Ctrl-C sets; the second has its usual effect."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told() -> None:
        print("Ending this round; once more to break it off.", flush=True)
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, told)
    return await work(stop)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("crash", help="kill it, again and again")
    one.add_argument("--folder", type=Path, default=Path(".prove/crash"))
    one.add_argument("--kills", type=int, default=2000)
    one.add_argument("--jobs", type=int, default=10_000)
    one.add_argument("--kills-a-round", type=int, default=200)
    one.add_argument("--per-second", type=float, default=4.0, help="things that people do")
    one.add_argument("--seed", type=int, default=1)
    two = what.add_parser("soak", help="many jobs a second, for long")
    two.add_argument("--folder", type=Path, default=Path(".prove/soak"))
    two.add_argument("--per-second", type=float, default=38.0, help="things that people do")
    two.add_argument("--seconds", type=float, default=1800)
    two.add_argument("--every", type=float, default=10, help="seconds between two looks")
    two.add_argument("--seed", type=int, default=1)
    given = vars(parser.parse_args())
    if given.pop("what") == "soak":
        return _soak(given)
    return _crash(given)


BROKEN = ("lost", "paid_twice", "posted_twice", "wrong")


def _soak(given: dict[str, Any]) -> int:
    report = asyncio.run(soak.soak(**given, say=_say))
    print(soak.summary(report))
    return int(any(report[name] for name in BROKEN))


def _say(text: str) -> None:
    print(text, flush=True)


def _crash(given: dict[str, Any]) -> int:

    total = asyncio.run(_until_told(lambda stop: crash.prove(**given, stop=stop, say=_say)))
    (given["folder"] / "total.json").write_text(json.dumps(total, indent=2) + "\n")
    print(crash.summary(total))
    return int(any(total[name] for name in (*BROKEN, "ended_by_itself")))


if __name__ == "__main__":
    sys.exit(main())
