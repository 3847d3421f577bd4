"""Where a flow's book and a backtest of the same strategy part, and what each cause of it makes.
Pure.

Both sides are walked through the same moments at the same prices. A result is linear in what is
held: what trades cost beyond the moment's price, what is held times the price's next move, and
funding. So the difference of two results is the sum of what each moment's fills cost more, and of
what the *difference of the holdings* earned; and each part of that difference has a cause. The
causes add up to the whole to the last digit, whatever the records say: what no rule explains is
`unexplained`, and never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple
from uuid import UUID

from commenda.modes.model import Cause

ZERO = Decimal(0)
FINE = 10
"""Units of money by which a fee or a payment may differ for its rounding alone."""
CARRIED = "carried"
"""The moment in which a strategy was begun anew while its book held something."""
_STEP = Decimal(1).scaleb(-18)


Amounts = dict[Cause, Decimal]


class Traded(NamedTuple):
    """What one side traded at a moment: quantity and notional are signed, the fee was paid."""

    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    fee: Decimal = ZERO


NOTHING = Traded()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a signal asked for the book: `requested` to come to `target` of its equity, which is
    `cash` and what it holds, at the price of `reference`.

    The causes: why the target's size is another than the backtest's, why less was asked than it
    is, and why less was traded than was asked.
    """

    target: Decimal
    reference: Decimal
    cash: Decimal
    requested: Decimal
    moved: Cause = Cause.SIZE
    held_back: Cause = Cause.UNEXPLAINED
    unfilled: Cause = Cause.UNEXPLAINED


@dataclass(frozen=True, slots=True)
class Event:
    """A moment in which at least one side decided or traded. `price` is the market's, the same for
    both. `why` says why one side traded where nothing was asked of the book, or had nothing to."""

    at: datetime
    kind: str
    price: Decimal
    backtest: Traded = NOTHING
    live: Traded = NOTHING
    asked: Asked | None = None
    reference: Decimal | None = None
    """The market's price when the live order was sent; None: the event's."""
    why: Cause = Cause.UNEXPLAINED
    targets: tuple[Decimal | None, Decimal | None] = (None, None)
    """What the backtest and the flow decided; to be shown, as all that follows."""
    apart: Cause | None = None
    order_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """Funding: the backtest pays held · mark · rate, the book got `received`."""

    at: datetime
    rate: Decimal
    mark: Decimal
    received: Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """What the backtest assumes of each fill, as fractions; and the steps of price, quantity and
    money."""

    fee: Decimal
    slippage: Decimal
    tick: Decimal
    lot: Decimal
    unit: Decimal


@dataclass(slots=True)
class Row:
    """A moment and what came of it until the next one, by cause."""

    moment: Event | Stamp
    amounts: Amounts = field(default_factory=dict)

    def add(self, cause: Cause, amount: Decimal) -> None:
        if amount:
            self.amounts[cause] = self.amounts.get(cause, ZERO) + amount


def walk(moments: Iterable[Event | Stamp], terms: Terms, last: Decimal) -> list[Row]:
    """Each moment with what it made the book's result differ by, until the next one; the last one
    until the price is `last`."""
    rows: list[Row] = []
    held = Held()
    since: tuple[Row, Decimal] | None = None
    for moment in moments:
        row = Row(moment)
        rows.append(row)
        if isinstance(moment, Stamp):
            _fund(row, since and since[0], held, moment, terms.unit)
            continue
        _hold(since, held.apart, moment.price)
        before = dict(held.apart)
        held.take(moment, terms)
        if moment.kind != CARRIED:  # it was traded before
            _cost(row, moment, terms, _mover(before, held.apart))
        since = row, moment.price
    _hold(since, held.apart, last)
    return rows


def totals(rows: Iterable[Row]) -> Amounts:
    """What each cause made, over all rows."""
    found: Amounts = {}
    for row in rows:
        for cause, amount in row.amounts.items():
            found[cause] = found.get(cause, ZERO) + amount
    return found


def result(trades: Iterable[Traded], funding: Iterable[Decimal], last: Decimal) -> Decimal:
    """What trades and funding came to, the rest valued at `last`. Computed without the walk."""
    worth = sum((one.quantity * last - one.notional - one.fee for one in trades), ZERO)
    return worth + sum(funding, ZERO)


@dataclass(slots=True)
class Held:
    """What both sides hold, and by cause what the book holds more than the backtest."""

    backtest: Decimal = ZERO
    live: Decimal = ZERO
    apart: Amounts = field(default_factory=dict)

    def take(self, event: Event, terms: Terms) -> None:
        """A signal sizes the book afresh, so that its difference has the signal's causes alone.
        Whatever else is traded on one side adds to the difference that is there."""
        self.backtest += event.backtest.quantity
        before, self.live = self.live, self.live + event.live.quantity
        if event.asked is None:
            more = event.live.quantity - event.backtest.quantity
            self.apart[event.why] = self.apart.get(event.why, ZERO) + more
        else:
            self.apart = _parts(event, event.asked, self.backtest, before, self.live, terms)
        self.apart = {cause: part for cause, part in self.apart.items() if part}


