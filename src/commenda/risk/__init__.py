"""Limits of risk: how much the business, or a part of it, may hold, order and lose.

A limit is of a level (the platform, a venue's account, an instrument, a strategy, a flow, a
creator, one book), a subject there and a measure. It is set tighter by one person and at once, and
looser by two (`limits.py`). Before anything is ordered, `check.py` judges what each leg asks for:
what opens or increases a position is cut to the room that is left, everybody in a group alike; what
closes or reduces one is let through, always.

A **breaker** is opened by a person (the kill switch) or by what is measured. While it is open
nothing that it covers is opened or increased (`breakers.py`), which senders and who waits for them
agree on (`switch.py`). Exits always go on.

**Stops** protect one position of one flow; sets of them have names (`stop_templates.py`). How far
they lie may follow the market's state, which `regimes.py` tells bar by bar (`stop_lines.py`).
"""

from commenda.risk.breakers import (
    BAN,
    COVERS,
    KILL,
    Breaker,
    BreakerChange,
    Standing,
    all_breakers,
    changes_of,
    close_breaker,
    find_ban,
    find_breaker,
    let_half,
    note_calm,
    trip,
)
from commenda.risk.check import RISK_LIMIT, Cut, Verdict, judge
from commenda.risk.checks import CHECKS
from commenda.risk.hysteresis import TRIAL
from commenda.risk.limits import (
    LOOSER,
    LimitAnswer,
    carry_out_limit,
    find_place,
    limit_changes,
    order_limit,
    subject_name,
    tighten,
)
from commenda.risk.model import EACH, RULES, Effect, Level, Limit, LimitOrder, Measure
from commenda.risk.queries import limit_at, limit_by_id, limits_in_force, limits_where, lock
from commenda.risk.regimes import WARM, Regime, Trend, Volatility, regimes
from commenda.risk.resuming import RESUME, carry_out_resume, request_resume, resume_changes
from commenda.risk.rules import INITIAL
from commenda.risk.stop_lines import Conditions, factors, slope_t, stop_lines
from commenda.risk.stop_templates import (
    StopSet,
    StopTemplate,
    TemplateName,
    TemplateOrder,
    find_template,
    said_stops,
    set_template,
    stop_templates,
    stops_of,
)
from commenda.risk.sweep import turn_breakers
from commenda.risk.switch import SENDING, any_standing, senders, sign_of, stop
from commenda.risk.usage import LimitUse, count_findings, limits_and_use

__all__ = [
    "BAN",
    "CHECKS",
    "COVERS",
    "EACH",
    "INITIAL",
    "KILL",
    "LOOSER",
    "RESUME",
    "RISK_LIMIT",
    "RULES",
    "SENDING",
    "TRIAL",
    "WARM",
    "Breaker",
    "BreakerChange",
    "Conditions",
    "Cut",
    "Effect",
    "Level",
    "Limit",
    "LimitAnswer",
    "LimitOrder",
    "LimitUse",
    "Measure",
    "Regime",
    "Standing",
    "StopSet",
    "StopTemplate",
    "TemplateName",
    "TemplateOrder",
    "Trend",
    "Verdict",
    "Volatility",
    "all_breakers",
    "any_standing",
    "carry_out_limit",
    "carry_out_resume",
    "changes_of",
    "close_breaker",
    "count_findings",
    "factors",
    "find_ban",
    "find_breaker",
    "find_place",
    "find_template",
    "judge",
    "let_half",
    "limit_at",
    "limit_by_id",
    "limit_changes",
    "limits_and_use",
    "limits_in_force",
    "limits_where",
    "lock",
    "note_calm",
    "order_limit",
    "regimes",
    "request_resume",
    "resume_changes",
    "said_stops",
    "senders",
    "set_template",
    "sign_of",
    "slope_t",
    "stop",
    "stop_lines",
    "stop_templates",
    "stops_of",
    "subject_name",
    "tighten",
    "trip",
    "turn_breakers",
]
