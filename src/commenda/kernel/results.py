"""What a run over bars left behind: fills, counts and curves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np

from commenda.kernel import account as book
from commenda.kernel import desk as at
from commenda.kernel.bars import Array
from commenda.kernel.desk import Desk
from commenda.kernel.orders import REFUSED


class FillKind(StrEnum):
    """Why a fill happened: a new target, one of the engine's stops, or an order of the strategy."""

    TARGET = "target"
    STOP = "stop"
    TRAILING = "trailing"
    EQUITY_CURVE = "equity_curve"
    ACCOUNT = "account"
    TIME = "time"
    LIQUIDATION = "liquidation"
    MARKET = "market"
    LIMIT = "limit"
    STOP_ORDER = "stop_order"


KINDS = tuple(FillKind)
"""By the numbers KIND_ of account.py."""


class Fill(NamedTuple):
    """One fill in bar number `bar`: signed units and the units held after it, price with slippage,
    fee in quote currency, why, and whether a resting order of ours was filled.
    """

    bar: int
    quantity: float
    held: float
    price: float
    fee: float
    kind: FillKind
    maker: bool


class Counts(NamedTuple):
    """What a run met with; all but the shortfall at its desk, and zero in a plain run.

    `ambiguous` bars whose order of events is unknown and were taken the poorer way, `refined` bars
    played on finer ones for that reason (those still unknown there count as ambiguous as well);
    `short_filled` times that liquidity was short; `clamped` targets and orders cut down to the
    leverage; `refused` orders; `shortfall` in quote currency beyond the collateral, which the
    venue or the lender bore when the account was liquidated or ruined;
    `mean_share` and `greatest_share` of a bar's volume taken, over the bars with fills.
    """

    ambiguous: int = 0
    refined: int = 0
    short_filled: int = 0
    clamped: int = 0
    refused: int = 0
    shortfall: float = 0.0
    mean_share: float = 0.0
    greatest_share: float = 0.0


@dataclass(frozen=True, eq=False)
class Result:
    """What a run left behind. Money is in quote currency.

    `equity` is marked at each close; `targets` holds the standing target after each close (0 until
    the first decision); `fill_table` has the fills in its rows, with the columns of `account.py`;
    `funding` is what was paid, negative when received; `account` is the final account, laid out as
    in `account.py`. `ruined_at` is the bar in which the equity was gone, None if it never was: the
    equity is 0 from its close on, and nothing is traded any more.
    """

    equity: Array
    targets: Array
    fill_table: Array
    fees: float
    slippage: float
    funding: float
    account: Array
    counts: Counts

    @property
    def ruined_at(self) -> int | None:
        return int(self.account[book.RUIN]) - 1 if self.account[book.RUIN] > 0.0 else None

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """The fills in order, made when first asked for: a search over parameters never asks."""
        return as_fills(self.fill_table)


def result_of(
    equity: Array, targets: Array, fill_table: Array, account: Array, desk: Desk | None
) -> Result:
    """The result of a run that ended with this account."""
    fees, slippage, funding = account[[book.FEES, book.SLIPPAGE, book.FUNDING_PAID]].tolist()
    counts = as_counts(account, desk)
    return Result(equity, targets, fill_table, fees, slippage, funding, account, counts)


def as_fills(table: Array) -> tuple[Fill, ...]:
    """Rows of a table of fills as named tuples."""
    bar, *amounts, kind, maker = table.T
    columns = (
        bar.astype(np.int64).tolist(),
        *(amount.tolist() for amount in amounts),
        [KINDS[number] for number in kind.astype(np.int64).tolist()],
        (maker == 1.0).tolist(),
    )
    return tuple(map(Fill._make, zip(*columns, strict=True)))


def as_counts(account: Array, desk: Desk | None) -> Counts:
    """What happened to an account, by its desk's tallies."""
    if desk is None:
        return Counts(shortfall=account.item(book.SHORTFALL))
    tally = desk.tally.tolist()
    return Counts(
        ambiguous=int(tally[at.AMBIGUOUS]),
        refined=int(tally[at.REFINED]),
        short_filled=int(tally[at.SHORT_FILLED]),
        clamped=int(tally[at.CLAMPED]),
        refused=int(desk.orders[0, REFUSED]),
        shortfall=account.item(book.SHORTFALL),
        mean_share=tally[at.SHARE_SUM] / max(tally[at.SHARE_BARS], 1.0),
        greatest_share=tally[at.SHARE_MOST],
    )
