"""The settings: strict, frozen, read once from a TOML file and the environment."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from bot.errors import ConfigError, Mistake

REPLICATE = "https://api.replicate.com"
PLATFORMS = ("web", "terminal", "discord", "slack")
DOCS = "docs/configuration.md"

PREFIX = "THREADREEL_"
NESTED = "__"
FROM_FILE = "_FILE"
NOT_SETTINGS = frozenset({"THREADREEL_CONFIG", "THREADREEL_REQUIRE_CHROMIUM"})
"""Variables with our prefix that are read elsewhere: where the file is, and what the tests demand."""

Path_: TypeAlias = "tuple[str, ...]"
"""Where a setting stands: ("http", "port")."""


# -- kinds of values


def _wrong(what: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{what}", {"what": what, "remedy": remedy})


def _address(text: str, schemes: tuple[str, ...] = ("http", "https")) -> str:
    """An address without a trailing slash; never repeated in the mistake, for it may hold a password."""
    remedy = f'Write it as "{schemes[-1]}://HOST"'
    try:
        parts = urlsplit(text.strip())
        well_formed = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well_formed = False
    if not well_formed or parts.scheme not in schemes or re.search(r"\s", text.strip()):
        raise _wrong(f"must be an address that begins with {' or '.join(s + '://' for s in schemes)}", remedy)
    if "@" in parts.netloc:
        raise _wrong("must hold no user name or password", "Put the secret under its own key")
    if parts.query or parts.fragment:
        raise _wrong("must end before ? and #", remedy)
    return text.strip().rstrip("/")


def _base(text: str) -> str:
    address = _address(text)
    if re.search(r"/v1$", address):
        raise _wrong("must be everything before /v1", "Take /v1 off its end")
    return address


def _platform_address(text: str) -> str:
    """Kept as it is: clients of the platforms care for the trailing slash."""
    _address(text, ("ws", "wss") if text.startswith("ws") else ("http", "https"))
    return text.strip()


def _store(text: str) -> str:
    if not re.fullmatch(r"sqlite:///[^?#]+", text) or text.endswith((":memory:", "/")):
        raise _wrong("must name a SQLite file", 'Write it as "sqlite:///FOLDER/FILE.db"')
    return text


def _secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()
    if not text:
        raise _wrong("is empty", "Put the secret there or take the key out")
    if not re.fullmatch(r"[!-~]+", text):
        raise _wrong("holds blanks or characters that no secret has", "Copy it once more")
    return SecretStr(text)


def _host(text: str) -> str:
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", text):
        raise _wrong("must be HOST or HOST:PORT", 'Write it as "127.0.0.1:9000"')
    return text


def _server(text: str) -> str:
    platform, colon, server = text.partition(":")
    if platform not in PLATFORMS or (colon and not server):
        near = _did_you_mean(platform, PLATFORMS)
        raise _wrong(
            "must be a platform, or PLATFORM:SERVER", near or f"Platforms are {', '.join(PLATFORMS)}"
        )
    return text


Secret: TypeAlias = Annotated[SecretStr, AfterValidator(_secret)]
PlatformAddress: TypeAlias = Annotated[str, AfterValidator(_platform_address)]


# -- the settings


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Http(Table):
    """The one HTTP server. `public_url` is the address the world reaches it by, where there is one."""

    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(8080, ge=0, le=65535)
    public_url: Annotated[str, AfterValidator(_address)] | None = None


class Web(Table):
    """The page."""

    enabled: bool = True
    session_days: int = Field(30, ge=1, le=365)


class Limits(Table):
    """How much is made. What is over an `at_once` waits in the queue; what is over the others is refused."""

    at_once: int = Field(8, ge=1, le=100_000)
    at_once_per_person: int = Field(3, ge=1, le=100_000)
    waiting_per_person: int = Field(20, ge=1, le=1_000_000)
    per_day: int = Field(500, ge=0)
    per_day_per_person: int = Field(50, ge=0)
    deadline_minutes: float = Field(60, gt=0, le=1440)


class Access(Table):
    """Who may use it: "web", "terminal", "discord:GUILD", "slack:WORKSPACE"; "discord:*" for any of a platform."""

    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = ("web", "terminal")


class StoreSettings(Table):
    """The database. A relative path is taken from the folder that the process was started in."""

    url: Annotated[str, AfterValidator(_store)] = "sqlite:///threadreel-data/threadreel.db"


class MediaSettings(Table):
    """Kept files. `private_hosts` ("127.0.0.1:9000") may be fetched from although they are not public."""

    folder: Path = Path("threadreel-data/media")
    max_bytes: int = Field(200 * 1024 * 1024, ge=1024)
    retention_days: float = Field(30, gt=0)
    private_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()


class ProviderSettings(Table):
    """One prediction API. `base_url` is everything before /v1; a sandbox without one is started by the process."""

    kind: Literal["replicate", "gateway", "sandbox"]
    base_url: Annotated[str, AfterValidator(_base)] | None = None
    token: Secret | None = None

    @model_validator(mode="before")
    @classmethod
    def _replicates_address(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("kind") == "replicate":
            return {"base_url": REPLICATE, **given}
        return given

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> ProviderSettings:
        if self.kind == "gateway" and self.base_url is None:
            raise _wrong("a gateway needs base_url", "Add everything of its address before /v1")
        if self.kind != "sandbox" and self.token is None:
            raise _wrong(f"a provider of kind {self.kind} needs token", "Add it here or in a variable")
        return self


class DiscordSettings(Table):
    token: Secret | None = None
    api_base: PlatformAddress = "https://discord.com/api/v10"
    gateway_url: PlatformAddress = "wss://gateway.discord.gg/"


class SlackSettings(Table):
    bot_token: Secret | None = None
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    api_base: PlatformAddress = "https://slack.com/api/"


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(BaseSettings):
    """Everything. `routes` says which provider runs which model: a command to a provider's name, "default" for the rest."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
    )

    http: Http = Http()
    web: Web = Web()
    limits: Limits = Limits()
    access: Access = Access()
    store: StoreSettings = StoreSettings()
    media: MediaSettings = MediaSettings()
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    routes: dict[str, str] = Field(default_factory=dict)
    discord: DiscordSettings = DiscordSettings()
    slack: SlackSettings = SlackSettings()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind anybody's back: `load` hands everything over."""
        return (init_settings,)


