"""A backtest's report against sums taken another way, and its shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from commenda.kernel import Costs, Fill, FillKind, L2Rules, Margin, Terms
from commenda.strategies import (
    BarData,
    LegPlan,
    LegsPlan,
    catalogue,
    read_bars,
    read_funding,
    report_of,
)
from commenda.strategies.benchmark import buy_and_hold
from commenda.strategies.bodies import BacktestRequest, request_of
from commenda.strategies.model import RunCosts, RunMargin, RunReport, RunRules, RunTerms
from commenda.strategies.plan import camel_case
from commenda.strategies.readings import classes, markers, months, units_held
from commenda.strategies.sampling import column_of, extremes
from reported import (  # noqa: F401 - fixtures
    CASH,
    FAST,
    FEE,
    HOUR,
    SLIPPAGE,
    SLOW,
    START,
    data,
    file,
    hourly,
    plan_of,
    report,
)

SHAPE = TypeAdapter(RunReport)
"""What it does not know it leaves out."""


def by_hand(frame: pl.DataFrame) -> dict[str, Any]:
    """The same run in plain Python: averages of lists, one order at a time, ten units."""
    opens, closes = frame["open"].to_list(), frame["close"].to_list()
    cash, held, wanted, crossed = CASH, 0.0, 0.0, False
    equity, holding, fees, slips, entry, profits = [], [], 0.0, 0.0, 0.0, []
    for i, (opening, close) in enumerate(zip(opens, closes, strict=True)):
        if wanted != held:
            price = opening * (1 + SLIPPAGE if wanted > held else 1 - SLIPPAGE)
            fee = 10.0 * price * FEE
            cash -= (wanted - held) * price + fee
            fees += fee
            slips += 10.0 * abs(price - opening)
            if held:
                profits.append(10.0 * price - fee - entry)
            else:
                entry = 10.0 * price + fee
            held = wanted
        equity.append(cash + held * close)
        holding.append(held)
        if i >= SLOW - 1:
            quick = sum(closes[i - FAST + 1 : i + 1]) / FAST
            steady = sum(closes[i - SLOW + 1 : i + 1]) / SLOW
            crossed = crossed or quick <= steady
            wanted = 10.0 if quick > steady and crossed else 0.0
    return {
        "equity": equity,
        "held": holding,
        "fees": fees,
        "slippage": slips,
        "profits": profits,
    }


# Figures


def test_the_figures_are_those_of_a_run_by_hand(report: dict[str, Any]) -> None:
    hand, frame = by_hand(hourly()), hourly()
    metrics, profits = report["metrics"], np.array(hand["profits"])
    assert metrics["finalEquity"] == pytest.approx(hand["equity"][-1], abs=1e-7)
    assert report["costs"]["fees"] == pytest.approx(hand["fees"])
    assert report["costs"]["slippage"] == pytest.approx(hand["slippage"])
    assert metrics["trades"] == len(profits) > 30
    assert metrics["openTrades"] == (hand["held"][-1] != 0.0)
    assert metrics["averageTrade"] == pytest.approx(profits.mean())
    assert metrics["profitFactor"] == pytest.approx(
        profits[profits > 0].sum() / -profits[profits <= 0].sum()
    )
    assert (metrics["bestTrade"], metrics["worstTrade"]) == pytest.approx(
        (profits.max(), profits.min())
    )
    exposure = np.array(hand["held"]) * frame["close"].to_numpy() / np.array(hand["equity"])
    assert metrics["timeInMarket"] == np.mean(np.array(hand["held"]) != 0.0)
    assert metrics["averageExposure"] == pytest.approx(exposure.mean())
    assert metrics["greatestExposure"] == pytest.approx(exposure.max())
    assert metrics["annualReturn"] is None  # 83 days


def test_before_costs_is_what_the_same_fills_make_without_any(data: BarData) -> None:
    dear = report_of(plan := plan_of(data), plan.run())["costs"]
    free = report_of(plan := plan_of(data, costs=Costs(0.0, 0.0)), plan.run())["costs"]
    assert dear["gross"] == pytest.approx(free["net"])
    assert dear["net"] == pytest.approx(free["net"] - dear["fees"] - dear["slippage"])
    assert dear["funding"] is None


def test_the_deepest_fall_is_dated_from_its_peak_to_its_recovery(report: dict[str, Any]) -> None:
    curve = [CASH, *by_hand(hourly())["equity"]]
    falls = [value / max(curve[: i + 1]) - 1 for i, value in enumerate(curve)]
    trough = falls.index(min(falls))
    peak = curve.index(max(curve[: trough + 1]))
    metrics = report["metrics"]
    assert metrics["maxDrawdown"] == pytest.approx(-falls[trough])
    assert metrics["drawdownFrom"] == f"{START + peak * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    assert metrics["drawdownTo"] == f"{START + trough * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    again = [i for i in range(trough, len(curve)) if curve[i] >= curve[peak]]
    assert metrics["recoveredAt"] == (
        f"{START + again[0] * HOUR:%Y-%m-%dT%H:%M:%SZ}" if again else None
    )


def test_months_link_to_the_total_and_agree_with_a_group_by(report: dict[str, Any]) -> None:
    equity = pl.DataFrame({"ts": hourly()["ts"], "equity": by_hand(hourly())["equity"]})
    lasts = equity.group_by(pl.col("ts").dt.strftime("%Y-%m"), maintain_order=True).last()
    before = [CASH, *lasts["equity"][:-1]]
    assert [one["month"] for one in report["months"]] == lasts["ts"].to_list()
    assert [one["return"] for one in report["months"]] == pytest.approx(
        [after / first - 1 for after, first in zip(lasts["equity"], before, strict=True)]
    )
    assert [one["month"] for one in report["months"] if one["partial"]] == ["2024-11", "2025-02"]
    linked = np.prod([1 + one["return"] for one in report["months"]]) - 1
    assert linked == pytest.approx(report["metrics"]["totalReturn"])


def test_a_month_recorded_from_its_first_moment_to_its_last_is_whole() -> None:
    hours = np.arange("2025-02-01", "2025-03-01", dtype="datetime64[h]")
    opens = hours.astype("datetime64[ns]").astype(np.int64)
    hour = 3_600_000_000_000
    assert months(opens, hour, np.ones(opens.size + 1)) == [
        {"month": "2025-02", "return": 0.0, "partial": False}
    ]
    assert months(opens[1:], hour, np.ones(opens.size))[0]["partial"]
    assert months(opens[:-1], hour, np.ones(opens.size))[0]["partial"]


def test_buying_and_holding_pays_once_and_is_marked_at_closes(data: BarData) -> None:
    frame = hourly()
    price = frame["open"][0] * (1 + SLIPPAGE)
    all_cash = CASH / (price * (1 + FEE))
    held = buy_and_hold(plan_of(data, size=None))
    assert held[0] == CASH
    assert held[1:] == pytest.approx(all_cash * frame["close"].to_numpy())
    ten = buy_and_hold(plan_of(data))
    assert ten[-1] == pytest.approx(CASH + 10 * (frame["close"][-1] - price) - 10 * price * FEE)


def test_buying_and_holding_pays_funding_at_its_stamps(
    data: BarData, file: Callable[..., Path]
) -> None:
    stamps = [START + HOUR * i for i in range(4, 2_000, 8)]
    rates = pl.DataFrame({"ts": stamps, "rate": [1e-4] * len(stamps)})
    funding = read_funding(data.bars, file(rates, "made_BTCUSDT_funding.parquet"))
    charged, free = (buy_and_hold(plan_of(data, funding=one)) for one in (funding, None))
    frame = hourly()
    marks = [frame["close"][i - 1] for i in range(4, 2_000, 8)]  # the bar that ends at the stamp
    assert free[-1] - charged[-1] == pytest.approx(sum(10 * mark * 1e-4 for mark in marks))
    assert (free - charged)[4] == 0.0  # at the close of the bar that opened at 23:00
    assert (free - charged)[5] == pytest.approx(10 * marks[0] * 1e-4)


def test_the_share_of_a_bars_volume_is_what_its_fills_took(report: dict[str, Any]) -> None:
    held = np.array([0.0, *by_hand(hourly())["held"]])
    traded = np.abs(np.diff(held))
    shares = (traded / hourly()["volume"].to_numpy())[traded > 0]
    assert report["execution"]["greatestShareOfVolume"] == pytest.approx(shares.max())
    assert report["execution"]["meanShareOfVolume"] == pytest.approx(shares.mean())
    assert report["execution"]["fills"] == shares.size


def test_units_held_change_in_the_bar_of_the_last_fill() -> None:
    def fill(bar: int, quantity: float, held: float) -> Fill:
        return Fill(bar, quantity, held, 100.0, 0.0, FillKind.TARGET, maker=False)

    fills = (fill(1, 2.0, 2.0), fill(3, -2.0, 0.0), fill(3, -1.0, -1.0))
    assert units_held(fills, 5).tolist() == [0.0, 2.0, 2.0, -1.0, -1.0]
    assert units_held((), 2).tolist() == [0.0, 0.0]


def test_an_account_without_equity_reports_plain_numbers(data: BarData) -> None:
    """Ten thousand units on a thousand: the first fall takes more than all."""
    plan = plan_of(data, cash=1_000.0, size=10_000.0)
    found = report_of(plan, plan.run())
    assert found["metrics"]["finalEquity"] == 0.0
    assert found["metrics"]["sharpe"] is None
    json.dumps(found, allow_nan=False)


# Series


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 2**32))
def test_no_column_loses_its_least_or_greatest_value(count: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    stamps = np.cumsum(rng.integers(1, 100, count))
    values = rng.normal(size=count)
    kept = extremes(stamps, values, columns)
    assert len(kept) <= 2 * columns + 2
    assert (kept[0], kept[-1]) == (0, count - 1)
    place = [int((s - stamps[0]) / max(stamps[-1] - stamps[0], 1) * columns) for s in stamps]
    place = [min(one, columns - 1) for one in place]
    assert column_of(stamps, columns).tolist() == place
    for column in set(place):
        whole = [values[i] for i in range(count) if place[i] == column]
        shown = [values[i] for i in kept if place[i] == column]
        assert (min(shown), max(shown)) == (min(whole), max(whole))


def test_a_spike_of_one_bar_in_a_long_run_is_drawn(file: Callable[..., Path]) -> None:
    frame = hourly(30_000).with_row_index()
    spiked = frame.with_columns(
        pl.when(pl.col("index") == 17_777).then(9_999.0).otherwise(pl.col(name)).alias(name)
        for name in ("high", "close")
    ).drop("index")
    plan = plan_of(read_bars(file(spiked)))
    series = report_of(plan, plan.run())["series"]
    assert 9_999.0 in series["price"]["close"]
    assert len(series["price"]["ts"]) <= 2_002
    moment = int((START + 17_778 * HOUR).timestamp())  # known at its close
    assert series["price"]["ts"][series["price"]["close"].index(9_999.0)] == moment


@given(st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=80))
def test_classes_hold_every_profit_once_and_never_straddle_zero(values: list[float]) -> None:
    found = classes(values)
    assert sum(one["count"] for one in found) == len(values)
    assert len(found) <= 26
    for one in found:
        assert one["from"] >= 0 or one["to"] <= 0


def test_markers_of_one_side_close_together_are_one_at_their_mean_price(data: BarData) -> None:
    run = plan_of(data).run()
    found = markers(run.ts, run.fills)
    assert sum(one["fills"] for one in found) == len(run.fills)
    for side, sign in (("buy", 1), ("sell", -1)):
        units = sum(one["quantity"] for one in found if one["side"] == side)
        assert units == pytest.approx(sum(max(sign * fill.quantity, 0) for fill in run.fills))
        spent = sum(one["quantity"] * one["price"] for one in found if one["side"] == side)
        assert spent == pytest.approx(
            sum(abs(f.quantity) * f.price for f in run.fills if sign * f.quantity > 0)
        )


# Shape


def test_a_report_has_the_shape_that_the_api_declares(report: dict[str, Any]) -> None:
    assert SHAPE.validate_python(report) == report


def test_a_run_that_never_trades_is_a_report_too(data: BarData) -> None:
    plan = plan_of(data, params={"fast": 2, "slow": 10_000})
    found = report_of(plan, plan.run())
    assert found["metrics"]["trades"] == found["execution"]["fills"] == 0
    assert found["metrics"]["winRate"] is None
    assert found["tradeProfits"] == found["markers"] == []
    assert SHAPE.validate_python(found) == found


def test_legs_beside_finer_bars_and_terms_have_that_shape_as_well(data: BarData) -> None:
    other = replace(data, source=replace(data.source, symbol="ETHUSDT", sha256="1" * 64))
    terms = Terms(participation=0.5, margin=Margin(3.0))
    legs = tuple(LegPlan({"fast": FAST, "slow": SLOW}, one, None, 0.5) for one in (data, other))
    several = LegsPlan(catalogue()["sma_cross"], legs, cash=CASH, terms=terms)
    for plan in (several, plan_of(data, terms=terms, periods_per_year=99.0)):
        found = json.loads(json.dumps(report_of(plan, plan.run())))
        assert SHAPE.validate_python(found) == found


def test_the_declared_costs_and_terms_are_those_of_the_engine() -> None:
    for declared, kernel in ((RunCosts, Costs), (RunTerms, Terms), (RunMargin, Margin)):
        names = {camel_case(one.name) for one in fields(kernel)}
        assert set(declared.__annotations__) == names
    assert set(RunRules.__annotations__) == {camel_case(one.name) for one in fields(L2Rules)}


# Asked for again


def asked(data: BarData, **changes: Any) -> BacktestRequest | None:
    return request_of(plan_of(data, **changes).inputs())


def test_the_request_for_the_same_run_has_all_of_its_inputs(data: BarData) -> None:
    terms = Terms(participation=0.1, lot=0.001, margin=Margin(5.0))
    costs = Costs(fee_bps=0.0007 * 1e4, slippage_bps=0.0002 * 1e4)
    found = asked(data, terms=terms, costs=costs, seed=7, periods_per_year=252.0)
    assert found is not None
    assert (found.venue, found.symbol, found.interval) == ("made", "BTCUSDT", "1h")
    assert (found.start, found.end) == (START, START + 2_000 * HOUR)
    assert (found.params["fast"], found.params["slow"]) == (FAST, SLOW)
    assert (found.fee, found.slippage, found.funding) == (0.0007, 0.0002, False)
    assert (found.cash, found.size, found.seed) == (CASH, 10.0, 7)
    assert (found.participation, found.lot, found.leverage) == (0.1, 0.001, 5.0)
    assert found.periods_per_year == 252.0
    assert (found.costs, found.terms) == (costs, terms)


def test_what_a_request_cannot_name_is_not_asked_for(data: BarData) -> None:
    assert asked(data) is not None
    assert asked(data, costs=Costs(maker_bps=1.0)) is None
    assert asked(data, costs=Costs(spread_bps=1.0)) is None
    assert asked(data, terms=Terms(margin=Margin(5.0, isolated=True))) is None
    assert asked(data, finer=data) is None
    assert asked(replace(data, source=replace(data.source, venue=None))) is None
