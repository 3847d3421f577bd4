"""The creators' share of profit, and the high-water mark that keeps it fair.

One subscription has one mark, H = net deposits + the greatest cumulative profit after share. Only
equity above H earns a share, S = r · max(0, E − H), so a loss is recovered before anyone is paid
again and the same profit is never charged twice. Rules: DESIGN.md, section 4 (from Drift's vault
code; equal to Binance's `max(PnL·r − shared, 0)` while r is constant).

Money is Decimal at the asset's scale; rates are fractions (0.1 is 10 %). E is always net of
trading costs, management fee and any share that is still owed (a receivable). Where an amount
must be rounded, it is rounded in the investor's favour: a share down, a mark or a carried loss
up. The share therefore never exceeds the agreed rate; what rounding leaves stays in the equity.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum

from commenda.kit.errors import CommendaError
from commenda.kit.money import from_units, quantise, split_amount, to_units

ZERO = Decimal(0)


class Basis(StrEnum):
    """What the mark rises to when a share is taken."""

    NET = "net"
    """Equity after the share (the default): the investor's own record high."""
    GROSS = "gross"
    """Equity before the share: the share itself must be earned back first."""


class HurdleKind(StrEnum):
    """What a share is of, once the hurdle is passed."""

    HARD = "hard"
    """Of what lies above mark and hurdle: the hurdle itself stays the investor's."""
    SOFT = "soft"
    """Of everything above the mark: full catch-up. Up to the hurdle, no share is due."""


@dataclass(frozen=True, slots=True)
class HighWaterMark:
    """The mark of one subscription.

    `net_deposits` is what the investor put in less what they took out, as the ledger has it.
    `greatest_profit` is the greatest cumulative profit after share. A carried loss raises it, and
    a withdrawal under water lowers it, even below 0, by the loss that the withdrawal realises.
    """

    net_deposits: Decimal
    greatest_profit: Decimal = ZERO

    @property
    def high(self) -> Decimal:
        """H: equity at or below this earns no share."""
        return self.net_deposits + self.greatest_profit


@dataclass(frozen=True, slots=True)
class Crystallisation:
    """A share that has become due, and the mark, equity and hurdle that it leaves behind.

    `hurdle` is what of the hurdle was not earned yet: it stands on top of the mark the next time.
    """

    share: Decimal
    mark: HighWaterMark
    equity: Decimal
    hurdle: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Carry:
    """A loss that outlives a full exit, kept for (investor, flow) or (investor, product).

    `equity` is what the investor left with: re-subscribing with less revives only that part of
    the loss.
    """

    loss: Decimal = ZERO
    equity: Decimal = ZERO


def require_rate(rate: Decimal, field: str) -> None:
    """Refuse a rate outside [0, 1] with code `rate_out_of_range`."""
    if not rate.is_finite() or not 0 <= rate <= 1:
        raise CommendaError("rate_out_of_range", "A rate is a fraction between 0 and 1").at(
            field, rate, "write 10 % as 0.1"
        )


def require_positive(amount: Decimal, field: str) -> None:
    """Refuse an amount of money that is not above 0 with code `not_positive`."""
    if not amount.is_finite() or amount <= 0:
        raise CommendaError("not_positive", "The amount must be above 0").at(
            field, amount, "give an amount above 0"
        )


def share(
    equity: Decimal,
    mark: HighWaterMark,
    rate: Decimal,
    scale: int,
    *,
    hurdle: Decimal = ZERO,
    kind: str = HurdleKind.HARD,
) -> Decimal:
    """S = r · max(0, E − H − hurdle), rounded down; r · (E − H) above a soft hurdle.

    The hurdle is an amount of money that is earned before any share is due. Down, because a fee may
    be smaller than agreed by a unit but never larger.
    """
    require_rate(rate, "profit_share")
    above = equity - mark.high
    if kind == HurdleKind.HARD or above <= hurdle:
        above -= hurdle
    return quantise(rate * max(ZERO, above), scale, ROUND_DOWN)


def crystallise(
    equity: Decimal,
    mark: HighWaterMark,
    rate: Decimal,
    scale: int,
    *,
    hurdle: Decimal = ZERO,
    kind: str = HurdleKind.HARD,
    basis: Basis = Basis.NET,
) -> Crystallisation:
    """Make the share due and raise the mark: H = max(H, E − S), or max(H, E) on a gross basis.

    The rate is an argument, not part of the mark, so that editing a fee never resets the mark.
    Equity between H and H + hurdle raises the mark and lowers what is left of the hurdle by the
    same, so that where it is crystallised makes no difference to what is to be earned. Below a soft
    hurdle mark and hurdle wait as they are: once it is passed, the share is of all above the mark.
    """
    if kind == HurdleKind.SOFT and equity - mark.high <= hurdle:
        return Crystallisation(quantise(ZERO, scale), mark, equity, hurdle)
    due = share(equity, mark, rate, scale, hurdle=hurdle, kind=kind)
    reached = equity if basis is Basis.GROSS else equity - due
    profit = max(mark.greatest_profit, reached - mark.net_deposits)
    left = min(hurdle, max(ZERO, mark.high + hurdle - equity))
    return Crystallisation(due, HighWaterMark(mark.net_deposits, profit), equity - due, left)


