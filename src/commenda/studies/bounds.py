"""The look at an author's indexes before a study, where it is asked for."""

from __future__ import annotations

from datetime import timedelta

from commenda.kit.errors import CommendaError
from commenda.strategies import Strategy, keep_within
from commenda.studies.material import Material
from commenda.studies.model import Plan
from commenda.studies.space import Params, Space

BARS_BEYOND = 1_000
"""Looked through after the longest look-back, at each corner: an interpreted run is slow."""


def refuse_corners_beyond_bounds(
    strategy: Strategy, material: Material, space: Space, plan: Plan
) -> None:
    """Look through the corners of a space, where arrays are longest and shortest, over the bars
    that they look back and BARS_BEYOND more; code of `strategies.keep_within`.
    """
    count = min(len(material.bars), space.longest_warmup(strategy) + BARS_BEYOND)
    bars, interval = material.bars.between(0, count), timedelta(seconds=material.interval_seconds)
    for params in space.corners(strategy):
        if _taken(strategy, params):
            asked = {"cash": plan.cash, "costs": plan.costs, "terms": plan.terms}
            keep_within(strategy, params, bars, interval=interval, **asked)


def _taken(strategy: Strategy, params: Params) -> bool:
    """Whether the strategy takes a corner: one that it refuses is never run."""
    try:
        strategy.resolve(params)
    except CommendaError:
        return False
    return True
