"""Flows, subscriptions and signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import WORDS, Amount, Body, Real, Whole, on_wire, wire
from commenda.market import SYMBOL, VENUE
from commenda.risk import StopSet, TemplateName
from commenda.venues import DEFAULT_VENUE

RULES = "copying/1"
"""Stored with every journal and event of this domain; changes when a rule of it does."""


class CopyMode(StrEnum):
    TARGET = "target"
    """Move to the creator's exposure: a missed or partial signal heals at the next one."""
    PERCENTAGE = "percentage"
    """Copy the trade: the same fraction of equity in, the same fraction of the position out."""


class Entry(StrEnum):
    """How what opens or increases a position is ordered. What closes or reduces one, and every
    stop, is ordered at market, whatever this says."""

    MARKET = "market"
    IOC = "ioc"
    """At the signal's tolerance from its price or better, and only what is there at once."""
    POST_ONLY = "post_only"
    """At the signal's own price, waiting there until the flow's next bar: it pays the maker's fee
    and may miss the trade."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A creator's shared strategy: one step on one instrument."""

    id: UUID
    creator_id: UUID
    title: str
    strategy: str
    params: Mapping[str, float]
    instrument_id: int
    status: str = "active"
    max_followers: int | None = None
    min_investment: Decimal = Decimal(0)
    description: str = ""
    tags: Sequence[str] = ()
    venue: str = DEFAULT_VENUE
    """Where its followers' books trade."""
    interval_seconds: int | None = None
    """Of the bars that it steps on; None: those of its market."""
    entry: Entry = Entry.MARKET
    automatic: bool = False
    """Whether its creator lets the machine change its parameters and stops."""
    canary_of: UUID | None = None
    """The flow beside which it tries other parameters; nobody follows such a one."""


INPUTS = {
    "fraction": ("entry", "fraction"),
    "atr": ("entry", "atr"),
    "volatility": ("entry", "deviation"),
    "chandelier": ("extreme", "atr"),
    "sar": ("extreme", "acceleration"),
    "equity_curve": ("peak", "drawdown"),
    "account": ("start", "loss"),
    "bars": ("bars", "entry"),
}
"""What the level of a stop is made of, by its rule (`kernel.StopLine`)."""


Slippage = Annotated[
    Amount,
    Field(
        ge=0,
        le=1,
        description="A fraction. It takes effect where the creator trades elsewhere; here creator"
        " and followers trade together, at one price for all.",
        json_schema_extra={"type": "string", "examples": ["0.01"]},
    ),
]


@on_wire
@dataclass(frozen=True, slots=True)
class FollowSettings:
    """What a follower decides. Without `autoFollow` a copy is paused: what it holds stays."""

    auto_follow: bool = True
    notify_on_signal: bool = True
    max_slippage: Slippage = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Signal:
    """One instrument of one flow: what the creator did, and the exposure that resulted.

    `target` is a signed fraction of the creator's equity; `trigger_price` is set when a resting
    stop fired. `sequence` counts a flow's signals.
    """

    id: UUID
    flow_id: UUID
    sequence: int
    instrument_id: int
    previous_target: Decimal
    target: Decimal
    reference_price: Decimal
    trigger_price: Decimal | None
    status: str
    created_at: datetime
    slippage_tolerance: Decimal = Decimal("0.01")

    @property
    def repeats(self) -> bool:
        """Whether it asks again for what the one before it asked for."""
        return self.target == self.previous_target

    @property
    def opens(self) -> int:
        """The side on which it opens or increases: 1 buys, -1 sells; 0 where it reduces, turns or
        is a stop."""
        grows = abs(self.target) > abs(self.previous_target)
        if not grows or self.target * self.previous_target < 0 or self.trigger_price is not None:
            return 0
        return 1 if self.target > 0 else -1


# --- Requests. Field names are the specification's (001-01 to 001-04) ------------------------

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$")]
"""Text without line breaks; PostgreSQL keeps no NUL either."""
Title = Annotated[Line, Field(max_length=120, examples=["Bitcoin trend, 5 minutes"])]
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$", examples=["Trades seldom."])]
Tag = Annotated[str, Field(pattern=r"^[^\x00-\x1f,]{1,32}$", examples=["trend"])]
Symbol = Annotated[str, Field(max_length=40, pattern=f"^{SYMBOL}$", examples=["BTCUSDT"])]
StrategyName = Annotated[str, Field(pattern="^[a-z0-9_]{1,60}$", examples=["ema_trend"])]
ParameterName = Annotated[str, Field(pattern="^[a-z0-9_]{1,60}$")]
Chain = Literal["aptos", "flow_evm", "bsc"]
Status = Literal["active", "paused", "cancelled"]


