"""Copies as their owners see them, valued at the latest marks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.copying.following import unknown_subscription
from commenda.copying.model import Chain, CopyMode, FollowSettings, Status
from commenda.copying.queries import unknown_flow
from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of
from commenda.kit.pages import Numbered, Sheet
from commenda.kit.rows import extended, first, sheet
from commenda.kit.wire import Amount, Internal, on_wire, one_of


@on_wire
@dataclass(frozen=True, slots=True)
class CopyExit:
    """How far the leaving of a copy has come."""

    requested_at: datetime
    attempts: Annotated[
        int,
        Field(ge=0, examples=[12], description="Tries that the venue refused or filled in part."),
    ]
    next_retry_at: datetime | None
    reason: str | None
    closed_at: datetime | None
    paid: Annotated[Amount | None, Field(description="What went back to the wallet.")]


@on_wire
@dataclass(frozen=True, slots=True)
class Copy:
    """A copy before it is valued."""

    subscription_id: UUID
    flow_id: UUID
    flow_title: str
    creator_id: UUID
    follower_id: UUID
    follower_vault_address: str | None
    chain_type: Chain | None
    investment_amount: Amount
    currency: str
    copy_mode: Annotated[str, one_of(CopyMode)]
    is_leader: Annotated[bool, Field(description="The creator's own book, which leads the flow.")]
    settings: FollowSettings
    status: Status
    subscribed_at: datetime
    last_executed_at: datetime | None
    updated_at: datetime
    exit: CopyExit | None
    scope_kind: Internal[str]
    closing_fee: Internal[Decimal]
    balance: Internal[Decimal]
    positions: Internal[Decimal | None]
    marked_at: Internal[datetime | None]
    at_cost: Internal[bool | None]
    now: Internal[datetime]


@on_wire
@dataclass(frozen=True, slots=True)
class FlowSubscription(Copy):
    """A copy: one flow, one book, valued at `asOf`."""

    current_value: Amount
    profit_loss: Amount
    profit_loss_percentage: Annotated[Amount, Field(description="Of the investment, in percent.")]
    valuation: Annotated[
        Literal["mark", "cost", "cash", "paid"],
        Field(
            description="mark: at the latest marks. cost: some position has no mark yet. cash: it"
            " holds no position. paid: it was left; the value is what was paid back."
        ),
    ]
    as_of: Annotated[datetime, Field(description="Of the oldest mark in the value.")]
    exit_fee: Annotated[
        Amount,
        Field(description="What the venue takes if all positions are closed at this value."),
    ]


_VALUED: LiteralString = (
    "SELECT s.id AS subscription_id, s.flow_id, f.title AS flow_title, s.creator_id,"
    " s.follower_id, s.follower_vault_address, s.chain_type, s.investment_amount,"
    ' c.asset AS currency, s.copy_mode, s.is_leader, s.auto_follow AS "settings.auto_follow",'
    ' s.notify_on_signal AS "settings.notify_on_signal",'
    ' s.max_slippage AS "settings.max_slippage", s.status, s.subscribed_at, s.updated_at,'
    " (SELECT max(e.executed_at) FROM signal_executions e WHERE e.subscription_id = s.id)"
    "   AS last_executed_at,"
    ' x.requested_at AS "exit.requested_at", x.attempts AS "exit.attempts",'
    ' x.next_retry_at AS "exit.next_retry_at", x.reason AS "exit.reason",'
    ' x.paid_at AS "exit.closed_at", greatest(x.equity, 0) AS "exit.paid",'
    " c.kind AS scope_kind, a.balance, held.value AS positions, held.marked_at,"
    " held.at_cost, coalesce(held.fee, 0) AS closing_fee, business_now() AS now"
    " FROM flow_subscriptions s JOIN shared_flows f ON f.id = s.flow_id"
    " JOIN legs l ON l.id = s.leg_id"
    " JOIN scopes c ON c.id = l.scope_id JOIN accounts a ON a.id = l.account_id"
    " LEFT JOIN LATERAL (SELECT sum(coalesce(p.quantity * m.price, p_cost.balance)) AS value,"
    "   sum(abs(coalesce(p.quantity * m.price, p_cost.balance)) * i.taker_fee) AS fee,"
    "   min(m.as_of) AS marked_at, bool_or(m.price IS NULL) AS at_cost"
    "  FROM positions p JOIN accounts p_cost ON p_cost.id = p.account_id"
    "  JOIN instruments i ON i.id = p.instrument_id"
    "  LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
    "  WHERE p.leg_id = l.id AND p.quantity <> 0) held ON true"
    " LEFT JOIN closings x ON x.id = c.id "
)
_SUBSCRIPTION: LiteralString = (
    _VALUED + "WHERE c.kind IN ('copy', 'vault') AND s.follower_id = %(follower)s "
)
_COUNT_FOLLOWING: LiteralString = (
    "SELECT count(*) FROM flow_subscriptions s WHERE s.flow_id = %(flow)s AND NOT s.is_leader"
)
_FOLLOWING: LiteralString = "WHERE s.flow_id = %(flow)s AND NOT s.is_leader "
_COUNT: LiteralString = (
    "SELECT count(*) FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
    " JOIN scopes c ON c.id = l.scope_id AND c.kind IN ('copy', 'vault')"
    " WHERE s.follower_id = %(follower)s "
)


def subscriptions_of(
    tx: Tx, follower_id: UUID, status: str | None, asked: Numbered
) -> Sheet[FlowSubscription]:
    """A user's copies and own books, newest first; managed subscriptions have their own list."""
    values = {"follower": follower_id, "status": status}
    where: LiteralString = "" if status is None else "AND s.status = %(status)s "
    query = _SUBSCRIPTION + where + "ORDER BY s.subscribed_at DESC, s.id"
    return sheet(tx, Copy, query, _COUNT + where, values, asked).each(_valued)


