"""The played gateway: sessions on websockets, their events, and everything that can go wrong with them.

https://docs.discord.com/developers/events/gateway
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMessage, WSMsgType, web

from tests.discord_server.limits import JSON
from tests.discord_server.state import Channel, Guild, World

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 0, 1, 2, 3, 4, 6
RECONNECT, MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11

GUILDS, GUILD_MEMBERS, PRESENCES, GUILD_MESSAGES = 1 << 0, 1 << 1, 1 << 8, 1 << 9
DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 12, 1 << 15
KNOWN_INTENTS = (1 << 26) - 1
# Closed with these, a session can't be resumed; nor can it when the client closes with 1000 or 1001.
ENDS_SESSION = {4003, 4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014}
DAY = 24 * 3600.0


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Cut a TCP connection with an RST: the other side gets ECONNRESET."""
    if transport is None:
        return
    plug = transport.get_extra_info("socket")
    if plug is not None:
        with contextlib.suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def intent_for(event: str, *, private: bool) -> int:
    """The intent that a session must have asked for to get an event; 0 for those that everyone gets."""
    if event.startswith("MESSAGE_"):
        return DIRECT_MESSAGES if private else GUILD_MESSAGES
    if event.startswith("GUILD_MEMBER"):
        return GUILD_MEMBERS
    if event.startswith(("GUILD_", "CHANNEL_", "THREAD_")):
        return 0 if private else GUILDS
    return 0


@dataclass(frozen=True)
class Identified:
    """One IDENTIFY as it came in."""

    at: float
    shard: tuple[int, int]
    intents: int
    compressed: bool
    accepted: bool


@dataclass(eq=False)
class Session:
    """What a client holds on to over its connections: the events it may still have to be sent again."""

    id: str
    shard: tuple[int, int]
    intents: int
    sequence: int = 0
    unconfirmed: deque[tuple[int, str]] = field(default_factory=deque)
    connection: Connection | None = None
    lost_at: float = 0.0

    @property
    def connected(self) -> bool:
        return self.connection is not None

    def push(self, event: str, data: str) -> None:
        """Queue one event; without a connection it waits for the resume."""
        self.sequence += 1
        text = f'{{"op":0,"s":{self.sequence},"t":"{event}","d":{data}}}'
        self.unconfirmed.append((self.sequence, text))
        if self.connection is not None:
            self.connection.send(text)

    def confirm(self, sequence: int | None) -> None:
        """A heartbeat tells what has arrived: that needn't be kept for a replay."""
        while sequence and self.unconfirmed and self.unconfirmed[0][0] <= sequence:
            self.unconfirmed.popleft()

    def missed_after(self, sequence: int) -> list[str]:
        return [text for number, text in self.unconfirmed if number > sequence]


