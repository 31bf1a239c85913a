"""What providers tell by themselves: taken for a look, in every order, and nobody else's word for it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from adapters.compose import Installation
from adapters.serving import serve_until_stopped
from bot.catalogue import load
from bot.config import Http, MediaSettings, ProviderSettings, Settings, StoreSettings
from bot.engine import News
from bot.engine.engine import NEWS_KEPT
from bot.errors import ProviderDown
from bot.jobs import Job, JobId, Order, Outcome, Place, State
from bot.links import Links
from bot.pacing import Pace
from bot.ports import Working
from bot.providers import Client, Prediction, Status
from bot.webhooks import LARGEST, RENEWED_EVERY, Seal
from tests.rig import ANNA, QUICK, Rig, eventually, rig

LINKS = Links("", b"key", time.time)
PATIENT = replace(QUICK, pace=Pace(shortest=30, longest=60, price=1), tick=0.05)
"""Nothing is seen in time by looking."""

RETRIES = {"webhook_retries": (0.1,) * 100}


async def blind(studio: Rig) -> None:
    """The provider answers no look any more."""
    await studio.misbehave(on="get", fault="status", code=503, times=None)
    await studio.misbehave(on="list", fault="status", code=503, times=None)


async def in_state(studio: Rig, job: Job, state: State, code: str | None = None) -> Job:
    async def found() -> Job | None:
        found = await studio.store.get(job.id)
        return found if found and found.state is state and (code is None or found.code == code) else None

    there: Job = await eventually(found, f"it is {state} {code or ''}")
    return there


async def predictions(studio: Rig) -> list[str]:
    """Those that the provider has been paid for."""
    return list((await studio.stats())["completed_at"])


async def body_of(studio: Rig, prediction: str, **changes: Any) -> bytes:
    async with httpx.AsyncClient(trust_env=False) as http:
        headers = {"Authorization": "Bearer sandbox"}
        answer = await http.get(f"{studio.base_url}/v1/predictions/{prediction}", headers=headers)
        return json.dumps(answer.raise_for_status().json() | changes).encode()


async def signed(studio: Rig, body: bytes, *, at: float | None = None) -> dict[str, str]:
    secret = (await studio.client.webhook_secret()).get_secret_value()
    moment = datetime.fromtimestamp(int(at or time.time()), UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", moment, body.decode()),
    }


def path_of(job: Job | str, provider: str = "box") -> str:
    return LINKS.hook_of(provider, JobId(job.id if isinstance(job, Job) else job))


async def post(
    studio: Rig, path: str, body: bytes, headers: Mapping[str, str] | None = None, method: str = "POST"
) -> int:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.request(method, f"{studio.public_url}{path}", content=body, headers=headers)
        return answer.status_code


async def tell(studio: Rig, job: Job, body: bytes) -> int:
    return await post(studio, path_of(job), body, await signed(studio, body))


# -- taken for a look


async def test_an_end_is_seen_without_a_look(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        await blind(studio)
        job = await studio.ended(await studio.order())
        assert job.outcome is Outcome.READY
        assert len(studio.board.finals(job)) == 1


async def test_a_failure_is_told_too(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        await blind(studio)
        await studio.misbehave(on="create", fault="fail")
        assert (await studio.ended(await studio.order())).code == "model_failed"


async def test_progress_is_seen_without_a_look(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        await blind(studio)
        await studio.misbehave(on="create", fault="never_finish")
        job = await studio.order()
        running = await in_state(studio, job, State.RUNNING)
        body = await _running_body(studio, running, logs=" 40%|####      | 4/10 [00:01<00:02]\n")
        assert await tell(studio, job, body) == 200
        await eventually(lambda: _fraction(studio, job) == 0.4, "the card says how far it is")
        late = json.dumps({**json.loads(body), "logs": " 10%|#         | 1/10 [00:01<00:02]"}).encode()
        assert await tell(studio, job, late) == 200
        await studio.engine.stop(5)
        assert (_fraction(studio, job), await studio.state(job)) == (0.4, State.RUNNING)


async def _running_body(studio: Rig, job: Job, **changes: Any) -> bytes:
    await studio.behave()
    return await body_of(studio, str(job.prediction), **changes)


def _fraction(studio: Rig, job: Job) -> float | None:
    notice = studio.board.last(job)
    return notice.fraction if isinstance(notice, Working) else None


# -- in every order


async def test_a_webhook_may_come_before_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        answer = asyncio.Event()
        create = studio.client.create

        async def slow(*args: Any, **more: Any) -> Prediction:
            made = await create(*args, **more)
            await answer.wait()
            return made

        monkeypatch.setattr(studio.client, "create", slow)
        job = await studio.ended(await studio.order())
        answer.set()
        await studio.engine.stop(5)
        assert job.outcome is Outcome.READY
        assert await predictions(studio) == [job.prediction]
        assert len(studio.board.finals(job)) == 1


@pytest.mark.parametrize("command", ["imagine", "music"])
async def test_a_lost_answer_is_found_by_its_webhook(tmp_path: Path, command: str) -> None:
    """Also that of a model without a seed, whose prediction the list can't tell from another person's."""
    async with rig(tmp_path, webhooks=True, make=_anything) as studio:
        await blind(studio)
        await studio.misbehave(on="create", fault="drop_after")
        options = [("prompt_a" if command == "music" else "prompt", "a fox")]
        job = await studio.ended(await studio.order(command, *options))
        assert job.outcome is Outcome.READY
        assert await predictions(studio) == [job.prediction]


async def test_an_end_that_is_told_while_the_job_is_still_in_hand_is_heeded_at_once(tmp_path: Path) -> None:
    """Between the write that says which prediction it is and the moment at which it is followed."""
    async with rig(tmp_path, webhooks=True, start=False) as studio:
        submitted = studio.store.submitted

        async def and_told(job: Job, prediction: str, *, now: float) -> Job:
            moved = await submitted(job, prediction, now=now)

            async def ended() -> Prediction | None:
                found = await studio.client.get(prediction)
                return found if found.status.terminal else None

            found = await eventually(ended, "the provider is done")
            studio.engine._keep_early(News(job.id, "box", found, sure=True))
            return moved

        setattr(studio.store, "submitted", and_told)  # noqa: B010
        await studio.misbehave(on="webhook", fault="drop_before", times=None)
        studio.start()
        job = await studio.ended(await studio.order(), within=5)
        assert job.outcome is Outcome.READY


async def test_a_webhook_after_the_list_has_found_it_changes_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        await studio.misbehave(on="webhook", fault="slow", seconds=1.0, times=None)
        await studio.misbehave(on="create", fault="drop_after")
        job = await studio.ended(await studio.order())
        await asyncio.sleep(1.2)
        assert await tell(studio, job, await body_of(studio, str(job.prediction))) == 200
        assert await studio.store.get(job.id) == job
        assert len(studio.board.finals(job)) == 1
        assert await predictions(studio) == [job.prediction]


async def test_the_same_webhook_twice_is_one_result(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True, sandbox_options=RETRIES) as studio:
        await studio.misbehave(on="webhook", fault="drop_after", times=3)
        job = await studio.ended(await studio.order())
        body = await body_of(studio, str(job.prediction))
        assert [await tell(studio, job, body) for _ in range(2)] == [200, 200]
        assert len(studio.board.finals(job)) == 1
        assert (await studio.stats())["requests"]["download"] == 1


async def test_twins_whose_answers_are_lost_get_a_prediction_each(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        await studio.misbehave(on="create", fault="drop_after", times=4)
        options = (("prompt", "the same"), ("seed", 5))
        ended = [await studio.ended(job) for job in [await studio.order("imagine", *options) for _ in "1234"]]
        assert {job.outcome for job in ended} == {Outcome.READY}
        assert sorted(str(job.prediction) for job in ended) == sorted(await predictions(studio))


async def test_a_job_cancelled_while_its_answer_is_lost_is_cancelled_there(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True) as studio:
        await studio.misbehave(on="webhook", fault="slow", seconds=0.5)
        await studio.misbehave(on="list", fault="status", code=503, times=None)
        await studio.misbehave(on="create", fault="never_finish")
        await studio.misbehave(on="create", fault="drop_after")
        job = await studio.order()
        await in_state(studio, job, State.SUBMITTING, "lost_answer")
        await studio.core.cancel(job.id, ANNA)
        assert (await studio.ended(job)).outcome is Outcome.CANCELLED
        assert len(await predictions(studio)) == 1


async def test_a_webhook_for_a_cancelled_job_is_ignored(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True, sandbox_options={"boot_seconds": 30}) as studio:
        job = await studio.order()
        await in_state(studio, job, State.RUNNING)
        await studio.core.cancel(job.id, ANNA)
        ended = await studio.ended(job)
        late = await body_of(
            studio, str(ended.prediction), status="succeeded", output=["https://x.example/1"]
        )
        assert await tell(studio, job, late) == 200
        await studio.engine.stop(5)
        assert await studio.store.get(job.id) == ended


async def test_a_job_that_waits_to_be_recovered_is_found_after_a_restart(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True, sandbox_options=RETRIES) as studio:
        await blind(studio)
        await studio.misbehave(on="webhook", fault="drop_before", times=10)
        await studio.misbehave(on="create", fault="drop_after")
        job = await studio.order()
        await in_state(studio, job, State.SUBMITTING, "lost_answer")
        await studio.restart()
        ended = await studio.ended(job)
        assert ended.outcome is Outcome.READY
        assert await predictions(studio) == [ended.prediction]


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
async def test_what_ended_while_the_process_was_down_is_told_again(tmp_path: Path, lost: bool) -> None:
    options = {**RETRIES, "boot_seconds": 0.5}
    async with rig(tmp_path, webhooks=True, sandbox_options=options) as studio:
        await blind(studio)
        if lost:
            await studio.misbehave(on="create", fault="drop_after")
        job = await studio.order()
        await in_state(
            studio, job, State.SUBMITTING if lost else State.RUNNING, "lost_answer" if lost else None
        )
        await studio.crash()
        await eventually(lambda: _all_ended(studio), "it has ended there")
        await studio.build()
        studio.start()
        ended = await studio.ended(job)
        assert ended.outcome is Outcome.READY
        assert await predictions(studio) == [ended.prediction]


async def _all_ended(studio: Rig) -> bool:
    return all((await studio.stats())["completed_at"].values())


async def test_a_job_back_in_the_queue_is_not_sent_where_its_webhook_comes_after_all(tmp_path: Path) -> None:
    async with rig(tmp_path, webhooks=True, rules=replace(QUICK, at_once=1)) as studio:
        await studio.misbehave(on="create", fault="never_finish")
        await in_state(studio, await studio.order(), State.RUNNING)
        job = await studio.order()
        made = await studio.client.create(load().find(job.model), job.inputs)
        assert await tell(studio, job, await body_of(studio, made.id)) == 200
        ended = await studio.ended(job)
        assert (ended.outcome, ended.prediction) == (Outcome.READY, made.id)
        assert len(await predictions(studio)) == 2


async def test_an_installation_hears_of_its_jobs(tmp_path: Path) -> None:
    async with rig(tmp_path / "rig", start=False, webhooks=True) as other:
        await other.crash()
        await blind(other)
        settings = Settings(
            http=Http(port=int(str(other.public_url).rpartition(":")[2]), public_url=other.public_url),
            store=StoreSettings(url=f"sqlite:///{tmp_path}/jobs.db"),
            media=MediaSettings(folder=tmp_path / "media"),
            providers={"box": ProviderSettings(kind="sandbox", base_url=other.base_url, webhooks=True)},
        )
        await serve_until_stopped(settings, greet=partial(_order_one, other))


async def _order_one(other: Rig, running: Installation, _address: str) -> None:
    """Blind to looks, the job ends all the same; then the process is told to stop."""
    actor = replace(ANNA, platform="web")
    order = Order(actor, Place("web:studio"), "imagine", (("prompt", "a fox"),), "web:1")
    job = (await running.core.submit(order)).job

    async def is_done() -> bool:
        found = await running.store.get(job.id)
        return found is not None and found.state is State.DONE

    await eventually(is_done, "it is done")
    assert set((await other.stats())["requests"]) == {"create", "download", "webhook_secret"}
    os.kill(os.getpid(), signal.SIGTERM)


# -- who is not believed


@dataclass
class Case:
    """A running job, and the body that would end it."""

    studio: Rig
    job: Job
    body: bytes
    headers: dict[str, str]


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    async with rig(tmp_path, webhooks=True) as studio:
        await studio.misbehave(on="create", fault="never_finish", times=None)
        job = await in_state(studio, await studio.order(), State.RUNNING)
        body = await body_of(studio, str(job.prediction), status="failed", error="no")
        yield Case(studio, job, body, await signed(studio, body))
        await studio.engine.stop(5)
        assert await studio.state(job) is State.RUNNING


async def test_a_wrong_signature_is_refused(case: Case) -> None:
    changed = {**case.headers, "webhook-signature": "v1," + "A" * 43 + "="}
    assert await post(case.studio, path_of(case.job), case.body, changed) == 401
    assert await post(case.studio, path_of(case.job), case.body + b" ", case.headers) == 401


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
async def test_headers_that_make_no_sense_are_refused(case: Case, name: str) -> None:
    others = {key: text for key, text in case.headers.items() if key != name}
    assert await post(case.studio, path_of(case.job), case.body, others) == 401
    for value in ("", "nonsense", "v2,x", "v1", "9" * 400, "\xff"):
        sent: Any = {key: text.encode("latin-1") for key, text in {**others, name: value}.items()}
        assert await post(case.studio, path_of(case.job), case.body, sent) == 401


@pytest.mark.parametrize("off", [-360, 360])
async def test_what_is_old_or_from_the_future_is_refused(case: Case, off: int) -> None:
    headers = await signed(case.studio, case.body, at=time.time() + off)
    assert await post(case.studio, path_of(case.job), case.body, headers) == 401


async def test_a_path_that_nobody_was_given_is_not_found(case: Case) -> None:
    right = path_of(case.job)
    for path in (
        right[:-1] + ("0" if right[-1] != "0" else "1"),
        f"/webhooks/box/{case.job.id}/{'0' * 64}",
        f"/webhooks/box/{case.job.id}",
        path_of("nobodysjob"),
        path_of(case.job, "other"),
        right.replace("/box/", "/other/"),
    ):
        assert await post(case.studio, path, case.body, case.headers) == 404
    assert await post(case.studio, right, b"", method="GET") == 405


async def test_another_jobs_body_ends_nothing(case: Case) -> None:
    other = await in_state(case.studio, await case.studio.order(), State.RUNNING)
    assert await post(case.studio, path_of(other), case.body, case.headers) == 200
    await case.studio.engine.stop(5)
    assert await case.studio.state(other) is State.RUNNING


async def test_another_jobs_body_is_not_taken_for_a_lost_answer(case: Case) -> None:
    studio = case.studio
    await studio.misbehave(on="list", fault="status", code=503, times=None)
    await studio.misbehave(on="webhook", fault="drop_before", times=None)
    await studio.misbehave(on="create", fault="drop_after")
    twin = await studio.order("imagine", *[(key, value) for key, value in case.job.inputs.items()])
    other = await studio.order("imagine", ("prompt", "something else"))
    lost = await in_state(studio, twin, State.SUBMITTING, "lost_answer")
    unmade = await body_of(studio, str((await in_state(studio, other, State.RUNNING)).prediction))
    for body in (case.body, unmade):
        assert await tell(studio, lost, body) == 200
    await studio.engine.stop(5)
    assert await studio.state(lost) is State.SUBMITTING


async def test_a_huge_body_is_not_read(case: Case) -> None:
    huge = json.dumps({**json.loads(case.body), "logs": "x" * LARGEST}).encode()
    assert await post(case.studio, path_of(case.job), huge, await signed(case.studio, huge)) == 413
    large = json.dumps(
        {**json.loads(case.body), "status": "processing", "logs": "x" * (LARGEST // 2)}
    ).encode()
    assert await tell(case.studio, case.job, large) == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"id": 1, "status": "failed"}', b"<html>", b"\xff\xfe"])
async def test_a_body_that_is_no_prediction_is_refused(case: Case, body: bytes) -> None:
    headers = await signed(case.studio, body) if body != b"\xff\xfe" else case.headers
    assert await post(case.studio, path_of(case.job), body, headers) in (400, 401)


async def test_another_name_leads_nowhere(case: Case) -> None:
    headers = {**case.headers, "Host": "evil.example"}
    assert await post(case.studio, path_of(case.job), case.body, headers) == 421


async def test_what_is_too_much_is_to_come_again(case: Case) -> None:
    studio = case.studio
    await studio.engine.stop(5)
    assert studio.engine_task is not None
    studio.engine_task.cancel()
    await asyncio.gather(studio.engine_task, return_exceptions=True)
    news = News(case.job.id, "box", Prediction("another", Status.STARTING), sure=True)
    assert all(studio.engine.tell(news) for _ in range(NEWS_KEPT))
    assert await post(studio, path_of(case.job), case.body, case.headers) == 503


# -- providers that don't sign


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Rig]:
    """It has no list, and passes no webhooks on by itself: the tests play them."""
    rules = replace(PATIENT, heard_within=1.5)
    async with rig(tmp_path, kind="gateway", webhooks=True, rules=rules) as studio:
        yield studio


async def test_an_unsigned_word_makes_us_look(gateway: Rig) -> None:
    job = await in_state(gateway, await gateway.order(), State.RUNNING)
    await eventually(lambda: _all_ended(gateway), "it has ended there")
    assert await post(gateway, path_of(job), await body_of(gateway, str(job.prediction))) == 200
    assert (await gateway.ended(job)).outcome is Outcome.READY


async def test_an_unsigned_word_alone_ends_nothing(gateway: Rig) -> None:
    await gateway.misbehave(on="create", fault="never_finish")
    job = await in_state(gateway, await gateway.order(), State.RUNNING)
    forged = await body_of(gateway, str(job.prediction), status="succeeded", output="https://x.example/1")
    assert await post(gateway, path_of(job), forged) == 200

    async def looked() -> bool:
        return "get" in (await gateway.stats())["requests"]

    await eventually(looked, "it was looked at")
    assert await gateway.state(job) is State.RUNNING


async def test_a_lost_answer_is_found_by_an_unsigned_word_that_the_provider_confirms(gateway: Rig) -> None:
    await gateway.misbehave(on="create", fault="drop_after")
    job = await in_state(gateway, await gateway.order(), State.SUBMITTING, "lost_answer")
    (made,) = await predictions(gateway)
    assert await post(gateway, path_of(job), await body_of(gateway, made)) == 200
    ended = await gateway.ended(job)
    assert (ended.outcome, ended.prediction) == (Outcome.READY, made)


async def test_an_unsigned_word_that_the_provider_does_not_confirm_is_forgotten(gateway: Rig) -> None:
    await gateway.misbehave(on="create", fault="drop_before")
    job = await in_state(gateway, await gateway.order(), State.SUBMITTING, "lost_answer")
    stranger = await gateway.client.create(load().find("imagine"), {"prompt": "a stranger's"})
    claimed = await body_of(gateway, stranger.id, input=dict(job.inputs))
    assert await post(gateway, path_of(job), claimed) == 200
    ended = await gateway.ended(job)
    assert (ended.outcome, ended.code, ended.cost) == (Outcome.UNKNOWN, "lost_answer", None)


# -- the secret


class Provider:
    """Shows its secret, where it is up."""

    name = "box"

    def __init__(self, secret: str, *, signs: bool = True) -> None:
        self.secret, self.is_up, self.asked = secret, True, 0
        self.can = type("Can", (), {"webhooks": signs})

    async def webhook_secret(self) -> SecretStr:
        self.asked += 1
        if not self.is_up:
            raise ProviderDown("no")
        return SecretStr(self.secret)


FIRST, SECOND = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_" + "QUJD" * 8


def headers_by(secret: str) -> dict[str, str]:
    now = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", now, "{}")
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": signature,
    }


def seal_of(provider: Provider, clock: list[float]) -> Seal:
    client: Any = provider
    checked: Client = client
    return Seal(checked, lambda: clock[0])


async def test_a_changed_secret_is_asked_for_at_most_once_a_minute() -> None:
    provider, clock = Provider(FIRST), [1000.0]
    seal = seal_of(provider, clock)
    assert await seal.holds(b"{}", headers_by(FIRST)) is True
    provider.secret = SECOND
    assert [await seal.holds(b"{}", headers_by(SECOND)) for _ in range(3)] == [False] * 3
    assert provider.asked == 1
    clock[0] += RENEWED_EVERY
    found = await asyncio.gather(*(seal.holds(b"{}", headers_by(SECOND)) for _ in range(5)))
    assert found == [True] * 5
    assert await seal.holds(b"{}", headers_by(FIRST)) is False
    assert provider.asked == 2


async def test_without_the_secret_nobody_can_say() -> None:
    provider, clock = Provider(FIRST), [1000.0]
    provider.is_up = False
    seal = seal_of(provider, clock)
    assert [await seal.holds(b"{}", headers_by(FIRST)) for _ in range(3)] == [None] * 3
    assert provider.asked == 1
    provider.is_up, provider.secret = True, "whsec_"
    clock[0] += RENEWED_EVERY
    assert await seal.holds(b"{}", headers_by(FIRST)) is None
    clock[0] += RENEWED_EVERY
    provider.secret = FIRST
    assert await seal.holds(b"{}", headers_by(FIRST)) is True


async def test_a_provider_that_does_not_sign_is_not_asked_for_a_secret() -> None:
    provider = Provider(FIRST, signs=False)
    assert await seal_of(provider, [1000.0]).holds(b"{}", headers_by(FIRST)) is None
    assert provider.asked == 0


# -- when they stop


async def test_webhooks_that_do_not_arrive_are_told_once_and_looks_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.pacing.GRACE", 0.05)
    async with rig(tmp_path, webhooks=True) as studio:
        assert (await studio.ended(await studio.order())).outcome is Outcome.READY
        assert studio.site is not None
        await studio.site.close()
        jobs = [await studio.ended(await studio.order(), within=5) for _ in range(6)]
        assert {job.outcome for job in jobs} == {Outcome.READY}
        await asyncio.sleep(0.2)
        await studio.ended(await studio.order(), within=5)
    assert capsys.readouterr().out.count("webhooks_missed") == 1


def _anything(work: Any, report: Any) -> Any:
    import io
    import wave

    from PIL import Image

    from bot.sandbox.work import Piece

    picture, sound = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    if work.command != "music":
        yield Piece("image", "out.png", picture.getvalue(), "image/png")
        return
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    yield Piece("audio", "out.wav", sound.getvalue(), "audio/wav")
    yield Piece("spectrogram", "spectrogram.png", picture.getvalue(), "image/png")
