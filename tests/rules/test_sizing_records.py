"""From a file of returns to the weights of a portfolio, as `commenda portfolio` shows them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from commenda.cli import app
from commenda.kit.errors import CommendaError
from commenda.portfolios import (
    Easing,
    Method,
    SizingRules,
    common,
    read_record,
    returns_of,
    risk_budget_weights,
    size,
)

NAMES = ("trend", "breakout", "carry", "reversion")


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    rng = np.random.default_rng(3)
    shared = 0.6 * rng.normal(size=(300, 1)) + rng.normal(size=(300, 4))
    return np.round(0.01 * shared * [1, 2, 0.5, 1.5] + [0.001, 0.002, 0.0002, 0.0], 6)


@pytest.fixture(scope="module")
def file(returns: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("sizing") / "returns.csv"
    rows = [",".join(["2026-01-01", *map(str, row)]) for row in returns.tolist()]
    found.write_text("\n".join([",".join(["date", *NAMES]), *rows]) + "\n")
    return found


def told(*arguments: str | Path) -> Any:
    result = CliRunner().invoke(app, ["portfolio", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(*arguments: str | Path) -> CommendaError:
    result = CliRunner().invoke(app, ["portfolio", *map(str, arguments)])
    assert isinstance(result.exception, CommendaError), result.output
    return result.exception


@pytest.mark.parametrize("method", Method)
def test_no_method_passes_its_caps_its_total_or_its_target(
    returns: np.ndarray, method: Method
) -> None:
    found = size(NAMES, returns, SizingRules(method, target_volatility=0.1, cap=0.4))
    weights = [one.weight for one in found.strategies]
    assert max(weights) <= 0.4 + 1e-9
    assert 0 < sum(weights) <= 1 + 1e-9
    assert found.cash == pytest.approx(1 - sum(weights))
    if method is not Method.KELLY:
        assert found.volatility <= 0.1 + 1e-9
    assert sum(one.risk for one in found.strategies) == pytest.approx(1)


def test_what_is_capped_goes_to_the_others_and_the_rest_is_cash(returns: np.ndarray) -> None:
    capped = size(NAMES, returns, SizingRules(cap=0.4))
    assert sum(one.weight for one in capped.strategies) == pytest.approx(1)
    tight = size(NAMES, returns, SizingRules(cap=0.2))
    assert [one.weight for one in tight.strategies] == pytest.approx([0.2] * 4)
    assert tight.cash == pytest.approx(0.2)


def test_a_group_is_held_at_its_cap(returns: np.ndarray) -> None:
    rules = SizingRules(groups=[(("trend", "breakout"), 0.0, 0.25)])
    found = {one.name: one.weight for one in size(NAMES, returns, rules).strategies}
    assert found["trend"] + found["breakout"] == pytest.approx(0.25)
    assert sum(found.values()) == pytest.approx(1)


def test_weights_that_there_are_go_towards_the_target_by_steps(returns: np.ndarray) -> None:
    rules = SizingRules(easing=Easing(step=0.1, turnover=0.3))
    found = size(NAMES, returns, rules, {"trend": 0.5, "breakout": 0.5}, Decimal(1000))
    free = size(NAMES, returns, SizingRules())
    assert [one.target for one in found.strategies] == [one.weight for one in free.strategies]
    assert found.turnover == pytest.approx(0.3)
    assert all(abs(one.weight - (one.actual or 0)) <= 0.1 + 1e-12 for one in found.strategies)
    amounts = [one.amount for one in found.strategies if one.amount is not None]
    assert sum(amounts) <= 1000
    assert float(sum(amounts)) == pytest.approx(1000 * (1 - found.cash), abs=1e-7)


def test_a_file_is_sized_as_its_returns_are(file: Path, returns: np.ndarray) -> None:
    found = told("size", file, "--covariance", "sample", "--capital", "50000")
    matrix = np.cov(returns, rowvar=False)
    expected = risk_budget_weights(matrix)
    assert [one["weight"] for one in found["strategies"]] == pytest.approx(expected)
    assert [float(one["amount"]) for one in found["strategies"]] == pytest.approx(
        50_000 * expected, abs=1e-7
    )
    assert found["volatility"] == pytest.approx(np.sqrt(365 * expected @ matrix @ expected))
    assert (found["periods"], found["shrinkage"]) == (300, 0)


def test_parquet_and_values_are_sized_as_returns_are(
    file: Path, returns: np.ndarray, tmp_path: Path
) -> None:
    curves = np.vstack([np.ones(4), np.cumprod(1 + returns, axis=0)])
    table = {"ts": list(range(301))} | {n: curves[:, i] for i, n in enumerate(NAMES)}
    pl.DataFrame(table).write_parquet(tmp_path / "nav.parquet")
    found = told("size", tmp_path / "nav.parquet", "--values", "--method", "hierarchical")
    same = told("size", file, "--method", "hierarchical")
    assert [one["weight"] for one in found["strategies"]] == pytest.approx(
        [one["weight"] for one in same["strategies"]]
    )


def test_series_are_sized_by_the_moments_that_they_share() -> None:
    days = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(5)]
    first = list(zip(days, [1.0, 1.1, 1.21, 1.0, 2.0], strict=True))
    second = list(zip(days[1:], [10.0, 20.0, 10.0, 5.0], strict=True))
    found = common({"a": first, "b": second})
    assert found.names == ("a", "b")
    expected = [[0.1, 1.0], [1 / 1.21 - 1, -0.5], [1.0, -0.5]]
    assert found.values == pytest.approx(np.array(expected))
    with pytest.raises(CommendaError) as error:
        common({"a": first, "b": second[-2:]})
    assert error.value.code == "short_record"


@pytest.mark.parametrize(
    ("text", "code", "value"),
    [
        ("a,b\n0.1,x\n", "record_value", "b, row 1: x"),
        ("a,b\n0.1,0.2\n0.2,\n", "record_value", "b, row 2"),
        ("a,b\n", "record_columns", ""),
        ("date\n2026-01-01\n", "record_columns", ""),
        ("a,b\n0.1\n0.1,0.2,0.3\n", "record_columns", ""),
    ],
)
def test_a_file_that_is_no_record_is_refused_with_its_place(
    tmp_path: Path, text: str, code: str, value: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(CommendaError) as error:
        read_record(tmp_path / "bad.csv")
    assert error.value.code == code
    assert value in str(error.value.value)


def test_values_that_are_returns_are_refused(file: Path) -> None:
    with pytest.raises(CommendaError) as error:
        returns_of(read_record(file))
    assert (error.value.code, error.value.hint) == (
        "record_value",
        "leave --values out where the file has returns",
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--budget", "nobody=1"], "unknown_sized"),
        (["--budget", "trend"], "bad_pair"),
        (["--group", "trend,carry"], "bad_pair"),
        (["--method", "target_volatility"], "target_volatility_missing"),
        (["--floor", "0.3"], "quotas_do_not_meet"),
        (["--floor", "0.3", "--cap", "0.2"], "bad_quota"),
        (["--band", "-1"], "bad_easing"),
        (["--method", "kelly", "--fraction", "2"], "bad_fraction"),
        (["--total", "0"], "not_positive"),
        (["--capital", "1e3"], "not_a_number"),
    ],
)
def test_what_cannot_be_sized_is_refused(file: Path, options: list[str], code: str) -> None:
    assert refused("size", file, *options).code == code


def test_sizing_needs_one_source() -> None:
    assert refused("size").code == "one_source"


def test_lots_are_told_with_what_is_proven_of_them(tmp_path: Path) -> None:
    (tmp_path / "wanted.csv").write_text(
        "name,amount,price,lot,minimum_notional\n"
        "BTCUSDT,5012.33,67123.4,0.001,100\nETHUSDT,-2503.1,3412.55,0.001,20\n"
    )
    found = told("lots", tmp_path / "wanted.csv", "--budget", "7600")
    # 0.074 is 4967.13 and 0.075 5034.26, which is nearer; 0.733 is 2501.40 and 0.734 2504.81.
    assert [one["quantity"] for one in found["positions"]] == ["0.075", "-0.733"]
    assert found["gap"] == "0"
    (tmp_path / "wanted.csv").write_text("name,amount\nBTCUSDT,1\n")
    assert refused("lots", tmp_path / "wanted.csv", "--budget", "7600").code == "record_columns"


def test_shares_are_replayed_from_a_file_of_rewards(file: Path, tmp_path: Path) -> None:
    options = ("--prior-scale", "0.0002", "--floor", "0.1", "--seed", "4")
    found = told("share", file, *options)
    assert found == told("share", file, *options)
    assert found["round"] == 300
    assert sum(one["share"] for one in found["strategies"]) == pytest.approx(1)
    assert all(one["share"] >= 0.1 for one in found["strategies"])
    (tmp_path / "gaps.csv").write_text("a,b\n0.1,\n,0.2\n0.3,0.1\n")
    rows = told("share", tmp_path / "gaps.csv")["strategies"]
    assert [(one["count"], pytest.approx(one["mean"])) for one in rows] == [(2, 0.2), (2, 0.15)]


def test_a_stake_is_half_of_kelly_shrunk_by_doubt() -> None:
    # p 0.6 of 100: 0.2 · 0.04/0.0496 · 0.5
    found = told("kelly", "--wins", "0.6", "--trials", "100")
    assert found["stake"] == pytest.approx(0.2 * 0.04 / 0.0496 / 2)
