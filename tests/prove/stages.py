"""The platforms: what people do there, and what stands there in the end. They outlive the bot's deaths."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import aiohttp

from adapters.web.sessions import hash_of
from bot.jobs import Actor
from bot.store import Store
from tests.discord_server.people import ClientRefused
from tests.discord_server.remote import RemotePerson, RemoteReply, RemoteServer
from tests.prove.processes import served
from tests.slack.rig import manifest_of
from tests.slack_server.forms import ClientRefused as SlackRefused
from tests.slack_server.remote import RemotePerson as SlackPerson
from tests.slack_server.remote import RemoteServer as SlackServer

TAG = re.compile(r"t\d{7}x")
"""Stands in every prompt, and is no other prompt's."""

PEOPLE = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")

Meddling = Literal["again", "reseed", "cancel"]
Trouble = Literal["before", "after"]


@dataclass(frozen=True)
class Asked:
    """Something that somebody wanted to have made. `promised`: they were told that it will be."""

    key: str
    tag: str
    promised: bool = False


@dataclass(frozen=True)
class Standing:
    """A message as it stands: "taking" is a card that says that nothing was taken, "open" one at work."""

    kind: Literal["taking", "open", "ended", "result"]
    tag: str | None
    job: str | None = None
    digests: tuple[str, ...] = ()
    told: str | None = None
    """The key of what it answers."""


class Stage(Protocol):
    """One of them. Whatever people do is done by one of them, who is drawn."""

    name: str

    def config(self) -> str:
        """What the bot's configuration says of it."""

    async def order(self, tag: str, *, twice: bool) -> Asked | None:
        """Somebody wants a picture; None where their client doesn't let them, or nobody answers."""

    async def meddle(self, how: Meddling) -> Asked | None:
        """Somebody presses a button of an earlier one."""

    async def trouble(self, when: Trouble) -> None:
        """One of the next requests goes wrong: its connection is reset before it was taken, or after."""

    async def standing(self, store: Store) -> list[Standing]:
        """All that stands there."""


def prompt_of(tag: str) -> str:
    return f"a fox {tag}"


# -- Discord

DISCORD_CALLS = (
    "POST /interactions/*/*/callback",
    "POST /channels/*/messages",
    "POST /channels/*/messages/*/threads",
    "PATCH /channels/*/messages/*",
    "GET /channels/*/messages",
)


@dataclass
class DiscordStage:
    server: RemoteServer
    gateway_url: str
    channels: list[int]
    people: list[RemotePerson]
    chance: random.Random
    name: str = "discord"
    recent: list[RemoteReply] = field(default_factory=list)
    keys: dict[int, str] = field(default_factory=dict)

    def config(self) -> str:
        return (
            f'[discord]\ntoken = "a-bot-token"\napi_base = "{self.server.api_base}"\n'
            f'gateway_url = "{self.gateway_url}"\n'
        )

    async def order(self, tag: str, *, twice: bool) -> Asked | None:
        who = self.chance.choice(self.people)
        where = self.chance.choice(self.channels)
        given = {"prompt": prompt_of(tag)}
        try:
            reply = await who.command("imagine", given, channel=where, times=2 if twice else 1)
        except (ClientRefused, LookupError):
            return None
        return self._asked(reply, tag)

    async def meddle(self, how: Meddling) -> Asked | None:
        if not self.recent:
            return None
        newest = how == "cancel"
        old = self.recent[-1] if newest else self.chance.choice(self.recent[-40:])
        who = self.chance.choice(self.people)
        with contextlib.suppress(ClientRefused, LookupError):
            message = (await self.server.do("reply", id=old.id))["message"]
            if message and not newest and message["thread"]:
                there = await self.server.do("messages", channel=message["thread"])
                message = next((one for one in there if one["files"]), None)
            button = _button(message, f"tr:{how}:")
            if button is None:
                return None
            reply = await who.press(message["id"], button["custom_id"])
            if how != "cancel":
                tag = TAG.search(message["text"])
                return self._asked(reply, tag[0] if tag else "")
        return None

    def _asked(self, reply: RemoteReply, tag: str) -> Asked:
        key = f"discord:{reply.id}"
        if reply.ack is not None:
            self.recent.append(reply)
            if reply.message:
                self.keys[reply.message["id"]] = key
        return Asked(key, tag)

    async def trouble(self, when: Trouble) -> None:
        on = self.chance.choice(DISCORD_CALLS)
        await self.server.do("fault", on=on, fault=f"drop_{when}", skip=self.chance.randrange(3))

    async def standing(self, store: Store) -> list[Standing]:
        bot = (await self.server.do("state"))["bot"]
        return [
            self._read(one)
            for one in await self.server.do("everything")
            if one["author_id"] == bot and not one["ephemeral"]
        ]

    def _read(self, message: dict[str, Any]) -> Standing:
        tag = TAG.search(message["text"])
        found, told = (tag[0] if tag else None), self.keys.get(message["id"])
        if message["files"]:
            again = _button(message, "tr:again:")
            job = again["custom_id"].split(":")[2] if again else None
            return Standing("result", found, job, tuple(one["sha256"] for one in message["files"]))
        if "Taking it in" in message["text"]:
            return Standing("taking", found, told=told)
        cancel = _button(message, "tr:cancel:")
        return Standing("open" if cancel else "ended", found, told=told)


