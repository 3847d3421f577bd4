"""What the demo's machine may do by itself: it rebalances the demo investor's portfolio, so that a
newcomer sees a decision a day, with its evidence and what it brought, and can take it back."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from commenda.automation import RULES, Mode, SettingOrder, ability_named, put_setting
from commenda.kit.db import Tx
from commenda.ledger import Author

SETTINGS: Final = (
    ("rebalance", Mode.ACTING, {"distance": 0.002, "dearest": 0.01}, "To be looked at."),
    ("slide", Mode.RECOMMENDING, {"cooldownHours": 24}, "Once a day is enough to read."),
)
"""Abilities that are not as they come: how far they go, with their figures."""


def let_act(tx: Tx, at: datetime) -> None:
    """Let the machine act, in the place of the two people whom that takes elsewhere."""
    for name, mode, terms, reason in SETTINGS:
        order = SettingOrder(ability=name, mode=mode, terms=terms, reason=reason)
        put_setting(tx, Author("demo", RULES, at), ability_named(name), order, None)
