"""Portfolios over HTTP (specification 002-17, 002-22): their owners' own; the staff sees all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from commenda.identity import Permission, Principal, Role
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    Whole,
    key_or_new,
    on_wire,
    problems,
    routes,
    write,
)
from commenda.ledger import Author, Owner, OwnerKind
from commenda.portfolios.books import request_close
from commenda.portfolios.changes import change_portfolio, found_portfolio
from commenda.portfolios.model import (
    RULES,
    Portfolio,
    PortfolioChange,
    PortfolioDraft,
    RebalanceOrder,
    RebalancePlan,
)
from commenda.portfolios.plans import rebalance
from commenda.portfolios.queries import portfolio_of, portfolios_of, rebalances_of

router = routes("portfolios")

Holder = Annotated[Principal, may(Permission.COPY)]
Reader = Annotated[Principal, may(Permission.COPY, Permission.OVERVIEW)]
"""Owners see their own; the staff sees all."""


def _seen(who: Principal) -> UUID | None:
    return None if who.may(Permission.OVERVIEW) else who.user_id


def _owner(who: Principal) -> Owner:
    kind = OwnerKind.CREATOR if who.role is Role.CREATOR else OwnerKind.INVESTOR
    return Owner(kind, who.user_id)


@on_wire
@dataclass(frozen=True, slots=True)
class PortfolioList:
    items: list[Portfolio]


@router.get("/portfolios", operation_id="getPortfolios", responses=GUARDED | problems(409))
def list_portfolios(
    service: Served, who: Reader, limit: Annotated[Whole, Query(ge=1, le=200)] = 50
) -> PortfolioList:
    """Portfolios, the newest first: target against actual of each flow's part."""
    with service.database.transaction() as tx:
        return PortfolioList(portfolios_of(tx, _seen(who), business_now(tx), limit))


@router.post(
    "/portfolios",
    operation_id="foundPortfolio",
    status_code=201,
    response_model=Portfolio,
    responses=GUARDED | problems(404, 409),
)
def found(
    service: Served, who: Holder, body: PortfolioDraft, key: IdempotencyKey = None
) -> Response:
    """Found a portfolio: the amount goes from your wallet into one isolated book that follows
    several flows, each with the part that the rules find."""
    named = key_or_new(key)

    def act(tx: Tx, now: datetime) -> Portfolio:
        author = Author(who.actor, RULES, now)
        made = found_portfolio(tx, author, _owner(who), body, named)
        return portfolio_of(tx, made, who.user_id, now)

    return write(service, who, "portfolio.found", key, body, act, status=201)


@router.get(
    "/portfolios/{portfolio_id}",
    operation_id="getPortfolio",
    responses=GUARDED | problems(404, 409),
)
def one_portfolio(service: Served, who: Reader, portfolio_id: UUID) -> Portfolio:
    """One portfolio."""
    with service.database.transaction() as tx:
        return portfolio_of(tx, portfolio_id, _seen(who), business_now(tx))


@router.patch(
    "/portfolios/{portfolio_id}",
    operation_id="changePortfolio",
    responses=GUARDED | problems(404, 409),
)
def change(service: Served, who: Holder, portfolio_id: UUID, body: PortfolioChange) -> Portfolio:
    """Rename a portfolio or change its rules. They hold from the next rebalance on."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        author = Author(who.actor, RULES, now)
        change_portfolio(tx, author, portfolio_id, who.user_id, body)
        return portfolio_of(tx, portfolio_id, who.user_id, now)


@router.delete(
    "/portfolios/{portfolio_id}",
    operation_id="closePortfolio",
    status_code=202,
    responses=GUARDED | problems(404, 409),
)
def close(service: Served, who: Holder, portfolio_id: UUID) -> Portfolio:
    """Close a portfolio: its positions are closed at the venue, then its cash is paid to your
    wallet. Asking again changes nothing."""
    with service.database.transaction() as tx:
        now = business_now(tx)
        request_close(tx, Author(who.actor, RULES, now), portfolio_id, who.user_id)
        return portfolio_of(tx, portfolio_id, who.user_id, now)


@router.get(
    "/portfolios/{portfolio_id}/rebalances",
    operation_id="getRebalances",
    responses=GUARDED | problems(404, 409),
)
def rebalances(
    service: Served, who: Reader, portfolio_id: UUID, asked: Paged
) -> Page[RebalancePlan]:
    """What was done with a portfolio and why, the latest first."""
    with service.database.transaction() as tx:
        portfolio_of(tx, portfolio_id, _seen(who), business_now(tx))
        found = rebalances_of(tx, portfolio_id, asked.after(int), asked.rows)
    return asked.page(found, lambda one: one.number or 0)


@router.post(
    "/portfolio/rebalance",
    operation_id="rebalancePortfolio",
    response_model=RebalancePlan,
    responses=GUARDED | problems(404, 409),
)
def rebalance_portfolio(
    service: Served, who: Holder, body: RebalanceOrder, key: IdempotencyKey = None
) -> Response:
    """Bring a portfolio of yours to its weights, or back to those of an earlier rebalance. A dry
    run says what would be done: cash between flows, what is traded for it, what that costs."""

    def act(tx: Tx, now: datetime) -> RebalancePlan:
        return rebalance(
            tx,
            Author(who.actor, RULES, now),
            body.portfolio_id,
            who.user_id,
            back_to=body.back_to,
            reason=body.reason,
            dry_run=body.dry_run,
        )

    return write(service, who, "portfolio.rebalance", key, body, act)
