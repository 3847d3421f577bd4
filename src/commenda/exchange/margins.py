"""What an account is worth, what its positions and orders bind, and when it is liquidated.

Source: Binance, "How to calculate liquidation price of USD-M futures contracts" and "Initial margin
and maintenance margin". Prices are marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import NamedTuple

from commenda.exchange.model import BOTH, BUY, CENT, ZERO, Account, Contract, Position

Contracts = Mapping[str, Contract]
Marks = Mapping[str, Decimal]


class Standing(NamedTuple):
    """One account, or one isolated position, at the marks."""

    wallet: Decimal
    unrealised: Decimal
    initial: Decimal
    ordered: Decimal
    """Initial margin of orders that are not filled."""
    kept: Decimal
    """Maintenance margin."""
    cross_wallet: Decimal
    cross_unrealised: Decimal
    cross_initial: Decimal
    cross_kept: Decimal

    @property
    def available(self) -> Decimal:
        """What a new order may bind."""
        free = self.cross_wallet + self.cross_unrealised - self.cross_initial - self.ordered
        return max(ZERO, free)

    @property
    def is_lost(self) -> bool:
        """Whether what stands for the cross positions is down to their maintenance margin."""
        return (
            self.cross_kept > ZERO and self.cross_wallet + self.cross_unrealised <= self.cross_kept
        )


def standing(
    account: Account, contracts: Contracts, marks: Marks, *, with_orders: bool = True
) -> Standing:
    """Without orders where nobody asks what is available: a liquidation does not."""
    unrealised = initial = kept = ZERO
    cross_unrealised = cross_initial = cross_kept = margins = ZERO
    for one in account.positions.values():
        if not one.lots:
            continue
        contract, mark = contracts[one.symbol], marks[one.symbol]
        profit = one.unrealised(contract, mark)
        notional = abs(one.notional(contract, mark))
        bound = notional / account.leverage_of(one.symbol)
        least = contract.kept(notional)
        unrealised, initial, kept = unrealised + profit, initial + bound, kept + least
        if one.symbol in account.isolated:
            margins += one.margin
        else:
            cross_unrealised += profit
            cross_initial += bound
            cross_kept += least
    return Standing(
        account.wallet,
        unrealised,
        initial,
        ordered(account, contracts, marks) if with_orders else ZERO,
        kept,
        account.wallet - margins,
        cross_unrealised,
        cross_initial,
        cross_kept,
    )


def ordered(account: Account, contracts: Contracts, marks: Marks) -> Decimal:
    """Initial margin of open orders: of each contract the greater side, less what closes."""
    symbols = {one.symbol for one in account.open.values()}
    return sum((ordered_of(account, contracts[one], marks[one]) for one in symbols), ZERO)


def ordered_of(
    account: Account, contract: Contract, mark: Decimal, more: tuple[int, Decimal] | None = None
) -> Decimal:
    """The same for one contract, with one more order of a side and notional."""
    priced, unpriced = {BUY: 0, -BUY: 0}, {BUY: 0, -BUY: 0}
    for order in account.open.values():
        if order.symbol == contract.symbol and not order.reduce_only and not order.close_position:
            if order.ticks is None:
                unpriced[order.side] += order.left
            else:
                priced[order.side] += order.ticks * order.left
    asked = {
        side: contract.worth(priced[side], 1) + mark * contract.quantity(unpriced[side])
        for side in priced
    }
    if more is not None:
        asked[more[0]] += more[1]
    held = account.position(contract.symbol, BOTH).notional(contract, mark)
    if account.hedge:
        bound = asked[BUY] + asked[-BUY]
    else:
        bound = max(abs(held + asked[BUY]), abs(held - asked[-BUY])) - abs(held)
    return max(ZERO, bound) / account.leverage_of(contract.symbol)


def liquidation_price(
    account: Account, position: Position, contracts: Contracts, marks: Marks
) -> Decimal:
    """The mark at which a position is liquidated, all else as it is; zero where none is."""
    contract, mark = contracts[position.symbol], marks[position.symbol]
    if not position.lots:
        return ZERO
    if position.symbol in account.isolated:
        stands = position.margin
        others = ZERO
    else:
        all_of = standing(account, contracts, marks)
        profit = position.unrealised(contract, mark)
        own = contract.kept(abs(position.notional(contract, mark)))
        stands = all_of.cross_wallet + all_of.cross_unrealised - profit
        others = all_of.cross_kept - own
    size = contract.quantity(position.lots)
    found = ZERO
    for tier in contract.tiers:
        below = abs(size) * tier.rate - size
        if not below:
            continue
        price = (stands - position.cost + tier.deduction - others) / below
        if tier.floor <= abs(size) * price < tier.cap:
            found = price
    return max(ZERO, found)


def bankruptcy_price(
    account: Account, position: Position, contracts: Contracts, marks: Marks
) -> Decimal:
    """The price at which nothing is left of what stands for a position."""
    contract = contracts[position.symbol]
    size = contract.quantity(position.lots)
    if position.symbol in account.isolated:
        stands = position.margin
    else:
        all_of = standing(account, contracts, marks)
        stands = all_of.cross_wallet + all_of.cross_unrealised
        stands -= position.unrealised(contract, marks[position.symbol])
    return max(ZERO, (position.cost - stands) / size)


def set_aside(
    account: Account,
    position: Position,
    contract: Contract,
    held: int,
    realised: Decimal,
    lots: int,
    ticks: int,
) -> None:
    """Isolated margin: what opens takes its initial margin, what closes gives its part back.

    A loss is borne by the margin alone, as far as it goes. `held` is what the position was before
    these lots.
    """
    if position.symbol not in account.isolated:
        return
    margin = position.margin
    closes = min(abs(lots), abs(held)) if held and (lots > 0) is not (held > 0) else 0
    if closes:
        kept = margin * (abs(held) - closes) / abs(held)
        kept = kept.quantize(CENT, ROUND_UP)
        kept = min(kept, max(ZERO, margin + realised))
        position.margin = kept if abs(held) > closes else ZERO
    opens = abs(lots) - closes
    if opens:
        leverage = account.leverage_of(position.symbol)
        position.margin += (contract.worth(ticks, opens) / leverage).quantize(CENT, ROUND_UP)
