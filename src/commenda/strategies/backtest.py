"""A strategy over recorded bars: the equity curve, the fills and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from commenda.kernel import Array, Bars, BookSamples, Costs, Counts, Fill, Funding, Terms
from commenda.kernel.bars import SECOND
from commenda.kit.errors import CommendaError
from commenda.market import missing_between, other_interval
from commenda.returns import (
    Year,
    max_drawdown,
    period_returns,
    sharpe,
    sortino,
    win_rate,
    year_of,
)
from commenda.strategies.data import as_bars
from commenda.strategies.faults import run_program
from commenda.strategies.funding import nanoseconds, refuse_gaps
from commenda.strategies.sdk import Strategy


class Trade(NamedTuple):
    """One position from flat (or the other side) to flat: bars, side, profit after fees.

    Profit is in quote currency, slippage included, funding not: that is a total of the run.
    """

    opened: int
    closed: int
    side: int
    profit: float


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a run amounts to. Ratios as fractions, money in quote currency.

    Sharpe and Sortino are of the returns bar by bar against a rate of zero, annualised by the root
    of the `year`'s periods; None where undefined. `trades` and `win_rate` count closed
    trades. `funding` is what was paid, negative when received.
    """

    total_return: float
    max_drawdown: float
    sharpe: float | None
    sortino: float | None
    year: Year
    trades: int
    win_rate: float | None
    target_changes: int
    fees: float
    slippage: float
    funding: float


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """One run and everything needed to repeat it.

    `equity` and `targets` have one value for each bar's close (`ts` are the bars' open times, in
    nanoseconds UTC). `funding_charged` False says that funding was left out on request;
    `funding_estimated` how many stamps were priced at a candle's close for want of a mark price;
    `missing_bars` how many candles the recording lacks. `counts` is what the run met with: bars
    whose inside order was unknown, fills cut short, shortfalls.
    """

    strategy: str
    version: str
    source_hash: str
    params: Mapping[str, float]
    interval: timedelta
    costs: Costs
    cash: float
    ts: np.ndarray[tuple[int], np.dtype[np.int64]]
    equity: Array
    targets: Array
    fills: tuple[Fill, ...]
    trades: tuple[Trade, ...]
    metrics: Metrics
    funding_charged: bool
    funding_estimated: int
    missing_bars: int
    size: float | None
    terms: Terms
    counts: Counts


def backtest(
    strategy: Strategy,
    params: Mapping[str, object],
    bars: Bars | pl.DataFrame,
    *,
    interval: timedelta,
    funding: Funding | None,
    costs: Costs | None = None,
    cash: float = 10_000.0,
    funding_every: timedelta | None = None,
    size: float | None = None,
    terms: Terms | None = None,
    finer: Bars | None = None,
    samples: BookSamples | None = None,
    periods_per_year: float | None = None,
) -> Backtest:
    """Run `strategy` with `params` over `bars` of one `interval`, from `cash` in quote currency.

    A target of 1 is the account's whole equity, or `size` units where that is given. `terms` are
    the venue's beyond its costs; `finer` bars resolve those whose inside order is unknown;
    takers walk the books of `samples`.

    `funding` must be complete over the run (see `refuse_gaps`); None charges none, and the result
    says so. Ratios are annualised as the bars' calendar has it (`returns.year_of`), or by
    `periods_per_year`. Codes of `faults.watch`.
    """
    bars = bars if isinstance(bars, Bars) else as_bars(bars)
    missing = count_missing(bars, interval)
    if funding is not None:
        refuse_gaps(funding, bars, funding_every)
    costs, terms = costs or Costs(), terms or Terms()
    result = run_program(
        strategy.bind(**params),
        bars,
        cash=cash,
        funding=funding,
        costs=costs,
        size=size,
        terms=terms,
        finer=finer,
        samples=samples,
    )
    trades = round_trips(result.fills)
    return Backtest(
        strategy=strategy.name,
        version=strategy.version,
        source_hash=strategy.source_hash,
        params=strategy.resolve(params),
        interval=interval,
        costs=costs,
        cash=cash,
        ts=bars.ts,
        equity=result.equity,
        targets=result.targets,
        fills=result.fills,
        trades=trades,
        metrics=measured(
            np.concatenate(([cash], result.equity)),
            trades,
            year_of(bars.ts, interval, periods_per_year),
            target_changes=int(np.count_nonzero(np.diff(result.targets, prepend=0.0))),
            fees=result.fees,
            slippage=result.slippage,
            funding=result.funding,
        ),
        funding_charged=funding is not None,
        funding_estimated=funding.estimated if funding is not None else 0,
        missing_bars=missing,
        size=size,
        terms=terms,
        counts=result.counts,
    )


def measured(
    curve: Array,
    trades: Sequence[Trade],
    year: Year,
    *,
    target_changes: int,
    fees: float,
    slippage: float,
    funding: float,
) -> Metrics:
    """What a run amounts to by its equity `curve`, the cash before the first bar included."""
    return Metrics(
        *ratios(curve, year),
        year=year,
        trades=len(trades),
        win_rate=win_rate([trade.profit for trade in trades]),
        target_changes=target_changes,
        fees=fees,
        slippage=slippage,
        funding=funding,
    )


def ratios(curve: Array, year: Year) -> tuple[float, float, float | None, float | None]:
    """Total return, greatest drawdown, Sharpe and Sortino of a strategy's curve or a benchmark's.

    A curve that reached zero has neither ratio.
    """
    returns = period_returns(curve) if curve.min() > 0.0 else np.empty(0)
    return (
        float(curve[-1] / curve[0] - 1.0),
        max_drawdown(curve),
        sharpe(returns, periods_per_year=year.periods),
        sortino(returns, periods_per_year=year.periods),
    )


def count_missing(bars: Bars, interval: timedelta) -> int:
    """How many bars the recording lacks; CommendaError `bad_bars` if it is of another interval."""
    if len(bars) < 2:
        raise CommendaError("bad_bars", "a backtest needs at least two bars").at(
            "bars", len(bars), "choose a longer period"
        )
    step = nanoseconds(interval)
    if (np.diff(bars.ts) == step).all():
        return 0
    told = other_interval(pl.Series(bars.ts).cast(pl.Datetime("ns", "UTC")), step // SECOND)
    if told is not None:
        raise CommendaError("bad_bars", f"bars are {told} s apart, not {interval}").at(
            "interval", interval, "state the interval of the bars given"
        )
    return int(missing_between(bars.ts, step).sum())


def round_trips(fills: Iterable[Fill]) -> tuple[Trade, ...]:
    """Closed trades, in order. A fill that turns the position ends one trade and opens the next.

    Its fee is divided between the two by quantity.
    """
    trades: list[Trade] = []
    held, flow, opened = 0.0, 0.0, 0
    for fill in fills:
        turns = held * fill.held < 0.0
        closing = -held if turns else fill.quantity
        fee = fill.fee * (closing / fill.quantity)
        if held == 0.0:
            flow, opened = 0.0, fill.bar
        flow -= closing * fill.price + fee
        if turns or fill.held == 0.0:
            trades.append(Trade(opened, fill.bar, 1 if held > 0.0 else -1, flow))
        if turns:
            flow, opened = -fill.held * fill.price - (fill.fee - fee), fill.bar
        held = fill.held
    return tuple(trades)