def _button(message: dict[str, Any] | None, start: str) -> dict[str, Any] | None:
    buttons = message["buttons"] if message else []
    return next((one for one in buttons if (one["custom_id"] or "").startswith(start)), None)


@contextlib.asynccontextmanager
async def discord_stage(folder: Path, chance: random.Random) -> AsyncIterator[DiscordStage]:
    async with AsyncExitStack() as stack:
        listening = await stack.enter_async_context(served("tests.discord_server", folder / "discord.log"))
        told = json.loads(listening)
        server = await stack.enter_async_context(RemoteServer(told["url"]))
        await server.do(
            "limits",
            identifies_per_day=10**9,
            active_threads=10**9,
            daily_command_creates=10**9,
            global_per_second=10**6,
        )
        guild = await server.do("guild", name="Foxes")
        channels = [await server.do("channel", guild=guild, name=name) for name in ("general", "art", "zoo")]
        people = [await server.person(name, guild) for name in PEOPLE]
        yield DiscordStage(server, told["gateway_url"], channels, people, chance)


# -- Slack

SLACK_CALLS = (
    "chat.postMessage",
    "chat.update",
    "files.getUploadURLExternal",
    "upload",
    "files.completeUploadExternal",
    "files.info",
)


@dataclass
class SlackStage:
    """Slash commands over Socket Mode. Results hang below their cards: a card tells whose they are."""

    server: SlackServer
    tokens: dict[str, str]
    channels: list[str]
    people: list[SlackPerson]
    chance: random.Random
    name: str = "slack"
    recent: list[str] = field(default_factory=list)

    def config(self) -> str:
        lines = "".join(f'{name} = "{value}"\n' for name, value in self.tokens.items())
        return f'[slack]\napi_base = "{self.server.api_base}"\n{lines}'

    async def order(self, tag: str, *, twice: bool) -> Asked | None:
        who, where = self.chance.choice(self.people), self.chance.choice(self.channels)
        try:
            reply = await who.command("/imagine", prompt_of(tag), channel=where)
        except (SlackRefused, LookupError):
            return None
        self.recent.append(tag)
        return Asked(f"slack:{reply.id}", tag)

    async def meddle(self, how: Meddling) -> Asked | None:
        """Cancels only: what is ordered below a card would hang there among the card's own results."""
        if how != "cancel" or not self.recent:
            return None
        with contextlib.suppress(SlackRefused, LookupError):
            for card in await self.server.do("messages", channel=self.chance.choice(self.channels)):
                if self.recent[-1] in card["text"] and _slack_button(card, "job.cancel"):
                    place = {"channel": card["channel"], "ts": card["ts"]}
                    await self.people[0].press(place, "job.cancel")
        return None

    async def trouble(self, when: Trouble) -> None:
        on = self.chance.choice(SLACK_CALLS)
        await self.server.do("fault", on=on, fault=f"drop_{when}", skip=self.chance.randrange(3))

    async def standing(self, store: Store) -> list[Standing]:
        messages = [one for one in await self.server.do("everything") if not one["ephemeral"]]
        cards = {one["ts"]: one for one in messages if one["buttons"]}
        found = [self._card(one) for one in cards.values()]
        for one in messages:
            if one["files"]:
                job = _slack_job(cards.get(one["thread_ts"]))
                found.append(Standing("result", None, job, tuple(file["sha256"] for file in one["files"])))
        return found

    def _card(self, message: dict[str, Any]) -> Standing:
        tag = TAG.search(message["text"])
        kind: Literal["open", "ended"] = "open" if _slack_button(message, "job.cancel") else "ended"
        return Standing(kind, tag[0] if tag else None, _slack_job(message))


