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
from typing import Annotated, NamedTuple
from uuid import UUID

from commenda.kit.errors import CommendaError
from commenda.kit.money import quantise
from commenda.kit.wire import Amount, on_wire, one_of
from commenda.managed.profit_share import (
    ZERO,
    Carry,
    HighWaterMark,
    HurdleKind,
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
    """What one subscription has agreed to pay, as fractions, and how often.

    `management_fee` and `hurdle` are annual rates on the principal, `profit_share` is a part of
    the profit, `platform_cut` a part of the profit share, `referral_rates` (nearest level first)
    parts of the platform's cut. The share falls due at the end and, if `crystallise_days` says so,
    each time so many days have passed. Above a soft hurdle it is of all profit, above a hard one of
    what lies above it. Refuses, when made, a rate outside [0, 1] (`rate_out_of_range`), more than 3
    levels (`too_many_referral_levels`), levels that take more than half of the cut together
    (`referral_above_cap`), a period of no day (`bad_period`) and another kind of hurdle
    (`unknown_hurdle_kind`).
    """

    management_fee: Amount = ZERO
    hurdle: Amount = ZERO
    profit_share: Amount = ZERO
    platform_cut: Amount = ZERO
    referral_rates: Sequence[Amount] = ()
    crystallise_days: int | None = None
    hurdle_kind: Annotated[str, one_of(HurdleKind)] = HurdleKind.HARD

    def __post_init__(self) -> None:
        require_rate(self.management_fee, "management_fee")
        require_rate(self.hurdle, "hurdle")
        require_rate(self.profit_share, "profit_share")
        require_rate(self.platform_cut, "platform_cut")
        require_rates(self.referral_rates)
        if self.crystallise_days is not None and self.crystallise_days < 1:
            raise CommendaError("bad_period", "A period has at least a day").at(
                "crystallise_days", self.crystallise_days, "leave it out for a share at the end"
            )
        if self.hurdle_kind not in tuple(HurdleKind):
            raise CommendaError("unknown_hurdle_kind", "A hurdle is hard or soft").at(
                "hurdle_kind", self.hurdle_kind, f"one of {', '.join(HurdleKind)}"
            )


@dataclass(frozen=True, slots=True)
class LegProceeds:
    """One leg after liquidation, or at marks while it goes on.

    `capital` is what it was worth after the last crystallisation, less what it had gained by then
    that waits for a soft hurdle, plus money put in since and less money taken out; it is negative
    for a leg that was replaced after a gain. `cash` is what its liquidation has left, after costs,
    or what it is worth.
    """

    leg_id: UUID
    capital: Decimal
    cash: Decimal

    @property
    def profit(self) -> Decimal:
        """P&L that no share was taken of yet."""
        return self.cash - self.capital


@dataclass(frozen=True, slots=True)
class Proceeds:
    """A subscription to be divided: its principal, days since fees last accrued, its legs.

    The scope is the sum of its legs, replaced ones included. `hurdle` is what earlier
    crystallisations left of theirs, `owed` what they could not collect.
    """

    principal: Decimal
    days: int
    legs: tuple[LegProceeds, ...]
    hurdle: Decimal = ZERO
    owed: Decimal = ZERO

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """Parts of a subscription's money by receiver: at its end, or while it goes on.

    `profit_share` = creators + platform + referrals. `platform` is its cut less referral. `hurdle`
    is a threshold, not a payment. `collected` is what earlier crystallisations left owed: it comes
    before everything else. `shortfall` is what insurance pays where equity is below 0.
    """

    equity: Decimal
    management_fee: Decimal
    hurdle: Decimal
    profit_share: Decimal
    creators: tuple[LegShare, ...]
    platform: Decimal
    referrals: tuple[ReferralShare, ...]
    collected: Decimal = ZERO
    to_wallet: Decimal
    shortfall: Decimal = ZERO

    @property
    def divided(self) -> Decimal:
        """What the parts add up to."""
        return self.equity

    @property
    def to_creators(self) -> Decimal:
        return sum((part.amount for part in self.creators), ZERO)

    @property
    def to_referrers(self) -> Decimal:
        return sum((part.amount for part in self.referrals), ZERO)

    def __post_init__(self) -> None:
        shared = self.to_creators + self.platform + self.to_referrers
        paid = self.collected + self.management_fee + shared + self.to_wallet - self.shortfall
        if shared != self.profit_share or paid != self.divided:
            raise CommendaError(
                "settlement_unbalanced", "The parts must add up to what is divided"
            ).at("equity", self.divided, "this is a fault in the waterfall: report it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement(Division):
    """Every part of the equity: the one journal of a settlement.

    `carry` is the loss to remember for a re-subscription.
    """

    carry: Carry


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
    stays with the platform. What is still owed comes first. With nothing left after it nobody is
    paid, and insurance covers what is missing. Code `share_without_profit` where the legs
    contradict the mark.
    """
    fee, hurdle, net = accrue(proceeds, terms, scale)
    due = ZERO
    if net > 0:
        due = share(net, mark, terms.profit_share, scale, hurdle=hurdle, kind=terms.hurdle_kind)
    return Settlement(
        equity=proceeds.equity,
        management_fee=fee,
        hurdle=hurdle,
        profit_share=quantise(due, scale),
        **divide(due, terms, proceeds.legs, referrers, scale)._asdict(),
        collected=proceeds.owed,
        to_wallet=quantise(max(ZERO, net - due), scale),
        shortfall=max(ZERO, -net),
        carry=Carry(carry_forward(mark, net).loss, max(ZERO, net - due)),
    )


def accrue(proceeds: Proceeds, terms: FeeTerms, scale: int) -> tuple[Decimal, Decimal, Decimal]:
    """(management fee, hurdle, equity net of what is owed and of the fee), of the days accrued."""
    free = proceeds.equity - proceeds.owed
    fee = management_fee(proceeds.principal, terms.management_fee, proceeds.days, scale)
    fee = quantise(max(ZERO, min(free, fee)), scale)
    hurdle = hurdle_amount(proceeds.principal, terms.hurdle, proceeds.days, scale)
    return fee, proceeds.hurdle + hurdle, free - fee


class Parts(NamedTuple):
    """A profit share by receiver: the creators' parts, the platform's and its referrers'."""

    creators: tuple[LegShare, ...]
    platform: Decimal
    referrals: tuple[ReferralShare, ...]


def divide(
    due: Decimal,
    terms: FeeTerms,
    legs: tuple[LegProceeds, ...],
    referrers: Sequence[UUID],
    scale: int,
) -> Parts:
    """Divide a share: the platform's cut, referral out of that cut, the rest to the creators."""
    cut = quantise(due * terms.platform_cut, scale, ROUND_DOWN)
    referrals = split_referral(cut, terms.referral_rates, referrers, scale)
    platform = cut - sum((part.amount for part in referrals), ZERO)
    return Parts(_creators(due - cut, legs, scale), platform, referrals)


def _creators(total: Decimal, legs: tuple[LegProceeds, ...], scale: int) -> tuple[LegShare, ...]:
    """The creators' part of the share by leg; ties by profit, then by leg id."""
    amounts = divide_share(total, [leg.profit for leg in legs], [leg.leg_id for leg in legs], scale)
    return tuple(
        LegShare(leg.leg_id, leg.profit, amount) for leg, amount in zip(legs, amounts, strict=True)
    )
