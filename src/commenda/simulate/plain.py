"""Rows of the database as plain JSON data: camelCase names, money and rates as decimal strings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from psycopg.rows import dict_row

from commenda.kit.db import Tx
from commenda.kit.times import iso

Row = dict[str, Any]


def one(tx: Tx, query: LiteralString) -> Row:
    return rows(tx, query)[0]


def rows(tx: Tx, query: LiteralString) -> list[Row]:
    with tx.cursor(row_factory=dict_row) as cursor:
        return [plain(row) for row in cursor.execute(query)]


def plain(row: Row) -> Row:
    """JSON types and camelCase names."""
    return {_camel(name): text(value) for name, value in row.items()}


def text(value: Any) -> Any:
    if isinstance(value, Decimal):
        short = f"{value:.12f}".rstrip("0").rstrip(".")
        return "0" if short in ("-0", "") else short
    if isinstance(value, datetime):
        return iso(value)
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
