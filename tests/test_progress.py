"""Progress, read from what models write to their logs."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers import parse_progress

SDXL = """Using seed: 12103
Prompt: an astronaut riding a rainbow unicorn
txt2img mode
  0%|          | 0/50 [00:00<?, ?it/s]
  4%|▍         | 2/50 [00:00<00:02, 18.20it/s]
 48%|████▊     | 24/50 [00:01<00:01, 18.12it/s]"""


@pytest.mark.parametrize(
    ("logs", "share"),
    [
        ("", None),
        ("Using seed: 7\nLoading weights", None),
        (SDXL, 0.48),
        (SDXL + "\nsaving the picture\n", 0.48),
        (" 33%|###       | 1/3 [00:00,  1.00it/s]\n", 0.33),
        ("100%|##########| 2/2 [00:01,  1.00it/s]\n", 1.0),
        ("  0%|          | 0/50 [00:00<?, ?it/s]", 0.0),
        ("Generating frame 4 of keyframe 2", None),
        ("50% done", None),
        ("took 50%|yes", None),
        ("900%|#####| 9/1 [00:00]", 1.0),
    ],
)
def test_the_last_bar_of_a_log_says_how_far_it_is(logs: str, share: float | None) -> None:
    assert parse_progress(logs) == share


def test_a_bar_redrawn_with_carriage_returns_counts_as_it_was_drawn_last() -> None:
    assert (
        parse_progress("\r  2%|▏ | 1/50 [00:00]\r 40%|████ | 20/50 [00:01]\r 80%|████████ | 40/50 [00:02]")
        == 0.8
    )


def test_a_second_bar_starts_again() -> None:
    base, refiner = "100%|██████████| 40/40 [00:03]", " 10%|█ | 1/10 [00:00]"
    assert parse_progress(f"{base}\n{refiner}") == 0.1


def test_a_line_cut_in_two_by_the_tail_is_not_believed() -> None:
    beyond = "x" * 8000
    for cut in range(220):
        assert parse_progress(" 93%|#########3| 93/100 [00:01]" + "." * cut + "\n" + beyond) in (0.93, None)


def test_a_log_of_a_megabyte_costs_next_to_nothing() -> None:
    logs = " 12%|#2 | 12/100 [00:01<00:10, 8.1it/s]\n" * 25_000
    started = time.perf_counter()
    for _ in range(100):
        assert parse_progress(logs) == 0.12
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("line", ["0%|" + "|" * 9000, "0%" + " " * 9000, " " * 9000, "0%|" + "| 1 " * 3000])
def test_lines_made_to_be_slow_are_not(line: str) -> None:
    started = time.perf_counter()
    parse_progress(line)
    parse_progress("\n" + line[:8000])
    assert time.perf_counter() - started < 0.5


@given(st.text(alphabet=st.sampled_from("0123456789%| /#\r\n."), max_size=300))
def test_any_log_gives_a_share_or_nothing(logs: str) -> None:
    share = parse_progress(logs)
    assert share is None or 0 <= share <= 1
