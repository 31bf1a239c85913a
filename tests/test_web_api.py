"""The page's API over real HTTP: sessions, messages, commands, files, events, and what `show` leaves."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from adapters.web import Web, make_login
from bot import policy
from bot.catalogue import load
from bot.config import Limits
from bot.config import Web as Settings
from bot.core import Idle, Studio
from bot.errors import Gone
from bot.http import Site, make_app, serve
from bot.jobs import Actor, JobId, Media, Outcome, Place
from bot.media import Library
from bot.ports import Card, Failed, MediaFile, Notice, Post, Ready, Waiting, Working
from bot.prices import Prices
from bot.providers import Capabilities
from bot.store import Store
from tests.governed import FREE, governed
from tests.media_samples import still

ALL = Capabilities(True, True, True, True, True, True, version_in_model_body=False, deadline=True)
COMMAND = "/animate start:a fox in snow end:a fox in flowers seed:7"
KEY = "key-0123456789"


@dataclass
class Clock:
    time: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Page:
    """A running page; `ann` and `bob` are signed in, `stranger` is not."""

    store: Store
    library: Library
    web: Web
    core: Studio
    clock: Clock
    site: Site
    running: asyncio.Task[None]
    ann: aiohttp.ClientSession
    bob: aiohttp.ClientSession
    stranger: aiohttp.ClientSession

    async def send(self, text: str = "", *, who: aiohttp.ClientSession | None = None, **more: Any) -> Answer:
        body = {"channel": "studio", "key": KEY, "text": text, **more}
        return await post(who or self.ann, "/api/messages", body)

    async def show(self, notice: Notice, job: str, place: str = "web:studio") -> dict[str, Any]:
        look = await self.core.look(JobId(job), Actor("web", "x", "x", "web"))
        return dict(await self.web.show(Post(f"job-{job}", Place(place), look.card, notice, None), _save))

    async def in_channel(self, thread: int | None = None) -> list[dict[str, Any]]:
        query = f"?thread={thread}" if thread else ""
        found = await get(self.ann, f"/api/channels/studio/messages{query}")
        return list(found.body["messages"])


@dataclass
class Answer:
    status: int
    body: Any = field(default_factory=dict)
    headers: Any = None


async def _save(_: object) -> None: ...


async def _read(response: aiohttp.ClientResponse) -> Answer:
    body = await (response.json() if response.content_type == "application/json" else response.text())
    return Answer(response.status, body, response.headers)


async def post(session: aiohttp.ClientSession, path: str, body: Any = None) -> Answer:
    async with session.post(path, json={} if body is None else body) as response:
        return await _read(response)


async def get(session: aiohttp.ClientSession, path: str, **headers: str) -> Answer:
    async with session.get(path, headers=headers, allow_redirects=False) as response:
        return await _read(response)


@asynccontextmanager
async def person(
    site: Site, store: Store | None, clock: Clock, name: str, *, manages: bool = False
) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)  # "unsafe" are cookies of bare addresses
    async with aiohttp.ClientSession(site.address, cookie_jar=jar) as session:
        if store is not None:
            code = await make_login(store, name=name, now=clock(), lasts=60, manages=manages)
            async with session.post("/login", data={"code": code}) as response:
                assert response.status == 200
        yield session


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    async with open_page(tmp_path) as page:
        yield page


@asynccontextmanager
async def open_page(folder: Path, *, prices: Prices = FREE) -> AsyncIterator[Page]:
    clock = Clock()
    async with (
        await Store.open(f"sqlite:///{folder}/reel.db") as store,
        Library(folder / "media", max_bytes=100_000) as library,
    ):
        catalogue = load()
        web = Web(store, catalogue, library, settings=Settings(), public_url=None, now=clock)
        core = Studio(
            store,
            library,
            catalogue,
            Idle(),
            rules=policy.Rules(Limits(), ("web",)),
            routes={"default": "box"},
            providers={"box": ALL},
            public=False,
            now=clock,
            rng=random.Random(1),
            **governed(store, catalogue, prices=prices, now=clock),
        )

        async def ready() -> str | None:
            return None

        app = make_app(web.routes(core), host="127.0.0.1", public_url=None, ready=ready)
        async with (
            await serve(app, "127.0.0.1", 0) as site,
            _running(web.run(core)) as running,
            person(site, store, clock, "Ann") as ann,
            person(site, store, clock, "Bob") as bob,
            person(site, None, clock, "") as stranger,
        ):
            yield Page(store, library, web, core, clock, site, running, ann, bob, stranger)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# -- sessions


API = [
    "/api/state",
    "/api/events",
    "/api/channels/studio/messages",
    "/api/messages/1",
    f"/media/{'a' * 64}/a.png",
]


@pytest.mark.parametrize("path", API)
async def test_without_a_session_the_api_answers_nothing(page: Page, path: str) -> None:
    assert (await get(page.stranger, path)).status == 401


@pytest.mark.parametrize(
    "path", ["/api/messages", "/api/channels", "/api/read", "/api/files", "/api/jobs/x/cancel", "/logout"]
)
async def test_without_a_session_nothing_can_be_done(page: Page, path: str) -> None:
    assert (await post(page.stranger, path)).status == 401


async def test_without_a_session_the_page_leads_to_the_login_page(page: Page) -> None:
    answer = await get(page.stranger, "/")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert (await get(page.stranger, "/login")).status == 200
    assert (await get(page.stranger, "/static/style.css")).status == 200
    assert (await get(page.stranger, "/static/index.html")).status == 404
    assert (await get(page.stranger, "/static/..%2fadapter.py")).status == 404


async def test_looking_at_a_login_link_does_not_use_it_up_and_using_it_does(page: Page) -> None:
    code = await make_login(page.store, name="Cleo", now=page.clock(), lasts=60)
    assert (await get(page.stranger, f"/login?code={code}")).status == 200
    statuses = []
    for _ in range(2):
        async with page.stranger.post("/login", data={"code": code}) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 403]


async def test_a_login_link_that_is_too_old_lets_nobody_in(page: Page) -> None:
    code = await make_login(page.store, name="Cleo", now=page.clock(), lasts=60)
    page.clock.time += 61
    async with page.stranger.post("/login", data={"code": code}) as answer:
        assert answer.status == 403
        assert not answer.cookies


async def test_the_cookie_is_for_this_page_only(page: Page) -> None:
    code = await make_login(page.store, name="Cleo", now=page.clock(), lasts=60)
    async with page.stranger.post("/login", data={"code": code}) as answer:
        cookie = answer.cookies["threadreel"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"


async def test_a_session_ends_with_its_time_and_with_signing_out(page: Page) -> None:
    await post(page.bob, "/logout")
    assert (await get(page.bob, "/api/state")).status == 401
    page.clock.time += 31 * 86_400
    assert (await get(page.ann, "/api/state")).status == 401


async def test_neither_codes_nor_tokens_stand_in_the_database(page: Page, tmp_path: Path) -> None:
    code = await make_login(page.store, name="Cleo", now=page.clock(), lasts=60)
    token = next(iter(page.ann.cookie_jar)).value
    written = b"".join(file.read_bytes() for file in tmp_path.glob("reel.db*"))
    assert code.encode() not in written
    assert token.encode() not in written


async def test_the_same_name_is_the_same_person_on_another_device(page: Page) -> None:
    async with person(page.site, page.store, page.clock, "ann") as other:
        first = (await get(page.ann, "/api/state")).body["me"]["id"]
        assert (await get(other, "/api/state")).body["me"]["id"] == first


# -- messages


async def test_a_message_and_its_reply_stand_where_they_were_sent(page: Page) -> None:
    root = (await page.send("hello <b>world</b>")).body["message"]
    await page.send("hi", who=page.bob, thread=root["id"], key="another-key-1")
    (seen,) = await page.in_channel()
    assert seen["body"]["text"] == "hello <b>world</b>"
    assert seen["author"]["name"] == "Ann"
    assert seen["reply_count"] == 1
    (reply,) = await page.in_channel(root["id"])
    assert reply["author"]["name"] == "Bob"


async def test_a_message_sent_twice_stands_there_once(page: Page) -> None:
    first, second = [(await page.send("hello")).body["message"]["id"] for _ in range(2)]
    assert first == second
    assert len(await page.in_channel()) == 1


async def test_nobody_can_send_with_anothers_key(page: Page) -> None:
    await page.send("mine")
    theirs = await page.send("theirs", who=page.bob)
    assert theirs.body["message"]["body"]["text"] == "theirs"


@pytest.mark.parametrize(
    "change",
    [
        {"key": "short"},
        {"key": "with spaces in it"},
        {"text": "x" * 20_001},
        {"text": "  "},
        {"unknown": 1},
        {"thread": -1},
        {"files": [{"digest": "../../etc/passwd", "name": "x"}]},
    ],
)
async def test_what_the_page_never_sends_is_refused(page: Page, change: dict[str, Any]) -> None:
    assert (await page.send(**{"text": "hello", **change})).status == 400
    assert await page.in_channel() == []


@pytest.mark.parametrize("text", ["hello", COMMAND])
@pytest.mark.parametrize("where", [{"channel": "nowhere"}, {"thread": 99}])
async def test_what_has_no_place_is_not_taken(page: Page, text: str, where: dict[str, Any]) -> None:
    assert (await page.send(text, **where)).status in (404, 422)
    assert await page.core.jobs(Actor("web", "x", "x", "web")) == []


async def test_a_channel_can_be_made_and_made_only_once(page: Page) -> None:
    made = await post(page.ann, "/api/channels", {"title": " Foxes &  friends "})
    again = await post(page.bob, "/api/channels", {"title": "foxes friends"})
    assert made.body["channel"] == again.body["channel"]
    assert made.body["channel"]["id"] == "foxes-friends"
    assert [c["title"] for c in (await get(page.bob, "/api/state")).body["channels"]][1:] == [
        "Foxes & friends"
    ]


async def test_a_channel_named_in_another_script_has_an_id_too(page: Page) -> None:
    channel = (await post(page.ann, "/api/channels", {"title": "狐狸"})).body["channel"]
    assert channel["title"] == "狐狸"
    assert (await page.send("hello", channel=channel["id"])).status == 201


async def test_earlier_messages_come_page_by_page(page: Page) -> None:
    for number in range(60):
        await page.send(str(number), key=f"message-{number:04}")
    newest = await page.in_channel()
    assert [m["body"]["text"] for m in newest] == [str(n) for n in range(10, 60)]
    before = (await get(page.ann, f"/api/channels/studio/messages?before={newest[0]['id']}")).body["messages"]
    assert [m["body"]["text"] for m in before] == [str(n) for n in range(10)]


# -- commands


async def test_a_command_becomes_a_job_and_its_card(page: Page) -> None:
    card = (await page.send(COMMAND)).body["message"]
    assert card["kind"] == "card"
    assert card["author"]["name"] == "Ann"
    assert card["body"]["text"] == COMMAND
    assert card["body"]["state"] == "waiting"
    assert card["body"]["seed"] == "7"
    job = await page.store.get(JobId(card["body"]["job"]))
    assert job is not None
    assert job.place == "web:studio"
    assert job.inputs["prompt_end"] == "a fox in flowers"


async def test_a_command_sent_twice_is_one_job_with_one_card(page: Page) -> None:
    cards = [(await page.send(COMMAND)).body["message"] for _ in range(2)]
    assert cards[0]["id"] == cards[1]["id"]
    assert len(await page.in_channel()) == 1


async def test_a_command_in_a_thread_runs_there(page: Page) -> None:
    root = (await page.send("look at this")).body["message"]["id"]
    card = (await page.send(COMMAND, thread=root, key="another-key-1")).body["message"]
    assert card["thread"] == root
    await page.show(_ready(page), card["body"]["job"], f"web:studio/{root}")
    assert [m["kind"] for m in await page.in_channel(root)] == ["card", "result"]


async def test_every_mistake_is_named_and_nothing_is_started(page: Page) -> None:
    answer = await page.send("/animate start:a fox fps:80 format:mp3 colour:red")
    assert answer.status == 422
    assert {(p["option"], p["code"]) for p in answer.body["problems"]} == {
        ("end", "missing"),
        ("fps", "out_of_range"),
        ("format", "not_a_choice"),
    }
    assert answer.body["error"].count("\n") == 2
    assert await page.in_channel() == []


async def test_an_unknown_command_gets_the_nearest_one(page: Page) -> None:
    answer = await page.send("/animat start:a fox")
    assert answer.status == 422
    assert "/animate" in answer.body["error"]


async def test_a_form_is_the_same_as_the_typed_command(page: Page) -> None:
    options = [["start", "a fox: red"], ["end", "a whale"], ["fps", "12"], ["pingpong", True]]
    card = (await page.send(order={"command": "animate", "options": options})).body["message"]
    job = await page.store.get(JobId(card["body"]["job"]))
    assert job is not None
    assert job.inputs["prompt_start"] == "a fox: red"
    assert job.inputs["gif_frames_per_second"] == 12
    assert job.inputs["gif_ping_pong"] is True


async def test_a_forms_mistakes_are_told_by_field(page: Page) -> None:
    order = {"command": "animate", "options": [["prompt_start", "a fox"], ["fps", "many"]]}
    answer = await page.send(order=order)
    assert {p["option"] for p in answer.body["problems"]} == {"fps", "end"}


async def test_what_is_being_typed_is_read_without_starting_anything(page: Page) -> None:
    read = await post(page.ann, "/api/read", {"text": "/animate a fox fps:80 pingpong"})
    assert read.body["command"] == "animate"
    assert read.body["options"] == [["start", "a fox"], ["fps", "80"], ["pingpong", True]]
    assert {p["code"] for p in read.body["problems"]} == {"missing", "out_of_range"}
    assert (await post(page.ann, "/api/read", {"text": "/nonsense"})).body["command"] is None


async def test_only_who_asked_can_cancel(page: Page) -> None:
    job = (await page.send(COMMAND)).body["message"]["body"]["job"]
    assert (await post(page.bob, f"/api/jobs/{job}/cancel")).status == 422
    assert (await post(page.ann, f"/api/jobs/{job}/cancel")).status == 202
    found = await page.store.get(JobId(job))
    assert found is not None
    assert (found.outcome, found.facts) == (Outcome.CANCELLED, {"by": "Ann"})


async def test_again_is_a_new_job_with_the_same_inputs_or_another_seed(page: Page) -> None:
    job = (await page.send(COMMAND)).body["message"]["body"]["job"]
    same = await post(page.bob, f"/api/jobs/{job}/again", {"channel": "studio", "key": "again-key-1"})
    other = await post(
        page.bob, f"/api/jobs/{job}/again", {"channel": "studio", "key": "again-key-2", "new_seed": True}
    )
    assert same.body["message"]["body"]["text"] == COMMAND
    assert same.body["message"]["author"]["name"] == "Bob"
    assert other.body["message"]["body"]["seed"] != "7"
    assert len(await page.in_channel()) == 3


async def test_a_seed_too_large_for_a_browser_stays_exact(page: Page) -> None:
    seed = "9223372036854775807"
    card = (await page.send(COMMAND.replace("seed:7", f"seed:{seed}"))).body["message"]
    assert card["body"]["seed"] == seed


# -- files


async def upload(page: Page, data: bytes, name: str) -> Answer:
    async with page.ann.post(f"/api/files?name={quote(name)}", data=data) as response:
        return await _read(response)


async def test_an_uploaded_file_goes_into_the_command_and_can_be_looked_at(page: Page) -> None:
    file = (await upload(page, still("png"), "My fox.png")).body
    attached = {"digest": file["digest"], "name": file["name"]}
    card = (await page.send("/cutout", files=[attached])).body["message"]
    job = await page.store.get(JobId(card["body"]["job"]))
    assert job is not None
    assert job.inputs["image"] == {"file": file["digest"], "name": "My fox.png"}
    async with page.bob.get(card["body"]["files"][0]["url"]) as answer:
        assert answer.content_type == "image/png"
        assert await answer.read() == still("png")


async def test_a_message_can_be_files_only(page: Page) -> None:
    file = (await upload(page, still("png"), "fox.png")).body
    message = (await page.send(files=[{"digest": file["digest"], "name": "fox.png"}])).body["message"]
    assert message["body"]["files"][0]["url"].endswith("/fox.png")


async def test_a_file_of_more_than_the_limit_is_refused_in_words(page: Page) -> None:
    answer = await upload(page, b"x" * 100_001, "huge.png")
    assert answer.status == 413
    assert "huge.png" in answer.body["error"]


async def test_a_file_of_the_wrong_kind_is_a_mistake_at_its_field(page: Page) -> None:
    file = (await upload(page, b"just words", "words.png")).body
    answer = await page.send("/cutout", files=[{"digest": file["digest"], "name": "words.png"}])
    assert [(p["option"], p["code"]) for p in answer.body["problems"]] == [("image", "not_media")]


async def test_a_file_nobody_sent_is_refused(page: Page) -> None:
    answer = await page.send("/cutout", files=[{"digest": "0" * 64, "name": "fox.png"}])
    assert answer.status == 422
    assert "fox.png" in answer.body["error"]


async def test_too_many_files_in_a_short_time_are_refused(page: Page) -> None:
    statuses = [(await upload(page, b"x", "x.png")).status for _ in range(61)]
    assert statuses == [201] * 60 + [429]


async def test_media_are_sent_in_ranges_and_kept_by_the_browser(page: Page) -> None:
    file = (await upload(page, still("png"), "fox.png")).body
    async with page.ann.get(file["url"], headers={"Range": "bytes=1-3"}) as answer:
        assert answer.status == 206
        assert await answer.read() == still("png")[1:4]
        assert "immutable" in answer.headers["Cache-Control"]
        assert "private" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize("name", ["page.html", "picture.svg", "script.js", "fox", "fox.png%22;x=.exe"])
async def test_what_could_hold_a_script_is_only_ever_saved(page: Page, name: str) -> None:
    digest = (await upload(page, b"<script>alert(1)</script>", "page.html")).body["digest"]
    answer = await get(page.ann, f"/media/{digest}/{name}")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_that_is_not_kept_is_not_found(page: Page) -> None:
    assert (await get(page.ann, f"/media/{'0' * 64}/fox.png")).status == 404


# -- show


def _ready(page: Page) -> Ready:
    media = Media("d" * 64, "animation", "image", "image/gif", 1234, 512, 256, 2.0)
    return Ready((MediaFile(media, Path("x"), "a-fox.gif"),), 12.3, Decimal("0.0123"))


async def test_a_notice_edits_the_card_that_stands_there(page: Page) -> None:
    card = (await page.send(COMMAND)).body["message"]
    await page.show(Working(0.4, 30.0), card["body"]["job"])
    (seen,) = await page.in_channel()
    assert seen["id"] == card["id"]
    assert (seen["body"]["state"], seen["body"]["fraction"], seen["body"]["eta"]) == ("working", 0.4, 30.0)


async def test_a_result_is_posted_once_however_often_it_is_shown(page: Page) -> None:
    card = (await page.send(COMMAND)).body["message"]
    posted = [await page.show(_ready(page), card["body"]["job"]) for _ in range(3)]
    assert posted[0] == posted[1] == posted[2]
    (result,) = await page.in_channel(card["id"])
    (medium,) = result["body"]["media"]
    assert medium["url"] == f"/media/{'d' * 64}/a-fox.gif"
    assert "a fox in snow" in medium["alt"]
    assert (result["body"]["took"], result["body"]["cost"]) == ("12 s", "$0.0123")
    assert (await page.in_channel())[0]["body"]["state"] == "ready"


async def test_a_card_is_shown_without_a_server_and_without_its_first_post(
    page: Page, tmp_path: Path
) -> None:
    job = (await page.send(COMMAND)).body["message"]["body"]["job"]
    worker = Web(page.store, load(), page.library, settings=Settings(), public_url=None, now=page.clock)
    look = await page.core.look(JobId(job), Actor("web", "x", "x", "web"))
    elsewhere = replace(look.card, job=JobId("another"))
    await worker.show(Post("job-another", Place("web:studio"), elsewhere, Waiting(3), None), _save)
    assert [m["body"]["job"] for m in await page.in_channel()] == [job, "another"]


async def test_a_failure_is_told_in_the_card(page: Page) -> None:
    card = (await page.send(COMMAND)).body["message"]
    await page.show(Failed("flagged", {"message": "x"}, Decimal(0)), card["body"]["job"])
    (seen,) = await page.in_channel()
    assert seen["body"]["state"] == "failed"
    assert "It cost nothing." in seen["body"]["sentence"]


async def test_a_place_that_is_no_more_is_gone_and_the_first_channel_takes_over(page: Page) -> None:
    job = (await page.send(COMMAND)).body["message"]["body"]["job"]
    with pytest.raises(Gone):
        await page.show(Waiting(), job, "web:nowhere")
    ann = Actor("web", "x", "x", "web")
    assert await page.web.fallback(Place("web:nowhere/3"), ann) == "web:studio"
    assert await page.web.fallback(Place("web:studio"), ann) is None


# -- events


class Stream:
    """A reader of the events, as a browser is one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, int | None, Any]:
        """The next event: its kind, id and data."""
        kind, number = "message", None
        async with asyncio.timeout(5):
            async for line in self._response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    number = int(value)
                elif name == "event":
                    kind = value
                elif name == "data":
                    return kind, number, json.loads(value)
        raise EOFError


