"""The desk of a run that asks for more than a plain account: its arrays and where things lie.

Two float64 arrays beside the account and the rules: the `tally` and the table of `orders`. The
tally holds numbered slots first, then the regions of varying length that the rules tell the place
of. A plain run has neither, and a loop of its own. Few arrays, because every one that a function is
handed makes compiling it longer (measured: a named tuple of seventeen took minutes).
"""

from __future__ import annotations

from datetime import timedelta
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from commenda.kernel.account import MOST_FILLS_A_BAR, PLAIN_RULES, POSITION_ENTRY, POSITION_SIZE
from commenda.kernel.bars import Array
from commenda.kernel.indicators import ATR_SIZE, EWMA_VOLATILITY_SIZE, donchian_size
from commenda.kernel.orders import open_orders
from commenda.kernel.program import Program
from commenda.kernel.terms import BASIS_POINT, DAY, Costs, Terms

(
    SPREAD_RATE,  # half of it
    IMPACT_RATE,
    PARTICIPATION,  # 0: no cap
    LOT,
    DELAY,  # bars by which an order misses the next open
    LEVERAGE,  # 0: no margin
    ISOLATED,
    LIQUIDATION_FEE,
    SIDE,  # of a leg in hedge mode; 0 in one-way mode
    JOINT,  # 1: the account has other legs
    SAME_BARS,  # number of the first leg on the same bars: these share their volume
    ATR_MULTIPLE,
    ATR_LENGTH,
    VOLATILITY_MULTIPLE,
    VOLATILITY_DECAY,
    MOST_BARS,
    CHANDELIER_MULTIPLE,
    CHANDELIER_LENGTH,
    SAR_STEP,
    SAR_MOST,
    CURVE_DRAWDOWN,
    CURVE_BARS,
    ACCOUNT_LOSS,
    BARS_A_DAY,
    TIERS_AT,  # where in the rules the maintenance tiers begin, three numbers each
    TIERS,
    FEES_AT,  # where in the rules the fee tiers begin, three numbers each
    FEES,
    BOOK_AT,  # where in the tally the sampled book begins: (side, level, size and offset)
    BOOK_LEVELS,
    INFLIGHT_AT,  # where in the tally the ring of targets on their way begins
    INFLIGHT,
    SEEN_AT,  # where in the tally the ring of positions a step has yet to learn of begins
    SEEN,
    WATCHES,  # 1: closes are watched for the stops' or the fee tiers' sake
    GUARD_AT,  # where in the tally the memory of the stops' indicators begins
    RULES,
) = range(PLAIN_RULES, PLAIN_RULES + 37)
"""The rules array of a run with a desk goes on after the plain one's, the tiers behind it."""

(
    OTHERS,  # equity of the account's other legs
    OTHERS_NOTIONAL,  # and the size of their positions
    OTHERS_FREE,  # and what of their equity is not set aside for isolated positions
    TRADES,  # 1: the leg has a bar now
    NOW,  # price it has come to inside the bar
    ROW,  # of the table of fills, where the next goes
    WORTH,  # equity of the whole account at the open
    LIMIT,  # equity that a target is a fraction of at most, once its costs are paid
    CAP,  # the same, by the leverage, where the account has other legs
    TAKEN,  # units filled of this bar's volume, the other legs' on the same bars included
    LOST,  # by the liquidation of the position
    VOLUME_NOW,  # of the bar, or finer bar, being traded
    LEFT,  # units it may still fill
    BOUGHT,  # units filled in this bar
    SOLD,
    NOTIONAL_TODAY,  # traded, for the fee tiers
    MARGIN,  # set aside for an isolated position
    START,  # equity begun with
    PEAK,  # greatest equity at a close
    COOLING,  # bars for which the equity-curve stop still keeps the leg flat
    HALTED,  # 1 after the account stop
    LEVEL,  # price of the tightest stop
    LEVEL_KIND,  # which stop that is: a KIND_ of account.py
    LIQUIDATION,  # price of liquidation
    TRAIL,  # tightest level so far of the stops that slide
    TRAIL_KIND,
    PENDING_KIND,  # why the pending target is pending
    SAR,
    SAR_EXTREME,
    SAR_RATE,
    SAR_WORST,  # far extreme of the bar before
    FEE_TIER,  # row of the fee tiers in force
    FINER_FROM,  # rows of the finer bars inside this one
    FINER_TO,
    AMBIGUOUS,  # bars whose order of events mattered and is unknown
    REFINED,  # bars played on finer ones because of that
    SHORT_FILLED,  # times that liquidity was short of a quantity
    SHARE_SUM,  # of a bar's volume taken, over the bars with fills
    SHARE_BARS,
    SHARE_MOST,
    CLAMPED,  # targets and orders cut down to the leverage allowed
    ATR_NOW,  # of the stops' indicators after the last close
    DEVIATION_NOW,
    HIGHEST_NOW,
    LOWEST_NOW,
    DAY_LEFT,  # bars
    NEXT_DAY,  # place in the ring of thirty days' turnover of the one to be replaced
    BARS_AT_MOST,  # which a change of stops has left the position; 0: what the rules say
    TRAIL_LAYER,  # a BY_ of stops.py: which rule set the sliding level, with its two inputs
    TRAIL_FIRST,
    TRAIL_SECOND,
    LEVEL_LAYER,  # and which the tightest
    LEVEL_FIRST,
    LEVEL_SECOND,
    FIRED_LEVEL,  # where the stop rested that fired last
    TALLIES,
) = range(56)
TALLIES_BEFORE = 48
"""Of a desk whose state was saved before a stop told which rule it was."""
DAYS_OF_TURNOVER = 30
DAYS_AT, REGIONS_AT = TALLIES, TALLIES + DAYS_OF_TURNOVER

