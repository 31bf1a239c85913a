"""Faults on demand: rules that say what goes wrong, where, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, TypeAlias

from bot.catalogue.schema import Model, Shape
from bot.sandbox.work import Json

Group: TypeAlias = Literal["delay", "answer", "run"]

ENDPOINTS = ("create", "get", "list", "cancel", "files", "download")
PLACES = (*ENDPOINTS, "webhook")
FORMS = ("html", "empty", "images", "half")
RETRY_IN = ("header", "body", "text")

WHERE: Mapping[str, tuple[str, ...]] = {
    "slow": PLACES,
    "status": ENDPOINTS,
    "drop_before": PLACES,
    "drop_after": PLACES,
    "garbage": ENDPOINTS,
    "cut_download": ("download",),
    "expired_output": ("create", "download"),
    "forget": ("create", "get"),
    "fail": ("create",),
    "flag": ("create",),
    "out_of_memory": ("create",),
    "never_finish": ("create",),
}
"""Each fault, and the requests that it can happen to."""

OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.53 GiB (GPU 0; 39.39 GiB total capacity; 36.64 GiB already "
    "allocated; 1.08 GiB free) (E1001)"
)
FLAGGED = "NSFW content detected. Try running it again, or try a different prompt."
FLAGGED_BY: Mapping[str, str] = {
    "animate": "NSFW content detected, please try a different prompt and/or seed",
    "edit": "Generated image contained NSFW content. Try running it again with a different prompt.",
}
"""The words of models that have their own, by command."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault. `times` is None for always; `model` a command or owner/name, None for every model.

    `seconds` is for slow; `code`, `body`, `headers`, `retry_after`, `retry_in` and `taken` (the request is
    carried out nevertheless) for status; `form` for garbage; `message` for fail. Raises ValueError for a
    fault that can't be.
    """

    on: str
    fault: str
    times: int | None = 1
    model: str | None = None
    seconds: float = 5.0
    code: int = 500
    body: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None
    retry_in: str | None = None
    taken: bool = False
    form: str = "html"
    message: str = "The sandbox was told to fail"

    def __post_init__(self) -> None:
        _demand(self.fault in WHERE, f"fault must be one of {', '.join(WHERE)}")
        places = WHERE[self.fault]
        _demand(self.on in places, f"{self.fault} can happen on {', '.join(places)}")
        _demand(self.times is None or (_is_integer(self.times) and self.times > 0), "times: 1 or more")
        _demand(self.model is None or isinstance(self.model, str), "model must be a command or owner/name")
        seconds_are_good = _is_integer(self.seconds) or isinstance(self.seconds, float)
        _demand(seconds_are_good and 0 <= self.seconds <= 3600, "seconds must be between 0 and 3600")
        _demand(_is_integer(self.code) and 200 <= self.code <= 599, "code must be between 200 and 599")
        _demand(_are_headers(self.headers), "headers must be an object of texts")
        _demand(self.retry_after is None or _is_integer(self.retry_after), "retry_after must be in seconds")
        _demand(self.retry_in in (None, *RETRY_IN), f"retry_in must be one of {', '.join(RETRY_IN)}")
        _demand(isinstance(self.taken, bool), "taken must be true or false")
        _demand(self.form in FORMS, f"form must be one of {', '.join(FORMS)}")
        _demand(isinstance(self.message, str), "message must be text")

    @classmethod
    def from_json(cls, value: Json) -> Rule:
        """A rule as the admin endpoint takes it: `times` may be "always"."""
        _demand(isinstance(value, dict), "a rule is a JSON object")
        known = [entry.name for entry in fields(cls)]
        for key in value:
            _demand(key in known, f"{key} is no key of a rule: {', '.join(known)}")
        for key in ("on", "fault"):
            _demand(key in value, f"{key} is missing")
        return cls(**{**value, "times": None if value.get("times") == "always" else value.get("times", 1)})

    @property
    def group(self) -> Group:
        if self.fault == "slow":
            return "delay"
        happens_later = self.on == "create" and self.fault in ("forget", "expired_output", *_RUNS)
        return "run" if happens_later else "answer"

    def is_for(self, model: Model | None) -> bool:
        return self.model is None or (
            model is not None and self.model.removeprefix("/") in (model.command, model.full_name)
        )

    def failure(self, model: Model, made: int) -> str | None:
        """The error of a prediction that this rule makes fail. `made`: how many files it would have given."""
        match self.fault:
            case "fail":
                return self.message
            case "out_of_memory":
                return OUT_OF_MEMORY
            case "flag" if not self.drops_one(model) or made < 2:
                return FLAGGED_BY.get(model.command, FLAGGED)
        return None

    def drops_one(self, model: Model) -> bool:
        """Models that give a list drop the pictures that they flag; all others fail."""
        return self.fault == "flag" and model.output.shape is Shape.LIST


_RUNS = ("fail", "flag", "out_of_memory", "never_finish")


class Misbehaviour:
    """The rules that are in force, and how often each may still be used."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._left: list[tuple[Rule, int | None]] = []
        for rule in rules:
            self.add(rule)

    def add(self, rule: Rule) -> None:
        self._left.append((rule, rule.times))

    def clear(self) -> None:
        self._left.clear()

    def concerns(self, on: str) -> bool:
        return any(rule.on == on for rule, _ in self._left)

    def take(self, on: str, group: Group, model: Model | None = None) -> Rule | None:
        """The first rule for this, used up by one."""
        for place, (rule, left) in enumerate(self._left):
            if rule.on == on and rule.group == group and rule.is_for(model):
                if left == 1:
                    del self._left[place]
                elif left is not None:
                    self._left[place] = (rule, left - 1)
                return rule
        return None

    def as_json(self) -> list[Json]:
        return [{**asdict(rule), "times": left or "always"} for rule, left in self._left]


def _demand(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_headers(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(text, str) and text.isascii() and text.isprintable() for text in (*value, *value.values())
    )
