"""Where a platform's app is installed, with sealed secrets, and who is about to install it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, inspect
from sqlalchemy.pool import StaticPool

from bot.jobs import Json
from bot.store import queries
from bot.store.tables import Install, install_of

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite


class Installs:
    """One install a server; a server may be let in by its parent's install.

    Secrets come sealed and states as hashes, both made by the caller. Times are seconds since the epoch.
    """

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    # -- installs

    async def put(
        self,
        platform: str,
        server: str,
        *,
        parent: str,
        sealed: str,
        details: Mapping[str, Json],
        expires_at: float | None,
        now: float,
    ) -> Install:
        """A server lets us in, or does so anew: then what it gave before is forgotten."""
        values = {
            "parent": parent,
            "sealed": sealed,
            "details": dict(details),
            "expires_at": expires_at,
            "held_until": None,
            "updated_at": now,
        }
        return await self._database.write(partial(_put, _who(platform, server), values))

    async def cover(self, platform: str, server: str, parent: str, now: float) -> None:
        """Note that a server is let in by its parent; changes nothing where it has an install of its own."""
        await self._database.write(partial(_cover, _who(platform, server), parent, now))

    async def get(self, platform: str, server: str) -> Install | None:
        """What a server gave us itself, or the note that its parent did (`sealed` is None)."""
        rows = await self._database.read(queries.install(), **_who(platform, server))
        return install_of(rows[0]) if rows else None

    async def all(self) -> list[Install]:
        """The oldest first."""
        return [install_of(row) for row in await self._database.read(queries.all_installs())]

    async def hold(self, install: Install, until: float, now: float) -> bool:
        """Be the one who may change the secrets; False where somebody else is, or where they have changed."""
        values = {**_at(install), "the_now": now, "held_until": until}
        return await self._changed(queries.hold_install(), values) is not None

    async def release(self, install: Install) -> None:
        """Let others change them, where nothing has changed."""
        await self._changed(queries.renew_install(), {**_at(install), "held_until": None})

    async def renew(
        self, install: Install, *, sealed: str, expires_at: float | None, now: float
    ) -> Install | None:
        """Other secrets for the same install; None where somebody else has changed or removed it."""
        values = {
            "sealed": sealed,
            "expires_at": expires_at,
            "revision": install.revision + 1,
            "held_until": None,
            "updated_at": now,
        }
        return await self._changed(queries.renew_install(), {**_at(install), **values})

    async def reseal(self, seal: Callable[[str], str | None]) -> int:
        """Seal every secret anew; `seal` returns None for what may stay. All of them, or on an error none."""
        return await self._database.write(partial(_reseal, seal))

    async def remove(self, platform: str, server: str) -> bool:
        """A server lets us in no more, nor do those that were let in by it; whether it did before."""
        return await self._database.write(partial(_remove, queries.delete_install(), _who(platform, server)))

    async def remove_exactly(self, install: Install) -> bool:
        """The same, where it still is the install that was looked at, with these secrets."""
        return await self._database.write(partial(_remove, queries.delete_install_at(), _at(install)))

    async def _changed(self, statement: Any, values: Mapping[str, Json]) -> Install | None:
        def change(connection: Connection) -> Install | None:
            row = connection.execute(statement, values).one_or_none()
            return install_of(row) if row else None

        return await self._database.write(change)

    # -- states

    async def add_state(self, platform: str, state_hash: str, now: float, expires_at: float) -> None:
        """Somebody sets out to let us in; forgets states that are over."""
        values = {"platform": platform, "state_hash": state_hash, "expires_at": expires_at}
        await self._database.write(partial(_add_state, values, now))

    async def redeem_state(self, platform: str, state_hash: str, now: float) -> bool:
        """Use a state up; False where it is unknown, over or used."""
        values = {"the_platform": platform, "the_state_hash": state_hash, "the_now": now}

        def redeem(connection: Connection) -> bool:
            return connection.execute(queries.redeem_state(), values).one_or_none() is not None

        return await self._database.write(redeem)


def peek(path: Path) -> list[Install]:
    """All of them, without touching the file; none where it isn't there, or is of a version before them."""
    if not path.exists():
        return []
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, check_same_thread=False)) as file:
        file.execute("PRAGMA query_only=ON")
        engine = create_engine("sqlite://", creator=lambda: file, poolclass=StaticPool)
        with engine.connect() as connection:
            if not inspect(connection).has_table("installs"):
                return []
            return [install_of(row) for row in connection.execute(queries.all_installs())]


def _who(platform: str, server: str) -> dict[str, Json]:
    return {"the_platform": platform, "the_server": server}


def _at(install: Install) -> dict[str, Json]:
    which = {"the_created_at": install.created_at, "the_revision": install.revision}
    return {**_who(install.platform, install.server), **which}


# -- within a transaction


def _put(who: Mapping[str, Json], values: Mapping[str, Json], connection: Connection) -> Install:
    there = connection.execute(queries.install(), who).one_or_none()
    if there is None:
        _insert(who, {**values, "revision": 1, "created_at": values["updated_at"]}, connection)
    else:
        # The number goes on: whoever changes the secrets of the install before must find nothing to change.
        changes = {**values, "revision": there.revision + 1, "created_at": values["updated_at"]}
        connection.execute(queries.update_install(), {**who, **changes})
    return install_of(connection.execute(queries.install(), who).one())


def _insert(who: Mapping[str, Json], values: Mapping[str, Json], connection: Connection) -> None:
    server = {"platform": who["the_platform"], "server": who["the_server"]}
    connection.execute(queries.insert_install(), {**server, **values})


def _cover(who: Mapping[str, Json], parent: str, now: float, connection: Connection) -> None:
    there = connection.execute(queries.install(), who).one_or_none()
    if there is None:
        nothing = dict.fromkeys(("sealed", "expires_at", "held_until"))
        values = {"parent": parent, "details": {}, "revision": 1, "created_at": now, "updated_at": now}
        _insert(who, {**values, **nothing}, connection)
    elif there.sealed is None:
        connection.execute(queries.update_install(), {**who, "parent": parent, "updated_at": now})


def _remove(statement: Any, who: Mapping[str, Json], connection: Connection) -> bool:
    if not connection.execute(statement, who).rowcount:
        return False
    connection.execute(queries.delete_covered(), {name: who[name] for name in ("the_platform", "the_server")})
    return True


def _reseal(seal: Callable[[str], str | None], connection: Connection) -> int:
    count = 0
    for row in connection.execute(queries.all_installs()).all():
        install = install_of(row)
        again = seal(install.sealed) if install.sealed is not None else None
        if again is not None:
            # What is sealed is the same as before, so whoever is about to renew it may go on.
            connection.execute(
                queries.update_install(), {**_who(install.platform, install.server), "sealed": again}
            )
            count += 1
    return count


def _add_state(values: Mapping[str, Json], now: float, connection: Connection) -> None:
    connection.execute(queries.delete_expired_states(), {"the_now": now})
    connection.execute(queries.insert_state(), values)
