"""The world that the played Discord knows: people, servers, channels and roles, and what may be done where.

Everything that changes here says so to `World.emit`, which the gateway listens to.
"""

from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import Image, UnidentifiedImageError

from tests.discord_server.clock import EPOCH_MS, Clock, iso, snowflake_time
from tests.discord_server.limits import (
    ALL,
    EVERYONE,
    JSON,
    NEEDS_SENDING,
    NONE,
    DiscordError,
    Limits,
    P,
)
from tests.discord_server.messages import Attachment, Message, clean_name

TEXT, DM, VOICE, GROUP_DM, CATEGORY, ANNOUNCEMENT = 0, 1, 2, 3, 4, 5
ANNOUNCEMENT_THREAD, PUBLIC_THREAD, PRIVATE_THREAD, STAGE, FORUM, MEDIA = 10, 11, 12, 13, 15, 16
THREADS = {ANNOUNCEMENT_THREAD, PUBLIC_THREAD, PRIVATE_THREAD}
POSTS_ONLY = {FORUM, MEDIA}
REQUIRE_TAG = 1 << 4

BOT_PERMISSIONS = (
    P.VIEW_CHANNEL | P.SEND_MESSAGES | P.SEND_MESSAGES_IN_THREADS | P.EMBED_LINKS | P.ATTACH_FILES
    | P.READ_MESSAGE_HISTORY | P.CREATE_PUBLIC_THREADS | P.CONNECT
)  # fmt: skip


class Identified(Protocol):
    @property
    def id(self) -> int: ...


@dataclass(eq=False)
class User:
    id: int
    name: str
    bot: bool = False
    locale: str = "en-US"
    takes_dms: bool = True
    upload_limit: int = 0  # what Nitro gives; 0 without it
    has_app: bool = False  # installed the application for themself

    def payload(self) -> JSON:
        return {
            "id": str(self.id),
            "username": self.name.lower().replace(" ", "_"),
            "global_name": None if self.bot else self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
            "system": False,
            "public_flags": 0,
            "avatar_decoration_data": None,
        }


@dataclass(eq=False)
class Role:
    guild: Guild
    id: int
    name: str
    permissions: P
    position: int
    mentionable: bool = False
    managed: bool = False

    def payload(self) -> JSON:
        return {
            "id": str(self.id),
            "name": self.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "icon": None,
            "unicode_emoji": None,
            "position": self.position,
            "permissions": str(int(self.permissions)),
            "managed": self.managed,
            "mentionable": self.mentionable,
            "flags": 0,
        }

    def set(self, permissions: P) -> None:
        self.permissions = permissions
        self.guild.emit("GUILD_ROLE_UPDATE", {"guild_id": str(self.guild.id), "role": self.payload()})

    def delete(self) -> None:
        del self.guild.roles[self.id]
        for roles in self.guild.members.values():
            roles.discard(self.id)
        self.guild.emit("GUILD_ROLE_DELETE", {"guild_id": str(self.guild.id), "role_id": str(self.id)})


@dataclass(eq=False)
class Overwrite:
    kind: int  # 0 a role, 1 a member
    allow: P = NONE
    deny: P = NONE


