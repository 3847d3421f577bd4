"""How near each position of a margined book is to the end of the book.

A book is margined on its own, with all that it holds: a position beside others is on cross margin
with them, and one that is alone in its book is isolated in it. Its liquidation price is the mark at
which the book is closed, the marks of all others as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.books.held import LINES, Ratio, exposure
from commenda.books.rules import INITIAL, MAINTENANCE
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.wire import Amount, Internal, on_wire


@on_wire
@dataclass(frozen=True, slots=True)
class PositionRisk:
    """What a margined book holds of an instrument, and what its margin stands at."""

    scope_id: Annotated[UUID, Field(description="The book.")]
    owner: Annotated[str | None, Field(description="Their name; null for the platform.")]
    venues: Annotated[list[str], Field(description="The accounts at venues where it is held.")]
    asset: str
    instrument_id: int
    symbol: str
    mode: Annotated[
        str,
        Field(
            description="`isolated` where the book holds nothing else.",
            json_schema_extra={"enum": ["cross", "isolated"]},
        ),
    ]
    quantity: Annotated[Amount, Field(description="Of all the book's parts, signed.")]
    mark: Amount
    mark_as_of: datetime | None
    notional: Annotated[Amount, Field(description="What is long and what is short of it together.")]
    equity: Annotated[Amount, Field(description="Of the whole book: cash and positions, at marks.")]
    gross: Annotated[Amount, Field(description="Of the whole book.")]
    initial_margin: Annotated[Amount, Field(description="Of the whole book: a tenth of gross.")]
    maintenance_margin: Annotated[
        Amount, Field(description="Of the whole book: below it, it is closed; half of initial.")
    ]
    margin_use: Annotated[
        Ratio | None, Field(description="Initial margin over equity. Null: no equity is left.")
    ]
    liquidation_price: Annotated[
        Amount | None,
        Field(
            description="The mark at which the book is closed, all others as they are; rounded to 8"
            " decimals. Null where no price of this instrument can."
        ),
    ]
    distance: Annotated[
        Ratio | None,
        Field(description="From the mark to that price, of the mark; 0 or less: it is there."),
    ]
    rank: Internal[Decimal]


def positions_at_risk(
    tx: Tx,
    margined: Collection[str],
    *,
    venue: str | None = None,
    after: tuple[Decimal, UUID, int] | None = None,
    limit: int,
) -> list[PositionRisk]:
    """Positions of margined books (at a venue's account), the nearest to their liquidation price
    first. `margined` are the kinds of books that are closed by their margin."""
    rank, scope, instrument = after or (None, None, None)
    asked: dict[str, Any] = {"at_venue": venue, "limit": limit, "maintenance": MAINTENANCE}
    asked |= {"margined": list(margined), "initial": INITIAL}
    asked |= {"rank": rank, "scope": scope, "instrument": instrument}
    return records(tx, PositionRisk, LINES + _POSITIONS, asked)


def nearest_ends(tx: Tx, margined: Collection[str]) -> dict[tuple[str, ...], float]:
    """By asset, how far all prices may move against the margined book nearest to its end."""
    return {
        (one.asset,): float(one.nearest)
        for one in exposure(tx, margined).totals
        if one.nearest is not None
    }


# Where the mark goes from p to P, equity E goes by net · (P - p) and what is held, G, by
# size · (P - p): E + net · (P - p) = maintenance · (G + size · (P - p)) has one solution.
_POSITIONS: LiteralString = (
    ", held_of AS (SELECT scope_id, instrument_id, sum(quantity) AS net,"
    "   sum(abs(quantity)) AS size, sum(abs(value)) AS notional, min(as_of) AS as_of,"
    "   array_agg(DISTINCT venue ORDER BY venue) AS venues FROM line"
    "  WHERE margined AND quantity <> 0 GROUP BY scope_id, instrument_id),"
    " moved AS (SELECT h.*, b.asset, b.equity, b.gross, m.price,"
    "   (%(maintenance)s * b.gross - b.equity) / nullif(h.net - %(maintenance)s * h.size, 0)"
    "    AS move, (SELECT count(*) FROM held_of o WHERE o.scope_id = h.scope_id) AS beside"
    "  FROM held_of h JOIN book b USING (scope_id) JOIN mark m USING (instrument_id)),"
    " far AS (SELECT *, CASE WHEN price + move > 0 THEN round(price + move, 8) END AS ends,"
    "   CASE WHEN price + move > 0 THEN round((equity - %(maintenance)s * gross)"
    "    / (abs(net - %(maintenance)s * size) * price), 8) END AS distance FROM moved),"
    " ranked AS (SELECT *, coalesce(distance, 10000000000) AS rank FROM far)"
    " SELECT r.scope_id, name_of(s.owner_id) AS owner, r.venues, r.asset, r.instrument_id,"
    "  i.symbol, CASE r.beside WHEN 1 THEN 'isolated' ELSE 'cross' END AS mode,"
    "  r.net AS quantity, r.price AS mark, r.as_of AS mark_as_of, r.notional, r.equity, r.gross,"
    "  round(%(initial)s * r.gross, 18) AS initial_margin,"
    "  round(%(maintenance)s * r.gross, 18) AS maintenance_margin,"
    "  CASE WHEN r.equity > 0 THEN round(%(initial)s * r.gross / r.equity, 8) END AS margin_use,"
    "  r.ends AS liquidation_price, r.distance, r.rank"
    " FROM ranked r JOIN scopes s ON s.id = r.scope_id"
    " JOIN instruments i ON i.id = r.instrument_id"
    " WHERE (%(at_venue)s::text IS NULL OR %(at_venue)s = ANY (r.venues))"
    "  AND (%(rank)s::numeric IS NULL OR (r.rank, r.scope_id, r.instrument_id)"
    "   > (%(rank)s, %(scope)s::uuid, %(instrument)s::integer))"
    " ORDER BY r.rank, r.scope_id, r.instrument_id LIMIT %(limit)s"
)
