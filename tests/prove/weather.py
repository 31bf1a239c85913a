"""What else goes wrong, besides dying: at the provider, and between a platform and us."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.prove.world import World

WEATHER_EVERY = 3.0
"""Seconds between two faults of other kinds than death, on average."""

PROVIDER_WEATHER: tuple[dict[str, Any], ...] = (
    *(
        {"on": on, "fault": fault}
        for on in ("create", "get", "list")
        for fault in ("drop_before", "drop_after")
    ),
    {"on": "create", "fault": "status", "code": 503},
    {"on": "create", "fault": "status", "code": 429, "retry_after": 1},
    {"on": "list", "fault": "garbage"},
    {"on": "download", "fault": "cut_download"},
    {"on": "download", "fault": "status", "code": 502},
    {"on": "create", "fault": "slow", "seconds": 2.0},
    {"on": "create", "fault": "fail"},
)


async def weather(there: World, chance: random.Random) -> None:
    """Now and then one request goes wrong, until cancelled."""
    while True:
        await asyncio.sleep(chance.expovariate(1 / WEATHER_EVERY))
        if chance.random() < 0.5:
            await there.box.misbehave(chance.choice(PROVIDER_WEATHER))
        else:
            stage = chance.choice(there.stages)
            await stage.trouble(chance.choice(("before", "after")))
