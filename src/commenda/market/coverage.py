"""How far the market data goes and how well: imported series, what was found in them, the feed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, LiteralString

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import records
from commenda.kit.wire import Amount, Internal, derived, on_wire, one_of
from commenda.market.grid import MONTH, interval_name
from commenda.market.model import FindingKind, Series

BARS_LATE = 2
"""Bar intervals of business time after which the feed is late."""


@on_wire
@dataclass(frozen=True, slots=True)
class Coverage:
    """An imported series: from when to when, how many rows, and what was found wrong with it."""

    id: int
    venue: str
    symbol: str
    series: Annotated[str, one_of(Series)]
    interval_seconds: Internal[int]
    simulated: bool
    first_ts: Annotated[datetime, Field(description="The open of the first bar.")]
    last_ts: datetime
    rows: int
    missing: Annotated[
        int | None,
        Field(
            description="Bars that are not there between the first and the last; null for"
            " funding and months, which have no one length."
        ),
    ]
    findings: Annotated[
        dict[str, int], Field(description="How many there are of each kind.", examples=[{"gap": 2}])
    ]
    sha256: Annotated[str, Field(description="Of its content.")]
    imported_at: datetime

    @derived
    def interval(self) -> Annotated[str | None, Field(examples=["1h"])]:
        return interval_name(self.interval_seconds) if self.interval_seconds else None


@on_wire
@dataclass(frozen=True, slots=True)
class FoundAt:
    """Something wrong in an imported series. A gap is at the first bar that is missing."""

    id: int
    kind: Annotated[str, one_of(FindingKind)]
    at: datetime
    details: str


@on_wire
@dataclass(frozen=True, slots=True)
class FeedState:
    """The live market of an instrument, in business time."""

    instrument_id: int
    venue: str
    symbol: str
    interval_seconds: Internal[int]
    closed_at: Annotated[datetime, Field(description="When its last bar closed.")]
    age_seconds: Annotated[float, Field(description="Since then.")]
    late: Annotated[bool, Field(description=f"Whether that is more than {BARS_LATE} bars.")]
    mark: Amount | None
    mark_as_of: datetime | None
    mark_source: Annotated[str | None, Field(examples=["candle"])]

    @derived
    def interval(self) -> Annotated[str, Field(examples=["15m"])]:
        return interval_name(self.interval_seconds)


def coverage(tx: Tx) -> list[Coverage]:
    """Every imported series."""
    return records(tx, Coverage, _COVERAGE, {"month": MONTH})


def findings_page(
    tx: Tx,
    dataset_id: int,
    kind: FindingKind | None,
    after: tuple[datetime, int] | None,
    limit: int,
) -> list[FoundAt]:
    """What was found in a series, by time; code `unknown_dataset`."""
    known = tx.execute("SELECT 1 FROM market_datasets WHERE id = %s", (dataset_id,)).fetchone()
    if known is None:
        raise unknown("dataset", dataset_id, "datasetId")
    place = {"at": after[0] if after else None, "after": after[1] if after else None}
    asked = {"id": dataset_id, "kind": kind, "limit": limit}
    return records(tx, FoundAt, _FINDINGS, {**asked, **place})


def feed_states(tx: Tx) -> list[FeedState]:
    """How old the last bar of each instrument of the live market is; what is late first."""
    return records(tx, FeedState, _FEED, {"late": BARS_LATE})


_COVERAGE: LiteralString = (
    "SELECT d.id, i.venue, i.symbol, d.series, d.interval_seconds, d.simulated, d.first_ts,"
    " d.last_ts, d.rows, d.sha256, d.imported_at,"
    " CASE WHEN d.interval_seconds %% %(month)s <> 0 THEN greatest(0, 1 - d.rows +"
    "  div(extract(epoch FROM d.last_ts - d.first_ts), d.interval_seconds))::bigint END AS missing,"
    " coalesce((SELECT jsonb_object_agg(f.kind, f.found) FROM (SELECT kind, count(*) AS found"
    "   FROM market_quality_findings WHERE dataset_id = d.id GROUP BY kind) f), '{}') AS findings"
    " FROM market_datasets d JOIN instruments i ON i.id = d.instrument_id"
    " ORDER BY i.venue, i.symbol, d.series, d.interval_seconds"
)
_FINDINGS: LiteralString = (
    "SELECT id, kind, at, details FROM market_quality_findings WHERE dataset_id = %(id)s"
    " AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
    " AND (%(at)s::timestamptz IS NULL OR (at, id) > (%(at)s, %(after)s))"
    " ORDER BY at, id LIMIT %(limit)s"
)
_FEED: LiteralString = (
    "SELECT f.instrument_id, f.venue, f.symbol, f.interval_seconds, f.closed_at, f.mark,"
    "  f.mark_as_of, f.mark_source,"
    # A tick publishes its bars before it moves the clock to itself.
    "  greatest(0, extract(epoch FROM f.now - f.closed_at))::float8 AS age_seconds,"
    "  f.now - f.closed_at > %(late)s * make_interval(secs => f.interval_seconds) AS late FROM ("
    "  SELECT i.id AS instrument_id, i.venue, i.symbol, bar.interval_seconds,"
    "   bar.ts + make_interval(secs => bar.interval_seconds) AS closed_at, m.price AS mark,"
    "   m.as_of AS mark_as_of, m.source AS mark_source, business_now() AS now"
    "  FROM instruments i LEFT JOIN market_marks m ON m.instrument_id = i.id"
    "  CROSS JOIN LATERAL (SELECT ts, interval_seconds FROM market_bars"
    "   WHERE instrument_id = i.id ORDER BY ts DESC LIMIT 1) bar) f"
    " ORDER BY late DESC, f.venue, f.symbol"
)
