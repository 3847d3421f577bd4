"""What co-trading says over HTTP. Field names are the specification's (001-01 to 001-04)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from commenda.copying.model import CopyMode
from commenda.copying.performance import METHOD
from commenda.kit.web import Amount, Body

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$")]
"""Text without line breaks; PostgreSQL keeps no NUL either."""
Title = Annotated[Line, Field(max_length=120, examples=["Bitcoin trend, 5 minutes"])]
Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$", examples=["Trades seldom."])]
Tag = Annotated[str, Field(pattern=r"^[^\x00-\x1f,]{1,32}$", examples=["trend"])]
Symbol = Annotated[str, Field(pattern="^[A-Z0-9]{1,30}$", examples=["BTCUSDT"])]
StrategyName = Annotated[str, Field(pattern="^[a-z0-9_]{1,60}$", examples=["ema_trend"])]
ParameterName = Annotated[str, Field(pattern="^[a-z0-9_]{1,60}$")]
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
Chain = Literal["aptos", "flow_evm", "bsc"]
Count = Annotated[int, Field(ge=0, examples=[12])]


# --- Flows -----------------------------------------------------------------------------------


class FlowDraft(Body):
    """A flow to share, or one's own to present anew: whole, what is left out is reset."""

    flow_id: UUID | None = Field(
        default=None, description="Of the flow to change; a new one may be given its id."
    )
    title: Title
    description: Text = ""
    tags: list[Tag] = Field(default_factory=list, max_length=10)
    max_followers: Annotated[
        int | None, Field(ge=1, le=1_000_000, description="Null: unlimited.")
    ] = None
    min_investment: Annotated[Amount, Field(ge=0, lt=10**20)] = Decimal(0)
    strategy: StrategyName | None = Field(
        default=None, description="Of a new flow: what trades. It stands for the flow's life."
    )
    symbol: Symbol | None = Field(default=None, description="Of a new flow: on which instrument.")
    params: (
        Annotated[
            dict[ParameterName, Annotated[float, Field(allow_inf_nan=False)]],
            Field(max_length=40, examples=[{"fast": 48, "slow": 192}]),
        ]
        | None
    ) = Field(default=None, description="Of a new flow: the strategy's, with its defaults.")
    investment_amount: Amount | None = Field(
        default=None,
        description="Of a new flow: the creator's own stake, from the wallet into the book that"
        " leads the flow. Its record is the flow's performance.",
    )


class FlowToggle(Body):
    action: Literal["pause", "resume"]


class FlowPerformance(Body):
    """Fractions: 0.12 is 12 %. Null while there is no record."""

    total_return: Amount | None
    win_rate: Amount | None
    sharpe_ratio: Amount | None
    max_drawdown: Amount | None
    method: str = Field(default=METHOD, examples=[METHOD])
    as_of: datetime | None = Field(description="Of the last daily NAV in it.")


class FlowStats(Body):
    followers: Count = Field(description="Those who paused included.")
    total_aum: Amount = Field(
        serialization_alias="totalAUM", description="The followers' equity, in `currency`."
    )
    currency: str = Field(examples=["USDT"])
    as_of: datetime = Field(description="When followers and equity were last counted as a whole.")
    performance: FlowPerformance


class FlowTerms(Body):
    is_active: bool
    max_followers: int | None
    min_investment: Amount


class SharedFlow(Body):
    """A creator's shared strategy: one instrument, led by a book of the creator's own."""

    flow_id: UUID
    user_id: UUID
    title: str
    description: str
    tags: list[str]
    strategy: str
    symbol: str
    stats: FlowStats
    settings: FlowTerms
    status: Literal["active", "paused", "closed"]
    created_at: datetime
    updated_at: datetime
    last_signal_at: datetime | None


class FlowPage(Body):
    items: list[SharedFlow]
    total: Count
    page: int
    limit: int


class NavPoint(Body):
    at: datetime
    nav: Amount = Field(description="1 at the opening of the book.")


class FlowNav(Body):
    """A flow's record: the daily NAV of its creator's own book, as an index."""

    flow_id: UUID
    method: str = Field(default="TWR of the creator's own book, index 1 at its opening, daily")
    currency: str
    as_of: datetime | None
    points: list[NavPoint]


