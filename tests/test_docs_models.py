"""The page of models and the listing for the terminal, both made from the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalogue import Model, load
from bot.catalogue.docs import WIDTH, detail, listing, markdown

CATALOGUE = load()
PAGE = Path(__file__).parent.parent / "docs" / "models.md"


def test_the_page_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert page == markdown(CATALOGUE), "run: python -m bot.catalogue.docs > docs/models.md"


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_a_chapter_names_every_option_its_bounds_and_its_doubts(model: Model) -> None:
    chapter = markdown(CATALOGUE).split(f"\n## {model.command}\n")[1].split("\n## ")[0]
    assert model.version in chapter
    assert model.example in chapter
    assert model.unverified in chapter
    for entry in model.inputs:
        [row] = [
            line for line in chapter.splitlines() if line.startswith(f"| `{entry.alias}` | `{entry.name}` |")
        ]
        assert entry.help.replace("|", r"\|") in row
        for bound in (entry.minimum, entry.maximum):
            assert bound is None or str(bound) in row
        for choice in (*entry.choices, *entry.words):
            assert str(choice).replace("*", r"\*") in row
        assert ("required" in row) == entry.required
        assert ("ours" in row) == bool(entry.ours)
        assert ("Not verified" in row) == bool(entry.unverified)


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for table in markdown(CATALOGUE).split("\n\n"):
        if table.startswith("|"):
            cells = {line.replace(r"\|", "").count("|") for line in table.splitlines()}
            assert len(cells) == 1


def test_the_listing_has_a_line_for_every_command() -> None:
    lines = listing(CATALOGUE).splitlines()
    assert [line.split()[0] for line in lines] == [f"/{command}" for command in CATALOGUE.commands()]


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_the_detail_of_a_model_fits_a_terminal_and_names_every_option(model: Model) -> None:
    lines = detail(model).splitlines()
    assert max(map(len, lines)) <= WIDTH
    for entry in model.inputs:
        assert any(line.split(" ")[2:3] == [f"{entry.alias}:"] for line in lines)
        assert " ".join(entry.help.split()) in " ".join(" ".join(lines).split())
