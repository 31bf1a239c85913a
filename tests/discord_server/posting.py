"""Makes and edits messages: the part that bot-token sends, interaction answers and follow-ups share."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any

from tests.discord_server.components import check_message, media_of, medium_in, text_of, walk
from tests.discord_server.limits import COMPONENTS_V2, JSON, LOADING, DiscordError, P, Problems
from tests.discord_server.messages import Attachment, Message, Pings, clean_name
from tests.discord_server.state import CATEGORY, DM, POSTS_ONLY, Channel, User, World

SETTABLE_FLAGS = 1 << 2 | 1 << 12 | COMPONENTS_V2  # no embeds, silent, Components V2
MENTION = re.compile(r"<@(?P<role>&?)!?(?P<id>\d+)>|@(?P<all>everyone|here)")
HOUR = 3600.0


@dataclass(frozen=True)
class Upload:
    filename: str
    data: bytes


@dataclass(frozen=True)
class Form:
    """The body of a request: its JSON and, where it was multipart, the files by their number n."""

    body: JSON = field(default_factory=dict)
    uploads: dict[int, Upload] = field(default_factory=dict)

    def within(self, limit: int) -> None:
        """Raises 40005 when one of the files is larger than `limit` bytes; each file counts on its own."""
        if any(len(upload.data) > limit for upload in self.uploads.values()):
            raise DiscordError(40005)

    def inner(self, key: str) -> Form:
        """The form of a nested message, with the same files."""
        return Form(self.body.get(key) or {}, self.uploads)


def upload_limit(channel: Channel) -> int:
    tier = channel.guild.tier if channel.guild else 0
    return channel.world.limits.upload_in(tier)


# -- sending with the bot's token ------------------------------------------------------------------------


def check_may_send(channel: Channel, form: Form) -> None:
    """Raise why the bot may not post this here."""
    world = channel.world
    if channel.kind in POSTS_ONLY:
        raise DiscordError(40058)
    if channel.kind == CATEGORY:
        raise DiscordError(50008)
    if channel.kind == DM and not any(_reachable(world, user) for user in channel.recipients):
        raise DiscordError(50007)
    if channel.is_private:
        return
    may = channel.permissions_of(world.bot)
    needed = P.SEND_MESSAGES_IN_THREADS if channel.is_thread else P.SEND_MESSAGES
    if form.uploads:
        needed |= P.ATTACH_FILES
    if form.body.get("embeds"):
        needed |= P.EMBED_LINKS
    if needed & ~may:
        raise DiscordError(50013)
    if form.body.get("message_reference") and not may & P.READ_MESSAGE_HISTORY:
        raise DiscordError(160002)
    if channel.locked and not may & P.MANAGE_THREADS:
        raise DiscordError(50083 if channel.archived else 160005)


def _reachable(world: World, user: User) -> bool:
    shared = any(guild.has_bot and user.id in guild.members for guild in world.guilds.values())
    return not user.bot and user.takes_dms and (shared or user.has_app)


def send(channel: Channel, form: Form) -> Message:
    """Post as the bot. A nonce used in the last minutes gives back its first message: nothing is posted."""
    check_may_send(channel, form)
    earlier = _posted_before(channel.world, form.body)
    if earlier is not None:
        return earlier
    form.within(upload_limit(channel))
    message = create(channel, channel.world.bot, form, **_reply(channel, form.body))
    nonce = form.body.get("nonce")
    if nonce is not None:
        key = (message.author.id, str(nonce))
        channel.world.nonces[key] = (channel.world.clock(), message)
    return message


def _posted_before(world: World, body: JSON) -> Message | None:
    if body.get("nonce") is None or not body.get("enforce_nonce"):
        return None
    at, message = world.nonces.get((world.bot.id, str(body["nonce"])), (0.0, None))
    if message is None or world.clock() - at > world.limits.nonce_window:
        return None
    if message.deleted:
        raise DiscordError(10008)
    return message


def _reply(channel: Channel, body: JSON) -> JSON:
    reference = body.get("message_reference")
    if not reference:
        return {}
    replied_to = channel.messages.get(int(reference.get("message_id") or 0))
    if reference.get("type"):
        raise DiscordError(50035, "Forwards are not played")
    if replied_to is None or replied_to.deleted or replied_to.for_user is not None:
        if reference.get("fail_if_not_exists", True):
            _refuse("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return {}
    if replied_to.kind not in (0, 19, 20, 23):
        _refuse(
            "message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", "Cannot reply to a system message"
        )
    kept = {"type": 0, "message_id": str(replied_to.id), "channel_id": str(channel.id)}
    if channel.guild is not None:
        kept["guild_id"] = str(channel.guild.id)
    return {"kind": 19, "reference": kept, "replied_to": replied_to}


def _refuse(field_name: str, code: str, message: str) -> None:
    problems = Problems()
    problems.add((field_name,), code, message)
    problems.raise_if_any()


# -- making and editing ----------------------------------------------------------------------------------


def create(channel: Channel, author: User, form: Form, *, flags: int = 0, **more: Any) -> Message:
    """Check a new message, put it into its channel and tell the gateway. `flags` are added to the body's."""
    world, body = channel.world, form.body
    asked = int(body.get("flags") or 0) & SETTABLE_FLAGS
    check_message(body, _names(form), v2=bool(asked & COMPONENTS_V2))
    message = Message(
        world,
        world.new_id(),
        channel,
        author,
        created=world.clock(),
        content=body.get("content") or "",
        embeds=copy.deepcopy(body.get("embeds") or []),
        flags=asked | flags,
        nonce=body.get("nonce"),
        **more,
    )
    message.attachments = _stored(message, form)
    message.components = _placed(message, body.get("components") or [])
    message.pings = _pings(message, body.get("allowed_mentions"))
    put(message)
    return message


