"""The settings from a TOML file and the environment, or every mistake in them."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, SettingsError

from bot.config.tables import (
    NESTED,
    PREFIX,
    Key,
    Settings,
    did_you_mean,
    field_of,
    is_list,
    is_secret,
    keys,
    names_in,
)
from bot.errors import ConfigError, Mistake

DOCS = "docs/configuration.md"
FROM_FILE = "_FILE"
NOT_SETTINGS = frozenset({"THREADREEL_CONFIG", "THREADREEL_REQUIRE_CHROMIUM", "THREADREEL_TEST_SEED"})
"""Variables with our prefix that are read elsewhere: where the file is, and what the tests go by."""


def load(
    path: Path | None, environ: Mapping[str, str], *, commands: Collection[str] | None = None
) -> Settings:
    """The settings of a TOML file, overridden by THREADREEL_… variables. ConfigError holds every mistake.

    `commands` are the catalogue's, without their slash, to check the routes by; None leaves that out.
    """
    data = _read_toml(path) if path else {}
    variables = tuple(_read_environment(environ))
    for variable in variables:
        _merge(data, variable.data)
    origin = _Origin(str(path) if path else "configuration", variables)
    mistakes = [mistake for variable in variables for mistake in variable.mistakes]
    mistakes += [origin.mistake(*fault) for fault in _cross_faults(data, commands)]
    try:
        settings = Settings(**data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        mistakes += [origin.mistake(*_fault(detail)) for detail in details]
    if mistakes:
        raise ConfigError(mistakes)
    return settings


def check(settings: Settings, commands: Collection[str]) -> None:
    """The rules between tables, for settings that `load` did not make. ConfigError holds every mistake."""
    data = settings.model_dump(include={"providers", "routes", "slack", "http"})
    origin = _Origin("configuration", ())
    if mistakes := [origin.mistake(*fault) for fault in _cross_faults(data, commands)]:
        raise ConfigError(mistakes)


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable of the environment, as the settings it sets."""

    name: str
    data: dict[str, Any]
    mistakes: tuple[Mistake, ...] = ()

    def path(self) -> Key:
        keys: list[str] = []
        data: Any = self.data
        while isinstance(data, dict) and len(data) == 1:
            key, data = next(iter(data.items()))
            keys.append(key)
        return tuple(keys)


@dataclass(frozen=True, slots=True)
class _Origin:
    """Tells where a setting was written."""

    file: str
    variables: tuple[_Variable, ...]

    def mistake(self, path: Key, what: str, remedy: str) -> Mistake:
        key = ".".join(path)
        setters = [v for v in self.variables if v.data and v.path() == path[: len(v.path())]]
        if not setters:
            return Mistake(f"{self.file}: {key}", what, remedy)
        nearest = max(setters, key=lambda variable: len(variable.path()))
        return Mistake(f"{nearest.name} ({key})", what, remedy)


def _merge(into: dict[str, Any], data: Mapping[str, Any]) -> None:
    for key, value in data.items():
        if isinstance(value, Mapping):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value)
        else:
            into[key] = value


# -- the file


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        remedy = "Copy config.example.toml there, or run `threadreel demo`, which needs none"
        raise ConfigError([Mistake(str(path), "there is no such file", remedy)]) from None
    except OSError as error:
        if path.is_dir():
            remedy = f"Give a file, such as {path / 'config.toml'}"
            raise ConfigError([Mistake(str(path), "is a folder", remedy)]) from None
        raise ConfigError(
            [Mistake(str(path), f"can't be read: {error.strerror}", "Mend its permissions")]
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            [Mistake(str(path), f"byte {error.start} is not UTF-8", "Save it as UTF-8")]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_toml_mistake(path, str(error))]) from None


def _toml_mistake(path: Path, message: str) -> Mistake:
    """tomllib tells the position in its message only (attributes come with Python 3.14)."""
    what, _, position = message.removesuffix(")").partition(" (at ")
    remedy = "Text stands in quotes, a table's name in [brackets]"
    return Mistake(f"{path}: {position or 'somewhere'}", f"is no TOML: {what}", remedy)