VenueName = Annotated[
    str,
    Field(min_length=1, max_length=80, pattern=r"^[a-z0-9_:-]+$", examples=["binance_usdm:desk"]),
]


MarketName = Annotated[
    str, Field(min_length=1, max_length=40, pattern=f"^{VENUE}$", examples=["binance_usdm"])
]


class FlowDraft(Body):
    """A flow to share, or one's own to present anew: whole, what is left out is reset."""

    flow_id: UUID | None = Field(
        default=None, description="Of the flow to change; a new one may be given its id."
    )
    title: Title
    description: Text = ""
    tags: list[Tag] = Field(default_factory=list, max_length=10)
    max_followers: Annotated[
        Whole | None, Field(ge=1, le=1_000_000, description="Null: unlimited.")
    ] = None
    min_investment: Annotated[Amount, Field(ge=0, lt=10**20)] = Decimal(0)
    automatic: bool = Field(
        default=False,
        description="Whether the machine may change its parameters and stops by itself.",
    )
    strategy: StrategyName | None = Field(
        default=None, description="Of a new flow: what trades. It stands for the flow's life."
    )
    symbol: Symbol | None = Field(default=None, description="Of a new flow: on which instrument.")
    market: MarketName | None = Field(
        default=None,
        description="Of a new flow: the venue of that instrument, where several have its symbol;"
        " without one that of its account, or the only one where it is traded now.",
    )
    venue: VenueName | None = Field(
        default=None,
        description="Of a new flow: the account at which it trades; the paper venue without one.",
    )
    interval: Literal["1m", "5m", "15m", "30m", "1h", "4h", "1d"] | None = Field(
        default=None,
        description="Of a new flow: the bars that it steps on; without one those of its market.",
    )
    entry: Entry | None = Field(
        default=None,
        description="Of a new flow: how what opens or increases a position is ordered; at market"
        " without one. What closes is always ordered at market.",
    )
    params: (
        Annotated[
            dict[ParameterName, Real],
            Field(max_length=40, examples=[{"fast": 48, "slow": 192}]),
        ]
        | None
    ) = Field(default=None, description="Of a new flow: the strategy's, with its defaults.")
    stop_template: TemplateName | None = Field(
        default=None,
        description="Of a new flow: the template of its stops; without one, the stops that the"
        " strategy declares.",
    )
    investment_amount: Amount | None = Field(
        default=None,
        description="Of a new flow: the creator's own stake, from the wallet into the book that"
        " leads the flow. Its record is the flow's performance.",
    )

    @property
    def unique_tags(self) -> list[str]:
        return list(dict.fromkeys(self.tags))


Reason = Annotated[str, Field(max_length=500, pattern=WORDS, examples=["It stopped too soon."])]


class StopsChange(Body):
    """Other stops for a flow: of a template, by name or one by one, or (with neither) those that
    its strategy declares."""

    template: TemplateName | None = None
    stops: StopSet | None = None
    loosen: bool = Field(
        default=False,
        description="Whether the stop of the position that is held may move away from its price.",
    )
    reason: Reason


class TermsChange(Body):
    """Other parameters for a flow of one's own, or the way back to an earlier version of all its
    terms."""

    params: Annotated[dict[ParameterName, Real], Field(max_length=40)] | None = None
    version: Annotated[Whole, Field(ge=1)] | None = None
    reason: Reason


class FlowToggle(Body):
    action: Literal["pause", "resume"]


class CopySettingsChange(Body):
    """The settings to change; the others stay."""

    auto_follow: bool | None = None
    notify_on_signal: bool | None = None
    max_slippage: Slippage | None = None


class CopyOrder(Body):
    """A flow to follow with money of one's own wallet, in a book of its own."""

    flow_id: UUID
    investment_amount: Amount
    copy_mode: Literal["target", "percentage"] = Field(
        default="target",
        description="target: the creator's exposure, so that a missed signal heals at the next."
        " percentage: the same part in, the same part out.",
    )
    settings: FollowSettings = Field(
        default_factory=FollowSettings, json_schema_extra={"default": wire(FollowSettings())}
    )
    vault_address: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="Own vaults are not served yet: leave it out."
    )
    chain_type: Chain | None = None
