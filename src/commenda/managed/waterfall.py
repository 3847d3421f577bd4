"""The settlement waterfall: where every unit of a liquidated subscription's equity goes.

Trading and funding costs are already out of the equity. Then, in this order: management fee,
hurdle, profit share; the platform takes its cut of the share and pays referral out of that cut
only; what is left goes to the investor's wallet. All parts add up to the equity exactly.

Rule: acceptance.md, part 2, "Order of fees"; DESIGN.md, section 4, "One settlement path". Money is
Decimal at the asset's scale; annual rates are fractions on ACT/365F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from uuid import UUID

from commenda.kit.errors import CommendaError
from commenda.kit.money import quantise
from commenda.kit.wire import Amount, on_wire
from commenda.managed.profit_share import (
    ZERO,
    Carry,
    HighWaterMark,
    carry_forward,
    divide_share,
    require_positive,
    require_rate,
    share,
)
from commenda.referrals import ReferralShare, require_rates, split_referral

YEAR_DAYS = 365
"""ACT/365F: every year has 365 days."""


@on_wire
@dataclass(frozen=True, slots=True)
class FeeTerms:
    """What one subscription has agreed to pay, as fractions.

    `management_fee` and `hurdle` are annual rates on the principal, `profit_share` is a part of
    the profit, `platform_cut` a part of the profit share, `referral_rates` (nearest level first)
    parts of the platform's cut. Refuses, when made, a rate outside [0, 1] (`rate_out_of_range`),
    more than 3 levels (`too_many_referral_levels`), and levels that take more than half of the
    cut together (`referral_above_cap`).
    """

    management_fee: Amount = ZERO
    hurdle: Amount = ZERO
    profit_share: Amount = ZERO
    platform_cut: Amount = ZERO
    referral_rates: Sequence[Amount] = ()

    def __post_init__(self) -> None:
        require_rate(self.management_fee, "management_fee")
        require_rate(self.hurdle, "hurdle")
        require_rate(self.profit_share, "profit_share")
        require_rate(self.platform_cut, "platform_cut")
        require_rates(self.referral_rates)


@dataclass(frozen=True, slots=True)
class LegProceeds:
    """One leg after liquidation.

    `capital` is what it was worth after the last crystallisation, plus money put in since and less
    money taken out; it is negative for a leg that was replaced after a gain. `cash` is what its
    liquidation has left, after costs.
    """

    leg_id: UUID
    capital: Decimal
    cash: Decimal

    @property
    def profit(self) -> Decimal:
        """P&L since the last crystallisation."""
        return self.cash - self.capital


@dataclass(frozen=True, slots=True)
class Proceeds:
    """A liquidated subscription: its principal, days held since fees last accrued, its legs.

    The scope is the sum of its legs, replaced ones included.
    """

    principal: Decimal
    days: int
    legs: tuple[LegProceeds, ...]

    def __post_init__(self) -> None:
        require_positive(self.principal, "principal")
        if self.days < 0:
            raise CommendaError(
                "negative_days", "A subscription cannot be liquidated before it began"
            ).at("days", self.days, "count days from activation to liquidation")
        if len({leg.leg_id for leg in self.legs}) != len(self.legs):
            raise CommendaError("duplicate_leg", "A leg is listed twice").at(
                "legs", [str(leg.leg_id) for leg in self.legs], "list every leg once"
            )

    @property
    def equity(self) -> Decimal:
        """E after trading and funding costs, before fees; below 0 it is a shortfall."""
        return sum((leg.cash for leg in self.legs), ZERO)


@dataclass(frozen=True, slots=True)
class LegShare:
    """What the creator of one leg receives."""

    leg_id: UUID
    profit: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Settlement:
    """Every part of the equity and its receiver: the one journal of a settlement.

    `profit_share` = creators + platform + referrals. `platform` is its cut less referral.
    `hurdle` is a threshold, not a payment. `shortfall` is what insurance pays where equity is
    below 0. `carry` is the loss to remember for a re-subscription.
    """

    equity: Decimal
    management_fee: Decimal
    hurdle: Decimal
    profit_share: Decimal
    creators: tuple[LegShare, ...]
    platform: Decimal
    referrals: tuple[ReferralShare, ...]
    to_wallet: Decimal
    shortfall: Decimal
    carry: Carry

    def __post_init__(self) -> None:
        creators = sum((part.amount for part in self.creators), ZERO)
        referrals = sum((part.amount for part in self.referrals), ZERO)
        shared = creators + self.platform + referrals
        paid = self.management_fee + shared + self.to_wallet - self.shortfall
        if shared != self.profit_share or paid != self.equity:
            raise CommendaError(
                "settlement_unbalanced", "The parts of a settlement must add up to its equity"
            ).at("equity", self.equity, "this is a fault in the waterfall: report it")


def management_fee(principal: Decimal, annual_rate: Decimal, days: int, scale: int) -> Decimal:
    """principal · rate · days / 365, rounded down: a fee is never more than agreed."""
    return quantise(principal * annual_rate * days / YEAR_DAYS, scale, ROUND_DOWN)


def hurdle_amount(principal: Decimal, annual_rate: Decimal, days: int, scale: int) -> Decimal:
    """principal · rate · days / 365, rounded up: the investor's own return before any share."""
    return quantise(principal * annual_rate * days / YEAR_DAYS, scale, ROUND_UP)


