"""The process that opens untrusted bytes: a line of JSON in names a task, a line of JSON out is its answer.

It ends when its standard input does, even in the middle of a task, so that it never outlives its parent.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from bot.errors import BadMedia, TooLarge
from bot.media.fit import fit, preview
from bot.media.probe import probe

READY = "ready"

_MEMORY_BYTES = 4 << 30
_NICENESS = 10

_TASKS: Mapping[str, Callable[..., Mapping[str, Any]]] = {"probe": probe, "fit": fit, "preview": preview}


def main() -> None:
    answers = _claim_stdout()
    _be_modest()
    tasks: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    try:
        _say(answers, READY)
        while True:
            _say(answers, _answer(**json.loads(tasks.get())))
    except BrokenPipeError:
        os._exit(0)  # the parent is gone, which the listener hasn't heard yet


def _claim_stdout() -> TextIO:
    """The pipe to the parent, out of reach of any library that prints."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _be_modest() -> None:
    """The parent alone decides when this ends; the event loop goes first; a bomb doesn't take the machine."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    if sys.platform != "win32":
        os.nice(_NICENESS)
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = _MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(_MEMORY_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _listen(tasks: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        tasks.put(line)
    os._exit(0)


def _answer(task: str, args: list[Any]) -> Mapping[str, Any]:
    try:
        return {"result": _TASKS[task](*args)}
    except BadMedia as error:
        return {"bad_media": error.code, "facts": error.facts}
    except TooLarge as error:
        return {"too_large": error.limit}
    except Exception as error:  # parsers of broken files raise anything
        return {"bad_media": "not_media", "facts": {"reason": type(error).__name__}}


def _say(answers: TextIO, answer: object) -> None:
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
