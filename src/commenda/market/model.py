"""What the market domain speaks of: instruments, series, marks, findings and datasets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Literal

from commenda.kit.money import floor_to
from commenda.kit.wire import Amount, Internal, on_wire

VENUE = r"[a-z0-9]+(?:_[a-z0-9]+)*"
SYMBOL = r"[^\W_a-z]+(?:_(?:[0-9]{6}|PERP))?"
"""A symbol: letters (of any script, Latin ones in capitals) and digits, and what tells a delivery
or a perpetual contract from others of its name, as in `BTCUSDT_250627`."""


class Kind(StrEnum):
    LINEAR_PERPETUAL = "linear_perpetual"
    SPOT = "spot"
    """What is bought is held: nothing is lent, and nothing sold that is not there."""


FINEST = Decimal("0.00000001")
"""The step in which an exchange keeps what it holds of an asset."""


class Series(StrEnum):
    """What a dataset records of its instrument."""

    CANDLES = "candles"
    FUNDING = "funding"
    MARK = "mark"


class FindingKind(StrEnum):
    """What can be wrong with a row of market data. `quality` says when each is found."""

    GAP = "gap"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out_of_order"
    IMPOSSIBLE_BAR = "impossible_bar"
    ZERO_VOLUME = "zero_volume"
    LATE_STAMP = "late_stamp"
    # Those of a live market: `ingest.watch` and `ingest.bars` say when.
    STALE = "stale"
    SEQUENCE_BREAK = "sequence_break"
    CROSSED_BOOK = "crossed_book"
    PRICE_JUMP = "price_jump"
    CLOCK_SKEW = "clock_skew"
    CANDLE_DIFFERS = "candle_differs"


@on_wire
@dataclass(frozen=True, slots=True)
class Instrument:
    """What can be traded at a venue, and on which terms.

    `tick` is the step of a price and `lot` the step of a quantity; `minimum_notional` is the
    least price · quantity of an order, in the quote asset. Fees are fractions of the notional.
    `id` is 0 until the instrument is stored.
    """

    id: Internal[int]
    venue: str
    symbol: str
    kind: Kind
    base: str
    quote: str
    tick: Amount
    lot: Amount
    minimum_notional: Amount
    maker_fee: Amount
    taker_fee: Amount
    maximum_leverage: Internal[int]
    simulated: bool

    @property
    def step(self) -> Decimal:
        """The step of what is held. At spot it is the asset's own, for a fee is taken of what was
        bought: what is held is seldom whole lots."""
        return FINEST if self.kind is Kind.SPOT else self.lot

    def to_tick(self, price: Decimal | float) -> Decimal:
        """`price` at the nearest tick, ties to the even one. A float counts as it prints."""
        steps = exact(price) / self.tick
        return steps.to_integral_value(rounding=ROUND_HALF_EVEN) * self.tick

    def to_lot(self, quantity: Decimal | float) -> Decimal:
        """The whole lots in `quantity`, rounded toward zero: never more than was asked for."""
        return floor_to(exact(quantity), self.lot)


@dataclass(frozen=True, slots=True)
class Mark:
    """A price that positions are valued at, when it was known, and what it is.

    `mark` is the venue's mark price; `candle` is the close of a candle, where that is fresher;
    `trade` is the last trade at a spot market, which has no mark price.
    """

    price: Decimal
    as_of: datetime
    source: Literal["mark", "candle", "trade"]


@dataclass(frozen=True, slots=True)
class Funding:
    """One funding stamp of a perpetual: a long pays quantity · mark · rate, a short receives it.

    `ts` in epoch seconds UTC, rounded to the nearest second; `rate` is a signed fraction.
    """

    ts: int
    rate: Decimal
    mark: Mark


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a series, at the time of the row. A `fatal` one blocks the import."""

    kind: FindingKind
    at: datetime
    details: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """One imported series. `path` is relative to the data directory; `sha256` is of its content.

    `interval_seconds` is 0 for funding, whose interval is the exchange's to change.
    `first_ts` and `last_ts` are the first and last stamps: opens, for candles and marks.
    """

    id: int
    instrument_id: int
    venue: str
    symbol: str
    series: Series
    interval_seconds: int
    simulated: bool
    first_ts: datetime
    last_ts: datetime
    rows: int
    sha256: str
    path: str
    imported_at: datetime


def parse_moment(text: str) -> datetime | None:
    """A time in ISO 8601, without a zone where it names none; None for anything else."""
    try:
        moment = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return moment if 1 < moment.year < 9999 else None  # in every zone, so also in UTC


def exact(number: Decimal | float) -> Decimal:
    """The decimal that a float prints as: 0.1 is 0.1, as its source wrote it."""
    return number if isinstance(number, Decimal) else Decimal(repr(float(number)))