def put(message: Message) -> None:
    """Let a message appear in its channel; an archived thread wakes up by it."""
    channel = message.channel
    channel.messages[message.id] = message
    if channel.is_thread:
        channel.joined.add(message.author.id)
        if channel.archived:
            channel.update(archived=False)
    if message.for_user is None:
        channel.world.emit("MESSAGE_CREATE", message.event(), guild=channel.guild, channel=channel)
    channel.world.notify()


def edit(message: Message, form: Form) -> Message:
    """Change what a message says; one that was thinking has its answer by it.

    Raises:
        DiscordError: 50035 for what Components V2 forbid, 30046 for too many edits of an old message.
    """
    body = form.body
    _check_edit_budget(message)
    v2 = message.v2 or bool(int(body.get("flags") or 0) & COMPONENTS_V2)
    kept = _kept(message, body)
    after: JSON = {"content": message.content, "embeds": message.embeds, "components": message.components}
    after |= {key: body[key] for key in after if key in body}
    checked = {**body, **(after if v2 and not message.v2 else {})}
    check_message(checked, _names(form), kept={one.filename for one in kept}, v2=v2, editing=True)
    if not (any(after.values()) or ((kept or form.uploads) and not v2)):
        raise DiscordError(50006)
    if not message.thinking:
        message.remember()
    message.flags = message.flags & ~LOADING | (COMPONENTS_V2 if v2 else 0)
    message.content = after["content"] or ""
    message.embeds = copy.deepcopy(after["embeds"] or [])
    for attachment in message.attachments:
        attachment.gone = attachment not in kept
    message.attachments = kept + _stored(message, form)
    if "components" in body:
        message.components = _placed(message, body["components"] or [])
    message.pings = _pings(message, body.get("allowed_mentions"))
    if message.for_user is None:
        channel = message.channel
        message.world.emit("MESSAGE_UPDATE", message.event(), guild=channel.guild, channel=channel)
    message.world.notify()
    return message


