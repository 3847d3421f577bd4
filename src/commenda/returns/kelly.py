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


def edge_trust(edge: float, error: float) -> float:
    """By how much to shrink the stake on an edge that is estimated with a standard `error`.

    e² / (e² + s²): a stake of k·e, e the estimate, costs growth for what the estimate is off, and
    grows fastest in the mean at this k (Baker and McHale, "Optimal Betting Under Parameter
    Uncertainty: Improving the Kelly Criterion", Decision Analysis 10(3), 2013). 0 where there is no
    edge, 1 where nothing is uncertain.
    """
    return edge**2 / (edge**2 + error**2) if edge != 0.0 else 0.0


def shrunk_kelly(win_probability: float, odds: float, trials: int) -> float:
    """`kelly_fraction` of a frequency that was counted in so many trials, shrunk by `edge_trust`.

    The edge is p·b − (1 − p), with the standard error (b + 1)·√(p(1 − p)/n). Code `short_record`.
    """
    if trials < 2:
        raise CommendaError("short_record", "A frequency needs two trials").at(
            "trials", trials, "give a longer record"
        )
    stake = kelly_fraction(win_probability, odds)
    error = (odds + 1.0) * (win_probability * (1.0 - win_probability) / trials) ** 0.5
    return stake * edge_trust(win_probability * odds - (1.0 - win_probability), error)
