"""The live market as it is stored: for a worker that has no feed of its own."""

from __future__ import annotations

from datetime import UTC, datetime

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, not_found
from commenda.market.feed import CandleFeed
from commenda.market.instruments import instruments
from commenda.market.model import Funding, Instrument, Mark


class StoredFeed(CandleFeed):
    """Every instrument that is stored, and the latest mark of those that have one.

    It has no bars: nothing is decided from it. Orders, margins and values go by the marks.
    """

    def __init__(self, database: Database, interval: int) -> None:
        self._database, self.interval = database, interval

    @property
    def instruments(self) -> tuple[Instrument, ...]:  # type: ignore[override]
        """Those that have a mark."""
        with self._database.read() as tx:
            traded = {row[0] for row in tx.execute("SELECT instrument_id FROM market_marks")}
            return tuple(one for one in instruments(tx) if one.id in traded)

    def bar(self, instrument_id: int, ts: int) -> None:
        return None

    def closed_bar(self, instrument_id: int, ts: int) -> None:
        return None

    def timestamps(self, start: int, end: int) -> list[int]:
        return []

    def funding_between(self, instrument_id: int, after_ts: int, until_ts: int) -> list[Funding]:
        """None: an exchange says itself what it pays, and without bars nothing trades on paper."""
        return []

    def instrument(self, instrument_id: int) -> Instrument:
        with self._database.read() as tx:
            found = next((one for one in instruments(tx) if one.id == instrument_id), None)
        if found is None:
            raise not_found("unknown_instrument", "No such instrument is stored").at(
                "instrument_id", instrument_id
            )
        return found

    def mark_at(self, instrument_id: int, ts: int) -> Mark:
        """The latest mark; code `no_price` where there is none, or it is later than was asked."""
        with self._database.read() as tx:
            mark = _mark(tx, instrument_id)
        if mark is None or mark.as_of > datetime.fromtimestamp(ts + self.interval, UTC):
            raise CommendaError("no_price", "No price of this instrument is known").at(
                "instrument_id", instrument_id
            )
        return mark


def _mark(tx: Tx, instrument_id: int) -> Mark | None:
    row = tx.execute(
        "SELECT price, as_of, source FROM market_marks WHERE instrument_id = %s", (instrument_id,)
    ).fetchone()
    return None if row is None else Mark(*row)
