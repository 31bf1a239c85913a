"""When something ends, as people write it."""

from __future__ import annotations

import re
from datetime import datetime

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def moment(text: str, now: float) -> float | None:
    """When "7d" or "2027-01-31" is, in epoch seconds, by the local clock; None for what is neither."""
    if match := re.fullmatch(r"(\d{1,5})\s*([mhdw])", text.strip().lower()):
        return now + int(match[1]) * UNITS[match[2]]
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except ValueError:
        return None
