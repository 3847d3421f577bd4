"""How far accruals are: the days that were, and what is still to be accrued."""

from __future__ import annotations

from datetime import date, datetime

from psycopg.rows import class_row

from commenda.income.accrual import ACCRUAL
from commenda.income.model import Accrual, AccrualDay
from commenda.income.rules import day_of
from commenda.kit.db import Tx
from commenda.kit.rows import records


def accruals(
    tx: Tx,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
    day: date | None = None,
) -> list[Accrual]:
    """Days of products by when they were begun, before a (time, key): at most `limit`; of one day,
    or of all."""
    at, key = before or (None, None)
    with tx.cursor(row_factory=class_row(Accrual)) as cursor:
        return cursor.execute(
            "SELECT b.key, p.id AS product_id, p.name AS product_name, p.asset,"
            " split_part(b.key, ':', 3)::date AS day, b.rows_done AS holdings, b.amount,"
            " b.begun_at, b.finished_at"
            " FROM posting_batches b JOIN pool_products p ON p.id = split_part(b.key, ':', 2)::uuid"
            " WHERE b.kind = %(kind)s AND (%(at)s::timestamptz IS NULL"
            "  OR (b.begun_at, b.key) < (%(at)s, %(key)s))"
            " AND (%(day)s::date IS NULL OR split_part(b.key, ':', 3)::date = %(day)s)"
            " ORDER BY b.begun_at DESC, b.key DESC LIMIT %(limit)s",
            {"kind": ACCRUAL, "at": at, "key": key, "limit": limit, "day": day},
        ).fetchall()


def accrual_days(
    tx: Tx, before: tuple[datetime, str] | None = None, limit: int = 100
) -> list[AccrualDay]:
    """The days that were accrued, the latest first, before a (midnight, asset): at most `limit`."""
    at, asset = before or (None, None)
    return records(
        tx,
        AccrualDay,
        "SELECT d.day, p.asset, count(*) AS products,"
        " count(*) FILTER (WHERE b.finished_at IS NULL) AS open,"
        " sum(b.rows_done)::bigint AS holdings, sum(b.amount) AS amount,"
        " min(b.begun_at) AS begun_at, CASE WHEN count(b.finished_at) = count(*)"
        "  THEN max(b.finished_at) END AS finished_at FROM posting_batches b"
        " CROSS JOIN LATERAL (SELECT split_part(b.key, ':', 3)::date AS day) d"
        " JOIN pool_products p ON p.id = split_part(b.key, ':', 2)::uuid"
        " WHERE b.kind = %(kind)s AND (%(at)s::timestamptz IS NULL"
        "  OR (d.day::timestamp AT TIME ZONE 'UTC', p.asset) < (%(at)s, %(asset)s))"
        " GROUP BY d.day, p.asset ORDER BY d.day DESC, p.asset DESC LIMIT %(limit)s",
        {"kind": ACCRUAL, "at": at, "asset": asset, "limit": limit},
    )


def days_to_accrue(tx: Tx, now: datetime) -> int:
    """Days that are over and not accrued yet, of all holdings together."""
    row = tx.execute(
        "SELECT coalesce(sum(least(%(today)s, (end_at AT TIME ZONE 'UTC')::date)"
        "  - accrued_through - 1), 0) FROM pool_holdings WHERE status = 'held'"
        " AND accrued_through < least(%(today)s, (end_at AT TIME ZONE 'UTC')::date) - 1",
        {"today": day_of(now)},
    ).fetchone()
    assert row is not None
    return int(row[0])