# -- loading


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
    _route_to_the_only_provider(data)
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
    data = {"providers": dict(settings.providers), "routes": dict(settings.routes)}
    origin = _Origin("configuration", ())
    if mistakes := [origin.mistake(*fault) for fault in _cross_faults(data, commands)]:
        raise ConfigError(mistakes)


@dataclass(frozen=True, slots=True)
class _Variable:
    """One variable of the environment, as the settings it sets."""

    name: str
    data: dict[str, Any]
    mistakes: tuple[Mistake, ...] = ()

    def path(self) -> Path_:
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

    def mistake(self, path: Path_, what: str, remedy: str) -> Mistake:
        key = ".".join(path)
        for variable in self.variables:
            own = variable.path()
            if own and own == path[: len(own)]:
                return Mistake(f"{variable.name} ({key})", what, remedy)
        return Mistake(f"{self.file}: {key}", what, remedy)


def _merge(into: dict[str, Any], data: Mapping[str, Any]) -> None:
    for key, value in data.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _route_to_the_only_provider(data: dict[str, Any]) -> None:
    providers, routes = data.get("providers"), data.get("routes", {})
    if isinstance(providers, dict) and len(providers) == 1 and isinstance(routes, dict):
        data["routes"] = {"default": next(iter(providers)), **routes}


# -- the file


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        remedy = "Copy config.example.toml there, or run `threadreel demo`, which needs none"
        raise ConfigError([Mistake(str(path), "there is no such file", remedy)]) from None
    except OSError as error:
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
    if inner != name.upper() and _is_secret(_path_of(inner)):
        if environ.get(inner):
            return _bad_variable(name, f"is set, and {inner} too", "Keep one of them")
        try:
            return _Variable(name, _one(inner, Path(value).read_text(encoding="utf-8").strip()))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            return _bad_variable(
                name, f"names a file that can't be read: {why}", "Mend its path or permissions"
            )
    try:
        data = _one(name, value)
    except SettingsError:
        return _bad_variable(name, "must be JSON", 'Write a list as ["a", "b"]')
    if data:
        return _Variable(name, data)
    near = _did_you_mean(name.upper(), (PREFIX + NESTED.join(path).upper() for path in keys()))
    return _bad_variable(name, "is no setting", near or f"See {DOCS}")


