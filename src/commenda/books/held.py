"""What open books hold: by instrument, creator and venue, and how near each book is to its end.

A book's part of what working orders have filled counts as held, as it does for the margin guard, so
that the sum over all books is what venues hold. All figures of an answer are of one statement, at
the marks that it names: the market's latest, or the last fill where no market is known.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from pydantic import Field

from commenda.books.rules import INITIAL, MAINTENANCE
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.wire import Amount, Internal, on_wire

_RATIO = Field(description="A share, rounded to 8 decimals: 0.25 is 25 %.", examples=["0.25"])
Ratio = Annotated[Amount, _RATIO]


@on_wire
@dataclass(frozen=True, slots=True)
class Held:
    """What some open books hold, in money of one asset."""

    asset: str
    books: int
    long: Amount
    short: Annotated[Amount, Field(description="The value of what is sold short, above 0.")]
    gross: Annotated[Amount, Field(description="Long and short together.")]
    net: Annotated[Amount, Field(description="Long less short.")]
    share: Annotated[Ratio | None, Field(description="Of the gross value of all books.")]
    margin_used: Annotated[
        Amount, Field(description="Initial margin of what margined books hold: a tenth of it.")
    ]
    nearest: Annotated[
        Amount | None,
        Field(
            description="By how much prices must move against the margined book that is nearest"
            " to being closed by its margin, 0.2 is 20 %; null where none is margined."
        ),
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class HeldTotal(Held):
    """All open books of one asset."""

    equity: Annotated[Amount, Field(description="Cash and positions, at marks.")]
    leverage: Annotated[Ratio | None, Field(description="Gross value over equity.")]
    concentration: Annotated[
        Ratio | None,
        Field(description="Herfindahl index of the instruments' shares: 1 is all in one."),
    ]
    oldest_mark: datetime | None


@on_wire
@dataclass(frozen=True, slots=True)
class HeldInstrument(Held):
    instrument_id: int
    symbol: str
    market: Annotated[str, Field(description="The venue whose market it is.")]
    kind: str
    mark: Amount | None
    mark_as_of: datetime | None
    mark_source: Annotated[str | None, Field(examples=["candle"])]
    long_quantity: Amount
    short_quantity: Amount
    gross_quantity: Amount
    net_quantity: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class HeldCreator(Held):
    creator_id: UUID
    creator: Annotated[str | None, Field(description="Their name.", examples=["ada"])]
    equity: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class HeldVenue(Held):
    venue: Annotated[str, Field(description="The account at a venue where books trade.")]
    equity: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class Exposure:
    """What all open books hold at the latest marks, summed up in four ways."""

    as_of: datetime
    totals: list[HeldTotal]
    instruments: list[HeldInstrument]
    creators: list[HeldCreator]
    venues: list[HeldVenue]


@on_wire
@dataclass(frozen=True, slots=True)
class BookRisk:
    """An open book that holds something, and how near it is to being closed by its margin."""

    id: UUID
    kind: Annotated[str, Field(examples=["managed"])]
    owner_id: UUID
    owner: Annotated[str | None, Field(description="Their name; null for the platform.")]
    asset: str
    creators: Annotated[list[str], Field(description="Whose parts hold it, by name.")]
    instruments: list[str]
    quantity: Annotated[
        Amount | None, Field(description="Of the instrument that was asked for, signed.")
    ]
    value: Annotated[Amount | None, Field(description="Of that quantity, signed, at the mark.")]
    equity: Amount
    gross: Amount
    net: Amount
    leverage: Annotated[Ratio | None, Field(description="Null where no equity is left.")]
    margined: Annotated[bool, Field(description="Whether it is closed below maintenance.")]
    maintenance: Annotated[Amount, Field(description="The least equity: a twentieth of gross.")]
    margin_used: Annotated[Amount, Field(description="Initial margin: a tenth of gross.")]
    margin_free: Annotated[Amount, Field(description="Equity above the initial margin.")]
    margin_ratio: Annotated[
        Ratio | None,
        Field(description="Maintenance over equity: from 1 on it is closed. Null: no equity."),
    ]
    distance: Annotated[
        Ratio | None,
        Field(
            description="By how much all prices must move against it until it is closed: 0.2 is"
            " 20 %. Null where it is not margined, or where no price can."
        ),
    ]
    closing: Annotated[bool, Field(description="Whether it is being closed already.")]
    mark_as_of: Annotated[datetime | None, Field(description="The oldest of its marks.")]
    rank: Internal[Decimal]


def exposure(tx: Tx, margined: Collection[str]) -> Exposure:
    """What all open books hold; `margined` are the kinds of books that are closed by their margin.

    One that is being closed counts until it is.
    """
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(LINES + _SUMS, _values(margined)).fetchall()
    by = [[one for one in rows if one["by"] == which] for which in range(4)]
    gross = {one["asset"]: one["gross"] for one in by[0]}
    squares: dict[str, Decimal] = dict.fromkeys(gross, Decimal(0))
    for one in by[1]:
        squares[one["asset"]] += one["gross"] ** 2

    def held(row: Mapping[str, Any]) -> dict[str, Any]:
        common = {field.name: row[field.name] for field in fields(Held) if field.name != "share"}
        return {**common, "share": _ratio(row["gross"], gross[row["asset"]])}

    return Exposure(
        business_now(tx),
        [
            HeldTotal(
                **held(row),
                equity=row["equity"],
                leverage=_ratio(row["gross"], row["equity"]),
                concentration=_ratio(squares[row["asset"]], row["gross"] ** 2),
                oldest_mark=row["as_of"],
            )
            for row in by[0]
        ],
        [
            HeldInstrument(
                **held(row),
                instrument_id=row["instrument_id"],
                symbol=row["symbol"],
                market=row["market"],
                kind=row["kind"],
                mark=row["price"],
                mark_as_of=row["as_of"],
                mark_source=row["source"],
                long_quantity=row["long_quantity"],
                short_quantity=row["short_quantity"],
                gross_quantity=row["long_quantity"] + row["short_quantity"],
                net_quantity=row["long_quantity"] - row["short_quantity"],
            )
            for row in by[1]
        ],
        [
            HeldCreator(
                **held(row),
                creator_id=row["creator_id"],
                creator=row["creator"],
                equity=row["equity"],
            )
            for row in by[2]
        ],
        [HeldVenue(**held(row), venue=row["venue"], equity=row["equity"]) for row in by[3]],
    )


def books_at_risk(
    tx: Tx,
    margined: Collection[str],
    *,
    instrument_id: int | None = None,
    creator_id: UUID | None = None,
    venue: str | None = None,
    after: tuple[Decimal, UUID] | None = None,
    limit: int,
) -> list[BookRisk]:
    """Open books that hold something (of an instrument, by a creator, at a venue), the margined
    ones first, and of them the nearest to their end."""
    asked = {"instrument": instrument_id, "creator": creator_id, "at_venue": venue, "limit": limit}
    place = {"rank": after[0] if after else None, "id": after[1] if after else None}
    return records(tx, BookRisk, LINES + _BOOKS, {**_values(margined), **asked, **place})


def _values(margined: Collection[str]) -> dict[str, Any]:
    return {"margined": list(margined), "maintenance": MAINTENANCE, "initial": INITIAL}


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return (part / whole).quantize(_EIGHT) if whole > 0 else None


_EIGHT = Decimal("1e-8")

# --- SQL -------------------------------------------------------------------------------------

# A leg of an open book is a line with its cash, and one for each instrument that it holds.
# How far prices must move against a book is the x where equity - x gross = maintenance · (gross -
# x net): longs fall and shorts rise by it. Longs are gone at 1: beyond, only shorts go on losing.
LINES: LiteralString = (
    "WITH mark AS MATERIALIZED (SELECT i.id AS instrument_id, coalesce(m.price, f.price) AS price,"
    "  coalesce(m.as_of, f.filled_at) AS as_of, coalesce(m.source, 'fill') AS source"
    "  FROM instruments i LEFT JOIN market_marks m ON m.instrument_id = i.id"
    "  LEFT JOIN LATERAL (SELECT f.price, f.filled_at FROM orders o"
    "    JOIN fills f ON f.order_id = o.id WHERE m.price IS NULL AND o.instrument_id = i.id"
    "    ORDER BY f.filled_at DESC LIMIT 1) f"
    "   ON true),"
    " held AS (SELECT leg_id, instrument_id, sum(quantity) AS quantity, sum(cash) AS cash"
    "  FROM (SELECT leg_id, instrument_id, quantity, 0 AS cash FROM positions WHERE quantity <> 0"
    "   UNION ALL SELECT leg_id, instrument_id, quantity, cash FROM working_fills) parts"
    "  GROUP BY leg_id, instrument_id),"
    " line AS MATERIALIZED (SELECT l.scope_id, s.asset, s.kind = ANY (%(margined)s) AS margined,"
    "   l.creator_id, l.venue, of.instrument_id, of.quantity, of.value, of.cash, of.as_of"
    "  FROM scopes s JOIN legs l ON l.scope_id = s.id JOIN accounts a ON a.id = l.account_id"
    "  CROSS JOIN LATERAL (SELECT NULL::smallint AS instrument_id, 0 AS quantity, 0 AS value,"
    "    a.balance AS cash, NULL::timestamptz AS as_of"
    "   UNION ALL SELECT h.instrument_id, h.quantity, round(h.quantity * m.price, 18),"
    "    round(h.cash, 18), m.as_of FROM held h JOIN mark m USING (instrument_id)"
    "    WHERE h.leg_id = l.id) of"
    "  WHERE s.closed_at IS NULL),"
    " sums AS (SELECT scope_id, asset, margined, sum(cash + value) AS equity,"
    "   sum(abs(value)) AS gross, sum(value) AS net, min(as_of) AS as_of"
    "  FROM line GROUP BY scope_id, asset, margined),"
    " book AS MATERIALIZED (SELECT *, round(CASE WHEN NOT margined OR gross = 0 THEN NULL"
    "   WHEN equity - %(maintenance)s * gross <= gross - %(maintenance)s * net"
    "    THEN (equity - %(maintenance)s * gross) / (gross - %(maintenance)s * net)"
    "   WHEN gross > net THEN (equity - (gross + net) / 2 - %(maintenance)s * (gross - net) / 2)"
    "    / ((gross - net) / 2 * (1 + %(maintenance)s)) END, 8) AS distance FROM sums)"
)
_SUMS: LiteralString = (
    " SELECT t.*, i.symbol, i.venue AS market, i.kind, m.price, m.source, name_of(t.creator_id)"
    "  AS creator FROM ("
    "  SELECT CASE WHEN GROUPING(l.instrument_id) = 0 THEN 1 WHEN GROUPING(l.creator_id) = 0 THEN 2"
    "    WHEN GROUPING(l.venue) = 0 THEN 3 ELSE 0 END AS by,"
    "   l.asset, l.instrument_id, l.creator_id, l.venue,"
    "   count(DISTINCT l.scope_id) FILTER (WHERE l.quantity <> 0) AS books,"
    "   coalesce(sum(l.value) FILTER (WHERE l.value > 0), 0) AS long,"
    "   coalesce(-sum(l.value) FILTER (WHERE l.value < 0), 0) AS short,"
    "   sum(abs(l.value)) AS gross, sum(l.value) AS net, sum(l.value + l.cash) AS equity,"
    "   coalesce(sum(l.quantity) FILTER (WHERE l.quantity > 0), 0) AS long_quantity,"
    "   coalesce(-sum(l.quantity) FILTER (WHERE l.quantity < 0), 0) AS short_quantity,"
    "   coalesce(round(%(initial)s * sum(abs(l.value)) FILTER (WHERE l.margined), 18), 0)"
    "    AS margin_used,"
    "   min(b.distance) FILTER (WHERE l.quantity <> 0) AS nearest, min(l.as_of) AS as_of"
    "  FROM line l JOIN book b ON b.scope_id = l.scope_id"
    "  GROUP BY GROUPING SETS ((l.asset), (l.asset, l.instrument_id), (l.asset, l.creator_id),"
    "   (l.asset, l.venue))) t"
    " LEFT JOIN instruments i ON i.id = t.instrument_id"
    " LEFT JOIN mark m ON m.instrument_id = t.instrument_id"
    " WHERE (t.by <> 1 OR t.instrument_id IS NOT NULL) AND (t.by IN (0, 3) OR t.gross > 0)"
    " ORDER BY t.by, t.gross DESC, t.asset, i.symbol, t.creator_id, t.venue"
)
_BOOKS: LiteralString = (
    ", chosen AS (SELECT scope_id, sum(quantity) AS quantity, sum(value) AS value FROM line"
    "  WHERE quantity <> 0"
    "   AND (%(instrument)s::smallint IS NULL OR instrument_id = %(instrument)s)"
    "   AND (%(creator)s::uuid IS NULL OR creator_id = %(creator)s)"
    "   AND (%(at_venue)s::text IS NULL OR venue = %(at_venue)s) GROUP BY scope_id),"
    " ranked AS (SELECT b.*, c.quantity, c.value, CASE WHEN b.margined THEN 10000000000 ELSE 0 END"
    "   + round(CASE WHEN b.equity <= 0 THEN 1000000000"
    "     ELSE least(%(maintenance)s * b.gross / b.equity, 1000000000) END, 12) AS rank"
    "  FROM book b JOIN chosen c ON c.scope_id = b.scope_id),"
    " page AS (SELECT * FROM ranked WHERE %(rank)s::numeric IS NULL"
    "   OR rank < %(rank)s OR rank = %(rank)s AND scope_id > %(id)s"
    "  ORDER BY rank DESC, scope_id LIMIT %(limit)s)"
    " SELECT s.id, s.kind, s.owner_id, name_of(s.owner_id) AS owner, s.asset,"
    "  ARRAY(SELECT DISTINCT coalesce(name_of(l.creator_id), '–') FROM line l"
    "   WHERE l.scope_id = s.id AND l.quantity <> 0 ORDER BY 1) AS creators,"
    "  ARRAY(SELECT DISTINCT i.symbol FROM line l JOIN instruments i ON i.id = l.instrument_id"
    "   WHERE l.scope_id = s.id AND l.quantity <> 0 ORDER BY 1) AS instruments,"
    "  CASE WHEN %(instrument)s::smallint IS NOT NULL THEN p.quantity END AS quantity,"
    "  CASE WHEN %(instrument)s::smallint IS NOT NULL THEN p.value END AS value,"
    "  p.equity, p.gross, p.net,"
    "  CASE WHEN p.equity > 0 THEN round(p.gross / p.equity, 8) END AS leverage, p.margined,"
    "  round(%(maintenance)s * p.gross, 18) AS maintenance,"
    "  round(%(initial)s * p.gross, 18) AS margin_used,"
    "  round(p.equity - %(initial)s * p.gross, 18) AS margin_free,"
    "  CASE WHEN p.equity > 0 THEN round(%(maintenance)s * p.gross / p.equity, 8) END"
    "   AS margin_ratio, p.distance,"
    "  EXISTS (SELECT FROM closings c WHERE c.scope_id = s.id AND c.paid_at IS NULL"
    "   AND c.given_up_at IS NULL) AS closing, p.as_of AS mark_as_of, p.rank"
    " FROM page p JOIN scopes s ON s.id = p.scope_id ORDER BY p.rank DESC, s.id"
)
