"""The web page's own tables: who is let in, the channels, what was said there, the events that tell of it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bot.errors import Refused
from bot.jobs import Actor, Json
from bot.store import queries
from bot.store.tables import (
    Channel,
    Event,
    Message,
    channel_of,
    event_of,
    message_of,
    visitor_of,
    visitor_row,
)

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite


GONE = "gone"
"""The kind of a message that was taken down."""

CHUNK = 500
"""Messages that one statement names."""


class Chat:
    """Codes and tokens are stored as hashes that the caller makes. Times are seconds since the epoch."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    # -- who is there

    async def add_login(self, code_hash: str, actor: Actor, expires_at: float) -> None:
        """A code that lets one person in, once."""
        values = {"code_hash": code_hash, **visitor_row(actor), "expires_at": expires_at}
        await self._database.write(lambda connection: _run(connection, queries.insert_login(), values))

    async def redeem_login(self, code_hash: str, now: float) -> Actor | None:
        """Use a code up; None where it is unknown, over or used."""
        values = {"the_code_hash": code_hash, "the_now": now}
        return await self._database.write(partial(_redeem, values))

    async def add_session(self, token_hash: str, actor: Actor, now: float, expires_at: float) -> None:
        """Let somebody in; forgets sessions and codes that are over."""
        values = {
            "token_hash": token_hash,
            **visitor_row(actor),
            "created_at": now,
            "expires_at": expires_at,
        }
        await self._database.write(partial(_add_session, values))

    async def session(self, token_hash: str, now: float) -> Actor | None:
        """Who a token belongs to; None where it is unknown or over."""
        rows = await self._database.read(queries.session(), the_token_hash=token_hash, the_now=now)
        return visitor_of(rows[0]) if rows else None

    async def end_session(self, token_hash: str) -> None:
        values = {"the_token_hash": token_hash}
        await self._database.write(lambda connection: _run(connection, queries.delete_session(), values))

    # -- channels

    async def channels(self) -> list[Channel]:
        """Oldest first."""
        return [channel_of(row) for row in await self._database.read(queries.all_channels())]

    async def add_channel(self, id: str, title: str, now: float) -> Channel:
        """A new channel and the event "channel"; where the id is taken, the one that is there."""
        return await self._database.write(partial(_add_channel, Channel(id, title, now)))

    # -- messages

    async def post(
        self,
        channel: str,
        *,
        thread: int | None,
        author: Json,
        kind: str,
        body: Json,
        key: str | None,
        now: float,
    ) -> tuple[Message, bool]:
        """Say something, with the event "message"; the same key gives what is there already, and False.

        Refused("not_found") where there is no such channel, or no message at its top level to answer.
        """
        values = {
            "channel": channel,
            "thread": thread,
            "author": author,
            "kind": kind,
            "body": body,
            "key": key,
            "created_at": now,
            "updated_at": now,
        }
        return await self._database.write(partial(_post, values))

    async def edit(
        self, message_id: int, *, body: Json, kind: str | None = None, now: float
    ) -> Message | None:
        """Say it anew, with the event "edit" where that changes anything; None where nothing is there."""
        return await self._database.write(partial(_edit, message_id, body, kind, now))

    async def message(self, message_id: int) -> Message | None:
        return await self._one(queries.message(), the_id=message_id)

    async def by_key(self, key: str) -> Message | None:
        return await self._one(queries.message_by_key(), the_key=key)

    async def messages(
        self, channel: str, *, thread: int | None = None, before: int | None = None, limit: int = 50
    ) -> list[Message]:
        """The newest ones with an id under `before`, oldest first: a thread's answers, or the top level."""
        page: dict[str, Json] = {"the_channel": channel, "the_limit": limit}
        page["the_before"] = sys.maxsize if before is None else before
        if thread is None:
            rows = await self._database.read(queries.top_messages(), **page)
        else:
            rows = await self._database.read(queries.thread_messages(), the_thread=thread, **page)
        return [message_of(row) for row in reversed(rows)]

    # -- what is taken down, and who is forgotten

    async def take_down(self, ids: Collection[int], *, body: Json, now: float) -> None:
        """Put `body` in the place of messages, for good: what readers were told of them goes too."""
        await self._database.write(partial(_take_down, tuple(ids), body, now))

    async def forget(self, person: str, *, author: Json, body: Json, now: float) -> None:
        """Forget what somebody has said, what was made for them, and who they are: they are signed out.

        `author` and `body` stand in the place of theirs, so that threads of others keep their beginning.
        """
        await self._database.write(partial(_forget, person, author, body, now))

    # -- events

    async def events_after(self, id: int, limit: int = 500) -> list[Event]:
        """Oldest first."""
        return [
            event_of(row)
            for row in await self._database.read(queries.events_after(), the_id=id, the_limit=limit)
        ]

    async def first_event(self) -> int:
        """The id of the oldest one kept, 0 where none ever was. A reader that knows less has missed some."""
        ((id,),) = await self._database.read(queries.first_event())
        return int(id)

    async def last_event(self) -> int:
        """The id of the newest one, 0 where none ever was."""
        ((id,),) = await self._database.read(queries.last_event())
        return int(id)

    async def forget_events_before(self, time: float) -> int:
        """Says how many. The newest is always kept."""
        values = {"the_time": time}
        return await self._database.write(
            lambda connection: _run(connection, queries.forget_events(), values)
        )

    async def _one(self, statement: Any, **parameters: Json) -> Message | None:
        rows = await self._database.read(statement, **parameters)
        return message_of(rows[0]) if rows else None


