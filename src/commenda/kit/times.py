"""One form of time: ISO 8601 in UTC, `2026-03-01T00:00:00Z`, as the routes' records have it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import LiteralString


def iso(moment: date) -> str:
    """A moment in UTC with its fraction of a second if it has one, or a day.

    >>> iso(datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    '2026-03-01T12:30:00Z'
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return moment.isoformat()
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def sql_iso(column: LiteralString) -> LiteralString:
    """The same as SQL, where PostgreSQL writes the JSON."""
    return (
        f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS' || CASE"
        f" WHEN date_trunc('second', {column}) = {column} THEN '' ELSE '.US' END) || 'Z'"
    )
