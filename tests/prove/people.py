"""People who order, cancel, repeat and press twice, whether the bot is there or not."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tests.prove.stages import Asked, Meddling, Stage

TWICE = 0.1
MEDDLING = 0.25


class People:
    """All who are there. `per_second`: how many things they begin, all together; `shares`: by stage, how much
    of it, 1 where nothing is said.

    Who waits for many jobs asks for no more: `have_patience` says whether they do.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        chance: random.Random,
        *,
        per_second: float,
        first: int = 0,
        have_patience: Callable[[], bool] = lambda: True,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._have_patience = have_patience
        self._stages = stages
        self._shares = [(shares or {}).get(stage.name, 1.0) for stage in stages]
        self._chance = chance
        self._every = 1 / per_second
        self._tags = itertools.count(first)
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop: asyncio.Task[None] | None = None
        self._asked_more = asyncio.Event()
        self.asked: list[Asked] = []
        self.did: Counter[str] = Counter()

    def begin(self) -> None:
        self._loop = asyncio.create_task(self._act_on())

    async def stop(self) -> None:
        """Begin nothing more, and get the answers to what was begun."""
        if self._loop is not None:
            self._loop.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def have_asked(self, count: int, stop: asyncio.Event) -> None:
        """Until so many things were asked for in all, or `stop` is set."""
        while len(self.asked) < count and not stop.is_set():
            self._asked_more.clear()
            await self._asked_more.wait()

    async def _act_on(self) -> None:
        while True:
            if self._have_patience():
                task = asyncio.create_task(self._act(*self._chance.choices(self._stages, self._shares)))
                self._under_way.add(task)
                task.add_done_callback(self._done)
            await asyncio.sleep(self._chance.expovariate(1 / self._every))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            raise error

    async def _act(self, stage: Stage) -> None:
        if self._chance.random() < MEDDLING:
            how: Meddling = self._chance.choice(("again", "reseed", "cancel"))
            asked = await stage.meddle(how)
            self.did[f"{stage.name} {how}"] += 1
        else:
            asked = await stage.order(f"t{next(self._tags):07d}x", twice=self._chance.random() < TWICE)
            self.did[f"{stage.name} order"] += 1
        if asked is not None:
            self.asked.append(asked)
            self._asked_more.set()
