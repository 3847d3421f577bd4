"""Managed wealth over HTTP: custody, products, subscriptions, settlement batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body, Query, Response
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.money import plain
from commenda.kit.web import (
    GUARDED,
    Asset,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    as_json,
    key_or_new,
    on_wire,
    problems,
    routes,
    sent,
    write,
)
from commenda.ledger import Author
from commenda.managed import liquidation, queries, subscriptions
from commenda.managed.batches import batch_by_id
from commenda.managed.custody import Custody, authorise_custody, custody_of
from commenda.managed.lifecycle import State
from commenda.managed.model import (
    RULES,
    CustodyLimit,
    SubscriptionMade,
    SubscriptionOrder,
    SubscriptionState,
    WithdrawalAsked,
    WithdrawalOrder,
)
from commenda.managed.progress import SubscriptionDetail, SubscriptionSummary, detail, summary
from commenda.managed.trace import trace
from commenda.managed.withdrawals import Withdrawal, request_withdrawal, withdrawals_of

router = routes("managed")

Reader = Annotated[Principal, may(Permission.PRODUCTS)]
Funder = Annotated[Principal, may(Permission.FUND)]
Owner = Annotated[Principal, may(Permission.WALLET)]
Investor = Annotated[Principal, may(Permission.SUBSCRIBE)]

Holder = Annotated[Principal, may(Permission.SUBSCRIBE, Permission.OVERVIEW)]
"""Who may read subscriptions: their own, or as staff everybody's."""


def _owner(who: Principal) -> UUID | None:
    """Whose subscriptions they may read; None for everybody's."""
    return None if who.may(Permission.OVERVIEW) else who.user_id


# --- Custody ------------------------------------------------------------------------------------


@router.post(
    "/participation/custody-auth",
    operation_id="authoriseCustody",
    response_model=Custody,
    responses=GUARDED | problems(404, 409),
)
def authorise(
    service: Served, who: Funder, body: CustodyLimit, key: IdempotencyKey = None
) -> Response:
    """Let the platform manage up to a limit of your money; a new limit replaces the old one."""

    def act(tx: Tx, now: datetime) -> Custody:
        author = Author(who.actor, RULES, now)
        authorise_custody(tx, author, who.user_id, body.asset, body.limit)
        return custody_of(tx, who.user_id, body.asset)

    return write(service, who, "custody-auth", key, body, act)


@router.get(
    "/participation/custody-auth",
    operation_id="getCustodyAuthorisation",
    responses=GUARDED | problems(404),
)
def custody(service: Served, who: Owner, asset: Annotated[Asset, Query()] = "USDT") -> Custody:
    """Your authorisation, what of it is in use, and what you can subscribe now."""
    with service.database.transaction() as tx:
        return custody_of(tx, who.user_id, asset)


# --- Subscriptions ---------------------------------------------------------------------------


@router.post(
    "/managed-subscriptions",
    operation_id="subscribe",
    status_code=201,
    response_model=SubscriptionMade,
    responses=GUARDED | problems(404, 409),
)
def subscribe(
    service: Served, who: Investor, body: SubscriptionOrder, key: IdempotencyKey = None
) -> Response:
    """Subscribe: your principal is reserved and creators are drawn; trading begins soon after.

    It is real trading: settlement comes after the last position is really closed.
    """
    named, secret = key_or_new(key), service.keys.derive("allocation")
    return write(
        service,
        who,
        "subscribe",
        key,
        {"productId": body.product_id, "amount": plain(body.amount)},
        lambda tx, now: subscriptions.subscribe(
            tx, Author(who.actor, RULES, now), who.user_id, body, named, secret
        ),
        status=201,
    )


@router.get(
    "/managed-subscriptions", operation_id="listSubscriptions", responses=GUARDED | problems(404)
)
def list_subscriptions(
    service: Served,
    who: Holder,
    asked: Paged,
    status: Annotated[State | None, Query()] = None,
    stuck: Annotated[
        bool, Query(description="Those that could not be closed, or should be settled by now.")
    ] = False,
    batch: Annotated[
        UUID | None, Query(description="What a settlement batch took up: its approval's id.")
    ] = None,
) -> Page[SubscriptionSummary]:
    """Your subscriptions, newest first, each with its value, its deviation and what it waits for;
    staff see all."""
    after, owner = asked.after(datetime, UUID), _owner(who)
    with service.database.transaction() as tx:
        among = None if batch is None else batch_by_id(tx, batch).ids
        rows = queries.subscriptions_of(
            tx, owner, status, asked.rows, after, stuck=stuck, among=among
        )
        legs = queries.traders_by_subscription(tx, [row.subscription_id for row in rows])
    summaries = [summary(row, legs[row.subscription_id]) for row in rows]
    return asked.page(summaries, lambda row: (row.subscribed_at, row.subscription_id))


