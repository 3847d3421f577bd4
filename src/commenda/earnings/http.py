"""What was earned, over HTTP: one's own, and anybody's for the staff."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from commenda.earnings.model import Earned
from commenda.earnings.queries import earned
from commenda.earnings.shares import ProfitShares, shares, shares_by_flow
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now, require_period
from commenda.kit.web import GUARDED, Asset, Moment, Paged, Served, Service, problems, routes

router = routes("earnings")


@dataclass(frozen=True, slots=True)
class Asked:
    """A period, as it came."""

    asset: str
    since: datetime | None
    until: datetime | None


async def _asked(
    asset: Annotated[Asset, Query()] = "USDT",
    from_: Annotated[
        Moment | None, Query(alias="from", description="From the beginning by default.")
    ] = None,
    to: Annotated[
        Moment | None, Query(description="Exclusive; up to and with now by default.")
    ] = None,
) -> Asked:
    return Asked(asset, from_, to)


Period = Annotated[Asked, Depends(_asked)]


def _answer(service: Service, user_id: UUID, asked: Asked) -> Earned:
    with service.database.transaction() as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return earned(tx, user_id, asked.asset, asked.since, asked.until, business_now(tx))


@router.get("/wallet/earnings", operation_id="getEarnings", responses=GUARDED | problems(404))
def earnings(
    service: Served, who: Annotated[Principal, may(Permission.WALLET)], asked: Period
) -> Earned:
    """What you earned: paid in and out, worth by kind, gain, each fee, income, TWR and XIRR."""
    return _answer(service, who.user_id, asked)


@router.get("/wallet/profit-shares", operation_id="getProfitShares", responses=GUARDED)
def profit_shares(
    service: Served,
    who: Annotated[Principal, may(Permission.SHARE)],
    asked: Period,
    page: Paged,
) -> ProfitShares:
    """What your flows brought you as a creator: by flow, and each share as its entry says."""
    require_period("from", asked.since, asked.until)
    wanted = asdict(asked) | {"user": who.user_id}
    with service.database.read() as tx:
        flows = shares_by_flow(tx, wanted)
        listed = page.page(shares(tx, wanted, page.after(int), page.rows), lambda one: one.version)
    period = asked.since, asked.until
    return ProfitShares(asked.asset, *period, flows, listed.items, listed.next_cursor)


@router.get(
    "/ledger/earnings/{user_id}",
    operation_id="getEarningsOf",
    responses=GUARDED | problems(404),
)
def earnings_of(
    service: Served,
    _who: Annotated[Principal, may(Permission.LEDGER)],
    user_id: UUID,
    asked: Period,
) -> Earned:
    """What anybody earned; see one's own."""
    return _answer(service, user_id, asked)
