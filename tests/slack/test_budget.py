"""What Slack allows in a while is kept, and shared fairly."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.slack.budget import Turns
from adapters.slack.delivery import Manners
from bot.jobs import State
from tests.rig import AMPLE, QUICK, eventually
from tests.slack.rig import slack_rig
from tests.slack_server import Limits as SlackLimits

SPEED = 8.0
"""Seconds of the played Slack in one of ours."""


def busiest(times: Iterable[float], window: float = 60.0) -> int:
    """The most within any such window."""
    recent: deque[float] = deque()
    most = 0
    for at in sorted(times):
        recent.append(at)
        while recent[0] <= at - window:
            recent.popleft()
        most = max(most, len(recent))
    return most


def served(turns: Turns, wanted: list[tuple[str, str]], *, start: float = 1000.0) -> list[tuple[float, str]]:
    """When each had its turn, and whose it was, where everybody comes back when told."""
    due = dict.fromkeys(wanted, start)
    had = []
    while due:
        who, now = min(due.items(), key=lambda item: (item[1], item[0]))
        if wait := turns.take(*who, now):
            due[who] = now + wait
        else:
            had.append((now, who[0]))
            del due[who]
    return had


def test_a_burst_goes_at_once_and_the_rest_at_the_pace() -> None:
    had = served(Turns(2.0, 3), [("a", str(number)) for number in range(6)])
    assert [at - 1000 for at, _ in had] == pytest.approx([0, 0, 0, 2, 4, 6], abs=0.01)


def test_a_long_line_in_one_channel_keeps_no_other_waiting() -> None:
    crowd = [("crowd", f"{number:02}") for number in range(50)]
    had = served(Turns(1.0), [*crowd, ("quiet", "one"), ("other", "two")])
    assert {group for _, group in had[:4]} == {"crowd", "quiet", "other"}
    assert len(had) == 52


def test_who_never_comes_back_holds_nobody_up() -> None:
    turns = Turns(1.0)
    assert turns.take("a", "first", 0.0) == 0
    for number in range(10):
        assert turns.take("a", f"gone {number}", 0.0) > 0
    assert turns.take("a", "patient", 0.0) == pytest.approx(11.0)
    assert turns.take("a", "patient", 45.0) == 0


def test_progress_gives_way_to_ends() -> None:
    turns = Turns(1.0, 3)
    assert turns.take_idle(0.0, spare=2) == 0
    assert turns.take_idle(0.0, spare=2) > 0
    assert [turns.take("a", str(number), 0.0) for number in range(2)] == [0, 0]
    assert turns.take("a", "late", 0.0) > 0
    assert turns.take_idle(1.5, spare=0) > 0


def test_no_window_of_a_minute_has_more_than_slack_allows() -> None:
    """However they come: in storms, in quiet times, progress among them."""
    manners, rng = Manners(), random.Random(3)
    turns = Turns(60 / manners.updates_per_minute, manners.updates_at_once)
    now, spent = 0.0, []
    due: dict[str, float] = {}
    for number in range(3000):
        now += rng.choice([0, 0, 0.1, 0.5, rng.expovariate(0.3)])
        if rng.random() < 0.4:
            due[str(number)] = now
        elif not turns.take_idle(now, spare=manners.for_ends):
            spent.append(now)
        for key in [key for key, at in due.items() if at <= now]:
            if wait := turns.take(key[-1], key, now):
                due[key] = now + wait
            else:
                spent.append(now)
                del due[key]
    assert 40 < busiest(spent) < 50


@pytest.mark.long
async def test_a_hundred_jobs_stay_within_the_budget_and_settle_within_three_minutes(tmp_path: Path) -> None:
    """In five channels of one workspace, at Slack's own limits, on a clock that is eight times as quick."""
    manners = Manners(a_while=0, looks=(0.05,))
    rules = replace(QUICK, at_once=100, at_once_per_person=100, card_every=0.5, deadline=3600)
    async with slack_rig(
        tmp_path,
        slack_limits=SlackLimits(rate_limits=True, pace=1.0),
        sandbox_workers=100,
        speed=SPEED,
        manners=manners,
        rules=rules,
        limits=AMPLE,
    ) as studio:
        studio.gate.open = False
        channels = [studio.team.channel(f"room-{n}", studio.anna, bot=True) for n in range(5)]
        await asyncio.gather(
            *(
                studio.anna.command("/imagine", f"fox {number}", channel=channels[number % 5])
                for number in range(100)
            )
        )
        await eventually(lambda: all(len(studio.cards(one)) == 20 for one in channels), "all cards", 20)
        since = studio.server.clock()
        await eventually(lambda: studio.server.clock() - since > 70, "a minute has passed", 20)
        running = [call.at for call in studio.server.calls("chat.update")]
        assert 20 < busiest(running) < 50

        studio.gate.open = True
        finished = studio.server.clock()
        await eventually(lambda: all(len(studio.results(one)) == 20 for one in channels), "all results", 40)

        async def settled() -> bool:
            return Counter(job.state for job in await studio.jobs()) == {State.DONE: 100}

        await eventually(settled, "all are done", 40)
        took = studio.server.clock() - finished
        print(f"100 settled in {took:.0f} s; 429s: {studio.server.api.rate_limits.refused}")
        assert took < 180
        assert busiest(call.at for call in studio.server.calls("chat.update")) < 50
        assert studio.server.api.rate_limits.refused == 0
        for channel in channels:
            posted = [float(message.ts) for message in channel.messages.values()]
            assert busiest(posted, 10.0) <= 12  # of which Slack shows the files when it likes
            assert all("Ready" in card.text for card in studio.cards(channel))
        assert studio.is_tidy()
