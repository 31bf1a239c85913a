"""The tables of the settings: their keys, defaults and rules."""

from __future__ import annotations

import base64
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

REPLICATE = "https://api.replicate.com"
PLATFORMS = ("web", "terminal", "discord", "slack")

PREFIX = "THREADREEL_"
NESTED = "__"

Key: TypeAlias = "tuple[str, ...]"
"""Where a setting stands: ("http", "port")."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else None


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


def _client_id(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z._-]+", text.strip()):
        raise _wrong(
            "must be the app's client id", 'Copy it once more; it looks like "1234567890.1234567890"'
        )
    return text.strip()


def _key(key: SecretStr) -> SecretStr:
    """A key of Fernet: 32 bytes in URL-safe base64."""
    try:
        good = len(base64.urlsafe_b64decode(key.get_secret_value())) == 32
    except ValueError:
        good = False
    if not good:
        raise _wrong("is no key", "Make one with: threadreel secrets key")
    return key


def _host(text: str) -> str:
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", text):
        raise _wrong("must be HOST or HOST:PORT", 'Write it as "127.0.0.1:9000"')
    return text


def _server(text: str) -> str:
    platform, colon, server = text.partition(":")
    if platform not in PLATFORMS or (colon and not server):
        near = did_you_mean(platform, PLATFORMS)
        raise _wrong(
            "must be a platform, or PLATFORM:SERVER", near or f"Platforms are {', '.join(PLATFORMS)}"
        )
    return text


def _route(value: Any) -> Any:
    """The name of a provider, or a list of names."""
    names = value if isinstance(value, list | tuple) else [value]
    if not names or not all(isinstance(name, str) for name in names):
        raise _wrong("must be the name of a provider, or a list of names", 'Write it as ["one", "another"]')
    return value if isinstance(value, str) else tuple(value)


Route: TypeAlias = Annotated[Any, AfterValidator(_route)]
Secret: TypeAlias = Annotated[SecretStr, AfterValidator(_secret)]
SealingKey: TypeAlias = Annotated[SecretStr, AfterValidator(_secret), AfterValidator(_key)]
PlatformAddress: TypeAlias = Annotated[str, AfterValidator(_platform_address)]


# -- the settings


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class Http(Table):
    """The one HTTP server. `public_url` is the address the world reaches it by, where there is one."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: Annotated[str, AfterValidator(_address)] | None = None


class Web(Table):
    """The page."""

    enabled: bool = True
    session_days: int = Field(default=30, ge=1, le=365)


class Limits(Table):
    """How much is made. What is over an `at_once` waits in the queue; what is over the others is refused.

    `stop_seconds`: what is in hand may finish for so long once the process is told to stop.
    """

    at_once: int = Field(default=8, ge=1, le=100_000)
    at_once_per_person: int = Field(default=3, ge=1, le=100_000)
    waiting_per_person: int = Field(default=20, ge=1, le=1_000_000)
    per_day: int = Field(default=500, ge=0)
    per_day_per_person: int = Field(default=50, ge=0)
    deadline_minutes: float = Field(default=60, gt=0, le=1440)
    stop_seconds: float = Field(default=8, ge=0, le=600)


class Access(Table):
    """Who may use it: "web", "terminal", "discord:GUILD", "slack:WORKSPACE"; "discord:*" for all of it."""

    servers: tuple[Annotated[str, AfterValidator(_server)], ...] = ("web", "terminal")


class StoreSettings(Table):
    """The database. A relative path is taken from the folder that the process was started in.

    `backups`: how many daily ones are kept, in `backup_folder` or else in `backups` beside the database.
    """

    url: Annotated[str, AfterValidator(_store)] = "sqlite:///threadreel-data/threadreel.db"
    backups: int = Field(default=7, ge=0, le=1000)
    backup_folder: Path | None = None


class MediaSettings(Table):
    """Kept files. `private_hosts` ("127.0.0.1:9000") may be fetched from although they are not public."""

    folder: Path = Path("threadreel-data/media")
    max_bytes: int = Field(default=200 * 1024 * 1024, ge=1024)
    retention_days: float = Field(default=30, gt=0)
    private_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()