def collect(due: Decimal, free_cash: Decimal) -> tuple[Decimal, Decimal]:
    """(paid now, receivable): a share is paid from free cash and never forces a liquidation."""
    paid = min(due, max(ZERO, free_cash))
    return paid, due - paid


def deposit(amount: Decimal, mark: HighWaterMark) -> HighWaterMark:
    """H += D: new money is not profit."""
    require_positive(amount, "deposit")
    return HighWaterMark(mark.net_deposits + amount, mark.greatest_profit)


def withdraw(
    amount: Decimal,
    equity: Decimal,
    mark: HighWaterMark,
    rate: Decimal,
    scale: int,
    *,
    hurdle: Decimal = ZERO,
    kind: str = HurdleKind.HARD,
    basis: Basis = Basis.NET,
) -> Crystallisation:
    """Crystallise, then take W out of the equity E that is left: H := H · (1 − W/E), rounded up.

    Part of a loss, and of a hurdle, leaves with part of the money. The result's equity is after
    share and withdrawal. W = E or more is refused with code `not_a_partial_withdrawal`: a full exit
    keeps its loss through `carry_forward`, which scaling H to 0 would forget.
    """
    require_positive(amount, "withdrawal")
    settled = crystallise(equity, mark, rate, scale, hurdle=hurdle, kind=kind, basis=basis)
    left = settled.equity - amount
    if left <= 0:
        raise CommendaError(
            "not_a_partial_withdrawal", "The withdrawal takes everything, or more than there is"
        ).at(
            "withdrawal", amount, f"withdraw less than {settled.equity}, or close the subscription"
        )
    high = _scaled_up(settled.mark.high, left, settled.equity, scale)
    deposits = mark.net_deposits - amount
    hurdle = _scaled_up(settled.hurdle, left, settled.equity, scale)
    return Crystallisation(settled.share, HighWaterMark(deposits, high - deposits), left, hurdle)


def carry_forward(mark: HighWaterMark, equity: Decimal) -> Carry:
    """What a full exit at `equity` carries: max(0, H − E).

    Equity below 0 counts as 0: insurance pays the shortfall, so it is no loss of the investor's.
    """
    kept = max(ZERO, equity)
    return Carry(max(ZERO, mark.high - kept), kept)


def add_carry(one: Carry, other: Carry) -> Carry:
    """Two exits from the same flow or product carry the sum of their losses on their equities."""
    return Carry(one.loss + other.loss, one.equity + other.equity)


def resubscribe(amount: Decimal, carry: Carry, scale: int) -> tuple[HighWaterMark, Carry]:
    """Start at H = D + carry · min(1, D/E), factor 1 if E ≤ 0; also the carry that is still unused.

    What is revived here is used up, so that two re-subscriptions cannot both claim one loss.
    """
    require_positive(amount, "deposit")
    if amount >= carry.equity:
        return HighWaterMark(amount, carry.loss), Carry()
    revived = _scaled_up(carry.loss, amount, carry.equity, scale)
    unused = Carry(carry.loss - revived, carry.equity - amount)
    return HighWaterMark(amount, revived), unused


def divide_share(
    total: Decimal, leg_profits: Sequence[Decimal], ties: Sequence[Hashable], scale: int
) -> list[Decimal]:
    """Divide a share among the legs by max(0, P&L since the last crystallisation).

    Largest remainder; ties by larger profit, then by `ties`. Refused with code
    `share_without_profit` where a share is due and no leg gained. After every crystallisation,
    withdrawal and re-subscription H is at least the equity the legs start from, so E > H means
    that they gained together: if none did, the books of the legs do not add up to the scope's,
    and paying somebody anyway would hide it.
    """
    if total == 0:
        return [quantise(ZERO, scale) for _ in leg_profits]
    gains = [max(ZERO, profit) for profit in leg_profits]
    if not any(gains):
        raise CommendaError(
            "share_without_profit", "A profit share is due but no leg has gained"
        ).at(
            "leg_profits",
            [str(profit) for profit in leg_profits],
            "reconcile the legs with their scope: every gain belongs to a leg",
        )
    return split_amount(total, gains, ties, scale)


def _scaled_up(amount: Decimal, part: Decimal, whole: Decimal, scale: int) -> Decimal:
    """amount · part / whole on exact units, rounded up; `whole` is above 0."""
    product = to_units(amount, scale) * to_units(part, scale)
    return from_units(-(-product // to_units(whole, scale)), scale)
