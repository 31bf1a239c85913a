"""Discord's numbers, permissions and the shape of its errors, as its public documentation gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

JSON = dict[str, Any]

MIB = 1024 * 1024

EPHEMERAL = 1 << 6
LOADING = 1 << 7
HAS_THREAD = 1 << 5
COMPONENTS_V2 = 1 << 15

# fmt: off
LOCALES = frozenset({
    "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "hi", "hr", "hu", "id",
    "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE", "th", "tr", "uk", "vi", "zh-CN",
    "zh-TW",
})
# fmt: on


class P(IntFlag):
    """Permission bits (https://docs.discord.com/developers/topics/permissions)."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    SEND_TTS_MESSAGES = 1 << 12
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CONNECT = 1 << 20
    SPEAK = 1 << 21
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    SEND_POLLS = 1 << 49
    USE_EXTERNAL_APPS = 1 << 50
    PIN_MESSAGES = 1 << 51


ALL = P((1 << 53) - 1)
NONE = P(0)

# What a new server gives to @everyone.
EVERYONE = (
    P.VIEW_CHANNEL | P.SEND_MESSAGES | P.SEND_MESSAGES_IN_THREADS | P.EMBED_LINKS | P.ATTACH_FILES
    | P.READ_MESSAGE_HISTORY | P.ADD_REACTIONS | P.CREATE_PUBLIC_THREADS | P.CREATE_PRIVATE_THREADS
    | P.CONNECT | P.SPEAK | P.USE_APPLICATION_COMMANDS | P.USE_EXTERNAL_APPS | P.USE_EXTERNAL_EMOJIS
)  # fmt: skip

# Without the right to send, these are denied too (implicit permissions).
NEEDS_SENDING = P.MENTION_EVERYONE | P.SEND_TTS_MESSAGES | P.ATTACH_FILES | P.EMBED_LINKS

KNOWN_ERRORS: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    30015: (400, "Maximum number of attachments in a message reached (10)"),
    30032: (400, "Maximum number of application commands reached"),
    30034: (400, "Max number of daily application command creates has been reached (200)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    40005: (413, "Request entity too large"),
    40058: (400, "Cannot send a message in a forum channel"),
    40060: (400, "Interaction has already been acknowledged."),
    40067: (400, "A tag is required to create a forum post in this channel"),
    40094: (400, "This interaction has hit the maximum number of follow up messages."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50033: (400, "Invalid Recipient(s)"),
    50035: (400, "Invalid Form Body"),
    50083: (403, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    160002: (400, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (400, "Thread is locked"),
    160006: (400, "Maximum number of active threads reached"),
}


class DiscordError(Exception):
    """One of Discord's JSON errors; `status` and the message come from the table unless they are given."""

    def __init__(
        self,
        code: int,
        message: str | None = None,
        *,
        status: int | None = None,
        errors: JSON | None = None,
        more: JSON | None = None,
    ) -> None:
        known_status, known_message = KNOWN_ERRORS.get(code, (400, "Error"))
        self.code = code
        self.status = status or known_status
        self.message = message or known_message
        self.errors = errors
        self.more = more or {}
        super().__init__(f"{self.status} {self.code}: {self.message}")

    def body(self) -> JSON:
        body: JSON = {"message": self.message, "code": self.code, **self.more}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


class Problems:
    """Collects what is wrong with a form and raises all of it as one 50035."""

    def __init__(self) -> None:
        self._tree: JSON = {}

    def add(self, path: tuple[str | int, ...], code: str, message: str) -> None:
        node = self._tree
        for step in path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def length(self, path: tuple[str | int, ...], text: object, low: int, high: int) -> bool:
        """Check that `text` is a string of `low` to `high` characters."""
        if not isinstance(text, str):
            self.add(path, "BASE_TYPE_REQUIRED", "This field is required")
            return False
        if not low <= len(text) <= high:
            self.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
            return False
        return True

    def number(self, path: tuple[str | int, ...], value: object, low: float, high: float) -> None:
        """Check an optional number; None is taken as absent."""
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.add(path, "NUMBER_TYPE_COERCE", f"Value {value!r} is not a number.")
        elif not low <= value <= high:
            self.add(path, "NUMBER_TYPE_RANGE", f"Value must be between {low} and {high}.")

    def raise_if_any(self) -> None:
        if self._tree:
            raise DiscordError(50035, errors=self._tree)


@dataclass
class Limits:
    """What a test may want to move. Sizes are in bytes, times in seconds."""

    upload: int = 20 * MIB
    upload_by_tier: dict[int, int] = field(default_factory=lambda: {2: 50 * MIB, 3: 100 * MIB})
    request: int = 600 * MIB  # above it the proxy in front answers 413, without JSON
    first_response: float = 3.0
    interaction_life: float = 900.0
    nonce_window: float = 300.0
    cdn_life: float = 24 * 3600.0
    active_threads: int = 1000
    daily_command_creates: int = 200
    user_install_followups: int = 5
    old_message_edits: int = 30  # to one message older than an hour; Discord doesn't publish its number
    identifies_per_day: int = 1000
    max_concurrency: int = 1
    global_per_second: int = 50
    invalid_requests: int = 10_000
    resume_window: float = 120.0
    # Windows of rate limits and of identifying are Discord's, made shorter by this factor: the buckets are
    # the real ones, only their waits don't slow a test down. 1.0 is Discord's own pace.
    pace: float = 0.01

    def upload_in(self, tier: int) -> int:
        return max(self.upload, self.upload_by_tier.get(tier, 0))
