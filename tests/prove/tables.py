"""`faults.toml` as the docs show it: `python -m tests.prove.tables` writes it into docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.prove.fault_line import FAULTS, WORDS
from tests.prove.faults import table

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- faults.toml begins -->", "<!-- faults.toml ends -->"

WRITES = {
    "locked": "SQLite says that it is locked",
    "disk_full": "the disk is full",
    "answer_lost": "written, and its answer lost",
}
PROTOCOLS = {"provider": "The provider", "discord": "Discord", "slack": "Slack", "store": "The store"}


def markdown() -> str:
    """A table a protocol: a line a call, a column a fault, and what the words in it mean."""
    known = table()
    parts = [_table(known, protocol) for protocol in PROTOCOLS if protocol in known]
    return "\n\n".join([*parts, _legend(known)])


def _table(known: Mapping[str, Any], protocol: str) -> str:
    faults = WRITES if protocol == "store" else dict.fromkeys(FAULTS)
    lines = [
        f"**{PROTOCOLS[protocol]}**\n",
        f"| call | {' | '.join(fault.replace('_', ' ') for fault in faults)} |",
        "|---" * (len(faults) + 1) + "|",
    ]
    for call, row in known[protocol].items():
        said = row.get("request", f"`{call}`").replace("*", "\\*")
        cells = [row.get(fault, "-").replace("_", " ") for fault in faults]
        lines.append(f"| {call.replace('_', ' ')} ({said}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def _legend(known: Mapping[str, Any]) -> str:
    faults = [f"- *{name.replace('_', ' ')}*: {words}" for name, words in (WORDS | WRITES).items()]
    used = {
        cell for protocol in PROTOCOLS for row in known.get(protocol, {}).values() for cell in row.values()
    }
    outcomes = [
        f"- *{name.replace('_', ' ')}*: {one['words']} ({_checked(one)})"
        for name, one in known["outcomes"].items()
        if name in used
    ]
    return "\n".join(["The faults:\n", *faults, "\nWhat comes of them, and what is checked:\n", *outcomes])


def _checked(outcome: Mapping[str, Any]) -> str:
    return ", ".join(_checks(outcome))


def _checks(outcome: Mapping[str, Any]) -> Iterator[str]:
    yield f"ends: {outcome['ends']}"
    yield f"predictions: {outcome['made']}"
    yield f"results that stand: {outcome['stands']}"
    if "calls" in outcome:
        yield f"requests: {outcome['calls']}"


def shown(page: str) -> str:
    """What stands between the two marks of the page."""
    return page.partition(BEGIN)[2].partition(END)[0].strip()


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{markdown()}\n\n{END}{rest.partition(END)[2]}")
