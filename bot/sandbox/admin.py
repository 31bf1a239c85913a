"""/sandbox/*: what tests, benchmarks and people who try the bot ask of the sandbox itself."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bot.sandbox import creation
from bot.sandbox.misbehaviour import Rule
from bot.sandbox.refusals import Problem, answer
from bot.sandbox.wire import moment
from bot.sandbox.workshop import Workshop

PREFIX = "/sandbox/"


class Admin:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.get("/sandbox/misbehave", self.show),
            web.post("/sandbox/misbehave", self.misbehave),
            web.delete("/sandbox/misbehave", self.behave),
            web.get("/sandbox/stats", self.stats),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return answer({"rules": self._workshop.rules.as_json()})

    async def misbehave(self, request: web.Request) -> web.Response:
        """One rule, or a list of them."""
        body = await creation.read_body(request)
        try:
            rules = [Rule.from_json(rule) for rule in (body if isinstance(body, list) else [body])]
        except ValueError as error:
            raise Problem(422, str(error), title="Not a rule") from error
        for rule in rules:
            self._workshop.rules.add(rule)
        return await self.show(request)

    async def behave(self, request: web.Request) -> web.Response:
        self._workshop.rules.clear()
        return await self.show(request)

    async def stats(self, request: web.Request) -> web.Response:
        """Requests by endpoint since the start, and when each prediction ended."""
        ends = {prediction.id: moment(prediction.completed_at) for prediction in self._workshop.book}
        return answer({"requests": dict(self._workshop.requests), "completed_at": ends})
