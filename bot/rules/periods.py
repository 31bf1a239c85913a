"""Days and months of a server's time zone. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def day_of(now: float, zone: str) -> tuple[str, float]:
    """The day that it is there ("2026-11-26"), and when the next one begins, in epoch seconds.

    Days are as long as clocks there make them: 23 to 25 hours where they are put forward or back.
    """
    there = datetime.fromtimestamp(now, _zone(zone))
    tomorrow = there.date() + timedelta(days=1)
    begins = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=_zone(zone))
    return there.date().isoformat(), begins.timestamp()


def month_of(now: float, zone: str) -> tuple[str, float]:
    """The month that it is there ("2026-11"), and when the next one begins, in epoch seconds."""
    there = datetime.fromtimestamp(now, _zone(zone))
    year, month = (there.year + 1, 1) if there.month == 12 else (there.year, there.month + 1)
    return f"{there.year:04}-{there.month:02}", datetime(year, month, 1, tzinfo=_zone(zone)).timestamp()


def iso(at: float) -> str:
    """2026-11-26T18:00:00Z"""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
