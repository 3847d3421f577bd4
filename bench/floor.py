"""The floor under a batch: bare psycopg writing the very rows that the product wrote.

Into tables with the same columns, checks and indexes, in the same batches and transactions. What
the floor leaves out is what the product is for: reading and locking what the rows follow from,
computing them, refusing; and triggers, foreign keys and partitions.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from bench.kit import Figure, median, spread, vacuum
from commenda.kit.db import Database, Tx
from commenda.kit.rows import columns

MOST = 25
"""Batches that are written again."""

Types = dict[str, dict[str, LiteralString]]
"""The types of the columns of each table."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a batch wrote of a table: rows that it inserted or, by `key`, columns that it changed.

    `where` finds them by `{batch}`, the transaction of their journals.
    """

    table: str
    where: LiteralString
    key: str = ""
    changed: tuple[str, ...] = ()


MOVED: LiteralString = (
    "IN (SELECT e.account_id FROM entries e JOIN journals j ON j.id = e.journal_id"
    " WHERE j.transaction_id = {batch})"
)
"""Finds the accounts on which a batch has entries."""

POSTED = (
    Written("journals", "transaction_id = {batch}"),
    Written("entries", "journal_id IN (SELECT id FROM journals WHERE transaction_id = {batch})"),
    Written("accounts", "id " + MOVED, "id", ("balance", "version", "last_posted_at")),
)
"""What every batch of journals writes."""


def bare_figure(
    database: Database,
    kind: str,
    written: Sequence[Written],
    size: int,
    reached: Figure,
    *,
    durable: bool,
) -> Figure:
    """The floor of the latest batches of journals of a kind, `size` of what `reached` counts in
    each, and how near that comes to it."""
    floor = [size / each for each in _seconds(database, kind, written, durable=durable)]
    name = f"    bare psycopg, the same rows ({spread(floor)})"
    ratio = f"{reached.median / median(floor):.2f} of the floor"
    return Figure(name, median(floor), reached.unit, ratio)


def _seconds(
    database: Database, kind: str, written: Sequence[Written], *, durable: bool
) -> list[float]:
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(f"SET synchronous_commit = {'on' if durable else 'off'}")
        owner.execute("CREATE SCHEMA floor")
        types: Types = {one.table: _mirror(owner, one) for one in written}
        vacuum(database)
        batches = owner.execute(
            "SELECT transaction_id::text FROM journals WHERE kind = %s"
            " GROUP BY transaction_id ORDER BY transaction_id DESC LIMIT %s",
            (kind, MOST),
        ).fetchall()
        return [_write(owner, written, types, batch) for (batch,) in batches]


def _mirror(owner: Tx, one: Written) -> dict[str, LiteralString]:
    """Make a table's like, with its rows where rows of it are changed; its columns' types."""
    table = sql.Identifier(one.table)
    owner.execute(sql.SQL("CREATE TABLE floor.{0} (LIKE public.{0} INCLUDING ALL)").format(table))
    stored = owner.execute(
        "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = %s::regclass",
        (one.table,),
    ).fetchone()
    if stored and stored[0]:  # room in its pages, which LIKE does not copy
        owner.execute(sql.SQL("ALTER TABLE floor.{} SET (" + stored[0] + ")").format(table))
    types: dict[str, LiteralString] = dict(
        owner.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            "  AND attgenerated = '' ORDER BY attnum",
            (one.table,),
        ).fetchall()
    )
    if one.changed:
        fill = "INSERT INTO floor.{0} ({1}) OVERRIDING SYSTEM VALUE SELECT {1} FROM public.{0}"
        owner.execute(sql.SQL(fill).format(table, _names(types)))
    return types


def _names(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join([sql.Identifier(name) for name in names])


def _write(owner: Tx, written: Sequence[Written], types: Types, batch: str) -> float:
    """Seconds of writing what a batch wrote; finding it does not count."""
    inserts, updates = [], []
    for one in written:
        table, kinds = sql.Identifier(one.table), types[one.table]
        chosen = [one.key, *one.changed] if one.changed else list(kinds)
        where = sql.SQL(one.where).format(batch=sql.Literal(batch))
        find = sql.SQL("SELECT {} FROM public.{} WHERE {}").format(_names(chosen), table, where)
        if one.changed:
            change = sql.SQL("UPDATE floor.{} t SET {} FROM unnest({}) AS n ({}) WHERE {}").format(
                table,
                sql.SQL(", ").join(
                    [sql.SQL("{0} = n.{0}").format(sql.Identifier(name)) for name in one.changed]
                ),
                sql.SQL(", ").join([sql.SQL("%s::" + kinds[name] + "[]") for name in chosen]),
                _names(chosen),
                sql.SQL("t.{0} = n.{0}").format(sql.Identifier(one.key)),
            )
            rows = owner.execute(find).fetchall()
            updates.append((change, columns(rows, len(chosen))))
        else:
            with owner.cursor().copy(sql.SQL("COPY ({}) TO STDOUT").format(find)) as copy:
                data = b"".join(map(bytes, copy))
            into = sql.SQL("COPY floor.{} ({}) FROM STDIN").format(table, _names(chosen))
            inserts.append((into, data))
    begun = time.perf_counter()
    with owner.transaction():
        for into, data in inserts:
            with owner.cursor().copy(into) as copy:
                copy.write(data)
        for change, arguments in updates:
            owner.execute(change, arguments)
    return time.perf_counter() - begun
