"""Weights by volatility, the quotas they keep within, and how fast they may change.

A weight is the signed or unsigned part of a portfolio's capital that a strategy trades with; here
they are 0 or more. What weights leave of the whole is cash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from commenda.kit.errors import CommendaError, conflict

Array = npt.NDArray[np.float64]
Numbers = Sequence[float] | Array


def target_volatility(
    budgets: Numbers, realised: Numbers, target: float, largest: float | Numbers = math.inf
) -> Array:
    """w_i = min(w_max, risk_budget_i · target_vol / realised_vol_i) (specification 002-08).

    `target` and `realised` are volatilities of one period length. It looks at each strategy alone:
    the portfolio's volatility is at most `target` where budgets add up to 1, and reaches it only
    where all move as one. Codes `bad_budgets`, `no_variance`, `not_positive`.
    """
    each, volatility = sound_budgets(budgets), np.asarray(realised, dtype=np.float64)
    if not (math.isfinite(target) and target > 0.0):
        raise CommendaError("not_positive", "A target volatility is above 0").at(
            "target_volatility", target, "0.15 is 15 %"
        )
    still = np.flatnonzero(~(np.isfinite(volatility) & (volatility > 0.0)))
    if still.size:
        raise CommendaError("no_variance", "A strategy has no volatility to size by").at(
            "realised", int(still[0]), "leave out what has not traded (strategies count from 0)"
        )
    found: Array = np.minimum(largest, each * target / volatility)
    return found


def sound_budgets(budgets: Numbers) -> Array:
    """Parts of the risk: none below 0, some above; code `bad_budgets`."""
    each = np.asarray(budgets, dtype=np.float64)
    if each.ndim != 1 or not np.isfinite(each).all() or (each < 0.0).any() or each.sum() <= 0.0:
        raise CommendaError("bad_budgets", "Risk budgets are 0 or more, and not all 0").at(
            "budgets", each.tolist(), "0.5 and 0.25 give the first twice the risk of the second"
        )
    return each


@dataclass(frozen=True, slots=True)
class Quota:
    """Between which parts of the capital some strategies, taken together, must be."""

    members: tuple[int, ...]
    floor: float = 0.0
    cap: float = math.inf


@dataclass(frozen=True, slots=True)
class Quotas:
    """Floors and caps of each strategy, and of groups of them that have no member in common."""

    floors: Array
    caps: Array
    groups: tuple[Quota, ...] = ()

    def __post_init__(self) -> None:
        taken = [one for group in self.groups for one in group.members]
        if len(taken) != len(set(taken)):
            raise CommendaError("bad_quota", "Two groups have a strategy in common").at(
                "groups", taken, "give each strategy one group at most"
            )
        rows = [(low, high) for low, high in zip(self.floors, self.caps, strict=True)]
        rows += [(group.floor, group.cap) for group in self.groups]
        for low, high in rows:
            if not 0.0 <= low <= high:
                raise CommendaError("bad_quota", "A floor is 0 or more and at most its cap").at(
                    "quotas", [float(low), float(high)], "lower the floor, or raise the cap"
                )
        for group in self.groups:
            low, high = self._room(group)
            if low > high:
                raise conflict("quotas_do_not_meet", "A group's quota and its members' differ").at(
                    "groups", list(group.members), f"at least {low:.6g} and at most {high:.6g}"
                )

    def room(self) -> tuple[float, float]:
        """The least and the most that all weights add up to."""
        sides = zip(*map(self._room, self._parts()), strict=True)
        low, high = (float(sum(side)) for side in sides)
        return low, high

    def nearest(self, weights: Numbers, total: float) -> Array:
        """The weights within the quotas that add up to `total` and are nearest (least squares).

        What is shifted is shifted by one amount for all who are not held at a bound of theirs.
        Code `quotas_do_not_meet` for a total that is out of reach.
        """
        low, high = self.room()
        if not low - _ROUNDING <= total <= high + _ROUNDING:
            raise conflict("quotas_do_not_meet", "The quotas do not let the weights add up").at(
                "total", total, f"floors and caps leave from {low:.6g} to {high:.6g}"
            )
        given = np.asarray(weights, dtype=np.float64)
        parts = [list(part.members) for part in self._parts()]
        rooms = list(map(self._room, self._parts()))
        caps = np.minimum(self.caps, np.maximum(total, self.floors))

        def sums(shift: float) -> list[float]:
            inside = np.clip(given - shift, self.floors, caps)
            return [
                float(np.clip(inside[part].sum(), *room))
                for part, room in zip(parts, rooms, strict=True)
            ]

        edges = np.concatenate([given - self.floors, given - caps])
        shift = _root(lambda at: sum(sums(at)) - total, edges.min() - 1.0, edges.max() + 1.0)
        found = np.empty_like(given)
        for part, amount in zip(parts, sums(shift), strict=True):
            found[part] = level(given[part], self.floors[part], caps[part], amount)
        return found

    def _parts(self) -> list[Quota]:
        """The groups, and whoever is in none."""
        taken = {one for group in self.groups for one in group.members}
        others = tuple(i for i in range(len(self.floors)) if i not in taken)
        return [*self.groups, Quota(others)] if others else list(self.groups)

    def _room(self, group: Quota) -> tuple[float, float]:
        members = list(group.members)
        low, high = float(self.floors[members].sum()), float(self.caps[members].sum())
        return max(low, group.floor), min(high, group.cap)


_ROUNDING = 1e-9
"""By which sums of floors and caps may miss a total that they are to meet."""


def level(weights: Array, floors: Array, caps: Array, total: float) -> Array:
    """clip(weights − s, floors, caps) with the s by which they add up to `total`: the projection.

    Exact, along the breakpoints of that piecewise linear sum.
    """
    most = np.minimum(caps, np.maximum(total, floors))
    edges = np.unique(np.concatenate([weights - floors, weights - most]))
    # Falling from all at their caps (at the first edge) to all at their floors (at the last).
    sums = np.clip(weights - edges[:, None], floors, most).sum(axis=1)
    after = int(np.searchsorted(-sums, -total))
    if after == 0:
        shift = float(edges[0])
    elif after == len(edges):
        shift = float(edges[-1])
    else:
        left, right = edges[after - 1], edges[after]
        above, below = sums[after - 1], sums[after]
        shift = float(left + (right - left) * (above - total) / (above - below))
    found: Array = np.clip(weights - shift, floors, most)
    return found


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a function that never rises passes 0, to a float's precision."""
    for _ in range(64):
        middle = (low + high) / 2.0
        low, high = (middle, high) if falling(middle) > 0.0 else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Easing:
    """How far weights may move at once; all are parts of the capital.

    `band`: who is nearer to the target than that stays; `step`: the most that one weight moves;
    `turnover`: the most that all of them move, added up without signs.
    """

    band: float = 0.0
    step: float = math.inf
    turnover: float = math.inf

    def __post_init__(self) -> None:
        for name, value in (("band", self.band), ("step", self.step), ("turnover", self.turnover)):
            if not value >= 0.0:
                raise CommendaError("bad_easing", "A bound on changes is 0 or more").at(
                    name, value, "leave it out for none"
                )

    def toward(self, actual: Numbers, target: Numbers) -> Array:
        """The weights to go to from `actual`, on the way to `target`.

        First the band, then the step, then what is bought is cut to what is there: the weights
        never add up to more than they did or are to; last the turnover. All who move are cut alike.
        """
        before, wanted = np.asarray(actual, np.float64), np.asarray(target, np.float64)
        move = wanted - before
        move = np.where(np.abs(move) <= self.band, 0.0, np.clip(move, -self.step, self.step))
        bought = float(np.maximum(move, 0.0).sum())
        room = max(before.sum(), wanted.sum()) - (before.sum() + float(np.minimum(move, 0.0).sum()))
        if bought > room:
            move = np.where(move > 0.0, move * max(room, 0.0) / bought, move)
        turned = float(np.abs(move).sum())
        if turned > self.turnover:
            move = move * (self.turnover / turned)
        found: Array = before + move
        return found


def turnover(actual: Numbers, target: Numbers) -> float:
    """Σ|target − actual|: what is bought and what is sold, as a part of the capital."""
    return float(np.abs(np.asarray(target, np.float64) - np.asarray(actual, np.float64)).sum())
