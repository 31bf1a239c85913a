"""What is known, kept on disk: jobs and their moves, what was said on the web page, where it is installed."""

from bot.store.backups import Backups, NotBackedUp
from bot.store.chat import GONE, Chat
from bot.store.installs import Installs, peek
from bot.store.ledger import faults as ledger_faults
from bot.store.lock import FileLock
from bot.store.pending import Pending
from bot.store.restore import Restored, restore
from bot.store.store import Store
from bot.store.tables import Channel, Event, Install, Message

__all__ = [
    "GONE",
    "Backups",
    "Channel",
    "Chat",
    "Event",
    "FileLock",
    "Install",
    "Installs",
    "Message",
    "NotBackedUp",
    "Pending",
    "Restored",
    "Store",
    "ledger_faults",
    "peek",
    "restore",
]
