"""The machine in a replayed business, and what each ability brings: pairs that differ in one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from commenda.automation import ability_named
from commenda.automation.optimising import CalendarTerms
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.simulate import compare, load_scenario, machine, replay, simulate
from commenda.simulate.compare import Arm, arms, paid, variant
from commenda.simulate.outcome import FIGURES, Outcome
from commenda.simulate.scenario import Scenario
from commenda.studies import run_here
from scenario_runs import SCENARIO

STEERED = """
[abilities]
rebalance = "acting"

[[portfolios]]
name = "house"
capital = "20000"
creators = ["c0", "c3", "c6"]
rules = { method = "target_volatility", target_volatility = 0.1, cap = 0.5 }
"""


def written(folder: Path, more: str = STEERED) -> Path:
    path = folder / "steered.toml"
    path.write_text(SCENARIO + more)
    return path


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    return load_scenario(written(tmp_path))


def report(scenario: Scenario, data: Path, **told: Any) -> dict[str, Any]:
    result = simulate(scenario, data, **told)
    return json.loads(json.dumps({name: one for name, one in result.items() if name != "timings"}))  # type: ignore[no-any-return]


def test_it_acts_in_a_replay_and_the_same_after_being_cut_short_anywhere(
    scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = report(scenario, tmp_path / "whole")
    (row,) = whole["machine"]["abilities"]
    assert row["ability"] == "rebalance"
    assert row["done"] >= 2
    assert row["measured"] >= 1
    assert whole["verify"] == {"clean": True, "findings": []}
    assert whole["reconciliation"]["unexplained"] == "0"

    class Cut(Exception):
        pass

    def at_tick(done: int, _: int) -> None:
        if done == 77:
            raise Cut

    look, looks = machine.look, 0

    def cut_while_deciding(*told: Any) -> None:
        nonlocal looks
        look(*told)
        looks += bool(told[2])
        if looks == 120:
            raise Cut

    with pytest.raises(Cut):
        report(scenario, tmp_path / "cut", progress=at_tick)
    monkeypatch.setattr(machine, "look", cut_while_deciding)
    looks = 80
    with pytest.raises(Cut):
        report(scenario, tmp_path / "cut")
    monkeypatch.undo()
    assert report(scenario, tmp_path / "cut") == whole


def test_without_an_ability_nothing_of_it_is_decided(scenario: Scenario, tmp_path: Path) -> None:
    less = variant(scenario, Arm(scenario.seed, 0, "rebalance"))
    assert report(less, tmp_path / "less")["machine"]["abilities"] == []


def test_each_pair_differs_in_one_ability(scenario: Scenario) -> None:
    todo = arms(scenario, 2, 3)
    assert [(one.seed - scenario.seed, one.window, one.without) for one in todo] == [
        (seed, window, without)
        for seed in (0, 1)
        for window in (0, 1, 2)
        for without in (None, "rebalance")
    ]
    late = variant(scenario, todo[4])
    assert (late.start - scenario.start).days == 2 * scenario.days
    assert late.digest != scenario.digest


def test_what_an_ability_brought_is_the_mean_over_the_pairs_with_its_interval() -> None:
    # With it less without it: returns 1 %, 2 %, 3 %, 4 %; the same turnover always.
    found = {}
    for window, brought in enumerate((0.01, 0.02, 0.03, 0.04)):
        found[Arm(7, window, None)] = Outcome(0.10 + brought, 0.05, 4.0, 0.002)
        found[Arm(7, window, "rebalance")] = Outcome(0.10, 0.06, 4.0, 0.001)
    rows = {one.figure: one for one in paid(found, {"rebalance": 9}, 7)}
    assert tuple(rows) == FIGURES
    gain = rows["total_return"]
    assert (gain.mean, gain.pairs, gain.decisions) == (pytest.approx(0.025), 4, 9)
    assert gain.low is not None
    assert gain.high is not None
    assert 0.01 <= gain.low < 0.025 < gain.high <= 0.04
    assert (rows["drawdown"].mean, rows["drawdown"].low) == (
        pytest.approx(-0.01), pytest.approx(-0.01),
    )  # fmt: skip
    assert (rows["turnover"].low, rows["turnover"].high) == (0.0, 0.0)


def test_compare_replays_every_arm(tmp_path: Path) -> None:
    text = (SCENARIO + STEERED).replace("days = 6", "days = 4")
    path = tmp_path / "short.toml"
    path.write_text(text)
    told: list[str] = []
    result = compare(load_scenario(path), 1, 1, lambda done, total, name: told.append(name))
    assert told == ["seed 41, window 1, without None", "seed 41, window 1, without rebalance"]
    assert [one["figure"] for one in result["paid"]] == list(FIGURES)
    ((_, with_it), (_, without)) = [(run["without"], run) for run in result["runs"]]
    rows = {one["figure"]: one["mean"] for one in result["paid"]}
    for figure in FIGURES:
        assert rows[figure] == pytest.approx(with_it[figure] - without[figure])
    assert rows["turnover"] != 0.0


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ('[abilities]\nrebalnce = "acting"\n', "abilities.rebalnce"),
        ('[abilities]\nrebalance = "on"\n', "abilities.rebalance"),
        ('[[portfolios]]\nname = "a"\ncapital = "1"\ncreators = ["x"]\n', "portfolios.creators"),
        (
            '[[portfolios]]\nname = "a"\ncapital = "1"\ncreators = ["c0"]\nrules = { cap = 2 }\n',
            "portfolios[0].rules.cap",
        ),
    ],
)
def test_what_is_wrong_with_abilities_names_its_field(
    tmp_path: Path, more: str, field: str
) -> None:
    with pytest.raises(CommendaError) as caught:
        load_scenario(written(tmp_path, more))
    assert (caught.value.code, caught.value.field) == ("bad_scenario", field)


def test_nothing_to_compare_is_said(tmp_path: Path) -> None:
    plain = load_scenario(written(tmp_path, ""))
    with pytest.raises(CommendaError) as caught:
        arms(plain, 1, 1)
    assert caught.value.code == "nothing_to_compare"


class Brief(CalendarTerms):
    """A search that is soon done, every day."""

    trials: int = 8
    folds: int = 2
    least_bars: int = 100
    spread: float = 1.2
    rhythm: Literal["none", "daily", "weekly", "monthly"] = "daily"
    cooldown_hours: float = 0.0


def test_a_replay_runs_the_studies_that_it_begins_and_the_same_after_being_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brief = replace(ability_named("calendar"), terms=Brief)
    monkeypatch.setattr(machine, "ABILITIES", (brief,))
    searched = load_scenario(written(tmp_path, '[abilities]\ncalendar = "acting"\n'))
    whole = report(searched, tmp_path / "whole")
    (row,) = whole["machine"]["abilities"]
    assert row["ability"] == "calendar"
    assert row["measured"] >= 1

    class Cut(Exception):
        pass

    studies = 0

    def cut_after_studies(database: Database) -> int:
        nonlocal studies
        studies += run_here(database)
        if studies:
            raise Cut
        return studies

    monkeypatch.setattr(replay, "run_here", cut_after_studies)
    with pytest.raises(Cut):
        report(searched, tmp_path / "cut")
    monkeypatch.setattr(replay, "run_here", run_here)
    assert report(searched, tmp_path / "cut") == whole
