"""What a button, a menu and a modal carry: whose job, and what to do. Nothing else is kept anywhere. Pure.

Discord gives a custom id back as it was, up to 100 characters of it, a year and ten restarts later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from bot.jobs import JobId

LONGEST = 100
PATTERN = r"tr:[a-z]+(:[\w.-]*){0,4}"


class Verb(StrEnum):
    CANCEL = "cancel"
    AGAIN = "again"
    RESEED = "reseed"
    EDIT = "edit"
    REMOVE = "remove"
    POST = "post"
    STEP = "step"
    """A result as the beginning of another job."""
    USE = "use"
    """A picture of somebody's message, for the command that is chosen."""
    FORM = "form"
    """A modal that was filled in."""
    GO = "go"
    """Yes to what a job may cost; `job` is the token of the question."""
    REPORT = "report"
    """A result that those who look after the server shall see; as a modal, with the reason."""
    FORGET = "forget"
    """Yes to being forgotten."""
    ADMIN = "admin"
    """Something of /settings: `command` says what, `job` and `unique` what about."""


OF_A_JOB = frozenset(
    {
        Verb.CANCEL,
        Verb.AGAIN,
        Verb.RESEED,
        Verb.EDIT,
        Verb.REMOVE,
        Verb.POST,
        Verb.STEP,
        Verb.GO,
        Verb.REPORT,
    }
)


@dataclass(frozen=True, slots=True)
class Custom:
    """`job` is the one it concerns, `command` the one to run, `number` the file of the job's result.

    `unique` tells two modals apart: a client takes two with one id for the same.
    """

    verb: Verb
    job: JobId | None = None
    command: str = ""
    number: int = 0
    unique: str = ""

    def __str__(self) -> str:
        parts = ["tr", self.verb.value, self.job or "", self.command, str(self.number or ""), self.unique]
        return ":".join(parts).rstrip(":")

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for what none of ours ever was."""
        if len(text) > LONGEST or not re.fullmatch(PATTERN, text):
            return None
        verb, job, command, number, unique = (text.split(":")[1:] + [""] * 4)[:5]
        if verb not in frozenset(Verb) or not re.fullmatch(r"\d{0,3}", number):
            return None
        if not job and verb in OF_A_JOB:
            return None
        return cls(Verb(verb), JobId(job) if job else None, command, int(number or 0), unique)