class Connection:
    """One websocket; whatever is sent goes through one queue, so that it can be held back."""

    def __init__(
        self, ws: web.WebSocketResponse, transport: asyncio.BaseTransport | None, *, zipped: bool
    ) -> None:
        self.ws = ws
        self.session: Session | None = None
        self._transport = transport
        self._zip = zlib.compressobj() if zipped else None
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self.silent = False  # a zombie: takes everything, says nothing
        self.closed_with = 0  # the code when it was closed from here
        self.received: deque[float] = deque(maxlen=120)

    @property
    def zipped(self) -> bool:
        return self._zip is not None

    def send(self, text: str) -> None:
        if not self.silent:
            self._queue.put_nowait(text)

    def op(self, op: int, data: Any = None) -> None:
        self.send(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    async def write(self, may_flow: asyncio.Event) -> None:
        """Send what is queued, in order, as long as nothing holds it back."""
        while (text := await self._queue.get()) is not None:
            await may_flow.wait()
            with contextlib.suppress(ConnectionError):
                if self._zip is None:
                    await self.ws.send_str(text)
                else:
                    data = self._zip.compress(text.encode()) + self._zip.flush(zlib.Z_SYNC_FLUSH)
                    await self.ws.send_bytes(data)

    async def close(self, code: int) -> None:
        self.closed_with = code
        if not self.ws.closed:
            with contextlib.suppress(ConnectionError):
                await self.ws.close(code=code)

    def cut(self) -> None:
        reset_connection(self._transport)


class Gateway:
    """Websockets of all shards. `shard=None` in its methods means: of every shard."""

    def __init__(self, world: World, token: Callable[[], str], url: Callable[[], str]) -> None:
        self._world = world
        self._token = token
        self._url = url
        self._connections: set[Connection] = set()
        self._may_flow = asyncio.Event()
        self._may_flow.set()
        self._rooms: dict[int, float] = {}
        self.sessions: dict[str, Session] = {}
        self.identified: list[Identified] = []
        self.resumed = 0
        self.refused_resumes = 0
        self.heartbeats = 0
        self.heartbeat_interval = 41.25  # seconds
        self.shards = 1  # what /gateway/bot recommends
        self.allowed_privileged = 0  # privileged intents that the application may ask for
        self.most_guilds_per_shard = 2500
        self.remaining = world.limits.identifies_per_day
        self.budget_resets_at = world.clock() + DAY
        self.budget_broken = False
        world.sink = self.dispatch

    # -- what tests ask for --------------------------------------------------------------------------

    def connections(self, shard: int | None = None) -> list[Connection]:
        """Connections with a session, of one shard or of all."""
        return [c for c in self._connections if c.session and shard in (None, c.session.shard[0])]

    def reconnect(self, shard: int | None = None) -> None:
        """Ask to reconnect and resume (opcode 7)."""
        for connection in self.connections(shard):
            connection.op(RECONNECT)

    def invalidate(self, shard: int | None = None, *, resumable: bool = False) -> None:
        """Declare sessions invalid (opcode 9); those not resumable are forgotten."""
        for connection in self.connections(shard):
            connection.op(INVALID_SESSION, resumable)
            if not resumable and connection.session is not None:
                self._forget(connection.session)

    async def close(self, code: int, shard: int | None = None) -> None:
        """Close websockets with one of the gateway's codes (4000 to 4014)."""
        for connection in self.connections(shard):
            await connection.close(code)

    def cut(self, shard: int | None = None) -> None:
        """Cut the TCP connections, without a word."""
        for connection in self.connections(shard):
            connection.cut()

    def zombie(self, shard: int | None = None) -> None:
        """Let connections stay open and never answer again, not even heartbeats."""
        for connection in self.connections(shard):
            connection.silent = True

    def hold(self) -> None:
        """Hold back everything that would be sent, also to connections that open from now on."""
        self._may_flow.clear()

    def release(self) -> None:
        self._may_flow.set()

    def forget_sessions(self) -> None:
        """Let every later RESUME fail with an invalid session."""
        for session in list(self.sessions.values()):
            self._forget(session)

    def malformed(self, shard: int | None = None) -> None:
        """Send an event without the fields it must have: discord.py's parser raises KeyError on it."""
        self.send_raw("CHANNEL_CREATE", {}, shard)

    def send_raw(self, event: str, data: Any, shard: int | None = None) -> None:
        for session in self.sessions.values():
            if shard in (None, session.shard[0]):
                session.push(event, json.dumps(data))

    @property
    def start_limit(self) -> JSON:
        """`session_start_limit` of /gateway/bot; `reset_after` is in milliseconds."""
        self._renew_budget()
        return {
            "total": self._world.limits.identifies_per_day,
            "remaining": max(0, self.remaining),
            "reset_after": int((self.budget_resets_at - self._world.clock()) * 1000),
            "max_concurrency": self._world.limits.max_concurrency,
        }

    # -- events --------------------------------------------------------------------------------------

    def dispatch(self, event: str, data: JSON, guild: Guild | None, channel: Channel | None) -> int:
        """Give an event to the sessions that should have it. Returns to how many it went."""
        private = guild is None
        if channel is not None and private and self._world.bot not in channel.recipients:
            return 0
        if channel is not None and guild is not None and not guild.has_bot:
            return 0
        return self._push(event, data, guild, intent_for(event, private=private))

    def deliver_interaction(self, text: str, guild: Guild | None) -> int:
        """INTERACTION_CREATE needs no intent, and reaches the bot outside its servers too. `text` is JSON."""
        sessions = self._sessions_for(guild, 0)
        for session in sessions:
            session.push("INTERACTION_CREATE", text)
        return len(sessions)

    def _push(self, event: str, data: JSON, guild: Guild | None, intent: int) -> int:
        sessions = self._sessions_for(guild, intent)
        if not sessions:
            return 0
        full = json.dumps(data)
        hidden = json.dumps(self.without_content(data)) if event.startswith("MESSAGE_") else full
        for session in sessions:
            session.push(event, full if session.intents & MESSAGE_CONTENT else hidden)
        return len(sessions)

    def _sessions_for(self, guild: Guild | None, intent: int) -> list[Session]:
        for session in [one for one in self.sessions.values() if not self._resumable(one)]:
            self._forget(session)
        return [s for s in self.sessions.values() if self._is_for(s, guild) and s.intents & intent == intent]

    def _is_for(self, session: Session, guild: Guild | None) -> bool:
        index, count = session.shard
        return index == ((guild.id >> 22) % count if guild is not None else 0)

    def without_content(self, data: JSON) -> JSON:
        """Without the intent only direct messages, mentions and the bot's own come with their content."""
        bot = str(self._world.bot.id)
        own = (data.get("author") or {}).get("id") == bot
        mentioned = any(user["id"] == bot for user in data.get("mentions") or [])
        if "author" not in data or own or mentioned or "guild_id" not in data:
            return data
        return {**data, "content": "", "embeds": [], "attachments": [], "components": []}

    # -- the websocket -------------------------------------------------------------------------------

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(max_msg_size=0, compress=False, timeout=1.0)
        await ws.prepare(request)
        zipped = request.query.get("compress") == "zlib-stream"
        connection = Connection(ws, request.transport, zipped=zipped)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            await connection.close(4012)
            return ws
        self._connections.add(connection)
        connection.op(HELLO, {"heartbeat_interval": self.heartbeat_interval * 1000, "_trace": ["played"]})
        writer = asyncio.create_task(connection.write(self._may_flow))
        try:
            await self._listen(connection)
        finally:
            self._gone(connection)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return ws

    async def _listen(self, connection: Connection) -> None:
        while not connection.ws.closed:
            try:
                # Two heartbeats that don't come, and the session has timed out.
                message = await connection.ws.receive(timeout=self.heartbeat_interval * 2.5)
            except TimeoutError:
                await connection.close(4009)
                return
            if message.type is not WSMsgType.TEXT:
                return
            code = await self._hear(connection, message)
            if code:
                await connection.close(code)
                return

    async def _hear(self, connection: Connection, message: WSMessage) -> int:
        """Take one payload of the client. Returns the code to close with, or 0."""
        now = self._world.clock()
        connection.received.append(now)
        if len(connection.received) == 120 and now - connection.received[0] < 60:
            return 4008
        try:
            payload = json.loads(message.data)
            op, data = payload["op"], payload.get("d")
        except (ValueError, KeyError, TypeError):
            return 4002
        if op == HEARTBEAT:
            self._beat(connection, data)
            return 0
        if op in (IDENTIFY, RESUME):
            return self._identify(connection, data) if op == IDENTIFY else self._resume(connection, data)
        if connection.session is None:
            return 4003
        if op == MEMBERS:
            self._send_members(connection.session, data)
        return 0 if op in (PRESENCE, VOICE, MEMBERS) else 4001

    def _beat(self, connection: Connection, sequence: int | None) -> None:
        self.heartbeats += 1
        if connection.session is not None:
            connection.session.confirm(sequence)
        connection.op(HEARTBEAT_ACK)

    def _identify(self, connection: Connection, data: JSON) -> int:
        if connection.session is not None:
            return 4005
        index, count = shard = tuple(data.get("shard") or (0, 1))
        intents = int(data.get("intents", 0))
        problem = self._problem(data, index, count, intents)
        accepted = not problem and self._spend_identify(index)
        note = Identified(self._world.clock(), shard, intents, connection.zipped, accepted)
        self.identified.append(note)
        if self.budget_broken:
            return 4004
        if not problem and not accepted:
            connection.op(INVALID_SESSION, False)
        elif not problem:
            self._start(connection, Session(secrets.token_hex(16), (index, count), intents))
        self._world.notify()
        return problem

    def _problem(self, data: JSON, index: int, count: int, intents: int) -> int:
        """The code to close with instead of a session, or 0."""
        privileged = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT
        checks = {
            4004: data.get("token") != self._token(),
            4010: not 0 <= index < count,
            4013: "intents" not in data or bool(intents & ~KNOWN_INTENTS),
            4014: bool(intents & privileged & ~self.allowed_privileged),
            4011: len(self._guilds((index, count))) > self.most_guilds_per_shard,
        }
        return next((code for code, wrong in checks.items() if wrong), 0)

    def _spend_identify(self, index: int) -> bool:
        """Count an identify against the day's budget, and against its room: one per room each 5 s.

        Past the budget Discord ends all sessions and resets the token.
        """
        now, limits = self._world.clock(), self._world.limits
        self._renew_budget()
        self.remaining -= 1
        if self.remaining < 0:
            self.budget_broken = True
            return False
        room = index % limits.max_concurrency
        if now - self._rooms.get(room, 0.0) < 5.0 * limits.pace:
            return False
        self._rooms[room] = now
        return True

    def _renew_budget(self) -> None:
        if self._world.clock() > self.budget_resets_at:
            self.remaining = self._world.limits.identifies_per_day
            self.budget_resets_at = self._world.clock() + DAY

    def _start(self, connection: Connection, session: Session) -> None:
        self.sessions[session.id] = session
        self._attach(connection, session)
        guilds = self._guilds(session.shard)
        ready: JSON = {
            "v": 10,
            "user": {**self._world.bot.payload(), "verified": True, "mfa_enabled": False, "email": None},
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self._url(),
            "shard": list(session.shard),
            "application": {"id": str(self._world.application_id), "flags": 0},
            "private_channels": [],
            "relationships": [],
            "user_settings": {},
            "_trace": ["played"],
        }
        session.push("READY", json.dumps(ready))
        if session.intents & GUILDS:
            for guild in guilds:
                session.push("GUILD_CREATE", json.dumps(guild.payload()))

    def _guilds(self, shard: tuple[int, int]) -> list[Guild]:
        index, count = shard
        return [g for g in self._world.guilds.values() if g.has_bot and (g.id >> 22) % count == index]

    def _resume(self, connection: Connection, data: JSON) -> int:
        if data.get("token") != self._token():
            return 4004
        session = self.sessions.get(str(data.get("session_id")))
        known = session is not None and data.get("seq") is not None and data["seq"] <= session.sequence
        if session is None or not known or not self._resumable(session):
            self.refused_resumes += 1
            connection.op(INVALID_SESSION, False)
            return 0
        old = session.connection
        if old is not None:
            old.cut()
        self.resumed += 1
        missed = session.missed_after(data["seq"])
        self._attach(connection, session)
        for text in missed:
            connection.send(text)
        session.push("RESUMED", json.dumps({"_trace": ["played"]}))
        self._world.notify()
        return 0

    def _resumable(self, session: Session) -> bool:
        waited = self._world.clock() - session.lost_at
        return session.connected or waited < self._world.limits.resume_window

    def _attach(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.connection = connection

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        session.lost_at = self._world.clock()
        left = not connection.closed_with and connection.ws.close_code in (1000, 1001)
        if left or connection.closed_with in ENDS_SESSION:
            self._forget(session)
        self._world.notify()

    def _forget(self, session: Session) -> None:
        self.sessions.pop(session.id, None)

    def _send_members(self, session: Session, data: JSON) -> None:
        guild = self._world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        wanted = {int(one) for one in data.get("user_ids") or []} or set(guild.members)
        chunk = {
            "guild_id": str(guild.id),
            "members": [
                guild.member_payload(self._world.users[one]) for one in guild.members if one in wanted
            ],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [str(one) for one in wanted - set(guild.members)],
            "nonce": data.get("nonce"),
        }
        session.push("GUILD_MEMBERS_CHUNK", json.dumps(chunk))

    async def stop(self) -> None:
        self.release()
        for connection in list(self._connections):
            await connection.close(1001)

    def live(self) -> Iterator[Session]:
        """Sessions that have a connection right now."""
        return (session for session in self.sessions.values() if session.connected)
