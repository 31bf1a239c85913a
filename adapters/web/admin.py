"""What /admin sends -> calls of the core's `Admin`. All of it is for who looks after the page: 403 else."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal, Protocol

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import Field

from adapters import words
from adapters.web import admin_render as render
from adapters.web.bodies import Body, body_of, sorry
from adapters.web.sessions import ACTOR
from bot.errors import ForPerson, Refused, TryLater
from bot.jobs import Actor, JobId
from bot.ports import Core, Look, Proposal
from bot.rules.scope import SERVER, Change, Scope
from bot.store import Store

PAGE = 50
"""Lines of the audit that are sent at a time."""

JOBS = 100

# -- what comes in

Value = Annotated[str, Field(max_length=20_000)] | bool | int | float | list[str] | None
PersonId = Annotated[str, Field(min_length=1, max_length=100)]


class Settings(Body):
    """Settings of one scope, by key; None takes one back."""

    scope: str = Field(max_length=120)
    changes: dict[str, Value] = Field(max_length=100)


class Standing(Body):
    """`until`: seconds since the epoch; None: until somebody takes it back."""

    person: PersonId
    name: str = Field(default="", max_length=100)
    standing: Literal["blocked", "trusted", "none"]
    reason: str = Field(default="", max_length=500)
    until: float | None = None


class Key(Body):
    provider: str = Field(min_length=1, max_length=60)
    key: str = Field(min_length=1, max_length=500)


class Dropped(Body):
    provider: str = Field(min_length=1, max_length=60)


class Settled(Body):
    job: str = Field(min_length=1, max_length=64)
    cost: str = Field(min_length=1, max_length=30)


class Import(Body):
    """A file's text; with `revision`, to be applied as it was shown."""

    text: str = Field(max_length=200_000)


class Apply(Import):
    revision: int = Field(ge=0, lt=2**63)


class TakeDown(Protocol):
    """Puts a sentence in the place of what was posted of jobs."""

    async def __call__(self, looks: Iterable[Look], why: str, language: str, **facts: str) -> None: ...


Handled = Callable[[web.Request, Actor], Awaitable[web.StreamResponse]]


