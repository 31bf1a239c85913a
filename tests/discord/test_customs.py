"""What buttons carry: it comes back as it went, and what is none of ours is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.customs import LONGEST, OF_A_JOB, Custom, Verb
from bot.catalogue import load
from bot.core import ALPHABET
from bot.jobs import JobId

COMMANDS = load().commands()
JOBS = st.text(ALPHABET, min_size=12, max_size=12).map(JobId)
LARGEST_ID = 2**64 - 1
"""Of an interaction, which is in hexadecimal what tells two forms apart."""


@st.composite
def customs(draw: st.DrawFn) -> Custom:
    verb = draw(st.sampled_from(Verb))
    job = draw(JOBS if verb in OF_A_JOB else st.none() | JOBS)
    return Custom(
        verb,
        job,
        draw(st.sampled_from(["", *COMMANDS])),
        draw(st.integers(0, 999)),
        draw(st.just("") | st.integers(0, LARGEST_ID).map("{:x}".format)),
    )


@given(customs())
def test_it_comes_back_as_it_went_and_fits(custom: Custom) -> None:
    text = str(custom)
    assert 1 <= len(text) <= LONGEST
    assert Custom.read(text) == custom


def test_the_longest_of_all_fits() -> None:
    longest = Custom(Verb.CANCEL, JobId("j" * 12), max(COMMANDS, key=len), 999, f"{LARGEST_ID:x}")
    assert len(str(longest)) <= LONGEST


def test_they_look_the_same_for_ever() -> None:
    """Buttons that were posted by an older version must go on working: this is a promise."""
    job = JobId("abcdefghijkl")
    assert str(Custom(Verb.CANCEL, job)) == "tr:cancel:abcdefghijkl"
    assert str(Custom(Verb.STEP, job, "video", 2)) == "tr:step:abcdefghijkl:video:2"
    assert str(Custom(Verb.FORM, None, "animate", unique="1f")) == "tr:form::animate::1f"
    assert str(Custom(Verb.USE)) == "tr:use"
    assert {verb.value for verb in Verb} == {
        "cancel", "again", "reseed", "edit", "remove", "post", "step", "use", "form",
        "go", "report", "forget", "admin",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tr",
        "tr:",
        "tr:cancel",
        "tr:again:",
        "tr:step::video:1",
        "tr:dance:abcdefghijkl",
        "tr:CANCEL:abcdefghijkl",
        "tr:cancel:abcdefghijkl\n",
        " tr:cancel:abcdefghijkl",
        "tr:cancel:abc def",
        "tr:step:abcdefghijkl:video:-1",
        "tr:step:abcdefghijkl:video:1000",
        "tr:step:abcdefghijkl:video:1.5",
        "tr:step:abcdefghijkl:video:one",
        "tr:form::animate::1f:more",
        "xx:cancel:abcdefghijkl",
        "cancel:abcdefghijkl",
        "tr:cancel:" + "a" * 91,
        "tr:cancel:🦊",
    ],
)
def test_what_is_none_of_ours_is_nothing(text: str) -> None:
    assert Custom.read(text) is None


@given(st.text(max_size=120) | st.text("tr:cancelstpusfom.-_0129", max_size=40).map("tr:{}".format))
def test_garbage_never_raises_and_never_makes_a_job_button_without_a_job(text: str) -> None:
    custom = Custom.read(text)
    if custom is not None:
        assert custom.job or custom.verb not in OF_A_JOB
        assert 0 <= custom.number <= 999
        assert len(str(custom)) <= LONGEST