def _one(name: str, value: str) -> dict[str, Any]:
    return _Environment({name: value})()


def _path_of(variable: str) -> Path_:
    return tuple(variable.upper().removeprefix(PREFIX).lower().split(NESTED))


def _bad_variable(name: str, what: str, remedy: str) -> _Variable:
    return _Variable(name, {}, (Mistake(name, what, remedy),))


# -- what is wrong

Fault: TypeAlias = "tuple[Path_, str, str]"
"""Where, what, and what would be right."""


def _cross_faults(data: Mapping[str, Any], commands: Collection[str] | None) -> Iterator[Fault]:
    """The rules between tables, looked at even where single values are wrong."""
    providers, routes = data.get("providers") or {}, data.get("routes") or {}
    if not isinstance(providers, Mapping) or not isinstance(routes, Mapping):
        return
    if not providers:
        remedy = "Add a table such as [providers.replicate], or run `threadreel demo`, which needs none"
        yield ("providers",), "there is none, so nothing could be made", remedy
    for name in providers:
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
            remedy = f"Call it {_plain_name(name)}, so that variables can set it too"
            yield ("providers", name), "its name must be small letters, digits and single _", remedy
    if len(providers) > 1 and not routes:
        remedy = f'Add default = "{next(iter(providers))}"'
        yield ("routes",), "there are several providers and nothing says which runs what", remedy
    for command, provider in routes.items():
        yield from _route_faults(command, provider, providers, commands)


def _route_faults(
    command: str, provider: object, providers: Collection[str], commands: Collection[str] | None
) -> Iterator[Fault]:
    if commands is not None and command not in commands and command != "default":
        near = _did_you_mean(command.strip("/"), (*commands, "default"))
        yield ("routes", command), "is no command", near or 'Name a command without its slash, or "default"'
    if isinstance(provider, str) and provider not in providers:
        near = _did_you_mean(provider, providers)
        remedy = near or f"Add [providers.{_plain_name(provider)}], or name one that there is"
        yield ("routes", command), "leads to a provider that isn't there", remedy


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "replicate"


REMEDY = "Leave it out for the default"
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
        near = _did_you_mean(path[-1], _names_in(path[:-1]))
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


def _remedy(path: Path_) -> str:
    field = _field(path)
    if field is None or field.is_required() or field.default is None or isinstance(field.default, BaseModel):
        return f"See {DOCS}"
    default = field.get_default(call_default_factory=True)
    shown = list(default) if isinstance(default, tuple) else default
    return f"Leave it out for the default, {shown}"


def _did_you_mean(word: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else None


# -- what there is to set


def keys(table: type[BaseModel] = Settings, path: Path_ = ()) -> Iterator[Path_]:
    """Every setting there is; the name of a provider is NAME, the command of a route COMMAND."""
    for name, field in table.model_fields.items():
        here = (*path, name)
        if inner := _table_of(field):
            yield from keys(inner, (*here, "NAME") if name == "providers" else here)
        elif name == "routes":
            yield (*here, "COMMAND")
        else:
            yield here


def _table_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _walk(path: Path_) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The table and the field that a path ends in; a provider's name is passed over."""
    table: type[BaseModel] | None = Settings
    field: FieldInfo | None = None
    for part in path:
        if table is None:
            return None, field
        if table is ProviderSettings and field is not None and field.annotation is not ProviderSettings:
            field = None
            continue
        field = table.model_fields.get(part)
        table = _table_of(field) if field else None
    return table, field


def _names_in(path: Path_) -> tuple[str, ...]:
    table, _ = _walk(path)
    return tuple(table.model_fields) if table else ()


def _field(path: Path_) -> FieldInfo | None:
    return _walk(path)[1]


def _is_secret(path: Path_) -> bool:
    field = _field(path)
    return field is not None and (SecretStr in (field.annotation, *get_args(field.annotation)))
