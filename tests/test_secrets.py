"""Secrets at rest: what is stored tells nothing, and every key that is missing is named."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.errors import KeyMissing
from bot.secrets import KEY_FILE, Vault, kept_keys, new_key

TOKEN = "xoxb-1-a-token"


def test_what_is_sealed_opens_and_tells_nothing() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(TOKEN)
    assert vault.open(sealed) == TOKEN
    assert TOKEN not in sealed
    assert vault.seal(TOKEN) != sealed, "the same secret never looks the same"


def test_an_older_key_opens_and_the_newest_seals() -> None:
    old, new = new_key(), new_key()
    sealed = Vault([old]).seal(TOKEN)
    both = Vault([new, old])
    assert both.open(sealed) == TOKEN
    again = both.seal_anew(sealed)
    assert again is not None
    assert Vault([new]).open(again) == TOKEN
    assert both.seal_anew(again) is None


def test_a_missing_key_is_named_and_the_secret_is_not() -> None:
    sealed = Vault([new_key()]).seal(TOKEN)
    name = sealed.split(".")[1]
    for attempt in (Vault([new_key()]).open, Vault([new_key()]).seal_anew):
        with pytest.raises(KeyMissing, match=name) as caught:
            attempt(sealed)
        assert "isn't there" in str(caught.value)
        assert sealed.split(".")[2] not in str(caught.value)


@pytest.mark.parametrize("damage", [lambda text: text[:-8] + "AAAAAAA=", lambda text: text[:40]])
def test_what_is_damaged_is_told(damage: object) -> None:
    assert callable(damage)
    vault = Vault([new_key()])
    with pytest.raises(KeyMissing, match="damaged"):
        vault.open(damage(vault.seal(TOKEN)))


@pytest.mark.parametrize("text", ["", "2.ab.cd", TOKEN])
def test_what_this_version_didnt_seal_is_told(text: str) -> None:
    with pytest.raises(KeyMissing, match="doesn't know") as caught:
        Vault([new_key()]).open(text)
    assert TOKEN not in str(caught.value)


def test_a_vault_shows_no_key() -> None:
    key = new_key()
    assert repr(Vault([key, new_key()])) == "Vault(2 keys)"
    assert key not in repr(vars(Vault([key])))


def test_without_keys_one_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: kept_keys((), tmp_path), range(8)))
    assert len({tuple(keys) for keys in made}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_configured_keys_come_first_and_need_no_file(tmp_path: Path) -> None:
    key = new_key()
    assert kept_keys((key,), tmp_path) == [key]
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_was_made_stays_good_when_keys_are_configured(tmp_path: Path) -> None:
    sealed = Vault(kept_keys((), tmp_path)).seal(TOKEN)
    assert Vault(kept_keys((new_key(),), tmp_path)).open(sealed) == TOKEN
