"""`threadreel settings` as it is typed: in a folder of its own, alone and beside a process that serves."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.moments import moment
from adapters.settings_commands import difference, owner
from bot.jobs import Actor, Job
from bot.rules import Changed, Scope, ScopeKind
from bot.store import Store
from tests.test_isolation import NEVER, foreign
from tests.typed import threadreel

pytestmark = pytest.mark.timeout(180)

THREADREEL = (sys.executable, "-m", "adapters")
ROOT = Path(__file__).parents[1]
PROVIDERS_KEY = "r8_only_this_one"
NOW = 1_800_000_000.0


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THREADREEL_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}


class Typed:
    """A folder, and what is typed in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, piped: str = "") -> subprocess.CompletedProcess[str]:
        return threadreel(*arguments, cwd=self.folder, env=environment(), piped=piped)

    def does(self, *arguments: str, piped: str = "") -> str:
        """What it prints; it must work."""
        done = self.run("settings", *arguments, piped=piped)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def refuses(self, *arguments: str, piped: str = "") -> str:
        """What it says is wrong: one line, and the exit code of a mistake."""
        done = self.run("settings", *arguments, piped=piped)
        assert done.returncode == 2, done
        assert "Traceback" not in done.stderr
        (line,) = done.stderr.strip().splitlines()
        return line

    def value(self, key: str, *more: str) -> object:
        return json.loads(self.does("show", key, "--json", *more))[key]["value"]


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    return Typed(tmp_path)


# -- whose


def test_another_servers_job_is_as_unknown_as_any(typed: Typed) -> None:
    typed.does("show")
    (database,) = typed.folder.rglob("threadreel.db")

    async def put() -> Job:
        async with await Store.open(f"sqlite:///{database}") as store:
            return await foreign(store, Actor("slack", "U77", "Bee", "T78"))

    theirs = asyncio.run(put())
    for before, after in (("cancel", ()), ("remove", ()), ("settle", ("0.25",))):
        said = {
            typed.refuses(before, id_, *after, "--server", "slack:T77").replace(id_, "ID")
            for id_ in (theirs.id, NEVER)
        }
        assert len(said) == 1, before
    assert theirs.id not in typed.does("jobs", "--server", "slack:T77")
    assert theirs.id not in typed.does("money", "--server", "slack:T77")
    assert theirs.id in typed.does("jobs", "--server", "slack:T78")


# -- settings


def test_a_setting_is_set_shown_and_taken_back(typed: Typed) -> None:
    assert typed.does("set", "models", "imagine, animate") == "server models\n+ animate, imagine\n"
    assert typed.does("set", "models", "imagine") == "server models\n- animate, imagine\n+ imagine\n"
    assert typed.does("set", "models", "draw", "--channel", "studio") == "channel:studio models\n+ draw\n"
    assert typed.value("models") == ["imagine"]
    assert typed.value("models", "--channel", "studio") == ["draw"]
    assert typed.value("models", "--server", "discord:123") is None, "another server's own"
    assert re.search(r"^models +imagine +", typed.does("show"), re.MULTILINE)
    assert typed.does("unset", "models") == "server models\n- imagine\n"
    assert typed.does("unset", "models") == "Nothing changes.\n"
    assert typed.value("models") is None


def test_settings_go_out_as_a_file_and_come_in_again(typed: Typed) -> None:
    typed.does("set", "words", "gore")
    typed.does("set", "budget.server.month", "25")
    typed.does("export", "-o", "rules.toml", "--server", "web")
    file = typed.folder / "rules.toml"
    assert tomllib.loads(file.read_text())["words"] == ["gore"]

    file.write_text(file.read_text().replace("gore", "blood"))
    said = typed.run("settings", "import", "rules.toml")
    assert said.returncode == 2, "there is nobody to ask"
    assert said.stdout == "server words\n- gore\n+ blood\n"
    assert typed.value("words") == ["gore"]
    typed.does("import", "rules.toml", "--yes")
    assert typed.value("words") == ["blood"]
    assert typed.does("import", "rules.toml") == "Nothing changes.\n"
    typed.does("import", "-", "--yes", "--server", "slack:T1", piped=file.read_text())
    assert typed.does("export", "--server", "slack:T1") == typed.does("export")