class Administration:
    """The handlers of /api/admin/. The core checks each call once more by itself."""

    def __init__(self, core: Core, store: Store, take_down: TakeDown, now: Callable[[], float]) -> None:
        self._core = core
        self._admin = core.admin
        self._store = store
        self._take_down = take_down
        self._now = now

    def routes(self, needed: Callable[[Handler], Handler]) -> list[web.RouteDef]:
        """All of it, each for people with a session (`needed`) who look after the page."""

        def mine(handled: Handled) -> Handler:
            return needed(self._for_admins(handled))

        job = r"/api/admin/jobs/{job:\w{1,64}}"
        return [
            web.get("/api/admin/state", mine(self.state)),
            web.get("/api/admin/settings", mine(self.settings)),
            web.post("/api/admin/settings", mine(self.change)),
            web.get("/api/admin/export", mine(self.export)),
            web.post("/api/admin/import", mine(self.propose)),
            web.post("/api/admin/import/apply", mine(self.apply)),
            web.get("/api/admin/people", mine(self.people)),
            web.post("/api/admin/people", mine(self.stand)),
            web.get("/api/admin/jobs", mine(self.jobs)),
            web.post(f"{job}/cancel", mine(self.cancel)),
            web.post(f"{job}/remove", mine(self.remove)),
            web.get("/api/admin/audit", mine(self.audit)),
            web.get("/api/admin/audit.csv", mine(self.audit_csv)),
            web.get("/api/admin/keys", mine(self.keys)),
            web.post("/api/admin/keys", mine(self.set_key)),
            web.post("/api/admin/keys/drop", mine(self.drop_key)),
            web.get("/api/admin/money", mine(self.money)),
            web.post("/api/admin/money/settle", mine(self.settle)),
        ]

    def _for_admins(self, handled: Handled) -> Handler:
        """403 for everybody else; what the core refuses, in words."""

        @functools.wraps(handled)
        async def guarded(request: web.Request) -> web.StreamResponse:
            actor = request[ACTOR]
            if not await self._admin.may(actor):
                return sorry(Refused("not_admin"), None, actor, status=403)
            try:
                return await handled(request, actor)
            except ForPerson as error:
                return sorry(error, None, actor)
            except TryLater:
                return sorry(Refused("try_later"), None, actor, status=503)

        return guarded

    # -- settings

    async def state(self, request: web.Request, actor: Actor) -> web.Response:
        """GET /api/admin/state: the page's words, its channels, and what there is to hear of."""
        news = await self._store.notices.recent(actor.platform, actor.server)
        return web.json_response(
            {
                "me": render.who(actor),
                "language": actor.language,
                "words": {
                    **words.section("admin", actor.language),
                    **words.section("web_admin", actor.language),
                },
                "channels": [{"id": one.id, "title": one.title} for one in await self._store.chat.channels()],
                "news": [render.news(one, actor.language) for one in news],
                "models": render.models(self._core.catalogue, actor.language),
            }
        )

    async def settings(self, request: web.Request, actor: Actor) -> web.Response:
        """GET /api/admin/settings?scope=channel:ID: what holds there, and where it comes from."""
        scope = _scope(request.query.get("scope", "server"))
        shown = await self._admin.settings(actor, scope)
        scopes = await self._admin.set_scopes(actor)
        return web.json_response(
            {
                "scope": str(scope),
                "scopes": [str(one) for one in scopes],
                "groups": render.settings(shown, scope, self._core.catalogue, actor.language),
            }
        )

    async def change(self, request: web.Request, actor: Actor) -> web.Response:
        """POST /api/admin/settings: all of it or none."""
        wanted = await body_of(request, Settings)
        scope = _scope(wanted.scope)
        changes = [Change(scope, key, value) for key, value in wanted.changes.items()]
        changed = await self._admin.change(actor, changes)
        return web.json_response({"changed": render.changes(changed, actor.language)})

    async def export(self, request: web.Request, actor: Actor) -> web.Response:
        """GET /api/admin/export: a TOML file."""
        return _file(await self._admin.export(actor), "threadreel-settings.toml", "application/toml")

    async def propose(self, request: web.Request, actor: Actor) -> web.Response:
        """POST /api/admin/import: what it would change. Changes nothing."""
        wanted = await body_of(request, Import)
        proposal = await self._admin.propose(actor, wanted.text)
        return web.json_response(
            {"changes": render.changes(proposal.changes, actor.language), "revision": proposal.revision}
        )

    async def apply(self, request: web.Request, actor: Actor) -> web.Response:
        """POST /api/admin/import/apply: what was shown before; refused where settings have changed since."""
        wanted = await body_of(request, Apply)
        changed = await self._admin.apply(actor, Proposal((), wanted.text, wanted.revision))
        return web.json_response({"changed": render.changes(changed, actor.language)})

    # -- people

    async def people(self, request: web.Request, actor: Actor) -> web.Response:
        return web.json_response({"people": [render.person(one) for one in await self._admin.people(actor)]})

    async def stand(self, request: web.Request, actor: Actor) -> web.Response:
        """POST /api/admin/people: block somebody, trust them, or neither."""
        wanted = await body_of(request, Standing)
        name = wanted.name.strip() or wanted.person
        match wanted.standing:
            case "blocked":
                await self._admin.block(actor, wanted.person, name, reason=wanted.reason, until=wanted.until)
            case "trusted":
                await self._admin.trust(actor, wanted.person, name, reason=wanted.reason, until=wanted.until)
            case "none":
                await self._admin.clear(actor, wanted.person)
        return await self.people(request, actor)

    # -- jobs

    async def jobs(self, request: web.Request, actor: Actor) -> web.Response:
        """GET /api/admin/jobs?person=ID: newest first."""
        person = request.query.get("person") or None
        looks = await self._admin.jobs(actor, person=person, limit=JOBS)
        return web.json_response({"jobs": [render.job(look, actor.language) for look in looks]})

    async def cancel(self, request: web.Request, actor: Actor) -> web.Response:
        await self._admin.cancel(JobId(request.match_info["job"]), actor)
        return web.json_response({}, status=202)

    async def remove(self, request: web.Request, actor: Actor) -> web.Response:
        """Forget the result, and take its messages down."""
        look = await self._admin.remove(JobId(request.match_info["job"]), actor)
        await self._take_down([look], "removed", actor.language, by=actor.name)
        return web.json_response({})

    # -- the audit

    async def audit(self, request: web.Request, actor: Actor) -> web.Response:
        """GET /api/admin/audit?before=ID: newest first."""
        before = request.query.get("before", "")
        if before and not (before.isdecimal() and len(before) <= 18):
            raise web.HTTPBadRequest(text="Not understood: before")
        records = await self._admin.audit(actor, limit=PAGE + 1, before=int(before) if before else None)
        return web.json_response(
            {
                "records": [render.record(one, actor.language) for one in records[:PAGE]],
                "more": len(records) > PAGE,
            }
        )

    async def audit_csv(self, request: web.Request, actor: Actor) -> web.Response:
        return _file(await self._admin.audit_csv(actor), "threadreel-audit.csv", "text/csv")

    # -- keys and money

    async def keys(self, request: web.Request, actor: Actor) -> web.Response:
        keys = await self._admin.keys(actor)
        return web.json_response(
            {"keys": [asdict(one) for one in keys], "providers": list(await self._admin.key_providers(actor))}
        )

    async def set_key(self, request: web.Request, actor: Actor) -> web.Response:
        """POST /api/admin/keys: the key goes in and never out again."""
        wanted = await body_of(request, Key)
        await self._admin.set_key(actor, wanted.provider, wanted.key.strip())
        return await self.keys(request, actor)

    async def drop_key(self, request: web.Request, actor: Actor) -> web.Response:
        await self._admin.drop_key(actor, (await body_of(request, Dropped)).provider)
        return await self.keys(request, actor)

    async def money(self, request: web.Request, actor: Actor) -> web.Response:
        return web.json_response(render.statement(await self._admin.money(actor), actor.language))

    async def settle(self, request: web.Request, actor: Actor) -> web.Response:
        """POST /api/admin/money/settle: what a job has cost, by the provider's bill."""
        wanted = await body_of(request, Settled)
        try:
            cost = Decimal(wanted.cost.strip().removeprefix("$"))
        except InvalidOperation:
            raise Refused("bad_amount") from None
        await self._admin.settle(actor, JobId(wanted.job), cost)
        return await self.money(request, actor)


def _scope(text: str) -> Scope:
    scope = Scope.read(text)
    if scope is None or len(text) > 120:
        raise web.HTTPBadRequest(text="Not understood: scope")
    return scope if scope.id else SERVER


def _file(text: str, name: str, kind: str) -> web.Response:
    return web.Response(
        text=text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
