"""Pool income over HTTP: products and estimates, holdings, what operators ask for, accruals."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from commenda.identity import Approval, Permission, Principal
from commenda.identity.access import may
from commenda.income import answers, bodies, decisions, queries
from commenda.income.accrual import open_from
from commenda.income.holdings import redeem, subscribe
from commenda.income.model import RULES, HoldingStatus, Terms
from commenda.income.progress import accruals
from commenda.income.rules import day_of, first_day, require_positive
from commenda.kit.clock import business_now
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Answer,
    IdempotencyKey,
    Served,
    answer_once,
    or_refused,
    problems,
    refused,
    wire,
)
from commenda.ledger import Author

router = APIRouter(tags=["income"])

Reader = Annotated[Principal, may(Permission.PRODUCTS)]
Investor = Annotated[Principal, may(Permission.INCOME)]
Holder = Annotated[Principal, may(Permission.INCOME, Permission.OVERVIEW)]
"""Who may read a holding: its owner, or the staff."""
Operator = Annotated[Principal, may(Permission.TERMS)]
Staff = Annotated[Principal, may(Permission.OVERVIEW)]

Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]

# --- Products --------------------------------------------------------------------------------


@router.get("/pools/products", operation_id="listPoolProducts", responses=GUARDED)
def list_products(
    service: Served,
    _who: Reader,
    amount: Annotated[bodies.Principal | None, Query()] = None,
    only_open: Annotated[bool, Query(alias="onlyOpen")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> bodies.PoolProductPage:
    """Pool products, newest first: rate, APR, APY and quota; with `amount` what it would earn."""
    before = key_after(cursor, datetime, UUID)
    with service.database.transaction() as tx:
        rows = queries.products(
            tx, business_now(tx), only_open=only_open, before=before, limit=limit + 1
        )
    page = page_of(rows, limit, lambda row: (row.created_at, row.id))
    return bodies.PoolProductPage(
        items=[answers.as_product(one, amount) for one in page.items],
        next_cursor=page.next_cursor,
    )


@router.get(
    "/pools/products/{product_id}",
    operation_id="getPoolProduct",
    responses=GUARDED | problems(404),
)
def product(service: Served, _who: Reader, product_id: UUID) -> bodies.PoolProduct:
    """One pool product, with the rate in force today and the next one if it is dated."""
    with service.database.transaction() as tx:
        return answers.as_product(queries.product_by_id(tx, product_id, business_now(tx)))


@router.get(
    "/pools/products/{product_id}/rates",
    operation_id="listPoolRates",
    responses=GUARDED | problems(404),
)
def rates(service: Served, _who: Reader, product_id: UUID) -> bodies.ProductRates:
    """Every rate of a product, in the order of the days from which they hold."""
    with service.database.transaction() as tx:
        queries.product_by_id(tx, product_id, business_now(tx))
        dated = queries.rates_of(tx, product_id)
    return bodies.ProductRates(product_id=product_id, rates=[answers.as_rate(one) for one in dated])


@router.get(
    "/pools/products/{product_id}/estimate",
    operation_id="estimatePoolIncome",
    responses=GUARDED | problems(404),
)
def estimate(
    service: Served,
    _who: Reader,
    product_id: UUID,
    amount: Annotated[
        bodies.Principal | None, Query(description="The product's minimum by default.")
    ] = None,
) -> bodies.ProductEstimate:
    """What an amount would earn, in a day and a year, and what a fixed product pays at maturity."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        found = queries.product_by_id(tx, product_id, now)
        wanted = found.minimum if amount is None else amount
        require_positive(wanted, found.asset)
        begins = first_day(day_of(now), open_from(tx, found))
        return answers.as_estimate(found, queries.rates_of(tx, product_id), wanted, begins)


# --- What operators ask for ------------------------------------------------------------------


@router.post(
    "/pools/products",
    operation_id="requestPoolProduct",
    status_code=202,
    response_model=bodies.Requested,
    responses=GUARDED | problems(404, 409),
)
def request_product(
    service: Served, who: Operator, body: bodies.ProductOrder, key: IdempotencyKey = None
) -> JSONResponse:
    """Ask for a pool product; it is offered once another person has approved it."""
    asked = body.model_dump()
    terms = Terms(kind=asked.pop("type"), **asked)
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            return _requested(decisions.ask_for_product(tx, who, terms, now))

        return answer_once(
            tx, "pool-product", str(who.user_id), key, body, now, lambda: or_refused(tx, act)
        )


