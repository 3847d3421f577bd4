"""vectorbt or backtesting.py, in their own environment: `python peers.py NAME BARS.npy`.

Run by `bench.backtests` with the peers' Python, so it imports nothing of ours. Reads one task a
line and answers each with one line of JSON. `BARS.npy` has rows of open, high, low, close, volume.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FEE = 0.0005
CASH = 1_000_000.0
STATUS = Path("/proc/self/status")
CHUNK = 5
"""Pairs at a time in vectorbt's sweep, which keeps a dozen arrays of bars x pairs. With 10 and 20
it was no faster and took twice and four times the memory."""

Answer = dict[str, Any]


def vectorbt_tasks(table: Any) -> dict[str, Callable[[Any], Answer]]:
    """The cross and the sweep, by vectorbt."""
    import pandas as pd
    import vectorbt as vbt

    opens, closes = pd.Series(table[0]), pd.Series(table[3])

    def crossed(fast: Any, slow: Any) -> Any:
        quick, steady = vbt.MA.run(closes, fast), vbt.MA.run(closes, slow)
        return vbt.Portfolio.from_signals(
            closes,
            quick.ma_crossed_above(steady).vbt.signals.fshift(),
            quick.ma_crossed_below(steady).vbt.signals.fshift(),
            price=opens,  # of the bar after the one that closed with the signal
            size=1.0,
            fees=FEE,
            init_cash=CASH,
            freq="5min",
        )

    def cross(task: Any) -> Answer:
        begun = time.perf_counter()
        portfolio = crossed(task["fast"], task["slow"])
        simulated = time.perf_counter() - begun
        equity = portfolio.value()
        seconds = time.perf_counter() - begun
        fills = int(portfolio.orders.count())
        final = float(equity.iloc[-1])
        return {"seconds": seconds, "simulated": simulated, "equity": final, "fills": fills}

    def sweep(task: Any) -> Answer:
        pairs = task["pairs"]
        equity: list[float] = []
        drawdown: list[float] = []
        begun = time.perf_counter()
        for start in range(0, len(pairs), CHUNK):
            fast, slow = zip(*pairs[start : start + CHUNK], strict=True)
            portfolio = crossed(list(fast), list(slow))
            equity += portfolio.final_value().tolist()
            drawdown += (-portfolio.max_drawdown()).tolist()
            portfolio.sharpe_ratio()
            portfolio.orders.count()
            gc.collect()  # a portfolio refers to itself: without this they pile up
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "equity": equity, "drawdown": drawdown, "chunk": CHUNK}

    return {"cross": cross, "sweep": sweep}


def backtesting_tasks(table: Any) -> dict[str, Callable[[Any], Answer]]:
    """The cross, by backtesting.py."""
    import backtesting
    import pandas as pd

    columns = dict(zip(("Open", "High", "Low", "Close", "Volume"), table, strict=True))
    stamps = pd.date_range("2024-01-01", periods=table.shape[1], freq="5min")
    frame = pd.DataFrame(columns, index=stamps)

    def mean(values: Any, length: int) -> Any:
        return pd.Series(values).rolling(length).mean()

    class Cross(backtesting.Strategy):  # type: ignore[misc, unused-ignore]
        fast, slow = 50, 200

        def init(self) -> None:
            self.quick = self.I(mean, self.data.Close, self.fast)
            self.steady = self.I(mean, self.data.Close, self.slow)
            self.below = False

        def next(self) -> None:
            if self.quick[-1] <= self.steady[-1]:
                self.below = True
                if self.position:
                    self.position.close()
            elif self.below and not self.position:
                self.buy(size=1)

    def cross(task: Any) -> Answer:
        begun = time.perf_counter()
        test = backtesting.Backtest(frame, Cross, cash=CASH, commission=FEE, finalize_trades=False)
        shown = test.run(fast=task["fast"], slow=task["slow"])
        seconds = time.perf_counter() - begun
        curve = shown["_equity_curve"]["Equity"]
        return {"seconds": seconds, "equity": float(curve.iloc[-1])}

    return {"cross": cross}


PEERS = {"vectorbt": vectorbt_tasks, "backtesting": backtesting_tasks}


def peak_bytes() -> int:
    """Peak resident memory of this process; 0 where the system is not Linux.

    getrusage would count what the parent had before exec.
    """
    if not STATUS.exists():
        return 0
    for line in STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Answer tasks until there are no more."""
    warnings.simplefilter("ignore")
    # What the peers print must not come between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    tasks = PEERS[sys.argv[1]](np.load(sys.argv[2]))
    for line in sys.stdin:
        task = json.loads(line)
        answer = tasks[task["do"]](task) | {"peak": peak_bytes()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
