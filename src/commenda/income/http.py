"""Pool income over HTTP: products and estimates, holdings, what operators ask for, accruals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.income import decisions, model, queries
from commenda.income.accrual import open_from
from commenda.income.holdings import redeem, subscribe
from commenda.income.model import RULES
from commenda.income.progress import accrual_days, accruals
from commenda.income.rules import (
    day_of,
    estimate_in,
    first_day,
    midnight,
    offer,
    require_positive,
)
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    Service,
    key_or_new,
    problems,
    routes,
    wire,
    write,
)
from commenda.ledger import Author

router = routes("income")
UNKNOWN = GUARDED | problems(404)
CONFLICTS = GUARDED | problems(404, 409)

Reader = Annotated[Principal, may(Permission.PRODUCTS)]
Investor = Annotated[Principal, may(Permission.INCOME)]
Holder = Annotated[Principal, may(Permission.INCOME, Permission.OVERVIEW)]
"""Who may read a holding: its owner, or the staff."""
Operator = Annotated[Principal, may(Permission.TERMS)]
Staff = Annotated[Principal, may(Permission.OVERVIEW)]

ASKED: Any = {"status_code": 202, "response_model": model.Requested, "responses": CONFLICTS}
"""What is asked for is accepted: another person decides."""

# --- Products --------------------------------------------------------------------------------


@router.get("/pools/products", operation_id="listPoolProducts", responses=GUARDED)
def list_products(
    service: Served,
    _who: Reader,
    asked: Paged,
    amount: Annotated[model.Capital | None, Query()] = None,
    only_open: Annotated[bool, Query(alias="onlyOpen")] = False,
) -> Page[model.PoolProduct]:
    """Pool products, newest first: rate, APR, APY and quota; with `amount` what it would earn."""
    before = asked.after(datetime, UUID)
    with service.database.transaction() as tx:
        rows = queries.products(
            tx, business_now(tx), only_open=only_open, before=before, limit=asked.rows
        )
    offers = [offer(one, amount) for one in rows]
    return asked.page(offers, lambda row: (row.created_at, row.id))


@router.get("/pools/products/{product_id}", operation_id="getPoolProduct", responses=UNKNOWN)
def product(service: Served, _who: Reader, product_id: UUID) -> model.PoolProduct:
    """One pool product, with the rate in force today and the next one if it is dated."""
    with service.database.transaction() as tx:
        return offer(queries.product_by_id(tx, product_id, business_now(tx)))


@router.get("/pools/products/{product_id}/rates", operation_id="listPoolRates", responses=UNKNOWN)
def rates(service: Served, _who: Reader, product_id: UUID) -> model.ProductRates:
    """Every rate of a product, in the order of the days from which they hold."""
    with service.database.transaction() as tx:
        queries.product_by_id(tx, product_id, business_now(tx))
        return model.ProductRates(product_id, queries.rates_of(tx, product_id))


@router.get(
    "/pools/products/{product_id}/estimate", operation_id="estimatePoolIncome", responses=UNKNOWN
)
def estimate(
    service: Served,
    _who: Reader,
    product_id: UUID,
    amount: Annotated[
        model.Capital | None, Query(description="The product's minimum by default.")
    ] = None,
) -> model.ProductEstimate:
    """What an amount would earn, in a day and a year, and what a fixed product pays at maturity."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        found = queries.product_by_id(tx, product_id, now)
        wanted = found.minimum if amount is None else amount
        require_positive(wanted, found.asset)
        begins = first_day(day_of(now), open_from(tx, found))
        return estimate_in(found, queries.rates_of(tx, product_id), wanted, begins)


# --- What operators ask for ------------------------------------------------------------------


@router.post("/pools/products", operation_id="requestPoolProduct", **ASKED)
def request_product(
    service: Served, who: Operator, body: model.Terms, key: IdempotencyKey = None
) -> Response:
    """Ask for a pool product; it is offered once another person has approved it."""
    return ask_once(service, who, "pool-product", key, body, decisions.ask_for_product, body)


@router.post("/pools/products/{product_id}/rates", operation_id="requestPoolRate", **ASKED)
def request_rate(
    service: Served,
    who: Operator,
    product_id: UUID,
    body: model.RateOrder,
    key: IdempotencyKey = None,
) -> Response:
    """Ask for another rate from a day on; refused, now or at its approval, once the day is past."""
    ask, request = decisions.ask_for_rate, [str(product_id), wire(body)]
    return ask_once(service, who, "pool-rate", key, request, ask, product_id, body)


