"""An operator's settlement batches: what is ready for one, and how those before went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.identity import ApprovalStatus
from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import first, records
from commenda.kit.wire import Amount, Asset, Internal, on_wire, one_of
from commenda.managed.lifecycle import State


@on_wire
@dataclass(frozen=True, slots=True)
class Ready:
    """How many subscriptions of an asset a batch would take up in one state, and their money."""

    status: Annotated[str, one_of((State.MATURED, State.LIQUIDATING, State.LIQUIDATED))]
    asset: Asset
    count: int
    principal: Amount
    worth: Annotated[Amount, Field(description="At marks, before fees and profit share.")]
    refused: Annotated[int, Field(description="How many could not be closed at the last try.")]


@on_wire
@dataclass(frozen=True, slots=True)
class BatchPart:
    """What a batch has of one asset, and how far it is now."""

    batch: Internal[UUID]
    asset: Asset
    count: int
    principal: Amount
    settled: int
    paid: Annotated[Amount, Field(description="To wallets, of those that are settled.")]
    refused: Annotated[int, Field(description="How many could not be closed at the last try.")]


@on_wire
@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that somebody asked for, and how far what it took up is by now."""

    approval_id: UUID
    sequence: Internal[int]
    status: ApprovalStatus
    everything: Annotated[bool, Field(description="All that was ready, when it was approved.")]
    requested_by_name: str
    requested_at: datetime
    decided_by_name: str | None
    decided_at: datetime | None
    reason: str | None
    ids: Internal[list[UUID]]
    parts: list[BatchPart] = field(default_factory=list)

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", ApprovalStatus(self.status))


def ready(tx: Tx) -> list[Ready]:
    """What could be closed or settled now, by state and asset."""
    return records(
        tx,
        Ready,
        "SELECT s.status, s.asset, count(*) AS count, sum(s.amount) AS principal,"
        " sum(w.value) AS worth,"
        " count(*) FILTER (WHERE c.closed_at IS NULL AND c.reason IS NOT NULL) AS refused"
        " FROM managed_subscriptions s LEFT JOIN closings c ON c.id = s.id"
        " CROSS JOIN LATERAL (SELECT coalesce(sum(cash.balance + coalesce(held.value, 0)), 0)"
        "   AS value FROM legs l JOIN accounts cash ON cash.id = l.account_id"
        "  LEFT JOIN LATERAL (SELECT sum(coalesce(p.quantity * m.price, cost.balance)) AS value"
        "   FROM positions p JOIN accounts cost ON cost.id = p.account_id"
        "   LEFT JOIN market_marks m ON m.instrument_id = p.instrument_id"
        "   WHERE p.leg_id = l.id AND p.quantity <> 0) held ON true"
        "  WHERE l.scope_id = s.id) w"
        " WHERE s.status IN ('MATURED', 'LIQUIDATING', 'LIQUIDATED')"
        " GROUP BY s.status, s.asset ORDER BY s.status DESC, s.asset",
    )


# Those that were listed; of a batch of everything those that it took up.
_BATCHES: LiteralString = (
    "SELECT a.id AS approval_id, a.sequence, a.status, a.requested_at, a.decided_at, a.reason,"
    " a.payload->>'subscriptionIds' IS NULL AS everything, r.username AS requested_by_name,"
    " d.username AS decided_by_name,"
    " ARRAY(SELECT one::uuid FROM jsonb_array_elements_text(CASE"
    "   WHEN a.outcome IS NOT NULL"
    "    THEN (SELECT jsonb_agg(id) FROM jsonb_object_keys(a.outcome->'states') AS id)"
    "   WHEN jsonb_typeof(a.payload->'subscriptionIds') = 'array'"
    "    THEN a.payload->'subscriptionIds' END) AS one) AS ids"
    " FROM approvals a JOIN users r ON r.id = a.requested_by"
    " LEFT JOIN users d ON d.id = a.decided_by WHERE a.kind = 'managed.settle_batch'"
)


def batches(tx: Tx, before: int | None, limit: int) -> list[Batch]:
    """Batches, the latest first, before a sequence number: at most `limit`."""
    page: LiteralString = (
        " AND (%(before)s::bigint IS NULL OR a.sequence < %(before)s)"
        " ORDER BY a.sequence DESC LIMIT %(limit)s"
    )
    return _with_parts(tx, records(tx, Batch, _BATCHES + page, {"before": before, "limit": limit}))


def batch_by_id(tx: Tx, approval_id: UUID) -> Batch:
    """One batch; code `unknown_batch`."""
    found = first(tx, Batch, _BATCHES + " AND a.id = %s", (approval_id,))
    if found is None:
        raise unknown("batch", approval_id, "id", "choose one of the listed batches")
    return _with_parts(tx, [found])[0]


def _with_parts(tx: Tx, found: Sequence[Batch]) -> list[Batch]:
    pairs = [(one.approval_id, each) for one in found for each in one.ids]
    parts = records(
        tx,
        BatchPart,
        "SELECT n.batch, s.asset, count(*) AS count, sum(s.amount) AS principal,"
        " count(t.settled_at) AS settled, coalesce(sum(t.to_wallet), 0) AS paid,"
        " count(*) FILTER (WHERE c.closed_at IS NULL AND c.reason IS NOT NULL) AS refused"
        " FROM unnest(%s::uuid[], %s::uuid[]) AS n (batch, id)"
        " JOIN managed_subscriptions s ON s.id = n.id LEFT JOIN closings c ON c.id = s.id"
        " LEFT JOIN settlements t ON t.subscription_id = s.id"
        " GROUP BY n.batch, s.asset ORDER BY n.batch, s.asset",
        ([batch for batch, _ in pairs], [each for _, each in pairs]),
    )
    theirs: dict[UUID, list[BatchPart]] = {one.approval_id: [] for one in found}
    for part in parts:
        theirs[part.batch].append(part)
    return [replace(one, parts=theirs[one.approval_id]) for one in found]
