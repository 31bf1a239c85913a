"""The statements about files that wait to be removed."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Delete, Insert, Select, bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from bot.store.tables import dropped


@cache
def put() -> Insert:
    """A file is let go; once more: later."""
    new = insert(dropped)
    return new.on_conflict_do_update(index_elements=["digest"], set_={"at": new.excluded.at})


@cache
def some() -> Select[str, float]:
    """Those that wait longest."""
    return select(dropped.c.digest, dropped.c.at).order_by(dropped.c.at).limit(bindparam("the_limit"))


@cache
def forget() -> Delete:
    """A file is gone, or stays."""
    return delete(dropped).where(dropped.c.digest == bindparam("the_digest"))