@dataclass(eq=False)
class Guild:
    world: World
    id: int
    name: str
    owner: User
    locale: str = "en-US"
    tier: int = 0
    has_bot: bool = True
    features: list[str] = field(default_factory=list)
    roles: dict[int, Role] = field(default_factory=dict)
    members: dict[int, set[int]] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def emit(self, event: str, data: JSON) -> None:
        if self.has_bot:
            self.world.emit(event, data, guild=self)

    # -- making --------------------------------------------------------------------------------------

    def channel(self, name: str, kind: int = TEXT, **more: Any) -> Channel:
        """A channel of any type; `more` are fields of `Channel` (nsfw, topic, parent, flags, tags)."""
        channel = Channel(self.world, self.world.new_id(), kind, name, guild=self, **more)
        channel.position = len(self.channels)
        self.channels[channel.id] = channel
        self.world.channels[channel.id] = channel
        self.emit("CHANNEL_CREATE", channel.payload())
        return channel

    def text(self, name: str, **more: Any) -> Channel:
        return self.channel(name, TEXT, **more)

    def voice(self, name: str, **more: Any) -> Channel:
        return self.channel(name, VOICE, **more)

    def forum(self, name: str, *, tags: Iterable[str] = (), tag_required: bool = False) -> Channel:
        named = {self.world.new_id(): tag for tag in tags}
        return self.channel(name, FORUM, tags=named, flags=REQUIRE_TAG if tag_required else 0)

    def role(self, name: str, permissions: P = NONE, *, mentionable: bool = False) -> Role:
        role = Role(self, self.world.new_id(), name, permissions, len(self.roles), mentionable)
        self.roles[role.id] = role
        self.emit("GUILD_ROLE_CREATE", {"guild_id": str(self.id), "role": role.payload()})
        return role

    def join(self, user: Identified, *roles: Role) -> None:
        self.members[user.id] = {role.id for role in roles}

    def leave(self, user: Identified) -> None:
        self.members.pop(user.id, None)

    def delete(self) -> None:
        """The server is deleted: its channels are unknown from now on (10003)."""
        self.emit("GUILD_DELETE", {"id": str(self.id)})
        self.has_bot = False
        del self.world.guilds[self.id]
        for channel in self.channels.values():
            channel.deleted = True
            self.world.channels.pop(channel.id, None)

    def kick_bot(self) -> None:
        """The bot is thrown out: its channels are there, but not for the bot (50001)."""
        self.emit("GUILD_DELETE", {"id": str(self.id)})
        self.has_bot = False
        self.leave(self.world.bot)

    def outage(self) -> None:
        """The server is out of reach for a while, until `back`."""
        self.emit("GUILD_DELETE", {"id": str(self.id), "unavailable": True})

    def back(self) -> None:
        self.emit("GUILD_CREATE", self.payload())

    # -- asking --------------------------------------------------------------------------------------

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]

    @property
    def threads(self) -> list[Channel]:
        return [channel for channel in self.channels.values() if channel.is_thread]

    def base_permissions(self, user: Identified) -> P:
        if user.id == self.owner.id:
            return ALL
        permissions = self.everyone.permissions
        for role_id in self.members.get(user.id, ()):
            permissions |= self.roles[role_id].permissions
        return ALL if permissions & P.ADMINISTRATOR else permissions

    def member_payload(self, user: User, channel: Channel | None = None) -> JSON:
        member: JSON = {
            "user": user.payload(),
            "nick": None,
            "avatar": None,
            "banner": None,
            "roles": [str(role) for role in sorted(self.members.get(user.id, ()))],
            "joined_at": "2024-05-01T12:00:00+00:00",
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "flags": 0,
            "pending": False,
            "communication_disabled_until": None,
        }
        if channel is not None:
            member["permissions"] = str(int(channel.permissions_of(user)))
        return member

    def payload(self) -> JSON:
        bot = self.world.bot
        seen = [channel for channel in self.threads if not channel.archived]
        return {
            "id": str(self.id),
            "name": self.name,
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "banner": None,
            "description": None,
            "owner_id": str(self.owner.id),
            "region": "deprecated",
            "afk_channel_id": None,
            "afk_timeout": 300,
            "verification_level": 0,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "vanity_url_code": None,
            "premium_tier": self.tier,
            "premium_subscription_count": 0,
            "premium_progress_bar_enabled": False,
            "preferred_locale": self.locale,
            "features": self.features,
            "roles": [role.payload() for role in self.roles.values()],
            "emojis": [],
            "stickers": [],
            "joined_at": "2024-05-01T12:00:00+00:00",
            "large": False,
            "unavailable": False,
            "member_count": len(self.members),
            "members": [self.member_payload(bot)],
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
            "channels": [c.payload() for c in self.channels.values() if not c.is_thread],
            "threads": [c.payload() for c in seen if c.permissions_of(bot) & P.VIEW_CHANNEL],
        }


