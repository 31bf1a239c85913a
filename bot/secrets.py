"""Secrets at rest: sealed with a key before they are stored, opened when they are used."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from bot.errors import KeyMissing

KEY_FILE = ".secrets-key"
"""Beside the kept files, where no keys are configured."""

VERSION = "1"
SHOWN = 8
"""Hexadecimal digits that a key is told by. They say nothing of it: a key has 256 random bits."""


class Vault:
    """Seals with the first key, and opens what any of them has sealed. Shows none of them.

    Sealed text names its key: so an error can say which one is missing, and it is known what to seal anew.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        """`keys`: Fernet's, newest first, as `new_key` makes them."""
        named = [(_name_of(key), Fernet(key)) for key in keys]
        self._newest, self._fernet = named[0]
        self._by_name = dict(reversed(named))

    @property
    def newest(self) -> str:
        """What the first key is told by."""
        return self._newest

    def __repr__(self) -> str:
        return f"Vault({len(self._by_name)} keys)"

    def seal(self, text: str) -> str:
        return f"{VERSION}.{self._newest}.{self._fernet.encrypt(text.encode()).decode()}"

    def open(self, sealed: str) -> str:
        """The text. KeyMissing where no key opens it."""
        name, token = _parts(sealed)
        fernet = self._by_name.get(name)
        if fernet is None:
            raise KeyMissing(
                f"A stored secret was sealed with the key {name}, which isn't there. Put that key back "
                f"under [secrets] keys, or the file {KEY_FILE} into the media folder, or install anew."
            )
        try:
            return fernet.decrypt(token).decode()
        except InvalidToken:
            raise KeyMissing(
                f"A stored secret, sealed with the key {name}, is damaged. Restore a backup, or install anew."
            ) from None

    def seal_anew(self, sealed: str) -> str | None:
        """The same, sealed with the newest key; None where it is already. KeyMissing as with `open`."""
        return None if _parts(sealed)[0] == self._newest else self.seal(self.open(sealed))


def new_key() -> str:
    return Fernet.generate_key().decode()


def kept_keys(configured: Iterable[str], folder: Path, *, make: bool = True) -> list[str]:
    """The keys, newest first. Where none is configured, one is made in `folder`, once.

    One that was made there stays good when keys are configured later: what it has sealed is there still.
    Without `make` nothing is written: a key that isn't there yet opens nothing.
    """
    path = folder / KEY_FILE
    keys = list(configured)
    if path.exists() or (make and not keys):
        keys.append(kept_file(path, lambda: new_key().encode()).decode().strip())
    return keys or [new_key()]


def kept_file(path: Path, make: Callable[[], bytes]) -> bytes:
    """A secret in a file: made once, whole or not at all, readable by the owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        draft.touch(mode=0o600)
        draft.write_bytes(make())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


def _name_of(key: str) -> str:
    return hashlib.sha256(base64.urlsafe_b64decode(key)).hexdigest()[:SHOWN]


def _parts(sealed: str) -> tuple[str, str]:
    version, _, rest = sealed.partition(".")
    name, _, token = rest.partition(".")
    if version != VERSION or not token:
        raise KeyMissing("A stored secret is in a form that this version doesn't know. Run a newer version.")
    return name, token