# --- Subscriptions ---------------------------------------------------------------------------


class CopySettings(Body):
    """What a follower decides. Without `autoFollow` a copy is paused: what it holds stays."""

    auto_follow: bool = True
    notify_on_signal: bool = True
    max_slippage: Slippage = Decimal("0.01")


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
    settings: CopySettings = CopySettings()
    vault_address: Annotated[Line, Field(max_length=100)] | None = Field(
        default=None, description="Own vaults are not served yet: leave it out."
    )
    chain_type: Chain | None = None

    @property
    def mode(self) -> CopyMode:
        return CopyMode(self.copy_mode)


class CopyExit(Body):
    """How far the leaving of a copy has come."""

    requested_at: datetime
    attempts: Count = Field(description="Tries that the venue refused or filled in part.")
    next_retry_at: datetime | None
    reason: str | None
    closed_at: datetime | None
    paid: Amount | None = Field(description="What went back to the wallet.")


class FlowSubscription(Body):
    """A copy: one flow, one book, valued at `asOf`."""

    subscription_id: UUID
    flow_id: UUID
    flow_title: str
    creator_id: UUID
    follower_id: UUID
    follower_vault_address: str | None
    chain_type: Chain | None
    investment_amount: Amount
    current_value: Amount
    profit_loss: Amount
    profit_loss_percentage: Amount = Field(description="Of the investment, in percent.")
    currency: str
    valuation: Literal["mark", "cost", "cash", "paid"] = Field(
        description="mark: at the latest marks. cost: some position has no mark yet. cash: it holds"
        " no position. paid: it was left; the value is what was paid back."
    )
    as_of: datetime = Field(description="Of the oldest mark in the value.")
    copy_mode: Literal["target", "percentage"]
    is_leader: bool = Field(description="The creator's own book, which leads the flow.")
    settings: CopySettings
    status: Literal["active", "paused", "cancelled"]
    subscribed_at: datetime
    last_executed_at: datetime | None
    updated_at: datetime
    exit: CopyExit | None


class SubscriptionPage(Body):
    items: list[FlowSubscription]
    total: Count
    page: int
    limit: int


# --- Signals and executions ------------------------------------------------------------------


class SignalData(Body):
    from_token: str
    to_token: str
    amount_in_percentage: Amount = Field(description="Of the creator's equity.")
    amount_in_human_readable: str | None = Field(
        description="What the creator's own book traded, once it has.", examples=["0.25 BTC"]
    )
    slippage_tolerance: Amount
    chain_type: Chain | None


class ExecutionStatus(Body):
    """How many executions a signal has, and what became of them."""

    total: Count
    executed: Count = Field(description="Whole or in part.")
    failed: Count
    pending: Count
    skipped: Count = Field(description="Nothing to trade: below one lot, or there already.")


class TradingSignal(Body):
    signal_id: UUID
    flow_id: UUID
    creator_id: UUID
    creator_vault_address: str | None
    signal_type: Literal["swap", "buy", "sell", "deposit", "withdraw"]
    signal_data: SignalData
    execution_status: ExecutionStatus
    node_id: str | None
    node_type: str | None
    created_at: datetime
    processed_at: datetime | None


class SignalList(Body):
    items: list[TradingSignal]


class SignalExecution(Body):
    """What a signal did in one book. Amounts are in the instrument's base; a sale is negative."""

    execution_id: UUID
    signal_id: UUID
    subscription_id: UUID
    follower_id: UUID
    follower_vault_address: str | None
    status: Literal["pending", "executing", "completed", "partial", "failed", "skipped"]
    executed_amount: Amount | None
    executed_price: Amount | None
    gas_cost: Amount | None = Field(description="The venue's fee, where there is no chain.")
    slippage: Amount | None
    tx_hash: str | None = Field(description="The order at the venue, where there is no chain.")
    block_number: int | None = None
    error: str | None
    created_at: datetime
    executed_at: datetime | None
    completed_at: datetime | None


class ExecutionPage(Body):
    items: list[SignalExecution]
    total: Count
    page: int
    limit: int
