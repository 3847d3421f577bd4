"""The account of one strategy on one instrument, and the events that move it.

The whole account is one float64 array, so that it can be saved as bytes and handed to compiled
code without unpacking. Cash moves by the full notional of a fill, so equity = cash + quantity ·
price at any price: the same rule for a perpetual's profit as for a spot holding.

Events inside bar i, in this order:

1. `charge_funding`  funding whose stamp lies in (open of bar i-1, open of bar i], on the position
   held over that stamp;
2. `execute_pending` the target decided at the close of bar i-1, at the open of bar i;
3. `stop_out`        the hard stop inside the bar, the bar of entry included;
4. `mark_close`      equity at the close; then the strategy's step sees the closed bar;
5. `decide`          the step's target becomes pending if it differs from the standing one.

That is the plain account: a target is filled whole, and there is no margin. Where a run asks for
more (orders, a cap by volume, margin, stops in layers, latency) it is handed a `Desk`, and events 2
to 4 are those of `matching.py` instead. Both move money by the same `trade`.

A target is a fraction of the equity at the open, and costs are paid from the same cash: once they
are paid the exposure is no more than the target, or than 1 where that is less. So a target of 1 is
what the cash can pay, slippage and fee included.

*Ruin* is an equity of zero or less, and is the end of a run. At the price at which the equity is
gone (at the open, if that lies beyond) the position is closed; what is missing is the lender's loss
(`Counts.shortfall`), the equity is 0 from then on, and neither the step nor the account is asked
again.
"""

from __future__ import annotations

import math

import numpy as np

from commenda.kernel.bars import CLOSE, HIGH, LOW, OPEN, Array
from commenda.kernel.compiling import compiled, inlined, inner, inner_inlined

(
    CASH,  # quote currency
    QUANTITY,  # units, signed
    ENTRY_PRICE,  # average fill price of the position, slippage included; NaN when flat
    BARS_HELD,  # closed bars of the position; 1 at the close of the entry bar
    STANDING,  # the target last decided: signed fraction of equity
    PENDING,  # a target to execute at the next open, or NaN
    STOPPED,  # 1 from a stop until the target changes
    STOP_FILL,  # reference price at which the stop fired inside the last bar, or NaN
    LAST_CLOSE,
    EQUITY,  # at the last close
    BARS_SEEN,  # closed bars since the start
    FEES,  # totals, in quote currency
    SLIPPAGE,
    FUNDING_PAID,  # signed: positive was paid, negative received
    SHORTFALL,  # losses beyond the collateral, borne by whoever lent
    RUIN,  # the bar in which the equity was gone, counted from 1; 0 if it never was
    SLOTS,
) = range(17)

FEE_RATE, SLIPPAGE_RATE, STOP, WARMUP, SIZE, LEAST, MOST, PLAIN_RULES = range(8)
"""The rules array of every run: two rates, the stop as a fraction of the entry price (0 = none),
warm-up in bars, how many units a target of 1 is (0 = the account's whole equity), and between which
two every target is kept."""

EXPOSURE, POSITION_ENTRY, POSITION_BARS, POSITION_SIZE = range(4)
"""The `position` array a step receives: signed exposure at the close, entry price, bars held."""

(
    FILL_BAR,
    FILL_QUANTITY,
    FILL_HELD,
    FILL_PRICE,
    FILL_FEE,
    FILL_KIND,
    FILL_MAKER,
    FILL_COLUMNS,
) = range(8)
(
    KIND_TARGET,
    KIND_STOP,
    KIND_TRAILING,
    KIND_EQUITY_CURVE,
    KIND_ACCOUNT,
    KIND_TIME,
    KIND_LIQUIDATION,
    KIND_MARKET,
    KIND_LIMIT,
    KIND_STOP_ORDER,
) = map(float, range(10))
MAKER, TAKER = 1.0, 0.0
MOST_FILLS_A_BAR = 2
"""In the plain account: the target's and the stop's."""


def open_account(cash: float) -> Array:
    """A flat account holding `cash`, before its first bar."""
    if not 0.0 < cash < math.inf:
        raise ValueError(f"cash = {cash!r} is not a positive amount")
    account = np.zeros(SLOTS)
    account[CASH] = account[EQUITY] = cash
    account[[ENTRY_PRICE, PENDING, STOP_FILL, LAST_CLOSE]] = np.nan
    return account


