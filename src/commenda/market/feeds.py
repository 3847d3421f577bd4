"""Which feeds follow what, how well, and which instruments none of them can vouch for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, LiteralString, NamedTuple

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import unknown
from commenda.kit.rows import records
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.market.coverage import FoundAt
from commenda.market.model import FindingKind

FEED_SILENCE = 15
"""Wall seconds after which a feed that was not seen is taken for gone."""
TRUST_PATIENCE = 10
"""Wall seconds that a feed has to mend itself before anybody is told, and trading halted."""
STATES = ("live", "untrusted", "silent", "stopped")


@on_wire
@dataclass(frozen=True, slots=True)
class FeedSeen:
    """A feed and one instrument that it follows."""

    name: Annotated[str, Field(examples=["feed"])]
    instrument_id: int
    venue: str
    symbol: str
    state: Annotated[
        str,
        one_of(STATES),
        Field(
            description="`untrusted`: nobody should trade on the data now; `silent`: the process"
            f" was not seen for {FEED_SILENCE} s; `stopped`: it was ended in order."
        ),
    ]
    distrust: Annotated[str | None, Field(description="Why the data cannot be trusted.")]
    distrusted_at: datetime | None
    seen_at: Annotated[datetime, Field(description="Wall time.")]
    event_at: Annotated[datetime | None, Field(description="The exchange's, of the last message.")]
    lag_ms: Annotated[
        int | None, Field(description="This clock less the exchange's, at the least of 10 s.")
    ]
    book_right: bool
    best_bid: float | None
    best_ask: float | None
    messages: int
    losses: Annotated[int, Field(description="Of its connections, since it began.")]
    resyncs: Annotated[int, Field(description="Snapshots of the book, since it began.")]
    cache: Annotated[
        str | None,
        one_of(("redis", "database")),
        Field(description="Where it keeps what it knows now; null while neither takes it."),
    ]
    findings: Annotated[int, Field(description="Found of the instrument in 24 h, by any feed.")]
    mark: Annotated[Amount | None, Field(description="At the last minute.")]
    index: Amount | None
    open_interest: Amount | None
    funding: Annotated[Amount | None, Field(description="The last rate that was settled.")]


class Untrusted(NamedTuple):
    """An instrument that feeds follow and none of them vouches for, and since when (wall)."""

    instrument_id: int
    venue: str
    symbol: str
    why: str
    since: datetime


def feeds_seen(tx: Tx) -> list[FeedSeen]:
    """Every feed and instrument; what is wrong first."""
    return records(tx, FeedSeen, _STANDING + _SEEN, {"silence": FEED_SILENCE})


def live_findings(
    tx: Tx,
    instrument_id: int,
    kind: FindingKind | None,
    before: tuple[datetime, int] | None,
    limit: int,
) -> list[FoundAt]:
    """What feeds found of an instrument, the newest first; code `unknown_instrument`."""
    known = tx.execute("SELECT 1 FROM instruments WHERE id = %s", (instrument_id,)).fetchone()
    if known is None:
        raise unknown("instrument", instrument_id, "instrumentId")
    place = {"at": before[0] if before else None, "before": before[1] if before else None}
    return records(
        tx,
        FoundAt,
        "SELECT id, kind, at, details FROM market_quality_findings WHERE instrument_id = %(id)s"
        " AND (%(kind)s::text IS NULL OR kind = %(kind)s)"
        " AND (%(at)s::timestamptz IS NULL OR (at, id) < (%(at)s, %(before)s))"
        " ORDER BY at DESC, id DESC LIMIT %(limit)s",
        {"id": instrument_id, "kind": kind, "limit": limit, **place},
    )


def untrusted(tx: Tx, patience: int) -> list[Untrusted]:
    """Instruments whose data cannot be trusted for longer than so many wall seconds.

    One that all its feeds were ended of in order is followed by nobody, and not among them.
    """
    rows = tx.execute(_UNTRUSTED, {"silence": FEED_SILENCE, "patience": patience}).fetchall()
    return [Untrusted(*row) for row in rows]


def count_feeds(tx: Tx) -> dict[tuple[str, str], int]:
    """Instruments by feed and state."""
    rows = tx.execute(_STANDING + _COUNT, {"silence": FEED_SILENCE})
    return {(name, state): number for name, state, number in rows}


_STANDING: LiteralString = (
    "WITH f AS (SELECT m.*, CASE WHEN stopped_at IS NOT NULL THEN 'stopped'"
    "  WHEN seen_at < clock_timestamp() - make_interval(secs => %(silence)s) THEN 'silent'"
    "  WHEN distrust IS NOT NULL THEN 'untrusted' ELSE 'live' END AS state FROM market_feeds m) "
)
_COUNT: LiteralString = "SELECT name, state, count(*)::integer FROM f GROUP BY name, state"
_SEEN: LiteralString = (
    "SELECT f.name, f.instrument_id, i.venue, i.symbol, f.distrust, f.distrusted_at, f.seen_at,"
    " f.event_at, f.lag_ms, f.book_right, f.best_bid, f.best_ask, f.messages, f.losses,"
    " f.resyncs, f.state, f.cache,"
    " (SELECT count(*) FROM market_quality_findings q WHERE q.instrument_id = f.instrument_id"
    "   AND q.at > clock_timestamp() - interval '1 day') AS findings,"
    " o.mark, o.index, o.open_interest, o.funding"
    " FROM f JOIN instruments i ON i.id = f.instrument_id"
    " CROSS JOIN LATERAL (SELECT"
    "  max(value) FILTER (WHERE series = 'mark') AS mark,"
    "  max(value) FILTER (WHERE series = 'index') AS index,"
    "  max(value) FILTER (WHERE series = 'open_interest') AS open_interest,"
    "  max(value) FILTER (WHERE series = 'funding') AS funding"
    "  FROM unnest(ARRAY['mark', 'index', 'open_interest', 'funding']) AS wanted (name)"
    "  CROSS JOIN LATERAL (SELECT series, value FROM market_observations"
    "   WHERE instrument_id = f.instrument_id AND series = wanted.name"
    "   ORDER BY ts DESC LIMIT 1) AS latest) AS o"
    " ORDER BY f.stopped_at IS NOT NULL, f.distrust IS NULL, i.venue, i.symbol, f.name"
)
_UNTRUSTED: LiteralString = (
    "SELECT i.id, i.venue, i.symbol,"
    "  string_agg(DISTINCT concat(f.name, ': ', coalesce(f.distrust, 'it is not seen any more')),"
    "   '; '),"
    "  max(coalesce(f.distrusted_at, f.seen_at)) AS since"
    " FROM market_feeds f JOIN instruments i ON i.id = f.instrument_id"
    " WHERE f.stopped_at IS NULL GROUP BY i.id HAVING bool_and(f.distrust IS NOT NULL"
    "   OR f.seen_at < clock_timestamp() - make_interval(secs => %(silence)s))"
    "  AND max(coalesce(f.distrusted_at, f.seen_at))"
    "   < clock_timestamp() - make_interval(secs => %(patience)s)"
)
