"""Limits of risk: of which part of the business, and of what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import WORDS, Amount, Asset, Body, Whole, on_wire, one_of

RULES = "risk/1"
"""Stored with every event of this domain; changes when a rule of it does."""

EACH = "*"
"""The subject of a limit that holds for each of its level, alone."""


class Level(StrEnum):
    """Whose books a limit takes together, in the order in which `keys` names them."""

    PLATFORM = "platform"
    """All of them; its subject is empty."""
    VENUE = "venue"
    """Those that trade at an account of a venue, by its name."""
    INSTRUMENT = "instrument"
    """What they hold of an instrument, by its id."""
    STRATEGY = "strategy"
    """The flows of a strategy, by its name."""
    FLOW = "flow"
    CREATOR = "creator"
    """The books that a creator trades, whoever owns them."""
    SCOPE = "scope"
    """One book, of one subscription."""


class Measure(StrEnum):
    """What a limit counts. Money is of one asset; a share is of the group's equity."""

    GROSS_NOTIONAL = "gross_notional"
    """What is bought and what is sold short together, in money."""
    NET_NOTIONAL = "net_notional"
    """What is bought less what is sold short, on either side of zero, in money."""
    POSITION = "position"
    """Gross, of one instrument: of each alone."""
    LEVERAGE = "leverage"
    """Gross over equity."""
    CONCENTRATION = "concentration"
    """Gross of one instrument over the equity of all the group's books."""
    MARGIN_USE = "margin_use"
    """Initial margin of what is held over equity."""
    ORDER_NOTIONAL = "order_notional"
    """What one parent order asks in the group's name, in money; of a book: its own request."""
    ORDER_RATE = "order_rate"
    """Parent orders of signals in a minute of business time."""
    OPEN_ORDERS = "open_orders"
    """Parent orders that are not over."""
    DAILY_LOSS = "daily_loss"
    """What is lost since the last daily NAV, of that NAV."""
    DRAWDOWN = "drawdown"
    """What is lost since the best of the last 90 days, of the capital with what it had earned."""
    ERROR_RATE = "error_rate"
    """Of the orders that were sent within ten minutes, those that were refused or lost."""
    FEED_AGE = "feed_age"
    """Seconds since prices can be trusted, of the worst instrument."""
    PRICE_JUMP = "price_jump"
    """How far the price went in the last bar, of the close before it."""
    DIFFERENCE = "difference"
    """What the last reconciliation cannot explain, of its worst line, in the line's own unit."""
    ORDER_BURST = "order_burst"
    """Signals in a minute of business time."""


class Effect(StrEnum):
    """What a breach does, from the weakest to the strongest."""

    NO_ENTRIES = "no_entries"
    CANCEL = "cancel"
    REDUCE = "reduce"
    FLATTEN = "flatten"


@on_wire
@dataclass(frozen=True, slots=True)
class Limit:
    """How much a part of the business may hold, order or lose at most.

    A limit is never rewritten: another one follows it, as the next version of the same.
    """

    id: UUID
    level: Annotated[str, one_of(Level)]
    subject: Annotated[
        str, Field(description="Of the level; empty for the platform, * for each of it alone.")
    ]
    measure: Annotated[str, one_of(Measure)]
    asset: Annotated[Asset | None, Field(description="What it counts money in; null: none.")]
    amount: Annotated[Amount, Field(description="The most; of shares 0.2 is 20 %.")]
    effect: Annotated[
        str | None,
        Field(
            description="What a breach does to what is held already; null: it is looked at before"
            " a trade only.",
            json_schema_extra={"enum": [*Effect, None]},
        ),
    ]
    resets_at: Annotated[
        Amount | None, Field(description="Below which a breach is over, after the cooldown.")
    ]
    cooldown_seconds: int | None
    version: int
    valid_from: datetime
    ended_at: datetime | None
    set_by: Annotated[str, Field(examples=["risk:1f0c4a52-9d3e-8a51-9c1d-3f1f6f0a7f10"])]
    ended_by: str | None
    approval_id: Annotated[
        UUID | None, Field(description="Of two people, where it is looser than the one before.")
    ]
    end_approval_id: UUID | None
    reason: str

    @property
    def place(self) -> tuple[str, str, str, str | None]:
        """Of which at most one is in force."""
        return self.level, self.subject, self.measure, self.asset

    def told(self) -> str:
        """As people name it where it refuses something."""
        whose = {"": "the platform", EACH: f"each {self.level}"}
        return f"{self.measure} of {whose.get(self.subject, f'{self.level} {self.subject}')}"


Reason = Annotated[str, Field(max_length=500, pattern=WORDS, examples=["Thin order book."])]


class LimitOrder(Body):
    """A limit to set, to tighten, to loosen or (without an amount) to end."""

    level: Level
    subject: Annotated[
        str,
        Field(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="The name of the venue's account or the strategy, the id of the instrument,"
            " flow, creator or book; * for each of the level alone; empty for the platform.",
        ),
    ] = ""
    measure: Measure
    asset: Annotated[
        Asset | None,
        Field(description="Of a measure in money, where the subject has to do with several."),
    ] = None
    amount: Annotated[
        Annotated[Amount, Field(gt=0)] | None,
        Field(description="The most; null ends the limit, which takes two people."),
    ]
    effect: Effect | None = None
    resets_at: Amount | None = None
    cooldown_seconds: Annotated[Whole | None, Field(gt=0, le=31 * 86_400)] = None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Terms:
    """What a limit says, once it was found good: its place, and how much."""

    level: Level
    subject: str
    measure: Measure
    asset: str | None
    amount: Decimal | None
    effect: Effect | None = None
    resets_at: Decimal | None = None
    cooldown_seconds: int | None = None

    @property
    def place(self) -> tuple[str, str, str, str | None]:
        return self.level, self.subject, self.measure, self.asset