@inner_inlined
def equity_at(account, price):  # type: ignore[no-untyped-def]
    """Cash and position at `price`, in quote currency."""
    return account[CASH] + account[QUANTITY] * price


@inner_inlined
def resting_stop(account, stop):  # type: ignore[no-untyped-def]
    """Price of the hard stop of the position held; NaN when flat or when there is no stop."""
    if account[QUANTITY] == 0.0 or stop == 0.0:
        return np.nan
    return account[ENTRY_PRICE] * (1.0 - math.copysign(stop, account[QUANTITY]))


@compiled
def charge_funding(account, rate, mark):  # type: ignore[no-untyped-def]
    """A long pays quantity · mark · rate (a short receives it)."""
    payment = account[QUANTITY] * mark * rate
    account[CASH] -= payment
    account[FUNDING_PAID] += payment


@inner
def entry_after(account, wanted, price):  # type: ignore[no-untyped-def]
    """Average entry price once the position is `wanted` units, the change filled at `price`."""
    held = account[QUANTITY]
    if wanted == 0.0:
        return np.nan
    if held * wanted <= 0.0:
        return price
    if abs(wanted) <= abs(held):
        return account[ENTRY_PRICE]
    return (held * account[ENTRY_PRICE] + (wanted - held) * price) / wanted


@inner
def trade(account, wanted, price, reference, fee, kind, maker, fills, row):  # type: ignore[no-untyped-def]
    """Move the position to `wanted` units at `price`; note the fill; return the next row.

    `reference` is the price without slippage, `fee` in quote currency.
    """
    change = wanted - account[QUANTITY]
    if account[QUANTITY] * wanted <= 0.0:
        account[BARS_HELD] = 0.0
    account[ENTRY_PRICE] = entry_after(account, wanted, price)
    account[CASH] -= change * price + fee
    account[QUANTITY] = wanted
    account[FEES] += fee
    account[SLIPPAGE] += abs(change) * abs(price - reference)
    fills[row, FILL_BAR] = account[BARS_SEEN]
    fills[row, FILL_QUANTITY] = change
    fills[row, FILL_HELD] = wanted
    fills[row, FILL_PRICE] = price
    fills[row, FILL_FEE] = fee
    fills[row, FILL_KIND] = kind
    fills[row, FILL_MAKER] = maker
    return row + 1


@inner
def take(account, wanted, reference, kind, rules, fills, row):  # type: ignore[no-untyped-def]
    """Move the plain account to `wanted` units near `reference`, as a taker."""
    change = wanted - account[QUANTITY]
    if change == 0.0:
        return row
    price = reference * (1.0 + math.copysign(rules[SLIPPAGE_RATE], change))
    fee = abs(change) * price * rules[FEE_RATE]
    return trade(account, wanted, price, reference, fee, kind, TAKER, fills, row)


@inner
def cost_rate(change, slip, fee):  # type: ignore[no-untyped-def]
    """What a taker pays for `change`, as a fraction of its notional before slippage."""
    return slip + fee * (1.0 + math.copysign(slip, change))


@inner
def execute_pending(account, price, rules, fills, row):  # type: ignore[no-untyped-def]
    """Fill the pending target at the open, if there is an equity to take it from.

    Of equity E at the price p, with h units held, costs at the rate c leave an exposure of m at
    w units where |w| · p = m · (E - c · |w - h| · p).
    """
    worth, target, held = equity_at(account, price), account[PENDING], account[QUANTITY]
    account[PENDING] = np.nan
    if worth <= 0.0:
        return row
    if rules[SIZE] > 0.0:
        return take(account, target * rules[SIZE], price, KIND_TARGET, rules, fills, row)
    wanted = target * worth / price
    most = math.copysign(max(1.0, abs(target)), target)
    change = most * worth / price - held
    rate = math.copysign(cost_rate(change, rules[SLIPPAGE_RATE], rules[FEE_RATE]), change)
    limit = held + change / (1.0 + most * rate)
    if (limit - wanted) * target < 0.0:
        wanted = limit
    return take(account, wanted, price, KIND_TARGET, rules, fills, row)


