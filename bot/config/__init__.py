"""The settings: strict, frozen, read once from a TOML file and the environment."""

from bot.config.loading import check, load
from bot.config.tables import (
    REPLICATE,
    Access,
    DiscordSettings,
    Http,
    Limits,
    Log,
    MediaSettings,
    ProviderSettings,
    SecretsSettings,
    Settings,
    SlackSettings,
    StoreSettings,
    Table,
    Web,
    keys,
)

__all__ = [
    "REPLICATE",
    "Access",
    "DiscordSettings",
    "Http",
    "Limits",
    "Log",
    "MediaSettings",
    "ProviderSettings",
    "SecretsSettings",
    "Settings",
    "SlackSettings",
    "StoreSettings",
    "Table",
    "Web",
    "check",
    "keys",
    "load",
]
