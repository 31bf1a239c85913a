"""The table of faults: whole, and shown by the docs as it is."""

from __future__ import annotations

import pytest

from tests.prove.fault_line import FAULTS
from tests.prove.faults import SLACK_TRIES, TRIES, table
from tests.prove.tables import PAGE, PROTOCOLS, WRITES, markdown, shown

WITHOUT = {"discord.socket"}
"""A connection that is upgraded can't go through the relay: what comes after that is another test's."""


def test_the_docs_show_the_table_as_it_is() -> None:
    assert shown(PAGE.read_text()) == markdown()


def test_every_outcome_that_is_named_is_told_and_every_one_told_is_named() -> None:
    known = table()
    named = {
        row[fault]
        for protocol in PROTOCOLS
        for row in known.get(protocol, {}).values()
        for fault in row
        if fault != "request"
    }
    assert named == known["outcomes"].keys()


@pytest.mark.parametrize("protocol", [one for one in PROTOCOLS if one in table()])
def test_every_call_meets_every_fault(protocol: str) -> None:
    for call, row in table()[protocol].items():
        wanted = set(WRITES) if protocol == "store" else {*FAULTS, "request"}
        if f"{protocol}.{call}" not in WITHOUT:
            assert row.keys() == wanted, call


def test_whoever_is_asked_for_something_is_in_the_table() -> None:
    protocols = {name: calls for name, calls in table().items() if name not in ("outcomes", "store")}
    named = {f"{name}.{call}" for name, calls in protocols.items() for call in calls}
    assert TRIES.keys() | SLACK_TRIES.keys() == named
