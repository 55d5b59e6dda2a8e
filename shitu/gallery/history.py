"""The append-only log: reading it, and what it means for an index that lags behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, select

from shitu.gallery.records import Change, Head
from shitu.gallery.tables import changes, meta

_PAGE = 100  # changes read at a time; one of a build holds some dozen rows


def now() -> str:
    """Return the time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def get_meta(connection: Connection, key: str) -> str | None:
    """Return one value of the meta table."""
    return get_metas(connection, key).get(key)


def get_metas(connection: Connection, *keys: str) -> dict[str, str]:
    """Return those of some values of the meta table that there are, by key."""
    rows = connection.execute(select(meta.c.key, meta.c.value).where(meta.c.key.in_(keys)))
    return {row.key: row.value for row in rows}


def head(connection: Connection) -> Head:
    """Return the state that the gallery is in."""
    generation = int(get_meta(connection, "generation") or 0)
    return Head(generation, token_at(connection, generation) or "")


def token_at(connection: Connection, generation: int) -> str | None:
    """Return the token of a state that this gallery has been in, None if it never was."""
    if generation == 0:
        return get_meta(connection, "token")
    query = select(changes.c.token).where(changes.c.generation == generation)
    return connection.execute(query).scalar()


def read_changes(connection: Connection, since: int = 0, limit: int | None = None) -> list[Change]:
    """Return the changes after a generation, oldest first; with a limit, the last ones."""
    query = (
        select(changes).where(changes.c.generation > since).order_by(changes.c.generation.desc())
    )
    rows = connection.execute(query if limit is None else query.limit(limit))
    found = [Change(r.generation, r.operation, r.before, r.after, r.at) for r in rows]
    return found[::-1]


def each_change(connection: Connection) -> Iterator[Change]:
    """Yield all changes, oldest first, holding only some of them at a time."""
    since = -1
    while True:
        query = select(changes).where(changes.c.generation > since)
        rows = connection.execute(query.order_by(changes.c.generation).limit(_PAGE)).all()
        yield from (Change(r.generation, r.operation, r.before, r.after, r.at) for r in rows)
        if len(rows) < _PAGE:
            return
        since = rows[-1].generation


def net_effect(log: Iterable[Change]) -> tuple[set[int], set[int]]:
    """Return the references that are there after these changes, and those that are not.

    Of each that came or went the last time counts: what went may come back under its id, with
    the same vector. One that came and went is among the gone, for an index which was interrupted
    after it had taken some of these changes in.
    """
    came: set[int] = set()
    gone: set[int] = set()
    for change in log:
        before, after = _references(change.before), _references(change.after)
        new, old = after - before, before - after
        came |= new
        came -= old
        gone |= old
        gone -= new
    return came, gone


def _references(side: Mapping[str, Any]) -> set[int]:
    return {row["reference_id"] for row in side.get("references", ())}
