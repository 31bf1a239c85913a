"""What only Discord can tell of an installation, and how to mend it. Nothing is changed by looking."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import discord
from discord.http import Route

from adapters import words
from adapters.discord import permissions, schema
from adapters.discord.listener import SPARE_IDENTIFIES
from adapters.discord.places import NAME
from adapters.discord.rest import point_discord_py_at
from adapters.discord.schema import Payload
from adapters.findings import Finding, bad, ok, warn
from bot.catalogue import Catalogue
from bot.config import DiscordSettings, Settings
from bot.errors import CannotStart
from bot.jobs import Actor, Json
from bot.policy import allowed

PORTAL = "https://discord.com/developers/applications"
INVITE = "threadreel discord invite"
MOST_SERVERS = 200
"""What one answer holds: https://discord.com/developers/docs/resources/user#get-current-user-guilds"""

LEAST_RETRY = 30
"""Seconds that a request may wait for its turn, at most; discord.py takes no less."""

NOT_REACHED = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)


class NotLoggedIn(CannotStart):
    """Discord doesn't know us, or isn't there: what happened, and how to mend it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.finding = bad(what, remedy)


async def examine(settings: Settings, catalogue: Catalogue) -> list[Finding]:
    """Nothing where Discord isn't configured."""
    if settings.discord.token is None:
        return []
    findings: list[Finding] = []
    try:
        async with _logged_in(settings.discord) as client:
            async for finding in _look(client, settings, catalogue):
                findings.append(finding)  # noqa: PERF401  what was found stays found
    except NotLoggedIn as error:
        findings.append(error.finding)
    except NOT_REACHED as error:
        findings.append(bad(f"discord: could not be asked: {_told(error)}", "Try again in a minute"))
    return findings


async def invitation(settings: DiscordSettings) -> str:
    """The link that adds the bot to a server. Raises NotLoggedIn."""
    async with _logged_in(settings) as client:
        return discord.utils.oauth_url(
            client.application_id or 0,
            permissions=permissions.everything(),
            scopes=("bot", "applications.commands"),
        )


@asynccontextmanager
async def _logged_in(settings: DiscordSettings) -> AsyncIterator[discord.Client]:
    """A client that knows itself and its application. Raises NotLoggedIn."""
    point_discord_py_at(settings.api_base, settings.gateway_url)
    token = settings.token.get_secret_value() if settings.token else ""
    intents = discord.Intents(guilds=True)
    async with discord.Client(intents=intents, max_ratelimit_timeout=LEAST_RETRY) as client:
        try:
            await client.login(token)
        except discord.LoginFailure as error:
            remedy = f"Make a new one at {PORTAL}, under Bot, and put it under discord.token"
            raise NotLoggedIn("discord: the token isn't accepted", remedy) from error
        except NOT_REACHED as error:
            what = f"discord: {settings.api_base} can't be reached: {_told(error)}"
            raise NotLoggedIn(what, "Check discord.api_base, the network and a proxy") from error
        yield client


def _told(error: BaseException) -> str:
    return words.clean(f"{type(error).__name__} {error}", 200).rstrip(".")


async def _look(client: discord.Client, settings: Settings, catalogue: Catalogue) -> AsyncIterator[Finding]:
    name = words.clean(client.user.name) if client.user else "?"
    yield ok(f"discord: the token is accepted, as {name}; application {client.application_id}")
    for finding in _application(client.application) if client.application else ():
        yield finding
    yield await _identifies(client, settings.discord)
    yield await _commands(client, settings.discord, catalogue)
    servers = await client.http.get_guilds(MOST_SERVERS, with_counts=False)
    for finding in _servers([dict(server) for server in servers], settings):
        yield finding


