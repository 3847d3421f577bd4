"""One closed bar at a time: the kernel as paper and live trading drive it."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import timedelta
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.account import charge_funding, decide, resting_stop, trade_bar
from commenda.kernel.bars import (
    CLOSE,
    HIGH,
    LOW,
    NO_FINER,
    OPEN,
    VOLUME,
    Array,
    Bars,
    Funding,
    typical_interval,
)
from commenda.kernel.desk import most_fills_a_bar, needs_desk, open_desk
from commenda.kernel.matching import fund_margin, send, work_bar
from commenda.kernel.program import Program
from commenda.kernel.results import Counts, Fill, Result, as_counts, as_fills, result_of
from commenda.kernel.terms import DAY, Costs, Latency, Terms

_HEADER = struct.Struct("<4s16sq")  # format, program's fingerprint, stamp of the last bar
_FORMAT, _BEFORE_LAYERS, _BEFORE_RUIN = b"CMS3", b"CMS2", b"CMS1"
_BEFORE_TIME = -(2**63)


class Decision(NamedTuple):
    """What a closed bar led to.

    `target` is the standing target after its close; `changed` says that it is new and waits for
    the next open; `stopped` that the hard stop fired inside this bar, and `stop_price` at which
    reference price it did (before slippage; the open if that lay beyond the stop), NaN otherwise.
    An account that is ruined says so by a stop, and decides nothing afterwards.
    """

    target: float
    changed: bool
    stopped: bool
    stop_price: float


class Stepper:
    """A program and its account, advanced by `on_bar`.

    It calls the very functions that the loop of `run` calls, so that decisions and equity are the
    loop's to the last bit, also across `save` and `restore`.
    """

    __slots__ = (
        "_account",
        "_asked",
        "_bar",
        "_count",
        "_desk",
        "_entry",
        "_fills",
        "_position",
        "_program",
        "_rules",
        "_state",
        "_ts",
    )

    def __init__(
        self,
        program: Program,
        *,
        cash: float,
        costs: Costs | None = None,
        size: float | None = None,
        terms: Terms | None = None,
        interval: timedelta | None = None,
        side: int | None = None,
    ) -> None:
        """As `run`. A latency in `terms` and tiers in `costs` need the `interval` between bars.

        One `side` (1, -1; 0: both) is for a program that is to be told what a leg is told.
        """
        costs, terms = costs or Costs(), terms or Terms()
        if interval is None and (terms.latency != Latency() or costs.tiers):
            raise ValueError(f"{program.identity}: latency and fee tiers need the bars' interval")
        self._program = program
        self._asked: dict[str, Any] = {
            "costs": costs,
            "size": size,
            "terms": terms,
            "interval": interval,
        }
        self._desk = None
        self._rules = program.rules(costs, size, terms)
        if side is not None or needs_desk(program, costs, terms):
            every = interval or DAY
            self._desk = open_desk(
                program, costs, terms, cash=cash, interval=every, size=size, side=side or 0
            )
            self._rules = self._desk.rules
        size_of_position = book.POSITION_SIZE if self._desk is None else at.DESK_POSITION_SIZE
        self._account = book.open_account(cash)
        self._state = program.new_state()
        self._bar = np.zeros(VOLUME + 1)
        self._position = np.zeros(size_of_position)
        self._fills = np.zeros((most_fills_a_bar(self._desk), book.FILL_COLUMNS))
        self._count, self._entry = 0, nan
        self._ts = _BEFORE_TIME

    def on_bar(
        self,
        ts: int,
        open: float,  # noqa: A002 -- a bar's field is called open everywhere
        high: float,
        low: float,
        close: float,
        volume: float,
        funding: Iterable[tuple[float, float]] = (),
    ) -> Decision:
        """Take the closed bar that opened at `ts` (nanoseconds UTC); decide.

        `funding` holds (rate, mark price) of each stamp in (previous bar's open, this bar's open],
        in order of time.
        """
        if ts <= self._ts:
            raise ValueError(f"bar {ts} does not follow bar {self._ts}")
        if not (0.0 < low <= open <= high < inf and low <= close <= high and volume >= 0.0):
            raise ValueError(f"bar {ts}: prices are not 0 < low <= open, close <= high < inf")
        account, bar, rules, desk = self._account, self._bar, self._rules, self._desk
        if account[book.RUIN] > 0.0:
            self._ts, self._count = ts, 0
            return Decision(0.0, False, False, nan)
        for rate, mark in funding:
            charge_funding(account, float(rate), float(mark))
            if desk is not None:
                fund_margin(account, float(rate), float(mark), rules, desk.tally)
        bar[OPEN] = open
        bar[HIGH] = high
        bar[LOW] = low
        bar[CLOSE] = close
        bar[VOLUME] = volume
        program, state, position = self._program, self._state, self._position
        self._entry = account.item(book.ENTRY_PRICE)
        if desk is None:
            self._count = trade_bar(account, bar, position, rules, self._fills, 0)
        else:
            tally, orders, fills = desk.tally, desk.orders, self._fills
            tally[at.ROW] = 0.0
            work_bar(account, bar, position, rules, tally, orders, NO_FINER, fills)
            self._count = int(tally[at.ROW])
        if account[book.RUIN] > 0.0:
            target = nan
        elif program.orders > 0 and desk is not None:
            target = program.step(state, bar, position, program.params, desk.orders)
        else:
            target = program.step(state, bar, position, program.params)
        if desk is None:
            changed = decide(account, target, rules)
        else:
            changed = send(account, target, rules, desk.tally, desk.orders)
        self._ts = ts
        stop_price = account.item(book.STOP_FILL)
        return Decision(account.item(book.STANDING), changed, stop_price == stop_price, stop_price)

    @property
    def ts(self) -> int | None:
        """Open time of the last bar taken, in nanoseconds UTC; None before the first."""
        return None if self._ts == _BEFORE_TIME else self._ts

    @property
    def equity(self) -> float:
        """Quote currency, at the last close."""
        return self._account.item(book.EQUITY)

    @property
    def exposure(self) -> float:
        """Signed fraction of equity held, at the last close: now, whatever the step has heard."""
        if self.quantity == 0.0:
            return 0.0
        return self.quantity * self._account.item(book.LAST_CLOSE) / self.equity

    @property
    def quantity(self) -> float:
        """Units held, signed."""
        return self._account.item(book.QUANTITY)

    @property
    def entry_price(self) -> float:
        """Average price paid for the position, slippage included; NaN when flat."""
        return self._account.item(book.ENTRY_PRICE)

    @property
    def stop_price(self) -> float:
        """Where the tightest stop of the position rests; NaN when flat or without one.

        Of stops in layers, as of the last opening.
        """
        if self._desk is not None:
            return self._desk.tally.item(at.LEVEL)
        return float(resting_stop.py_func(self._account, self._program.stops.fraction))

    @property
    def ruined(self) -> bool:
        """Whether the equity was gone: nothing is traded any more."""
        return bool(self._account[book.RUIN])

    @property
    def stopped(self) -> bool:
        """Whether a stop keeps the account flat until the target changes."""
        return bool(self._account[book.STOPPED])

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Fills inside the last bar, in order; of a plain account the target's, then the stop's."""
        return as_fills(self._fills[: self._count])

    @property
    def counts(self) -> Counts:
        """What the run met with at its desk so far."""
        return as_counts(self._account, self._desk)

    @property
    def account(self) -> Array:
        """A copy of the account, laid out as in `account.py`."""
        return self._account.copy()

    @property
    def state(self) -> Array:
        """A copy of the step's own state."""
        return self._state.copy()

    def save(self) -> bytes:
        """Everything needed to continue after the last bar, to the same bit."""
        header = _HEADER.pack(_FORMAT, self._program.fingerprint(), self._ts)
        return header + b"".join(array.astype("<f8").tobytes() for array in self._arrays())

    def _arrays(self) -> list[Array]:
        """Every array that a bar changes."""
        desk = self._desk
        mine = [self._account, self._position, self._state]
        if desk is None:
            return mine
        return [*mine, desk.tally, desk.orders]

    @classmethod
    def restore(
        cls,
        program: Program,
        saved: bytes,
        *,
        costs: Costs | None = None,
        size: float | None = None,
        terms: Terms | None = None,
        interval: timedelta | None = None,
    ) -> Stepper:
        """Continue from `save`. Costs and terms may differ in their numbers; strategy, version and
        parameters may not, nor the kinds of terms asked for.
        """
        stepper = cls(program, cash=1.0, costs=costs, size=size, terms=terms, interval=interval)
        arrays = stepper._arrays()
        if saved.startswith(_BEFORE_RUIN) and stepper._desk is None:
            # An account of before had no places for a shortfall and for ruin: it has had neither.
            end = _HEADER.size + 8 * book.SHORTFALL
            saved = _BEFORE_LAYERS + saved[len(_FORMAT) : end] + bytes(16) + saved[end:]
        if saved.startswith(_BEFORE_LAYERS):
            if stepper._desk is not None:
                # Nor had a desk for which rule its stop is of: it is told from the next bar on.
                lead = sum(one.size for one in arrays[:-2]) + at.TALLIES_BEFORE
                end = _HEADER.size + 8 * lead
                gap = bytes(8 * (at.TALLIES - at.TALLIES_BEFORE))
                saved = saved[:end] + gap + saved[end:]
            saved = _FORMAT + saved[len(_FORMAT) :]
        expected = _HEADER.size + sum(array.nbytes for array in arrays)
        if len(saved) != expected or not saved.startswith(_FORMAT):
            raise ValueError(f"saved state of {len(saved)} bytes is not the {expected} expected")
        _, fingerprint, stepper._ts = _HEADER.unpack_from(saved)
        if fingerprint != program.fingerprint():
            raise ValueError(f"saved state belongs to another program than {program.identity}")
        values = np.frombuffer(saved, "<f8", offset=_HEADER.size)
        for array in arrays:
            array.ravel()[:], values = values[: array.size], values[array.size :]
        if stepper._desk is not None:
            tally, rules = stepper._desk.tally, stepper._rules
            tally[at.FEE_TIER] = min(tally[at.FEE_TIER], rules[at.FEES] - 1.0)
        return stepper


def step_through(
    program: Program,
    bars: Bars,
    cash: float,
    funding: Funding,
    costs: Costs,
    size: float | None,
    terms: Terms,
) -> Result:
    """What `run` does, bar by bar: for a step that is not compiled."""
    interval = typical_interval(bars)
    stepper = Stepper(program, cash=cash, costs=costs, size=size, terms=terms, interval=interval)
    equity, targets = np.empty(len(bars)), np.empty(len(bars))
    fills = [np.empty((0, book.FILL_COLUMNS))]
    stamps = funding.bar_indexes(bars.ts)
    first = np.searchsorted(stamps, np.arange(len(bars) + 1))
    charges = list(zip(funding.rate.tolist(), funding.mark.tolist(), strict=True))
    columns = (bars.ts, bars.open, bars.high, bars.low, bars.close, bars.volume)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for i, (ts, opening, high, low, close, volume) in enumerate(rows):
        paid = charges[first[i] : first[i + 1]]
        targets[i] = stepper.on_bar(ts, opening, high, low, close, volume, paid).target
        equity[i] = stepper.equity
        fills.append(stepper._fills[: stepper._count].copy())
    return result_of(equity, targets, np.concatenate(fills), stepper.account, stepper._desk)
