"""The arithmetic of referral: who is paid, how much, when, and which trees are refused.

Commission comes out of the platform's cut of a settled profit share and out of nothing else: never
out of the investor's money, never for a sign-up. Levels count from the investor: level 1 is the
person who brought the investor, level 2 the person who brought level 1.

Rule: acceptance.md, part 2, "Referral".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from uuid import UUID

from commenda.kit.errors import CommendaError
from commenda.kit.money import quantise, split_amount
from commenda.kit.times import iso

CAP = Decimal("0.5")
"""All levels together receive at most this part of the platform's cut."""

DEFAULT_LEVELS = 2
"""Levels that are paid unless a programme says otherwise."""

MOST_LEVELS = 3
"""No programme pays more levels than this."""

HOLD = timedelta(days=30)
"""Commission is pending for this long after the settlement, and can be clawed back meanwhile."""


@dataclass(frozen=True, slots=True)
class ReferralShare:
    """The commission of one payee; an amount of 0 has nothing to post."""

    level: int
    payee: UUID
    amount: Decimal


def require_levels(levels: int) -> None:
    """Refuse a number of paid levels outside 0..3 with code `too_many_referral_levels`."""
    if not 0 <= levels <= MOST_LEVELS:
        raise CommendaError(
            "too_many_referral_levels", f"Referral pays at most {MOST_LEVELS} levels"
        ).at("referral_rates", levels, f"give {MOST_LEVELS} rates or fewer")


def require_rates(rates: Sequence[Decimal], *, levels: int = MOST_LEVELS) -> None:
    """Refuse rates that cannot be paid. A rate is a fraction of the platform's cut.

    Codes: `too_many_referral_levels` for more rates than `levels`, `rate_out_of_range` for a rate
    that is negative or not finite, `referral_above_cap` for a sum above half of the cut.
    """
    require_levels(levels)
    if len(rates) > levels:
        raise CommendaError(
            "too_many_referral_levels", f"This programme pays at most {levels} levels"
        ).at("referral_rates", len(rates), f"give {levels} rates or fewer")
    for level, rate in enumerate(rates, start=1):
        if not rate.is_finite() or rate < 0:
            raise CommendaError(
                "rate_out_of_range", "A referral rate is a fraction of the platform's cut"
            ).at(f"referral_rates[{level}]", rate, f"use a rate between 0 and {CAP}")
    if sum(rates) > CAP:
        raise CommendaError(
            "referral_above_cap", "All levels together may take at most half of the platform's cut"
        ).at("referral_rates", sum(rates), f"lower the rates until they add up to {CAP} or less")


def chain_of(ancestors: Sequence[UUID], *, levels: int = DEFAULT_LEVELS) -> tuple[UUID, ...]:
    """The payees of a settlement, nearest first: the first `levels` of the investor's ancestors."""
    require_levels(levels)
    return tuple(ancestors[:levels])


def split_referral(
    platform_cut: Decimal, rates: Sequence[Decimal], payees: Sequence[UUID], scale: int
) -> tuple[ReferralShare, ...]:
    """Divide the referral part of `platform_cut` (money at `scale`) among `payees`, nearest first.

    The total is the sum of the rates that have a payee times the cut, rounded down, so it can
    never pass the cap; it goes to the levels by largest remainder, a tie to the larger rate and
    then to the nearer level. A level without a payee stays with the platform, and so does what
    rounding leaves. Payees beyond the last rate receive nothing and are not listed.

    Codes: those of `require_rates`; `negative_amount` for a cut below 0; `duplicate_payee` where
    one person stands at two levels, which only a cycle in the tree can cause.
    """
    require_rates(rates)
    if platform_cut < 0:
        raise CommendaError("negative_amount", "The platform's cut cannot be negative").at(
            "platform_cut", platform_cut, "correct a settlement by a linked reversal"
        )
    paid = list(payees[: len(rates)])
    if len(set(paid)) < len(paid):
        raise CommendaError("duplicate_payee", "One person stands at two levels of the chain").at(
            "payees", [str(payee) for payee in paid], "repair the referral tree; it has a cycle"
        )
    earning = rates[: len(paid)]
    total = quantise(platform_cut * sum(earning, Decimal(0)), scale, ROUND_DOWN)
    if total == 0:
        amounts = [quantise(Decimal(0), scale)] * len(paid)
    else:
        amounts = split_amount(total, earning, range(len(paid)), scale)
    return tuple(
        ReferralShare(level, payee, amount)
        for level, (payee, amount) in enumerate(zip(paid, amounts, strict=True), start=1)
    )


def release_at(settled_at: datetime, *, hold: timedelta = HOLD) -> datetime:
    """When a pending commission becomes the payee's own: `hold` after the settlement.

    `settled_at` is in UTC, else code `not_utc`.
    """
    if settled_at.utcoffset() != timedelta(0):
        raise CommendaError("not_utc", "Times must be in UTC").at("settled_at", iso(settled_at))
    return settled_at + hold


def require_acyclic(user: UUID, referrer: UUID, ancestors: Collection[UUID]) -> None:
    """Refuse `referrer` for `user` with code `referral_cycle` where that would close a ring.

    `ancestors` are all the ancestors of `referrer`, not only the paid levels: a ring of five
    people is a ring although three levels are paid.
    """
    if user == referrer or user in ancestors:
        raise CommendaError(
            "referral_cycle", "Nobody can be their own referrer, directly or through others"
        ).at("referrer", referrer, "choose a referrer whom this user has not brought")