@router.get(
    "/managed-subscriptions/{subscription_id}",
    operation_id="getSubscription",
    response_model=SubscriptionDetail,
    responses=GUARDED | problems(404),
)
def subscription(service: Served, who: Holder, subscription_id: UUID) -> Response:
    """One subscription: state, dates, creators, value against expectation, settlement."""
    with service.database.read() as tx:
        held, traders = queries.subscription_with_traders(tx, subscription_id, _owner(who))
    return sent(detail(held, traders))


@router.post(
    "/managed-subscriptions/{subscription_id}/withdraw",
    operation_id="withdrawSubscription",
    status_code=202,
    response_model=SubscriptionState | WithdrawalAsked,
    responses=GUARDED | problems(404, 409),
)
def withdraw(
    service: Served,
    who: Investor,
    subscription_id: UUID,
    body: Annotated[WithdrawalOrder | None, Body()] = None,
    key: IdempotencyKey = None,
) -> Response:
    """End a subscription: one that still waits is cancelled, any other is really liquidated.

    With an amount only that is taken out, once its part of every position is really closed; the
    subscription goes on.
    """

    def act(tx: Tx, now: datetime) -> SubscriptionState:
        author = Author(who.actor, RULES, now)
        queries.require_for(tx, subscription_id, who.user_id)
        if body is None:
            return liquidation.withdraw(tx, author, subscription_id)
        return request_withdrawal(tx, author, subscription_id, Decimal(plain(body.amount)))

    asked = str(subscription_id) if body is None else [str(subscription_id), plain(body.amount)]
    return write(service, who, "withdraw", key, asked, act, status=202)


@router.get(
    "/managed-subscriptions/{subscription_id}/withdrawals",
    operation_id="listSubscriptionWithdrawals",
    responses=GUARDED | problems(404),
)
def withdrawals(service: Served, who: Holder, subscription_id: UUID) -> list[Withdrawal]:
    """What was taken out of a subscription, or asked for, in the order of asking."""
    with service.database.transaction() as tx:
        queries.require_for(tx, subscription_id, _owner(who))
        return withdrawals_of(tx, subscription_id)


@on_wire
@dataclass(frozen=True, slots=True)
class NavHistory:
    subscription_id: UUID
    asset: Asset
    points: list[queries.NavPoint]
    method: Annotated[
        Literal["TWR"],
        Field(description="Time-weighted, before fees: what is paid out is no loss."),
    ] = "TWR"


@router.get(
    "/managed-subscriptions/{subscription_id}/nav",
    operation_id="getSubscriptionNav",
    responses=GUARDED | problems(404),
)
def nav(service: Served, who: Holder, subscription_id: UUID) -> NavHistory:
    """The daily net asset value of a subscription's book, with its time-weighted return."""
    with service.database.transaction() as tx:
        held = queries.subscription_of(tx, subscription_id, _owner(who))
        return NavHistory(subscription_id, held.asset, queries.nav_of(tx, subscription_id))


@on_wire
@dataclass(frozen=True, slots=True)
class AllocationSnapshot:
    """The whole draw: candidates with scores and reasons, policy, seed, weights, version."""

    subscription_id: UUID
    snapshot: dict[str, Any]


@router.get(
    "/managed-subscriptions/{subscription_id}/allocation",
    operation_id="getAllocationSnapshot",
    responses=GUARDED | problems(404),
)
def allocation(service: Served, who: Holder, subscription_id: UUID) -> AllocationSnapshot:
    """The stored draw of a subscription's creators: candidates, scores, seed, final weights."""
    with service.database.transaction() as tx:
        queries.require_for(tx, subscription_id, _owner(who))
        return AllocationSnapshot(subscription_id, queries.snapshot_of(tx, subscription_id))


@on_wire
@dataclass(frozen=True, slots=True)
class Trace:
    """Subscription, allocation, executions, NAV, liquidation, settlement, referral, in order.

    Beside them the journals and audit events of its correlation id.
    """

    subscription: dict[str, Any]
    allocation: list[dict[str, Any]]
    executions: list[dict[str, Any]]
    nav: list[dict[str, Any]]
    liquidation: list[dict[str, Any]]
    crystallisations: list[dict[str, Any]]
    settlement: list[dict[str, Any]]
    referral: list[dict[str, Any]]
    journals: list[dict[str, Any]]
    events: list[dict[str, Any]]


@router.get(
    "/managed-subscriptions/{subscription_id}/trace",
    operation_id="getSubscriptionTrace",
    responses=GUARDED | problems(404),
)
def subscription_trace(service: Served, who: Holder, subscription_id: UUID) -> Trace:
    """The chain from subscription to referral, with every journal and event on the way."""
    with service.database.transaction() as tx:
        queries.require_for(tx, subscription_id, _owner(who))
        return Trace(**as_json(trace(tx, subscription_id)))
