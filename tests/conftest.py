"""What all tests share: whether there is a browser to drive, and whether there is time for long proofs."""

from __future__ import annotations

import os
import shutil

import pytest

from bot.media import pool
from tests import forks

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUMS)), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is; for tests marked `browser`, which don't run without one."""
    path = chromium_path()
    assert path is not None
    return path


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long proofs run where -m asks for them, browser tests where there is a Chromium."""
    if not config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)
    _skip_without_chromium(items)


def _skip_without_chromium(items: list[pytest.Item]) -> None:
    """With THREADREEL_REQUIRE_CHROMIUM=1 it is an error that there is none."""
    drivers = [item for item in items if item.get_closest_marker("browser")]
    if not drivers or chromium_path():
        return
    if os.environ.get("THREADREEL_REQUIRE_CHROMIUM") == "1":
        raise pytest.UsageError("Chromium is not installed, and THREADREEL_REQUIRE_CHROMIUM=1 demands it.")
    for item in drivers:
        item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "browser" in report.keywords]
    if skipped and chromium_path() is None:
        what = "1 browser test was" if len(skipped) == 1 else f"{len(skipped)} browser tests were"
        terminalreporter.write_line(f"Chromium is not installed: {what} skipped.", yellow=True)


@pytest.fixture(autouse=True, scope="session")
def process_to_fork_from() -> None:
    forks.begin()


@pytest.fixture(autouse=True)
def quick_media_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers begin without their imports, save where a test is about how they begin."""
    if "real_workers" not in request.keywords:
        monkeypatch.setattr(pool, "_spawn", forks.media_worker)
