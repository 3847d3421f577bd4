"""A creator's profit shares: each as its entry says, and what every flow brought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.wire import Amount, Asset, on_wire


@on_wire
@dataclass(frozen=True, slots=True)
class ProfitShare:
    """One share: an entry of the creator's account of shares."""

    version: Annotated[int, Field(description="The entry's number on the account.")]
    at: datetime
    kind: Annotated[str, Field(examples=["settlement"])]
    amount: Amount
    flow_id: Annotated[UUID | None, Field(description="Null where several flows earned it.")]
    flow_title: str | None


@on_wire
@dataclass(frozen=True, slots=True)
class FlowShares:
    """What one flow brought over the period."""

    flow_id: UUID | None
    flow_title: str | None
    shares: Annotated[int, Field(description="How many there were.")]
    amount: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class ProfitShares:
    """A creator's shares of one asset, posted in [from, to)."""

    asset: Asset
    since: Annotated[datetime | None, Field(alias="from", description="Null: the beginning.")]
    until: Annotated[datetime | None, Field(alias="to")]
    flows: list[FlowShares]
    items: Annotated[list[ProfitShare], Field(description="A page, newest first.")]
    next_cursor: str | None


# The journal's key names the subscription, or the closing of a part of it. A subscription draws one
# flow of each creator; where a replacement brought another, the entry is of both.
_SHARES: LiteralString = (
    "WITH shares AS (SELECT e.version, j.posted_at AS at, j.kind, e.amount, g.flow_id,"
    "  f.title AS flow_title FROM accounts a JOIN entries e ON e.account_id = a.id"
    "  JOIN journals j ON j.id = e.journal_id"
    "  LEFT JOIN LATERAL (SELECT CASE WHEN count(DISTINCT m.flow_id) = 1"
    "    THEN min(m.flow_id::text)::uuid END AS flow_id FROM managed_allocations m"
    "   WHERE m.creator_id = a.owner_id AND m.subscription_id = CASE split_part(j.key, ':', 1)"
    "    WHEN 'part' THEN (SELECT scope_id FROM closings"
    "     WHERE id = split_part(j.key, ':', 2)::uuid)"
    "    WHEN 'settle' THEN split_part(j.key, ':', 2)::uuid"
    "    WHEN 'crystallise' THEN split_part(j.key, ':', 2)::uuid END) g ON true"
    "  LEFT JOIN shared_flows f ON f.id = g.flow_id"
    "  WHERE a.owner_id = %(user)s AND a.kind = 'fee:profit_share' AND a.asset = %(asset)s"
    "   AND (%(since)s::timestamptz IS NULL OR j.posted_at >= %(since)s)"
    "   AND (%(until)s::timestamptz IS NULL OR j.posted_at < %(until)s)) "
)


def shares_by_flow(tx: Tx, asked: dict[str, Any]) -> list[FlowShares]:
    """What each flow brought, the most first."""
    query: LiteralString = (
        "SELECT flow_id, flow_title, count(*) AS shares, sum(amount) AS amount FROM shares"
        " GROUP BY flow_id, flow_title ORDER BY amount DESC, flow_id"
    )
    return records(tx, FlowShares, _SHARES + query, asked)


def shares(tx: Tx, asked: dict[str, Any], before: int | None, limit: int) -> list[ProfitShare]:
    """Shares newest first, before an entry's number."""
    query: LiteralString = (
        "SELECT * FROM shares WHERE %(before)s::bigint IS NULL OR version < %(before)s"
        " ORDER BY version DESC LIMIT %(limit)s"
    )
    return records(tx, ProfitShare, _SHARES + query, asked | {"before": before, "limit": limit})
