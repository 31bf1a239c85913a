"""Orders that wait until the person agrees to what they may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bot.jobs import Actor, FileRef, JobId, Json, Option, Order, Place
from bot.store import server_queries

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite


@dataclass(frozen=True, slots=True)
class Pending:
    """An order, or the wish to have the job `again` once more, maybe with a `new_seed`.

    The order's actor is without name, roles and language: whoever agrees is asked anew.
    """

    order: Order
    again: JobId | None = None
    new_seed: bool = False


class Waiting:
    """An order stays until it expires: pressed twice, its key finds the job that the first press made."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def put(self, token: str, pending: Pending, *, expires_at: float) -> None:
        actor = pending.order.actor
        row = {
            "token": token,
            "platform": actor.platform,
            "server": actor.server,
            "actor_id": actor.id,
            "order": pending_row(pending),
            "expires_at": expires_at,
        }

        def insert(connection: Connection) -> None:
            connection.execute(server_queries.insert_pending(), row)

        await self._database.write(insert)

    async def get(self, token: str, actor: Actor, *, now: float) -> Pending | None:
        """None for anybody else, elsewhere, or too late."""
        rows = await self._database.read(
            server_queries.pending_order(),
            the_platform=actor.platform,
            the_server=actor.server,
            the_actor_id=actor.id,
            the_token=token,
            the_now=now,
        )
        return pending_of(rows[0].order, actor) if rows else None

    async def forget_expired(self, now: float) -> None:
        def forget(connection: Connection) -> None:
            connection.execute(server_queries.delete_expired_pending(), {"the_now": now})

        await self._database.write(forget)


def pending_row(pending: Pending) -> dict[str, Json]:
    order = pending.order
    return {
        "place": order.place,
        "model": order.model,
        "options": [[key, _value_row(value)] for key, value in order.options],
        "key": order.key,
        "for_adults": order.for_adults,
        "channel": order.channel,
        "again": pending.again,
        "new_seed": pending.new_seed,
    }


def pending_of(row: Mapping[str, Json], actor: Actor) -> Pending:
    options: tuple[Option, ...] = tuple((key, _value_of(value)) for key, value in row["options"])
    order = Order(
        actor,
        Place(row["place"]),
        row["model"],
        options,
        row["key"],
        for_adults=row["for_adults"],
        channel=row["channel"],
    )
    return Pending(order, JobId(row["again"]) if row["again"] else None, row["new_seed"])


def _value_row(value: Any) -> Json:
    return {"file": asdict(value)} if isinstance(value, FileRef) else value


def _value_of(value: Json) -> Any:
    return FileRef(**value["file"]) if isinstance(value, Mapping) else value