@router.post(
    "/pools/products/{product_id}/rates",
    operation_id="requestPoolRate",
    status_code=202,
    response_model=bodies.Requested,
    responses=GUARDED | problems(404, 409),
)
def request_rate(
    service: Served,
    who: Operator,
    product_id: UUID,
    body: bodies.RateOrder,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask for another rate from a day on; refused, now or at its approval, once the day is past."""
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            return _requested(
                decisions.ask_for_rate(tx, who, product_id, body.from_day, body.daily_rate, now)
            )

        request = [str(product_id), wire(body)]
        return answer_once(
            tx, "pool-rate", str(who.user_id), key, request, now, lambda: or_refused(tx, act)
        )


@router.post(
    "/pools/products/{product_id}/close",
    operation_id="requestPoolClose",
    status_code=202,
    response_model=bodies.Requested,
    responses=GUARDED | problems(404, 409),
)
def request_close(
    service: Served, who: Operator, product_id: UUID, key: IdempotencyKey = None
) -> JSONResponse:
    """Ask to take a product off the market; what is held of it goes on."""
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            return _requested(decisions.ask_to_close(tx, who, product_id, now))

        request = str(product_id)
        return answer_once(
            tx, "pool-close", str(who.user_id), key, request, now, lambda: or_refused(tx, act)
        )


def _requested(approval: Approval) -> Answer:
    return Answer(wire(bodies.Requested(approval_id=approval.id)), 202)


@router.get("/pools/accruals", operation_id="listPoolAccruals", responses=GUARDED)
def list_accruals(
    service: Served, _who: Staff, cursor: Cursor = None, limit: Limit = 50
) -> bodies.AccrualPage:
    """The accruals of products' days, newest first: how many holdings, how much, and when."""
    before = key_after(cursor, datetime, str)
    with service.database.transaction() as tx:
        rows = accruals(tx, before, limit + 1)
    page = page_of(rows, limit, lambda row: (row.begun_at, row.key))
    return bodies.AccrualPage(
        items=[answers.as_accrual(one) for one in page.items], next_cursor=page.next_cursor
    )


# --- Holdings --------------------------------------------------------------------------------


@router.post(
    "/pools/products/{product_id}/subscribe",
    operation_id="subscribePool",
    status_code=201,
    response_model=bodies.PoolHolding,
    responses=GUARDED | problems(404, 409),
)
def subscribe_product(
    service: Served,
    who: Investor,
    product_id: UUID,
    body: bodies.HoldingOrder,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Move money from your wallet into a product; it earns from the next midnight (UTC) on."""
    request_key = secrets.token_hex(16) if key is None else key
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            author = Author(who.actor, RULES, now)
            holding = subscribe(tx, author, who.user_id, product_id, body.amount, request_key)
            if holding is None:
                return refused(
                    "insufficient_balance",
                    "Your wallet has less than this available: what is on hold is not",
                    field="amount",
                    value=body.amount,
                    hint="bring money in, or subscribe a smaller amount",
                )
            return Answer(wire(answers.as_holding(holding)), 201)

        request = [str(product_id), wire(body)]
        return answer_once(
            tx, "pool-subscribe", str(who.user_id), key, request, now, lambda: or_refused(tx, act)
        )


@router.get("/pools/holdings", operation_id="listPoolHoldings", responses=GUARDED)
def list_holdings(
    service: Served,
    who: Investor,
    status: Annotated[HoldingStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> bodies.PoolHoldingPage:
    """Your holdings, newest first, with what each has earned."""
    before = key_after(cursor, int)
    with service.database.transaction() as tx:
        rows = queries.holdings_of(
            tx, who.user_id, business_now(tx), status=status, before=before, limit=limit + 1
        )
    page = page_of(rows, limit, lambda row: row.sequence)
    return bodies.PoolHoldingPage(
        items=[answers.as_holding(one) for one in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/pools/holdings/{holding_id}",
    operation_id="getPoolHolding",
    responses=GUARDED | problems(404),
)
def holding(
    service: Served, who: Holder, holding_id: UUID, cursor: Cursor = None, limit: Limit = 50
) -> bodies.PoolHoldingDetail:
    """One holding and every entry that moved it, newest first; the cursor is of its entries."""
    before = key_after(cursor, int)
    owner = None if who.may(Permission.OVERVIEW) else who.user_id
    with service.database.transaction() as tx:
        found = queries.holding_by_id(tx, owner, holding_id, business_now(tx))
        rows = queries.entries_of(tx, found, before=before, limit=limit + 1)
    page = page_of(rows, limit, lambda row: row.version)
    return answers.as_detail(found, page.items, page.next_cursor)


@router.post(
    "/pools/holdings/{holding_id}/redeem",
    operation_id="redeemPool",
    response_model=bodies.PoolRedemption,
    responses=GUARDED | problems(404, 409),
)
def redeem_holding(
    service: Served, who: Investor, holding_id: UUID, key: IdempotencyKey = None
) -> JSONResponse:
    """Take a holding back: principal and what it earned, into your wallet, at once."""
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            redeemed = redeem(tx, Author(who.actor, RULES, now), who.user_id, holding_id)
            return Answer(wire(answers.as_redemption(redeemed)))

        request = str(holding_id)
        return answer_once(
            tx, "pool-redeem", str(who.user_id), key, request, now, lambda: or_refused(tx, act)
        )
