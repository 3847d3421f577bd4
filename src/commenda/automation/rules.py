"""What lets a decision through: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from commenda.automation.model import Allowed, Mode, Setting, SettingOrder, State

_ORDER = (Mode.OFF, Mode.RECOMMENDING, Mode.ACTING)


def allowed(
    platform: Setting | None, strategy: Setting | None, default: Mode, budget: int
) -> Allowed:
    """What the platform's setting and a strategy's say together.

    The lower mode and both budgets hold, and an approval is needed where either asks for one; a
    strategy's figures go before the platform's. Where the platform has said nothing, the ability's
    own `default` and `budget` are its word.
    """
    said = [one for one in (platform, strategy) if one is not None]
    modes = [default if platform is None else Mode(platform.mode)]
    modes += [Mode(one.mode) for one in said[-1:] if one is strategy]
    terms: dict[str, Any] = {}
    for one in said:
        terms |= one.terms
    asked = [one.set_by_id for one in said if one.set_by_id is not None]
    return Allowed(
        min(modes, key=_ORDER.index),
        {"": budget} | {one.strategy: one.budget for one in said},
        any(one.needs_approval for one in said),
        terms,
        asked[-1] if asked else None,
    )


def laxer(before: Setting | None, order: SettingOrder, budget: int, default: Mode) -> bool:
    """Whether an order lets the machine do more by itself than it may now.

    Figures count as laxer where the machine acts: nobody can say of a threshold in general which
    way is the careful one.
    """
    mode = default if before is None else Mode(before.mode)
    if _ORDER.index(order.mode) > _ORDER.index(mode) and order.mode is Mode.ACTING:
        return True
    if order.mode is not Mode.ACTING:
        return False
    assert before is not None or default is Mode.ACTING
    old_budget = budget if before is None else before.budget
    new_budget = budget if order.budget is None else order.budget
    old_terms: Mapping[str, Any] = {} if before is None else before.terms
    needed = before is not None and before.needs_approval
    return (
        new_budget > old_budget
        or (needed and not order.needs_approval)
        or (dict(order.terms) != dict(old_terms))
    )


def gate(
    told: Allowed, spent: Mapping[str, int], standing: str | None
) -> tuple[State | None, dict[str, Any]]:
    """What becomes of a decision before it is done, and why; None: it may be done now.

    `spent`: actions of today by strategy, '' for the platform. `standing`: the breaker that
    forbids what opens. Where an approval is needed and nobody can be named as who asks (it was set
    at the machine), the decision is recommended.
    """
    if told.mode is not Mode.ACTING:
        return State.RECOMMENDED, {}
    if standing is not None:
        return State.REFUSED, {"code": "breaker_open", "breaker": standing}
    for strategy, budget in told.budgets.items():
        if spent.get(strategy, 0) >= budget:
            return State.REFUSED, {"code": "budget_spent", "strategy": strategy, "budget": budget}
    if told.needs_approval:
        return (State.RECOMMENDED if told.asked_of is None else State.WAITING), {}
    return None, {}