@router.post("/pools/products/{product_id}/close", operation_id="requestPoolClose", **ASKED)
def request_close(
    service: Served, who: Operator, product_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Ask to take a product off the market; what is held of it goes on."""
    ask = decisions.ask_to_close
    return ask_once(service, who, "pool-close", key, str(product_id), ask, product_id)


def ask_once(
    service: Service,
    who: Principal,
    operation: str,
    key: str | None,
    request: object,
    ask: Callable[..., model.Requested],
    *what: object,
) -> Response:
    def act(tx: Tx, now: datetime) -> model.Requested:
        return ask(tx, who, *what, now)

    return write(service, who, operation, key, request, act, status=202)


@router.get("/pools/accruals", operation_id="listPoolAccruals", responses=GUARDED)
def list_accruals(
    service: Served, _who: Staff, asked: Paged, day: date | None = None
) -> Page[model.Accrual]:
    """The accruals of products' days, newest first, or of one day: how many holdings, how much, and
    when."""
    with service.database.transaction() as tx:
        rows = accruals(tx, asked.after(datetime, str), asked.rows, day)
    return asked.page(rows, lambda row: (row.begun_at, row.key))


@router.get("/pools/accrual-days", operation_id="listPoolAccrualDays", responses=GUARDED)
def list_accrual_days(service: Served, _who: Staff, asked: Paged) -> Page[model.AccrualDay]:
    """The days whose income was accrued, newest first: of how many products, how much in all."""
    with service.database.transaction() as tx:
        rows = accrual_days(tx, asked.after(datetime, str), asked.rows)
    return asked.page(rows, lambda row: (midnight(row.day), row.asset))


# --- Holdings --------------------------------------------------------------------------------


@router.post(
    "/pools/products/{product_id}/subscribe",
    operation_id="subscribePool",
    status_code=201,
    response_model=model.Holding,
    responses=CONFLICTS,
)
def subscribe_product(
    service: Served,
    who: Investor,
    product_id: UUID,
    body: model.HoldingOrder,
    key: IdempotencyKey = None,
) -> Response:
    """Move money from your wallet into a product; it earns from the next midnight (UTC) on."""
    named = key_or_new(key)

    def act(tx: Tx, now: datetime) -> model.Holding:
        author = Author(who.actor, RULES, now)
        return subscribe(tx, author, who.user_id, product_id, body.amount, named)

    request = [str(product_id), wire(body)]
    return write(service, who, "pool-subscribe", key, request, act, status=201)


@router.get("/pools/holdings", operation_id="listPoolHoldings", responses=GUARDED)
def list_holdings(
    service: Served,
    who: Investor,
    asked: Paged,
    status: Annotated[model.HoldingStatus | None, Query()] = None,
) -> Page[model.Holding]:
    """Your holdings, newest first, with what each has earned."""
    before = asked.after(int)
    with service.database.transaction() as tx:
        rows = queries.holdings_of(
            tx, who.user_id, business_now(tx), status=status, before=before, limit=asked.rows
        )
    return asked.page(rows, lambda row: row.sequence)


@router.get("/pools/holdings/{holding_id}", operation_id="getPoolHolding", responses=UNKNOWN)
def holding(service: Served, who: Holder, holding_id: UUID, asked: Paged) -> model.HoldingDetail:
    """One holding and every entry that moved it, newest first; the cursor is of its entries."""
    before = asked.after(int)
    owner = None if who.may(Permission.OVERVIEW) else who.user_id
    with service.database.transaction() as tx:
        found = queries.holding_by_id(tx, owner, holding_id, business_now(tx))
        rows = queries.entries_of(tx, found, before=before, limit=asked.rows)
    page = asked.page(rows, lambda row: row.version)
    return model.HoldingDetail(**asdict(found), entries=page.items, next_cursor=page.next_cursor)


@router.post(
    "/pools/holdings/{holding_id}/redeem",
    operation_id="redeemPool",
    response_model=model.Redemption,
    responses=CONFLICTS,
)
def redeem_holding(
    service: Served, who: Investor, holding_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Take a holding back: principal and what it earned, into your wallet, at once."""

    def act(tx: Tx, now: datetime) -> model.Redemption:
        return redeem(tx, Author(who.actor, RULES, now), who.user_id, holding_id)

    return write(service, who, "pool-redeem", key, str(holding_id), act)
