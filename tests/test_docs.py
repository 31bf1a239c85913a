"""The documents say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.catalogue import load
from bot.jobs import MOVES, State
from bot.rules.keys import KEYS, Key

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_table_of_states_is_the_table_of_moves() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (\w+) \| ([\w, ]*?) ?\|$", text, re.MULTILINE)
    told = {state: set(filter(None, to.split(", "))) for state, to in rows if state in set(State)}
    assert told == {state.value: {to.value for to in moves} for state, moves in MOVES.items()}


def test_every_setting_of_a_server_stands_in_its_docs_and_nothing_else() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \| ([\w, ]+) \| (\S+) \|", text, re.MULTILINE)

    def built_in(key: Key) -> str:
        return "none" if key.default is None else f"`{key.default}`"

    assert {name: (set(scopes.split(", ")), default) for name, scopes, default in rows} == {
        key.name: ({scope.value for scope in key.scopes}, built_in(key)) for key in KEYS
    }
    for key in KEYS:
        assert all(f"`{choice}`" in text for choice in key.choices), key.name


def test_the_readme_names_every_command_and_its_model() -> None:
    text = (ROOT / "README.md").read_text()
    for model in load():
        assert f"| `/{model.command}` | {model.full_name} |" in text


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needs = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    why = (ROOT / "docs" / "why.md").read_text().lower()
    names = [re.split(r"[\[>=<]", need)[0] for need in needs]
    assert [name for name in names if name.removeprefix("pytest-") not in why] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_part_of_the_tree_stands_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    parts = [
        path.name + ("/" if path.is_dir() else "")
        for folder in ("bot", "adapters")
        for path in (ROOT / folder).iterdir()
        if not path.name.startswith("__") and path.name != "py.typed"
    ]
    assert [part for part in parts if f" {part} " not in text.replace(",", " ,")] == []
