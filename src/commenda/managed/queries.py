"""Reading subscriptions: one with its value and its creators, pages of them, its daily NAV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.books import Trigger
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, first_with, records
from commenda.kit.wire import Amount, Asset, Internal, on_wire, one_of
from commenda.managed.lifecycle import Deadlines, State
from commenda.managed.model import ExpectedReturn, Profile


@on_wire
@dataclass(frozen=True, slots=True)
class SubscribedProduct:
    product_id: UUID
    profile: Annotated[str, one_of(Profile)]
    term_days: int
    tier: str
    early_exit: bool


@on_wire
@dataclass(frozen=True, slots=True)
class AllocatedTrader:
    """A creator who is copied, with what part of the principal, and what the leg is worth at marks.

    A position without a mark counts at its cost. `as_of` is the oldest mark that was used;
    `current_value` is None before activation.
    """

    subscription_id: Internal[UUID]
    flow_id: UUID
    title: str
    creator_id: UUID
    creator: str
    weight: Amount
    amount: Amount
    current_value: Amount | None
    status: str
    as_of: Internal[datetime | None]


@on_wire
@dataclass(frozen=True, slots=True)
class AllocationPart:
    """Whom the draw chose; `seed` and `version` reproduce it from the stored snapshot."""

    version: Annotated[str, Field(examples=["allocation-1"])]
    seed: str
    last_rebalance_at: datetime
    traders: list[AllocatedTrader] = field(default_factory=list)


@on_wire
@dataclass(frozen=True, slots=True)
class ReservationPart:
    status: Annotated[str, one_of(("reserved", "deployed", "released"))]
    reserved_amount: Amount
    released_amount: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class LiquidationPart:
    """How far the real closing of every position is; why it failed and when it is tried again."""

    requested_at: datetime
    door: Annotated[str, one_of(Trigger)]
    attempts: int
    reason: str | None
    next_retry_at: datetime | None
    liquidated_at: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class SettlementPart:
    """Where every unit of the equity went."""

    settled_at: datetime
    equity: Amount
    collected: Annotated[Amount, Field(description="What earlier profit shares had left owed.")]
    management_fee: Amount
    hurdle: Amount
    profit_share: Amount
    to_creators: Amount
    to_platform: Amount
    to_referrers: Amount
    to_wallet: Amount
    shortfall: Amount
    days: int


@on_wire
@dataclass(frozen=True, slots=True)
class Held:
    """A subscription with its parts, and the expectation it was made under."""

    subscription_id: UUID
    investor_id: UUID
    investor_name: str
    status: Annotated[str, one_of(State)]
    amount: Amount
    asset: Asset
    product: SubscribedProduct
    subscribed_at: datetime
    activated_at: datetime | None
    matures_at: datetime | None
    settled_at: datetime | None
    matured_at: Internal[datetime | None]
    allocation: Internal[AllocationPart]
    reservation: Internal[ReservationPart]
    liquidation: Internal[LiquidationPart | None]
    settlement: Internal[SettlementPart | None]
    expected: Internal[ExpectedReturn]
    principal: Internal[Decimal]
    """What is open of the amount; once it is settled, what was open then."""
    accrued_until: Internal[datetime | None]
    withdrawn: Internal[Decimal]
    expected_before: Internal[Decimal]
    """The gain expected until then."""
    batch: Internal[UUID | None]
    """The request for a settlement batch with it that waits for an approval."""
    now: Internal[datetime]
    """The business time at which it was read."""


_COLUMNS: LiteralString = (
    "SELECT s.id AS subscription_id, s.investor_id, name_of(s.investor_id) AS investor_name,"
    " s.status, s.amount, s.asset,"
    ' s.product_id AS "product.product_id", p.profile AS "product.profile",'
    ' p.term_days AS "product.term_days", p.tier AS "product.tier",'
    ' p.early_exit AS "product.early_exit",'
    " s.subscribed_at, s.activated_at, s.matures_at, s.settled_at, s.matured_at,"
    ' a.version AS "allocation.version", a.seed AS "allocation.seed",'
    ' a.created_at AS "allocation.last_rebalance_at", r.status AS "reservation.status",'
    ' r.reserved_amount AS "reservation.reserved_amount",'
    ' r.released_amount AS "reservation.released_amount",'
    ' c.requested_at AS "liquidation.requested_at", c.trigger AS "liquidation.door",'
    ' c.attempts AS "liquidation.attempts", c.reason AS "liquidation.reason",'
    ' c.next_retry_at AS "liquidation.next_retry_at", c.closed_at AS "liquidation.liquidated_at",'
    ' t.settled_at AS "settlement.settled_at", t.equity AS "settlement.equity",'
    ' t.collected AS "settlement.collected",'
    ' t.management_fee AS "settlement.management_fee", t.hurdle AS "settlement.hurdle",'
    ' t.profit_share AS "settlement.profit_share", t.to_creators AS "settlement.to_creators",'
    ' t.to_platform AS "settlement.to_platform", t.to_referrers AS "settlement.to_referrers",'
    ' t.to_wallet AS "settlement.to_wallet", t.shortfall AS "settlement.shortfall",'
    ' t.days AS "settlement.days", e.annual_return AS "expected.annual_return",'
    ' e.warning_percent AS "expected.warning_percent", e.alert_percent AS "expected.alert_percent",'
    " coalesce(t.principal, r.reserved_amount - r.released_amount) AS principal,"
    " coalesce(s.accrued_until, s.activated_at) AS accrued_until, k.withdrawn,"
    " k.expected AS expected_before, CASE WHEN s.status IN ('MATURED', 'LIQUIDATING', 'LIQUIDATED')"
    "  THEN (SELECT b.id FROM approvals b WHERE b.about && ARRAY[s.id::text, 'all matured']"
    "   AND b.kind = 'managed.settle_batch' AND b.status = 'requested'"
    "   AND b.expires_at > business_now() ORDER BY b.sequence LIMIT 1) END AS batch,"
    " business_now() AS now"
)
_TABLES: LiteralString = (
    " FROM managed_subscriptions s JOIN products p ON p.id = s.product_id"
    " JOIN principal_reservations r ON r.subscription_id = s.id"
    " JOIN allocation_snapshots a ON a.subscription_id = s.id"
    " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = s.product_id"
    "   AND valid_from <= s.subscribed_at ORDER BY valid_from DESC LIMIT 1) e"
    " CROSS JOIN LATERAL (SELECT coalesce(sum(to_wallet), 0) AS withdrawn,"
    "   coalesce(sum(expected_gain), 0) AS expected FROM crystallisations"
    "   WHERE subscription_id = s.id) k"
    " LEFT JOIN closings c ON c.id = s.id"
    " LEFT JOIN settlements t ON t.subscription_id = s.id"
)
_HELD = _COLUMNS + _TABLES
_OF_ONE: LiteralString = " WHERE s.id = %s AND s.investor_id = coalesce(%s, s.investor_id)"


def subscription_of(tx: Tx, subscription_id: UUID, owner: UUID | None) -> Held:
    """One subscription, of this owner unless that is None; code `unknown_subscription`."""
    held = first(tx, Held, _HELD + _OF_ONE, (subscription_id, owner))
    if held is None:
        raise unknown("subscription", subscription_id, "id")
    return held


_STUCK: LiteralString = (
    " AND s.status IN ('ACTIVE', 'MATURED', 'LIQUIDATING', 'LIQUIDATED')"
    " AND (c.closed_at IS NULL AND c.reason IS NOT NULL"
    "  OR s.matures_at < business_now() - %(late)s)"
)
LATE = Deadlines().mature_to_settle


def subscriptions_of(
    tx: Tx,
    owner: UUID | None,
    status: str | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
    *,
    stuck: bool = False,
    among: Sequence[UUID] | None = None,
) -> list[Held]:
    """Subscriptions of one owner or of all, newest first, after one of them: at most `limit`.

    `stuck` are those whose closing was refused, or whose term was over a while ago.
    """
    query = _HELD + " WHERE true"
    if owner is not None:
        query += " AND s.investor_id = %(owner)s"
    if status is not None:
        query += " AND s.status = %(status)s"
    if stuck:
        query += _STUCK
    if among is not None:
        query += " AND s.id = ANY (%(among)s)"
    if after is not None:
        query += " AND (s.subscribed_at, s.id) < (%(at)s, %(last)s)"
    at, last = after or (None, None)
    values: dict[str, Any] = {"owner": owner, "status": status, "at": at, "last": last}
    values |= {"among": None if among is None else list(among), "late": LATE, "limit": limit}
    query += " ORDER BY s.subscribed_at DESC, s.id DESC LIMIT %(limit)s"
    return records(tx, Held, query, values)


def require_for(tx: Tx, subscription_id: UUID, owner: UUID | None) -> None:
    """Refuse a subscription that is not there, or not of this owner unless that is None.

    Code `unknown_subscription`.
    """
    if not tx.execute(
        "SELECT 1 FROM managed_subscriptions"
        " WHERE id = %s AND investor_id = coalesce(%s, investor_id)",
        (subscription_id, owner),
    ).fetchone():
        raise unknown("subscription", subscription_id, "id")


_TRADERS: LiteralString = (
    "SELECT a.subscription_id, a.flow_id, f.title, a.creator_id, u.username AS creator,"
    " a.weight, a.amount, a.status,"
    " cash.balance + coalesce(held.value, 0) AS current_value, held.as_of"
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


_FIELDS = tuple(one.name for one in fields(AllocatedTrader))
_WITH_TRADERS = "".join(
    (
        _COLUMNS,
        *(f", traders.{name}" for name in _FIELDS),
        _TABLES,
        " CROSS JOIN LATERAL (SELECT ",
        ", ".join(f"array_agg({name}) AS {name}" for name in _FIELDS),
        f" FROM ({_TRADERS}= s.id{_BY_WEIGHT}) a) traders",
        _OF_ONE,
    )
)


def subscription_with_traders(
    tx: Tx, subscription_id: UUID, owner: UUID | None
) -> tuple[Held, list[AllocatedTrader]]:
    """`subscription_of`, and whom it copies, greatest weight first: in one question."""
    found = first_with(tx, Held, AllocatedTrader, _WITH_TRADERS, (subscription_id, owner))
    if found is None:
        raise unknown("subscription", subscription_id, "id")
    return found


def traders_by_subscription(
    tx: Tx, subscription_ids: Sequence[UUID]
) -> dict[UUID, list[AllocatedTrader]]:
    """Whom each of several subscriptions copies.

    A question of its own: asked with a list, PostgreSQL plans it anew each time, which takes
    longer than the answer for one.
    """
    found: dict[UUID, list[AllocatedTrader]] = {one: [] for one in subscription_ids}
    query = _TRADERS + "= ANY (%s)" + _BY_WEIGHT
    for trader in records(tx, AllocatedTrader, query, (list(subscription_ids),)):
        found[trader.subscription_id].append(trader)
    return found


def snapshot_of(tx: Tx, subscription_id: UUID) -> dict[str, Any]:
    """The whole allocation snapshot as it was stored."""
    row = tx.execute(
        "SELECT snapshot FROM allocation_snapshots WHERE subscription_id = %s", (subscription_id,)
    ).fetchone()
    return row[0] if row else {}


@on_wire
@dataclass(frozen=True, slots=True)
class NavPoint:
    """The book at the end of a business day; the return is since the beginning, as a fraction."""

    at: datetime
    capital: Amount
    nav: Amount
    return_: Annotated[Amount, Field(alias="return")]


# The return is time-weighted: what left the book at a crystallisation ends a link of the chain.
NAVS: LiteralString = (
    "SELECT n.at, n.capital, n.nav, greatest(n.nav, 0) / n.capital"
    "  * coalesce((SELECT exp(sum(ln(k.equity / k.capital))) FROM crystallisations k"
    "   WHERE k.subscription_id = n.scope_id AND k.at <= n.at), 1) - 1 AS return"
    " FROM nav_history n WHERE n.scope_id = %(id)s AND n.leg_id IS NULL AND n.capital > 0"
    " ORDER BY n.at"
)


def nav_of(tx: Tx, subscription_id: UUID) -> list[NavPoint]:
    """The daily NAV of a subscription's book, oldest first."""
    rows = tx.execute(NAVS, {"id": subscription_id})
    return [NavPoint(at, capital, nav, round(gain, 8)) for at, capital, nav, gain in rows]


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
