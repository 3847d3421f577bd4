"""What an exchange closes by itself: liquidated, deleveraged against somebody else, or settled.

It is found as a fill that nobody sent, and kept as one. Once our orders there that were sent before
are over, it becomes an order of its own, filled at once: of the legs that held what was closed, in
proportion to what they held. The account is the platform's, so what no leg held any more (an exit
of ours came at the same time) is its own book's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from commenda.alerts import raise_alerts
from commenda.books.dust import dust_leg, open_dust_book
from commenda.execution import Broker, at_rest, fill_at_once, holders
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.money import plain, split
from commenda.ledger import Author
from commenda.market import Instrument
from commenda.venues import Fill, Forced, Side

FORCED = "alert.venue_forced"


class ForcedFill(NamedTuple):
    """A fill of an order that the exchange made."""

    venue: str
    instrument_id: int
    side: Side
    forced: Forced
    seen_at: datetime
    fill: Fill


def post_forced(database: Database, broker: Broker, author: Author) -> None:
    """Post what was closed at the venues and is in no book yet, in the order in which it was."""
    with database.read() as tx:
        waiting = tx.execute(
            "SELECT venue, instrument_id, side, forced, seen_at, fill_id, quantity, price, fee,"
            " traded_at FROM stray_fills s WHERE forced IS NOT NULL AND venue = ANY (%s)"
            " AND NOT EXISTS"
            "  (SELECT FROM fills f WHERE (f.venue, f.fill_id) = (s.venue, s.fill_id))"
            " ORDER BY traded_at, fill_id",
            ([venue.name for venue in broker.venues],),
        ).fetchall()
    for row in waiting:
        one = _read(row)
        with database.transaction() as tx:
            if at_rest(tx, one.venue, one.instrument_id, one.seen_at):
                _post(tx, broker, author, one)


def _read(row: Sequence[Any]) -> ForcedFill:
    venue, instrument, side, forced, seen_at, *fill = row
    return ForcedFill(venue, instrument, Side(side), Forced(forced), seen_at, Fill(*fill))


def _post(tx: Tx, broker: Broker, author: Author, one: ForcedFill) -> None:
    instrument = broker.instrument(one.instrument_id)
    correlation = ids.derive("forced", one.venue, one.fill.id)
    requests, rest = shared_out(one, _held(tx, one), instrument, broker.secret)
    if rest:
        open_dust_book(tx, [(one.venue, instrument.quote)], author.now)
        ours = dust_leg(instrument.quote, one.venue)
        asked = dict(requests)
        asked[ours] = asked.get(ours, Decimal(0)) + one.side.sign * rest
        requests = list(asked.items())
    done = fill_at_once(
        tx,
        broker,
        author,
        cause="forced",
        cause_id=correlation,
        venue=one.venue,
        instrument_id=one.instrument_id,
        requests=requests,
        fill=one.fill,
        reason=one.forced,
    )
    if not done:
        return
    said = {
        "forced": one.forced,
        "symbol": instrument.symbol,
        "side": one.side,
        "quantity": plain(one.fill.quantity),
        "price": plain(one.fill.price),
        "books": len(requests),
        "platform": plain(rest),
    }
    raise_alerts(tx, [author.event(FORCED, one.venue, correlation, one.forced, said)])


def _held(tx: Tx, one: ForcedFill) -> list[tuple[UUID, Decimal]]:
    """What each leg held of what was closed, as far as it did not get rid of it since."""
    then, now = (
        {leg: -quantity * one.side.sign for leg, _, quantity in found}
        for found in (
            holders(tx, one.venue, one.instrument_id, one.fill.at),
            holders(tx, one.venue, one.instrument_id),
        )
    )
    both = ((leg, min(quantity, now.get(leg, Decimal(0)))) for leg, quantity in then.items())
    return [(leg, quantity) for leg, quantity in both if quantity > 0]


def shared_out(
    one: ForcedFill, held: Sequence[tuple[UUID, Decimal]], instrument: Instrument, secret: bytes
) -> tuple[list[tuple[UUID, Decimal]], Decimal]:
    """What each leg loses of what was closed (signed), and how much of it no leg held."""
    lots = [int(quantity / instrument.lot) for _, quantity in held]
    closed = min(int(one.fill.quantity / instrument.lot), sum(lots))
    rest = one.fill.quantity - closed * instrument.lot
    if not closed:
        return [], rest
    ties = [ids.tie_break(secret, one.fill.id, leg) for leg, _ in held]
    parts = split(closed, lots, ties)
    sign = one.side.sign * instrument.lot
    return [(leg, sign * part) for (leg, _), part in zip(held, parts, strict=True) if part], rest