class ProviderSettings(Table):
    """One prediction API. `base_url` is everything before /v1; the process starts a sandbox without one.

    `webhooks`: whether it is to tell of jobs by itself; None: where that is sure to work. `free`: its runs
    cost nothing, as on one's own machine. `own_keys`: whether servers may bring keys of their own for it;
    None: all but a sandbox. What it allows a minute, where nothing is set, goes by its kind.
    """

    kind: Literal["replicate", "gateway", "sandbox"]
    base_url: Annotated[str, AfterValidator(_base)] | None = None
    token: Secret | None = None
    webhooks: bool | None = None
    free: bool = False
    own_keys: bool | None = None
    creates_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)

    @model_validator(mode="before")
    @classmethod
    def _replicates_address(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("kind") == "replicate":
            return {"base_url": REPLICATE, **given}
        return given


Dollars: TypeAlias = Annotated[Decimal, Field(ge=0, le=10_000, max_digits=14, decimal_places=10)]


class PriceSettings(Table):
    """What a model's runs cost, in US dollars: per run, and per second of its predict_time.

    `seconds`: how long one takes at most, for estimates until enough were seen. `source`: where it was read.
    """

    per_run: Dollars | None = None
    per_second: Dollars | None = None
    seconds: float | None = Field(default=None, gt=0, le=86_400)
    source: str = ""

    @model_validator(mode="after")
    def _says_something(self) -> PriceSettings:
        if self.per_run is None and self.per_second is None:
            raise _wrong("needs per_run, per_second or both", "Where it costs nothing, set per_run = 0")
        if self.per_second and self.seconds is None:
            raise _wrong("per_second needs seconds", "Add how many seconds a run takes at most")
        return self


class DiscordSettings(Table):
    """`results`: where they go. `adults`: where models may be used whose results may be for adults.

    `test_server` has the commands for itself, and at once. `shard_ids` and `shard_count` divide the servers
    over several processes.
    """

    token: Secret | None = None
    results: Literal["thread", "reply", "channel"] = "thread"
    adults: Literal["anywhere", "age_restricted"] = "anywhere"
    test_server: int | None = Field(default=None, ge=1, lt=2**64)
    shard_ids: tuple[Annotated[int, Field(ge=0)], ...] = ()
    shard_count: int | None = Field(default=None, ge=1)
    api_base: PlatformAddress = "https://discord.com/api/v10"
    gateway_url: PlatformAddress = "wss://gateway.discord.gg/"

    @model_validator(mode="after")
    def _shards_are_of_all(self) -> DiscordSettings:
        if self.shard_ids and max(self.shard_ids) >= (self.shard_count or 0):
            raise _wrong("shard_ids must be below shard_count", "Set shard_count to the number of shards")
        return self


class SlackSettings(Table):
    """One workspace by `bot_token`, or many by OAuth with `client_id` and `client_secret`."""

    bot_token: Secret | None = None
    app_token: Secret | None = None
    signing_secret: Secret | None = None
    client_id: Annotated[str, AfterValidator(_client_id)] | None = None
    client_secret: Secret | None = None
    api_base: PlatformAddress = "https://slack.com/api/"


class SecretsSettings(Table):
    """What seals the secrets in the database, newest first; without any, a key of its own in a file."""

    keys: tuple[SealingKey, ...] = ()


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(BaseSettings):
    """All of it. `routes`: a command to its provider, or to several of which the earlier is preferred.

    The rest is for "default", else for the first. `prices` by command or owner/name. `defaults`: settings of
    servers (`bot.rules`) that hold wherever a server has set nothing else.
    """

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
    routes: dict[str, Route] = Field(default_factory=dict)
    prices: dict[str, PriceSettings] = Field(default_factory=dict)
    defaults: dict[str, Any] = Field(default_factory=dict)
    discord: DiscordSettings = DiscordSettings()
    slack: SlackSettings = SlackSettings()
    secrets: SecretsSettings = SecretsSettings()
    log: Log = Log()

    def has_webhooks(self, provider: str) -> bool:
        """Whether this provider is to tell of jobs by itself; it needs an address to tell it to.

        Where nothing is said, Replicate is, which calls https only. Gateways are not known to pass webhooks
        on, and a sandbox may refuse to call other machines, and with that the job.
        """
        public, one = self.http.public_url, self.providers[provider]
        if public is None or one.webhooks is not None:
            return public is not None and bool(one.webhooks)
        return one.kind == "replicate" and public.startswith("https://")

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


# -- what there is to set


NAMED: Mapping[str, tuple[type[BaseModel], str]] = {
    "providers": (ProviderSettings, "NAME"),
    "prices": (PriceSettings, "MODEL"),
}
"""Tables of tables under names of the owner's choice: what each holds, and what stands for the name."""

FREELY_NAMED = {"routes": "COMMAND", "defaults": "SETTING"}


def keys(table: type[BaseModel] = Settings, path: Key = ()) -> Iterator[Key]:
    """Every setting there is; what the owner names is NAME, COMMAND, MODEL or SETTING."""
    for name, field in table.model_fields.items():
        here = (*path, name)
        if inner := _table_of(field):
            yield from keys(inner, (*here, NAMED[name][1]) if name in NAMED else here)
        elif name in FREELY_NAMED:
            yield (*here, FREELY_NAMED[name])
        else:
            yield here


def _kinds(annotation: Any) -> Iterator[Any]:
    """A type and every type within it."""
    yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)


def _table_of(field: FieldInfo) -> type[BaseModel] | None:
    kinds = _kinds(field.annotation)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def names_in(path: Key) -> tuple[str, ...]:
    """The keys that the table at this path has."""
    table = _walk(path)[0]
    return tuple(table.model_fields) if table else ()


def field_of(path: Key) -> FieldInfo | None:
    return _walk(path)[1]


def _walk(path: Key) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The table and the field that a path ends in."""
    named = path[0] in NAMED and len(path) > 1 if path else False
    table: type[BaseModel] | None = NAMED[path[0]][0] if named else Settings
    field: FieldInfo | None = None
    for part in path[2:] if named else path:
        field = table.model_fields.get(part) if table else None
        table = _table_of(field) if field else None
    return table, field


def is_secret(path: Key) -> bool:
    field = field_of(path)
    return field is not None and SecretStr in _kinds(field.annotation)


def is_list(path: Key) -> bool:
    field = field_of(path)
    return field is not None and get_origin(field.annotation) is tuple
