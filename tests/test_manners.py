"""How a provider is asked: budgets, holds, the breaker. Time is an argument."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.errors import LostAnswer, ProviderBusy, ProviderDown, ProviderRefused, ThreadreelError
from bot.pacing import per_minute
from bot.providers import Manners, Patience
from bot.providers.manners import Lane, rate_left, rate_said

LOW_CREDIT = (
    "429: Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per "
    "minute with a burst of 1 requests while you have less than $5.0 in credit. "
    "Your rate limit resets in ~7s."
)
PATIENCE = Patience(failures=3, apart=1.0, first=1.0, most=60.0, believed=600.0)


def lane(limit: int | None = 600) -> Lane:
    return Lane(limit, PATIENCE, random.Random(1))


def manners(creates: int | None = 600, requests: int | None = 3000) -> Manners:
    return Manners(
        "box",
        creates_per_minute=creates,
        requests_per_minute=requests,
        patience=PATIENCE,
        rng=random.Random(1),
    )


# -- budgets


@given(st.integers(2, 5000), st.floats(0, 600))
def test_no_minute_sees_more_than_its_limit(limit: int, begins: float) -> None:
    """However a server counts: in fixed windows, in sliding ones, or by a bucket of its own."""
    budget, sent, now = per_minute(limit), list[float](), 0.0
    while now < begins + 60:
        now += budget.take(now)
        sent.append(now)
    assert sum(begins <= at < begins + 60 for at in sent) <= limit + 1e-6


@given(st.integers(1, 5000))
def test_a_budget_always_lets_one_through_in_the_end(limit: int) -> None:
    budget = per_minute(limit)
    waits = [budget.take(0) for _ in range(5)]
    assert waits[0] == 0
    assert max(waits) <= 60 * 5 / (limit / 2)


def test_the_providers_own_count_only_ever_lowers_ours() -> None:
    one = lane(600)
    one.counted(3, 30, now=0)
    assert one.room(0) == 3
    one.counted(500, 30, now=0)
    assert one.room(0) == 3


def test_where_the_provider_counts_none_left_nothing_is_sent_until_it_counts_anew() -> None:
    one = lane(600)
    one.counted(0, 12, now=0)
    assert [one.room(now) for now in (0, 11.9)] == [0, 0]
    assert one.room(12.1) > 0


def test_a_provider_that_publishes_nothing_has_no_limit_until_it_says_one() -> None:
    one = lane(None)
    assert one.room(0) == float("inf")
    assert one.reduced(10, 1, now=0)
    assert one.room(0.05) == 0
    assert one.room(0.2) == 1


def test_low_credit_is_learned_from_the_providers_words_and_forgotten_after_a_while() -> None:
    box = manners()
    with capture_logs() as logs:
        box.heard(box.creates, ProviderBusy(LOW_CREDIT, retry_after=7), None, now=100)
        assert (box.room(106), box.why(106)) == (0, "provider_busy")
        assert box.room(111) == 1
        box.creates.take(111)
        box.heard(box.creates, None, {}, now=111.2)
        assert box.room(115) == 0
        box.heard(box.creates, ProviderBusy(LOW_CREDIT, retry_after=7), None, now=116)
    assert [line["action"] for line in logs] == ["provider_slow"]
    later = 116 + PATIENCE.believed + 1
    box.heard(box.creates, None, {}, now=later)
    assert box.room(later + 60) == 60


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LOW_CREDIT, (0.1, 1.0)),
        ("Your rate limit for creating predictions is 600 requests per minute.", (10.0, 1.0)),
        ("limit: 5 requests per second with a burst of 20 requests", (5.0, 20.0)),
        ("0 requests per minute", None),
        ("Request was throttled.", None),
        ("", None),
    ],
)
def test_limits_are_read_from_words(text: str, said: Any) -> None:
    assert rate_said(text) == said


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({"ratelimit-remaining": "598", "ratelimit-reset": "12"}, (598, 12)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "1000030"}, (0, 30)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "5"}, (0, 5)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "999"}, (0, 999)),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "99999999"}, None),
        ({"ratelimit-remaining": "-1", "ratelimit-reset": "5"}, None),
        ({"ratelimit-remaining": "nan", "ratelimit-reset": "5"}, None),
        ({"ratelimit-remaining": "many", "ratelimit-reset": "5"}, None),
        ({"ratelimit-remaining": "5"}, None),
        ({}, None),
    ],
)
def test_the_count_is_read_from_headers(headers: dict[str, str], left: Any) -> None:
    assert rate_left(headers, now=1_000_000) == left


def test_a_refusal_for_now_holds_every_create_back_and_no_look() -> None:
    box = manners()
    box.heard(box.creates, ProviderBusy("429", retry_after=20), None, now=0)
    assert box.room(19) == 0
    assert box.admit(0) == 0


def test_after_a_refusal_one_request_is_tried_and_then_all() -> None:
    one = lane()
    one.throttled(5, now=0)
    assert one.room(6) == 1
    one.take(6)
    assert one.room(6.1) == 0, "the trial is under way"
    one.answered(6.5)
    assert one.room(8) > 1


def test_refusals_that_say_no_time_wait_ever_longer() -> None:
    one, now, holds = lane(), 0.0, []
    for _ in range(9):
        one.throttled(None, now)
        holds.append(one.held(now))
        now += holds[-1]
    assert all(0.8 * min(2**n, 60) <= hold <= 1.2 * min(2**n, 60) + 0.01 for n, hold in enumerate(holds))


# -- the breaker


def fail(box: Manners, times: int, start: float = 0.0, error: ThreadreelError | None = None) -> float:
    now = start
    for _ in range(times):
        now += PATIENCE.apart
        box.heard(box.others, error or ProviderDown("refused"), None, now)
    return now


def test_it_opens_after_a_few_failures_in_a_row_and_says_so_once() -> None:
    box = manners()
    with capture_logs() as logs:
        now = fail(box, 2)
        assert box.admit(now) == 0
        now = fail(box, 1, now)
        with pytest.raises(ProviderDown) as refused:
            box.admit(now)
        assert 0 < (refused.value.retry_after or 0) <= 1.2
        fail(box, 5, now + 2)
    assert [line["action"] for line in logs] == ["provider_down"]


def test_a_success_in_between_begins_the_row_anew() -> None:
    box = manners()
    now = fail(box, 2)
    box.heard(box.others, None, {}, now)
    assert not box.others.down
    fail(box, 2, now)
    assert not box.others.down


def test_what_fails_together_counts_once() -> None:
    box = manners()
    for _ in range(16):
        box.heard(box.others, ProviderDown("refused"), None, now=5.0)
    assert not box.others.down


@pytest.mark.parametrize(
    ("error", "opens"),
    [
        (ProviderDown("503"), True),
        (LostAnswer("timeout"), True),
        (ProviderBusy("429", retry_after=0), False),
        (ProviderRefused("no_credit", 402, "no"), False),
        (ProviderRefused("not_found", 404, "no"), False),
    ],
)
def test_only_what_is_no_answer_counts(error: ThreadreelError, opens: bool) -> None:
    box = manners()
    fail(box, 5, error=error)
    assert box.others.down is opens


def test_it_is_tried_with_one_request_and_closes_with_its_answer() -> None:
    box = manners()
    with capture_logs() as logs:
        now = fail(box, 3) + 2
        box.admit(now)
        with pytest.raises(ProviderDown) as refused:
            box.admit(now)
        assert refused.value.retry_after == 1.0
        box.heard(box.others, None, {}, now + 0.2)
        assert box.admit(now + 0.3) == 0
    assert [line["action"] for line in logs] == ["provider_down", "provider_up"]


def test_each_failed_trial_makes_the_next_wait_longer_up_to_a_minute() -> None:
    box = manners()
    now, holds = fail(box, 3), []
    for _ in range(9):
        holds.append(box.others.held(now))
        now += holds[-1] + 0.01
        box.admit(now)
        now += 1
        box.heard(box.others, ProviderDown("refused"), None, now)
    assert all(0.8 * min(2**n, 60) <= hold <= 1.2 * min(2**n, 60) for n, hold in enumerate(holds))


def test_a_trial_of_which_nothing_is_heard_does_not_keep_it_closed_for_ever() -> None:
    box = manners()
    now = fail(box, 3) + 2
    box.admit(now)
    assert box.admit(now + 31) == 0


def test_when_it_is_back_the_budget_begins_nearly_empty() -> None:
    box = manners()
    now = 0.0
    for _ in range(3):
        now += 1
        box.heard(box.creates, ProviderDown("refused"), None, now)
    box.heard(box.creates, None, {}, now + 2)
    assert box.room(now + 2) <= 1
    assert box.room(now + 3) <= 10


def test_no_order_is_sent_while_nothing_else_gets_through() -> None:
    box = manners()
    now = fail(box, 3)
    assert (box.room(now), box.why(now)) == (0, "provider_down")
    assert box.room(now + 2) > 0, "but they don't wait for a look that nobody makes"


def test_a_clock_that_is_set_back_does_not_stop_it_for_long() -> None:
    one = lane()
    one.counted(0, 10, now=1_000_000)
    assert one.held(now=999_000) == 1010
    assert one.held(now=0) == 0
