"""Rows of the database as records, with the parts that their columns name.

A column `"product.term_days"` is the field `term_days` of the record's part `product`:

    SELECT s.id, p.term_days AS "product.term_days", p.tier AS "product.tier" FROM ...

A part that may be missing (`exit: Exit | None`) is None where its first column is NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    LiteralString,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from psycopg import sql
from psycopg.rows import BaseRowFactory

from commenda.kit.db import Tx
from commenda.kit.pages import Numbered, Sheet

T = TypeVar("T")
M = TypeVar("M")
Values = Mapping[str, Any] | Sequence[Any]


def record_row(kind: type[T]) -> BaseRowFactory[T]:
    """A row factory for a dataclass, as psycopg's `class_row`, with its parts."""
    known: Any = kind

    def factory(cursor: Any) -> Callable[[Sequence[Any]], T]:
        return _maker(known, _names(cursor))

    return factory


def records(tx: Tx, kind: type[T], query: LiteralString, values: Values = ()) -> list[T]:
    """What a question finds."""
    with tx.cursor(row_factory=record_row(kind)) as cursor:
        return cursor.execute(query, values).fetchall()


def first(tx: Tx, kind: type[T], query: LiteralString, values: Values = ()) -> T | None:
    """The first that a question finds."""
    with tx.cursor(row_factory=record_row(kind)) as cursor:
        return cursor.execute(query, values).fetchone()


def first_with(
    tx: Tx, kind: type[T], many: type[M], query: LiteralString, values: Values = ()
) -> tuple[T, list[M]] | None:
    """The first that a question finds, with records whose fields are its last columns, as arrays in
    the order of the fields of `many`."""
    with tx.cursor() as cursor:
        row = cursor.execute(query, values).fetchone()
        names = _names(cursor)
    if row is None:
        return None
    known: Any = kind
    own = len(names) - len(fields(cast(Any, many)))
    columns = [column or () for column in row[own:]]
    return _maker(known, names[:own])(row), [many(*one) for one in zip(*columns, strict=True)]


def put(tx: Tx, into: LiteralString, values: Mapping[str, Any]) -> bool:
    """Insert a row by its columns' names, as in `put(tx, "INSERT INTO flows", {"id": 1})`.

    Whether it is new: one that has a unique key of it already stays.
    """
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    held = sql.SQL(", ").join(map(sql.Placeholder, values))
    query = sql.SQL("{} ({}) VALUES ({}) ON CONFLICT DO NOTHING")
    return tx.execute(query.format(sql.SQL(into), names, held), values).rowcount > 0


def put_all(tx: Tx, into: LiteralString, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that have the same columns into a table, by their names, in one statement.

    Not inside a pipeline, which has no COPY.
    """
    if rows:
        names = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
        query = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(into), names)
        with tx.cursor() as cursor, cursor.copy(query) as copy:
            for row in rows:
                copy.write_row(tuple(row.values()))


def columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Rows of `count` values as columns, for `unnest`."""
    return [[row[place] for row in rows] for place in range(count)]


def sheet(
    tx: Tx,
    kind: type[T],
    query: LiteralString,
    count: LiteralString,
    values: Mapping[str, Any],
    asked: Numbered,
) -> Sheet[T]:
    """A page by number of what `query` finds in its order, with the total that `count` says."""
    page = {**values, "limit": asked.limit, "offset": asked.offset}
    items = records(tx, kind, query + " LIMIT %(limit)s OFFSET %(offset)s", page)
    total = tx.execute(count, values).fetchone()
    assert total is not None
    return Sheet(items, total[0], asked.page, asked.limit)


def extended(record: Any, kind: type[T], **more: Any) -> T:
    """A record as one of a kind that has more fields, with those, or others in place of its own."""
    known = {field.name: getattr(record, field.name) for field in fields(record)}
    return kind(**{**known, **more})


def _names(cursor: Any) -> tuple[bytes, ...]:
    """How the columns are called; `description` would take as long as reading a row of them."""
    found = cursor.pgresult
    return () if found is None else tuple(map(found.fname, range(found.nfields)))


@cache
def _maker(kind: Any, columns: tuple[bytes, ...]) -> Callable[[Sequence[Any]], Any]:
    names = [name.decode() for name in columns]
    own: list[tuple[str, int]] = []
    grouped: dict[str, list[tuple[str, int]]] = {}
    for place, name in enumerate(names):
        part, dot, rest = name.partition(".")
        if dot:
            grouped.setdefault(part, []).append((rest, place))
        else:
            own.append((name, place))
    hints = get_type_hints(kind, include_extras=True) if grouped else {}
    parts = []
    for part, its in grouped.items():
        part_kind, optional = _record_kind(hints[part])
        make_part = _maker(part_kind, tuple(name.encode() for name, _ in its))
        parts.append((part, make_part, [place for _, place in its], optional))

    def make(row: Sequence[Any]) -> Any:
        known = {name: row[place] for name, place in own}
        for part, make_part, places, optional in parts:
            missing = optional and row[places[0]] is None
            known[part] = None if missing else make_part([row[place] for place in places])
        return kind(**known)

    return make


def _record_kind(hint: Any) -> tuple[Any, bool]:
    """The class of a part and whether it may be missing."""
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    (kind,) = [one for one in get_args(hint) if one is not NoneType]
    return _record_kind(kind)[0], True