def _slack_button(message: dict[str, Any], action: str) -> dict[str, Any] | None:
    return next((one for one in message["buttons"] if one["action_id"] == action), None)


def _slack_job(card: dict[str, Any] | None) -> str | None:
    return str(card["buttons"][0]["value"]) if card else None


@contextlib.asynccontextmanager
async def slack_stage(folder: Path, chance: random.Random) -> AsyncIterator[SlackStage]:
    described = folder / "manifest.json"
    described.write_text(json.dumps(manifest_of()))
    async with AsyncExitStack() as stack:
        arguments = ("--port", "0", "--manifest", str(described))
        log = folder / "slack.log"
        told = json.loads(await stack.enter_async_context(served("tests.slack_server", log, *arguments)))
        server = await stack.enter_async_context(SlackServer(told["url"]))
        team = await server.do("team", name="Foxes")
        channels = [
            await server.do("channel", team=team["id"], name=name, bot=True)
            for name in ("general", "art", "zoo")
        ]
        people = [await server.person(name, team["id"], *channels) for name in PEOPLE]
        tokens = {"bot_token": team["token"], "app_token": told["app_token"]}
        yield SlackStage(server, tokens, channels, people, chance)


# -- the page


@dataclass
class PageStage:
    """People on the page do as its script does: what got no answer is sent again, with the same key."""

    address: str
    tokens: list[str]
    chance: random.Random
    session: aiohttp.ClientSession
    name: str = "web"
    patience: float = 120.0
    recent: list[tuple[str, str, str]] = field(default_factory=list)
    """Job, tag and the token of who asked."""

    def config(self) -> str:
        return ""

    async def order(self, tag: str, *, twice: bool) -> Asked | None:
        body = {"channel": "studio", "text": f"/imagine {prompt_of(tag)}"}
        return await self._ask("messages", body, tag, self.chance.choice(self.tokens), twice=twice)

    async def meddle(self, how: Meddling) -> Asked | None:
        if not self.recent:
            return None
        job, tag, token = self.recent[-1] if how == "cancel" else self.chance.choice(self.recent[-40:])
        if how == "cancel":
            await self._post(f"jobs/{job}/cancel", {}, token, 0.0)
            return None
        body = {"channel": "studio", "new_seed": how == "reseed"}
        return await self._ask(f"jobs/{job}/again", body, tag, token, twice=False)

    async def _ask(
        self, path: str, body: dict[str, Any], tag: str, token: str, *, twice: bool
    ) -> Asked | None:
        key = secrets.token_urlsafe(12)
        answers = await asyncio.gather(
            *(self._post(path, {**body, "key": key}, token, self.patience) for _ in range(1 + twice))
        )
        made = [answer["message"]["body"]["job"] for answer in answers if answer and "message" in answer]
        if made:
            self.recent.append((made[0], tag, token))
        return Asked(f"web:{_person(token)}:{key}", tag, promised=bool(made))

    async def _post(
        self, path: str, body: dict[str, Any], token: str, patience: float
    ) -> dict[str, Any] | None:
        """The answer; None where nobody gave one for as long as a person would wait."""
        until = time.monotonic() + patience
        cookies = {"Cookie": f"threadreel={token}"}
        while True:
            try:
                async with self.session.post(
                    f"{self.address}/api/{path}", json=body, headers=cookies
                ) as response:
                    if response.status < 500:
                        answer: dict[str, Any] = await response.json(content_type=None)
                        return answer
            except (aiohttp.ClientError, TimeoutError, ValueError):
                pass
            if time.monotonic() > until:
                return None
            await asyncio.sleep(0.2)

    async def trouble(self, when: Trouble) -> None:
        """The page asks us, and we ask nobody for it."""

    async def standing(self, store: Store) -> list[Standing]:
        found, before = [], None
        while page := await store.chat.messages("studio", before=before, limit=200):
            before = page[0].id
            for card in page:
                if card.kind != "card":
                    continue
                found.append(_on_page(card.kind, card.body))
                below = await store.chat.messages("studio", thread=card.id, limit=200)
                found += [_on_page(one.kind, one.body) for one in below]
        return found


