"""Managed wealth over HTTP: funding and custody, products, subscriptions, settlement batches."""

from __future__ import annotations

import secrets
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response
from fastapi.responses import JSONResponse

from commenda.books import Trigger
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.money import plain
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Answer,
    Asset,
    IdempotencyKey,
    Moment,
    Served,
    answer_once,
    as_json,
    problems,
    refused,
    respond,
    sent,
    wire,
)
from commenda.ledger import Author
from commenda.managed import answers, bodies, decisions, products, queries
from commenda.managed.custody import authorise_custody, custody_of
from commenda.managed.lifecycle import State
from commenda.managed.liquidation import request_liquidation
from commenda.managed.model import RULES, ExpectedReturn
from commenda.managed.subscriptions import Request, cancel, subscribe_once
from commenda.managed.trace import trace

router = APIRouter(tags=["managed"])

Reader = Annotated[Principal, may(Permission.PRODUCTS)]
Funder = Annotated[Principal, may(Permission.FUND)]
Owner = Annotated[Principal, may(Permission.WALLET)]
Investor = Annotated[Principal, may(Permission.SUBSCRIBE)]

Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]

Holder = Annotated[Principal, may(Permission.SUBSCRIBE, Permission.OVERVIEW)]
"""Who may read subscriptions: their own, or as staff everybody's."""

REFUSALS = {
    "insufficient_custody": (
        "What is available in the wallet (money on hold is not), or the authorisation, does not"
        " cover this amount",
        "bring money in, or authorise a higher limit",
    ),
    "no_eligible_creator": (
        "No creator passes this product's profile and risk thresholds",
        "choose another product, or wait for creators",
    ),
    "allocation_capacity": (
        "The creators' limits hold only a part of this amount",
        "subscribe a smaller amount, or wait for more creators",
    ),
}

# --- Custody ------------------------------------------------------------------------------------


@router.post(
    "/participation/custody-auth",
    operation_id="authoriseCustody",
    response_model=bodies.CustodyAuthorisation,
    responses=GUARDED | problems(404, 409),
)
def authorise(
    service: Served, who: Funder, body: bodies.CustodyLimit, key: IdempotencyKey = None
) -> JSONResponse:
    """Let the platform manage up to a limit of your money; a new limit replaces the old one."""
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            author = Author(who.actor, RULES, now)
            authorise_custody(tx, author, who.user_id, body.asset, body.limit)
            return Answer(wire(answers.as_custody(custody_of(tx, who.user_id, body.asset))))

        return answer_once(tx, "custody-auth", str(who.user_id), key, body, now, act)


@router.get(
    "/participation/custody-auth",
    operation_id="getCustodyAuthorisation",
    responses=GUARDED | problems(404),
)
def custody(
    service: Served, who: Owner, asset: Annotated[Asset, Query()] = "USDT"
) -> bodies.CustodyAuthorisation:
    """Your authorisation, what of it is in use, and what you can subscribe now."""
    with service.database.transaction() as tx:
        return answers.as_custody(custody_of(tx, who.user_id, asset))


# --- Products and the return matrix ----------------------------------------------------------


@router.get("/managed/products", operation_id="listManagedProducts", responses=GUARDED)
def list_products(service: Served, _who: Reader) -> list[bodies.ProductOffer]:
    """Every product with its fees, limits and expected return in force now."""
    with service.database.transaction() as tx:
        return [answers.as_offer(offer) for offer in products.offers(tx, business_now(tx))]


@router.get("/managed/return-matrix", operation_id="getReturnMatrix", responses=GUARDED)
def return_matrix(
    service: Served, _who: Reader, at: Annotated[Moment | None, Query()] = None
) -> list[bodies.MatrixCell]:
    """The return matrix in force now, or at another time: by profile, term and tier."""
    with service.database.transaction() as tx:
        cells = products.return_matrix(tx, business_now(tx) if at is None else at)
    return [answers.as_cell(cell) for cell in cells]