@inner_inlined
def stop_reached(account, bar, stop):  # type: ignore[no-untyped-def]
    """Reference price at which the bar reaches the hard stop; NaN if it does not.

    A bar that opens beyond the stop reaches it at the open.
    """
    price = resting_stop(account, stop)
    if account[QUANTITY] > 0.0 and bar[LOW] <= price:
        return min(bar[OPEN], price)
    if account[QUANTITY] < 0.0 and bar[HIGH] >= price:
        return max(bar[OPEN], price)
    return np.nan


@inner
def stop_out(account, reference, rules, fills, row):  # type: ignore[no-untyped-def]
    """Close the position at its stop.

    The account then stays flat, for the target that stands is already executed and only a change
    of target becomes pending.
    """
    account[STOPPED] = 1.0
    row = take(account, 0.0, reference, KIND_STOP, rules, fills, row)
    if account[CASH] <= 0.0:
        write_off(account)
    return row


@inner
def write_off(account):  # type: ignore[no-untyped-def]
    """End a flat account that has nothing, or less, left."""
    account[SHORTFALL] += max(0.0, -account[CASH])
    account[CASH] = account[STANDING] = 0.0
    account[PENDING] = np.nan
    account[STOPPED] = 1.0
    account[RUIN] = account[BARS_SEEN] + 1.0


@inner
def go_under(account, bar, rules, fills, row):  # type: ignore[no-untyped-def]
    """The equity is gone at the bar's worst price: close the position where that happens.

    The stop, if it is met on the way there, comes first.
    """
    held, stop, price = account[QUANTITY], account[STOP_FILL], bar[OPEN]
    if held != 0.0:
        gone = -account[CASH] / held
        price = min(price, gone) if held > 0.0 else max(price, gone)
        if (stop - price) * held > 0.0:
            return stop_out(account, stop, rules, fills, row)
        account[STOP_FILL] = price
        row = take(account, 0.0, price, KIND_LIQUIDATION, rules, fills, row)
    write_off(account)
    return row


@inner_inlined
def mark_close(account, bar, position):  # type: ignore[no-untyped-def]
    """Value the account at the close and write what the step may know of its position."""
    account[LAST_CLOSE] = bar[CLOSE]
    account[EQUITY] = equity_at(account, bar[CLOSE])
    account[BARS_SEEN] += 1.0
    if account[QUANTITY] != 0.0:
        account[BARS_HELD] += 1.0
    worth = account[EQUITY]
    position[EXPOSURE] = account[QUANTITY] * bar[CLOSE] / worth if worth != 0.0 else 0.0
    position[POSITION_ENTRY] = account[ENTRY_PRICE]
    position[POSITION_BARS] = account[BARS_HELD]


@inlined
def trade_bar(account, bar, position, rules, fills, row):  # type: ignore[no-untyped-def]
    """Events 2 to 4 of a bar; fills are noted from `row` on; return the row after the last."""
    if not math.isnan(account[PENDING]):
        row = execute_pending(account, bar[OPEN], rules, fills, row)
    account[STOP_FILL] = stop_reached(account, bar, rules[STOP])
    worst = bar[LOW] if account[QUANTITY] > 0.0 else bar[HIGH]
    if equity_at(account, worst) <= 0.0:
        row = go_under(account, bar, rules, fills, row)
    elif not math.isnan(account[STOP_FILL]):
        row = stop_out(account, account[STOP_FILL], rules, fills, row)
    mark_close(account, bar, position)
    return row


@inner_inlined
def adopt(account, target, rules):  # type: ignore[no-untyped-def]
    """Make the step's target the standing one if it is a change, and not in the warm-up.

    NaN keeps the one that stands; what lies beyond what may be held counts as that.
    """
    if account[BARS_SEEN] <= rules[WARMUP] or math.isnan(target):
        return False
    if math.isinf(target):
        raise ValueError("the strategy's step returned an infinite target")
    target = min(max(target, rules[LEAST]), rules[MOST])
    if target == account[STANDING]:
        return False
    account[STANDING] = target
    account[STOPPED] = 0.0
    return True


@inlined
def decide(account, target, rules):  # type: ignore[no-untyped-def]
    """Take the step's target: pending if it is adopted."""
    if not adopt(account, target, rules):
        return False
    account[PENDING] = account[STANDING]
    return True
