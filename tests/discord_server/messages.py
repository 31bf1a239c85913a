"""Messages and files: as people see them, and as the API gives them."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.discord_server.clock import iso
from tests.discord_server.components import FILE, media_of, medium_in, text_of, walk
from tests.discord_server.limits import COMPONENTS_V2, EPHEMERAL, HAS_THREAD, JSON, LOADING

if TYPE_CHECKING:
    from tests.discord_server.state import Channel, User, World


@dataclass(eq=False)
class Attachment:
    """A file on the played CDN, with its bytes."""

    world: World
    id: int
    channel_id: int
    filename: str
    data: bytes
    description: str | None = None
    ephemeral: bool = False
    width: int | None = None
    height: int | None = None
    gone: bool = False

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def content_type(self) -> str | None:
        """Derived from the name alone, as Discord does."""
        return mimetypes.guess_type(self.filename)[0]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def url(self) -> str:
        """A signed link that expires."""
        issued = int(self.world.clock())
        expires = issued + int(self.world.limits.cdn_life)
        signature = self.world.sign(self, expires, issued)
        path = f"/attachments/{self.channel_id}/{self.id}/{self.filename}"
        return f"{self.world.cdn}{path}?ex={expires:x}&is={issued:x}&hm={signature}&"

    def payload(self) -> JSON:
        data: JSON = {
            "id": str(self.id),
            "filename": self.filename,
            "size": self.size,
            "url": self.url,
            "proxy_url": self.url,
        }
        optional = {
            "content_type": self.content_type,
            "description": self.description,
            "width": self.width,
            "height": self.height,
            "ephemeral": self.ephemeral or None,
        }
        return data | {key: value for key, value in optional.items() if value is not None}


@dataclass(frozen=True)
class Button:
    label: str
    custom_id: str | None
    style: int
    disabled: bool
    url: str | None
    component_id: int


@dataclass(frozen=True)
class Pings:
    """Whose phone rings."""

    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    everyone: bool = False

    def __bool__(self) -> bool:
        return bool(self.users or self.roles or self.everyone)


@dataclass(frozen=True)
class Edit:
    """What a message said until it was edited at `at`."""

    at: float
    text: str
    files: tuple[str, ...]


@dataclass(eq=False)
class Message:
    world: World
    id: int
    channel: Channel
    author: User
    created: float
    kind: int = 0
    content: str = ""
    embeds: list[JSON] = field(default_factory=list)
    components: list[JSON] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    nonce: str | int | None = None
    reference: JSON | None = None
    replied_to: Message | None = None
    interaction: JSON | None = None  # interaction_metadata
    by_webhook: bool = False
    for_user: User | None = None
    edited: float | None = None
    deleted: bool = False
    pings: Pings = field(default_factory=Pings)
    edits: list[Edit] = field(default_factory=list)

    # -- as people see it ----------------------------------------------------------------------------

    @property
    def v2(self) -> bool:
        return bool(self.flags & COMPONENTS_V2)

    @property
    def ephemeral(self) -> bool:
        return bool(self.flags & EPHEMERAL)

    @property
    def thinking(self) -> bool:
        return bool(self.flags & LOADING)

    @property
    def text(self) -> str:
        """Content, embeds and texts of components, one under the other."""
        parts = [self.content]
        for embed in self.embeds:
            parts += [embed.get("title") or "", embed.get("description") or ""]
            parts += [f"{entry['name']}: {entry['value']}" for entry in embed.get("fields") or []]
        parts.append(text_of(self.components))
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> list[Button]:
        return [
            Button(
                c.get("label") or (c.get("emoji") or {}).get("name") or "",
                c.get("custom_id"),
                c["style"],
                bool(c.get("disabled")),
                c.get("url"),
                c.get("id", 0),
            )
            for c in walk(self.components)
            if c.get("type") == 2
        ]

    @property
    def files(self) -> list[Attachment]:
        """The files people see: with Components V2 only those that a component shows."""
        if not self.v2:
            return list(self.attachments)
        shown = {medium_in(e).get("attachment_id") for c in walk(self.components) for e in media_of(c)}
        return [one for one in self.attachments if str(one.id) in shown]

    @property
    def hidden_files(self) -> list[Attachment]:
        """Uploaded, but shown by no component: nobody sees them."""
        return [one for one in self.attachments if one not in self.files]

    @property
    def gallery(self) -> list[Attachment]:
        """The files in media galleries and thumbnails, as opposed to those shown as a file to download."""
        shown = {
            medium_in(entry).get("attachment_id")
            for c in walk(self.components)
            if c.get("type") != FILE
            for entry in media_of(c)
        }
        return [one for one in self.attachments if str(one.id) in shown]

    @property
    def alt_texts(self) -> list[str]:
        inside = [e.get("description") for c in walk(self.components) for e in media_of(c)]
        return [text for text in [*(a.description for a in self.attachments), *inside] if text]

    @property
    def thread(self) -> Channel | None:
        """The thread that hangs from this message; it has the message's id."""
        return self.world.channels.get(self.id)

    @property
    def jump_url(self) -> str:
        guild = self.channel.guild
        return f"https://discord.com/channels/{guild.id if guild else '@me'}/{self.channel.id}/{self.id}"

    # -- changing ------------------------------------------------------------------------------------

    def remember(self) -> None:
        """Keep what it says now among its edits."""
        at = self.world.clock()
        self.edits.append(Edit(at, self.text, tuple(one.filename for one in self.files)))
        self.edited = at

    def delete(self) -> None:
        self.deleted = True
        for attachment in self.attachments:
            attachment.gone = True
        if self.for_user is None:
            data = {"id": str(self.id), "channel_id": str(self.channel.id)}
            if self.channel.guild is not None:
                data["guild_id"] = str(self.channel.guild.id)
            self.world.emit("MESSAGE_DELETE", data, guild=self.channel.guild, channel=self.channel)
        self.world.notify()

    # -- as the API gives it -------------------------------------------------------------------------

    def payload(self, *, with_reply: bool = True) -> JSON:
        guild = self.channel.guild
        data: JSON = {
            "id": str(self.id),
            "channel_id": str(self.channel.id),
            "type": self.kind,
            "author": self.author.payload(),
            "content": self.content,
            "timestamp": iso(self.created),
            "edited_timestamp": iso(self.edited) if self.edited else None,
            "tts": False,
            "mention_everyone": self.pings.everyone,
            "mentions": [self.world.users[u].payload() for u in self.pings.users if u in self.world.users],
            "mention_roles": [str(role) for role in self.pings.roles],
            "attachments": [one.payload() for one in self.attachments],
            "embeds": self.embeds,
            "components": [self._rendered(component) for component in self.components],
            "pinned": False,
            "flags": self.flags | (HAS_THREAD if self.thread else 0),
        }
        if self.by_webhook:
            data |= {"webhook_id": str(self.world.application_id)}
        if self.author.bot:
            data |= {"application_id": str(self.world.application_id)}
        if self.nonce is not None:
            data["nonce"] = self.nonce
        if self.interaction is not None:
            data["interaction_metadata"] = self.interaction
        if self.reference is not None:
            data["message_reference"] = self.reference
            if with_reply:
                there = self.replied_to is not None and not self.replied_to.deleted
                data["referenced_message"] = self.replied_to.payload(with_reply=False) if there else None  # type: ignore[union-attr]
        if self.thread is not None and guild is not None:
            data["thread"] = self.thread.payload()
        return data

    def event(self) -> JSON:
        data = self.payload()
        if self.channel.guild is not None:
            data["guild_id"] = str(self.channel.guild.id)
            member = self.channel.guild.member_payload(self.author)
            del member["user"]
            data["member"] = member
        return data

    def _rendered(self, component: JSON) -> JSON:
        """A component with the links of its media filled in, freshly signed."""
        out = dict(component)
        if component.get("components"):
            out["components"] = [self._rendered(child) for child in component["components"]]
        for nested in ("accessory", "component"):
            if isinstance(component.get(nested), dict):
                out[nested] = self._rendered(component[nested])
        if component.get("items"):
            out["items"] = [self._with_link(item, "media") for item in component["items"]]
        for medium in ("media", "file"):
            if component.get(medium):
                out = self._with_link(out, medium)
        return out

    def _with_link(self, entry: JSON, key: str) -> JSON:
        medium: JSON = entry[key]
        attachment = self.world.files.get(int(medium.get("attachment_id") or 0))
        if attachment is None:
            unknown = {"proxy_url": medium["url"], "width": None, "height": None, "loading_state": 2}
            return {**entry, key: {**unknown, **medium}}
        rendered: JSON = {
            "url": attachment.url,
            "proxy_url": attachment.url,
            "attachment_id": str(attachment.id),
            "content_type": attachment.content_type,
            "width": attachment.width,
            "height": attachment.height,
            "placeholder": "",
            "placeholder_version": 1,
            "loading_state": 2,
            "flags": 0,
        }
        more = {"name": attachment.filename, "size": attachment.size} if key == "file" else {}
        return {**entry, **more, key: rendered}


def clean_name(filename: str) -> str:
    """File names as Discord keeps them: ASCII letters, digits and `_-.`; blanks become underscores."""
    kept = re.sub(r"[^A-Za-z0-9_.\-]", "", re.sub(r"\s", "_", filename))
    return kept or "unknown"
