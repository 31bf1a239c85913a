"""`threadreel doctor`: what is wrong is found before it matters, with what mends it."""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from rich.console import Console

from adapters.doctor import examine, health_at, report
from adapters.findings import Finding, Level
from bot.catalogue import Catalogue, load
from bot.config import Http, MediaSettings, ProviderSettings, Settings, StoreSettings
from bot.http import make_app
from bot.http import serve as serve_app
from bot.providers import Client, connect
from bot.sandbox.server import Sandbox, serve
from bot.store import Store
from tests.rig import Rig, rig, tiny

GB = 2**30


def client_for(name: str, provider: ProviderSettings) -> Client:
    token = provider.token.get_secret_value() if provider.token else "sandbox"
    return connect(provider.kind, name, provider.base_url, token)


def settings(folder: Path, providers: Mapping[str, Any], **more: Any) -> Settings:
    return Settings(
        providers={name: ProviderSettings(**table) for name, table in providers.items()},
        media=MediaSettings(folder=folder / "data/media"),
        store=StoreSettings(url=f"sqlite:///{folder}/data/threadreel.db"),
        **more,
    )


async def looked_at(
    given: Settings, *, catalogue: Catalogue | None = None, free: int = 100 * GB
) -> list[Finding]:
    return await examine(
        given,
        catalogue=catalogue or load(),
        client_for=client_for,
        free_bytes=lambda _: free,
        health=healthy,
    )


async def healthy(address: str) -> str:
    return '{"status": "ok"}'


def about(findings: list[Finding], text: str) -> Finding:
    (found,) = [finding for finding in findings if text in finding.what]
    return found


def bad(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level is not Level.OK]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "rig", start=False) as studio:
        yield studio


def to(base_url: str, **more: Any) -> dict[str, Any]:
    return {"box": {"kind": "sandbox", "base_url": base_url, **more}}


# -- all is well


async def test_a_sound_installation_gets_nothing_but_ok(tmp_path: Path, sandbox: Rig) -> None:
    findings = await looked_at(settings(tmp_path, to(sandbox.base_url)))
    assert bad(findings) == []
    assert [finding.what for finding in findings if "as in the catalogue" in finding.what] == [
        f"box: /{model.command} ({model.full_name}): as in the catalogue" for model in load()
    ]
    assert not (tmp_path / "data").exists(), "nothing is made"


async def test_a_sandbox_of_ones_own_needs_no_look(tmp_path: Path) -> None:
    findings = await looked_at(settings(tmp_path, {"sandbox": {"kind": "sandbox"}}))
    assert about(findings, "started with the bot").level is Level.OK


async def test_only_the_models_that_a_provider_runs_are_looked_up(tmp_path: Path, sandbox: Rig) -> None:
    providers = {"first": {"kind": "sandbox"}, **to(sandbox.base_url)}
    findings = await looked_at(settings(tmp_path, providers, routes={"music": "box"}))
    assert [finding.what.split()[1] for finding in findings if "catalogue" in finding.what] == ["/music"]


async def test_who_only_stands_in_is_looked_at_too(tmp_path: Path, sandbox: Rig) -> None:
    providers = {"first": {"kind": "sandbox"}, **to(sandbox.base_url)}
    findings = await looked_at(settings(tmp_path, providers, routes={"music": ["first", "box"]}))
    assert [finding.what.split()[1] for finding in findings if "catalogue" in finding.what] == ["/music"]


