"""When a book is asked to be closed again, and what is too little to be closed. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from commenda.kit.errors import CommendaError

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(minutes=15)
TRIES_BEFORE_DUST = 3
"""Failures to close a position before what is too little for the venue is taken over."""
TRIES_BEFORE_MARKET = 3
"""Limit orders to close a position that fail before a market order is sent."""
COLLAR = Decimal("0.01")
"""How far from the mark a closing's limit order trades at most, as a fraction."""


def is_dust(quantity: Decimal, mark: Decimal, minimum_notional: Decimal, attempt: int) -> bool:
    """Whether a remainder is left to the platform: too little for the venue, and often tried.

    `attempt` counts the failures before this one, as in `next_retry`.
    """
    return attempt >= TRIES_BEFORE_DUST and abs(quantity) * mark < minimum_notional


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
