"""When to look again."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pacing import run as simulated
from bot.pacing import (
    FEW_MISSED,
    GRACE,
    KEPT,
    Budget,
    Durations,
    Hearing,
    Pace,
    backoff,
    likely_ended,
    next_look,
)

PACE = Pace(shortest=0.4, longest=5.0, price=0.05)


def test_a_model_nobody_knows_is_looked_at_the_less_the_older_its_run_is() -> None:
    waits = [next_look(age, Durations(), PACE) for age in (0, 5, 20, 80, 2000)]
    assert waits == [0.4, 0.5, 1.0, 2.0, 5.0]


def test_nothing_is_looked_at_while_no_run_ever_ended_so_early() -> None:
    known = Durations([60, 61, 62, 63, 64] * 40)
    assert next_look(10, known, PACE) == PACE.longest


def test_the_first_look_comes_when_the_first_runs_end() -> None:
    known = Durations([20.0] * 50)
    assert next_look(17, known, PACE) == pytest.approx(3.0, abs=0.1)


def test_looks_are_dense_where_most_runs_end() -> None:
    known = Durations([30 + n / 100 for n in range(100)])
    assert next_look(30.2, known, PACE) < 0.6


def test_between_two_kinds_of_runs_nothing_is_looked_at() -> None:
    """Warm ones take twelve seconds, cold ones ninety: none ends between."""
    known = Durations([12.0] * 160 + [90.0] * 40)
    patient = Pace(shortest=0.1, longest=60.0, price=0.05)
    age, looks = 13.0, 0
    while age < 89:
        age += next_look(age, known, patient)
        looks += 1
    assert looks <= 12
    assert age == pytest.approx(90, abs=1)


@given(st.lists(st.floats(0.2, 1e4), min_size=3, max_size=100), st.floats(0.1, 1e4), st.floats(0.001, 10))
def test_a_wait_is_over_when_the_expected_delay_is_there(
    durations: list[float], age: float, delay: float
) -> None:
    """By the sum itself, of the runs that got there and the one of unknown length."""
    known = Durations(durations)
    wait = known.until_unseen(age, delay)
    longer = [one for one in durations if one > age]
    unseen = sum(max(age + wait - one, 0) for one in longer) + wait**2 / age
    assert unseen / (len(longer) + 1) == pytest.approx(delay, rel=1e-3)


def test_what_is_likely_over_is_worth_a_look() -> None:
    known = Durations([12.0] * 160 + [90.0] * 40)
    assert likely_ended(11.5, 1.0, known) > 0.7
    assert likely_ended(20, 1.0, known) < 0.01
    assert likely_ended(20, 71, known) > 0.9


def test_an_overdue_run_is_looked_at_ever_less() -> None:
    known = Durations([10, 11, 12, 13])
    assert next_look(20, known, PACE) == 1.0
    assert next_look(500, known, PACE) == PACE.longest


def test_cheap_looks_are_more_frequent_looks() -> None:
    known = Durations(range(10, 60))
    dear = next_look(30, known, PACE)
    cheap = next_look(30, known, Pace(shortest=0.1, longest=5.0, price=0.0005))
    assert cheap < dear


@given(st.floats(0, 1e6), st.lists(st.floats(0, 1e5), max_size=300))
def test_the_wait_stays_within_its_bounds(age: float, durations: list[float]) -> None:
    assert PACE.shortest <= next_look(age, Durations(durations), PACE) <= PACE.longest


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=KEPT + 100))
def test_only_the_newest_durations_are_kept(durations: list[float]) -> None:
    known = Durations(durations)
    assert len(known) == min(len(durations), KEPT)
    assert known.quantile(0) == min(durations[-KEPT:])
    assert known.quantile(1) == max(durations[-KEPT:])


def test_time_left_is_the_median_of_those_that_got_this_far() -> None:
    known = Durations([10, 20, 30, 40, 50])
    assert known.left(25) == 15
    assert known.left(50) is None
    assert Durations().left(0) is None


def test_backoff_doubles_up_to_its_most() -> None:
    rng = random.Random(1)
    waits = [backoff(tries, rng, first=1, most=60) for tries in range(12)]
    assert all(0.8 * min(2**n, 60) <= wait <= 1.2 * min(2**n, 60) for n, wait in enumerate(waits))


def test_backoff_differs_from_one_to_the_next() -> None:
    rng = random.Random(1)
    assert len({backoff(3, rng) for _ in range(20)}) == 20


def test_a_budget_lets_a_burst_through_and_then_its_rate() -> None:
    budget = Budget(rate=10, burst=3, now=0)
    assert [budget.take(0) for _ in range(3)] == [0, 0, 0]
    assert budget.take(0) == pytest.approx(0.1)
    assert budget.take(0) == pytest.approx(0.2)
    assert budget.take(10) == 0


def test_the_simulation_compares_with_as_many_looks() -> None:
    for row in simulated(200, prices=(0.1,)):
        assert row["fixed"]["looks"] == pytest.approx(row["looks"], rel=0.05)
        assert row["backoff"]["looks"] == pytest.approx(row["looks"], rel=0.05)
        if row["model"].startswith(("cold", "a film", "a picture")):
            assert row["ours"]["mean"] < 0.7 * row["fixed"]["mean"]


STEADY = Durations(-100 * math.log(1 - (n + 0.5) / 200) for n in range(200))
"""One in a hundred ends each second, however long it has taken."""


@pytest.mark.parametrize("known", [Durations(), STEADY])
def test_while_webhooks_arrive_looks_are_so_many_times_rarer(known: Durations) -> None:
    for age in (40, 55, 80):
        rarer = next_look(age, known, PACE.while_heard())
        assert rarer == pytest.approx(PACE.heard * next_look(age, known, PACE), rel=0.3)


def test_webhooks_arrive_from_the_first_one_until_several_in_a_row_did_not() -> None:
    hearing = Hearing()
    assert hearing.judge(0) is None
    hearing.came("a")
    for number in range(FEW_MISSED):
        assert hearing.judge(number) is True
        hearing.found(f"b{number}", now=number)
    assert hearing.judge(FEW_MISSED + GRACE) is False
    assert hearing.judge(1000) is False
    hearing.came("c")
    assert hearing.judge(1000) is True


def test_a_webhook_that_is_a_little_later_than_the_look_is_not_missed() -> None:
    hearing = Hearing()
    for number in range(10):
        hearing.found(str(number), now=100)
    for number in range(10):
        hearing.came(str(number))
    assert hearing.judge(200) is True


def test_one_that_came_between_them_makes_the_missed_ones_an_accident() -> None:
    hearing = Hearing()
    for number in range(20):
        hearing.found(f"lost {number}", now=100 * number)
        hearing.came(f"came {number}")
        assert hearing.judge(100 * number + 50) is True