# -- this machine


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_that_cant_be_written_is_bad(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    findings = await looked_at(settings(tmp_path, {"s": {"kind": "sandbox"}}))
    assert about(findings, "[media] folder").level is Level.BAD


async def test_a_file_where_a_folder_should_be_is_bad(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    found = about(await looked_at(settings(tmp_path, {"s": {"kind": "sandbox"}})), "[media] folder")
    assert found.level is Level.BAD
    assert "can't be written: Not a directory" in found.what
    assert found.remedy


async def test_no_database_is_promised_where_its_folder_is_bad(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    findings = await looked_at(settings(tmp_path, {"s": {"kind": "sandbox"}}))
    assert about(findings, "[store] folder").level is Level.BAD
    assert not [finding for finding in findings if "database:" in finding.what]


@pytest.mark.parametrize(("free", "level"), [(GB // 10, Level.BAD), (GB, Level.WARN), (100 * GB, Level.OK)])
async def test_little_room_is_told_before_there_is_none(tmp_path: Path, free: int, level: Level) -> None:
    findings = await looked_at(settings(tmp_path, {"s": {"kind": "sandbox"}}), free=free)
    assert about(findings, "[media] folder").level is level
    assert about(findings, "[store] folder").level is level


async def test_the_database_is_looked_at_and_left_as_it_is(tmp_path: Path) -> None:
    given = settings(tmp_path, {"s": {"kind": "sandbox"}})
    assert "will be made" in about(await looked_at(given), "database:").what
    path = tmp_path / "data/threadreel.db"
    async with await Store.open(given.store.url):
        assert "is up to date" in about(await looked_at(given), "database:").what, "while it is in use, too"
    before = path.read_bytes()
    assert "is up to date" in about(await looked_at(given), "database:").what
    assert path.read_bytes() == before


async def test_a_ledger_that_does_not_add_up_is_told(tmp_path: Path) -> None:
    given = settings(tmp_path, {"s": {"kind": "sandbox"}})
    async with await Store.open(given.store.url):
        assert about(await looked_at(given), "ledger:").level is Level.OK
    with contextlib.closing(sqlite3.connect(tmp_path / "data/threadreel.db")) as file, file:
        file.execute(
            "INSERT INTO tallies (platform, server, subject, period, jobs, spent)"
            " VALUES ('web', 'web', 'server', '2026-11', 1, 5)"
        )
    found = about(await looked_at(given), "ledger:")
    assert found.level is Level.BAD
    assert "web/web/server/2026-11" in found.what


async def test_a_database_that_lacks_tables_is_not_upgraded_by_looking(tmp_path: Path) -> None:
    given = settings(tmp_path, {"s": {"kind": "sandbox"}})
    path = tmp_path / "data/threadreel.db"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("VACUUM")
    before = path.read_bytes()
    assert "the next start brings it up to date" in about(await looked_at(given), "database:").what
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            [
                "CREATE TABLE alembic_version (version_num TEXT)",
                "INSERT INTO alembic_version VALUES ('9999')",
            ],
            "newer",
        ),
        (["CREATE TABLE recipes (id INTEGER)"], "another program"),
    ],
)
async def test_a_database_that_is_not_ours_is_bad(tmp_path: Path, statements: list[str], said: str) -> None:
    given = settings(tmp_path, {"s": {"kind": "sandbox"}})
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data/threadreel.db")) as file:
        for statement in statements:
            file.execute(statement)
        file.commit()
    found = about(await looked_at(given), "database:")
    assert found.level is Level.BAD
    assert said in found.what


async def test_a_database_that_is_none_is_bad(tmp_path: Path) -> None:
    given = settings(tmp_path, {"s": {"kind": "sandbox"}})
    (tmp_path / "data").mkdir()
    (tmp_path / "data/threadreel.db").write_text("not a database at all, " * 100)
    found = about(await looked_at(given), "database:")
    assert (found.level, "can't be used" in found.what) == (Level.BAD, True)
    assert "backup" in found.remedy


async def test_a_damaged_database_is_shown_the_way_back(tmp_path: Path) -> None:
    given = settings(tmp_path, {"sandbox": {"kind": "sandbox"}})
    async with await Store.open(given.store.url) as store:
        backup = await store.back_up(now=time.time() - 5 * 86_400, keep=7)
    Path(given.store.url.removeprefix("sqlite:///")).write_bytes(b"garbage " * 1000)
    findings = await looked_at(given)

    assert about(findings, "database:").remedy.startswith(f"threadreel restore {backup}")
    assert about(findings, "backups: 1 in").level is Level.WARN


# -- providers


async def test_a_wrong_token_is_told_and_not_shown(tmp_path: Path, sandbox: Rig) -> None:
    findings = await looked_at(settings(tmp_path, to(sandbox.base_url, token="hush")))
    found = about(findings, "doesn't accept the token")
    assert (found.level, found.remedy) == (Level.BAD, "Put a new one under providers.box.token")
    assert "hush" not in repr(findings)


async def test_a_provider_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = about(await looked_at(settings(tmp_path, to("http://127.0.0.1:9"))), "can't be reached")
    assert found.level is Level.BAD
    assert found.remedy


async def test_an_address_where_something_else_answers_is_told(tmp_path: Path) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="<html><title>Welcome</title></html>", content_type="text/html")

    async with RawTestServer(answer) as server:
        base_url = f"http://{server.host}:{server.port}"
        gateway = {"gw": {"kind": "gateway", "base_url": base_url, "token": "sandbox"}}
        found = about(await looked_at(settings(tmp_path, gateway)), "not as this API does")
        assert found.level is Level.BAD
        assert "Welcome" in found.what
        assert "before /v1" in found.remedy


async def test_a_gateway_is_only_reached_and_wants_a_public_address(tmp_path: Path) -> None:
    async with serve(Sandbox(load(), tiny, kind="gateway"), "127.0.0.1", 0) as base_url:
        gateway = {"gw": {"kind": "gateway", "base_url": base_url, "token": "sandbox"}}
        findings = await looked_at(settings(tmp_path, gateway))
        assert about(findings, "gw: reached").level is Level.OK
        assert about(findings, "public_url").level is Level.WARN
        public = settings(tmp_path, gateway, http=Http(public_url="http://studio.example.org"))
        assert "not encrypted" in about(await looked_at(public), "http://studio.example.org is").what
        secure = settings(tmp_path, gateway, http=Http(public_url="https://studio.example.org"))
        (private,) = bad(await looked_at(secure))
        assert "private address" in private
        allowed = MediaSettings(folder=tmp_path / "data/media", private_hosts=(urlsplit(base_url).netloc,))
        assert bad(await looked_at(secure.model_copy(update={"media": allowed}))) == []


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("http://127.0.0.1:9/replicate", "127.0.0.1:9"),
        ("http://LOCALHOST:9", "localhost:9"),
        ("http://[::1]:9", "[::1]:9"),
    ],
)
@pytest.mark.parametrize("kind", ["gateway", "replicate"])
async def test_a_provider_on_a_private_address_is_told_what_allows_its_results(
    tmp_path: Path, kind: str, base_url: str, host: str
) -> None:
    given = settings(tmp_path, {"gw": {"kind": kind, "base_url": base_url, "token": "x"}})
    found = about(await looked_at(given), "private address")
    assert found.level is Level.WARN
    assert f'add "{host}" to [media] private_hosts' in found.remedy


