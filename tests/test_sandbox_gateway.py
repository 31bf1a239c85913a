"""The sandbox plays the gateways that resell Replicate: create and get, and an error form of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.catalogue.schema import Model
from tests.sandbox_rig import CATALOGUE, PICTURE, Api, model_of, sandbox


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with sandbox(kind="gateway") as api:
        yield api


def asked(model: Model) -> tuple[str, dict[str, Any]]:
    """Path and body of the documented request: see `gateway_endpoint` in the catalogue."""
    inputs = {entry.name: PICTURE if entry.is_file else "a fox" for entry in model.inputs if entry.required}
    if model.gateway_endpoint == "version":
        return "/v1/predictions", {"version": f"{model.full_name}:{model.version}", "input": inputs}
    named = {"version": model.version} if model.version else {}
    return f"/v1/models/{model.full_name}/predictions", {**named, "input": inputs}


@pytest.mark.parametrize("command", CATALOGUE.commands())
async def test_every_model_runs_through_the_gateway(api: Api, command: str) -> None:
    path, body = asked(model_of(command))
    answer = await api.http.post(path, json=body)
    made = answer.json()
    done = await api.ended(made["id"])

    assert api.base_url.endswith("/replicate")
    assert answer.status_code == 200
    assert made["urls"]["get"] == f"https://api.replicate.com/v1/predictions/{made['id']}"
    assert done["status"] == "succeeded"


async def test_results_are_plain_addresses(api: Api) -> None:
    done = await api.ended(await api.made("motion"))

    assert done["output"].startswith(api.base_url.removesuffix("/replicate") + "/out/")
    assert (await api.http.get(done["output"], headers={"Authorization": ""})).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/predictions"),
        ("POST", "/v1/predictions/some/cancel"),
        ("GET", "/v1/account"),
        ("POST", "/v1/files"),
        ("GET", "/v1/models/stability-ai/sdxl"),
        ("GET", "/v1/webhooks/default/secret"),
    ],
)
async def test_there_is_nothing_but_create_and_get(api: Api, method: str, path: str) -> None:
    answer = await api.http.request(method, path)

    assert answer.status_code == 404
    assert f"Invalid URL ({method} /replicate{path})" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("header", "said"), [("", "未提供令牌"), ("Bearer other", "无效的令牌")])
async def test_a_key_is_asked_for_in_the_gateways_own_words(api: Api, header: str, said: str) -> None:
    answer = await api.http.get("/v1/predictions/some", headers={"Authorization": header})

    error = answer.json()["error"]
    assert answer.status_code == 401
    assert said in error["message"]
    assert "(request id: " in error["message"]
    assert error["type"] == "new_api_error"


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/v1/predictions", "0" * 64),
        ("/v1/models/nobody/nothing/predictions", None),
        ("/v1/models/riffusion/riffusion/predictions", "0" * 64),
        ("/v1/models/riffusion/riffusion/predictions", model_of("draw").version),
    ],
)
async def test_models_that_are_not_on_its_list_have_no_channel(
    api: Api, path: str, version: str | None
) -> None:
    body = {"input": {}} if version is None else {"input": {}, "version": version}
    answer = await api.http.post(path, json=body)

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "model_not_found"
    assert "无可用渠道" in answer.json()["error"]["message"]


async def test_faults_of_the_inputs_are_passed_on_in_replicates_form(api: Api) -> None:
    answer = await api.create("draw", num_outputs=100)
    unknown = await api.http.get("/v1/predictions/unknown")

    assert answer.status_code == 422
    assert answer.json()["invalid_fields"][0]["field"] == "input.num_outputs"
    assert unknown.status_code == 404
    assert unknown.json()["detail"] == "The specified prediction does not exist"


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "insufficient_user_quota"), (503, "model_not_found"), (500, "do_request_failed")],
)
async def test_misbehaviour_is_told_in_the_gateways_own_words(api: Api, status: int, code: str) -> None:
    await api.misbehave(on="create", fault="status", code=status)
    answer = await api.create("draw")

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code


async def test_webhooks_are_not_passed_on(api: Api) -> None:
    answer = await api.create("draw", body={"webhook": "https://example.com/hook"})

    assert answer.status_code == 200


async def test_a_gateway_may_be_waited_for(api: Api) -> None:
    answer = await api.create("draw", headers={"Prefer": "wait=5"})

    assert answer.status_code == 200
    assert answer.json()["output"]
