"""The settings: strict, frozen, read once from TOML and the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(Table):
    """The one HTTP server. `public_url` is the address the world reaches it by, where there is one."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    public_url: str | None = None


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

    servers: tuple[str, ...] = ("web", "terminal")


class StoreSettings(Table):
    """The database. A relative path is taken from the folder that the process was started in."""

    url: str = "sqlite:///threadreel-data/threadreel.db"


class MediaSettings(Table):
    """Kept files. `private_hosts` ("127.0.0.1:9000") may be fetched from although they are not public."""

    folder: Path = Path("threadreel-data/media")
    max_bytes: int = Field(200 * 1024 * 1024, ge=1024)
    retention_days: float = Field(30, gt=0)
    private_hosts: tuple[str, ...] = ()


class ProviderSettings(Table):
    """One prediction API. `base_url` is everything before /v1; a sandbox without one is started by the process."""

    kind: Literal["replicate", "gateway", "sandbox"]
    base_url: str | None = None
    token: SecretStr | None = None


class DiscordSettings(Table):
    token: SecretStr | None = None
    api_base: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"


class SlackSettings(Table):
    bot_token: SecretStr | None = None
    app_token: SecretStr | None = None
    signing_secret: SecretStr | None = None
    api_base: str = "https://slack.com/api/"


class Log(Table):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Settings(Table):
    """Everything. `routes` says which provider runs which model: a command to a provider's name, "default" for the rest."""

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
