"""Messages: what stands in a conversation, and how people see it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.slack_server.apps import Installation
from tests.slack_server.files import File, Share
from tests.slack_server.limits import JSON
from tests.slack_server.state import Channel, User, World

BROADCAST = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")
MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
GROUP_MENTION = re.compile(r"<!subteam\^([A-Z0-9]+)(?:\|[^>]*)?>")
LINK = re.compile(r"<(https?://[^|>]+)(?:\|[^>]*)?>|(?<![<|\"])(https?://[^\s<>|]+)")


@dataclass(frozen=True)
class Button:
    """A button as it stands in a message or view."""

    label: str
    action_id: str
    value: str | None
    url: str | None
    style: str | None
    block_id: str
    element: JSON


@dataclass(frozen=True)
class Edit:
    at: float
    text: str
    blocks: list[JSON]


@dataclass(eq=False)
class Message:
    """One message. `fallback` is its `text` field; `text` is what people read."""

    channel: Channel
    ts: str
    author: User
    fallback: str = ""
    blocks: list[JSON] = field(default_factory=list)
    thread_ts: str | None = None
    metadata: JSON | None = None
    files: list[File] = field(default_factory=list)
    installation: Installation | None = None  # whose bot posted it
    ephemeral_for: User | None = None
    shown: bool = True  # an ephemeral one in a thread that isn't active is never seen
    mrkdwn: bool = True
    parses: bool = False  # parse="full" or link_names: plain @names ping too
    unfurl_links: bool | None = None
    unfurl_media: bool | None = None
    deleted: bool = False
    tombstone: bool = False
    misplaced: bool = False  # a reply to a reply: nobody finds it
    edits: list[Edit] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words that people see: those of the blocks, or the text where there are none."""
        return "\n".join(texts_of(self.blocks)) if self.blocks else self.fallback

    @property
    def buttons(self) -> list[Button]:
        return buttons_of(self.blocks)

    @property
    def ephemeral(self) -> bool:
        return self.ephemeral_for is not None

    @property
    def replies(self) -> list[Message]:
        if self.thread_ts not in (None, self.ts):
            return []
        return [one for one in self.channel.visible(self.ts) if one is not self]

    @property
    def pings(self) -> set[str]:
        """Whom it notifies: ids of users and groups, "channel", "here", "everyone"."""
        words = "\n".join(texts_of(self.blocks, mrkdwn_only=True)) if self.blocks else self.fallback
        found = (
            set(BROADCAST.findall(words)) | set(MENTION.findall(words)) | set(GROUP_MENTION.findall(words))
        )
        return found | set(_mentioned_in_rich_text(self.blocks))

    @property
    def unfurled(self) -> list[str]:
        """The links that get a preview."""
        if self.unfurl_links is False and self.unfurl_media is False:
            return []
        return [one or two for one, two in LINK.findall(self.text if self.blocks else self.fallback)]

    @property
    def permalink(self) -> str:
        place = f"https://{self.channel.team.domain}.slack.com/archives/{self.channel.id}"
        link = f"{place}/p{self.ts.replace('.', '')}"
        if self.thread_ts not in (None, self.ts):
            link += f"?thread_ts={self.thread_ts}&cid={self.channel.id}"
        return link

    def payload(self, *, metadata: bool = False, stub_files: bool = False) -> JSON:
        """The message object."""
        message: JSON = {
            "type": "message",
            "user": self.author.id,
            "ts": self.ts,
            "text": self.fallback,
            "team": self.channel.team.id,
        }
        if self.tombstone:
            return {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "ts": self.ts,
                    "text": "This message was deleted.", "hidden": True, **self._thread()}  # fmt: skip
        if self.installation is not None:
            message |= self._of_app(self.installation)
        if self.blocks:
            message["blocks"] = self.blocks
        if self.files:
            message["files"] = [file.payload(stub=stub_files) for file in self.files]
            message |= {"upload": False, "display_as_bot": False}
        if self.edits:
            message["edited"] = {"user": self.author.id, "ts": f"{self.edits[-1].at:.6f}"}
        if self.metadata is not None and metadata:
            message["metadata"] = self.metadata
        return message | self._thread()

    def _of_app(self, installation: Installation) -> JSON:
        bot, app = installation.bot, installation.app
        return {
            "bot_id": bot.bot_id,
            "app_id": app.id,
            "bot_profile": {
                "id": bot.bot_id,
                "app_id": app.id,
                "user_id": bot.id,
                "name": bot.name,
                "deleted": installation.removed,
                "updated": 1_700_000_000,
                "team_id": self.channel.team.id,
            },
        }

    def _thread(self) -> JSON:
        if self.thread_ts not in (None, self.ts):
            parent = self.channel.messages.get(self.thread_ts or "")
            thread: JSON = {"thread_ts": self.thread_ts}
            return thread | ({"parent_user_id": parent.author.id} if parent else {})
        replies = self.replies
        if not replies:
            return {}
        return {
            "thread_ts": self.ts,
            "reply_count": len(replies),
            "reply_users_count": len({one.author.id for one in replies}),
            "latest_reply": replies[-1].ts,
            "reply_users": list(dict.fromkeys(one.author.id for one in replies)),
            "is_locked": False,
            "subscribed": False,
        }

    def edit(self, text: str, blocks: list[JSON], metadata: JSON | None) -> None:
        """Change it; whoever may hear of it does."""
        before = self.payload()
        self.edits.append(Edit(self.channel.world.clock(), self.fallback, self.blocks))
        self.fallback, self.blocks = text, blocks
        if metadata is not None:
            self.metadata = metadata or None
        self.channel.world.tell("changed", message=self, before=before)

    def delete(self) -> None:
        """Take it away. A parent with replies leaves a tombstone."""
        before = self.payload()
        if self.replies:
            self.tombstone, self.fallback, self.blocks = True, "This message was deleted.", []
        else:
            self.deleted = True
        for file in self.files:
            file.shares = [share for share in file.shares if share.ts != self.ts]
        self.channel.world.tell("deleted", message=self, before=before)

    def __repr__(self) -> str:
        return f"<Message {self.ts} of {self.author.name}: {self.text!r}>"


