"""What a limit may say, and whether one is looser than another. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.risk.hysteresis import COOLDOWN
from commenda.risk.model import Effect, Level, Limit, LimitOrder, Measure, Terms

MONEY: Final = frozenset(
    {Measure.GROSS_NOTIONAL, Measure.NET_NOTIONAL, Measure.POSITION, Measure.ORDER_NOTIONAL}
)
"""Measures that count money of one asset."""
OF_EQUITY: Final = frozenset(
    {Measure.LEVERAGE, Measure.CONCENTRATION, Measure.MARGIN_USE, Measure.DAILY_LOSS}
)
"""Measures that are shares of equity. An instrument has none of its own."""
COUNTS: Final = frozenset({Measure.ORDER_RATE, Measure.OPEN_ORDERS})
"""Measures that count whole orders. A book has none of its own: they are everybody's together."""
SHARES: Final = frozenset(
    {Measure.MARGIN_USE, Measure.DAILY_LOSS, Measure.DRAWDOWN, Measure.ERROR_RATE}
)
"""Measures of which more than 1 limits nothing."""

_PARTS = frozenset(Level) - {Level.SCOPE}
WATCHED: Final = MappingProxyType(
    {
        Measure.DRAWDOWN: frozenset(Level) - {Level.INSTRUMENT},
        Measure.ERROR_RATE: _PARTS,
        Measure.FEED_AGE: frozenset({Level.PLATFORM, Level.INSTRUMENT}),
        Measure.PRICE_JUMP: frozenset({Level.PLATFORM, Level.INSTRUMENT}),
        Measure.DIFFERENCE: frozenset({Level.PLATFORM, Level.VENUE}),
        Measure.ORDER_BURST: _PARTS - {Level.VENUE},
    }
)
"""Measures that nothing is held against before a trade, and the levels that have them: they are
seen once it has happened, and open a breaker."""

INITIAL: Final = Decimal("0.1")
"""Initial margin of what is held, as a fraction of its gross value."""


def terms_of(order: LimitOrder) -> Terms:
    """What is asked for, as far as it can be judged by itself.

    Codes `bad_subject`, `bad_asset`, `bad_amount`, `bad_measure` for one that its level has none
    of, and `bad_breaker`.
    """
    level, measure = order.level, order.measure
    if (level is Level.PLATFORM) != (order.subject == ""):
        mend = "leave it out" if level is Level.PLATFORM else f"name the {level}, or * for each"
        raise CommendaError("bad_subject", "Such a level has another subject").at(
            "subject", order.subject, mend
        )
    if measure in COUNTS and level is Level.SCOPE:
        raise CommendaError("bad_measure", "A book has no orders of its own").at(
            "measure", measure, "limit the flow, the strategy or the creator by it"
        )
    if measure in WATCHED and level not in WATCHED[measure]:
        levels = ", ".join(one for one in Level if one in WATCHED[measure])
        raise CommendaError("bad_measure", "This is not measured of such a level").at(
            "measure", measure, f"limit one of these by it: {levels}"
        )
    if measure in WATCHED and order.amount is not None and order.effect is None:
        raise CommendaError("bad_breaker", "Before a trade nothing can be held against this").at(
            "effect", None, "give the effect of a breach"
        )
    if measure in OF_EQUITY and level is Level.INSTRUMENT:
        raise CommendaError("bad_measure", "An instrument has no equity").at(
            "measure", measure, "limit its position, or the concentration of whoever holds it"
        )
    if measure not in MONEY and order.asset is not None:
        raise CommendaError("bad_asset", "This measure counts no money").at(
            "asset", order.asset, "leave it out"
        )
    _judge_amount(measure, order.amount)
    _judge_breaker(order)
    return Terms(
        level,
        order.subject,
        measure,
        order.asset,
        order.amount,
        order.effect,
        order.resets_at,
        order.cooldown_seconds,
    )


def _judge_amount(measure: Measure, amount: Decimal | None) -> None:
    if amount is None:
        return
    if measure in COUNTS and amount % 1:
        mend = "give a whole number of orders"
    elif measure in SHARES and amount > 1:
        mend = "give a share of at most 1: 0.2 is 20 %"
    else:
        return
    raise CommendaError("bad_amount", "No limit can be set at this").at("amount", amount, mend)


def _judge_breaker(order: LimitOrder) -> None:
    if order.effect is None:
        for field, value in (
            ("resetsAt", order.resets_at),
            ("cooldownSeconds", order.cooldown_seconds),
        ):
            if value is not None:
                raise CommendaError("bad_breaker", "Without an effect nothing is reset").at(
                    field, value, "give an effect, or leave it out"
                )
    elif order.resets_at is not None and not (
        order.amount is not None and 0 <= order.resets_at <= order.amount
    ):
        raise CommendaError("bad_breaker", "A breach is over below the amount").at(
            "resetsAt", order.resets_at, "give 0 or more, and no more than the amount"
        )


def looser(before: Limit, after: Terms) -> bool:
    """Whether another limit in its place lets more through, in any way."""
    if after.amount is None or after.amount > before.amount:
        return True
    if strength(after.effect) < strength(before.effect):
        return True
    if before.effect is None:
        return False
    resets = (before.amount if before.resets_at is None else before.resets_at) < (
        after.amount if after.resets_at is None else after.resets_at
    )
    return resets or cooldown_of(after) < cooldown_of(before)


def cooldown_of(limit: Limit | Terms) -> timedelta:
    """How long a breach must be over, also where a limit does not say."""
    seconds = limit.cooldown_seconds
    return COOLDOWN if seconds is None else timedelta(seconds=seconds)


def same(before: Limit, after: Terms) -> bool:
    """Whether nothing would change."""
    return (
        before.amount == after.amount
        and before.effect == after.effect
        and before.resets_at == after.resets_at
        and before.cooldown_seconds == after.cooldown_seconds
    )


def strength(effect: str | None) -> int:
    """The higher, the more is stopped; 0 of none."""
    return 0 if effect is None else 1 + list(Effect).index(Effect(effect))


def said(terms: Terms | Limit | None) -> Mapping[str, str]:
    """What a limit says, as it is shown where two people decide; nothing without one."""
    if terms is None or terms.amount is None:
        return {}
    told = {
        "amount": plain(terms.amount),
        "effect": terms.effect,
        "resetsAt": None if terms.resets_at is None else plain(terms.resets_at),
        "cooldownSeconds": terms.cooldown_seconds and str(terms.cooldown_seconds),
    }
    return {name: str(value) for name, value in told.items() if value is not None}