@asynccontextmanager
async def listening(who: aiohttp.ClientSession, after: int = 0, **headers: str) -> AsyncIterator[Stream]:
    async with who.get(f"/api/events?after={after}", headers=headers) as response:
        assert response.content_type == "text/event-stream"
        yield Stream(response)


async def test_what_is_said_is_heard_at_once_by_everybody(page: Page) -> None:
    last = (await get(page.bob, "/api/state")).body["last"]
    async with listening(page.ann, last) as ann, listening(page.bob, last) as bob:
        await page.send("hello")
        for stream in (ann, bob):
            kind, number, data = await stream.next()
            assert (kind, data["body"]["text"]) == ("message", "hello")
            assert number is not None
            assert number > last


async def test_a_reader_that_comes_back_hears_what_it_has_missed(page: Page) -> None:
    async with listening(page.ann) as stream:
        await page.send("one")
        _, seen, _ = await stream.next()
    await page.send("two", key="another-key-2")
    await page.send("three", key="another-key-3")
    async with listening(page.ann, 0, **{"Last-Event-ID": str(seen)}) as stream:
        heard = [(await stream.next())[2]["body"]["text"] for _ in range(2)]
    assert heard == ["two", "three"]


async def test_what_another_process_writes_is_heard_too(page: Page) -> None:
    async with listening(page.ann) as stream:
        author = {"id": "x", "name": "X"}
        await page.store.chat.post(
            "studio", thread=None, author=author, kind="text", body={"text": "hi"}, key=None, now=page.clock()
        )
        assert (await stream.next())[2]["body"]["text"] == "hi"


