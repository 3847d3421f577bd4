"""What an investor reads of what they earned."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from commenda.kit.wire import Amount, Asset, derived, on_wire


def _sum(of: Any, *names: str) -> Decimal:
    return sum((getattr(of, name) for name in names), Decimal(0))


@on_wire
@dataclass(frozen=True, slots=True)
class Worth:
    """What somebody has at a moment, by kind; `owed` is below 0."""

    as_of: Annotated[datetime, Field(description="Of the oldest mark or daily value in it.")]
    wallet: Annotated[Amount, Field(description="What is held or frozen of it included.")]
    reserved: Annotated[Amount, Field(description="Principal of subscriptions that wait.")]
    managed: Annotated[Amount, Field(description="Books of managed subscriptions.")]
    copies: Annotated[Amount, Field(description="Books that follow a creator.")]
    own_books: Annotated[Amount, Field(description="A creator's own books.")]
    portfolios: Annotated[Amount, Field(description="Books that divide money among flows.")]
    pools: Annotated[Amount, Field(description="Holdings: principal and income not paid out.")]
    commissions: Annotated[
        Amount, Field(description="Referral in its hold, and a creator's shares.")
    ]
    owed: Annotated[Amount, Field(description="Profit shares that the books could not pay yet.")]

    @derived
    def total(self) -> Amount:
        return _sum(self, *KINDS)


KINDS = tuple(one.name for one in fields(Worth) if one.name != "as_of")


@on_wire
@dataclass(frozen=True, slots=True)
class Fees:
    """What was charged, each fee by its kind."""

    trading: Annotated[Amount, Field(description="Of the venues, for the books' own fills.")]
    management: Amount
    profit_share: Annotated[
        Amount, Field(description="Of creators, platform and referrers; when it fell due.")
    ]
    early_exit: Annotated[Amount, Field(description="Of pool products that were left early.")]

    @derived
    def total(self) -> Amount:
        return _sum(self, "trading", "management", "profit_share", "early_exit")


@on_wire
@dataclass(frozen=True, slots=True)
class Gained:
    """Income beside the books."""

    pools: Annotated[Amount, Field(description="Accrued by pool products.")]
    referral: Annotated[Amount, Field(description="Commissions for those who were brought.")]
    profit_share: Annotated[Amount, Field(description="A creator's shares.")]

    @derived
    def total(self) -> Amount:
        return _sum(self, "pools", "referral", "profit_share")


@on_wire
@dataclass(frozen=True, slots=True)
class Earned:
    """What somebody earned of one asset over [from, to): up to and with now, where `to` is null.

    gain = closing − opening − paidIn + paidOut = gainBeforeFees − fees + income + covered.
    """

    user_id: UUID
    asset: Asset
    since: Annotated[datetime | None, Field(alias="from", description="Null: the beginning.")]
    until: Annotated[datetime | None, Field(alias="to")]
    as_of: Annotated[datetime, Field(description="The business time of the answer.")]
    opening: Worth
    paid_in: Amount
    paid_out: Amount
    closing: Worth
    gain_before_fees: Annotated[
        Amount, Field(description="Of the books' trading, funding included, before every fee.")
    ]
    funding: Annotated[Amount, Field(description="Of it: funding received, less what was paid.")]
    fees: Fees
    income: Gained
    covered: Annotated[Amount, Field(description="Debts of books that insurance paid.")]
    gain: Annotated[Amount, Field(description="After everything.")]
    twr: Annotated[
        Amount | None,
        Field(
            description="Time-weighted return of the period, a fraction, not annualised: what a"
            " unit of money did. Null where there was nothing to earn with."
        ),
    ]
    twr_breaks: Annotated[
        int, Field(description="Sub-periods with next to nothing in them, left out of the TWR.")
    ]
    wiped_out: Annotated[bool, Field(description="Everything was lost; the TWR ends there.")]
    xirr: Annotated[
        Amount | None,
        Field(description="Money-weighted rate a year (ACT/365), also of a period that is shorter"),
    ]
    xirr_reason: Annotated[
        str | None, Field(description="Why there is no XIRR, or several.", examples=[None])
    ]
    method: Literal["TWR and XIRR"] = "TWR and XIRR"