@dataclass(eq=False)
class Channel:
    world: World
    id: int
    kind: int
    name: str
    guild: Guild | None = None
    parent: Channel | None = None
    position: int = 0
    nsfw: bool = False
    topic: str | None = None
    flags: int = 0
    tags: dict[int, str] = field(default_factory=dict)
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    recipients: list[User] = field(default_factory=list)
    messages: dict[int, Message] = field(default_factory=dict)
    deleted: bool = False
    # Threads only.
    owner_id: int = 0
    archived: bool = False
    locked: bool = False
    archive_after: int = 1440  # minutes
    joined: set[int] = field(default_factory=set)
    applied_tags: list[int] = field(default_factory=list)

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS

    @property
    def is_private(self) -> bool:
        return self.kind in (DM, GROUP_DM)

    @property
    def age_restricted(self) -> bool:
        """Threads have no such field of their own: they inherit the parent's."""
        return self.parent.age_restricted if self.is_thread and self.parent else self.nsfw

    # -- changing ------------------------------------------------------------------------------------

    def allow(self, whom: Role | Identified, permissions: P) -> None:
        overwrite = self._overwrite(whom)
        overwrite.allow |= permissions
        overwrite.deny &= ~permissions
        self.changed()

    def deny(self, whom: Role | Identified, permissions: P) -> None:
        overwrite = self._overwrite(whom)
        overwrite.deny |= permissions
        overwrite.allow &= ~permissions
        self.changed()

    def _overwrite(self, whom: Role | Identified) -> Overwrite:
        return self.overwrites.setdefault(whom.id, Overwrite(0 if isinstance(whom, Role) else 1))

    def update(self, **fields: Any) -> None:
        """Set fields (name, nsfw, archived, locked, ...) and tell the gateway."""
        for name, value in fields.items():
            if not hasattr(self, name):
                raise AttributeError(name)
            setattr(self, name, value)
        self.changed()

    def changed(self) -> None:
        if self.guild is not None:
            self.guild.emit("THREAD_UPDATE" if self.is_thread else "CHANNEL_UPDATE", self.payload())

    def delete(self) -> None:
        self.deleted = True
        self.world.channels.pop(self.id, None)
        if self.guild is None:
            return
        self.guild.channels.pop(self.id, None)
        for thread in [thread for thread in self.guild.threads if thread.parent is self]:
            thread.delete()
        if self.is_thread and self.parent is not None:
            keys = {"id": str(self.id), "guild_id": str(self.guild.id), "parent_id": str(self.parent.id)}
            self.guild.emit("THREAD_DELETE", {**keys, "type": self.kind})
        else:
            self.guild.emit("CHANNEL_DELETE", self.payload())

    def thread(
        self,
        name: str,
        owner: Identified,
        *,
        private: bool = False,
        id: int | None = None,
        archive_after: int = 1440,
        applied_tags: Iterable[int] = (),
    ) -> Channel:
        """A thread below this channel; `id` is the message's when it hangs from one."""
        assert self.guild is not None
        kind = ANNOUNCEMENT_THREAD if self.kind == ANNOUNCEMENT else PUBLIC_THREAD
        thread = Channel(
            self.world,
            id or self.world.new_id(),
            PRIVATE_THREAD if private else kind,
            name,
            guild=self.guild,
            parent=self,
            owner_id=owner.id,
            archive_after=archive_after,
            joined={owner.id},
            applied_tags=list(applied_tags),
        )
        self.guild.channels[thread.id] = thread
        self.world.channels[thread.id] = thread
        self.guild.emit("THREAD_CREATE", {**thread.payload(), "newly_created": True})
        return thread

    # -- asking --------------------------------------------------------------------------------------

    def permissions_of(self, user: Identified) -> P:
        """What `user` may do here, overwrites, threads' rules and implicit denials applied."""
        if self.guild is None:
            inside = any(user.id == one.id for one in self.recipients)
            return EVERYONE & ~P.CREATE_PUBLIC_THREADS & ~P.CREATE_PRIVATE_THREADS if inside else NONE
        if user.id not in self.guild.members and user.id != self.guild.owner.id:
            return NONE
        base = self.guild.base_permissions(user)
        if base == ALL:
            return ALL
        source = self.parent if self.is_thread and self.parent else self
        permissions = source._with_overwrites(base, user)
        if not permissions & P.VIEW_CHANNEL:
            return NONE
        if self.kind in (VOICE, STAGE) and not permissions & P.CONNECT:
            return NONE
        hidden = self.kind == PRIVATE_THREAD and user.id not in self.joined
        if hidden and not permissions & P.MANAGE_THREADS:
            return NONE
        if not permissions & (P.SEND_MESSAGES_IN_THREADS if self.is_thread else P.SEND_MESSAGES):
            permissions &= ~NEEDS_SENDING
        return permissions

    def _with_overwrites(self, permissions: P, user: Identified) -> P:
        assert self.guild is not None
        if everyone := self.overwrites.get(self.guild.id):
            permissions = permissions & ~everyone.deny | everyone.allow
        allow = deny = NONE
        for role_id in self.guild.members.get(user.id, ()):
            if of_role := self.overwrites.get(role_id):
                allow |= of_role.allow
                deny |= of_role.deny
        permissions = permissions & ~deny | allow
        if own := self.overwrites.get(user.id):
            permissions = permissions & ~own.deny | own.allow
        return permissions

    def visible(self, viewer: Identified | None = None) -> list[Message]:
        """Messages as people see them; those for one person's eyes only with that `viewer`."""
        return [
            message
            for message in self.messages.values()
            if not message.deleted
            and (message.for_user is None or (viewer is not None and message.for_user.id == viewer.id))
        ]

    def payload(self, *, seen_by: Identified | None = None) -> JSON:
        last = next(reversed(self.messages), None)
        data: JSON = {
            "id": str(self.id),
            "type": self.kind,
            "name": self.name,
            "flags": self.flags,
            "last_message_id": str(last) if last else None,
        }
        if seen_by is not None:
            data["permissions"] = str(int(self.permissions_of(seen_by)))
        if self.is_private:
            data["recipients"] = [user.payload() for user in self.recipients if user is not self.world.bot]
            return data
        assert self.guild is not None
        data["guild_id"] = str(self.guild.id)
        data["parent_id"] = str(self.parent.id) if self.parent else None
        data["rate_limit_per_user"] = 0
        return data | (self._thread_fields() if self.is_thread else self._channel_fields())

    def _channel_fields(self) -> JSON:
        fields: JSON = {
            "position": self.position,
            "nsfw": self.nsfw,
            "topic": self.topic,
            "permission_overwrites": [
                {"id": str(id_), "type": o.kind, "allow": str(int(o.allow)), "deny": str(int(o.deny))}
                for id_, o in self.overwrites.items()
            ],
        }
        if self.kind in (VOICE, STAGE):
            fields |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
        if self.kind in POSTS_ONLY:
            tags = [
                {"id": str(id_), "name": name, "moderated": False, "emoji_id": None, "emoji_name": None}
                for id_, name in self.tags.items()
            ]
            fields |= {"available_tags": tags, "default_reaction_emoji": None, "default_sort_order": None}
            fields |= {"default_forum_layout": 0}
        return fields

    def _thread_fields(self) -> JSON:
        fields: JSON = {
            "owner_id": str(self.owner_id),
            "message_count": len(self.messages),
            "total_message_sent": len(self.messages),
            "member_count": len(self.joined),
            "applied_tags": [str(tag) for tag in self.applied_tags],
            "thread_metadata": {
                "archived": self.archived,
                "locked": self.locked,
                "auto_archive_duration": self.archive_after,
                "archive_timestamp": iso(self.world.clock()),
                "create_timestamp": iso(snowflake_time(self.id)),
            },
        }
        if self.world.bot.id in self.joined:
            fields["member"] = {
                "id": str(self.id),
                "user_id": str(self.world.bot.id),
                "join_timestamp": iso(self.world.clock()),
                "flags": 0,
            }
        return fields


