"""Whole runs on real data against engines that share no code with the kernel, to the last cent.

Both sides are given the same decisions, taken on closed bars, and fill them at the next open for
5 bp a side. Everything else is each engine's own: sizes, fees, cash, turning a position, marking.

- backtesting.py (AGPL; a dependency of these tests only, nothing of it is shipped or linked) runs
  one unit at a time. Examined and left: RaptorBT (MIT; a beta that asks the net for its version
  when imported), bt (MIT; 490 MB with what it needs, sizes orders net of fees), zipline-reloaded
  (Apache; wants calendars and bundles), nautilus_trader (LGPL), backtrader (GPL).
- vectorbt (Apache 2.0 with Commons Clause, so no dependency of ours) runs target exposures where
  somebody has installed it, as the bench does in an environment of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import backtesting as engine
import numpy as np
import pandas as pd
import polars as pl
import pytest

from commenda.kernel import Bars, Costs, Result, run
from commenda.strategies import as_bars, catalogue

CASH = 1_000_000.0
FEE = 0.0005
COSTS = Costs(fee_bps=5.0, slippage_bps=0.0)

on_real_bars = pytest.mark.parametrize(
    ("strategy", "asset"), [("ema_trend", "BTC"), ("donchian_breakout", "ETH")]
)


def real_bars(market_data: Path, asset: str) -> Bars:
    return as_bars(pl.read_parquet(market_data / f"binance_usdm_{asset}USDT_5m.parquet"))


def new_targets(result: Result) -> dict[int, float]:
    """The decisions by the bar that closed with them."""
    changed = np.flatnonzero(np.diff(result.targets, prepend=0.0))
    return {int(bar): float(result.targets[bar]) for bar in changed}


@on_real_bars
def test_a_run_of_fixed_size_is_that_of_backtesting_py(
    strategy: str, asset: str, market_data: Path
) -> None:
    bars = real_bars(market_data, asset)
    program = catalogue()[strategy].bind(stop=0.0)
    ours = run(program, bars, cash=CASH, costs=COSTS, size=1.0)
    theirs = backtesting_run(bars, new_targets(ours))

    assert np.abs(ours.equity - theirs["_equity_curve"]["Equity"].to_numpy()).max() < 1e-6
    trades = theirs["_trades"]
    assert len(trades) > 20
    assert set(trades["Size"]) == {1, -1}
    filled = {fill.bar: fill.price for fill in ours.fills}
    # The position still held is not among its trades.
    bars_and_prices = [(trades["EntryBar"], trades["EntryPrice"])]
    bars_and_prices.append((trades["ExitBar"], trades["ExitPrice"]))
    in_trades = {int(b): p for at, price in bars_and_prices for b, p in zip(at, price, strict=True)}
    assert in_trades.items() <= filled.items()
    assert len(filled) - len(in_trades) <= 1


def backtesting_run(bars: Bars, decisions: dict[int, float]) -> Any:
    """One unit on the side of each decision; it closes and opens by two orders."""

    class Follow(engine.Strategy):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            side = decisions.get(len(self.data) - 1)
            if side is None:
                return
            self.position.close()
            if side > 0.0:
                self.buy(size=1)
            elif side < 0.0:
                self.sell(size=1)

    columns = {
        "Open": bars.open,
        "High": bars.high,
        "Low": bars.low,
        "Close": bars.close,
        "Volume": bars.volume,
    }
    frame = pd.DataFrame(columns, index=pd.to_datetime(bars.ts))
    test = engine.Backtest(frame, Follow, cash=CASH, commission=FEE, finalize_trades=False)
    return test.run()


@on_real_bars
def test_a_run_of_target_exposure_is_that_of_vectorbt(
    strategy: str, asset: str, market_data: Path
) -> None:
    vectorbt = pytest.importorskip("vectorbt", reason="vectorbt is not installed: see the bench")
    bars = real_bars(market_data, asset)
    program = catalogue()[strategy].bind(stop=0.0, exposure=0.7)
    ours = run(program, bars, cash=CASH, costs=COSTS)
    sizes = np.full(len(bars), np.nan)
    for bar, target in new_targets(ours).items():
        sizes[bar + 1] = target
    theirs = vectorbt.Portfolio.from_orders(
        close=bars.close,
        price=bars.open,
        size=sizes,
        size_type="targetpercent",
        fees=FEE,
        init_cash=CASH,
    )
    assert np.abs(ours.equity - theirs.value().to_numpy()).max() < 1e-6
    orders = theirs.orders.records
    assert len(orders) > 20
    assert [fill.bar for fill in ours.fills] == orders["idx"].tolist()
    assert np.abs([fill.quantity for fill in ours.fills]) == pytest.approx(
        orders["size"].to_numpy()
    )
    assert ours.fees == pytest.approx(orders["fees"].sum())
