"""/admin over real HTTP: who may, settings, people, jobs, audit, keys, money, files; the page's own part."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from adapters import words
from adapters.web.controls import control_of, group_of
from adapters.web.places import Spot
from bot.catalogue import load
from bot.jobs import Actor, Job, JobId, State
from bot.ports import Telling
from bot.rules import GROUPS, all_names
from tests.store_rig import KEPT, accepted, started, succeed
from tests.test_web_api import COMMAND, KEY, Answer, Page, _ready, get, person, post
from tests.test_web_api import page as page  # a fixture

WEB = Actor("web", "the-owner", "Owner", "web", manages=True)

READS = [
    "/api/admin/state",
    "/api/admin/settings",
    "/api/admin/export",
    "/api/admin/people",
    "/api/admin/jobs",
    "/api/admin/audit",
    "/api/admin/audit.csv",
    "/api/admin/keys",
    "/api/admin/money",
]
WRITES: dict[str, dict[str, Any]] = {
    "/api/admin/settings": {"scope": "server", "changes": {"models": "imagine"}},
    "/api/admin/import": {"text": ""},
    "/api/admin/import/apply": {"text": "", "revision": 0},
    "/api/admin/people": {"person": "x", "standing": "blocked"},
    "/api/admin/jobs/abc/cancel": {},
    "/api/admin/jobs/abc/remove": {},
    "/api/admin/keys": {"provider": "box", "key": "k"},
    "/api/admin/keys/drop": {"provider": "box"},
    "/api/admin/money/settle": {"job": "abc", "cost": "1"},
}


@pytest.fixture
async def owner(page: Page) -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who came by a link for those who look after the page."""
    async with person(page.site, page.store, page.clock, "Owner", manages=True) as session:
        yield session


async def change(owner: aiohttp.ClientSession, scope: str = "server", **changes: Any) -> Answer:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return await post(owner, "/api/admin/settings", {"scope": scope, "changes": named})


async def setting(owner: aiohttp.ClientSession, key: str, scope: str = "server") -> dict[str, Any]:
    answer = await get(owner, f"/api/admin/settings?scope={scope}")
    assert answer.status == 200
    return next(one for group in answer.body["groups"] for one in group["settings"] if one["key"] == key)


async def id_of(session: aiohttp.ClientSession) -> str:
    return str((await get(session, "/api/state")).body["me"]["id"])


async def order(page: Page, who: aiohttp.ClientSession | None = None, key: str = KEY) -> str:
    """A job of Ann's, or of somebody else's."""
    answer = await page.send(COMMAND, who=who, key=key)
    assert answer.status == 201, answer.body
    return str(answer.body["message"]["body"]["job"])


async def finish(page: Page, job: str) -> Job:
    """Bring the one job there is to a good end, and post its result."""
    (current,) = await started(page.store, now=page.clock())
    assert current.id == job
    current = await page.store.submitted(current, "prediction", now=page.clock())
    current = await page.store.fetched(await succeed(page.store, current), [KEPT], now=page.clock())
    return await page.store.delivered(current, await page.show(_ready(page), job), now=page.clock())


# -- who may


@pytest.mark.parametrize("path", READS)
async def test_only_who_looks_after_the_page_can_read(
    page: Page, owner: aiohttp.ClientSession, path: str
) -> None:
    assert (await get(page.stranger, path)).status == 401
    refused = await get(page.ann, path)
    assert (refused.status, refused.body["error"]) == (403, words.say("refused.not_admin", {}))
    assert (await get(owner, path)).status == 200


@pytest.mark.parametrize("path", WRITES)
async def test_only_who_looks_after_the_page_can_change_anything(
    page: Page, owner: aiohttp.ClientSession, path: str
) -> None:
    assert (await post(page.stranger, path, WRITES[path])).status == 401
    assert (await post(page.ann, path, WRITES[path])).status == 403
    assert (await setting(owner, "models"))["value"] is None
    assert (await get(owner, "/api/admin/people")).body["people"] == []


