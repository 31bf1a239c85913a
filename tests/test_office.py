"""What those who look after a server do: moderation, the audit, and money that runs on their own key."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from bot.errors import Refused
from bot.jobs import JobId, Outcome, State
from bot.ports import Action, Failed, Ready
from bot.prices import Price, Prices
from bot.rules import SERVER, Change
from bot.sandbox.work import Piece, Report, Work
from bot.store.audit import insert_records
from tests.governed import DEAR
from tests.rig import ANNA, Rig, eventually, rig, tiny
from tests.test_engine import halt_in, is_in
from tests.test_isolation import BOSS

BEN = replace(ANNA, id="ben", name="Ben")
KEY = "r8_0123456789abcdefghijklmnop"


async def audit(studio: Rig) -> list[tuple[str, str, str]]:
    """What was done, oldest first: who, what, to what."""
    found = await studio.core.admin.audit(BOSS)
    return [(one.by_name, one.action.value, one.subject) for one in reversed(found)]


# -- moderation


async def test_jobs_of_everybody_are_listed_cancelled_and_deleted_and_the_audit_tells(tmp_path: Path) -> None:
    may_end = threading.Event()
    may_end.set()

    def make(work: Work, report: Report) -> Iterator[Piece]:
        while not may_end.wait(0.02):
            report("10%|#         | 1/10 [00:00<00:09, 1.0it/s]\n")
        yield from tiny(work, report)

    async with rig(tmp_path, make=make) as studio:
        office = studio.core.admin
        done = await studio.ended(await studio.order())
        may_end.clear()
        runs = await studio.order()
        await eventually(lambda: is_in(studio, runs, State.RUNNING), "it runs")
        assert [look.job.id for look in await office.jobs(BOSS)] == [runs.id, done.id]
        assert await office.jobs(BOSS, person="ben") == []
        with pytest.raises(Refused, match="still_running"):
            await office.remove(runs.id, BOSS)

        await office.cancel(runs.id, BOSS)
        assert (await studio.ended(runs)).outcome is Outcome.CANCELLED
        look = await office.remove(done.id, BOSS)

        assert isinstance(look.notice, Ready), "what stands there is told, so that it can be taken down"
        kept = await studio.store.get(done.id)
        assert kept is not None
        assert (kept.media, dict(kept.inputs)) == ((), {})
        gone = (await studio.core.look(done.id, ANNA)).notice
        assert isinstance(gone, Failed)
        assert (gone.code, gone.facts) == ("removed", {"by": "Boss"})
        assert await audit(studio) == [
            ("Anna", "ran", f"job {done.id}"),
            ("Anna", "ran", f"job {runs.id}"),
            ("Boss", "cancelled", f"job {runs.id}"),
            ("Boss", "removed", f"job {done.id}"),
        ]
        may_end.set()


@pytest.mark.parametrize("who", [ANNA, BEN, replace(BOSS, server="elsewhere"), replace(BOSS, server="@boss")])
async def test_nobody_else_may(tmp_path: Path, who: object) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        office, actor = studio.core.admin, who
        for call in (
            office.cancel(job.id, actor),  # type: ignore[arg-type]
            office.remove(job.id, actor),  # type: ignore[arg-type]
        ):
            with pytest.raises(Refused, match=r"not_admin|not_found"):
                await call
        assert await studio.store.get(job.id) == job


async def test_a_block_has_an_end_and_a_reason_and_nobody_blocks_themselves(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        office, now = studio.core.admin, studio.core._now()
        with pytest.raises(Refused, match="cannot_block_self"):
            await office.block(BOSS, BOSS.id, "Boss")
        with pytest.raises(Refused, match="ends_before_now"):
            await office.block(BOSS, ANNA.id, "Anna", until=now - 1)
        await office.block(BOSS, ANNA.id, "Anna", reason=" spam " + "x" * 999, until=now + 5)
        (one,) = await office.people(BOSS)
        assert (one.reason[:5], len(one.reason), one.by) == ("spam ", 500, "Boss")
        with pytest.raises(Refused, match="blocked"):
            await studio.order()

        async def over() -> bool:
            return await office.people(BOSS) == []

        await eventually(over, "it has ended", 20)
        await studio.ended(await studio.order())


async def test_what_a_provider_flags_is_never_shown_and_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="flag")
        job = await studio.ended(await studio.order())

        assert (job.outcome, job.code, job.media) == (Outcome.FAILED, "flagged", ())
        (said,) = studio.board.finals(job)
        assert isinstance(said, Failed)
        with pytest.raises(Refused, match="nothing_to_report"):
            await studio.core.report(job.id, BEN)


async def test_a_report_is_news_once_for_each_who_reports(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        await studio.core.report(job.id, BEN, "not nice")
        with pytest.raises(Refused, match="reported"):
            await studio.core.report(job.id, BEN, "not nice at all")
        with pytest.raises(Refused, match="not_found"):
            await studio.core.report(JobId("nojob2345678"), BEN)

        (news,) = await studio.store.notices.recent(ANNA.platform, ANNA.server)
        assert (news.code, news.facts["reason"], news.facts["owner"]) == ("report", "not nice", "Anna")


# -- the audit


async def test_the_audit_says_from_what_to_what_page_by_page(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        office = studio.core.admin
        for number in range(5):
            await office.change(BOSS, [Change(SERVER, "limit.person.per_day", str(number))])
        first = await office.audit(BOSS, limit=3)
        rest = await office.audit(BOSS, limit=3, before=first[-1].id)

        assert [(one.before, one.after) for one in [*first, *rest]] == [
            (3, 4),
            (2, 3),
            (1, 2),
            (0, 1),
            (None, 0),
        ]
        assert {(one.action, one.subject) for one in first} == {(Action.SET, "server limit.person.per_day")}
        assert await office.change(BOSS, [Change(SERVER, "limit.person.per_day", "4")]) == ()
        assert len(await office.audit(BOSS)) == 5, "what changes nothing is no change"


async def test_as_csv_it_is_complete_and_runs_in_no_spreadsheet(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        office = studio.core.admin
        await office.block(replace(BOSS, name="@Boss"), "p0", "=1+1", reason="=1+1")
        (one,) = await office.audit(BOSS)
        more = [replace(one, subject=f"person p{number}") for number in range(1, 1200)]
        add = partial(insert_records, ANNA.platform, ANNA.server, more)
        await studio.store._database.write(add)

        rows = list(csv.DictReader(io.StringIO(await office.audit_csv(BOSS))))

        assert [row["subject"] for row in rows] == [f"person p{number}" for number in range(1200)]
        assert rows[0]["by_name"] == "'@Boss"
        cells = [cell for row in rows for cell in row.values()]
        assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


# -- money


async def test_what_runs_on_the_servers_own_key_is_told_apart(tmp_path: Path) -> None:
    async with rig(
        tmp_path, kind="replicate", prices=DEAR, own_keys=True, sandbox_options={"more_tokens": [KEY]}
    ) as studio:
        office = studio.core.admin
        first = await studio.ended(await studio.order())
        await office.set_key(BOSS, "box", KEY)
        second = await studio.ended(await studio.order())

        payers = {}
        for job in (first, second):
            charge = await studio.store.ledger.charge(job.id)
            assert charge is not None
            payers[job.provider] = (charge.payer, charge.server_held)
        assert payers == {
            "box": ("installation", 400_000),
            f"box@{ANNA.platform}:{ANNA.server}": ("server", 400_000),
        }
        used = {one.code: one.used for one in (await office.money(BOSS)).budgets}
        assert used == {
            "budget_server_day": Decimal("0.80"),
            "budget_server_month": Decimal("0.80"),
            "own_keys_month": Decimal("0.40"),
        }


async def test_an_open_charge_waits_for_a_word_and_is_settled_once(tmp_path: Path) -> None:
    prices = Prices({"imagine": Price(Decimal(0), Decimal("0.01"), 40, True, "a bill")}, {})
    async with rig(tmp_path, prices=prices) as studio:
        office = studio.core.admin
        await halt_in(studio, State.RUNNING)
        job = await studio.order()
        await eventually(lambda: is_in(studio, job, State.RUNNING), "it runs")
        held = await studio.store.get(job.id)
        assert held is not None
        await studio.store.ended(
            held, Outcome.UNKNOWN, now=studio.core._now(), code="vanished", facts={}, cost=None
        )

        (charge,) = (await office.money(BOSS)).open
        assert (charge.job, charge.reserved) == (job.id, Decimal("0.40"))
        for wrong in ("-1", "NaN", "2000000"):
            with pytest.raises(Refused, match="bad_amount"):
                await office.settle(BOSS, job.id, Decimal(wrong))
        await office.settle(BOSS, job.id, Decimal("0.25"))
        with pytest.raises(Refused, match="not_open"):
            await office.settle(BOSS, job.id, Decimal("0.25"))

        statement = await office.money(BOSS)
        assert (statement.open, statement.budgets[0].used) == ((), Decimal("0.25"))
        assert await studio.store.ledger.check() == []
