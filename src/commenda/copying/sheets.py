"""Lists by page number, with their total: the specification's page and limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString, NamedTuple

from psycopg.rows import dict_row

from commenda.kit.db import Tx


class Sheet(NamedTuple):
    """Which page of a list."""

    page: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


def rows_of(tx: Tx, query: LiteralString, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a question, by column names."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values).fetchall()


def count_of(tx: Tx, query: LiteralString, values: Mapping[str, Any]) -> int:
    """The answer to a `SELECT count(*)`."""
    row = tx.execute(query, values).fetchone()
    assert row is not None
    return int(row[0])
