"""One-time links, sessions, and who is asking."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.jobs import Actor
from bot.store import Store

Language: TypeAlias = Callable[[Actor], Awaitable[str | None]]

ACTOR: web.RequestKey[Actor] = web.RequestKey("actor", Actor)
TOKEN_HASH: web.RequestKey[str] = web.RequestKey("token_hash", str)


async def make_login(store: Store, *, name: str, now: float, lasts: float, manages: bool = False) -> str:
    """The code of a link that lets somebody in, once: /login?code=... Only its hash is stored.

    The same name is the same person, on however many devices. Only in sessions that begin with a link made
    with `manages` do they look after the page: the link is what proves it, not the name.
    """
    code = secrets.token_urlsafe(24)
    actor = Actor(platform="web", id=hash_of(name.casefold())[:16], name=name, server="web", manages=manages)
    await store.chat.add_login(hash_of(code), actor, now + lasts)
    return code


def hash_of(secret: str) -> str:
    """What is stored of a code or token; both are random enough to need no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Sessions:
    """Lets people in and knows them again. `lasts`: seconds; `secure`: the page is reached by https only."""

    def __init__(self, store: Store, *, lasts: float, secure: bool, now: Callable[[], float]) -> None:
        self._store = store
        self._lasts = lasts
        self._secure = secure
        self._now = now
        # The prefix has browsers refuse a cookie of this name that another host or plain http has set.
        self._cookie = "__Host-threadreel" if secure else "threadreel"

    async def enter(self, request: web.Request) -> web.Response:
        """POST /login: a code becomes a session, once."""
        given = await request.post()
        code = str(given.get("code", ""))
        actor = await self._store.chat.redeem_login(hash_of(code), self._now()) if code else None
        if actor is None:
            return web.json_response({"error": "This link is used up or too old."}, status=403)
        token = secrets.token_urlsafe(32)
        now = self._now()
        await self._store.chat.add_session(hash_of(token), actor, now, now + self._lasts)
        response = web.json_response({"name": actor.name})
        self._set_cookie(response, token, self._lasts)
        return response

    async def leave(self, request: web.Request) -> web.Response:
        """POST /logout."""
        await self._store.chat.end_session(request[TOKEN_HASH])
        response = web.json_response({})
        self._set_cookie(response, "", 0)
        return response

    async def who(self, request: web.Request) -> Actor | None:
        """Whose session the request belongs to."""
        token = request.cookies.get(self._cookie)
        if not token:
            return None
        request[TOKEN_HASH] = hash_of(token)
        return await self.still(request[TOKEN_HASH])

    async def still(self, token_hash: str) -> Actor | None:
        """Whose session this is, None once it is over."""
        return await self._store.chat.session(token_hash, self._now())

    def needed(self, handler: Handler, language: Language | None = None) -> Handler:
        """The handler for people with a session, who is then under ACTOR; 401 for the rest.

        `language` says what they are spoken to in, where that is set for all of them.
        """

        async def guarded(request: web.Request) -> web.StreamResponse:
            actor = await self.who(request)
            if actor is None:
                return web.json_response({"error": "You are not signed in."}, status=401)
            spoken = await language(actor) if language else None
            request[ACTOR] = replace(actor, language=spoken or actor.language)
            response = await handler(request)
            if not response.prepared:
                response.headers.setdefault("Cache-Control", "no-store")
            return response

        return guarded

    def _set_cookie(self, response: web.Response, token: str, max_age: float) -> None:
        response.set_cookie(
            self._cookie,
            token,
            max_age=int(max_age),
            path="/",
            httponly=True,
            secure=self._secure,
            samesite="Strict",
        )