def _parts(
    event: Event, asked: Asked, backtest: Decimal, before: Decimal, after: Decimal, terms: Terms
) -> Amounts:
    """By cause what the book holds more after a signal: from the backtest's holding, by way of the
    target at the book's equity, at the signal's price, in whole lots, to what was filled."""
    wanted = asked.target * (asked.cash + before * asked.reference)
    sized, exact = _units(wanted, event.price), _units(wanted, asked.reference)
    planned = before + asked.requested
    fine = abs(planned - exact) < terms.lot and asked.held_back is Cause.UNEXPLAINED
    steps = (
        (asked.moved, sized - backtest),
        (_late(event.price, asked.reference, terms), exact - sized),
        (Cause.ROUNDING if fine else asked.held_back, planned - exact),
        (asked.unfilled, after - planned),
    )
    found: Amounts = {}
    for cause, part in steps:
        found[cause] = found.get(cause, ZERO) + part
    return found


def _late(price: Decimal, reference: Decimal, terms: Terms) -> Cause:
    """The cause of a price that is another when the order is sent: less than a tick is rounded."""
    return Cause.ROUNDING if abs(reference - price) < terms.tick else Cause.LATENCY


def _units(money: Decimal, price: Decimal) -> Decimal:
    return (money / price).quantize(_STEP, rounding=ROUND_HALF_EVEN)


def _mover(before: Mapping[Cause, Decimal], after: Mapping[Cause, Decimal]) -> Cause:
    """The cause that moved the difference of the holdings the most: what more or less was traded
    costs is its own."""
    moved = {
        cause: abs(after.get(cause, ZERO) - before.get(cause, ZERO))
        for cause in Cause
        if cause in before or cause in after
    }
    return max(moved, key=lambda cause: moved[cause], default=Cause.ROUNDING)


def _hold(
    since: tuple[Row, Decimal] | None, apart: Mapping[Cause, Decimal], price: Decimal
) -> None:
    """What the difference of the holdings earned since the last event's price."""
    if since is not None:
        row, before = since
        for cause, part in apart.items():
            row.add(cause, part * (price - before))


def _fund(row: Row, since: Row | None, held: Held, stamp: Stamp, unit: Decimal) -> None:
    """What the difference of the holdings paid belongs to the moment that they come from; what the
    same holding paid otherwise, to the stamp."""
    due = stamp.mark * stamp.rate
    for cause, part in held.apart.items():
        (since or row).add(cause, -part * due)
    otherwise = stamp.received + held.live * due
    if abs(otherwise) < FINE * unit:
        (since or row).add(Cause.ROUNDING, otherwise)
    else:
        row.add(Cause.FUNDING, otherwise)


def _cost(row: Row, event: Event, terms: Terms, mover: Cause) -> None:
    """What the book's fills cost more than the backtest's beyond the moment's price."""
    live, other, price = event.live, event.backtest, event.price
    reference = price if event.reference is None else event.reference
    size, assumed = abs(live.quantity), abs(live.quantity) * terms.slippage * price
    paid = live.notional - live.quantity * price
    row.add(_late(price, reference, terms), -live.quantity * (reference - price))
    beyond = paid - live.quantity * (reference - price) - assumed
    fine = abs(beyond) < size * terms.tick
    by_price = Cause.ROUNDING if fine else Cause.PRICE
    row.add(by_price, -beyond)
    row.add(mover, other.notional - other.quantity * price - assumed)

    expected = abs(live.quantity * price + assumed)  # of a sale slippage leaves less to pay on
    due, due_there = terms.fee * abs(live.notional), terms.fee * abs(other.notional)
    fee = due - live.fee + other.fee - due_there
    row.add(Cause.ROUNDING if abs(fee) < FINE * terms.unit else Cause.FEE, fee)
    row.add(by_price, terms.fee * expected - due)
    row.add(mover, due_there - terms.fee * expected)


# --- Decisions -------------------------------------------------------------------------------

Decision = tuple[datetime, str]
"""When the bar closed that was decided on, and of which kind."""


class Agreement(NamedTuple):
    """How many decisions both sides took alike, and each that only one took or took otherwise."""

    backtest: int
    live: int
    agreeing: int
    apart: Mapping[Decision, Cause]


def agree(
    backtest: Mapping[Decision, Decimal],
    live: Mapping[Decision, Decimal],
    missed: Sequence[datetime],
    changed: Sequence[datetime],
) -> Agreement:
    """Hold decisions (by bar and kind: the target) against each other. A strategy that did not see
    a bar, or saw another, may decide otherwise from its close on: `missed` and `changed` are the
    closes of such bars."""
    alike = {key for key in backtest.keys() & live.keys() if backtest[key] == live[key]}
    apart = {}
    for key in sorted((backtest.keys() | live.keys()) - alike):
        cause = Cause.UNEXPLAINED
        if any(at <= key[0] for at in changed):
            cause = Cause.OTHER_DATA
        if any(at <= key[0] for at in missed):
            cause = Cause.MISSING_BAR
        apart[key] = cause
    return Agreement(len(backtest), len(live), len(alike), apart)


def cause_of(words: str | None, status: str | None = None) -> Cause:
    """The cause that the words of an execution or of an order, and its end, tell."""
    for mark, cause in _SAID:
        if mark in (words or ""):
            return cause
    return _ENDED.get(status or "", Cause.UNEXPLAINED)


_ENDED = {
    "refused": Cause.REFUSED,
    "expired": Cause.PARTIAL,
    "cancelled": Cause.PARTIAL,
}
_SAID = (
    ("market_untrusted", Cause.HALTED),
    ("breaker_open", Cause.HALTED),
    ("risk_limit", Cause.LIMITED),
    ("signal_late", Cause.LATE),
    ("order_late", Cause.LATE),
    ("dead-band", Cause.DEAD_BAND),
    ("minimum notional", Cause.MINIMUM_NOTIONAL),
    ("below one lot", Cause.ROUNDING),
)