def post(
    channel: Channel,
    author: User,
    text: str = "",
    *,
    blocks: list[JSON] | None = None,
    thread_ts: str | None = None,
    files: Iterable[File] = (),
    installation: Installation | None = None,
    metadata: JSON | None = None,
) -> Message:
    """Put a message into a conversation, and its files; then tell everyone."""
    world = channel.world
    message = Message(channel, world.new_ts(), author, text, blocks or [], thread_ts, metadata, list(files))
    message.installation = installation
    parent = channel.messages.get(thread_ts or "")
    # Slack takes the ts of a reply, or of nothing, for a thread; but nobody ever sees what is posted there.
    message.misplaced = thread_ts is not None and (
        parent is None or parent.thread_ts not in (None, parent.ts)
    )
    channel.messages[message.ts] = message
    if thread_ts is not None:
        channel.threads.setdefault(thread_ts, []).append(message)
    for file in message.files:
        file.shares.append(Share(channel, message.ts, thread_ts))
    world.tell("posted", message=message)
    return message


def whisper(
    channel: Channel,
    author: User,
    to: User,
    text: str,
    blocks: list[JSON],
    *,
    thread_ts: str | None = None,
    installation: Installation | None = None,
) -> Message:
    """An ephemeral message. In a thread it is only seen when that has replies."""
    world: World = channel.world
    message = Message(channel, world.new_ts(), author, text, blocks, thread_ts)
    message.ephemeral_for, message.installation = to, installation
    message.shown = thread_ts is None or len(channel.visible(thread_ts)) > 1
    world.ephemerals.append(message)
    world.notify()
    return message


# -- reading blocks ----------------------------------------------------------------------------------


def walk(blocks: Iterable[JSON]) -> Iterator[tuple[JSON, JSON]]:
    """All elements of blocks, each with the block it is in."""
    for block in blocks:
        for key in ("accessory", "element"):
            if isinstance(block.get(key), dict):
                yield block, block[key]
        for element in block.get("elements") or []:
            if isinstance(element, dict):
                yield block, element


def texts_of(blocks: Iterable[JSON], *, mrkdwn_only: bool = False) -> list[str]:
    """The words of blocks, from the top; labels of buttons and choices aren't among them."""
    found: list[str] = []

    def take(text: object) -> None:
        if isinstance(text, str):
            found.append(text)
        elif isinstance(text, dict) and not (mrkdwn_only and text.get("type") != "mrkdwn"):
            found.append(str(text.get("text", "")))

    for block in blocks:
        kind = block.get("type")
        if kind == "rich_text":
            found.append(_rich_text(block))
            continue
        take(block.get("text"))
        for one in block.get("fields") or []:
            take(one)
        if kind in ("image", "video"):
            take(block.get("title"))
            if not mrkdwn_only:
                take(block.get("alt_text"))
        if kind == "input" and not mrkdwn_only:
            take(block.get("label"))
            take(block.get("hint"))
        for element in (block.get("elements") or []) if kind == "context" else []:
            take(element if element.get("type") != "image" else element.get("alt_text"))
    return [text for text in found if text]


def _rich_text(block: JSON) -> str:
    parts: list[str] = []

    def read(element: JSON) -> None:
        kind = element.get("type")
        if "elements" in element:
            for inner in element["elements"]:
                read(inner)
        elif kind == "user":
            parts.append(f"<@{element['user_id']}>")
        elif kind == "channel":
            parts.append(f"<#{element['channel_id']}>")
        elif kind == "emoji":
            parts.append(f":{element['name']}:")
        elif kind == "broadcast":
            parts.append(f"<!{element['range']}>")
        else:
            parts.append(str(element.get("text") or element.get("url") or ""))

    read(block)
    return "".join(parts)


def _mentioned_in_rich_text(blocks: Iterable[JSON]) -> Iterator[str]:
    for block in blocks:
        if block.get("type") == "rich_text":
            words = _rich_text(block)
            yield from MENTION.findall(words)
            yield from BROADCAST.findall(words)


def buttons_of(blocks: Iterable[JSON]) -> list[Button]:
    return [
        Button(
            element["text"]["text"],
            element.get("action_id", ""),
            element.get("value"),
            element.get("url"),
            element.get("style"),
            block.get("block_id", ""),
            element,
        )
        for block, element in walk(blocks)
        if element.get("type") == "button"
    ]
