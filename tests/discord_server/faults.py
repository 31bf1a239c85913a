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
    "error",  # a Discord error: `status` and `code`; not taken
    "slow_before",  # `delay` seconds pass before the request is taken
    "slow_after",  # taken, answered `delay` seconds later
    "hang",  # never answered, not taken
    "rate_limit",  # 429 as Discord sends it: JSON, `Via`, `delay` as retry_after
    "global_rate_limit",
    "shared_rate_limit",
    "cloudflare",  # 429 of Cloudflare: no `Via`, no JSON
    "not_json",  # taken, answered 200 with something that isn't JSON
]


@dataclass(eq=False)
class Rule:
    """`on` is "METHOD /path" without /api/v10; `*` stands for one part of the path, `**` for all the rest."""

    on: str
    fault: Fault
    times: int | None = 1  # None: until it is removed
    skip: int = 0  # requests that pass before it begins
    delay: float = 0.0
    status: int = 0
    code: int = 0
    hits: int = 0

    def matches(self, method: str, path: str) -> bool:
        wanted_method, _, wanted_path = self.on.rpartition(" ")
        if wanted_method not in ("", "*", method):
            return False
        if wanted_path in ("*", "**"):
            return True
        wanted, parts = wanted_path.split("/"), path.split("/")
        if wanted[-1] == "**":
            wanted, parts = wanted[:-1], parts[: len(wanted) - 1]
        return len(wanted) == len(parts) and all(
            fnmatchcase(p, w) for p, w in zip(parts, wanted, strict=True)
        )


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
        code: int = 0,
    ) -> Rule:
        """Add a rule: `faults.add(on="POST /channels/*/messages", fault="drop_after", times=1)`."""
        if fault not in get_args(Fault):
            raise ValueError(f"no such fault: {fault}")
        rule = Rule(on, fault, times, skip, delay, status, code)
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()

    def pick(self, method: str, path: str) -> Rule | None:
        for rule in self.rules:
            if not rule.matches(method, path) or rule.times == 0:
                continue
            if rule.skip:
                rule.skip -= 1
                continue
            rule.hits += 1
            if rule.times is not None:
                rule.times -= 1
            return rule
        return None
