"""Referral over HTTP: one's own tree and commissions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import GUARDED, Amount, Body, Served
from commenda.referrals import queries

router = APIRouter(tags=["referrals"])
Owner = Annotated[Principal, may(Permission.WALLET)]

LARGEST_TREE = 1000


class Referred(Body):
    """Somebody below you: level 1 was brought by you, level 2 by level 1."""

    level: int = Field(ge=1, le=3, examples=[1])
    user_id: UUID
    username: str
    referrer_id: UUID
    joined_at: datetime


class Commission(Body):
    """Earned from one settlement, out of the platform's cut; yours once its hold is over."""

    settlement_id: UUID
    level: int = Field(examples=[1])
    asset: str = Field(examples=["USDT"])
    amount: Amount
    status: Literal["pending", "released"]
    release_at: datetime
    released_at: datetime | None


class MyReferrals(Body):
    """Whom you brought, directly and through others, and a page of what it earned you."""

    tree: list[Referred]
    commissions: list[Commission]
    next_cursor: str | None


@router.get("/referrals/mine", operation_id="getMyReferrals", responses=GUARDED)
def my_referrals(
    service: Served,
    who: Owner,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> MyReferrals:
    """Your referral tree (its nearest 1,000 people) and your commissions, the latest first."""
    after = key_after(cursor, datetime, UUID)
    with service.database.transaction() as tx:
        tree = queries.referred_by(tx, who.user_id, LARGEST_TREE)
        rows = queries.commissions_of(tx, who.user_id, limit + 1, after)
    page = page_of(rows, limit, lambda row: (row.release_at, row.settlement_id))
    return MyReferrals(
        tree=[Referred.model_validate(one, from_attributes=True) for one in tree],
        commissions=[_commission(one) for one in page.items],
        next_cursor=page.next_cursor,
    )


def _commission(one: queries.Commission) -> Commission:
    return Commission(
        settlement_id=one.settlement_id,
        level=one.level,
        asset=one.asset,
        amount=one.amount,
        status="pending" if one.released_at is None else "released",
        release_at=one.release_at,
        released_at=one.released_at,
    )
