"""Strategies: the author's API, the catalogue and the backtest.

A strategy is a compiled step over closed bars, its parameters with their ranges, and a hard stop
that the engine enforces (`sdk.py`). `Strategy.bind` makes the program that the kernel's loop runs
in a backtest and its stepper runs live, with the same decisions to the last bit. The catalogue
holds three of different character, each long and short: `ema_trend` follows, `zscore_reversion`
fades, `donchian_breakout` waits for a new range. Their defaults suit 5-minute bars. `sma_cross`,
long or flat, is what engines are compared by.

Others come from installed packages and from files (`plugins.py`; `find_strategy` finds any), those
of strangers run behind walls (`sandbox.py`, `walls.py`), and what is registered is in the database
by name and version, with revisions of parameter sets (`registry.py`).
"""

from __future__ import annotations

from commenda.strategies.ahead import precompile
from commenda.strategies.asked import (
    BACKTESTS,
    ask_for_run,
    carry_out,
    run_backtest_workflow,
)
from commenda.strategies.backtest import Backtest, Metrics, Trade, backtest, round_trips
from commenda.strategies.bodies import BacktestRequest, RunRequest
from commenda.strategies.book import sample_book
from commenda.strategies.bounds import keep_within, refuse_beyond_bounds
from commenda.strategies.checks import CHECKS
from commenda.strategies.data import (
    BarData,
    DataSource,
    FundingData,
    SampledBook,
    as_bars,
    imported_bars,
    imported_funding,
    read_bars,
    read_funding,
    stored_market,
    stored_rates,
)
from commenda.strategies.depth import DepthPlan, read_book
from commenda.strategies.depth_sdk import DepthStrategy, depth_strategy
from commenda.strategies.faults import UNCOMPILED, refuse_warmup, run_program
from commenda.strategies.funding import funding_between, refuse_gaps
from commenda.strategies.legs import LegPlan, LegsPlan
from commenda.strategies.model import RunCosts, RunTerms
from commenda.strategies.plan import Plan, costs_of, terms_at, terms_of
from commenda.strategies.plan import plain as plain_terms
from commenda.strategies.plugins import Plugin
from commenda.strategies.queries import Status, strategy_called
from commenda.strategies.registry import (
    Registrar,
    keep_params,
    move,
    register,
    register_catalogue,
)
from commenda.strategies.repeat import Files, repeat_plan
from commenda.strategies.report import report_of
from commenda.strategies.runs import (
    BacktestReport,
    BacktestSummary,
    Difference,
    Kept,
    compared,
    differences,
    find_run,
    keep,
    kept_run,
    kept_runs,
    name_of,
    shown_of,
    shown_run,
)
from commenda.strategies.sandbox import Limits, SandboxedRun, run_sandboxed, try_walls
from commenda.strategies.sdk import (
    Conflict,
    Param,
    Strategy,
    is_constant,
    reached,
    source_hash,
    strategy,
)
from commenda.strategies.shipped import (
    CATALOGUE,
    catalogue,
    find_depth_strategy,
    find_installed,
    find_strategy,
    installed_plugins,
    reference_to,
)
from commenda.strategies.walls import WALLS

__all__ = [
    "BACKTESTS",
    "CATALOGUE",
    "CHECKS",
    "UNCOMPILED",
    "WALLS",
    "Backtest",
    "BacktestReport",
    "BacktestRequest",
    "BacktestSummary",
    "BarData",
    "Conflict",
    "DataSource",
    "DepthPlan",
    "DepthStrategy",
    "Difference",
    "Files",
    "FundingData",
    "Kept",
    "LegPlan",
    "LegsPlan",
    "Limits",
    "Metrics",
    "Param",
    "Plan",
    "Plugin",
    "Registrar",
    "RunCosts",
    "RunRequest",
    "RunTerms",
    "SampledBook",
    "SandboxedRun",
    "Status",
    "Strategy",
    "Trade",
    "as_bars",
    "ask_for_run",
    "backtest",
    "carry_out",
    "catalogue",
    "compared",
    "costs_of",
    "depth_strategy",
    "differences",
    "find_depth_strategy",
    "find_installed",
    "find_run",
    "find_strategy",
    "funding_between",
    "imported_bars",
    "imported_funding",
    "installed_plugins",
    "is_constant",
    "keep",
    "keep_params",
    "keep_within",
    "kept_run",
    "kept_runs",
    "move",
    "name_of",
    "plain_terms",
    "precompile",
    "reached",
    "read_bars",
    "read_book",
    "read_funding",
    "reference_to",
    "refuse_beyond_bounds",
    "refuse_gaps",
    "refuse_warmup",
    "register",
    "register_catalogue",
    "repeat_plan",
    "report_of",
    "round_trips",
    "run_backtest_workflow",
    "run_program",
    "run_sandboxed",
    "sample_book",
    "shown_of",
    "shown_run",
    "source_hash",
    "stored_market",
    "stored_rates",
    "strategy",
    "strategy_called",
    "terms_at",
    "terms_of",
    "try_walls",
]