def waterfall(
    proceeds: Proceeds,
    terms: FeeTerms,
    mark: HighWaterMark,
    referrers: Sequence[UUID],
    scale: int,
) -> Settlement:
    """Settle a liquidated subscription whose high-water mark is `mark`.

    The hurdle stands on top of the mark: a carried loss is recovered and the hurdle earned before
    a share is due. `referrers` are the investor's, nearest first; a missing level's commission
    stays with the platform. With equity of 0 or less nobody is paid, and insurance covers what is
    missing. Code `share_without_profit` where the legs contradict the mark.
    """
    equity = proceeds.equity
    if equity <= 0:
        return _nothing_left(proceeds, mark, referrers, terms, scale)
    fee = min(
        equity, management_fee(proceeds.principal, terms.management_fee, proceeds.days, scale)
    )
    hurdle = hurdle_amount(proceeds.principal, terms.hurdle, proceeds.days, scale)
    net = equity - fee
    due = share(net, mark, terms.profit_share, scale, hurdle=hurdle)
    cut = quantise(due * terms.platform_cut, scale, ROUND_DOWN)
    referrals = split_referral(cut, terms.referral_rates, referrers, scale)
    return Settlement(
        equity=equity,
        management_fee=fee,
        hurdle=hurdle,
        profit_share=due,
        creators=_creators(due - cut, proceeds.legs, scale),
        platform=cut - sum((part.amount for part in referrals), ZERO),
        referrals=referrals,
        to_wallet=net - due,
        shortfall=ZERO,
        carry=Carry(carry_forward(mark, net).loss, net - due),
    )


def _creators(total: Decimal, legs: tuple[LegProceeds, ...], scale: int) -> tuple[LegShare, ...]:
    """The creators' part of the share by leg; ties by profit, then by leg id."""
    amounts = divide_share(total, [leg.profit for leg in legs], [leg.leg_id for leg in legs], scale)
    return tuple(
        LegShare(leg.leg_id, leg.profit, amount) for leg, amount in zip(legs, amounts, strict=True)
    )


def _nothing_left(
    proceeds: Proceeds,
    mark: HighWaterMark,
    referrers: Sequence[UUID],
    terms: FeeTerms,
    scale: int,
) -> Settlement:
    """The settlement of equity at or below 0: insurance pays what is missing, nobody is paid."""
    nothing = quantise(ZERO, scale)
    return Settlement(
        equity=proceeds.equity,
        management_fee=nothing,
        hurdle=hurdle_amount(proceeds.principal, terms.hurdle, proceeds.days, scale),
        profit_share=nothing,
        creators=_creators(nothing, proceeds.legs, scale),
        platform=nothing,
        referrals=split_referral(nothing, terms.referral_rates, referrers, scale),
        to_wallet=nothing,
        shortfall=-proceeds.equity,
        carry=carry_forward(mark, proceeds.equity),
    )