@pytest.mark.parametrize("path", WRITES)
async def test_no_other_sites_page_can_change_anything(owner: aiohttp.ClientSession, path: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        async with owner.post(path, json=WRITES[path], headers=headers) as answer:
            assert answer.status == 403
    form = aiohttp.FormData({"person": "x", "standing": "blocked"})
    async with owner.post("/api/admin/people", data=form) as answer:
        assert answer.status == 415, "a form of another site's can't be taken for ours"


async def test_the_link_makes_who_looks_after_it_not_the_name(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    async with person(page.site, page.store, page.clock, "Owner") as other:
        assert await id_of(other) == await id_of(owner)
        assert (await get(other, "/api/admin/state")).status == 403
        assert (await get(other, "/api/state")).body["me"]["admin"] is False
    assert (await get(owner, "/api/state")).body["me"]["admin"] is True


async def test_whom_the_setting_names_looks_after_it_too(page: Page, owner: aiohttp.ClientSession) -> None:
    assert (await change(owner, admins=[await id_of(page.ann)])).status == 200
    assert (await get(page.ann, "/api/admin/state")).status == 200
    assert (await get(page.ann, "/api/state")).body["me"]["admin"] is True
    assert (await get(page.bob, "/api/admin/state")).status == 403
    assert (await change(owner, admins=None)).status == 200
    assert (await get(page.ann, "/api/admin/state")).status == 403


async def test_the_frame_of_admin_is_for_who_is_signed_in(page: Page, owner: aiohttp.ClientSession) -> None:
    answer = await get(page.stranger, "/admin")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    shown = await get(owner, "/admin")
    assert shown.status == 200
    assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    assert "unsafe" not in shown.headers["Content-Security-Policy"]


# -- settings


async def test_what_is_set_holds_from_the_next_order_on(page: Page, owner: aiohttp.ClientSession) -> None:
    await order(page)
    answer = await change(owner, models="imagine")
    assert answer.body["changed"] == [
        {"scope": "server", "key": "models", "before": None, "after": "imagine"}
    ]
    shown = await setting(owner, "models")
    assert (shown["value"], shown["origin"], shown["here"]) == (["imagine"], "server", True)

    refused = await page.send(COMMAND, key="key-1111111111")
    assert refused.status == 422
    assert refused.body["error"] == words.say("refused.model_off", {"model": "animate"})

    assert (await change(owner, models=None)).status == 200
    assert (await page.send(COMMAND, key="key-2222222222")).status == 201


async def test_a_channel_has_settings_of_its_own(page: Page, owner: aiohttp.ClientSession) -> None:
    await post(page.ann, "/api/channels", {"title": "Quiet"})
    assert (await change(owner, "channel:quiet", models="imagine")).status == 200

    assert (await page.send(COMMAND, channel="quiet")).status == 422
    assert (await page.send(COMMAND, key="key-1111111111")).status == 201
    assert (await get(owner, "/api/admin/settings")).body["scopes"] == ["channel:quiet"]
    seen = await setting(owner, "models", "channel:quiet")
    assert (seen["value"], seen["origin"]) == (["imagine"], "channel:quiet")
    assert (await setting(owner, "models"))["value"] is None
    keys = (await get(owner, "/api/admin/settings?scope=channel:quiet")).body["groups"]
    names = {one["key"] for group in keys for one in group["settings"]}
    assert "timezone" not in names, "only what can be set for a channel"


async def test_every_mistake_is_told_and_nothing_is_changed(page: Page, owner: aiohttp.ClientSession) -> None:
    answer = await change(owner, modells="x", limit__person__per_day="many", budget__server__day="1.50")
    assert answer.status == 422
    assert {one["option"] for one in answer.body["problems"]} == {"modells", "limit.person.per_day"}
    assert all(one["text"] and "{" not in one["text"] for one in answer.body["problems"])
    assert (await setting(owner, "budget.server.day"))["value"] is None


@pytest.mark.parametrize("scope", ["", "servers", "channel:", "planet:mars", f"channel:{'x' * 200}"])
async def test_a_scope_that_is_none_is_not_understood(owner: aiohttp.ClientSession, scope: str) -> None:
    assert (await get(owner, f"/api/admin/settings?scope={scope}")).status == 400
    assert (await change(owner, scope, models="imagine")).status == 400


def test_every_setting_has_a_control_a_group_and_words() -> None:
    catalogue = load()
    for name in all_names(catalogue):
        assert control_of(name, catalogue)["kind"]
        assert group_of(name, catalogue) in (*GROUPS, "inputs")
        for language in words.languages():
            assert words.setting(name, language) != name
    for group in (*GROUPS, "inputs"):
        assert words.say(f"group.{group}", {}) != words.say("group.nobody_knows", {})


# -- files


async def test_what_is_exported_can_be_changed_and_imported(page: Page, owner: aiohttp.ClientSession) -> None:
    await change(owner, models="imagine", words=["gore"])
    async with owner.get("/api/admin/export") as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        text = await answer.text()
    assert tomllib.loads(text)["models"] == ["imagine"]

    proposal = await post(owner, "/api/admin/import", {"text": text.replace("imagine", "animate")})
    assert proposal.body["changes"] == [
        {"scope": "server", "key": "models", "before": "imagine", "after": "animate"}
    ]
    assert (await setting(owner, "models"))["value"] == ["imagine"], "nothing is changed by looking"

    body = {"text": text.replace("imagine", "animate"), "revision": proposal.body["revision"]}
    assert (await post(owner, "/api/admin/import/apply", body)).status == 200
    assert (await setting(owner, "models"))["value"] == ["animate"]
    again = await post(owner, "/api/admin/import/apply", body)
    assert (again.status, again.body["error"]) == (422, words.say("refused.settings_changed", {}))


@pytest.mark.parametrize("text", ["models = [", "modells = 1\nwords = 7", '[channel]\n"1" = 3'])
async def test_a_file_with_mistakes_is_refused_whole(owner: aiohttp.ClientSession, text: str) -> None:
    answer = await post(owner, "/api/admin/import", {"text": text})
    assert answer.status == 422
    assert answer.body["error"]
    assert "{" not in answer.body["error"]


# -- people


async def test_who_is_blocked_starts_nothing_until_it_ends(page: Page, owner: aiohttp.ClientSession) -> None:
    ann = await id_of(page.ann)
    body = {"person": ann, "name": "Ann", "standing": "blocked", "reason": "spam"}
    answer = await post(owner, "/api/admin/people", {**body, "until": page.clock() + 3600})
    (told,) = answer.body["people"]
    assert (told["id"], told["standing"], told["reason"], told["by"]) == (ann, "blocked", "spam", "Owner")

    assert (await page.send(COMMAND)).status == 422
    assert (await page.send(COMMAND, who=page.bob)).status == 201
    page.clock.time += 3601
    assert (await page.send(COMMAND)).status == 201
    assert (await get(owner, "/api/admin/people")).body["people"] == []


async def test_a_block_can_be_taken_back_and_nobody_blocks_themselves(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    ann = await id_of(page.ann)
    await post(owner, "/api/admin/people", {"person": ann, "standing": "blocked"})
    answer = await post(owner, "/api/admin/people", {"person": ann, "standing": "none"})
    assert answer.body["people"] == []
    assert (await page.send(COMMAND)).status == 201
    own = await post(owner, "/api/admin/people", {"person": await id_of(owner), "standing": "blocked"})
    assert own.body["error"] == words.say("refused.cannot_block_self", {})


# -- jobs


async def test_everybodys_jobs_are_listed_and_can_be_cancelled(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    mine, theirs = await order(page), await order(page, page.bob)
    listed = (await get(owner, "/api/admin/jobs")).body["jobs"]
    assert {one["id"] for one in listed} == {mine, theirs}
    only = (await get(owner, f"/api/admin/jobs?person={await id_of(page.bob)}")).body["jobs"]
    assert [(one["id"], one["person"]["name"], one["channel"]) for one in only] == [(theirs, "Bob", "studio")]
    assert (await post(owner, f"/api/admin/jobs/{theirs}/cancel")).status == 202
    found = await page.store.get(JobId(theirs))
    assert found is not None
    assert found.facts == {"by": "Owner"}


async def test_a_deleted_result_is_gone_from_the_page_with_its_prompt(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    job = await order(page)
    still = await post(owner, f"/api/admin/jobs/{job}/remove")
    assert still.status == 422, "it still runs"
    await finish(page, job)
    (card,) = await page.in_channel()

    assert (await post(owner, f"/api/admin/jobs/{job}/remove")).status == 200

    (gone,) = await page.in_channel()
    (result,) = await page.in_channel(card["id"])
    assert [(one["kind"], one["body"]) for one in (gone, result)] == [
        ("gone", {"text": "Deleted by Owner."})
    ] * 2
    events = str([event.data for event in await page.store.chat.events_after(0)])
    assert "a fox in snow" not in events
    kept = await page.store.get(JobId(job))
    assert kept is not None
    assert "a fox" not in str(kept.inputs)


async def test_jobs_of_other_servers_are_as_if_they_never_were(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    made = await accepted(page.store, "foreign", Actor("discord", "eve", "Eve", "1"))
    for what in ("cancel", "remove"):
        for job in (made.id, "nosuchjob"):
            answer = await post(owner, f"/api/admin/jobs/{job}/{what}")
            assert (answer.status, answer.body["error"]) == (422, words.say("refused.not_found", {}))
    assert (await get(owner, "/api/admin/jobs")).body["jobs"] == []
    found = await page.store.get(made.id)
    assert found is not None
    assert found.state is State.QUEUED


# -- the audit


async def test_what_is_done_is_told_in_the_audit_page_by_page(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    for number in range(55):
        await change(owner, limit__server__per_day=str(number + 1))
    first = (await get(owner, "/api/admin/audit")).body
    assert (len(first["records"]), first["more"]) == (50, True)
    newest = first["records"][0]
    assert (newest["by"], newest["action"], newest["before"], newest["after"]) == ("Owner", "set", "54", "55")
    older = (await get(owner, f"/api/admin/audit?before={first['records'][-1]['id']}")).body
    assert (len(older["records"]), older["more"]) == (5, False)
    assert (await get(owner, "/api/admin/audit?before=-1")).status == 400


async def test_the_audit_as_csv_holds_nothing_that_a_spreadsheet_would_run(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    body = {"person": "x", "name": "=cmd()", "standing": "blocked", "reason": "=HYPERLINK(1)"}
    await post(owner, "/api/admin/people", body)
    async with owner.get("/api/admin/audit.csv") as answer:
        assert answer.content_type == "text/csv"
        rows = list(csv.reader(io.StringIO(await answer.text())))
    assert rows[0][0] == "id"
    assert rows[-1][5] == "person x"
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


# -- keys and money


async def test_a_settled_amount_must_be_one(page: Page, owner: aiohttp.ClientSession) -> None:
    for cost in ("much", "-1", "NaN", "1e99"):
        answer = await post(owner, "/api/admin/money/settle", {"job": "abc", "cost": cost})
        assert (answer.status, answer.body["error"]) == (422, words.say("refused.bad_amount", {})), cost
    answer = await post(owner, "/api/admin/money/settle", {"job": "abc", "cost": "$1.25"})
    assert (answer.status, answer.body["error"]) == (422, words.say("refused.not_open", {}))


async def test_budgets_are_told_with_what_is_used_of_them(page: Page, owner: aiohttp.ClientSession) -> None:
    await change(owner, budget__server__month="25", timezone="Europe/Zurich")
    told = (await get(owner, "/api/admin/money")).body
    month = next(one for one in told["budgets"] if one["limit"])
    assert (month["used"], month["limit"], month["share"]) == ("$0.00", "$25.00", 0.0)
    assert told["zone"] == "Europe/Zurich"
    assert told["open"] == []


async def test_a_provider_that_is_none_takes_no_key(page: Page, owner: aiohttp.ClientSession) -> None:
    answer = await post(owner, "/api/admin/keys", {"provider": "nobody", "key": "r8_secret"})
    assert answer.status == 422
    assert "r8_secret" not in str(answer.body)
    assert (await get(owner, "/api/admin/keys")).body["keys"] == []


# -- news


async def test_news_stand_in_their_channel_once_and_on_admin(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    telling = Telling("budget-1", "web", "budget_used_up", {"limit": "25"}, "studio")
    await page.web.tell(telling)
    await page.web.tell(telling)
    assert [one["author"]["bot"] for one in await page.in_channel()] == [True]
    for place in (None, "nowhere"):
        await page.web.tell(Telling(f"other-{place}", "web", "budget_used_up", {}, place))
    assert len(await page.in_channel()) == 1

    await page.store.notices.add("n1", "web", "web", "budget_used_up", {}, now=page.clock())
    await page.store.notices.add("n2", "discord", "1", "budget_used_up", {}, now=page.clock())
    news = (await get(owner, "/api/admin/state")).body["news"]
    assert len(news) == 1, "of this server only"


# -- the page's own part


async def test_the_language_that_is_set_is_what_everybody_reads(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    await change(owner, language="zh")
    answer = await page.send("/animat")
    assert answer.body["error"] == words.say(
        "problem.unknown_command", {"option": "animat", "nearest": "/animate"}, "zh"
    )
    state = (await get(page.ann, "/api/state")).body
    assert state["words"]["my_data"] == words.say("web_admin.my_data", {}, "zh")


async def test_results_stand_in_the_channel_where_that_is_set(
    page: Page, owner: aiohttp.ClientSession
) -> None:
    await change(owner, results="channel")
    job = await order(page)
    found = await page.store.get(JobId(job))
    assert found is not None
    assert found.place == "web:studio!"
    await page.show(_ready(page), job, found.place)
    assert [one["kind"] for one in await page.in_channel()] == ["card", "result"]


@pytest.mark.parametrize("spot", [Spot("studio"), Spot("a", 7), Spot("a", None, True), Spot("a", 7, True)])
def test_a_spot_outlives_its_way_through_the_core(spot: Spot) -> None:
    assert Spot.read(spot.place) == spot


async def test_a_result_can_be_reported_once(page: Page, owner: aiohttp.ClientSession) -> None:
    job = await order(page)
    await finish(page, job)
    path = f"/api/jobs/{job}/report"
    assert (await post(page.bob, path, {"reason": "not nice"})).status == 201
    assert (await post(page.bob, path)).body["error"] == words.say("refused.reported", {})
    assert len((await get(owner, "/api/admin/state")).body["news"]) == 1


async def test_my_data_are_mine_with_what_i_said(page: Page) -> None:
    await page.send("my own words")
    await page.send("somebody else's", who=page.bob)
    await order(page, key="key-1111111111")
    async with page.ann.get("/api/me/data") as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        kept = await answer.json()
    assert "my own words" in str(kept)
    assert "a fox in snow" in str(kept)
    assert "somebody else's" not in str(kept)


async def test_who_asks_to_be_forgotten_is(page: Page) -> None:
    await page.send("my own words")
    job = await order(page, key="key-1111111111")
    await finish(page, job)
    await page.send("an answer", who=page.bob, key="key-2222222222")

    assert (await post(page.ann, "/api/me/forget")).status == 200

    assert (await get(page.ann, "/api/state")).status == 401
    seen = (await get(page.bob, "/api/channels/studio/messages")).body["messages"]
    assert [one["kind"] for one in seen] == ["gone", "gone", "text"]
    assert [one["author"]["name"] for one in seen] == ["Somebody", "Somebody", "Bob"]
    everything = str(seen) + str([event.data for event in await page.store.chat.events_after(0)])
    for trace in ("my own words", "a fox in snow", "Ann"):
        assert trace not in everything
    async with person(page.site, page.store, page.clock, "Ann") as ann:
        async with ann.get("/api/me/data") as answer:
            kept = await answer.json()
        assert kept["messages"] == []
        assert job not in str(kept)