def _check_edit_budget(message: Message) -> None:
    world = message.world
    old = world.clock() - message.created > HOUR
    late = [one for one in message.edits if one.at - message.created > HOUR and world.clock() - one.at < HOUR]
    if old and len(late) >= world.limits.old_message_edits:
        raise DiscordError(30046, more={"retry_after": HOUR * world.limits.pace, "global": False})


def _kept(message: Message, body: JSON) -> list[Attachment]:
    """With an `attachments` list only what it names stays; without one everything does."""
    if body.get("attachments") is None:
        return list(message.attachments) if "attachments" not in body else []
    named = {str(entry.get("id")) for entry in body["attachments"]}
    return [one for one in message.attachments if str(one.id) in named]


def _names(form: Form) -> list[str]:
    return [clean_name(_described(form, n).get("filename") or u.filename) for n, u in form.uploads.items()]


def _described(form: Form, number: int) -> JSON:
    """What the `attachments` list says about the file `files[number]`."""
    entries: list[JSON] = form.body.get("attachments") or []
    return next((entry for entry in entries if str(entry.get("id")) == str(number)), {})


def _stored(message: Message, form: Form) -> list[Attachment]:
    stored = []
    for number, upload in form.uploads.items():
        entry = _described(form, number)
        name = entry.get("filename") or upload.filename
        stored.append(
            message.world.new_file(
                message.channel.id,
                name,
                upload.data,
                description=entry.get("description"),
                ephemeral=message.for_user is not None,
            )
        )
    return stored


def _placed(message: Message, components: list[JSON]) -> list[JSON]:
    """Components as they are kept: every one with an id, its media pointing at stored files."""
    placed = copy.deepcopy(components)
    taken = {component["id"] for component in walk(placed) if component.get("id")}
    free = (number for number in range(1, 10_000) if number not in taken)
    for component in walk(placed):
        if message.v2:
            component["id"] = component.get("id") or next(free)
        for entry in media_of(component):
            _point_at_file(message, medium_in(entry))
    return placed


def _point_at_file(message: Message, medium: JSON) -> None:
    url = str(medium.get("url"))
    for attachment in message.attachments:
        if url == f"attachment://{attachment.filename}":
            medium["attachment_id"] = str(attachment.id)
            return
    ours = re.match(re.escape(message.world.cdn) + r"/attachments/\d+/(\d+)/", url)
    if ours:
        medium["attachment_id"] = ours.group(1)


def _pings(message: Message, allowed: JSON | None) -> Pings:
    """Who is told: mentions in the text that `allowed_mentions` and the bot's permissions let through.

    Without `allowed_mentions` a bot's message pings everybody it names, an interaction's answer only users.
    """
    users, roles, everyone = _mentioned(message)
    replied = {message.replied_to.author.id} if message.replied_to else set()
    if allowed is None:
        everyone = everyone and not message.by_webhook
        roles = set() if message.by_webhook else roles
    else:
        parse = allowed.get("parse") or []
        users = users if "users" in parse else users & _ids(allowed.get("users"))
        roles = roles if "roles" in parse else roles & _ids(allowed.get("roles"))
        everyone = everyone and "everyone" in parse
        replied = replied if allowed.get("replied_user") else set()
    may_all = bool(message.channel.permissions_of(message.author) & P.MENTION_EVERYONE)
    known = message.channel.guild.roles if message.channel.guild else {}
    roles = {role for role in roles if role in known and (known[role].mentionable or may_all)}
    return Pings(frozenset(users | replied), frozenset(roles), everyone and may_all)


def _ids(snowflakes: list[str | int] | None) -> set[int]:
    return {int(snowflake) for snowflake in snowflakes or []}


def _mentioned(message: Message) -> tuple[set[int], set[int], bool]:
    users: set[int] = set()
    roles: set[int] = set()
    everyone = False
    for match in MENTION.finditer(message.content + "\n" + text_of(message.components)):
        if match["all"]:
            everyone = True
        else:
            (roles if match["role"] else users).add(int(match["id"]))
    return users, roles, everyone