def _application(application: discord.AppInfo) -> Iterator[Finding]:
    yield ok("discord: only the intent guilds is asked for, which needs no switch and no review")
    if application.interactions_endpoint_url is not None:
        yield bad(
            "discord: the application has an Interactions Endpoint URL, so commands never arrive here",
            f"Empty that field at {PORTAL}, under General Information",
        )
    if application.bot_require_code_grant:
        yield bad(
            "discord: Requires OAuth2 Code Grant is switched on, so nobody can add the bot to a server",
            f"Switch it off at {PORTAL}, under Bot",
        )


async def _identifies(client: discord.Client, settings: DiscordSettings) -> Finding:
    """Connections that may still be opened today: each shard takes one, and each lost session one more."""
    shards, _, limit = await client.http.get_bot_gateway()
    left, total = int(limit["remaining"]), int(limit["total"])
    needed = len(settings.shard_ids) or settings.shard_count or int(shards)
    hours = words.lasting(int(limit["reset_after"]) / 1000)
    what = f"discord: {left} of {total} connections are left today, {needed} needed to start"
    if left < needed + SPARE_IDENTIFIES:
        return bad(f"{what}; it waits {hours} for more", "Find out in the logs what makes it connect again")
    return ok(what)


# -- commands


async def _commands(client: discord.Client, settings: DiscordSettings, catalogue: Catalogue) -> Finding:
    server = settings.test_server
    path = "/applications/{application}/" + ("commands" if server is None else "guilds/{server}/commands")
    route = Route("GET", path, application=client.application_id or 0, server=server or 0)
    where = "" if server is None else f" in the test server {server}"
    try:
        there: list[Payload] = await client.http.request(route, params={"with_localizations": "true"})
    except discord.Forbidden:
        remedy = f"Add it with the link of `{INVITE}`, or take discord.test_server out"
        return bad(f"discord: the bot is not in the test server {server}", remedy)
    ours = schema.commands(catalogue, adults_apart=settings.adults == "age_restricted")
    if server is not None:
        ours = schema.for_one_server(ours)
    if schema.same(ours, there):
        return ok(f"discord: {len(ours)} commands are registered{where}, as they should be")
    return ok(f"discord: {_difference(ours, there)}{where}; they will be registered at the next start")


def _difference(ours: Sequence[Payload], there: Sequence[Payload]) -> str:
    """How what is registered differs from what should be."""
    old = {(one.get("type"), one["name"]): one for one in there}
    new = {(one["type"], one["name"]): one for one in ours}
    changed = [key for key in new.keys() & old.keys() if not schema.same([new[key]], [old[key]])]
    counts = {
        "missing": len(new.keys() - old.keys()),
        "changed": len(changed),
        "not ours": len(old.keys() - new.keys()),
    }
    return f"{', '.join(f'{count} {how}' for how, count in counts.items() if count)} of its commands"


# -- servers


def _servers(servers: Sequence[Json], settings: Settings) -> Iterator[Finding]:
    """Whether each server may use the bot, and whether the bot may do its work there."""
    if not servers:
        yield warn("discord: the bot is in no server yet", f"Add it with the link of `{INVITE}`")
    for server in servers:
        yield from _server(server, settings)
    if len(servers) == MOST_SERVERS:
        yield ok(f"discord: the bot may be in more servers; these {MOST_SERVERS} were looked at")


def _server(server: Json, settings: Settings) -> Iterator[Finding]:
    what = f"discord: {words.clean(server['name'])} ({server['id']})"
    if not allowed(Actor(NAME, "0", "", str(server["id"])), settings.access.servers):
        line = json.dumps([*settings.access.servers, f"{NAME}:{server['id']}"])
        yield warn(f"{what} may not use it", f"To let it in, write under [access]: servers = {line}")
    missing = list(permissions.lacking(discord.Permissions(int(server.get("permissions") or 0))))
    if missing:
        names = ", ".join(words.say(f"permission.{name}", {}) for name in missing)
        yield warn(
            f"{what} doesn't give it {names}",
            f"Give its role that in the server's settings, or add it anew with the link of `{INVITE}`; "
            "single channels may differ",
        )
    else:
        yield ok(f"{what} gives it every permission that it needs")