POSITION_QUANTITY, POSITION_EQUITY, POSITION_SIDE, DESK_POSITION_SIZE = range(
    POSITION_SIZE, POSITION_SIZE + 4
)
"""What the `position` array tells besides, where there is a desk: units held, the account's whole
equity in quote currency, and in hedge mode which side this leg is (1 long, -1 short)."""

SAMPLE_SIZE, SAMPLE_OFFSET, SAMPLE_COLUMNS = range(3)
BUY, SELL = range(2)


class Desk(NamedTuple):
    """A new desk: the whole rules array, the tally, and the table of orders."""

    rules: Array
    tally: Array
    orders: Array


def open_desk(
    program: Program,
    costs: Costs,
    terms: Terms,
    *,
    cash: float,
    interval: timedelta,
    size: float | None = None,
    levels: int = 0,
    side: int = 0,
) -> Desk:
    """A desk before the first bar, for sampled books of `levels` and one leg's `side` (0: both)."""
    stops, margin = program.stops, terms.margin
    side = 1 if terms.spot else side  # a sale closes what is held, and no more
    tiers = np.zeros((0, 3)) if margin is None else margin.table()
    fees = costs.fee_table()
    inflight = terms.latency.order_bars(interval) + 1
    seen = terms.latency.response_bars(interval) + 1
    guard = ATR_SIZE + EWMA_VOLATILITY_SIZE + donchian_size(stops.chandelier_length)
    sizes = (2 * levels * SAMPLE_COLUMNS, inflight, seen * DESK_POSITION_SIZE, guard)
    book_at, inflight_at, seen_at, guard_at, end = accumulate((REGIONS_AT, *sizes))
    rules = np.zeros(RULES)
    rules[:PLAIN_RULES] = program.rules(costs, size, terms)
    asked = {
        SPREAD_RATE: costs.spread_bps / 2.0 * BASIS_POINT,
        IMPACT_RATE: costs.impact_bps * BASIS_POINT,
        PARTICIPATION: terms.participation or 0.0,
        LOT: terms.lot,
        DELAY: inflight - 1,
        LEVERAGE: margin.leverage if margin else 0.0,
        ISOLATED: margin is not None and margin.isolated,
        LIQUIDATION_FEE: margin.fee_bps * BASIS_POINT if margin else 0.0,
        SIDE: side,
        ATR_MULTIPLE: stops.atr,
        ATR_LENGTH: stops.atr_length,
        VOLATILITY_MULTIPLE: stops.volatility,
        VOLATILITY_DECAY: stops.volatility_decay,
        MOST_BARS: stops.bars,
        CHANDELIER_MULTIPLE: stops.chandelier,
        CHANDELIER_LENGTH: stops.chandelier_length,
        SAR_STEP: stops.sar_step,
        SAR_MOST: stops.sar_most,
        CURVE_DRAWDOWN: stops.curve_drawdown,
        CURVE_BARS: stops.curve_bars,
        ACCOUNT_LOSS: stops.account_loss,
        BARS_A_DAY: max(1, DAY // interval),
        TIERS_AT: RULES,
        TIERS: len(tiers),
        FEES_AT: RULES + tiers.size,
        FEES: len(fees),
        BOOK_AT: book_at,
        BOOK_LEVELS: levels,
        INFLIGHT_AT: inflight_at,
        INFLIGHT: inflight,
        SEEN_AT: seen_at,
        SEEN: seen,
        WATCHES: not stops.plain or len(fees) > 1,
        GUARD_AT: guard_at,
    }
    rules[list(asked)] = list(asked.values())
    tally = np.zeros(end)
    tally[START] = tally[PEAK] = cash
    tally[TRADES] = 1.0
    tally[[LEVEL, LIQUIDATION, TRAIL, SAR]] = np.nan
    tally[ATR_NOW : LOWEST_NOW + 1] = np.nan
    tally[DAY_LEFT] = rules[BARS_A_DAY]
    tally[inflight_at:seen_at] = np.nan
    told = tally[seen_at:guard_at].reshape(seen, DESK_POSITION_SIZE)
    told[:, POSITION_ENTRY] = np.nan
    told[:, POSITION_EQUITY] = cash
    told[:, POSITION_SIDE] = side
    whole = np.concatenate((rules, tiers.ravel(), fees.ravel()))
    return Desk(whole, tally, open_orders(program.orders))


def needs_desk(program: Program, costs: Costs, terms: Terms) -> bool:
    """Whether a run asks for more than the plain account of account.py."""
    plain = program.stops.plain and costs.plain and terms.plain
    return program.orders > 0 or not plain


def most_fills_a_bar(desk: Desk | None, inside: int = 0) -> int:
    """Room a bar's fills may need: target and stop, or each order twice, also in each of the at
    most `inside` finer bars.
    """
    return MOST_FILLS_A_BAR if desk is None else 2 * (len(desk.orders) + 3) * (1 + inside)