# -- the environment


class _Environment(EnvSettingsSource):
    """The library's reading of variables, from a mapping that was handed over."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name.lower(): value for name, value in environ.items()}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(self._environ)


def _read_environment(environ: Mapping[str, str]) -> Iterator[_Variable]:
    """Our variables; an empty one counts as not set."""
    for name in sorted(environ):
        if name.upper().startswith(PREFIX) and name.upper() not in NOT_SETTINGS and environ[name]:
            yield _read_variable(name, environ[name], environ)


def _read_variable(name: str, value: str, environ: Mapping[str, str]) -> _Variable:
    inner = name.upper().removesuffix(FROM_FILE)
    if inner != name.upper() and is_secret(_path_of(inner)):
        if environ.get(inner):
            return _bad_variable(name, f"is set, and {inner} too", "Keep one of them")
        try:
            text = Path(value).read_text(encoding="utf-8").strip()
            return _Variable(name, _one(inner, _as_list(text) if is_list(_path_of(inner)) else text))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            return _bad_variable(
                name, f"names a file that can't be read: {why}", "Mend its path or permissions"
            )
    try:
        data = _one(name, value)
        if _path_of(name)[:-1] == ("routes",) and value.lstrip().startswith("["):
            data = {"routes": dict.fromkeys(data["routes"], json.loads(value))}
    except (SettingsError, ValueError):
        return _bad_variable(name, "must be JSON", 'Write a list as ["a", "b"]')
    if data:
        return _Variable(name, data)
    return _bad_variable(name, "is no setting", _meant_variable(name) or f"See {DOCS}")


def _as_list(text: str) -> str:
    """Several secrets in a file stand one on a line, or as JSON."""
    return text if text.startswith("[") else json.dumps(text.split())


def _meant_variable(name: str) -> str | None:
    """Compared without the prefix, which all have in common."""
    known = [NESTED.join(path).upper() for path in keys()]
    close = difflib.get_close_matches(name.upper().removeprefix(PREFIX), known, n=1, cutoff=0.75)
    return f"Did you mean {PREFIX}{close[0]}?" if close else None


def _one(name: str, value: str) -> dict[str, Any]:
    return _Environment({name: value})()


def _path_of(variable: str) -> Key:
    return tuple(variable.upper().removeprefix(PREFIX).lower().split(NESTED))


def _bad_variable(name: str, what: str, remedy: str) -> _Variable:
    return _Variable(name, {}, (Mistake(name, what, remedy),))


# -- what is wrong

Fault: TypeAlias = "tuple[Key, str, str]"
"""Where, what, and what would be right."""


def _cross_faults(data: Mapping[str, Any], commands: Collection[str] | None) -> Iterator[Fault]:
    """The rules between tables, looked at even where single values are wrong."""
    providers, routes = data.get("providers") or {}, data.get("routes") or {}
    if not isinstance(providers, Mapping) or not isinstance(routes, Mapping):
        return
    if not providers:
        remedy = "Add a table such as [providers.replicate], or run `threadreel demo`, which needs none"
        yield ("providers",), "there is none, so nothing could be made", remedy
    for name, provider in providers.items():
        yield from _provider_faults(name, provider)
    for model in data.get("prices") or {}:
        if commands is not None and "/" not in model and model not in commands:
            near = did_you_mean(model.strip("/"), commands)
            yield ("prices", model), "is no command", near or "Name a command, or a model as owner/name"
    for command, route in routes.items():
        yield from _route_faults(command, route, providers, commands)
    yield from _slack_faults(data.get("slack") or {}, data.get("http") or {})


def _provider_faults(name: str, provider: object) -> Iterator[Fault]:
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        remedy = f"Call it {_plain_name(name)}, so that variables can set it too"
        yield ("providers", name), "its name must be small letters, digits and single _", remedy
    if not isinstance(provider, Mapping):
        return
    kind = provider.get("kind")
    if kind == "gateway" and provider.get("base_url") is None:
        yield ("providers", name, "base_url"), "is missing: a gateway needs it", "Add its address, before /v1"
    if kind in ("replicate", "gateway") and provider.get("token") is None:
        variable = f"{PREFIX}PROVIDERS__{name.upper()}__TOKEN"
        remedy = f"Add it, or set {variable} or {variable}{FROM_FILE}"
        yield ("providers", name, "token"), f"is missing: a provider of kind {kind} needs it", remedy


def _route_faults(
    command: str, route: object, providers: Collection[str], commands: Collection[str] | None
) -> Iterator[Fault]:
    if commands is not None and command not in commands and command != "default":
        near = did_you_mean(command.strip("/"), (*commands, "default"))
        yield ("routes", command), "is no command", near or 'Name a command without its slash, or "default"'
    names = [
        name for name in (route if isinstance(route, list | tuple) else [route]) if isinstance(name, str)
    ]
    for name in names:
        if name not in providers:
            near = did_you_mean(name, providers)
            remedy = near or f"Add [providers.{_plain_name(name)}], or name one that there is"
            yield ("routes", command), "leads to a provider that isn't there", remedy
    if len(set(names)) < len(names):
        yield ("routes", command), "names a provider twice", "Name each once, the preferred one first"


def _slack_faults(slack: object, http: object) -> Iterator[Fault]:
    """Many workspaces: both halves of the app's credentials, and an address to lead people back to."""
    if not isinstance(slack, Mapping) or not isinstance(http, Mapping):
        return
    pair = ("client_id", "client_secret")
    for name, other in (pair, pair[::-1]):
        if slack.get(name) is None and slack.get(other) is not None:
            remedy = f"Add it (both stand in the app's Basic Information), or take {other} out"
            yield ("slack", name), f"is missing: {other} is set", remedy
    if slack.get("client_id") is not None and http.get("public_url") is None:
        remedy = "Add the address that browsers reach this installation by, beginning with https://"
        yield ("http", "public_url"), "is missing: Slack leads people back to it after installing", remedy


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "replicate"


