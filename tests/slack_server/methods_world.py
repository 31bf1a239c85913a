"""The methods that look at the workspace: conversations.*, users.*, usergroups.*, team.*, and views.*."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import Message
from tests.slack_server.state import HISTORY, Channel
from tests.slack_server.webapi import Call, Method

ANY_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
ANY_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")


# -- conversations -----------------------------------------------------------------------------------


def open_conversation(call: Call) -> JSON:
    users = [one for one in (call.text("users") or "").split(",") if one]
    if call.text("channel"):
        return {"channel": call.channel().payload(call.installation.bot)}
    if not users:
        raise SlackError("users_list_not_supplied")
    call.requires("im:write" if len(users) == 1 else "mpim:write")
    people = []
    for one in users:
        user = call.world.users.get(one)
        if user is None or not call.installation.covers(user.team):
            raise SlackError("user_not_found")
        if user.deleted:
            raise SlackError("user_disabled")
        people.append(user)
    if people == [call.installation.bot]:
        raise SlackError("invalid_user_combination")
    channel = call.world.direct(people[0].team, call.installation.bot, *people)
    if not call.flag("return_im"):
        return {"channel": {"id": channel.id}}
    return {"channel": channel.payload(call.installation.bot)}


def join(call: Call) -> JSON:
    channel = call.channel()
    if channel.kind != "public":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.archived:
        raise SlackError("is_archived")
    bot = call.installation.bot
    if channel.has(bot):
        return {
            "channel": channel.payload(bot),
            "warning": "already_in_channel",
            "response_metadata": {"warnings": ["already_in_channel"]},
        }
    channel.invite(bot)
    return {"channel": channel.payload(bot)}


def info(call: Call) -> JSON:
    channel = call.channel()
    call.requires(f"{HISTORY[channel.kind]}:read")
    payload = channel.payload(call.installation.bot)
    if call.flag("include_num_members"):
        payload["num_members"] = len(channel.members)
    return {"channel": payload}


def members(call: Call) -> JSON:
    channel = call.channel()
    call.requires(f"{HISTORY[channel.kind]}:read")
    found, cursor = _paged(call, list(channel.members), 100)
    return {"members": found, "response_metadata": {"next_cursor": cursor}}


def _readable(call: Call) -> Channel:
    channel = call.channel()
    call.requires(f"{HISTORY[channel.kind]}:history")
    if not channel.has(call.installation.bot):
        raise SlackError("not_in_channel")
    return channel


def history(call: Call) -> JSON:
    """The newest first, without replies."""
    channel = _readable(call)
    top = [one for one in channel.visible() if one.thread_ts in (None, one.ts)]
    return _page_of_messages(call, list(reversed(_between(call, top))))


def replies(call: Call) -> JSON:
    """A thread, its parent first."""
    channel, ts = _readable(call), call.needs("ts")
    if ts not in channel.messages or channel.messages[ts].deleted:
        raise SlackError("thread_not_found")
    thread = channel.messages[ts].thread_ts or ts
    found = channel.visible(thread)
    return _page_of_messages(call, [found[0], *_between(call, found[1:])])


def _between(call: Call, messages: Iterable[Message]) -> list[Message]:
    oldest, latest = float(call.text("oldest") or 0), float(call.text("latest") or "inf")
    inclusive = call.flag("inclusive")
    return [
        one
        for one in messages
        if oldest < float(one.ts) < latest or (inclusive and float(one.ts) in (oldest, latest))
    ]


def _page_of_messages(call: Call, messages: list[Message]) -> JSON:
    found, cursor = _paged(call, messages, 100)
    metadata = call.flag("include_all_metadata") is True
    answer: JSON = {
        "messages": [one.payload(metadata=metadata) for one in found],
        "has_more": bool(cursor),
    }
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def _paged(call: Call, items: list[Any], default: int) -> tuple[list[Any], str]:
    limit, cursor = call.number("limit", default), call.text("cursor") or "at:0"
    if not 1 <= limit <= 1000:
        raise SlackError("invalid_limit")
    begin = int(cursor.removeprefix("at:")) if cursor.startswith("at:") else -1
    if begin < 0:
        raise SlackError("invalid_cursor")
    end = begin + limit
    return items[begin:end], f"at:{end}" if end < len(items) else ""


# -- people and the workspace ------------------------------------------------------------------------


def user_info(call: Call) -> JSON:
    user = call.user("user")
    email = "users:read.email" in call.installation.scopes
    return {"user": user.payload(locale=call.flag("include_locale") is True, email=email)}


def user_list(call: Call) -> JSON:
    there = [user for user in call.world.users.values() if call.installation.covers(user.team)]
    return {"members": [user.payload() for user in there], "response_metadata": {"next_cursor": ""}}


def by_email(call: Call) -> JSON:
    wanted = call.needs("email").lower()
    for user in call.world.users.values():
        if user.email.lower() == wanted and call.installation.covers(user.team) and not user.deleted:
            return {"user": user.payload(email=True)}
    raise SlackError("users_not_found")


def usergroups(call: Call) -> JSON:
    with_users = call.flag("include_users") is True
    hidden = () if with_users else ("users",)
    return {
        "usergroups": [
            {key: value for key, value in group.items() if key not in hidden}
            for group in call.team().usergroups
        ]
    }


def team_info(call: Call) -> JSON:
    wanted = call.world.teams.get(call.text("team") or "")
    if wanted is not None and call.installation.covers(wanted):
        return {"team": wanted.payload()}
    if call.text("team"):
        raise SlackError("team_not_found")
    return {"team": call.team().payload()}


# -- views -------------------------------------------------------------------------------------------


def open_view(call: Call) -> JSON:
    interaction = call.server.interactions.of_trigger(call.needs("trigger_id"), call.installation.app)
    return {"view": call.server.views.open(interaction, call.read("view")).payload()}


def push_view(call: Call) -> JSON:
    interaction = call.server.interactions.of_trigger(call.needs("trigger_id"), call.installation.app)
    return {"view": call.server.views.push(interaction, call.read("view")).payload()}


def update_view(call: Call) -> JSON:
    if not call.text("view_id") and not call.text("external_id"):
        raise SlackError("invalid_arguments", "missing required field: view_id")
    view = call.server.views.find(call.text("view_id"), call.text("external_id"), call.installation)
    return {"view": call.server.views.update(view, call.read("view"), call.text("hash")).payload()}


def publish_view(call: Call) -> JSON:
    user = call.world.users.get(call.needs("user_id"))
    if user is None or not call.installation.covers(user.team):
        raise SlackError("user_not_found")
    view = call.server.views.publish(call.installation, user, call.read("view"), call.text("hash"))
    return {"view": view.payload()}


WORLD = {
    "conversations.open": Method(open_conversation, 3, ("im:write", "mpim:write")),
    "conversations.join": Method(join, 3, ("channels:join",)),
    "conversations.info": Method(info, 3, ANY_READ),
    "conversations.members": Method(members, 4, ANY_READ),
    "conversations.history": Method(history, 3, ANY_HISTORY),
    "conversations.replies": Method(replies, 3, ANY_HISTORY),
    "users.info": Method(user_info, 4, ("users:read",)),
    "users.list": Method(user_list, 2, ("users:read",)),
    "users.lookupByEmail": Method(by_email, 3, ("users:read.email",)),
    "usergroups.list": Method(usergroups, 2, ("usergroups:read",)),
    "team.info": Method(team_info, 3, ("team:read",)),
    "views.open": Method(open_view, 4),
    "views.push": Method(push_view, 4),
    "views.update": Method(update_view, 4),
    "views.publish": Method(publish_view, 4),
}
