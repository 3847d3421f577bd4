"""The look at an author's indexes before a run, where it is asked for."""

from __future__ import annotations

from dataclasses import replace

from commenda.kernel import keep_bounds
from commenda.kit.errors import CommendaError
from commenda.strategies.legs import LegPlan, LegsPlan
from commenda.strategies.plan import Plan


def refuse_beyond_bounds(plan: Plan | LegsPlan) -> None:
    """Run the plan's step interpreted over its bars; code `index_out_of_bounds` with file and line.

    Each leg is run on an account of its own. Compiled code looks at no bounds: see
    `commenda.kernel.keep_bounds`.
    """
    parts: tuple[Plan | LegPlan, ...] = plan.legs if isinstance(plan, LegsPlan) else (plan,)
    for part in parts:
        try:
            keep_bounds(
                plan.strategy.bind(**part.params),
                part.data.bars,
                cash=plan.cash,
                costs=plan.costs,
                size=part.size,
                terms=plan.terms if isinstance(part, Plan) else replace(plan.terms, lot=part.lot),
                interval=part.data.source.interval,
            )
        except IndexError as error:
            raise CommendaError("index_out_of_bounds", f"The step goes past an array: {error}").at(
                "strategy",
                plan.strategy.name,
                "declare a greater state_size, or keep the index within it",
            ) from None
