"""Copies as their owners see them, valued at the latest marks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from commenda.copying import bodies
from commenda.copying.following import unknown_subscription
from commenda.copying.sheets import Sheet, count_of, rows_of
from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of

_SUBSCRIPTION: LiteralString = (
    "SELECT s.id, s.flow_id, f.title, s.creator_id, s.follower_id, s.follower_vault_address,"
    " s.chain_type, s.investment_amount, s.copy_mode, s.is_leader, s.auto_follow,"
    " s.notify_on_signal, s.max_slippage, s.status, s.subscribed_at, s.updated_at, c.asset,"
    " a.balance, held.value, held.marked_at, held.at_cost,"
    " (SELECT max(e.executed_at) FROM signal_executions e WHERE e.subscription_id = s.id)"
    "   AS last_executed_at,"
    " x.requested_at, x.attempts, x.next_retry_at, x.reason, x.paid_at AS closed_at,"
    " greatest(x.equity, 0) AS paid"
    " FROM flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id"
    " JOIN legs l ON l.id = s.leg_id"
    " JOIN scopes c ON c.id = l.scope_id AND c.kind IN ('copy', 'vault')"
    " JOIN accounts a ON a.id = l.account_id"
    " LEFT JOIN LATERAL (SELECT sum(coalesce(p.quantity * m.price, p_cost.balance)) AS value,"
    "   min(m.as_of) AS marked_at, bool_or(m.price IS NULL) AS at_cost"
    "  FROM positions p JOIN accounts p_cost ON p_cost.id = p.account_id"
    "  LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
    "  WHERE p.leg_id = l.id AND p.quantity <> 0) held ON true"
    " LEFT JOIN closings x ON x.id = c.id"
    " WHERE s.follower_id = %(follower)s "
)
_COUNT: LiteralString = (
    "SELECT count(*) FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
    " JOIN scopes c ON c.id = l.scope_id AND c.kind IN ('copy', 'vault')"
    " WHERE s.follower_id = %(follower)s "
)


def subscriptions_of(
    tx: Tx, follower_id: UUID, status: str | None, sheet: Sheet, now: datetime
) -> bodies.SubscriptionPage:
    """A user's copies and own books, newest first; managed subscriptions have their own list."""
    values = {"follower": follower_id, "status": status}
    where: LiteralString = "" if status is None else "AND s.status = %(status)s "
    rows = rows_of(
        tx,
        _SUBSCRIPTION + where + "ORDER BY s.subscribed_at DESC, s.id"
        " LIMIT %(limit)s OFFSET %(offset)s",
        {**values, "limit": sheet.limit, "offset": sheet.offset},
    )
    total = count_of(
        tx,
        _COUNT + where,
        values,
    )
    return bodies.SubscriptionPage(
        items=[_subscription(row, now) for row in rows],
        total=total,
        page=sheet.page,
        limit=sheet.limit,
    )


def subscription_view(
    tx: Tx, subscription_id: UUID, follower_id: UUID, now: datetime
) -> bodies.FlowSubscription:
    """One copy of one's own; code `unknown_subscription`."""
    rows = rows_of(
        tx, _SUBSCRIPTION + "AND s.id = %(id)s", {"follower": follower_id, "id": subscription_id}
    )
    if not rows:
        raise unknown_subscription(subscription_id)
    return _subscription(rows[0], now)


def _subscription(row: Mapping[str, Any], now: datetime) -> bodies.FlowSubscription:
    value, valuation, as_of = _value(row, now)
    invested = row["investment_amount"]
    gain = value - invested
    return bodies.FlowSubscription(
        subscription_id=row["id"],
        flow_id=row["flow_id"],
        flow_title=row["title"],
        creator_id=row["creator_id"],
        follower_id=row["follower_id"],
        follower_vault_address=row["follower_vault_address"],
        chain_type=row["chain_type"],
        investment_amount=invested,
        current_value=value,
        profit_loss=gain,
        profit_loss_percentage=quantise(gain / invested * 100, 4) if invested else Decimal(0),
        currency=row["asset"],
        valuation=valuation,
        as_of=as_of,
        copy_mode=row["copy_mode"],
        is_leader=row["is_leader"],
        settings=bodies.CopySettings(
            auto_follow=row["auto_follow"],
            notify_on_signal=row["notify_on_signal"],
            max_slippage=row["max_slippage"],
        ),
        status=row["status"],
        subscribed_at=row["subscribed_at"],
        last_executed_at=row["last_executed_at"],
        updated_at=row["updated_at"],
        exit=_exit(row),
    )


def _value(row: Mapping[str, Any], now: datetime) -> tuple[Decimal, Any, datetime]:
    """(equity, how it was valued, as of when)."""
    if row["closed_at"] is not None:
        return row["paid"], "paid", row["closed_at"]
    if row["value"] is None:
        return row["balance"], "cash", now
    value = quantise(row["balance"] + row["value"], scale_of(row["asset"]))
    if row["at_cost"]:
        return value, "cost", row["marked_at"] or now
    return value, "mark", row["marked_at"]


def _exit(row: Mapping[str, Any]) -> bodies.CopyExit | None:
    if row["requested_at"] is None:
        return None
    return bodies.CopyExit(
        requested_at=row["requested_at"],
        attempts=row["attempts"],
        next_retry_at=row["next_retry_at"],
        reason=row["reason"],
        closed_at=row["closed_at"],
        paid=row["paid"],
    )
