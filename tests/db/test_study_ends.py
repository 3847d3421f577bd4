"""Studies of which trials are ruined, that take leverage, and that need more memory than they may.

The history rises by a thousandth each hour and falls by 60 % in one: three times the equity is gone
then, once is not (worked out in `tests/rules/test_ruin_reports.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.strategies import catalogue
from commenda.studies import Plan, Sampler, find_study, material_of_files, report_of, summary
from commenda.studies.queries import count_trials
from processes import Process
from study_histories import candles, search, start, trials

TREND = catalogue()["ema_trend"]
FIXED = {"fast": 2, "slow": 3, "band": 0.0, "stop": 0.0}
HUNGRY = '''from commenda.strategies import Param, strategy


@strategy(name="hungry", version="1.0.0", params=[Param("size", 1, 0, 9, int)], python=True,
          state_size=lambda p: 1, warmup=lambda p: 0)
def hungry(state, bar, position, params):
    """Takes two gigabytes of memory."""
    return float(len(bytearray(1 << 31)) > 0)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    steps = np.full(400, math.log(1.001))
    steps[300] = math.log(0.4)
    return candles(tmp_path / "fall.parquet", np.cumsum(steps))


def test_a_ruined_trial_is_kept_counted_and_never_the_best(db: Database, file: Path) -> None:
    material = material_of_files(file)
    plan = Plan(sampler=Sampler.GRID, walk=None, objectives=("total_return", "turnover"))
    study = start(db, material, plan, TREND, "exposure=0.5|3", FIXED)
    result = search(db, study, material, TREND)
    assert result is not None
    by_exposure = {one.params["exposure"]: one.outcome for one in trials(db, study)}
    ruined, calm = by_exposure[3.0], by_exposure[0.5]
    assert ruined is not None
    assert calm is not None
    # Read back from the database as they were written: less turnover is better, more return is.
    assert ruined.values == (-math.inf, math.inf)
    assert ruined.ruined
    assert not calm.ruined
    assert result["best"]["params"]["exposure"] == 0.5
    assert result["front"] == [result["best"]["number"]]
    with db.transaction() as tx:
        stored = find_study(tx, study.id)
        assert stored is not None
        said = summary(stored, count_trials(tx, study.id))
        drawn = report_of(tx, stored)
    assert (said["ran"], said["ruined"], said["refused"]) == (2, 1, 0)
    assert (said["periods_per_year"], said["calendar"]) == (8_760, "every_day")
    assert [(one.ruined, tuple(one.values)) for one in drawn.trials] == [
        (False, calm.values),
        (True, (None, None)),
    ]
    # The ledger counts what was ruined: it was tried.
    assert result["evidence"]["configurations"] == 2


def test_a_study_of_nothing_but_ruin_says_so(db: Database, file: Path) -> None:
    material = material_of_files(file)
    plan = Plan(sampler=Sampler.GRID, walk=None)
    study = start(db, material, plan, TREND, "exposure=2.5|3", FIXED)
    with pytest.raises(CommendaError) as refused:
        search(db, study, material, TREND)
    assert refused.value.code == "nothing_ran"
    assert refused.value.message == "No configuration has a sharpe: 2 were ruined, 0 have none"


@pytest.fixture
def shell(db: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)

    def command(*words: str) -> Any:
        given = ["study", *words, "--nice", "0", "--memory", "0", "--json"]
        result = CliRunner().invoke(app, given, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return command


def test_leverage_and_a_year_are_options_of_a_study(shell: Callable[..., Any], file: Path) -> None:
    asked = (
        "run", "ema_trend", "--data", str(file), "--space", "exposure=0.5|0.6", "--params",
        "fast=2,slow=3,band=0,stop=0", "--sampler", "grid", "--walk-forward", "none",
        "--objective", "sharpe",
    )  # fmt: skip
    free = shell(*asked)
    yearly = shell(*asked, "--periods-per-year", "252")
    assert yearly["calendar"] == "given"
    assert yearly["value"] / free["value"] == pytest.approx(math.sqrt(252 / 8_760))
    # A leverage of 1 leaves half the equity as it is, and has the terms written down.
    margined = shell(*asked, "--leverage", "1", "--lot", "0.001")
    assert margined["value"] == pytest.approx(free["value"], rel=1e-2)
    assert margined["id"] != free["id"]


def test_a_study_that_needs_more_memory_names_the_option(
    db: Database, file: Path, tmp_path: Path
) -> None:
    step = tmp_path / "hungry.py"
    step.write_text(HUNGRY, "utf-8")
    process = Process(
        tmp_path / "log", "study", "run", str(step), "--data", str(file), "--space", "size=0:5",
        "--walk-forward", "none", "--memory", "768", COMMENDA_DATABASE_URL=db.owner_url,
    )  # fmt: skip
    assert process._process.wait(120) == 2
    said = process.written()
    assert "out_of_memory A process of the study needed more than 768 MB" in said
    assert "--memory = 768" in said
    assert "then: commenda study resume" in said
    assert "Traceback" not in said