_PHRASES = {
    "int": "must be a whole number",
    "float": "must be a number",
    "bool": "must be true or false",
    "string": "must be text, in quotes",
    "path": "must be a path, in quotes",
    "tuple": "must be a list",
    "model": "must be a table",
    "dict": "must be a table",
    "finite": "must be a number",
}
"""By the first word of pydantic's error types: https://docs.pydantic.dev/latest/errors/validation_errors/"""


def _fault(detail: ErrorDetails) -> Fault:
    """A mistake that pydantic has found. The value is never repeated: it may be a secret."""
    path = tuple(str(part) for part in detail["loc"])
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "setting":
        return path, context["what"], context["remedy"]
    if kind == "extra_forbidden":
        near = did_you_mean(path[-1], names_in(path[:-1]))
        return path, "is no setting", near or f"See {DOCS}"
    if kind == "missing":
        return path, "is missing", f"Add it; see {DOCS}"
    return path, _phrase(kind, context), _remedy(path)


def _phrase(kind: str, context: Mapping[str, Any]) -> str:
    match kind:
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "greater_than":
            return f"must be more than {context['gt']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "literal_error":
            return f"must be {context['expected']}"
        case "string_too_short":
            return "is empty"
        case _:
            return _PHRASES.get(kind.partition("_")[0], "can't be this")


def _remedy(path: Key) -> str:
    field = field_of(path)
    if field is None or field.is_required() or field.default is None or isinstance(field.default, BaseModel):
        return f"See {DOCS}"
    default = field.get_default(call_default_factory=True)
    shown = list(default) if isinstance(default, tuple) else default
    return f"Leave it out for the default, {shown}"
