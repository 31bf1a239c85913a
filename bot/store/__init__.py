"""What is known, kept on disk: jobs and their moves, and what was said on the web page."""

from bot.store.backups import Backups, NotBackedUp
from bot.store.chat import Chat
from bot.store.lock import FileLock
from bot.store.restore import Restored, restore
from bot.store.store import Store
from bot.store.tables import Channel, Event, Message

__all__ = [
    "Backups",
    "Channel",
    "Chat",
    "Event",
    "FileLock",
    "Message",
    "NotBackedUp",
    "Restored",
    "Store",
    "restore",
]
