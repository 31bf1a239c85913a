"""The sandbox's webhooks: signed, throttled, repeated where they must be."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from bot.sandbox import Rule
from tests.sandbox_rig import Api, Models, eventually, sandbox


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def api(models: Models) -> AsyncIterator[Api]:
    async with sandbox(models) as api:
        yield api


class Receiver:
    """Plays the server that webhooks go to. It answers with `statuses`, the last one for good."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses or (200,))
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.url = ""

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/hook", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook?job=7"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        assert request.query["job"] == "7"
        self.calls.append(
            ({name.lower(): text for name, text in request.headers.items()}, await request.read())
        )
        self.times.append(asyncio.get_running_loop().time())
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})

    def statuses_seen(self) -> list[str]:
        return [json.loads(body)["status"] for _, body in self.calls]


async def test_webhooks_are_signed_and_hold_the_prediction(api: Api) -> None:
    async with Receiver() as receiver:
        body = {"webhook": receiver.url, "webhook_events_filter": ["start", "completed"]}
        key = (await api.create("motion", body=body)).json()["id"]
        await eventually(lambda: len(receiver.calls) == 2)

    secret = (await api.http.get("/v1/webhooks/default/secret")).json()["key"]
    told = [Webhook(secret).verify(content, headers) for headers, content in receiver.calls]
    done = next(one for one in told if one["completed_at"])
    assert done == await api.get(key)


async def test_logs_are_told_twice_a_second_at_most(api: Api, models: Models) -> None:
    models.gate.clear()
    models.is_chatty = True
    async with Receiver() as receiver:
        body = {"webhook": receiver.url, "webhook_events_filter": ["logs"]}
        key = (await api.create("motion", body=body)).json()["id"]
        await eventually(lambda: len(receiver.calls) == 3)
        logs = (await api.get(key))["logs"]

    pauses = [later - earlier for earlier, later in itertools.pairwise(receiver.times)]
    assert min(pauses) > 0.4
    assert logs.count("\n") > 20


async def test_by_default_outputs_and_the_end_are_told(api: Api) -> None:
    async with Receiver() as receiver:
        await api.ended((await api.create("motion", body={"webhook": receiver.url})).json()["id"])
        await eventually(lambda: "succeeded" in receiver.statuses_seen())


async def test_only_the_end_is_told_again_until_it_is_taken() -> None:
    async with sandbox(webhook_retries=(0.01,) * 5) as api, Receiver(500, 302, 400, 200) as receiver:
        body = {"webhook": receiver.url, "webhook_events_filter": ["completed"]}
        await api.create("motion", body=body)
        await eventually(lambda: len(receiver.calls) == 4)
        await api.create("motion", body=body)
        await eventually(lambda: len(receiver.calls) == 5)

    ids = [headers["webhook-id"] for headers, _ in receiver.calls]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]


async def test_webhooks_reach_this_machine_only_unless_allowed(api: Api) -> None:
    refused = await api.create(body={"webhook": "https://example.com/hook"})
    nonsense = await api.create(body={"webhook": "hook"})
    unknown = await api.create(body={"webhook": "http://127.0.0.1:9/", "webhook_events_filter": ["end"]})
    async with sandbox(allow_webhooks=True, boot_seconds=60) as open_api:
        taken = await open_api.create(body={"webhook": "https://example.com/hook"})

    assert [one.status_code for one in (refused, nonsense, unknown)] == [422, 422, 422]
    assert "--allow-webhooks" in refused.json()["detail"]
    assert taken.status_code == 201


async def test_webhooks_may_be_lost_and_may_arrive_twice() -> None:
    rules = [Rule("webhook", "drop_before"), Rule("webhook", "drop_after")]
    async with sandbox(misbehaviour=rules, webhook_retries=(0.01,) * 3) as api, Receiver() as receiver:
        body = {"webhook": receiver.url, "webhook_events_filter": ["completed"]}
        await api.ended((await api.create("motion", body=body)).json()["id"])
        await eventually(lambda: len(receiver.calls) == 2)

    assert receiver.calls[0][1] == receiver.calls[1][1]
