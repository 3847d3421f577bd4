"""Reading subscriptions: one with its value and its creators, pages of them, its daily NAV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row, dict_row

from commenda.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription with its product, its reservation, the expectation it was made under and,
    once settled, its settlement."""

    id: UUID
    investor_id: UUID
    product_id: UUID
    profile: str
    term_days: int
    tier: str
    early_exit: bool
    amount: Decimal
    asset: str
    status: str
    subscribed_at: datetime
    activated_at: datetime | None
    matures_at: datetime | None
    matured_at: datetime | None
    liquidation_requested_at: datetime | None
    liquidation_door: str | None
    liquidation_attempts: int | None
    next_retry_at: datetime | None
    failure_reason: str | None
    liquidated_at: datetime | None
    settled_at: datetime | None
    reservation_status: str
    reserved_amount: Decimal
    released_amount: Decimal
    allocation_version: str
    seed: str
    allocated_at: datetime
    annual_return: Decimal
    warning_percent: Decimal
    alert_percent: Decimal
    expected_from: datetime
    equity: Decimal | None
    management_fee: Decimal | None
    hurdle: Decimal | None
    profit_share: Decimal | None
    to_creators: Decimal | None
    to_platform: Decimal | None
    to_referrers: Decimal | None
    to_wallet: Decimal | None
    shortfall: Decimal | None
    days: int | None
    expected_gain: Decimal | None
    deviation_rate: Decimal | None
    deviation_level: str | None
    now: datetime
    """The business time at which it was read."""


_HELD: LiteralString = (
    "SELECT s.id, s.investor_id, s.product_id, p.profile, p.term_days, p.tier, p.early_exit,"
    " s.amount, s.asset, s.status, s.subscribed_at, s.activated_at, s.matures_at, s.matured_at,"
    " c.requested_at AS liquidation_requested_at, c.trigger AS liquidation_door,"
    " c.attempts AS liquidation_attempts, c.next_retry_at, c.reason AS failure_reason,"
    " c.closed_at AS liquidated_at, s.settled_at, r.status AS reservation_status,"
    " r.reserved_amount, r.released_amount, a.version AS allocation_version, a.seed,"
    " a.created_at AS allocated_at, e.annual_return, e.warning_percent, e.alert_percent,"
    " e.valid_from AS expected_from, t.equity, t.management_fee, t.hurdle, t.profit_share,"
    " t.to_creators, t.to_platform, t.to_referrers, t.to_wallet, t.shortfall, t.days,"
    " t.expected_gain, t.deviation_rate, t.deviation_level,"
    " business_now() AS now"
    " FROM managed_subscriptions s JOIN products p ON p.id = s.product_id"
    " JOIN principal_reservations r ON r.subscription_id = s.id"
    " JOIN allocation_snapshots a ON a.subscription_id = s.id"
    " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = s.product_id"
    "   AND valid_from <= s.subscribed_at ORDER BY valid_from DESC LIMIT 1) e"
    " LEFT JOIN closings c ON c.id = s.id"
    " LEFT JOIN settlements t ON t.subscription_id = s.id"
)


def subscription_of(tx: Tx, subscription_id: UUID, owner: UUID | None) -> Held | None:
    """One subscription, of this owner unless that is None."""
    with tx.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(
            _HELD + " WHERE s.id = %s AND s.investor_id = coalesce(%s, s.investor_id)",
            (subscription_id, owner),
        ).fetchone()


def subscriptions_of(
    tx: Tx,
    owner: UUID | None,
    status: str | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Held]:
    """Subscriptions of one owner or of all, newest first, after one of them: at most `limit`."""
    query = _HELD + " WHERE true"
    if owner is not None:
        query += " AND s.investor_id = %(owner)s"
    if status is not None:
        query += " AND s.status = %(status)s"
    if after is not None:
        query += " AND (s.subscribed_at, s.id) < (%(at)s, %(last)s)"
    at, last = after or (None, None)
    values = {"owner": owner, "status": status, "at": at, "last": last, "limit": limit}
    with tx.cursor(row_factory=class_row(Held)) as cursor:
        return cursor.execute(
            query + " ORDER BY s.subscribed_at DESC, s.id DESC LIMIT %(limit)s", values
        ).fetchall()


