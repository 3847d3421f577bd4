"""One closed bar at a time: the kernel as paper and live trading drive it."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import inf
from typing import NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel.account import charge_funding, decide, resting_stop, trade_bar
from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, Array, Costs
from commenda.kernel.loop import Fill, as_fills
from commenda.kernel.program import Program

_HEADER = struct.Struct("<4s16sq")  # format, program's fingerprint, stamp of the last bar
_FORMAT = b"CMS1"
_BEFORE_TIME = -(2**63)


class Decision(NamedTuple):
    """What a closed bar led to.

    `target` is the standing target after its close; `changed` says that it is new and waits for
    the next open; `stopped` that the hard stop fired inside this bar, and `stop_price` at which
    reference price it did (before slippage; the open if that lay beyond the stop), NaN otherwise.
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
        "_bar",
        "_count",
        "_fills",
        "_position",
        "_program",
        "_rules",
        "_state",
        "_ts",
    )

    def __init__(self, program: Program, *, cash: float, costs: Costs | None = None) -> None:
        self._program = program
        self._rules = program.rules(costs or Costs())
        self._account = book.open_account(cash)
        self._state = program.new_state()
        self._bar = np.zeros(VOLUME + 1)
        self._position = np.zeros(book.POSITION_SIZE)
        self._fills = np.zeros((book.MOST_FILLS_A_BAR, book.FILL_COLUMNS))
        self._count = 0
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
        account, bar, rules = self._account, self._bar, self._rules
        for rate, mark in funding:
            charge_funding(account, float(rate), float(mark))
        bar[OPEN] = open
        bar[HIGH] = high
        bar[LOW] = low
        bar[CLOSE] = close
        bar[VOLUME] = volume
        self._count = trade_bar(account, bar, self._position, rules, self._fills, 0)
        program = self._program
        target = program.step(self._state, bar, self._position, program.params)
        changed = decide(account, target, rules)
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
        """Signed fraction of equity held, at the last close."""
        return self._position.item(book.EXPOSURE)

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
        """Where the hard stop of the position rests; NaN when flat or without one."""
        return float(resting_stop(self._account, self._program.stop))

    @property
    def stopped(self) -> bool:
        """Whether a stop keeps the account flat until the target changes."""
        return bool(self._account[book.STOPPED])

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Fills inside the last bar, at most two: the target's, then the stop's."""
        return as_fills(self._fills[: self._count])

    @property
    def account(self) -> Array:
        """A copy of the account, laid out as in `account.py`."""
        return self._account.copy()

    def save(self) -> bytes:
        """Everything needed to continue after the last bar, to the same bit."""
        header = _HEADER.pack(_FORMAT, self._program.fingerprint(), self._ts)
        arrays = (self._account, self._position, self._state)
        return header + b"".join(array.astype("<f8").tobytes() for array in arrays)

    @classmethod
    def restore(cls, program: Program, saved: bytes, *, costs: Costs | None = None) -> Stepper:
        """Continue from `save`. Costs may differ; strategy, version and parameters may not."""
        stepper = cls(program, cash=1.0, costs=costs)
        arrays = (stepper._account, stepper._position, stepper._state)
        expected = _HEADER.size + sum(array.nbytes for array in arrays)
        if len(saved) != expected or not saved.startswith(_FORMAT):
            raise ValueError(f"saved state of {len(saved)} bytes is not the {expected} expected")
        _, fingerprint, stepper._ts = _HEADER.unpack_from(saved)
        if fingerprint != program.fingerprint():
            raise ValueError(f"saved state belongs to another program than {program.identity}")
        values = np.frombuffer(saved, "<f8", offset=_HEADER.size)
        for array in arrays:
            array[:], values = values[: array.size], values[array.size :]
        return stepper
