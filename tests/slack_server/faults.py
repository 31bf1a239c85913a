"""Faults on demand: rules that say which request goes wrong, how, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

Fault = Literal[
    "drop_before",  # the connection is reset before the request is taken
    "drop_after",  # the request is taken, then the connection is reset
    "close_before",  # as above, with an orderly end of the connection
    "close_after",
    "status_before",  # answered with `status` (500), not taken
    "status_after",  # taken, yet answered with `status`
    "html",  # `status` (502) with a page instead of JSON, as a proxy answers; not taken
    "error",  # a Slack error: 200 and `code`; not taken
    "error_after",  # taken, yet answered with the error `code`
    "slow_before",  # `delay` seconds pass before the request is taken
    "slow_after",  # taken, answered `delay` seconds later
    "hang",  # never answered, not taken
    "rate_limit",  # 429 with `delay` as Retry-After, in whole seconds
    "not_json",  # taken, answered 200 with something that isn't JSON
    "truncated",  # taken, but the connection ends in the middle of the answer
]


@dataclass(eq=False)
class Rule:
    """`on` is a method ("chat.postMessage", "files.*"), "upload", "download", "response_url", or a path with
    a verb before it or none ("POST /upload/*"); `*` stands for anything in it.
    """

    on: str
    fault: Fault
    times: int | None = 1  # None: until it is removed
    skip: int = 0  # requests that pass before it begins
    delay: float = 0.0
    status: int = 0
    code: str = "internal_error"
    hits: int = 0

    def matches(self, verb: str, path: str, method: str) -> bool:
        """`method` is the name of the Web API's method, or of what else is asked for."""
        wanted_verb, _, wanted = self.on.rpartition(" ")
        if wanted_verb not in ("", "*", verb):
            return False
        return fnmatchcase(path if wanted.startswith("/") else method, wanted)


class Faults:
    """The list of rules; the first that matches and isn't used up decides."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def add(
        self,
        on: str,
        fault: Fault,
        times: int | None = 1,
        *,
        skip: int = 0,
        delay: float = 0.0,
        status: int = 0,
        code: str = "internal_error",
    ) -> Rule:
        """Add a rule: `faults.add(on="files.completeUploadExternal", fault="drop_after", times=1)`."""
        if fault not in get_args(Fault):
            raise ValueError(f"no such fault: {fault}")
        rule = Rule(on, fault, times, skip, delay, status, code)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()

    def pick(self, verb: str, path: str, method: str) -> Rule | None:
        for rule in self.rules:
            if not rule.matches(verb, path, method) or rule.times == 0:
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.hits += 1
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
