"""From wanted amounts to what a venue takes: whole lots, least orders, and a budget.

Each position is one of two: the greatest that a venue takes and is not above what is wanted, or the
next one up. Which go up is a knapsack: of what going up costs no more than the budget leaves, and
the least money stands in the wrong place, Σ|held − wanted|.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import accumulate
from typing import Annotated

from pydantic import Field

from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import floor_to
from commenda.kit.wire import Amount, on_wire

MOST_NODES = 50_000
"""Choices that are looked into before the best so far is taken; 14 positions never need more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A position to take: `amount` is its signed worth at `price`, in the quote asset.

    `lot` is the step of a quantity, `minimum_notional` the least worth of an order.
    """

    name: str
    amount: Decimal
    price: Decimal
    lot: Decimal
    minimum_notional: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        for field in ("price", "lot"):
            value = getattr(self, field)
            if not (value.is_finite() and value > 0):
                raise CommendaError("not_positive", "It must be above 0").at(
                    field, value, f"give the {field} of {self.name}"
                )
        if not (self.amount.is_finite() and self.minimum_notional >= 0):
            raise CommendaError("not_finite", "An amount must be finite").at(
                "amount", self.amount, f"give the amount of {self.name}"
            )

    def neighbours(self) -> tuple[Decimal, Decimal]:
        """The quantities without sign: at or below what is wanted, and the next above."""
        least = (self.minimum_notional / self.price / self.lot).to_integral_value(ROUND_CEILING)
        below = floor_to(abs(self.amount) / self.price, self.lot)
        if below < (smallest := max(least, Decimal(1)) * self.lot):
            return Decimal(0), smallest
        return below, below + self.lot


@on_wire
@dataclass(frozen=True, slots=True)
class Held:
    """What to hold of one: a quantity and its worth, both signed as what is wanted is."""

    name: str
    quantity: Amount
    worth: Amount
    wanted: Amount


@on_wire
@dataclass(frozen=True, slots=True)
class Compliant:
    """Positions that the venue takes, within the budget."""

    positions: tuple[Held, ...]
    worth: Annotated[Amount, Field(description="Of all positions, without signs.")]
    misplaced: Annotated[Amount, Field(description="Σ|held − wanted|.")]
    gap: Annotated[
        Amount,
        Field(
            description="By how much the best choice of neighbours could misplace less, at most:"
            " 0 where this one is the best. Never more than going up is worth for one position."
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Step:
    """Going up: what it costs, and by how much less is misplaced then."""

    place: int
    cost: Decimal
    gain: Decimal


def nearest_lots(
    wanted: Sequence[Wanted], budget: Decimal, *, most_nodes: int = MOST_NODES
) -> Compliant:
    """The best neighbours under a budget of worth (without signs), by branch and bound.

    The best of all where `most_nodes` choices are enough to prove it, otherwise one that misplaces
    at most `gap` more. Equal choices: the one that holds less. Code `over_budget` where more is
    wanted than the budget holds.
    """
    total = sum((abs(one.amount) for one in wanted), Decimal(0))
    if total > budget:
        raise conflict("over_budget", "More is wanted than the budget holds").at(
            "budget", budget, f"scale what is wanted down: it comes to {total}"
        )
    sides = [one.neighbours() for one in wanted]
    worth = [
        (low * one.price, high * one.price) for one, (low, high) in zip(wanted, sides, strict=True)
    ]
    steps = [
        _Step(i, high - low, (abs(one.amount) - low) - (high - abs(one.amount)))
        for i, (one, (low, high)) in enumerate(zip(wanted, worth, strict=True))
    ]
    room = budget - sum((low for low, _ in worth), Decimal(0))
    useful = sorted(
        (step for step in steps if step.gain > 0 and step.cost <= room),
        key=lambda step: (-step.gain / step.cost, step.place),
    )
    up, gap = _knapsack(useful, room, most_nodes)
    held = []
    for i, one in enumerate(wanted):
        sign = -1 if one.amount < 0 else 1
        quantity = sign * sides[i][i in up]
        held.append(Held(one.name, quantity, quantity * one.price, one.amount))
    return Compliant(
        tuple(held),
        sum((abs(one.worth) for one in held), Decimal(0)),
        sum((abs(one.worth - one.wanted) for one in held), Decimal(0)),
        gap,
    )


def _knapsack(steps: Sequence[_Step], room: Decimal, most_nodes: int) -> tuple[set[int], Decimal]:
    """Which of them to go, the best a unit of money first; and what is not proven of the best.

    The bound is Dantzig's: all that fit in that order, and of the next the part that fits. It is
    above the best by less than that one's gain.
    """
    costs = [Decimal(0), *accumulate(step.cost for step in steps)]
    gains = [Decimal(0), *accumulate(step.gain for step in steps)]

    def bound(at: int, left: Decimal) -> Decimal:
        end = bisect_right(costs, costs[at] + left) - 1
        whole = gains[end] - gains[at]
        if end == len(steps):
            return whole
        return whole + (left - costs[end] + costs[at]) * steps[end].gain / steps[end].cost

    best, chosen, nodes = Decimal(0), frozenset[int](), 0
    open_ = [(0, room, Decimal(0), frozenset[int]())]
    while open_ and nodes < most_nodes:
        at, left, gained, taken = open_.pop()
        nodes += 1
        if gained > best:
            best, chosen = gained, taken
        if at == len(steps) or gained + bound(at, left) <= best:
            continue
        open_.append((at + 1, left, gained, taken))
        step = steps[at]
        if step.cost <= left:
            # Looked into first: the first way down is the greedy one.
            with_it = taken | {step.place}
            open_.append((at + 1, left - step.cost, gained + step.gain, with_it))
    most = max((gained + bound(at, left) for at, left, gained, _ in open_), default=best)
    return set(chosen), max(most - best, Decimal(0))
