"""Strategies: the author's API, the catalogue and the backtest.

A strategy is a compiled step over closed bars, its parameters with their ranges, and a hard stop
that the engine enforces (`sdk.py`). `Strategy.bind` makes the program that the kernel's loop runs
in a backtest and its stepper runs live, with the same decisions to the last bit. The catalogue
holds three of different character, each long and short: `ema_trend` follows, `zscore_reversion`
fades, `donchian_breakout` waits for a new range. Their defaults suit 5-minute bars.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from commenda.strategies.backtest import Backtest, Metrics, Trade, as_bars, backtest
from commenda.strategies.donchian_breakout import donchian_breakout
from commenda.strategies.ema_trend import ema_trend
from commenda.strategies.funding import funding_between, refuse_gaps
from commenda.strategies.sdk import Conflict, Param, Strategy, source_hash, strategy
from commenda.strategies.zscore_reversion import zscore_reversion

CATALOGUE: tuple[Strategy, ...] = (ema_trend, zscore_reversion, donchian_breakout)

_BY_NAME = MappingProxyType({each.name: each for each in CATALOGUE})


def catalogue() -> Mapping[str, Strategy]:
    """The strategies that come with Commenda, by name; read-only."""
    return _BY_NAME


__all__ = [
    "CATALOGUE",
    "Backtest",
    "Conflict",
    "Metrics",
    "Param",
    "Strategy",
    "Trade",
    "as_bars",
    "backtest",
    "catalogue",
    "funding_between",
    "refuse_gaps",
    "source_hash",
    "strategy",
]
