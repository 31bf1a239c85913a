"""The sandbox speaks Replicate's API: what clients may rely on, and what they must be able to bear."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from bot.sandbox import Prepared, creation, files_api
from bot.sandbox.files import File, Shelf
from bot.sandbox.schema import openapi
from tests.sandbox_rig import CATALOGUE, PICTURE, Api, Json, Models, eventually, model_of, sandbox


class Clock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def api(models: Models) -> AsyncIterator[Api]:
    async with sandbox(models) as api:
        yield api


# -- asking for a prediction


async def test_a_prediction_is_made_and_says_where_to_look(api: Api) -> None:
    answer = await api.create("draw", prompt="a fox")

    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == made["urls"]["get"] == f"{api.base_url}/v1/predictions/{made['id']}"
    assert made["status"] == "starting"
    assert made["model"] == "stability-ai/stable-diffusion"
    assert made["version"] == model_of("draw").version
    assert made["input"] == {"prompt": "a fox"}
    assert made["output"] is None
    assert made["urls"]["cancel"] == made["urls"]["get"] + "/cancel"
    assert int(answer.headers["ratelimit-remaining"]) == 599
    assert 0 < int(answer.headers["ratelimit-reset"]) <= 60


async def test_the_version_may_be_written_in_three_forms(api: Api) -> None:
    draw, edit = model_of("draw"), model_of("edit")
    picture: Json = {"prompt": "red", "input_image": PICTURE}

    for version in (draw.version, f"{draw.full_name}:{draw.version}"):
        assert (await api.create("draw", body={"version": version})).status_code == 201
    official = await api.create("edit", body={"version": edit.full_name}, **picture)

    assert official.status_code == 201
    assert official.json()["version"] == "hidden"


@pytest.mark.parametrize(
    "version",
    [
        "stability-ai/stable-diffusion",
        "stability-ai/stable-diffusion:latest",
        "stability-ai/sdxl:" + model_of("draw").version,
        "0" * 64,
        "",
    ],
)
async def test_any_other_version_is_refused(api: Api, version: str) -> None:
    answer = await api.create("draw", body={"version": version})

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["title"] == "Invalid version or not permitted"


async def test_official_models_have_an_endpoint_of_their_own_and_others_have_not(api: Api) -> None:
    body = {"input": {"prompt": "red", "input_image": PICTURE}}
    official = await api.http.post("/v1/models/black-forest-labs/flux-kontext-dev/predictions", json=body)
    community = await api.http.post("/v1/models/stability-ai/sdxl/predictions", json={"input": {}})

    assert official.status_code == 201
    assert community.status_code == 404
    assert community.json() == {"detail": "The requested resource could not be found.", "status": 404}


async def test_a_version_is_not_allowed_where_the_address_names_the_model(api: Api) -> None:
    body = {"version": "0" * 64, "input": {"prompt": "red", "input_image": PICTURE}}
    answer = await api.http.post("/v1/models/black-forest-labs/flux-kontext-dev/predictions", json=body)

    assert answer.status_code == 422
    assert "Additional property version is not allowed" in answer.json()["detail"]


async def test_a_model_is_no_substitute_for_a_version(api: Api) -> None:
    answer = await api.http.post("/v1/predictions", json={"model": "stability-ai/sdxl", "input": {}})

    assert answer.status_code == 422
    assert answer.json() == {
        "title": "Input validation failed",
        "detail": "- version is required\n- Additional property model is not allowed\n",
        "status": 422,
        "invalid_fields": [
            {"type": "required", "field": "", "description": "version is required"},
            {
                "type": "additional_property_not_allowed",
                "field": "",
                "description": "Additional property model is not allowed",
            },
        ],
    }


async def test_every_fault_of_the_inputs_is_named(api: Api) -> None:
    answer = await api.create(
        "flux", output_format="bmp", num_outputs=9, lora_scale="much", image="picture.png", seed=True
    )

    assert answer.status_code == 422
    problem = answer.json()
    assert problem["title"] == "Input validation failed"
    assert {(fault["type"], fault["field"], fault["description"]) for fault in problem["invalid_fields"]} == {
        ("required", "input", "prompt is required"),
        ("format", "input.image", "Does not match format 'uri'"),
        ("number_lte", "input.num_outputs", "Must be less than or equal to 4"),
        ("invalid_type", "input.seed", "Invalid type. Expected: integer, given: boolean"),
        (
            "enum",
            "input.output_format",
            'output_format must be one of the following: "webp", "jpg", "png"',
        ),
        ("invalid_type", "input.lora_scale", "Invalid type. Expected: number, given: string"),
    }
    enum = '- input.output_format: output_format must be one of the following: "webp", "jpg", "png"\n'
    assert enum in problem["detail"]


async def test_what_the_model_does_not_know_is_ignored(api: Api, models: Models) -> None:
    key = await api.made("draw", prompt="a fox", colour="red")

    assert (await api.ended(key))["status"] == "succeeded"
    assert "colour" not in models.works[0].inputs


async def test_half_a_surrogate_pair_in_a_prompt_is_given_back(api: Api) -> None:
    answer = await api.http.post(
        "/v1/predictions",
        content=b'{"version": "%s", "input": {"prompt": "\\ud83e"}}' % model_of("draw").version.encode(),
    )

    assert answer.json()["input"] == {"prompt": "\ud83e"}


async def test_bounds_that_the_model_does_not_state_make_it_run_out_of_memory(api: Api) -> None:
    key = await api.made("video", prompt="a boat", frame_num=100_001)

    failed = await api.ended(key)
    assert failed["status"] == "failed"
    assert "out of memory" in failed["error"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"version": NaN}', b'{"version": 1e999}', b'{"a":' * 100_000],
    ids=["nothing", "half", "no text", "NaN", "infinite", "deep"],
)
async def test_a_body_that_is_no_json_is_refused(api: Api, content: bytes) -> None:
    assert (await api.http.post("/v1/predictions", content=content)).status_code == 400


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("", "You did not pass an authentication token"),
        ("Bearer other", "You did not pass a valid authentication token"),
        ("sandbox", "You did not pass a valid authentication token"),
        ("Bearer \xff", "You did not pass a valid authentication token"),
    ],
)
async def test_nothing_is_answered_without_the_token(api: Api, header: str, detail: str) -> None:
    answer = await api.http.get("/v1/account", headers={b"Authorization": header.encode("latin-1")})

    assert answer.status_code == 401
    assert answer.json() == {"title": "Unauthenticated", "detail": detail, "status": 401}


async def test_the_older_form_of_the_token_header_works_too(api: Api) -> None:
    answer = await api.http.get("/v1/account", headers={"Authorization": "Token sandbox"})

    assert answer.json()["username"] == "sandbox"


async def test_too_many_requests_are_throttled_and_told_when_to_come_back() -> None:
    clock = Clock()
    async with sandbox(creates_per_minute=1, now=clock) as api:
        first, clock.time = await api.create(), clock.time + 20
        throttled = await api.create()
        others = await api.http.get("/v1/account")
        clock.time += 40
        again = await api.create()

    assert first.status_code == others.status_code - 200 + 201 == again.status_code == 201
    assert throttled.status_code == 429
    assert throttled.json()["retry_after"] == 40
    assert "Your rate limit resets in ~40s." in throttled.json()["detail"]
    assert throttled.headers["ratelimit-remaining"] == "0"
    assert throttled.headers["ratelimit-reset"] == "40"


# -- the life of a prediction


async def test_a_prediction_starts_works_and_succeeds(models: Models) -> None:
    models.gate.clear()
    async with sandbox(models, boot_seconds=0.05) as api:
        key = await api.made("draw", prompt="a fox", num_outputs=2, seed=7)
        assert (await api.get(key))["status"] == "starting"
        working = await api.until(key, lambda one: "50%" in one["logs"])
        assert working["status"] == "processing"
        assert working["output"] is None
        assert working["metrics"] == {}
        models.gate.set()
        done = await api.ended(key)

    assert done["status"] == "succeeded"
    assert [urlsplit(url).path.rpartition("/")[2] for url in done["output"]] == ["out-0.png", "out-1.png"]
    assert done["created_at"] <= done["started_at"] <= done["completed_at"]
    assert 0 < done["metrics"]["predict_time"] < done["metrics"]["total_time"]
    assert models.works[0].inputs["scheduler"] == "DPMSolverMultistep"
    assert models.works[0].seed == models.works[0].inputs["seed"] == 7


async def test_the_output_of_an_iterator_grows_while_it_runs(api: Api, models: Models) -> None:
    models.gate.clear()
    key = await api.made("animate", prompt_start="a", prompt_end="b", intermediate_output=True)
    growing = await api.until(key, lambda one: bool(one["output"]))
    models.gate.set()
    done = await api.ended(key)

    assert growing["status"] == "processing"
    assert len(growing["output"]) == 1
    assert len(done["output"]) == 2
    assert done["output"][0] == growing["output"][0]


async def test_outputs_have_the_shape_of_their_model(api: Api) -> None:
    music = await api.ended(await api.made("music"))
    motion = await api.ended(await api.made("motion"))

    assert set(music["output"]) == {"audio", "spectrogram"}
    assert music["output"]["audio"].endswith("/out.wav")
    assert isinstance(motion["output"], str)


async def test_a_seed_is_kept_and_a_missing_one_is_random(models: Models) -> None:
    async with sandbox(models, rng=random.Random(1)) as api:
        for inputs in ({"seed": 5}, {}, {}, {"seed": 0}):
            await api.ended(await api.made("draw", **inputs))
        await api.ended(await api.made("video", prompt="a boat", seed=-1))

    seeds = [work.seed for work in models.works]
    assert seeds[0] == 5
    assert seeds[3] == 0
    assert len(set(seeds)) == 5
    assert min(seeds) == 0


async def test_models_without_a_seed_depend_on_their_inputs_only(api: Api, models: Models) -> None:
    for picture in (PICTURE, PICTURE, "data:,other"):
        await api.ended(await api.made("cutout", image=picture))

    same, again, other = (work.seed for work in models.works)
    assert same == again != other


async def test_a_model_that_breaks_fails_with_its_own_words(api: Api) -> None:
    failed = await api.ended(await api.made("draw", prompt="break"))

    assert failed["status"] == "failed"
    assert failed["error"] == "The model broke"
    assert failed["output"] is None


async def test_more_predictions_than_workers_wait_as_starting(models: Models) -> None:
    models.gate.clear()
    async with sandbox(models, workers=1) as api:
        first, second = await api.made(), await api.made()
        await api.until(first, lambda one: one["status"] == "processing")
        assert (await api.get(second))["status"] == "starting"
        models.gate.set()
        assert (await api.ended(second))["status"] == "succeeded"


async def test_cancelling_stops_the_work(api: Api, models: Models) -> None:
    models.gate.clear()
    key = await api.made()
    await api.until(key, lambda one: "50%" in one["logs"])
    answer = await api.http.post(f"/v1/predictions/{key}/cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] == "canceled"
    assert answer.json()["metrics"]["predict_time"] > 0
    await eventually(lambda: models.stopped == 1)
    assert (await api.get(key))["output"] is None


async def test_cancelling_what_waits_or_has_ended_is_no_fault(models: Models) -> None:
    async with sandbox(models, boot_seconds=0.2) as api:
        waiting = (await api.http.post(f"/v1/predictions/{await api.made()}/cancel")).json()
        key = await api.made()
        await api.ended(key)
        ended = await api.http.post(f"/v1/predictions/{key}/cancel")

    assert waiting["status"] == "canceled"
    assert waiting["started_at"] is None
    assert ended.status_code == 200
    assert ended.json()["status"] == "succeeded"
    assert len(models.works) == 1


async def test_a_deadline_aborts_what_waits_and_cancels_what_runs(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creation, "SHORTEST_DEADLINE", 1)
    models.gate.clear()

    async def met(boot_seconds: float) -> Json:
        async with sandbox(models, boot_seconds=boot_seconds) as api:
            made = (await api.create(headers={"Cancel-After": "1s"})).json()
            return await api.ended(made["id"])

    waiting, running = await asyncio.gather(met(60), met(0))

    assert waiting["status"] == "aborted"
    assert running["status"] == "canceled"
    assert running["deadline"] > running["created_at"]


@pytest.mark.parametrize("value", ["4", "25h", "soon", "1.5m"])
async def test_a_deadline_out_of_bounds_is_refused(api: Api, value: str) -> None:
    assert (await api.create(headers={"Cancel-After": value})).status_code == 422


async def test_deadlines_are_written_in_hours_minutes_and_seconds(api: Api) -> None:
    answer = (await api.create(headers={"Cancel-After": "1h30m45s"})).json()

    hours, minutes = answer["deadline"][11:13], answer["created_at"][11:13]
    assert answer["deadline"] != answer["created_at"]
    assert (int(hours) - int(minutes)) % 24 in (1, 2)


async def test_an_unknown_prediction_is_not_found(api: Api) -> None:
    answer = await api.http.get("/v1/predictions/unknown")

    assert answer.status_code == 404
    assert answer.json() == {"detail": "The specified prediction does not exist", "status": 404}


async def test_a_prediction_that_runs_for_half_an_hour_fails(models: Models) -> None:
    clock = Clock()
    models.gate.clear()
    async with sandbox(models, now=clock, workers=1) as api:
        key, waiting = await api.made(), await api.made()
        await api.until(key, lambda one: one["status"] == "processing")
        clock.time += 1800
        api.workshop.tidy()
        failed = await api.get(key)
        left_alone = await api.get(waiting)

    assert failed["status"] == "failed"
    assert "30 minutes" in failed["error"]
    assert left_alone["status"] != "failed"


# -- waiting for it


async def test_who_waits_gets_the_output_while_the_status_says_processing(api: Api) -> None:
    answer = await api.create(headers={"Prefer": "wait"})

    assert answer.status_code == 201
    assert answer.json()["output"]
    assert answer.json()["status"] == "processing"
    assert answer.json()["completed_at"] is None
    assert answer.json()["metrics"] == {}
    assert (await api.get(answer.json()["id"]))["status"] == "succeeded"


async def test_who_waits_long_enough_gets_it_as_starting(api: Api, models: Models) -> None:
    models.gate.clear()
    answer = await api.create(headers={"Prefer": "wait=1"})

    assert answer.status_code == 202
    assert answer.json()["status"] == "starting"
    assert answer.json()["output"] is None


async def test_who_waits_for_a_failure_gets_it(api: Api) -> None:
    answer = await api.create(headers={"Prefer": "wait=5"}, prompt="break")

    assert answer.status_code == 201
    assert answer.json()["status"] == "failed"


async def test_an_impossible_wait_is_refused_before_anything_is_made(api: Api) -> None:
    assert (await api.create(headers={"Prefer": "wait=0"})).status_code == 422
    assert (await api.http.get("/v1/predictions")).json()["results"] == []


# -- the list


async def test_lists_have_pages_of_a_hundred_newest_first() -> None:
    async with sandbox(prepared=Prepared(duration=60, commands=("draw",))) as api:
        made = [await api.made() for _ in range(250)]
        pages = [(await api.http.get("/v1/predictions")).json()]
        while pages[-1]["next"]:
            pages.append((await api.http.get(pages[-1]["next"])).json())
        back = (await api.http.get(pages[2]["previous"])).json()

    assert [len(page["results"]) for page in pages] == [100, 100, 50]
    assert [one["id"] for page in pages for one in page["results"]] == made[::-1]
    assert pages[0]["previous"] is None
    assert back["results"] == pages[1]["results"]
    assert all("logs" not in one and one["input"] == {} for one in pages[0]["results"])


async def test_a_page_stays_the_same_when_newer_ones_are_made() -> None:
    async with sandbox(prepared=Prepared(duration=60, commands=("draw",))) as api:
        made = [await api.made() for _ in range(101)]
        first = (await api.http.get("/v1/predictions")).json()
        await api.made()
        second = (await api.http.get(first["next"])).json()

    assert [one["id"] for one in second["results"]] == made[:1]


async def test_lists_are_filtered_by_time_of_making() -> None:
    clock = Clock()
    async with sandbox(now=clock) as api:
        made = []
        for _ in range(3):
            made.append(await api.made())
            clock.time += 1
        since = {"created_after": "2023-11-14T22:13:21Z"}
        after = (await api.http.get("/v1/predictions", params=since)).json()
        both = {**since, "created_before": "2023-11-14T22:13:22+00:00"}
        between = (await api.http.get("/v1/predictions", params=both)).json()
        web_only = (await api.http.get("/v1/predictions", params={"source": "web"})).json()
        nonsense = await api.http.get("/v1/predictions", params={"created_after": "yesterday"})

    assert [one["id"] for one in after["results"]] == [made[2], made[1]]
    assert [one["id"] for one in between["results"]] == [made[1]]
    assert web_only["results"] == []
    assert nonsense.status_code == 422


# -- results


async def test_results_are_served_to_who_knows_their_address(api: Api, models: Models) -> None:
    url = (await api.ended(await api.made("motion", prompt="a fox")))["output"]
    async with httpx.AsyncClient(trust_env=False) as stranger:
        whole = await stranger.get(url)
        middle = await stranger.get(url, headers={"Range": "bytes=2-4"})
        tail = await stranger.get(url, headers={"Range": "bytes=-3"})
        beyond = await stranger.get(url, headers={"Range": "bytes=100000-"})
        head = await stranger.head(url)
        guessed = await stranger.get(f"{api.base_url}/out/guess/out-0.png")

    assert whole.status_code == 200
    assert whole.headers["content-type"] == "image/png"
    assert whole.content.startswith(b"motion")
    assert (middle.status_code, middle.content) == (206, whole.content[2:5])
    assert middle.headers["content-range"] == f"bytes 2-4/{len(whole.content)}"
    assert tail.content == whole.content[-3:]
    assert beyond.status_code == 416
    assert int(head.headers["content-length"]) == len(whole.content)
    assert guessed.status_code == 404


async def test_data_go_after_an_hour_and_the_prediction_much_later() -> None:
    clock = Clock()
    async with sandbox(now=clock) as api:
        key = await api.made("motion", prompt="a fox")
        url = (await api.ended(key))["output"]
        clock.time += 3599
        kept = (await api.get(key))["output"]
        clock.time += 1
        gone = await api.get(key)
        file = await api.http.get(url)
        clock.time += 36_000
        forgotten = await api.http.get(f"/v1/predictions/{key}")

    assert kept == url
    assert gone["status"] == "succeeded"
    assert gone["data_removed"] is True
    assert (gone["output"], gone["logs"], gone["input"]) == (None, "", {})
    assert file.status_code == 404
    assert forgotten.status_code == 404


# -- files


async def test_files_are_uploaded_listed_looked_at_and_deleted(api: Api) -> None:
    metadata = json.dumps({"customer": 12})
    answer = await api.http.post(
        "/v1/files",
        files={"content": ("fox.png", b"a picture", "image/png")},
        data={"metadata": metadata},
    )
    file = answer.json()
    listed = (await api.http.get("/v1/files")).json()
    looked_at = (await api.http.get(file["urls"]["get"])).json()
    deleted = await api.http.delete(file["urls"]["get"])
    gone = await api.http.get(file["urls"]["get"])

    assert answer.status_code == 201
    assert (file["name"], file["content_type"], file["size"]) == ("fox.png", "image/png", 9)
    assert file["metadata"] == {"customer": 12}
    assert file["checksums"]["sha256"] == hashlib.sha256(b"a picture").hexdigest()
    assert file["expires_at"] > file["created_at"]
    assert listed["results"] == [file] == [looked_at]
    assert deleted.status_code == 204
    assert gone.status_code == 404


async def test_a_signed_address_of_a_file_works_without_a_token(api: Api) -> None:
    file = (await api.http.post("/v1/files", files={"content": ("fox.png", b"a picture")})).json()
    signed = file["urls"]["download"]
    async with httpx.AsyncClient(trust_env=False) as stranger:
        good = await stranger.get(signed)
        forged = await stranger.get(signed.replace("expiry=", "expiry=1"))
        bare = await stranger.get(file["urls"]["get"])

    assert good.content == b"a picture"
    assert forged.status_code == 404
    assert bare.status_code == 401


async def test_files_expire() -> None:
    clock = Clock()
    async with sandbox(now=clock, output_ttl=10) as api:
        file = (await api.http.post("/v1/files", files={"content": ("fox.png", b"a picture")})).json()
        clock.time += 10
        gone = await api.http.get(file["urls"]["get"])
        signed = await api.http.get(file["urls"]["download"])

    assert gone.status_code == signed.status_code == 404


async def test_a_file_that_is_too_large_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_api, "LARGEST_FILE", 8)
    answer = await api.http.post("/v1/files", files={"content": ("fox.png", b"a picture")})

    assert answer.status_code == 413
    assert answer.json()["detail"] == "Files must be less than 100MB in size"


async def test_an_upload_without_content_is_refused(api: Api) -> None:
    other = await api.http.post("/v1/files", files={"file": ("fox.png", b"a picture")})
    plain = await api.http.post("/v1/files", content=b"a picture")
    nameless = await api.http.post("/v1/files", files={"content": ("x" * 256, b"a picture")})

    assert [answer.status_code for answer in (other, plain, nameless)] == [400, 400, 400]


def test_where_files_outgrow_the_memory_the_oldest_go_first() -> None:
    shelf = Shelf(max_bytes=5, now=Clock())
    for name in "abc":
        shelf.put(File(name, name, "image/png", b"12", 0))

    assert [file.id for file in shelf.newest_first()] == ["c", "b"]
    assert shelf.get("a") is None


async def test_file_inputs_are_fetched_from_wherever_they_are(api: Api, models: Models) -> None:
    uploaded = (await api.http.post("/v1/files", files={"content": ("a.png", b"uploaded")})).json()
    result = (await api.ended(await api.made("motion")))["output"]
    refs = [uploaded["urls"]["get"], uploaded["urls"]["download"], result, PICTURE, "data:,plain%20text"]
    key = await api.made("video", prompt="a boat", src_ref_images=refs)

    assert (await api.ended(key))["status"] == "succeeded"
    work = models.works[1]
    first, second, third, *rest = work.files["src_ref_images"]
    assert (first, second) == (b"uploaded", b"uploaded")
    assert third.startswith(b"motion")
    assert rest == [b"a picture", b"plain text"]
    assert "src_ref_images" not in work.inputs


@pytest.mark.parametrize(
    ("path", "said"),
    [("/out/none/x.png?signature=secret", "404 Client Error"), ("file:///etc/passwd", "no scheme")],
)
async def test_a_file_that_is_not_to_be_had_fails_the_prediction(api: Api, path: str, said: str) -> None:
    url = path if "://" in path else api.base_url + path
    failed = await api.ended(await api.made("cutout", image=url))

    assert failed["status"] == "failed"
    assert said in failed["error"]
    assert "secret" not in failed["error"]


async def test_a_host_that_does_not_answer_fails_the_prediction(api: Api, unused_tcp_port: int) -> None:
    failed = await api.ended(await api.made("cutout", image=f"http://127.0.0.1:{unused_tcp_port}/a.png"))

    assert "ConnectError" in failed["error"]


# -- models


@pytest.mark.parametrize("command", CATALOGUE.commands())
async def test_the_schema_of_a_model_names_all_of_its_inputs(command: str) -> None:
    model = model_of(command)
    schemas = openapi(model)["components"]["schemas"]
    properties = schemas["Input"]["properties"]

    assert list(properties) == [entry.name for entry in model.inputs]
    for entry in model.inputs:
        shown = properties[entry.name]
        if entry.choices:
            name = shown["allOf"][0]["$ref"].rpartition("/")[2]
            assert schemas[name]["enum"] == list(entry.choices)
        assert shown.get("default") == entry.default
        assert (shown.get("format") == "uri") == (entry.type.value == "file")
        assert not set(entry.ours) & set(shown)
    assert schemas["Input"].get("required", []) == [e.name for e in model.inputs if e.required]


async def test_a_model_shows_its_version_and_the_version_its_schema(api: Api) -> None:
    model = (await api.http.get("/v1/models/andreasjansson/stable-diffusion-animation")).json()
    versions = (await api.http.get("/v1/models/stability-ai/sdxl/versions")).json()
    version = versions["results"][0]
    address = f"/v1/models/stability-ai/sdxl/versions/{version['id']}"

    output = model["latest_version"]["openapi_schema"]["components"]["schemas"]["Output"]
    assert model["latest_version"]["id"] == model_of("animate").version
    assert output["x-cog-array-type"] == "iterator"
    assert version["id"] == model_of("imagine").version
    assert (await api.http.get(address)).json() == version
    assert (await api.http.get(address + "0")).status_code == 404
    assert (await api.http.get("/v1/models/nobody/nothing")).status_code == 404
    assert len((await api.http.get("/v1/models")).json()["results"]) == 13
