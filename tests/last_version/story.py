"""What the last version's business lives in: prices, the venue's terms, and when it was left.

Prices are whole, so the venue's fees have no more than eight decimals: nothing is rounded, and
what a book is paid does not depend on which others its orders were sent with.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

COMMIT = "6def891"
"""The last version."""
MIGRATIONS = 22
"""How many it had."""
MASTER_KEY = "the last version's master key, 32 characters or more"

START = datetime(2026, 1, 5, tzinfo=UTC)
LEFT = 74
"""The hour its clock had come to when it was killed; funding is due every eight hours."""
END = 112
"""The hour by which everything that was begun is done."""


def steps(*changes: tuple[int, int]) -> Callable[[int], float]:
    """A price that jumps at the given hours since START."""
    return lambda hour: float([price for since, price in changes if since <= max(hour, 0)][-1])


# No price moves and no funding is due while what was half done is closed, whichever hour it is.
PRICES = {
    "AAAUSDT": steps((0, 100), (30, 110), (62, 104), (84, 108)),
    "BBBUSDT": steps((0, 50), (40, 48), (84, 47)),
    "CCCUSDT": steps((0, 200), (20, 210), (95, 216)),
}
VENUE: dict[str, Any] = {"lot": "0.001", "fee": "0.0005", "minimum_notional": "100", "hours": 200}


def moment(hour: int) -> datetime:
    """So many hours after START."""
    return START + timedelta(hours=hour)
