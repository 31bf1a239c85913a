"""Progress in the logs, in the form of tqdm's bars, which clients read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from bot.sandbox.work import Report

Tick: TypeAlias = Callable[[float], None]
"""Told how far some work has come, 0..1; may raise to stop it."""

BLOCKS = " ▏▎▍▌▋▊▉█"
LINES = 50
"""At most so many lines a bar: a run of 500 steps must not flood the logs."""


class Bar:
    """A bar of `total` steps that is moved on by how much of the work is done.

    Each line looks like ` 50%|█████     | 25/50 [00:01<00:01, 20.0it/s]`; its times are measured.
    """

    def __init__(self, report: Report, total: int, now: Callable[[], float] = time.perf_counter) -> None:
        self._report = report
        self._total = max(1, total)
        self._now = now
        self._started = now()
        self._done = -1
        self.reach(0.0)

    def reach(self, share: float) -> None:
        """`share` of the work (0..1) is done; writes a line where that is a step further. Raises Stopped."""
        step = min(self._total, int(share * self._total + 1e-6))
        coarse = max(1, self._total // LINES)
        if step > self._done and (step - max(self._done, 0) >= coarse or step in (0, self._total)):
            self._done = step
            self._report(self._line(step))
        else:
            self._report("")

    def part(self, start: float, end: float) -> Tick:
        """A `reach` for one part of the work, from `start` to `end`."""
        return lambda share: self.reach(start + (end - start) * share)

    def _line(self, step: int) -> str:
        share, spent = step / self._total, max(self._now() - self._started, 1e-6)
        eighths = round(share * 80)
        filled = BLOCKS[8] * (eighths // 8) + (BLOCKS[eighths % 8] if eighths % 8 else "")
        rate = step / spent
        left = _clock((self._total - step) / rate) if step else "?"
        speed = f"{rate:.1f}it/s" if step else "?it/s"
        return (
            f"{round(share * 100):3d}%|{filled:<10}| {step}/{self._total} [{_clock(spent)}<{left}, {speed}]\n"
        )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