async def test_a_reader_whose_events_are_forgotten_is_told_to_begin_anew(page: Page) -> None:
    for number in range(3):
        await page.send(str(number), key=f"message-{number:04}")
        page.clock.time += 10
    await page.store.chat.forget_events_before(page.clock())
    async with listening(page.ann, 1) as stream:
        assert (await stream.next())[0] == "reset"


async def test_a_reader_that_knows_more_than_there_is_begins_anew(page: Page) -> None:
    async with listening(page.ann, 999) as stream:
        assert (await stream.next())[0] == "reset"


async def test_a_stream_ends_with_its_session(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.web.events.HEARTBEAT", 0.05)
    async with listening(page.bob) as stream:
        await post(page.bob, "/logout")
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_server_that_ends_lets_its_readers_go(page: Page) -> None:
    async with listening(page.ann) as stream:
        page.running.cancel()
        with pytest.raises(EOFError):
            await stream.next()
        async with asyncio.timeout(1):
            await page.site.close()


# -- markup


async def test_markup_stays_text_on_its_way(page: Page) -> None:
    said = '<img src=x onerror="alert(1)">'
    card = (await page.send(f'/draw prompt:"{said}"')).body["message"]
    assert said in card["body"]["text"]
    async with page.ann.get("/api/channels/studio/messages") as answer:
        assert answer.content_type == "application/json"


def test_a_card_is_a_card() -> None:
    """Guards the names that the page's script reads."""
    from adapters.web import render

    actor = Actor("web", "x", "X", "web")
    about = Card(JobId("j"), actor, "animate", "/animate start:a", {}, None, 1.0)
    body = render.card(about, Waiting(2, 9.0), "Title")
    assert {"job", "state", "word", "sentence", "text", "seed", "media", "asked_by", "ahead", "eta"} <= set(
        body
    )


async def test_a_page_that_is_switched_off_has_no_routes(page: Page) -> None:
    off = Settings(enabled=False)
    web = Web(page.store, load(), page.library, settings=off, public_url=None, now=page.clock)
    assert web.routes(page.core) == []