@router.put(
    "/managed/return-matrix",
    operation_id="changeReturnMatrix",
    status_code=202,
    response_model=bodies.Asked,
    responses=GUARDED | problems(404, 409),
)
def change_return_matrix(
    service: Served,
    who: Annotated[Principal, may(Permission.TERMS)],
    body: bodies.MatrixChange,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask for a new cell of the return matrix; it holds once another person has approved it."""
    expected = ExpectedReturn(body.annual_return, body.warning_percent, body.alert_percent)
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            asked = decisions.ask_for_matrix(
                tx, who, body.product_id, expected, body.valid_from, now
            )
            return Answer(wire(bodies.Asked(approval_id=asked.id)), 202)

        return answer_once(tx, "return-matrix", str(who.user_id), key, body, now, act)


# --- Subscriptions ---------------------------------------------------------------------------


@router.post(
    "/managed-subscriptions",
    operation_id="subscribe",
    status_code=201,
    response_model=bodies.SubscriptionMade,
    responses=GUARDED | problems(404, 409),
)
def subscribe(
    service: Served, who: Investor, body: bodies.SubscriptionOrder, key: IdempotencyKey = None
) -> JSONResponse:
    """Subscribe: your principal is reserved and creators are drawn; trading begins soon after.

    It is real trading: settlement comes after the last position is really closed.
    """
    amount = Decimal(plain(body.amount))
    request = Request(who.user_id, body.product_id, amount, _key_or_new(key))
    with service.database.transaction() as tx:
        author = Author(who.actor, RULES, business_now(tx))
        secret = service.keys.derive("allocation")
        outcome, replayed = subscribe_once(tx, author, request, secret)
    if "refused" in outcome:
        detail, hint = REFUSALS[outcome["refused"]]
        return respond(
            refused(outcome["refused"], detail, field="amount", hint=hint), replayed=replayed
        )
    made = bodies.SubscriptionMade(
        subscription_id=UUID(outcome["subscriptionId"]),
        execution_scope_id=UUID(outcome["subscriptionId"]),
        status=State(outcome["status"]),
        product_id=body.product_id,
        amount=amount,
    )
    return respond(Answer(wire(made), 201), replayed=replayed)


@router.get("/managed-subscriptions", operation_id="listSubscriptions", responses=GUARDED)
def list_subscriptions(
    service: Served,
    who: Holder,
    status: Annotated[State | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> bodies.SubscriptionPage:
    """Your subscriptions, newest first, each with its value and deviation; staff see all."""
    after = key_after(cursor, datetime, UUID)
    with service.database.transaction() as tx:
        now = business_now(tx)
        rows = queries.subscriptions_of(tx, _owner(who), status, limit + 1, after)
        page = page_of(rows, limit, lambda row: (row.subscribed_at, row.id))
        legs = queries.traders_by_subscription(tx, [row.id for row in page.items])
    return bodies.SubscriptionPage(
        items=[answers.as_summary(row, legs[row.id], now) for row in page.items],
        next_cursor=page.next_cursor,
    )


@router.get(
    "/managed-subscriptions/{subscription_id}",
    operation_id="getSubscription",
    response_model=bodies.SubscriptionDetail,
    responses=GUARDED | problems(404),
)
def subscription(service: Served, who: Holder, subscription_id: UUID) -> Response:
    """One subscription: state, dates, creators, value against expectation, settlement."""
    with service.database.read() as tx:
        held = queries.subscription_of(tx, subscription_id, _owner(who))
        if held is None:
            raise _unknown(subscription_id)
        traders = queries.traders_of(tx, subscription_id)
    return sent(answers.as_detail(held, traders, held.now))


@router.post(
    "/managed-subscriptions/{subscription_id}/withdraw",
    operation_id="withdrawSubscription",
    status_code=202,
    response_model=bodies.SubscriptionState,
    responses=GUARDED | problems(404, 409),
)
def withdraw(
    service: Served, who: Investor, subscription_id: UUID, key: IdempotencyKey = None
) -> JSONResponse:
    """End a subscription: one that still waits is cancelled, any other is really liquidated."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        _require_own(tx, subscription_id, who.user_id)

        def act() -> Answer:
            return _ended(tx, Author(who.actor, RULES, now), subscription_id)

        return answer_once(tx, "withdraw", str(who.user_id), key, str(subscription_id), now, act)


def _ended(tx: Tx, author: Author, subscription_id: UUID) -> Answer:
    state = cancel(tx, author, subscription_id)
    if state is not State.CANCELLED:
        try:
            asked = request_liquidation(tx, author, [subscription_id], Trigger.INVESTOR)
        except CommendaError as error:
            # Raised before anything is written; kept under the key like any refusal.
            return refused(
                error.code, error.message, field=error.field, hint=error.hint, status=error.status
            )
        state = asked[subscription_id]
    return Answer(
        wire(bodies.SubscriptionState(subscription_id=subscription_id, status=state)), 202
    )


@router.get(
    "/managed-subscriptions/{subscription_id}/nav",
    operation_id="getSubscriptionNav",
    responses=GUARDED | problems(404),
)
def nav(service: Served, who: Holder, subscription_id: UUID) -> bodies.NavHistory:
    """The daily net asset value of a subscription's book, with its time-weighted return."""
    with service.database.transaction() as tx:
        held = queries.subscription_of(tx, subscription_id, _owner(who))
        if held is None:
            raise _unknown(subscription_id)
        return answers.as_nav(held.id, held.asset, queries.nav_of(tx, subscription_id))


@router.get(
    "/managed-subscriptions/{subscription_id}/allocation",
    operation_id="getAllocationSnapshot",
    responses=GUARDED | problems(404),
)
def allocation(service: Served, who: Holder, subscription_id: UUID) -> bodies.AllocationSnapshot:
    """The stored draw of a subscription's creators: candidates, scores, seed, final weights."""
    with service.database.transaction() as tx:
        _require_own(tx, subscription_id, _owner(who))
        snapshot = queries.snapshot_of(tx, subscription_id)
    return bodies.AllocationSnapshot(subscription_id=subscription_id, snapshot=snapshot or {})


@router.get(
    "/managed-subscriptions/{subscription_id}/trace",
    operation_id="getSubscriptionTrace",
    responses=GUARDED | problems(404),
)
def subscription_trace(service: Served, who: Holder, subscription_id: UUID) -> bodies.Trace:
    """The chain from subscription to referral, with every journal and event on the way."""
    with service.database.transaction() as tx:
        _require_own(tx, subscription_id, _owner(who))
        chain: dict[str, Any] = as_json(trace(tx, subscription_id))
    return bodies.Trace.model_construct(**chain)


# --- Settlement batches ----------------------------------------------------------------------


@router.post(
    "/managed-settlement/run",
    operation_id="runSettlement",
    status_code=202,
    response_model=bodies.Asked,
    responses=GUARDED | problems(404, 409),
)
def run_settlement(
    service: Served,
    who: Annotated[Principal, may(Permission.SETTLE)],
    body: Annotated[bodies.BatchOrder | None, Body()] = None,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask for a batch: once approved, what matured is liquidated, what is liquidated settled."""
    order = body or bodies.BatchOrder()
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            for missing in sorted(_missing(tx, order.subscription_ids)):
                raise _unknown(missing)
            asked = decisions.ask_for_batch(tx, who, order.subscription_ids, _key_or_new(key), now)
            return Answer(wire(bodies.Asked(approval_id=asked.id)), 202)

        return answer_once(tx, "settlement-run", str(who.user_id), key, order, now, act)


# --- What the routes share -------------------------------------------------------------------


def _key_or_new(key: str | None) -> str:
    return secrets.token_hex(16) if key is None else key


def _owner(who: Principal) -> UUID | None:
    """Whose subscriptions they may read; None for everybody's."""
    return None if who.may(Permission.OVERVIEW) else who.user_id


def _missing(tx: Tx, wanted: list[UUID] | None) -> set[UUID]:
    return set(wanted or ()) - queries.states_of(tx, wanted or ()).keys()


def _require_own(tx: Tx, subscription_id: UUID, owner: UUID | None) -> None:
    if not queries.exists_for(tx, subscription_id, owner):
        raise _unknown(subscription_id)


def _unknown(subscription_id: UUID) -> CommendaError:
    return unknown("subscription", subscription_id, "id")
