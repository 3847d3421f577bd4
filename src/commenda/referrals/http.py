"""Referral over HTTP: one's own tree and commissions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.web import GUARDED, Paged, Served, on_wire, routes
from commenda.referrals import queries
from commenda.referrals.queries import Commission, Referred

router = routes("referrals")
Owner = Annotated[Principal, may(Permission.WALLET)]

LARGEST_TREE = 1000


@on_wire
@dataclass(frozen=True, slots=True)
class MyReferrals:
    """Whom you brought, directly and through others, and a page of what it earned you."""

    tree: list[Referred]
    commissions: list[Commission]
    next_cursor: str | None


@router.get("/referrals/mine", operation_id="getMyReferrals", responses=GUARDED)
def my_referrals(service: Served, who: Owner, asked: Paged) -> MyReferrals:
    """Your referral tree (its nearest 1,000 people) and your commissions, the latest first."""
    after = asked.after(datetime, UUID)
    with service.database.transaction() as tx:
        tree = queries.referred_by(tx, who.user_id, LARGEST_TREE)
        rows = queries.commissions_of(tx, who.user_id, asked.rows, after)
    page = asked.page(rows, lambda row: (row.release_at, row.settlement_id))
    return MyReferrals(tree, page.items, page.next_cursor)