# -- requests: what runs within a transaction, in the writer's thread


def _run(connection: Connection, statement: Any, values: Mapping[str, Json]) -> int:
    return connection.execute(statement, values).rowcount


def _redeem(values: Mapping[str, Json], connection: Connection) -> Actor | None:
    row = connection.execute(queries.redeem_login(), values).one_or_none()
    return visitor_of(row) if row else None


def _add_session(values: Mapping[str, Json], connection: Connection) -> None:
    over = {"the_now": values["created_at"]}
    connection.execute(queries.delete_expired_sessions(), over)
    connection.execute(queries.delete_expired_logins(), over)
    connection.execute(queries.insert_session(), values)


def _add_channel(channel: Channel, connection: Connection) -> Channel:
    if row := connection.execute(queries.channel(), {"the_id": channel.id}).one_or_none():
        return channel_of(row)
    connection.execute(queries.insert_channel(), asdict(channel))
    _tell(connection, channel.id, "channel", asdict(channel), channel.created_at)
    return channel


def _post(values: Mapping[str, Json], connection: Connection) -> tuple[Message, bool]:
    if values["key"] is not None:
        there = connection.execute(queries.message_by_key(), {"the_key": values["key"]}).one_or_none()
        if there:
            return message_of(there), False
    _check_place(values["channel"], values["thread"], connection)
    id = connection.execute(queries.insert_message(), values).scalar_one()
    message = Message(id=id, **values)
    _tell(connection, message.channel, "message", asdict(message), message.created_at)
    return message, True


def _check_place(channel: str, thread: int | None, connection: Connection) -> None:
    if connection.execute(queries.channel(), {"the_id": channel}).one_or_none() is None:
        raise Refused("not_found")
    if thread is not None:
        root = connection.execute(queries.message(), {"the_id": thread}).one_or_none()
        if root is None or root.channel != channel or root.thread is not None:
            raise Refused("not_found")


def _edit(
    message_id: int, body: Json, kind: str | None, now: float, connection: Connection
) -> Message | None:
    row = connection.execute(queries.message(), {"the_id": message_id}).one_or_none()
    if row is None:
        return None
    message = message_of(row)
    kind = kind or message.kind
    if (message.body, message.kind) == (body, kind):
        return message
    values = {"the_id": message_id, "body": body, "kind": kind, "updated_at": now}
    connection.execute(queries.update_message(), values)
    edited = Message(**{**asdict(message), "body": body, "kind": kind, "updated_at": now})
    _tell(connection, edited.channel, "edit", asdict(edited), now)
    return edited


def _take_down(ids: tuple[int, ...], body: Json, now: float, connection: Connection) -> None:
    for start in range(0, len(ids), CHUNK):
        connection.execute(queries.delete_events_of(), {"the_ids": ids[start : start + CHUNK]})
    for id in ids:
        _edit(id, body, GONE, now, connection)


def _forget(person: str, author: Json, body: Json, now: float, connection: Connection) -> None:
    rows = connection.execute(queries.messages_of_person(), {"the_person": person}).all()
    for row in rows:
        unnamed = {"the_id": row.id, "author": row.author if row.author["id"] != person else author}
        # A card's key stays: it is what keeps a post that is still on its way from standing there again.
        key = row.key if row.kind in ("card", "result") else None
        connection.execute(queries.update_message(), {**unnamed, "key": key})
    _take_down(tuple(row.id for row in rows), body, now, connection)
    connection.execute(queries.delete_visits(), {"the_person": person})
    connection.execute(queries.delete_invitations(), {"the_person": person})


def _tell(connection: Connection, channel: str, kind: str, data: Json, now: float) -> None:
    values = {"channel": channel, "kind": kind, "data": data, "created_at": now}
    connection.execute(queries.insert_event(), values)
