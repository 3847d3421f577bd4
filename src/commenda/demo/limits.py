"""The demo's limits of risk: wide enough that its business goes on, so that a newcomer sees what is
used of them, and can tighten one and watch what it cuts."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from commenda.kit.db import Tx
from commenda.ledger import Author
from commenda.risk import EACH, RULES, Level, LimitOrder, Measure, tighten

LIMITS: Final = (
    (Level.PLATFORM, "", Measure.GROSS_NOTIONAL, "50000000", "What the platform stands for."),
    (Level.PLATFORM, "", Measure.NET_NOTIONAL, "30000000", "Longs and shorts are to balance."),
    (Level.PLATFORM, "", Measure.DAILY_LOSS, "0.2", "A day that bad is looked into first."),
    (Level.PLATFORM, "", Measure.ORDER_RATE, "240", "No program sends that many by intent."),
    (Level.INSTRUMENT, EACH, Measure.POSITION, "20000000", "What its market can take back."),
    (Level.FLOW, EACH, Measure.LEVERAGE, "3", "No strategy was studied beyond it."),
    (Level.SCOPE, EACH, Measure.LEVERAGE, "5", "Half of what margins would allow."),
)


def set_limits(tx: Tx, at: datetime) -> None:
    """Set the demo's limits, once its flows are there."""
    for level, subject, measure, amount, reason in LIMITS:
        order = LimitOrder.model_validate(
            {"level": level, "subject": subject, "measure": measure}
            | {"amount": amount, "reason": reason}
        )
        tighten(tx, Author("demo", RULES, at), order)