def exists_for(tx: Tx, subscription_id: UUID, owner: UUID | None) -> bool:
    """Whether there is such a subscription, of this owner unless that is None."""
    return bool(
        tx.execute(
            "SELECT 1 FROM managed_subscriptions"
            " WHERE id = %s AND investor_id = coalesce(%s, investor_id)",
            (subscription_id, owner),
        ).fetchone()
    )


@dataclass(frozen=True, slots=True)
class Trader:
    """One creator's part of a subscription: its weight, and what its leg is worth at marks.

    A position without a mark counts at its cost. `as_of` is the oldest mark that was used;
    `value` is None before activation.
    """

    subscription_id: UUID
    flow_id: UUID
    title: str
    creator_id: UUID
    creator: str
    leg_id: UUID
    weight: Decimal
    amount: Decimal
    status: str
    value: Decimal | None
    as_of: datetime | None


_TRADERS: LiteralString = (
    "SELECT a.subscription_id, a.flow_id, f.title, a.creator_id, u.username AS creator,"
    " a.leg_id, a.weight, a.amount, a.status,"
    " cash.balance + coalesce(held.value, 0) AS value, held.as_of"
    " FROM managed_allocations a JOIN shared_flows f ON f.id = a.flow_id"
    " JOIN users u ON u.id = a.creator_id"
    " LEFT JOIN legs l ON l.id = a.leg_id LEFT JOIN accounts cash ON cash.id = l.account_id"
    " LEFT JOIN LATERAL (SELECT sum(coalesce(p.quantity * m.price, cost.balance)) AS value,"
    "   min(m.as_of) AS as_of FROM positions p JOIN accounts cost ON cost.id = p.account_id"
    "   LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
    "   WHERE p.leg_id = a.leg_id AND p.quantity <> 0) held ON true"
    " WHERE a.subscription_id "
)
_BY_WEIGHT: LiteralString = " ORDER BY a.subscription_id, a.weight DESC, a.flow_id"


def traders_of(tx: Tx, subscription_id: UUID) -> list[Trader]:
    """Whom a subscription copies, greatest weight first."""
    with tx.cursor(row_factory=class_row(Trader)) as cursor:
        return cursor.execute(_TRADERS + "= %s" + _BY_WEIGHT, (subscription_id,)).fetchall()


def traders_by_subscription(tx: Tx, subscription_ids: Sequence[UUID]) -> dict[UUID, list[Trader]]:
    """Whom each of several subscriptions copies.

    A question of its own: asked with a list, PostgreSQL plans it anew each time, which takes
    longer than the answer for one.
    """
    found: dict[UUID, list[Trader]] = {one: [] for one in subscription_ids}
    with tx.cursor(row_factory=class_row(Trader)) as cursor:
        for trader in cursor.execute(
            _TRADERS + "= ANY (%s)" + _BY_WEIGHT, (list(subscription_ids),)
        ):
            found[trader.subscription_id].append(trader)
    return found


def snapshot_of(tx: Tx, subscription_id: UUID) -> dict[str, Any] | None:
    """The whole allocation snapshot as it was stored."""
    row = tx.execute(
        "SELECT snapshot FROM allocation_snapshots WHERE subscription_id = %s", (subscription_id,)
    ).fetchone()
    return row[0] if row else None


def nav_of(tx: Tx, subscription_id: UUID) -> list[dict[str, Any]]:
    """The daily NAV of a subscription's book, oldest first."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT at, capital, nav FROM nav_history WHERE scope_id = %s AND leg_id IS NULL"
            " ORDER BY at",
            (subscription_id,),
        ).fetchall()


def matured(tx: Tx, limit: int) -> list[UUID]:
    """What an operator's batch may take up: matured, on its way out, or ready to be settled."""
    rows = tx.execute(
        "SELECT id FROM managed_subscriptions"
        " WHERE status IN ('MATURED', 'LIQUIDATING', 'LIQUIDATED') ORDER BY id LIMIT %s",
        (limit,),
    ).fetchall()
    return [row[0] for row in rows]


def states_of(tx: Tx, subscription_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The state of each of these subscriptions that exists."""
    return dict(
        tx.execute(
            "SELECT id, status FROM managed_subscriptions WHERE id = ANY (%s) ORDER BY id",
            (list(subscription_ids),),
        ).fetchall()
    )
