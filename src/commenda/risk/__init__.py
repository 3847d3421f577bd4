"""Limits of risk: how much the business, or a part of it, may hold, order and lose.

A limit is of a level (the platform, a venue's account, an instrument, a strategy, a flow, a
creator, one book), a subject there and a measure. It is set tighter by one person and at once, and
looser by two (`limits.py`). Before anything is ordered, `check.py` judges what each leg asks for:
what opens or increases a position is cut to the room that is left, everybody in a group alike; what
closes or reduces one is let through, always.
"""

from commenda.risk.check import RISK_LIMIT, Cut, Verdict, judge
from commenda.risk.checks import CHECKS
from commenda.risk.limits import (
    LOOSER,
    LimitAnswer,
    carry_out_limit,
    limit_changes,
    order_limit,
    subject_name,
    tighten,
)
from commenda.risk.model import EACH, RULES, Effect, Level, Limit, LimitOrder, Measure
from commenda.risk.queries import limit_at, limit_by_id, limits_in_force, limits_where, lock
from commenda.risk.rules import INITIAL
from commenda.risk.usage import LimitUse, count_findings, limits_and_use

__all__ = [
    "CHECKS",
    "EACH",
    "INITIAL",
    "LOOSER",
    "RISK_LIMIT",
    "RULES",
    "Cut",
    "Effect",
    "Level",
    "Limit",
    "LimitAnswer",
    "LimitOrder",
    "LimitUse",
    "Measure",
    "Verdict",
    "carry_out_limit",
    "count_findings",
    "judge",
    "limit_at",
    "limit_by_id",
    "limit_changes",
    "limits_and_use",
    "limits_in_force",
    "limits_where",
    "lock",
    "order_limit",
    "subject_name",
    "tighten",
]
