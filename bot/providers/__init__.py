"""The client of prediction APIs: Replicate's own, and gateways that re-sell it."""

from bot.providers.client import Client, connect, gateway, manners_of, replicate
from bot.providers.dialect import Capabilities, Hook
from bot.providers.manners import Manners, Patience
from bot.providers.predictions import Page, Prediction, Status, read_prediction
from bot.providers.progress import parse_progress
from bot.providers.roster import Roster
from bot.providers.wire import Timeouts

__all__ = [
    "Capabilities",
    "Client",
    "Hook",
    "Manners",
    "Page",
    "Patience",
    "Prediction",
    "Roster",
    "Status",
    "Timeouts",
    "connect",
    "gateway",
    "manners_of",
    "parse_progress",
    "read_prediction",
    "replicate",
]
