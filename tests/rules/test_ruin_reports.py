"""A ruined run is told as one, and no objective of a study and no verdict rewards it.

The bars are made so that the right answer is plain: up by a thousandth each hour, a fall of 60 % in
one bar, then up again. 30 units bought at about 100 with 1,000 of equity make 2,050 of it at 135,
and then lose 30 · 81 = 2,430; 10 units are worth 1,350 and lose 810.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from commenda.cli import backtest_tables as tables
from commenda.kernel import Bars, Costs
from commenda.strategies import (
    BarData,
    LegPlan,
    LegsPlan,
    Plan,
    read_bars,
    report_of,
)
from commenda.studies import (
    OBJECTIVES,
    Evidence,
    Grade,
    Outcome,
    Range,
    Split,
    Trial,
    TrialState,
    judge,
)
from commenda.studies.evaluate import evaluate, glimpse
from commenda.studies.plain import plain
from commenda.studies.rules import best_of, efficiency, heat_map, pareto_front, plateau, walked
from study_outcomes import HOUR, TREND, course, space

CRASH = 300
UP = {"fast": 2, "slow": 3, "band": 0.0, "stop": 0.0}


def falling() -> Bars:
    close = 100.0 * 1.001 ** np.arange(1, 401)
    close[CRASH:] *= 0.4
    opening = np.concatenate(([100.0], close[:-1]))
    opening[CRASH] = close[CRASH]  # at the open: no price in between
    high, low = np.maximum(opening, close), np.minimum(opening, close)
    return Bars(np.arange(400) * HOUR, opening, high, low, close, np.full(400, 1e6))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> BarData:
    bars, file = falling(), tmp_path_factory.mktemp("ruin") / "x_BTCUSDT_1h.parquet"
    names = ("open", "high", "low", "close", "volume")
    frame = pl.DataFrame({name: getattr(bars, name) for name in names})
    stamps = pl.Series("ts", bars.ts // 1_000 + 1_735_689_600_000_000).cast(
        pl.Datetime("us", "UTC")
    )
    frame.with_columns(stamps).write_parquet(file)
    return read_bars(file)


def plan(data: BarData, exposure: float) -> Plan:
    params = {**UP, "exposure": exposure}
    return Plan(TREND, params, data, None, Costs(0.0, 0.0), cash=1_000.0)


WHEN = "2025-01-13T13:00:00Z"
"""The close of bar number 300: 301 hours after the first of January."""


def test_a_ruined_run_says_when_and_what_is_owed(
    data: BarData, capsys: pytest.CaptureFixture
) -> None:
    made = plan(data, 3.0)
    report = report_of(made, made.run())
    assert report["metrics"]["ruinedAt"] == WHEN
    assert (report["metrics"]["finalEquity"], report["metrics"]["totalReturn"]) == (0.0, -1.0)
    assert (report["metrics"]["maxDrawdown"], report["metrics"]["sharpe"]) == (1.0, None)
    owed = report["execution"]["shortfall"]
    # 3 · 1,000 of units bought at the open p, worth 1,000 + (q - p) · units at the open q.
    p, q = (float(data.bars.open[bar]) for bar in (made.run().fills[0].bar, CRASH))
    assert owed == pytest.approx(-(1_000.0 + (q - p) * 3_000.0 / p))
    tables.show_report(report)
    said = " ".join(capsys.readouterr().out.split())
    assert "Ruined: nothing was left at 2025-01-13T13:00 UTC, and nothing was traded" in said
    assert f"{owed:,.2f} more were owed" in said


def test_an_account_of_several_legs_is_ruined_as_one(data: BarData) -> None:
    other = BarData(data.bars, replace(data.source, symbol="ETHUSDT", name="x_ETHUSDT_1h"))
    wild = {**UP, "exposure": 3.0}
    legs = tuple(LegPlan(wild, one, None, share=0.5) for one in (data, other))
    made = LegsPlan(TREND, legs, Costs(0.0, 0.0), cash=1_000.0)
    report = report_of(made, made.run())
    assert report["metrics"]["ruinedAt"] == WHEN


def test_a_run_that_is_not_ruined_says_nothing_of_it(data: BarData) -> None:
    made = plan(data, 1.0)
    report = report_of(made, made.run())
    assert report["metrics"]["ruinedAt"] is None
    assert report["metrics"]["finalEquity"] > 0.0


def test_a_comparison_names_the_ruined(data: BarData, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [(name, plan(data, exposure)) for name, exposure in (("calm", 1.0), ("wild", 3.0))]
    named = [(name, report_of(made, made.run())) for name, made in runs]
    tables.show_comparison(named)
    row = next(one for one in capsys.readouterr().out.splitlines() if "Ruined (UTC)" in one)
    assert row.split()[-2:] == ["-", "2025-01-13T13:00"]


# Studies


def outcomes(*exposures: float, aim: str) -> list[Trial]:
    programs = [TREND.bind(**UP, exposure=exposure) for exposure in exposures]
    found = evaluate(course(falling(), None, aim), programs)
    params = [{"exposure": exposure} for exposure in exposures]
    return [Trial(k, *pair) for k, pair in enumerate(zip(params, found, strict=True))]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_objective_rewards_ruin(name: str) -> None:
    calm, wild = outcomes(0.5, 3.0, aim=name)
    assert wild.outcome is not None
    assert (wild.outcome.state, wild.outcome.ruined) == (TrialState.COMPLETE, True)
    assert plain(wild.outcome.values) == [None]
    best = best_of([wild, calm], OBJECTIVES[name])
    if calm.outcome is not None and calm.outcome.values[0] is None:
        assert best is None  # no trade was closed: there is no profit factor
    else:
        assert best is calm
    assert best_of([wild], OBJECTIVES[name]) is None
    assert pareto_front([wild], [OBJECTIVES[name]]) == ()


def test_what_is_ruined_later_is_chosen_before_and_costs_the_walk() -> None:
    """Chosen where it was the best of all until then, as it would have been; then it was ruined."""
    whole = course(falling(), None, "total_return")
    split = Split((Range(0, 200),), Range(200, 400))
    after = Split((Range(310, 350),), Range(350, 400))
    over = replace(whole, splits=(split, after))
    found = evaluate(over, [TREND.bind(**UP, exposure=one) for one in (0.5, 3.0)])
    trials = [Trial(k, {"exposure": one}, found[k]) for k, one in enumerate((0.5, 3.0))]
    picked = walked(trials, OBJECTIVES["total_return"])
    assert [one.number for one in picked] == [1, 0]  # after its ruin it is nobody's choice
    assert picked[0].fold.test == -math.inf
    assert efficiency(picked) == -math.inf
    finding = verdict(efficiency=-math.inf)["efficiency"]
    assert finding == (Grade.OVERFIT, "what the walk forward chose was ruined out of sample")


def test_neighbours_that_were_ruined_are_no_plateau() -> None:
    trials = outcomes(0.9, 3.0, aim="total_return")
    grid = space("exposure=0.9|1|3")
    up = Trial(0, {"exposure": 1.0}, Outcome(TrialState.COMPLETE, values=(0.5,)))
    near = [up, *(Trial(1 + one.number, one.params, one.outcome) for one in trials)]
    assert plateau(near, up, grid, OBJECTIVES["total_return"], 1.0) == (-math.inf, 2)
    finding = verdict(plateau=-math.inf, neighbours=5)["plateau"]
    assert finding == (Grade.DOUBTFUL, "of 5 neighbours of the best some were ruined")


def test_a_cell_of_the_map_that_was_ruined_has_no_figure() -> None:
    grid = space("exposure=0.5|3,fast=2|4")
    trials = [
        Trial(one.number, {**one.params, "fast": 2.0}, one.outcome)
        for one in outcomes(0.5, 3.0, aim="total_return")
    ]
    drawn = plain(heat_map(trials, grid.dimensions[1], grid.dimensions[0]))
    assert sum(map(sum, drawn["counts"])) == 2
    assert [cell for row in drawn["cells"] for cell in row].count(None) == 3


def test_ruin_before_a_rung_is_hopeless() -> None:
    over = course(falling().between(250, 400), None)
    (seen,) = glimpse(over, [TREND.bind(**UP, exposure=3.0)], 1)
    assert seen.rungs == (-math.inf,)


def verdict(**known: object) -> dict[str, tuple[Grade, str]]:
    nothing = dict.fromkeys(
        ("sample", "overfitting", "loss", "efficiency", "holdout", "plateau", "interval")
    )
    given = {**nothing, "configurations": 1, "variance": 0.0, "neighbours": 0, "trades": 50}
    found = judge(Evidence(**{**given, **known}))  # type: ignore[arg-type]
    return {one.test: (one.grade, one.says) for one in found.findings}