class World:
    """All there is. `emit` is given by the gateway, `notify` wakes those who wait for something to change."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self.clock = clock
        self.limits = limits
        self.cdn = ""  # set when the server knows its port
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.files: dict[int, Attachment] = {}
        self.nonces: dict[tuple[int, str], tuple[float, Message]] = {}
        self.sink: Callable[[str, JSON, Guild | None, Channel | None], object] | None = None
        self.woken: Callable[[], None] | None = None
        self._last_id = 0
        self._guild_count = 0
        self._secret = b"signs the links of the played CDN"
        self.bot = self.new_user("Threadreel", bot=True)
        self.application_id = self.bot.id
        self.application: JSON = {}  # what a test sets of it, such as its interactions_endpoint_url

    # -- telling -------------------------------------------------------------------------------------

    def emit(
        self, event: str, data: JSON, *, guild: Guild | None = None, channel: Channel | None = None
    ) -> None:
        if self.sink is not None:
            self.sink(event, data, guild, channel)
        self.notify()

    def notify(self) -> None:
        if self.woken is not None:
            self.woken()

    # -- making --------------------------------------------------------------------------------------

    def new_id(self) -> int:
        """A snowflake of the server's time, above all before it."""
        now = (int(self.clock() * 1000) - EPOCH_MS) << 22
        self._last_id = max(self._last_id + 1, now)
        return self._last_id

    def new_user(self, name: str, **more: Any) -> User:
        user = User(self.new_id(), name, **more)
        self.users[user.id] = user
        return user

    def new_guild(self, name: str, owner: User, *, has_bot: bool = True, **more: Any) -> Guild:
        """A server with @everyone and, where the bot is in, the bot's own role."""
        # Ids a millisecond apart, or all servers would fall to one shard: (id >> 22) % count.
        self._guild_count += 1
        guild_id = (
            (int(self.clock() * 1000) - EPOCH_MS - 10_000_000) // 1000 * 1000 + self._guild_count
        ) << 22
        guild = Guild(self, guild_id, name, owner, has_bot=has_bot, **more)
        guild.roles[guild.id] = Role(guild, guild.id, "@everyone", EVERYONE, 0)
        guild.members[owner.id] = set()
        self.guilds[guild.id] = guild
        if has_bot:
            self.add_bot(guild)
        return guild

    def add_bot(self, guild: Guild) -> Role:
        role = Role(guild, self.new_id(), self.bot.name, BOT_PERMISSIONS, len(guild.roles), managed=True)
        guild.roles[role.id] = role
        guild.members[self.bot.id] = {role.id}
        guild.has_bot = True
        self.emit("GUILD_CREATE", guild.payload(), guild=guild)
        return role

    def private_channel(self, *users: User) -> Channel:
        """The channel of two people, or of a group, made when it isn't there."""
        wanted = {user.id for user in users}
        for channel in self.channels.values():
            if channel.is_private and {user.id for user in channel.recipients} == wanted:
                return channel
        kind = DM if len(wanted) == 2 else GROUP_DM
        channel = Channel(self, self.new_id(), kind, "", recipients=list(users))
        self.channels[channel.id] = channel
        if self.bot.id in wanted:
            self.emit("CHANNEL_CREATE", channel.payload(), channel=channel)
        return channel

    def new_file(
        self,
        channel_id: int,
        filename: str,
        data: bytes,
        *,
        description: str | None = None,
        ephemeral: bool = False,
    ) -> Attachment:
        file_id, name = self.new_id(), clean_name(filename)
        attachment = Attachment(self, file_id, channel_id, name, data, description, ephemeral)
        attachment.width, attachment.height = _picture_size(attachment.content_type, data)
        self.files[file_id] = attachment
        return attachment

    # -- asking --------------------------------------------------------------------------------------

    def find_channel(self, channel_id: int) -> Channel:
        """The channel as the bot may reach it.

        Raises:
            DiscordError: 10003 when there is none, 50001 when the bot has no access.
        """
        channel = self.channels.get(channel_id)
        if channel is None:
            raise DiscordError(10003)
        if not channel.permissions_of(self.bot) & P.VIEW_CHANNEL:
            raise DiscordError(50001)
        return channel

    def find_message(self, channel: Channel, message_id: int) -> Message:
        message = channel.messages.get(message_id)
        if message is None or message.deleted or message.for_user is not None:
            raise DiscordError(10008)
        return message

    def sign(self, attachment: Attachment, expires: int, issued: int) -> str:
        text = f"{attachment.channel_id}/{attachment.id}/{attachment.filename}/{expires}/{issued}"
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def _picture_size(content_type: str | None, data: bytes) -> tuple[int | None, int | None]:
    if not content_type or not content_type.startswith("image/"):
        return None, None
    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError):
        return None, None
