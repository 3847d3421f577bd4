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
    """Floors and caps of each strategy, and of groups of them that have no member in common.

    `total`: what all weights add up to.
    """

    floors: Array
    caps: Array
    total: float = 1.0
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
        low, high = (sum(side) for side in zip(*map(self.room, self._parts()), strict=True))
        if not low - _ROUNDING <= self.total <= high + _ROUNDING:
            raise conflict("quotas_do_not_meet", "The quotas do not let the weights add up").at(
                "total", self.total, f"floors and caps leave from {low:.6g} to {high:.6g}"
            )

    def _parts(self) -> list[Quota]:
        """The groups, and whoever is in none."""
        taken = {one for group in self.groups for one in group.members}
        others = tuple(i for i in range(len(self.floors)) if i not in taken)
        return [*self.groups, Quota(others)] if others else list(self.groups)

    def room(self, group: Quota) -> tuple[float, float]:
        """The least and the most that a group's members may have together; `quotas_do_not_meet`."""
        members = list(group.members)
        low = max(float(self.floors[members].sum()), group.floor)
        high = min(float(self.caps[members].sum()), group.cap)
        if low > high + _ROUNDING:
            raise conflict("quotas_do_not_meet", "A group's quota and its members' do not meet").at(
                "groups", members, f"they have {low:.6g} at least and {high:.6g} at most"
            )
        return low, max(low, high)

    def nearest(self, weights: Numbers) -> Array:
        """The weights within the quotas that are nearest to `weights` (least squares).

        What is shifted is shifted by one amount for all who are not held at a bound of theirs.
        """
        given = np.asarray(weights, dtype=np.float64)
        parts = self._parts()
        rooms = [self.room(part) for part in parts]

        def of(part: Quota, room: tuple[float, float], shift: float) -> float:
            members = list(part.members)
            inside = np.clip(given[members] - shift, self.floors[members], self.caps[members])
            return float(np.clip(inside.sum(), *room))

        def sums(shift: float) -> list[float]:
            return [of(part, room, shift) for part, room in zip(parts, rooms, strict=True)]

        edges = np.concatenate([given - self.floors, given - np.minimum(self.caps, self.total)])
        shift = _root(lambda at: sum(sums(at)) - self.total, edges.min() - 1, edges.max() + 1)
        found = np.empty_like(given)
        for part, amount in zip(parts, sums(shift), strict=True):
            members = list(part.members)
            found[members] = level(given[members], self.floors[members], self.caps[members], amount)
        return found


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


def indexes(names: Sequence[str], wanted: Sequence[str], field: str) -> npt.NDArray[np.int64]:
    """Where each wanted name stands; code `unknown_strategy_name`."""
    at = {name: place for place, name in enumerate(names)}
    for one in wanted:
        if one not in at:
            raise CommendaError("unknown_strategy_name", "No such strategy among the returns").at(
                field, one, f"there are {', '.join(names[:20])}"
            )
    return np.array([at[one] for one in wanted], dtype=np.int64)