def test_people_and_the_audit(typed: Typed) -> None:
    typed.does(
        "block", "eve", "--name", "Eve", "--reason", "=spam()", "--until", "7d", "--server", "discord:1"
    )
    typed.does("trust", "bob", "--server", "discord:1")
    listed = typed.does("people", "--server", "discord:1")
    assert "eve" in listed
    assert "trusted" in listed
    assert "eve" not in typed.does("people")
    typed.does("unblock", "eve", "--server", "discord:1")
    assert "eve" not in typed.does("people", "--server", "discord:1")

    assert "blocked" in typed.does("audit", "--server", "discord:1")
    typed.does("audit", "--csv", "audit.csv", "--server", "discord:1")
    with (typed.folder / "audit.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["action"] for row in rows] == ["blocked", "trusted", "cleared"]
    assert not any(cell.startswith("=") for row in rows for cell in row.values())


# -- what is wrong


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "modells", "imagine"), "models"),
        (("set", "limit.person.per_day", "many"), "limit.person.per_day"),
        (("set", "timezone", "UTC", "--channel", "studio"), "timezone"),
        (("show", "modells"), "models"),
        (("show", "--server", "discord"), "discord:SERVER"),
        (("show", "--server", "irc:1"), "irc:1"),
        (("show", "--channel", "a", "--role", "b"), "not both"),
        (("block", "eve", "--until", "soon"), "soon"),
        (("settle", "abc", "much"), "much"),
        (("settle", "abc", "1"), ""),
        (("cancel", "nosuchjob"), "no such job"),
        (("remove", "nosuchjob"), "no such job"),
        (("import", "nowhere.toml"), "nowhere.toml"),
        (("export", "-o", "no/such/folder.toml"), "folder.toml"),
        (("key", "set", "sandbox"), "no key"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(typed: Typed, arguments: tuple[str, ...], said: str) -> None:
    assert said in typed.refuses(*arguments)


def test_a_key_is_never_an_argument_and_never_printed(typed: Typed) -> None:
    refused = typed.refuses("key", "set", "nobody", piped="r8_very_secret\n")
    assert "r8_very_secret" not in refused
    assert "Got unexpected extra argument" in typed.run("settings", "key", "set", "nobody", "r8").stderr


@pytest.fixture
def provider(typed: Typed) -> Iterator[None]:
    """A provider "box" that takes one key and no other, and a configuration that names it."""
    note = typed.folder / "address"
    program = (
        "from pathlib import Path; from bot.sandbox.__main__ import run; "
        f"run('127.0.0.1', 0, False, token={PROVIDERS_KEY!r}, address_file=Path({str(note)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=environment()) as process:
        try:
            while not note.exists():
                assert process.poll() is None
                time.sleep(0.05)
            (address,) = re.findall(r"http://\S+", note.read_text())
            (typed.folder / "config.toml").write_text(
                f'[providers.box]\nkind = "sandbox"\nbase_url = "{address}"\nown_keys = true\n'
            )
            yield
        finally:
            process.terminate()
            process.wait(30)


def test_a_key_is_checked_kept_sealed_and_dropped(typed: Typed, provider: None) -> None:
    assert re.search(r"^box +- ", typed.does("keys"), re.MULTILINE)
    assert "box" in typed.refuses("key", "set", "box", piped="some-other-key\n")
    typed.does("key", "set", "box", piped=f"{PROVIDERS_KEY}\n")
    assert re.search(r"^box +set ", typed.does("keys"), re.MULTILINE)
    assert re.search(r"^box +- ", typed.does("keys", "--server", "discord:1"), re.MULTILINE)
    for file in (typed.folder / "threadreel-data").rglob("*.db*"):
        assert PROVIDERS_KEY.encode() not in file.read_bytes()
    typed.does("key", "drop", "box")
    assert re.search(r"^box +- ", typed.does("keys"), re.MULTILINE)
    typed.refuses("key", "drop", "box")


# -- beside a process that serves


@pytest.fixture
def serving(typed: Typed) -> Iterator[str]:
    """The address of a demo that runs in the same folder."""
    with subprocess.Popen(
        [*THREADREEL, "demo", "--no-open", "--port", "0"],
        cwd=typed.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield next(
                found[1] for line in process.stdout or () if (found := re.search(r"(http://\S+)/login", line))
            )
        finally:
            process.terminate()
            process.wait(30)


def test_it_holds_at_once_for_a_process_that_serves(typed: Typed, serving: str) -> None:
    typed.does("set", "models", "imagine", "--server", "terminal")
    refused = typed.run("ask", "/animate start:a fox end:a cat")
    assert refused.returncode == 3
    assert "/animate" in refused.stderr
    typed.does("unset", "models", "--server", "terminal")

    made = typed.run("ask", "/animate start:a fox end:a cat width:128 height:128 frames:2 between:1")
    assert made.returncode == 0, made
    jobs = typed.does("jobs", "--server", "terminal")
    (job,) = re.findall(r"^([a-z2-9]{12}) ", jobs, re.MULTILINE)
    assert "a fox" in jobs
    typed.does("remove", job, "--server", "terminal")
    assert "a fox" not in typed.does("jobs", "--server", "terminal")


def test_my_data_are_told_and_forgotten(typed: Typed, serving: str) -> None:
    assert (
        typed.run("ask", "/animate start:a fox end:a cat width:128 height:128 frames:2 between:1").returncode
        == 0
    )
    kept = typed.run("my-data")
    assert kept.returncode == 0
    assert "a fox" in kept.stdout
    json.loads(kept.stdout)
    assert typed.run("forget-me").returncode == 2, "there is nobody to ask"
    assert typed.run("forget-me", "--yes").returncode == 0
    assert "a fox" not in typed.run("my-data").stdout


def test_what_may_cost_much_needs_a_word(typed: Typed, serving: str) -> None:
    typed.does("set", "ask_above", "0", "--server", "terminal")
    quick = "/animate start:a fox end:a cat width:128 height:128 frames:2 between:1"
    asked = typed.run("ask", quick)
    assert asked.returncode in (0, 3), "what is free needs none"
    agreed = typed.run("ask", quick, "--yes")
    assert agreed.returncode == 0


# -- small readings


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("12h", 43_200), ("7d", 604_800), (" 2 W ", 1_209_600)]
)
def test_a_time_from_now(text: str, seconds: int) -> None:
    assert moment(text, NOW) == NOW + seconds


@pytest.mark.parametrize("text", ["", "7", "d7", "-7d", "tomorrow", "2027-13-01"])
def test_what_is_no_time(text: str) -> None:
    assert moment(text, NOW) is None


def test_a_day_is_one_by_the_local_clock() -> None:
    assert moment("2027-01-31", NOW) == pytest.approx(1_801_353_600, abs=86_400)


@pytest.mark.parametrize(
    ("server", "where"),
    [
        ("web", ("web", "web")),
        ("terminal", ("terminal", "here")),
        ("terminal:here", ("terminal", "here")),
        ("discord:123", ("discord", "123")),
        ("slack:T1", ("slack", "T1")),
    ],
)
def test_the_owner_looks_after_every_server(server: str, where: tuple[str, str]) -> None:
    actor = owner(server)
    assert actor is not None
    assert ((actor.platform, actor.server), actor.manages) == (where, True)


@pytest.mark.parametrize("server", ["", "discord", "discord:", "discord:@1", "web:other", "irc:1"])
def test_what_is_no_server(server: str) -> None:
    assert owner(server) is None


def test_a_difference_is_two_lines_a_setting() -> None:
    scope = Scope(ScopeKind.ROLE, "9")
    changes = [Changed(scope, "models", ["a", "b"], ["a"]), Changed(Scope(), "ask_above", None, "2.50")]
    assert difference(changes) == "role:9 models\n- a, b\n+ a\nserver ask_above\n+ 2.50"
