"""The golden backtest: sma_cross on real data, to the numbers two other engines agree on.

One unit at a time, 5 bp a side, next bar's open, no slippage and no funding, cash 1,000,000, the
open trade marked to the last close: 991,729.307500 after 133 closed trades and 1 open.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.kernel import Bars, Costs, Program, run
from commenda.strategies import as_bars, catalogue

CASH = 1_000_000
FEE = Decimal("0.0005")
EQUITY = Decimal("991729.307500")


@pytest.fixture
def bars(market_data: Path) -> Bars:
    return as_bars(pl.read_parquet(market_data / "binance_usdm_BTCUSDT_1m.parquet"))


@pytest.fixture
def cross() -> Program:
    return catalogue()["sma_cross"].bind(fast=50, slow=200)


def test_the_decisions_of_sma_cross_are_those_of_the_golden_backtest(
    bars: Bars, cross: Program
) -> None:
    # Exact decimal arithmetic over the prices as recorded: of the kernel, only the decisions.
    targets = run(cross, bars, cash=CASH).targets
    assert set(np.unique(targets)) == {0.0, 1.0}
    cash, held, entries, exits = Decimal(CASH), 0, 0, 0
    for i in (np.flatnonzero(np.diff(targets, prepend=0.0)) + 1).tolist():
        price = Decimal(repr(bars.open[i].item()))
        if held:
            cash += price * (1 - FEE)
            exits += 1
        else:
            cash -= price * (1 + FEE)
            entries += 1
        held = 1 - held
    assert cash + held * Decimal(repr(bars.close[-1].item())) == EQUITY
    assert (exits, entries - exits) == (133, 1)


def test_the_kernel_ends_the_golden_backtest_where_two_other_engines_end_it(
    bars: Bars, cross: Program
) -> None:
    costs = Costs(fee_bps=5.0, slippage_bps=0.0)
    result = run(cross, bars, cash=CASH, costs=costs, size=1.0)
    assert result.equity[-1] == pytest.approx(float(EQUITY), abs=1e-6)
    assert len(result.fills) == 2 * 133 + 1
