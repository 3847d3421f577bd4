"""When a closing is tried again, what of a book is closed, what can be taken out of it. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from commenda import risk
from commenda.kit.errors import CommendaError
from commenda.market import Instrument

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=15)
TRIES_BEFORE_DUST = 3
"""Failures to close a position before what is too little for the venue is taken over."""
TRIES_BEFORE_MARKET = 3
"""Limit orders to close a position that fail before a market order is sent."""
COLLAR = Decimal("0.01")
"""How far from the mark a closing's limit order trades at most, as a fraction."""
INITIAL = risk.INITIAL
"""Least equity that is left when money is taken out, as a fraction of the gross value of what a
book holds."""
MAINTENANCE = INITIAL / 2
"""Least equity, as a fraction of the same."""


def is_dust(quantity: Decimal, mark: Decimal, instrument: Instrument, attempt: int) -> bool:
    """Whether a remainder is left to the platform: too little for the venue, and often tried, or
    less than a lot, of which there is nothing to try.

    `attempt` counts the failures before this one, as in `next_retry`.
    """
    small = abs(quantity) * mark < instrument.minimum_notional
    return abs(quantity) < instrument.lot or (small and attempt >= TRIES_BEFORE_DUST)


def next_retry(attempt: int, now: datetime) -> datetime:
    """When to try again to close what the venue refused: now + 30 s · 2ⁿ, at most 15 minutes.

    `attempt` is n, the failures before this one: 0 for the first. Code `bad_attempt` below 0.
    """
    if attempt < 0:
        raise CommendaError("bad_attempt", "Attempts count from 0").at(
            "attempt", attempt, "pass 0 for the first failure"
        )
    doublings = min(attempt, 16)  # far past the ceiling already, and no timedelta overflow
    return now + min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def part_of(held: Decimal, amount: Decimal, equity: Decimal, lot: Decimal) -> Decimal:
    """What of a position goes when `amount` of `equity` does: signed lots, rounded up.

    Up, so that what is paid out was really sold; never more than is held.
    """
    lots = (abs(held) * amount / (equity * lot)).to_integral_value(rounding=ROUND_CEILING)
    return min(lots * lot, abs(held)).copy_sign(held)


def still_to_close(asked: Decimal, closed: Decimal, held: Decimal) -> Decimal:
    """What is left of a part that was asked for, signed as the position: no more than is held.

    Nothing where the position is gone or has turned since, by a signal: there is nothing of what
    was asked for any more.
    """
    left = abs(asked) - abs(closed)
    if left <= 0 or asked * held <= 0:
        return Decimal(0)
    return min(left, abs(held)).copy_sign(held)


def free_cash(cash: Decimal, equity: Decimal, gross: Decimal) -> Decimal:
    """What a leg can pay without an order: its cash, as far as the initial margin stays covered.

    `gross` is the value of its positions, whichever their side.
    """
    return max(Decimal(0), min(cash, equity - INITIAL * gross))
