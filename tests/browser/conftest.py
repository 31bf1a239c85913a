"""A running `threadreel demo`, people who are signed in to it, and a wire that can be cut."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.wire import Wire

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
PATIENCE = 30_000
"""Milliseconds that the slowest thing a test waits for may take."""

THREADREEL = (sys.executable, "-m", "adapters")


@dataclass
class Demo:
    """A running demo; what it keeps lies in `folder`/threadreel-data."""

    folder: Path
    address: str
    states: dict[str, Any] = field(default_factory=dict)

    def link(self, name: str, *, manages: bool = False) -> str:
        """What `threadreel web login` prints."""
        admin = ("--admin",) if manages else ()
        return _threadreel(self.folder, "web", "login", "--name", name, *admin).stdout.strip()


def _environment() -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THREADREEL_")}
    return {**kept, "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"}


def _threadreel(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*THREADREEL, *arguments],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    with (
        (folder / "errors.log").open("w+") as errors,
        subprocess.Popen(
            [*THREADREEL, "demo", "--no-open", "--port", "0"],
            cwd=folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            yield Demo(folder, _address(process, folder / "errors.log"))
        finally:
            process.terminate()
            process.wait(30)


def _address(process: subprocess.Popen[str], errors: Path) -> str:
    """From the link that it prints once it is up."""
    for line in process.stdout or ():
        if found := re.search(r"(http://\S+)/login\?code=", line):
            return found[1]
    raise AssertionError(errors.read_text())


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """For one module: while it is open, Playwright's event loop runs, and no asynchronous test could."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


OpenPage = Callable[..., Page]
_channels = count(1)


@pytest.fixture
def channel(demo: Demo) -> str:
    """The title of a channel of this test's own."""
    return f"Test {next(_channels)}"


@pytest.fixture
def open_page(demo: Demo, browser: Browser, channel: str) -> Iterator[OpenPage]:
    """open_page(name, address=None, manages=False, **options of the context): the page in the test's channel.

    At the end, whatever the page has complained of in the console fails the test.
    """
    complaints: list[str] = []
    with ExitStack() as stack:

        def open_one(
            name: str = "Ann", *, address: str | None = None, manages: bool = False, **options: Any
        ) -> Page:
            if name not in demo.states:
                demo.states[name] = _signed_in(demo, browser, name, manages)
            context = browser.new_context(
                **{"storage_state": demo.states[name], "viewport": {"width": 1280, "height": 800}, **options}
            )
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("console", lambda said: complaints.append(said.text) if "Security" in said.text else None)
            page.request.post(f"{demo.address}/api/channels", data={"title": channel})
            page.goto(f"{address or demo.address}/#{channel.lower().replace(' ', '-')}")
            page.wait_for_selector("body.loaded")
            return page

        yield open_one
    assert complaints == []


def _signed_in(demo: Demo, browser: Browser, name: str, manages: bool) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(demo.link(name, manages=manages))
    page.wait_for_selector("body.loaded")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def wire(demo: Demo) -> Iterator[Wire]:
    """A way to the demo that can be cut."""
    wire = Wire(int(demo.address.rpartition(":")[2]))
    yield wire
    wire.close()