@pytest.mark.parametrize("base_url", ["http://8.8.8.8:9", "http://gw.invalid:9"])
async def test_an_address_that_is_public_or_a_name_is_not_called_private(
    tmp_path: Path, base_url: str
) -> None:
    given = settings(tmp_path, {"gw": {"kind": "gateway", "base_url": base_url, "token": "x"}})

    def elsewhere(name: str, provider: ProviderSettings) -> Client:
        return connect(provider.kind, name, "http://127.0.0.1:9", "x")

    findings = await examine(given, catalogue=load(), client_for=elsewhere)
    assert "private address" not in repr(findings)


async def test_a_sandbox_on_a_private_address_is_meant(tmp_path: Path, sandbox: Rig) -> None:
    assert "private address" not in repr(await looked_at(settings(tmp_path, to(sandbox.base_url))))


# -- webhooks


async def test_a_public_address_is_tried_from_here(tmp_path: Path, sandbox: Rig) -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="<title>Parked</title>")

    async def ready() -> str | None:
        return None

    async def look(address: str) -> Finding:
        given = settings(tmp_path, to(sandbox.base_url), http=Http(public_url=address))
        findings = await examine(
            given, catalogue=load(), client_for=client_for, free_bytes=lambda _: 100 * GB, health=health_at
        )
        (found,) = [one for one in findings if "public_url" in one.what and "encrypted" not in one.what]
        return found

    app = make_app([], host="127.0.0.1", public_url=None, ready=ready)
    async with await serve_app(app, "127.0.0.1", 0) as site, RawTestServer(answer) as other:
        assert (await look(site.address)).level is Level.OK
        assert "Parked" in (await look(f"http://127.0.0.1:{other.port}")).what
    gone = await look("http://127.0.0.1:9")
    assert (gone.level, "can't be reached from here" in gone.what) == (Level.WARN, True)
    assert "look again" in gone.remedy


async def test_it_says_whether_webhooks_are_on(tmp_path: Path, sandbox: Rig) -> None:
    public = Http(public_url="https://studio.example.org")
    on = {**to(sandbox.base_url, webhooks=True), "off": {"kind": "sandbox", "base_url": sandbox.base_url}}
    findings = await looked_at(settings(tmp_path, on, http=public))
    assert about(findings, "box: webhooks").what == "box: webhooks are on, and signed"
    assert "are off" in about(findings, "off: webhooks").what
    assert bad(findings) == []
    without = await looked_at(settings(tmp_path, to(sandbox.base_url, webhooks=True)))
    assert "are off" in about(without, "box: webhooks").what


# -- pinned versions


def changed(command: str, **change: Any) -> Catalogue:
    """The catalogue with one model changed: as if the deployed one had moved on."""
    return Catalogue(tuple(replace(m, **change) if m.command == command else m for m in load()))


async def test_a_version_that_is_gone_is_bad(tmp_path: Path, sandbox: Rig) -> None:
    findings = await looked_at(
        settings(tmp_path, to(sandbox.base_url)), catalogue=changed("music", version="0" * 64)
    )
    found = about(findings, "/music")
    assert found.level is Level.BAD
    assert "version 000000000000 isn't there" in found.what


async def test_inputs_that_differ_from_the_deployed_ones_are_named(tmp_path: Path, sandbox: Rig) -> None:
    model = load().find("animate")
    start, end, width, *rest = model.inputs
    ours = {entry.name: entry for entry in rest}
    ours["gif_frames_per_second"] = replace(ours["gif_frames_per_second"], maximum=60)
    inputs = (
        replace(start, name="prompt_first"),
        end,
        replace(width, choices=(128, 4096)),
        *ours.values(),
    )
    findings = await looked_at(
        settings(tmp_path, to(sandbox.base_url)), catalogue=changed("animate", inputs=inputs)
    )
    found = about(findings, "/animate (")
    assert found.level is Level.WARN
    assert found.what.partition("catalogue: ")[2].split("; ") == [
        "prompt_first is gone",
        "width can no longer be 4096",
        "gif_frames_per_second has the maximum 50, not 60",
        "prompt_start is new and required",
    ]


# -- the report


def test_the_report_shows_remedies_and_ends_in_1_where_anything_is_bad() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=False)
    fine = [Finding(Level.OK, "all [red]well\x1b[2J"), Finding(Level.WARN, "hm", "do this")]
    assert report(fine, console) == 0
    assert said.getvalue().splitlines() == ["ok   all [red]well", "warn hm", "      do this"]
    assert report([*fine, Finding(Level.BAD, "no", "do that")], console) == 1
