"""An index out of bounds is named by its line; compiled code would write there (numba#8028)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commenda import studies
from commenda.cli import app
from commenda.kernel import Bars, Program, keep_bounds
from commenda.kernel.bounds import interpreted
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    CATALOGUE,
    LegPlan,
    LegsPlan,
    find_strategy,
    read_bars,
    refuse_beyond_bounds,
)
from commenda.testing import Verdict, check_strategy, sample_bars

HEAD = (
    "from commenda.strategies import Param, strategy\nfrom commenda.kernel.indicators import sma\n"
    "from commenda.kernel import POSITION_SIDE\n"
)
RING = '''
@strategy(
    name="ring", version="1.0.0", params=[Param("length", default=5, low=2, high=50, kind=int)],
    state_size=lambda p: p["length"], warmup=lambda p: 0,
)
def ring(state, bar, position, params):
    """Keeps a ring of closes, and forgot the place of its pointer."""
    n = int(params[0])
    at = int(state[n])
    state[at % n] = bar[3]
    state[n] = at + 1.0
    return 1.0 if bar[3] > state[:n].mean() else -1.0
'''
SHORT = '''
@strategy(name="short", version="1.0.0", params=[], state_size=lambda p: 3, warmup=lambda p: 0)
def short(state, bar, position, params):
    """Lends an average less memory than it takes."""
    return 1.0 if bar[3] > sma(state, bar[3], 20) else -1.0
'''
EDGE = '''
@strategy(
    name="edge", version="1.0.0", params=[Param("lag", default=2, low=1, high=9, kind=int)],
    state_size=lambda p: 4, warmup=lambda p: 0,
)
def edge(state, bar, position, params):
    """Looks back as far as it is told."""
    state[int(params[0])] = bar[3]
    return 1.0 if bar[3] > 100.0 else -1.0
'''
SIDED = '''
@strategy(name="sided", version="1.0.0", params=[], state_size=lambda p: 2, warmup=lambda p: 0)
def sided(state, bar, position, params):
    """Has a place for the long side, one for both, and forgot the short one."""
    state[int(1.0 - position[POSITION_SIDE])] += 1.0
    return 1.0
'''
CANDLES = "ts,open,high,low,close,volume\n" + "".join(
    f"{1735689600 + 3600 * i},100,101,99,{100 + i % 2},10\n" for i in range(30)
)


def written(folder: Path, source: str) -> Path:
    path = folder / "mine.py"
    path.write_text(HEAD + source)
    return path


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [(RING, 12, "at = int(state[n])"), (SHORT, 8, "sma(state, bar[3], 20)")],
)
def test_the_check_names_the_line_and_runs_nothing_compiled(
    tmp_path: Path, source: str, line: int, text: str
) -> None:
    bounds, *others = check_strategy(find_strategy(str(written(tmp_path, source))))
    assert (bounds.check, bounds.verdict) == ("bounds", Verdict.FAILED)
    assert f"mine.py, line {line}, " in bounds.said
    assert text in bounds.said
    assert "at bar 0" in bounds.said
    assert {finding.verdict for finding in others} == {Verdict.UNCHECKED}


def test_an_edge_of_a_range_that_goes_too_far_is_named(tmp_path: Path) -> None:
    bounds, *_ = check_strategy(find_strategy(str(written(tmp_path, EDGE))))
    assert bounds.verdict is Verdict.FAILED
    assert bounds.said.startswith("lag = 9: ")


def test_the_commands_say_so_and_go_on_living(tmp_path: Path) -> None:
    mine, candles = written(tmp_path, RING), tmp_path / "x_BTCUSDT_1h.csv"
    candles.write_text(CANDLES)
    checked = CliRunner().invoke(app, ["strategy", "check", str(mine), "--json"])
    assert checked.exit_code == 1
    findings = json.loads(checked.stdout)["findings"]
    assert [finding["verdict"] for finding in findings[:2]] == ["failed", "unchecked"]
    run = CliRunner().invoke(app, ["backtest", str(mine), "--data", str(candles), "--check-bounds"])
    assert isinstance(run.exception, CommendaError)
    assert run.exception.code == "index_out_of_bounds"
    assert "mine.py, line 12, `at = int(state[n])`, at bar 0" in run.exception.message


def test_a_leg_is_looked_through_with_what_it_is_told(tmp_path: Path) -> None:
    mine = str(written(tmp_path, SIDED))
    candles = [tmp_path / f"x_{name}USDT_1h.csv" for name in ("BTC", "ETH")]
    for file in candles:
        file.write_text(CANDLES.replace(",10\n", f",{len(file.name)}\n"))
    bars = read_bars(candles[0]), read_bars(candles[1])
    legs = [LegPlan({}, one, None, share=0.5) for one in bars]
    refuse_beyond_bounds(LegsPlan(find_strategy(mine), tuple(legs)))
    both = ["backtest", mine, "--data", str(candles[0]), "--hedge", "--check-bounds"]
    error = CliRunner().invoke(app, both).exception
    assert isinstance(error, CommendaError)
    assert error.code == "index_out_of_bounds"
    assert "mine.py, line 8, `state[int(1.0 - position[POSITION_SIDE])] += 1.0`" in error.message


def test_a_study_is_looked_through_at_the_corners_of_its_space(tmp_path: Path) -> None:
    mine, candles = written(tmp_path, EDGE), tmp_path / "x_BTCUSDT_1h.csv"
    candles.write_text(CANDLES)
    wide = ["--space", "lag=1:9", "--check-bounds"]
    error = CliRunner().invoke(app, ["study", "run", str(mine), "--data", str(candles), *wide])
    assert isinstance(error.exception, CommendaError)
    assert error.exception.code == "index_out_of_bounds"
    assert "with lag=9: " in error.exception.message
    edge = find_strategy(str(mine))
    narrow = studies.space_of(edge, {"lag": "1:3"})
    material = studies.material_of_files(candles)
    studies.refuse_corners_beyond_bounds(edge, material, narrow, studies.Plan())


@pytest.mark.parametrize("strategy", CATALOGUE, ids=lambda each: each.name)
def test_a_step_interpreted_answers_what_it_answers_compiled(strategy: object) -> None:
    bars: Bars = sample_bars(1_500)
    program: Program = strategy.bind()  # type: ignore[attr-defined]
    keep_bounds(program, bars, cash=1_000.0)
    twin = interpreted(program.step)
    assert not hasattr(twin, "py_func")
    states = program.new_state(), program.new_state()
    position = bars.open[:6] * 0.0
    for i in range(len(bars)):
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        bar = bars.open[:5] * 0.0
        bar[:] = [column[i] for column in columns]
        answers = [
            step(state, bar, position, program.params)
            for step, state in zip((program.step, twin), states, strict=True)
        ]
        assert answers[0] == pytest.approx(answers[1], rel=1e-9, nan_ok=True)