def subscription_view(tx: Tx, subscription_id: UUID, follower_id: UUID) -> FlowSubscription:
    """One copy of one's own; code `unknown_subscription`."""
    values = {"follower": follower_id, "id": subscription_id}
    found = first(tx, Copy, _SUBSCRIPTION + "AND s.id = %(id)s", values)
    if found is None:
        raise unknown_subscription(subscription_id)
    return _valued(found)


@on_wire
@dataclass(frozen=True, slots=True)
class FlowFollower:
    """Who follows a flow, as its creator sees them."""

    subscription_id: UUID
    follower_id: UUID
    managed: Annotated[bool, Field(description="A part of a managed subscription.")]
    investment_amount: Amount
    currency: str
    current_value: Annotated[
        Amount | None,
        Field(description="Null once a managed subscription has ended: its parts are not told."),
    ]
    profit_loss: Amount | None
    status: Status
    subscribed_at: datetime
    left_at: Annotated[datetime | None, Field(description="When it stopped following.")]


def followers_of(tx: Tx, flow_id: UUID, creator_id: UUID, asked: Numbered) -> Sheet[FlowFollower]:
    """Who follows a flow of one's own and who left, the latest first; code `unknown_flow`."""
    mine = tx.execute(
        "SELECT FROM shared_flows WHERE id = %s AND creator_id = %s", (flow_id, creator_id)
    ).fetchone()
    if mine is None:
        raise unknown_flow(flow_id)
    query = _VALUED + _FOLLOWING + "ORDER BY s.subscribed_at DESC, s.id"
    return sheet(tx, Copy, query, _COUNT_FOLLOWING, {"flow": flow_id}, asked).each(_follower)


def _follower(one: Copy) -> FlowFollower:
    managed, left = one.scope_kind == "managed", one.status == "cancelled"
    told = None if managed and left else _valued(one)
    return FlowFollower(
        one.subscription_id,
        one.follower_id,
        managed,
        one.investment_amount,
        one.currency,
        None if told is None else told.current_value,
        None if told is None else told.profit_loss,
        one.status,
        one.subscribed_at,
        one.updated_at if left else None,
    )


def _valued(one: Copy) -> FlowSubscription:
    value, valuation, as_of = _value(one)
    gain, invested = value - one.investment_amount, one.investment_amount
    return extended(
        one,
        FlowSubscription,
        current_value=value,
        profit_loss=gain,
        profit_loss_percentage=quantise(max(gain / invested, Decimal(-1)) * 100, 4)
        if invested
        else Decimal(0),
        valuation=valuation,
        as_of=as_of,
        exit_fee=quantise(one.closing_fee, scale_of(one.currency)),
    )


def _value(one: Copy) -> tuple[Decimal, str, datetime]:
    """(equity, how it was valued, as of when)."""
    if one.exit is not None and one.exit.closed_at is not None:
        assert one.exit.paid is not None
        return one.exit.paid, "paid", one.exit.closed_at
    if one.positions is None:
        return one.balance, "cash", one.now
    value = quantise(one.balance + one.positions, scale_of(one.currency))
    return value, "cost" if one.at_cost else "mark", one.marked_at or one.now
