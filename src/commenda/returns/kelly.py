"""How much to stake: Kelly, "A New Interpretation of Information Rate" (Bell System Technical
Journal 35, 1956).
"""

from __future__ import annotations

from commenda.kit.errors import CommendaError


def kelly_fraction(win_probability: float, odds: float = 1.0) -> float:
    """The share of capital that makes it grow fastest: p − (1 − p) / b, never below 0.

    `odds` b is what a winning unit earns beside itself: 1 is even money. A losing unit is lost.
    """
    if not 0.0 <= win_probability <= 1.0:
        raise CommendaError("bad_probability", "Not a probability").at(
            "win_probability", win_probability, "from 0 to 1"
        )
    if not odds > 0.0:
        raise CommendaError("bad_odds", "Odds are above 0").at("odds", odds, "1 is even money")
    return max(0.0, win_probability - (1.0 - win_probability) / odds)
