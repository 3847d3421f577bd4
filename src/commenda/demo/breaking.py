"""The demo's breaker: it opens and closes by itself now and then, to be seen at work."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from commenda.kit.db import Tx
from commenda.ledger import Author
from commenda.market import Instrument
from commenda.risk import Effect, Level, LimitOrder, Measure, tighten
from commenda.simulate import Scenario

SYMBOL = "XRPUSDT"
JUMP = Decimal("0.012")
"""Of its quarters of an hour two in a hundred go farther, mostly one after another."""
CALM = Decimal("0.01")
COOLDOWN = 4 * 3600
"""Ten seconds by the wall."""


def watch_jumps(tx: Tx, scenario: Scenario, traded: Sequence[Instrument]) -> None:
    """Stop the opening of positions in one instrument when its price jumps, until it is calm."""
    known = next(one for one in traded if one.symbol == SYMBOL)
    order = LimitOrder(
        level=Level.INSTRUMENT,
        subject=str(known.id),
        measure=Measure.PRICE_JUMP,
        amount=JUMP,
        effect=Effect.NO_ENTRIES,
        resets_at=CALM,
        cooldown_seconds=COOLDOWN,
        reason="No entries while the price jumps",
    )
    tighten(tx, Author("demo", "demo/1", scenario.start), order)
