"""The look at an author's indexes before a run, where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from commenda.kernel import Bars, keep_bounds
from commenda.kit.errors import CommendaError
from commenda.strategies.legs import LegPlan, LegsPlan
from commenda.strategies.plan import Plan, terms_at
from commenda.strategies.sdk import Strategy


def refuse_beyond_bounds(plan: Plan | LegsPlan) -> None:
    """Look through a plan's run; code of `keep_within`.

    Each leg is run on an account of its own, with its share of the cash.
    """
    parts: tuple[Plan | LegPlan, ...] = plan.legs if isinstance(plan, LegsPlan) else (plan,)
    for part in parts:
        asked: dict[str, Any] = {"cash": plan.cash, "terms": plan.terms}
        if isinstance(part, LegPlan):
            terms = terms_at(replace(plan.terms, lot=part.lot), spot=part.data.source.spot)
            asked = {"cash": plan.cash * part.share, "terms": terms, "side": part.side}
        asked |= {"size": part.size, "interval": part.data.source.interval}
        keep_within(plan.strategy, part.params, part.data.bars, costs=plan.costs, **asked)


def keep_within(strategy: Strategy, params: Mapping[str, object], bars: Bars, **asked: Any) -> None:
    """Run a step interpreted over `bars`; code `index_out_of_bounds` with file, line and bar.

    Compiled code looks at no bounds: see `commenda.kernel.keep_bounds`, which is `asked` the rest.
    """
    try:
        keep_bounds(strategy.bind(**params), bars, **asked)
    except IndexError as error:
        values = strategy.resolve(params)
        known = ", ".join(f"{name}={values[name]:g}" for name in params)
        raise CommendaError(
            "index_out_of_bounds",
            f"The step goes past an array{known and f' with {known}'}: {error}",
        ).at(
            "strategy",
            strategy.name,
            "declare a greater state_size, or keep the index within it",
        ) from None