def _on_page(kind: str, body: dict[str, Any]) -> Standing:
    tag = TAG.search(body["text"])
    found = tag[0] if tag else None
    if kind == "result":
        digests = tuple(re.findall(r"/media/([0-9a-f]{64})/", json.dumps(body["media"])))
        return Standing("result", found, body["job"], digests)
    at_work = body["state"] in ("waiting", "working")
    return Standing("open" if at_work else "ended", found, body["job"])


def _person(token: str) -> str:
    return hash_of(token)[:16]


@contextlib.asynccontextmanager
async def page_stage(store: Store, port: int, chance: random.Random) -> AsyncIterator[PageStage]:
    tokens = [secrets.token_urlsafe(24) for _ in PEOPLE]
    now = time.time()
    for name, token in zip(PEOPLE, tokens, strict=True):
        actor = Actor("web", _person(token), name, "web")
        await store.chat.add_session(hash_of(token), actor, now, now + 30 * 86_400)
    with contextlib.suppress(Exception):
        await store.chat.add_channel("studio", "studio", now)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield PageStage(f"http://127.0.0.1:{port}", tokens, chance, session)


def a_free_port() -> int:
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def write_config(
    path: Path, *, port: int, box: str, stages: list[Stage], level: str, a_minute: int | None = None
) -> Path:
    """`a_minute`: how many predictions, and how many looks, the provider is said to allow."""
    folder = path.parent
    private = box.removeprefix("http://").partition("/")[0]
    path.write_text(
        f"""
[http]
port = {port}
[limits]
at_once = 400
at_once_per_person = 400
waiting_per_person = 1000000
per_day = 100000000
per_day_per_person = 100000000
[access]
servers = ["web", "terminal", "discord:*", "slack:*"]
[store]
url = "sqlite:///{folder}/threadreel.db"
[media]
folder = "{folder}/media"
private_hosts = ["{private}"]
[log]
level = "{level}"
[providers.box]
kind = "replicate"
base_url = "{box}"
token = "sandbox"
{"" if a_minute is None else f"creates_per_minute = {a_minute}"}
{"" if a_minute is None else f"requests_per_minute = {a_minute}"}
[prices.imagine]
per_run = 0.001
per_second = 0.01
seconds = 60
[defaults]
timezone = "Europe/Zurich"
budget.server.day = 900000
budget.person.month = 900000
budget.channel.month = 900000
limit.server.per_month = 1000000
"""
        + "".join(stage.config() for stage in stages)
    )
    return path
