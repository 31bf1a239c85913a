"""The methods of chat.*: who may post where, and what becomes of a message."""

from __future__ import annotations

from typing import Any

from tests.slack_server.apps import Installation
from tests.slack_server.blockkit import check_blocks
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import Message, post, whisper
from tests.slack_server.state import Channel
from tests.slack_server.webapi import Call, Method


def _place(call: Call) -> Channel:
    """Where a message goes: an id, a user's id for their DM, or a name.

    Raises:
        SlackError: channel_not_found, not_in_channel, is_archived, messages_tab_disabled.
    """
    installation, wanted = call.installation, call.needs("channel")
    user = call.world.users.get(wanted)
    if user is not None and installation.covers(user.team):
        channel = call.world.direct(user.team, installation.bot, user)
    elif wanted.startswith("#"):
        found = call.world.named(call.team(), wanted[1:])
        if found is None:
            raise SlackError("channel_not_found")
        call.args["channel"] = found.id
        channel = call.channel()
    else:
        channel = call.channel()
    may_post(installation, channel)
    if channel.kind == "im" and installation.app.manifest.messages_tab == "off":
        raise SlackError("messages_tab_disabled")
    return channel


def may_post(installation: Installation, channel: Channel) -> None:
    """Raises SlackError where an app may not post."""
    if channel.archived:
        raise SlackError("is_archived")
    if not channel.has(installation.bot):
        if channel.kind != "public":
            raise SlackError("channel_not_found")
        if "chat:write.public" not in installation.scopes:
            raise SlackError("not_in_channel")


def _image_known(call: Call, file_id: str) -> bool:
    file = call.world.files.get(file_id)
    return file is not None and file.processed and not file.deleted


def blocks_of(call: Call) -> list[JSON] | None:
    """The checked blocks of a call, or None where it has none."""
    blocks = call.read("blocks", "invalid_blocks_format")
    if blocks is None:
        return None
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    return check_blocks(
        blocks,
        "message",
        image_known=lambda file_id: _image_known(call, file_id),
        new_id=lambda: call.world.new_secret(5),
    )


def _metadata(call: Call) -> JSON | None:
    metadata: Any = call.read("metadata", "invalid_metadata_format")
    if metadata is None or metadata == {}:
        return metadata  # type: ignore[no-any-return]
    payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
    if not isinstance(payload, dict) or not isinstance(metadata.get("event_type"), str):
        raise SlackError("invalid_metadata_format")
    if len(str(metadata)) > 4000:
        raise SlackError("metadata_too_large")
    return dict(metadata)


def _words(call: Call) -> tuple[str, list[JSON] | None]:
    text, blocks = call.text("text") or "", blocks_of(call)
    if call.args.get("markdown_text"):
        if text or blocks:
            raise SlackError("markdown_text_conflict")
        text = str(call.args["markdown_text"])
    if not text and not blocks and not call.args.get("attachments"):
        raise SlackError("no_text")
    return text[: call.world.limits.text], blocks


def post_message(call: Call) -> JSON:
    channel = _place(call)
    text, blocks = _words(call)
    thread = call.text("thread_ts") or None
    metadata = _metadata(call)
    message = post(
        channel,
        call.installation.bot,
        text,
        blocks=blocks,
        thread_ts=thread,
        installation=call.installation,
        metadata=metadata or None,
    )
    message.mrkdwn = call.flag("mrkdwn") is not False
    message.parses = call.text("parse") == "full" or call.flag("link_names") is True
    message.unfurl_links, message.unfurl_media = call.flag("unfurl_links"), call.flag("unfurl_media")
    return {"channel": channel.id, "ts": message.ts, "message": message.payload(metadata=True)}


def _own(call: Call, *, problem: str) -> Message:
    """A message of the app's own."""
    channel = call.channel()
    message = channel.messages.get(call.needs("ts"))
    if message is None or message.deleted or message.tombstone:
        raise SlackError("message_not_found")
    if message.installation is not call.installation:
        raise SlackError(problem)
    return message


def update(call: Call) -> JSON:
    """With text and no blocks, the blocks are gone; with blocks and no text, the text is."""
    message = _own(call, problem="cant_update_message")
    if message.channel.archived:
        raise SlackError("is_archived")
    text, blocks = _words(call)
    message.edit(text, blocks or [], _metadata(call))
    return {
        "channel": message.channel.id,
        "ts": message.ts,
        "text": message.fallback,
        "message": message.payload(metadata=True),
    }


def delete(call: Call) -> JSON:
    message = _own(call, problem="cant_delete_message")
    message.delete()
    return {"channel": message.channel.id, "ts": message.ts}


def post_ephemeral(call: Call) -> JSON:
    channel = _place(call)
    user = call.user("user")
    if not channel.has(user):
        raise SlackError("user_not_in_channel")
    text, blocks = _words(call)
    message = whisper(
        channel,
        call.installation.bot,
        user,
        text,
        blocks or [],
        thread_ts=call.text("thread_ts") or None,
        installation=call.installation,
    )
    return {"message_ts": message.ts}


def permalink(call: Call) -> JSON:
    channel = call.channel()
    message = channel.messages.get(call.needs("message_ts"))
    if message is None or message.deleted:
        raise SlackError("message_not_found")
    return {"channel": channel.id, "permalink": message.permalink}


CHAT = {
    "chat.postMessage": Method(post_message, 3, ("chat:write",)),
    "chat.update": Method(update, 3, ("chat:write",)),
    "chat.delete": Method(delete, 3, ("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, 4, ("chat:write",)),
    "chat.getPermalink": Method(permalink, 4),
}
