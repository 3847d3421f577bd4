"""Open isolated books, value them, close them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.books.model import NewLeg, Scope
from commenda.kit.db import Tx
from commenda.ledger import AccountKey, open_accounts


def open_scopes(
    tx: Tx, scopes: Sequence[tuple[Scope, Sequence[NewLeg]]], now: datetime
) -> list[list[int]]:
    """Open isolated books; returns the cash account of each leg. Opening again changes nothing."""
    keys = [
        AccountKey("scope", scope.owner, scope.asset, scope.id, leg.id)
        for scope, legs in scopes
        for leg in legs
    ]
    accounts = iter(open_accounts(tx, keys))
    for scope, _ in scopes:
        tx.execute(
            "INSERT INTO scopes (id, kind, owner_kind, owner_id, asset, correlation_id, opened_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                scope.id,
                scope.kind,
                scope.owner.kind,
                scope.owner.id,
                scope.asset,
                scope.correlation_id,
                now,
            ),
        )
    opened: list[list[int]] = []
    for scope, legs in scopes:
        opened.append([next(accounts) for _ in legs])
        tx.execute(
            "INSERT INTO legs (id, scope_id, creator_id, account_id, capital, venue)"
            " SELECT leg, %s, creator, account, capital, venue"
            " FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::numeric[], %s::text[])"
            "   AS n (leg, creator, account, capital, venue) ON CONFLICT DO NOTHING",
            (
                scope.id,
                [leg.id for leg in legs],
                [leg.creator_id for leg in legs],
                opened[-1],
                [leg.capital for leg in legs],
                [leg.venue for leg in legs],
            ),
        )
    return opened


def record_nav(tx: Tx, at: datetime, marks: Mapping[int, Decimal]) -> int:
    """Write the net asset value of every open scope and leg at `marks`; rows written.

    NAV = cash + Σ quantity · mark, in the scope's asset, with the leg's part of what working parent
    orders have filled.
    """
    return tx.execute(
        "WITH mark AS (SELECT * FROM unnest(%(ids)s::smallint[], %(prices)s::numeric[])"
        "   AS m (instrument_id, price)),"
        " leg AS (SELECT l.scope_id, l.id, l.capital,"
        "   a.balance + coalesce(sum(p.quantity * m.price), 0) + coalesce(w.value, 0) AS nav"
        "  FROM legs l JOIN scopes s ON s.id = l.scope_id AND s.closed_at IS NULL"
        "  JOIN accounts a ON a.id = l.account_id"
        "  LEFT JOIN positions p ON p.leg_id = l.id AND p.quantity <> 0"
        "  LEFT JOIN mark m ON m.instrument_id = p.instrument_id"
        "  LEFT JOIN (SELECT f.leg_id, sum(f.cash + f.quantity * v.price) AS value"
        "    FROM working_fills f JOIN mark v USING (instrument_id) GROUP BY f.leg_id) w"
        "   ON w.leg_id = l.id"
        "  GROUP BY l.scope_id, l.id, l.capital, a.balance, w.value)"
        " INSERT INTO nav_history (scope_id, leg_id, at, capital, nav)"
        " SELECT scope_id, id, %(at)s, capital, nav FROM leg"
        " UNION ALL SELECT scope_id, NULL, %(at)s, sum(capital), sum(nav) FROM leg"
        "  GROUP BY scope_id"
        " ON CONFLICT DO NOTHING",
        {"ids": list(marks), "prices": list(marks.values()), "at": at},
    ).rowcount


def scope_equity(
    tx: Tx, scope_ids: Sequence[UUID], marks: Mapping[int, Decimal]
) -> dict[UUID, Decimal]:
    """Cash plus positions at `marks` of each scope, with its part of what working orders filled."""
    return dict(
        tx.execute(
            "SELECT l.scope_id, sum(a.balance + coalesce(v.value, 0))"
            " FROM legs l JOIN accounts a ON a.id = l.account_id"
            " LEFT JOIN (SELECT p.leg_id, sum(p.quantity * m.price + p.cash) AS value"
            "   FROM (SELECT leg_id, instrument_id, quantity, 0 AS cash FROM positions"
            "     UNION ALL SELECT leg_id, instrument_id, quantity, cash FROM working_fills) p"
            "   JOIN unnest(%s::smallint[], %s::numeric[]) AS m (instrument_id, price)"
            "     USING (instrument_id) GROUP BY p.leg_id) v ON v.leg_id = l.id"
            " WHERE l.scope_id = ANY (%s) GROUP BY l.scope_id",
            (list(marks), list(marks.values()), list(scope_ids)),
        ).fetchall()
    )


def close_scopes(tx: Tx, scope_ids: Sequence[UUID], now: datetime) -> None:
    """Close books that hold nothing any more."""
    tx.execute(
        "UPDATE scopes SET closed_at = %s WHERE id = ANY (%s) AND closed_at IS NULL",
        (now, list(scope_ids)),
    )
