"""The rules of one server, compiled: built-in < installation < server < channel or role. Pure.

Gates (models, channels, roles, adults, words, patterns) only ever narrow: each layer must let a job pass.
Only a role may open for its members what the server's own `models` doesn't list; nothing opens what is in any
`models_off`. Of values, the
nearest layer's holds; of a person's limits and budgets, the most generous of their roles takes the server's
place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal

from bot.caps import Cap, Quota, Whose, micros
from bot.catalogue import Catalogue, Input, Model
from bot.errors import BadOrder, Problem, Refused
from bot.jobs import Actor, Json, Option, State
from bot.rules.decide import Allowances, Ask
from bot.rules.filters import Filter
from bot.rules.keys import INPUTS, KEYS, PLAIN
from bot.rules.periods import day_of, month_of
from bot.rules.scope import Entry, Scope, ScopeKind, Shown
from bot.rules.values import REFUSE, text_of

BUILT_IN, INSTALLATION = "built-in", "installation"
NOT_ENDED = frozenset({State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING})
MINUTE = 60.0

Layer = Mapping[str, Json]
NOTHING: Layer = {}


class Rulebook:
    """Judges in microseconds: everything that can be is compiled beforehand."""

    def __init__(self, entries: Iterable[Entry], defaults: Mapping[str, Json], catalogue: Catalogue) -> None:
        """`entries` and `defaults` (the installation's) as `apply` and `defaults` have checked them."""
        self._catalogue = catalogue
        self._installation: Layer = dict(defaults)
        layers: defaultdict[Scope, dict[str, Json]] = defaultdict(dict)
        for entry in entries:
            layers[entry.scope][entry.key] = entry.value
        self._layers: Mapping[Scope, Layer] = dict(layers)
        self._server = self._layers.get(Scope(), NOTHING)
        self._filters = {
            scope: found for scope, layer in self._sources() if (found := _filter_of(layer)) is not None
        }

    def _sources(self) -> Iterator[tuple[Scope | None, Layer]]:
        yield None, self._installation
        yield from self._layers.items()

    def _channel(self, channel: str) -> Layer:
        return self._layers.get(Scope(ScopeKind.CHANNEL, channel), NOTHING) if channel else NOTHING

    def _roles(self, roles: Collection[str]) -> list[tuple[str, Layer]]:
        """The layers of those roles that have any."""
        found = ((role, self._layers.get(Scope(ScopeKind.ROLE, role))) for role in sorted(roles))
        return [(role, layer) for role, layer in found if layer]

    # -- values

    def value(self, key: str, *, channel: str = "", roles: Collection[str] = ()) -> tuple[Json, str]:
        """The value that is nearest, and where it comes from: see `Shown`."""
        if key in (here := self._channel(channel)):
            return here[key], f"channel:{channel}"
        held = [(role, layer[key]) for role, layer in self._roles(roles) if key in layer]
        if held:
            role, value = max(held, key=lambda one: _generosity(one[1]))
            return value, f"role:{role}"
        if key in self._server:
            return self._server[key], ScopeKind.SERVER.value
        if key in self._installation:
            return self._installation[key], INSTALLATION
        return (PLAIN[key].default if key in PLAIN else None), BUILT_IN

    def shown(self, scope: Scope | None = None) -> tuple[Shown, ...]:
        """Every setting with its value in force there; bounds of inputs where somebody has set them."""
        channel = scope.id if scope and scope.kind is ScopeKind.CHANNEL else ""
        roles = (scope.id,) if scope and scope.kind is ScopeKind.ROLE else ()
        layers = (
            self._installation,
            self._server,
            self._channel(channel),
            *dict(self._roles(roles)).values(),
        )
        of_inputs = sorted({key for layer in layers for key in layer if key.startswith(f"{INPUTS}.")})
        names = [key.name for key in KEYS if not key.name.startswith(f"{INPUTS}.")]
        return tuple(self._shown(name, channel, roles) for name in (*names, *of_inputs))

    def _shown(self, key: str, channel: str, roles: Collection[str]) -> Shown:
        value, origin = self.value(key, channel=channel, roles=roles)
        return Shown(key, value, text_of(key, value), origin)

    # -- judging

    def with_defaults(
        self, model: Model, options: Iterable[Option], *, channel: str, roles: Collection[str]
    ) -> tuple[Option, ...]:
        """The options, and the server's own defaults for inputs that nobody gave."""
        given = tuple(options)
        names = {entry.name for key, _ in given if (entry := model.input(key))}
        missing = (entry for entry in model.inputs if entry.name not in names and not entry.is_file)
        ours = ((entry.alias, self._bound(model, entry, "default", channel, roles)) for entry in missing)
        return (*given, *((alias, value) for alias, value in ours if value is not None))

    def judge(self, ask: Ask) -> Allowances:
        """What it must keep to. Refused where it may not run here, BadOrder for what is wrong with it."""
        self._check_gates(ask)
        if problems := [*self._adults(ask), *self._filtered(ask), *self._out_of_bounds(ask)]:
            raise BadOrder(problems)
        return self.allowances(ask.actor, ask.channel, now=ask.now, trusted=ask.trusted)

    def _check_gates(self, ask: Ask) -> None:
        if ask.blocked is not None:
            raise Refused("blocked", reason=ask.blocked.reason or None, until=ask.blocked.until)
        if not self._is_open(ask.channel):
            raise Refused("channel_off")
        for layer in (self._installation, self._server, self._channel(ask.channel)):
            if layer.get("roles") is not None and ask.actor.roles.isdisjoint(layer["roles"]):
                raise Refused("role_needed")
        if not self._has_model(ask.model.command, ask.channel, ask.actor.roles):
            raise Refused("model_off", model=ask.model.command)
        if ask.model.may_be_adult and (rule := self._strictness(ask.channel)) != ADULTS[0]:
            if rule == "never":
                raise Refused("adults_never_model", model=ask.model.command)
            if not ask.for_adults:
                raise Refused("adults_only_model", model=ask.model.command)

    def _is_open(self, channel: str) -> bool:
        if not channel:
            return True
        lists = [
            (layer.get("channels"), layer.get("channels_off")) for layer in (self._installation, self._server)
        ]
        return all((on is None or channel in on) and channel not in (off or ()) for on, off in lists)

    def _has_model(self, command: str, channel: str, roles: Collection[str]) -> bool:
        layers = [layer for _, layer in self._roles(roles)]
        opened = _lists(self._server, command) or any(
            "models" in one and _lists(one, command) for one in layers
        )
        layers += [self._installation, self._server, self._channel(channel)]
        closed = any(_closes(layer, command) for layer in layers)
        by_others = _lists(self._installation, command) and _lists(self._channel(channel), command)
        return opened and by_others and not closed

    def models(self, *, channel: str, roles: Collection[str]) -> tuple[str, ...]:
        """The commands that may be used there."""
        return tuple(one.command for one in self._catalogue if self._has_model(one.command, channel, roles))

    def _strictness(self, channel: str) -> str:
        """What holds for results that only adults may see: the strictest of all layers."""
        layers = (self._installation, self._server, self._channel(channel))
        return ADULTS[max(ADULTS.index(layer.get("adults", ADULTS[0])) for layer in layers)]

    def _adults(self, ask: Ask) -> Iterator[Problem]:
        """Inputs that ask for such results need a place for them, whatever the rules say, where the platform
        has such places."""
        rule = self._strictness(ask.channel)
        for entry in ask.model.inputs:
            if (
                entry.adults
                and ask.inputs.get(entry.name) is True
                and (ask.for_adults is False or rule == "never")
            ):
                yield Problem("adults_never" if rule == "never" else "adults_only", entry.alias)

    def _filtered(self, ask: Ask) -> Iterator[Problem]:
        if ask.trusted or not self._filters:
            return
        scopes = (None, Scope(), Scope(ScopeKind.CHANNEL, ask.channel))
        filters = [self._filters[scope] for scope in scopes if scope in self._filters]
        for entry in ask.model.inputs:
            text = ask.inputs.get(entry.name)
            if entry.is_free_text and isinstance(text, str) and any(one.finds(text) for one in filters):
                yield Problem("blocked_words", entry.alias)

    def _out_of_bounds(self, ask: Ask) -> Iterator[Problem]:
        for name, value in ask.inputs.items():
            entry = ask.model.input(name)
            if entry is not None and not entry.is_file:
                yield from self._bounds(ask, entry, value)

    def _bounds(self, ask: Ask, entry: Input, value: Json) -> Iterator[Problem]:
        def bound(which: str) -> Json:
            return self._bound(ask.model, entry, which, ask.channel, ask.actor.roles)

        least, most, only = bound("min"), bound("max"), bound("only")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and ((most is not None and value > most) or (least is not None and value < least)):
            facts = {"minimum": least, "maximum": most, "value": value}
            yield Problem("out_of_bounds", entry.alias, facts)
        if only is not None and value not in only:
            yield Problem("not_here", entry.alias, {"value": value, "choices": only})

    def _bound(self, model: Model, entry: Input, which: str, channel: str, roles: Collection[str]) -> Json:
        return self.value(f"{INPUTS}.{model.command}.{entry.alias}.{which}", channel=channel, roles=roles)[0]

    # -- how much

    def allowances(self, actor: Actor, channel: str, *, now: float, trusted: bool) -> Allowances:
        """The limits and budgets that hold for them there."""
        zone = str(self.value("timezone")[0])
        periods = {"day": day_of(now, zone), "month": month_of(now, zone)}
        ask_above = self.value("ask_above", channel=channel, roles=actor.roles)[0]
        unknown = self.value("unknown_price")[0]
        return Allowances(
            caps=tuple(self._caps(actor, channel, now, trusted)),
            quotas=tuple(self._quotas(actor, channel, periods, trusted)),
            zone=zone,
            day=periods["day"][0],
            month=periods["month"][0],
            ask_above=None if ask_above is None else Decimal(ask_above),
            unknown_price=None if unknown in (None, REFUSE) else Decimal(unknown),
            refuses_unknown=unknown == REFUSE,
        )

    def _limit(self, key: str, whose: Whose, actor: Actor, channel: str) -> Json:
        match whose:
            case Whose.PERSON:
                return self.value(key, roles=actor.roles)[0]
            case Whose.CHANNEL:
                return self.value(key, channel=channel)[0] if channel else None
            case _:
                return self.value(key)[0]

    def _caps(self, actor: Actor, channel: str, now: float, trusted: bool) -> Iterator[Cap]:
        for whose in WHOSE[trusted]:
            most = self._limit(f"limit.{whose}.at_once", whose, actor, channel)
            if most is not None:
                yield Cap(f"limit_{whose}_at_once", most, whose, NOT_ENDED)
            most = self._limit(f"limit.{whose}.per_minute", whose, actor, channel)
            if most is not None:
                yield Cap(
                    f"limit_{whose}_per_minute", most, whose, since=now - MINUTE, resets_at=now + MINUTE
                )

    def _quotas(
        self, actor: Actor, channel: str, periods: Mapping[str, tuple[str, float]], trusted: bool
    ) -> Iterator[Quota]:
        for whose in WHOSE[trusted]:
            for span, (period, resets_at) in periods.items():
                most = self._limit(f"limit.{whose}.per_{span}", whose, actor, channel)
                if most is not None:
                    yield Quota(f"limit_{whose}_per_{span}", "jobs", most, whose, period, resets_at)
        for whose in WHOSE[False]:
            for span, (period, resets_at) in periods.items():
                most = self._limit(f"budget.{whose}.{span}", whose, actor, channel)
                if most is not None:
                    amount = micros(Decimal(most))
                    yield Quota(f"budget_{whose}_{span}", "money", amount, whose, period, resets_at)


ADULTS: tuple[str, ...] = PLAIN["adults"].choices
"""From the least strict to the strictest."""

WHOSE: Mapping[bool, tuple[Whose, ...]] = {
    False: (Whose.PERSON, Whose.CHANNEL, Whose.SERVER),
    True: (Whose.CHANNEL, Whose.SERVER),
}
"""Whose jobs are counted; of those whom a server trusts, not their own."""


def _lists(layer: Layer, command: str) -> bool:
    listed = layer.get("models")
    return listed is None or "*" in listed or command in listed


def _closes(layer: Layer, command: str) -> bool:
    off = layer.get("models_off") or ()
    return "*" in off or command in off


def _filter_of(layer: Layer) -> Filter | None:
    words, patterns = layer.get("words") or (), layer.get("patterns") or ()
    return Filter(words, patterns) if words or patterns else None


def _generosity(value: Json) -> tuple[int, Decimal]:
    """The larger the more generous, where that can be said."""
    try:
        return 1, Decimal(str(value))
    except ArithmeticError:
        return 0, Decimal(0)
