"""Routes of the overview, the clock, and what an id is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import Field

from commenda.alerts import Alert
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Amount, Body, Served, routes
from commenda.operations.finding import Found, find_all
from commenda.operations.overview import Overview, clock_of

router = routes("operations")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Anybody = Annotated[Principal, may(Permission.ACCOUNT)]


async def _overview(request: Request) -> Overview:
    overview: Overview = request.app.state.overview
    return overview


class Clock(Body):
    """Business time. It runs at `pace` business seconds in a second where the mode is paced."""

    now: datetime
    mode: str = Field(examples=["paced"])
    pace: float | None = Field(examples=[1440])
    advanced_at: datetime | None
    wall: datetime


class People(Body):
    investors: int
    creators: int
    funded: int = Field(description="Investors who have ever had money here.")
    flows: int = Field(description="Flows that take followers.")


class Count(Body):
    now: int | None = Field(description="In this state at the moment.")
    ever: int | None = Field(description="Reached it so far.")
    last_day: int | None = Field(description="Reached it within the last business day.")


class States(Body):
    """Managed subscriptions along their life."""

    reserved: Count
    active: Count
    matured: Count
    liquidating: Count
    liquidated: Count
    settled: Count
    cancelled: Count


class Money(Body):
    """Totals in the overview's asset."""

    deposited: Amount
    withdrawn: Amount
    reserved: Amount = Field(description="Principal that waits for its book.")
    outstanding: Amount = Field(description="Principal of books that are not settled.")
    under_management: Amount | None = Field(description="Value of the managed books.")
    valued_at: datetime | None = Field(description="As of when they were valued.")
    settled_principal: Amount
    paid_out: Amount = Field(description="To investors' wallets by settlements.")
    management_fee: Amount
    to_creators: Amount = Field(description="Profit share that creators received.")
    to_platform: Amount = Field(description="The platform's cut, after referrals.")
    to_referrers: Amount
    referral_pending: Amount
    referral_paid: Amount


class Pool(Body):
    """A pool product that takes money or holds some."""

    id: UUID
    name: str
    type: str = Field(examples=["fixed"])
    term_days: int | None
    cadence: str = Field(examples=["daily"])
    asset: str
    daily_rate: Amount
    next_rate: Amount | None
    next_rate_from: date | None
    sold_amount: Amount
    total_quota: Amount
    accrued: Amount | None = Field(description="Of yesterday; null until its accrual has begun.")
    accrued_through: date


class PoolIncome(Body):
    """Pool products together, in the overview's asset."""

    products: int = Field(description="That take money.")
    sold_amount: Amount
    total_quota: Amount
    day: date = Field(description="Yesterday by the business clock.")
    holdings: int = Field(description="That were paid anything of yesterday.")
    accrued: Amount | None = Field(description="Of yesterday; null until its accrual has begun.")
    accrued_through: date | None = Field(description="The last day whose income every holding has.")
    pools: list[Pool]


class Day(Body):
    """The managed books at the end of a business day."""

    at: datetime
    books: int
    capital: Amount
    nav: Amount
    index: Amount | None = Field(
        description="Time-weighted, pooled over all books, daily; begins with 100.",
        examples=["101.27"],
    )


class Trace(Body):
    """A settled subscription."""

    id: UUID
    investor: str = Field(examples=["ali…"])
    profile: str
    term_days: int
    tier: str
    asset: str
    amount: Amount
    to_wallet: Amount
    return_: Decimal = Field(
        alias="return",
        description="To the wallet over principal, minus 1; after all fees, not annualised.",
        json_schema_extra={"type": "string", "examples": ["0.0182"]},
    )
    days: int
    deviation_level: str
    deviation_rate: Decimal | None = Field(description="Percent off the return matrix.")
    settled_at: datetime


class Retry(Body):
    """A liquidation that the venue refused and that will be tried again."""

    id: UUID
    asset: str
    amount: Amount
    attempts: int
    reason: str
    requested_at: datetime
    next_retry_at: datetime | None


class LatestSignal(Body):
    id: UUID
    flow_id: UUID
    flow: str
    symbol: str
    signal_type: str
    previous_target: Amount
    target: Amount
    reference_price: Amount
    status: str
    created_at: datetime


class Worker(Body):
    id: str
    started_at: datetime
    seen_at: datetime
    leads: bool
    tick_at: datetime | None
    silent_seconds: float


class Feed(Body):
    """The live market's marks, in business time."""

    instruments: int
    oldest_mark: datetime | None
    newest_mark: datetime | None


class OverviewView(Body):
    """The operation at a glance."""

    asset: str = Field(examples=["USDT"])
    clock: Clock
    people: People
    subscriptions: States
    money: Money
    income: PoolIncome
    days: list[Day]
    traces: list[Trace]
    retries: list[Retry]
    signals: list[LatestSignal]
    alerts: list[Alert]
    workers: list[Worker]
    feed: Feed


@router.get(
    "/operations/overview",
    operation_id="getOverview",
    response_model=OverviewView,
    responses=GUARDED,
)
def overview(_who: Reader, reading: Annotated[Overview, Depends(_overview)]) -> dict[str, Any]:
    """The operation's numbers, charts and latest events; at most seconds old."""
    return reading.read()


@router.get("/clock", operation_id="getClock", response_model=Clock, responses=GUARDED)
def get_clock(service: Served, _who: Anybody) -> dict[str, Any]:
    """What time the business has: products mature and income accrues by it."""
    with service.database.transaction() as tx:
        return clock_of(tx)


@router.get("/find", operation_id="findByName", responses=GUARDED)
def find(
    service: Served,
    who: Anybody,
    name: Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")],
) -> list[Found]:
    """What has this UUID, number, journal key, username or strategy's name, of what you may see."""
    with service.database.read() as tx:
        return list(find_all(tx, name.strip(), who))
