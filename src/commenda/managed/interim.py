"""What leaves a subscription that goes on: at the end of a period, and when money is taken out.

The same order as at the end (`waterfall.py`): what is still owed, management fee, hurdle, profit
share with the platform's cut and referral; then, of a withdrawal, the amount that was asked for.
The mark, what is left of the hurdle and the open principal go on from here. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
from uuid import UUID

from commenda.kit.money import quantise, split_amount
from commenda.managed.profit_share import (
    ZERO,
    Crystallisation,
    HighWaterMark,
    HurdleKind,
    collect,
    crystallise,
    withdraw,
)
from commenda.managed.waterfall import Division, FeeTerms, Proceeds, accrue, divide


@dataclass(frozen=True, slots=True, kw_only=True)
class Interim(Division):
    """Every part of what leaves a subscription that goes on, and what it goes on with.

    `collected` is what was owed before less what is owed after it: below 0 where free cash did
    not pay all that fell due. `taken` is what each leg gives, in the order of the legs, `unshared`
    what each has gained that waits for a soft hurdle.
    """

    taken: tuple[Decimal, ...]
    owed: Decimal
    mark: HighWaterMark
    hurdle_left: Decimal
    principal_left: Decimal
    unshared: tuple[Decimal, ...]

    @property
    def divided(self) -> Decimal:
        return sum(self.taken, ZERO)


def at_period_end(
    proceeds: Proceeds,
    terms: FeeTerms,
    mark: HighWaterMark,
    free_cash: Sequence[Decimal],
    referrers: Sequence[UUID],
    scale: int,
) -> Interim | None:
    """A share that falls due at the end of a period, paid from the legs' free cash.

    What that does not cover is owed from here on. None where what is owed leaves nothing.
    """
    fee, hurdle, net = accrue(proceeds, terms, scale)
    if net <= 0:
        return None
    rate, kind = terms.profit_share, terms.hurdle_kind
    settled = crystallise(net, mark, rate, scale, hurdle=hurdle, kind=kind)
    free = [quantise(max(ZERO, cash), scale, ROUND_DOWN) for cash in free_cash]
    due = proceeds.owed + fee + settled.share
    paid, owed = collect(due, sum(free, ZERO))
    return _interim(
        proceeds,
        (fee, hurdle),
        settled,
        terms,
        referrers,
        scale,
        # No leg gives more than its free cash: that is in whole units, like what it gives.
        taken=_by_leg(paid, free, proceeds, scale),
        owed=owed,
        withdrawn=quantise(ZERO, scale),
        principal_left=proceeds.principal,
    )


def at_withdrawal(
    amount: Decimal,
    proceeds: Proceeds,
    terms: FeeTerms,
    mark: HighWaterMark,
    referrers: Sequence[UUID],
    scale: int,
) -> Interim:
    """Crystallise and take `amount` out; each leg gives in proportion to what it is worth.

    The principal that is left is P · (1 − W/E), rounded down, E after the share: fees and the
    hurdle go on with it. Code `not_a_partial_withdrawal` where nothing would be left.
    """
    fee, hurdle, net = accrue(proceeds, terms, scale)
    rate, kind = terms.profit_share, terms.hurdle_kind
    settled = withdraw(amount, net, mark, rate, scale, hurdle=hurdle, kind=kind)
    left = proceeds.principal * settled.equity / (settled.equity + amount)
    total = proceeds.owed + fee + settled.share + amount
    worth = [max(ZERO, leg.cash) for leg in proceeds.legs]
    return _interim(
        proceeds,
        (fee, hurdle),
        settled,
        terms,
        referrers,
        scale,
        taken=_by_leg(total, worth, proceeds, scale),
        owed=quantise(ZERO, scale),
        withdrawn=amount,
        principal_left=quantise(left, scale, ROUND_DOWN),
    )


def _interim(
    proceeds: Proceeds,
    accrued: tuple[Decimal, Decimal],
    settled: Crystallisation,
    terms: FeeTerms,
    referrers: Sequence[UUID],
    scale: int,
    *,
    taken: tuple[Decimal, ...],
    owed: Decimal,
    withdrawn: Decimal,
    principal_left: Decimal,
) -> Interim:
    fee, hurdle = accrued
    # Below a soft hurdle the gains so far wait for it, and part of them leaves with the money.
    waits = terms.hurdle_kind == HurdleKind.SOFT and settled.hurdle > 0
    stays = settled.equity / (settled.equity + withdrawn) if waits else ZERO
    return Interim(
        equity=proceeds.equity,
        management_fee=fee,
        hurdle=hurdle,
        profit_share=settled.share,
        **divide(settled.share, terms, proceeds.legs, referrers, scale)._asdict(),
        collected=proceeds.owed - owed,
        to_wallet=withdrawn,
        taken=taken,
        owed=owed,
        mark=settled.mark,
        hurdle_left=settled.hurdle,
        principal_left=principal_left,
        unshared=tuple(quantise(leg.profit * stays, scale, ROUND_CEILING) for leg in proceeds.legs),
    )


def _by_leg(
    total: Decimal, weights: Sequence[Decimal], proceeds: Proceeds, scale: int
) -> tuple[Decimal, ...]:
    """`total` by leg: largest remainder, ties by leg id."""
    if not total:
        return tuple(quantise(ZERO, scale) for _ in weights)
    return tuple(split_amount(total, weights, [leg.leg_id for leg in proceeds.legs], scale))
