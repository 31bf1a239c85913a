"""Replicate's official Python client works against the sandbox, unchanged."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.pagination import paginate

from tests.sandbox_rig import Api, Models, model_of, sandbox

DRAW = f"stability-ai/stable-diffusion:{model_of('draw').version}"
ANIMATE = f"{model_of('animate').full_name}:{model_of('animate').version}"
EDIT = "black-forest-labs/flux-kontext-dev"


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def api(models: Models) -> AsyncIterator[Api]:
    async with sandbox(models) as api:
        yield api


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    client = Client(api_token="sandbox", base_url=api.base_url)
    client.poll_interval = 0.01
    yield client
    client._client.close()
    await client._async_client.aclose()


async def call(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return await asyncio.to_thread(function, *args, **options)


async def test_run_gives_the_output(client: Client) -> None:
    output = await call(client.run, DRAW, input={"prompt": "a fox", "num_outputs": 2})
    polled = await call(client.run, DRAW, input={"prompt": "a fox"}, wait=False)
    official = await call(client.run, EDIT, input={"prompt": "red", "input_image": "data:,picture"})

    assert [url.rpartition("/")[2] for url in output] == ["out-0.png", "out-1.png"]
    assert len(polled) == 1
    assert "/out/" in official


async def test_run_iterates_over_a_growing_output(client: Client) -> None:
    inputs = {"prompt_start": "a", "prompt_end": "b", "intermediate_output": True}

    def run() -> list[str]:
        return list(client.run(ANIMATE, input=inputs, wait=False))

    assert len(await call(run)) == 2


async def test_run_raises_what_the_model_says(client: Client) -> None:
    for wait in (True, False):
        with pytest.raises(ModelError, match="The model broke"):
            await call(client.run, DRAW, input={"prompt": "break"}, wait=wait)


async def test_a_prediction_is_made_watched_and_reloaded(client: Client, models: Models) -> None:
    models.gate.clear()
    version = model_of("draw").version
    made = await call(client.predictions.create, version, {"prompt": "a fox"})
    while made.progress is None:
        await call(made.reload)
    working = (made.status, made.progress.percentage)
    models.gate.set()
    await call(made.wait)
    again = await call(client.predictions.get, made.id)

    assert working == ("processing", 0.5)
    assert made.status == again.status == "succeeded"
    assert made.output == again.output
    assert again.metrics["predict_time"] > 0


async def test_a_prediction_is_cancelled(client: Client, models: Models) -> None:
    models.gate.clear()
    made = await call(client.predictions.create, model=EDIT, input={"prompt": "a", "input_image": "data:,b"})
    await call(made.cancel)

    assert made.status == "canceled"
    assert made.version == "hidden"


async def test_all_predictions_are_paged_through(client: Client) -> None:
    version = model_of("draw").version

    def make_many() -> None:
        for _ in range(103):
            client.predictions.create(version, {"prompt": "a fox"})

    def page_through() -> Iterator[int]:
        return (len(page) for page in paginate(client.predictions.list))

    await call(make_many)

    assert await call(lambda: list(page_through())) == [100, 3]


async def test_files_are_uploaded_and_given_to_a_model(client: Client, models: Models) -> None:
    file = await call(client.files.create, io.BytesIO(b"a picture"), filename="fox.png", metadata={"n": 1})
    looked_at = await call(client.files.get, file.id)
    listed = await call(client.files.list)
    ref = f"cjwbw/rembg:{model_of('cutout').version}"
    await call(client.run, ref, input={"image": io.BytesIO(b"another")})
    await call(client.run, ref, input={"image": file.urls["get"]})

    assert (looked_at.name, looked_at.size, looked_at.metadata) == ("fox.png", 9, {"n": 1})
    assert [one.id for one in listed] == [file.id]
    assert [work.files["image"] for work in models.works] == [(b"another",), (b"a picture",)]
    assert await call(client.files.delete, file.id)
    with pytest.raises(ReplicateError, match="does not exist"):
        await call(client.files.get, file.id)


async def test_models_and_their_versions_are_found(client: Client) -> None:
    model = await call(client.models.get, "riffusion/riffusion")
    versions = await call(model.versions.list)
    version = await call(model.versions.get, versions[0].id)
    listed = await call(client.models.list)

    assert version.openapi_schema == model.latest_version.openapi_schema
    assert "prompt_a" in version.openapi_schema["components"]["schemas"]["Input"]["properties"]
    assert len(listed.results) == 13


async def test_account_and_webhook_secret_are_told(client: Client) -> None:
    account = await call(client.accounts.current)
    secret = await call(client.webhooks.default.secret)

    assert account.username == "sandbox"
    assert secret.key.startswith("whsec_")


async def test_faults_are_raised_with_their_detail(client: Client) -> None:
    with pytest.raises(ReplicateError, match=r"input.num_outputs: Must be less than or equal to 4"):
        await call(client.run, DRAW, input={"num_outputs": 9})
    with pytest.raises(ReplicateError, match="Invalid version or not permitted"):
        await call(client.predictions.create, "0" * 64, {})


async def test_a_wrong_token_is_refused(api: Api) -> None:
    client = Client(api_token="other", base_url=api.base_url)
    with pytest.raises(ReplicateError, match="valid authentication token"):
        await call(client.accounts.current)
    client._client.close()


async def test_requests_that_may_be_repeated_are_repeated(api: Api, client: Client) -> None:
    await api.misbehave(on="list", fault="status", code=503)
    await api.misbehave(on="list", fault="status", code=429, headers={"Retry-After": "0"})

    assert len(await call(client.predictions.list)) == 0
    assert (await api.stats())["requests"]["list"] == 3


async def test_everything_works_without_blocking_too(client: Client, models: Models) -> None:
    output: Any = await client.async_run(DRAW, input={"prompt": "a fox"})
    made = await client.predictions.async_create(model_of("draw").version, {"prompt": "a fox"}, wait=5)
    await made.async_wait()
    file = await client.files.async_create(io.BytesIO(b"a picture"), filename="fox.png")
    page = await client.predictions.async_list()
    models.gate.clear()
    running = await client.predictions.async_create(model_of("draw").version, {})
    await running.async_cancel()

    assert len(output) == 1
    assert made.status == "succeeded"
    assert file.size == 9
    assert len(page.results) == 2
    assert running.status == "canceled"
