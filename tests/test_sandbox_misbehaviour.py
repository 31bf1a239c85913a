"""The sandbox misbehaves when it is told to, and only then."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.sandbox import Rule
from bot.sandbox.misbehaviour import WHERE
from tests.sandbox_rig import PICTURE, Api, Models, sandbox


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def api(models: Models) -> AsyncIterator[Api]:
    async with sandbox(models) as api:
        yield api


async def test_misbehaviour_is_shown_used_up_and_cleared(api: Api) -> None:
    await api.misbehave(on="get", fault="status", code=503, times=2)
    await api.misbehave(on="list", fault="status", code=500, times="always")
    key = await api.made()
    answers = [await api.http.get(f"/v1/predictions/{key}") for _ in range(3)]
    lists = [(await api.http.get("/v1/predictions")).status_code for _ in range(3)]
    shown = (await api.http.get("/sandbox/misbehave")).json()["rules"]
    cleared = (await api.http.delete("/sandbox/misbehave")).json()["rules"]

    assert [one.status_code for one in answers] == [503, 503, 200]
    assert answers[0].headers["content-type"].startswith("application/problem+json")
    assert lists == [500, 500, 500]
    assert [(rule["on"], rule["times"]) for rule in shown] == [("list", "always")]
    assert cleared == []
    assert (await api.http.get("/v1/predictions")).status_code == 200


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"on": "create"}, "fault is missing"),
        ({"on": "create", "fault": "explode"}, "fault must be one of"),
        ({"on": "list", "fault": "flag"}, "flag can happen on create"),
        ({"on": "create", "fault": "slow", "seconds": "long"}, "seconds"),
        ({"on": "create", "fault": "fail", "times": 0}, "times"),
        ({"on": "create", "fault": "fail", "word": "x"}, "word is no key of a rule"),
        ([], None),
        (7, "a rule is a JSON object"),
    ],
)
async def test_a_rule_that_can_not_be_is_refused(api: Api, rule: Any, said: str | None) -> None:
    answer = await api.http.post("/sandbox/misbehave", json=rule)

    assert answer.status_code == (422 if said else 200)
    assert said is None or said in answer.json()["detail"]


async def test_the_admin_endpoint_is_not_for_pages_in_a_browser_nor_through_a_proxy(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.base_url, trust_env=False) as near:
        assert (await near.get("/sandbox/stats")).status_code == 200
        for header in ("Origin", "X-Forwarded-For"):
            assert (
                await near.get("/sandbox/stats", headers={header: "https://a.example"})
            ).status_code == 403
        assert (await near.get("/sandbox/stats", headers={"Host": "rebound.example"})).status_code == 403


@pytest.mark.parametrize(
    ("retry_in", "header", "body", "text"),
    [
        ("header", "7", None, False),
        ("body", None, 7, False),
        ("text", None, None, True),
        (None, "7", 7, True),
    ],
)
async def test_a_throttled_request_says_when_to_come_back_where_it_is_told_to(
    api: Api, retry_in: str | None, header: str | None, body: int | None, text: bool
) -> None:
    await api.misbehave(on="create", fault="status", code=429, retry_after=7, retry_in=retry_in)
    answer = await api.create()

    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == header
    assert answer.json().get("retry_after") == body
    assert ("resets in ~7s" in answer.json()["detail"]) == text


async def test_a_dropped_connection_leaves_nothing_or_a_prediction_behind(api: Api) -> None:
    await api.misbehave(on="create", fault="drop_before")
    with pytest.raises(httpx.TransportError):
        await api.create()
    before = (await api.http.get("/v1/predictions")).json()["results"]
    await api.misbehave(on="create", fault="drop_after")
    with pytest.raises(httpx.TransportError):
        await api.create()
    after = (await api.http.get("/v1/predictions")).json()["results"]

    assert (len(before), len(after)) == (0, 1)


async def test_an_error_may_be_told_though_the_request_was_taken(api: Api) -> None:
    await api.misbehave(on="create", fault="status", code=502, taken=True)

    assert (await api.create()).status_code == 502
    assert len((await api.http.get("/v1/predictions")).json()["results"]) == 1


@pytest.mark.parametrize(
    ("form", "content_type", "start"),
    [
        ("html", "text/html", "<html>"),
        ("empty", "application/json", "{}"),
        ("images", "application/json", '{"created"'),
        ("half", "application/json", '{"id"'),
    ],
)
async def test_answers_may_be_garbage(api: Api, form: str, content_type: str, start: str) -> None:
    await api.misbehave(on="create", fault="garbage", form=form)
    answer = await api.create()

    assert answer.headers["content-type"].startswith(content_type)
    assert answer.text.startswith(start)
    assert form != "half" or not answer.text.endswith("}")
    assert len((await api.http.get("/v1/predictions")).json()["results"]) == 1


async def test_a_rule_may_be_for_one_model(api: Api) -> None:
    await api.misbehave(on="create", fault="status", code=500, model="animate", times="always")
    await api.misbehave(on="get", fault="status", code=502, model="stability-ai/stable-diffusion")
    key = await api.made("draw")

    assert (await api.create("animate", prompt_start="a", prompt_end="b")).status_code == 500
    assert (await api.http.get(f"/v1/predictions/{key}")).status_code == 502
    assert (await api.http.get(f"/v1/predictions/{key}")).status_code == 200


async def test_slow_answers_come_late(api: Api) -> None:
    await api.misbehave(on="get", fault="slow", seconds=0.3)
    key = await api.made()
    loop = asyncio.get_running_loop()
    started = loop.time()
    await api.get(key)

    assert loop.time() - started >= 0.3


@pytest.mark.parametrize(
    ("fault", "command", "error"),
    [
        ({"fault": "fail", "message": "boom"}, "draw", "boom"),
        ({"fault": "out_of_memory"}, "draw", "CUDA out of memory"),
        ({"fault": "flag"}, "draw", "NSFW content detected. Try running it again"),
        ({"fault": "flag"}, "animate", "NSFW content detected, please try a different prompt and/or seed"),
        ({"fault": "flag"}, "edit", "Generated image contained NSFW content"),
    ],
)
async def test_predictions_fail_as_they_are_told(
    api: Api, fault: dict[str, str], command: str, error: str
) -> None:
    inputs = {
        "draw": {},
        "animate": {"prompt_start": "a", "prompt_end": "b"},
        "edit": {"prompt": "red", "input_image": PICTURE},
    }
    await api.misbehave(on="create", **fault)
    failed = await api.ended(await api.made(command, **inputs[command]))

    assert failed["status"] == "failed"
    assert failed["error"].startswith(error)


async def test_models_that_give_a_list_drop_what_they_flag(api: Api) -> None:
    await api.misbehave(on="create", fault="flag")
    done = await api.ended(await api.made("draw", num_outputs=3))

    assert done["status"] == "succeeded"
    assert len(done["output"]) == 2


async def test_a_prediction_may_never_finish(api: Api, models: Models) -> None:
    await api.misbehave(on="create", fault="never_finish")
    key, other = await api.made(), await api.made()
    await api.ended(other)

    assert (await api.get(key))["status"] == "processing"
    assert len(models.works) == 1


async def test_a_prediction_may_be_forgotten(api: Api) -> None:
    await api.misbehave(on="create", fault="forget")
    forgotten, key = await api.made(), await api.made()

    assert (await api.http.get(f"/v1/predictions/{forgotten}")).status_code == 404
    await api.misbehave(on="get", fault="forget")
    assert (await api.http.get(f"/v1/predictions/{key}")).status_code == 404
    assert (await api.http.get(f"/v1/predictions/{key}")).status_code == 200
    assert [one["id"] for one in (await api.http.get("/v1/predictions")).json()["results"]] == [key]


async def test_a_download_may_end_in_the_middle(api: Api) -> None:
    url = (await api.ended(await api.made("motion")))["output"]
    await api.misbehave(on="download", fault="cut_download", model="motion")
    with pytest.raises(httpx.RemoteProtocolError):
        await api.http.get(url)

    assert (await api.http.get(url)).status_code == 200


async def test_results_may_be_expired_from_the_start(api: Api) -> None:
    await api.misbehave(on="create", fault="expired_output")
    expired = await api.ended(await api.made("motion"))
    url = (await api.ended(await api.made("motion")))["output"]
    await api.misbehave(on="download", fault="expired_output")

    assert expired["status"] == "succeeded"
    assert (expired["output"], expired["data_removed"]) == (None, True)
    assert (await api.http.get(url)).status_code == 404


def test_every_fault_and_every_example_is_documented_as_it_is() -> None:
    page = (Path(__file__).parent.parent / "docs" / "sandbox.md").read_text()
    examples = re.findall(r"/sandbox/misbehave -d '(.+?)'", page)

    assert {rule.fault for rule in (Rule.from_json(json.loads(text)) for text in examples)} == set(WHERE)
    for fault, places in WHERE.items():
        assert f"| `{fault}` | {', '.join(places)} |" in page
