"""`commenda backtest` over several instruments, over both sides of one, and in an order book."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from commenda.cli import app
from commenda.kernel import QueueModel
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.strategies import LegPlan, LegsPlan, catalogue, read_bars
from filled import filled

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FAST = ("--params", "fast=10,slow=40")
STRADDLE = """
import numpy as np
from commenda.kernel import POSITION_SIDE, market_order
from commenda.strategies import Param, strategy

@strategy(name="straddle", version="1", params=[Param("units", 2.0, 0.1, 100.0)],
          state_size=lambda p: 1, warmup=lambda p: 0, orders=1)
def straddle(state, bar, position, params, orders):
    if state[0] == 0.0:
        state[0] = market_order(orders, params[0] * (-1.0 if position[POSITION_SIDE] < 0 else 1.0))
    return np.nan
"""
ONE_BID = """
import numpy as np
from commenda.kernel import l2_bid, l2_limit
from commenda.strategies import Param, depth_strategy

@depth_strategy(name="one_bid", version="1", params=[Param("lots", 4, 1, 100, int)],
                state_size=lambda p: 1, orders=1, levels=1)
def one_bid(state, book, position, params, orders):
    if state[0] == 0.0:
        state[0] = l2_limit(orders, params[0], l2_bid(book, 0))
"""


@pytest.fixture
def hours(market_data: Path) -> dict[str, str]:
    return {
        name: str(market_data / f"binance_usdm_{name}USDT_1h.parquet") for name in ("BTC", "ETH")
    }


@pytest.fixture
def here(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in which the commands keep runs."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", db.owner_url)


@pytest.fixture
def straddle(tmp_path: Path) -> str:
    return written(tmp_path / "straddle.py", STRADDLE)


@pytest.fixture
def one_bid(tmp_path: Path) -> str:
    return written(tmp_path / "one_bid.py", ONE_BID)


def written(file: Path, text: str) -> str:
    file.write_text(text)
    return str(file)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backtest", *arguments])


def told(*arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def refusal(*arguments: str) -> CommendaError:
    result = command(*arguments)
    assert isinstance(result.exception, CommendaError), result.output
    return result.exception


def recorded(
    folder: Path, levels: list[tuple[int, str, float]], trades: list[tuple[int, float]]
) -> tuple[str, ...]:
    """A record that begins at 1,000 ms with 5 units at 100.0 and at 100.1, then messages of one
    level each (ms, side, quantity) and trades that hit the bid (ms, quantity).
    """
    rows = [(1_000, "snapshot", 10, 0, 0, side, 5.0) for side in ("b", "a")]
    rows += [(ms, "delta", 11 + k, 11 + k, 10 + k, s, q) for k, (ms, s, q) in enumerate(levels)]
    names = ["event_ms", "kind", "u", "U", "pu", "side", "qty"]
    depth = pl.DataFrame(rows, names, orient="row").with_columns(
        price=pl.when(pl.col("side") == "b").then(100.0).otherwise(100.1)
    )
    hits = [(ms, k + 1, 100.0, quantity, True) for k, (ms, quantity) in enumerate(trades)]
    columns = ["trade_ms", "id", "price", "qty", "buyer_maker"]
    depth.write_parquet(folder / "depth.parquet")
    pl.DataFrame(hits, columns, orient="row").write_parquet(folder / "trades.parquet")
    files = ("--depth", str(folder / "depth.parquet"), "--trades", str(folder / "trades.parquet"))
    return (*files, "--tick", "0.1", "--lot", "1")


# --- several instruments -------------------------------------------------------------------------


def test_instruments_of_fixed_size_come_to_the_sum_of_their_single_runs(
    hours: dict[str, str], tmp_path: Path
) -> None:
    """Nothing but the equity joins them, and sizes in units do not look at it."""
    sizes = {"BTC": "0.5", "ETH": "7"}
    alone = {
        name: told("sma_cross", *FAST, "--data", hours[name], "--size", sizes[name])
        for name in hours
    }
    files = [part for name in hours for part in ("--data", hours[name], "--size", sizes[name])]
    page = tmp_path / "page.html"
    both = told("sma_cross", *FAST, *files, "--html", str(page))
    assert [leg["size"] for leg in filled(page)["data"]["inputs"]["legs"]] == [0.5, 7.0]
    profits = {leg["name"]: leg["profit"] for leg in both["legs"]}
    for name, one in alone.items():
        assert profits[f"{name}USDT"] == pytest.approx(one["metrics"]["profit"], rel=1e-9)
    gained = sum(one["metrics"]["profit"] for one in alone.values())
    assert both["metrics"]["profit"] == pytest.approx(gained, rel=1e-9)
    for figure in ("trades", "openTrades", "targetChanges", "turnover"):
        added = sum(one["metrics"][figure] for one in alone.values())
        assert both["metrics"][figure] == pytest.approx(added)
    for cost in ("fees", "gross"):
        assert both["costs"][cost] == pytest.approx(
            sum(one["costs"][cost] for one in alone.values())
        )
    assert both["execution"]["fills"] == sum(one["execution"]["fills"] for one in alone.values())


def test_each_instrument_has_its_own_parameters_share_and_funding(
    hours: dict[str, str], market_data: Path
) -> None:
    rates = [str(market_data / f"binance_usdm_{name}USDT_funding.parquet") for name in hours]
    arguments = [part for name in hours for part in ("--data", hours[name])]
    arguments += [part for file in rates for part in ("--funding", file)]
    arguments += ["--params", "fast=10,slow=40", "--params", "fast=5,slow=20"]
    arguments += ["--share", "0.7", "--share", "0.2", "--to", "2025-05-01"]
    found = told("sma_cross", *arguments)
    legs = found["inputs"]["legs"]
    assert [leg["params"]["fast"] for leg in legs] == [10, 5]
    assert [leg["share"] for leg in legs] == [0.7, 0.2]
    assert found["inputs"]["strategy"]["params"]["ETHUSDT slow"] == 20
    assert found["inputs"]["data"]["symbol"] == "BTCUSDT + ETHUSDT"
    paid = sum(leg["funding"] for leg in found["legs"])
    assert found["costs"]["funding"] == pytest.approx(paid)
    assert paid != 0.0


def test_equal_shares_hold_equal_parts_of_the_equity(tmp_path: Path, hours: dict[str, str]) -> None:
    always = written(
        tmp_path / "always.py",
        "from commenda.strategies import Param, strategy\n"
        "@strategy(name='always', version='1', params=[Param('x', 1.0, 0.0, 1.0)],\n"
        "          state_size=lambda p: 0, warmup=lambda p: 0)\n"
        "def always(state, bar, position, params):\n"
        "    return params[0]\n",
    )
    files = [part for name in hours for part in ("--data", hours[name])]
    found = told(always, *files, "--cash", "1000", "--fee", "0")
    # Half the cash in each from its second open on; nothing is traded again.
    gained = 0.0
    for name, leg in zip(hours, found["legs"], strict=True):
        bars = pl.read_parquet(hours[name]).sort("ts")
        profit = 500.0 * (bars["close"][-1] / bars["open"][1] - 1.0)
        assert leg["profit"] == pytest.approx(profit)
        gained += profit
    assert found["metrics"]["finalEquity"] == pytest.approx(1_000.0 + gained)


# --- both sides ----------------------------------------------------------------------------------


def test_both_sides_at_once_cost_their_fees_whatever_the_price_does(
    straddle: str, hours: dict[str, str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    arguments = ("--data", hours["BTC"], "--hedge", "--params", "units=3", "--fee", "0.001")
    found = told(straddle, *arguments, "--html", str(page))
    bought_at = pl.read_parquet(hours["BTC"]).sort("ts")["open"][1]
    fees = 2 * 3 * bought_at * 0.001
    assert found["metrics"]["profit"] == pytest.approx(-fees, rel=1e-9)
    assert found["costs"]["fees"] == pytest.approx(fees)
    long, short = found["legs"]
    assert (long["name"], short["name"]) == ("BTCUSDT long", "BTCUSDT short")
    assert long["profit"] + short["profit"] == pytest.approx(-fees, rel=1e-9)
    metrics = found["metrics"]
    assert (metrics["openTrades"], metrics["averageExposure"]) == (2, pytest.approx(0.0, abs=1e-12))
    assert metrics["greatestExposure"] > 0.3  # of both sides: 6 bitcoins on a million
    assert [leg["name"] for leg in filled(page)["data"]["legs"]] == [
        "BTCUSDT long",
        "BTCUSDT short",
    ]
    shown = " ".join(command(straddle, *arguments).output.split())
    assert "BTCUSDT long" in shown
    assert "BTCUSDT short" in shown


def test_the_hedged_grid_holds_both_sides_and_every_closed_trade_won(hours: dict[str, str]) -> None:
    """It leaves at a limit in profit only, wider than two fees."""
    grid = str(EXAMPLES / "hedged_grid.py")
    found = told(grid, "--data", hours["BTC"], "--hedge", "--maker", "0.0002")
    assert found["metrics"]["trades"] > 10
    assert found["metrics"]["winRate"] == 1.0
    assert found["execution"]["makerFills"] > 0
    assert all(leg["trades"] > 0 for leg in found["legs"])


# --- an order book -------------------------------------------------------------------------------


def test_a_bid_waits_its_turn_and_is_worth_the_mid(one_bid: str, tmp_path: Path) -> None:
    # Placed at 1,100 ms behind 5. Of 8 sold 3 reach it, of 1 the last; the mid stays 100.05.
    files = recorded(tmp_path, [(1_400, "b", 5.0)], [(1_250, 8.0), (1_300, 1.0)])
    found = told(one_bid, *files, "--maker", "0.0002", "--cash", "1000")
    assert found["metrics"]["finalEquity"] == pytest.approx(1_000.0 + 4 * 0.05 - 400.0 * 0.0002)
    assert found["costs"]["fees"] == pytest.approx(0.08)
    execution = found["execution"]
    assert (execution["orders"], execution["filled"], execution["taken"]) == (1, 1, 4)
    assert execution["byKind"] == {"trade": 2}
    assert found["metrics"]["steps"] == 4
    assert (found["inputs"]["depth"]["mostOrders"], found["inputs"]["depth"]["depth"]) == (1, 1)


@pytest.mark.parametrize(
    ("queue", "filled"),
    [(QueueModel.PESSIMISTIC, 0), (QueueModel.POWER, 1), (QueueModel.LOG, 1)],
)
def test_the_queue_model_says_who_cancelled(
    one_bid: str, tmp_path: Path, queue: QueueModel, filled: int
) -> None:
    # Five ahead, five more behind; of ten four cancel: none of those ahead, or two. Then four sell.
    levels = [(1_150, "b", 10.0), (1_200, "b", 6.0), (1_400, "a", 5.0)]
    files = recorded(tmp_path, levels, [(1_300, 4.0)])
    found = told(one_bid, *files, "--queue", queue)
    assert found["execution"]["taken"] == filled
    assert found["execution"]["ambiguous"] == 1


def test_a_late_order_misses_what_was_traded_before(one_bid: str, tmp_path: Path) -> None:
    files = recorded(tmp_path, [(1_400, "b", 5.0)], [(1_250, 8.0)])
    assert told(one_bid, *files)["execution"]["taken"] == 3
    assert told(one_bid, *files, "--order-latency", "200ms")["execution"]["taken"] == 0


def test_recorded_frames_and_their_files_are_one_run(market_data: Path) -> None:
    """The instrument's tick and lot come by the file's name; frames bring their trades."""
    maker = str(EXAMPLES / "market_maker.py")
    day = market_data / "binance_usdm_BTCUSDT_20240808"
    frames = told(maker, "--depth", f"{day}_raw_120s.jsonl.gz", "--every", "1s")
    assert (frames["inputs"]["data"]["tick"], frames["inputs"]["data"]["lot"]) == (0.1, 0.001)
    found = told(
        *("depth", maker, "--depth", f"{day}_depth.parquet"),
        *("--trades", f"{day}_trades.parquet", "--every", "1s", "--params", "lots=5,most=20"),
    )
    execution = found["execution"]
    assert 0 < execution["taken"] <= execution["offered"]
    assert execution["takerFills"] == 0  # it posts only
    assert abs(found["metrics"]["greatestExposure"]) < 20 * 0.001 * 62_000 / 1e6
    assert execution["quality"]["crossed"] == 0
    ends = sum(execution[end] for end in ("filled", "cancelled", "expired", "rejected", "open"))
    assert execution["orders"] == ends


# --- kept, and refused ---------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_runs_of_every_kind_are_kept_listed_and_repeated_to_the_bit(
    hours: dict[str, str], straddle: str, one_bid: str, tmp_path: Path
) -> None:
    files = [part for name in hours for part in ("--data", hours[name])]
    book = recorded(tmp_path, [(1_400, "b", 5.0)], [(1_250, 8.0)])
    runs = {
        "several": (("sma_cross", *FAST, *files, "--lot", "0.01"), files),
        "both": ((straddle, "--data", hours["BTC"], "--hedge"), ["--data", hours["BTC"]]),
        "book": ((one_bid, *book), book[:4]),
    }
    kept = {name: told(*run, "--store") for name, (run, _) in runs.items()}
    assert {one["id"] for one in told("list")} == {one["id"] for one in kept.values()}
    assert "one_bid" in command("list").output
    for name, one in kept.items():
        assert told("show", one["id"])["metrics"] == one["metrics"]
        assert command("show", one["id"]).exit_code == 0
        again = ["rerun", one["id"], *runs[name][1]]
        if name != "several":
            again += ["--strategy", str(runs[name][0][0])]
        assert told(*again) == {"id": one["id"], "identical": True, "differences": []}
    assert command("compare", *(one["id"] for one in kept.values())).exit_code == 0
    swapped = ["--data", hours["ETH"], "--data", hours["BTC"]]
    other = command("rerun", kept["several"]["id"], *swapped)
    assert other.exit_code == 1
    assert "data hash" in other.output
    short = refusal("rerun", kept["several"]["id"], "--data", hours["BTC"])
    assert (short.code, short.field) == ("wrong_count", "--data")
    assert refusal("rerun", kept["book"]["id"], "--strategy", one_bid).code == "data_needed"
    page = tmp_path / "page.html"
    assert command("show", kept["book"]["id"], "--html", str(page)).exit_code == 0
    shown = filled(page)["data"]
    assert shown["inputs"]["depth"]["queue"] == "pessimistic"
    assert shown["series"]["price"]["close"]


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("--data", "eth", "--finer", "x.parquet"), "wrong_count", "--finer"),
        (("--share", "0.5"), "share_of_one", "--share"),
        (("--hedge", "--share", "0.5", "--size", "1"), "share_or_size", "--share"),
        (("--hedge", "--share=-1"), "bad_amount", "share"),
        (("--size", "1", "--size", "2"), "wrong_count", "--size"),
        (("--data", "again", "--size", "1", "--size", "2", "--size", "3"), "wrong_count", "--size"),
        (("--data", "again", "--funding", "x.parquet"), "wrong_count", "--funding"),
        (("--data", "again"), "instrument_twice", "--data"),
        (("--data", "minutes"), "intervals_differ", "--data"),
    ],
)
def test_what_cannot_share_an_account_is_refused_with_its_reason(
    hours: dict[str, str],
    market_data: Path,
    arguments: tuple[str, ...],
    code: str,
    field: str,
) -> None:
    minutes = str(market_data / "binance_usdm_ETHUSDT_5m.parquet")
    names = {"again": hours["BTC"], "eth": hours["ETH"], "minutes": minutes}
    error = refusal(
        "sma_cross", "--data", hours["BTC"], *(names.get(one, one) for one in arguments)
    )
    assert (error.code, error.field) == (code, field)
    assert error.hint


def test_a_plain_python_step_and_too_many_legs_have_no_common_account(
    hours: dict[str, str], tmp_path: Path
) -> None:
    slow = STRADDLE.replace("orders=1", "orders=1, python=True")
    files = [part for name in hours for part in ("--data", hours[name])]
    assert refusal(written(tmp_path / "slow.py", slow), *files).code == "step_not_compiled"
    bars = read_bars(Path(hours["BTC"]))
    many = (replace(bars, source=replace(bars.source, symbol=f"S{k}USDT")) for k in range(129))
    with pytest.raises(CommendaError, match="too_many_legs"):
        LegsPlan(catalogue()["sma_cross"], tuple(LegPlan({}, one, None) for one in many))


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("--every", "1s", "--every-events", "5"), "every_twice", "--every"),
        (("--every", "soon"), "bad_duration", "--every"),
        (("--order-latency", "5"), "bad_duration", "--order-latency"),
        (("--exponent", "2"), "exponent_unused", "--exponent"),
        (("--queue", "power", "--exponent", "0"), "bad_rules", None),
        (("--every-events", "0"), "bad_rules", None),
        (("--cash=-1",), "bad_amount", "cash"),
        (("--params", "lots=0"), "bad_parameter", "lots"),
        (("--tick", "0.3"), "depth_off_grid", "price"),
    ],
)
def test_what_cannot_be_replayed_is_refused_with_its_reason(
    one_bid: str, tmp_path: Path, arguments: tuple[str, ...], code: str, field: str | None
) -> None:
    files = recorded(tmp_path, [(1_400, "b", 5.0)], [(1_250, 8.0)])
    error = refusal(one_bid, *files, *arguments)
    assert error.code == code
    assert error.hint
    if field is not None:
        assert error.field == field


def test_a_strategy_is_refused_where_the_other_kind_runs(
    one_bid: str, straddle: str, hours: dict[str, str], tmp_path: Path
) -> None:
    book = recorded(tmp_path, [(1_400, "b", 5.0)], [(1_250, 8.0)])
    for error in (refusal(one_bid, "--data", hours["BTC"]), refusal(straddle, *book)):
        assert error.code == "no_strategy"
        assert "commenda backtest" in str(error.hint)
    assert refusal("sma_cross", *book).code == "unknown_strategy"
    assert refusal(one_bid, *book[:2], *book[4:]).code == "trades_needed"
    assert refusal(one_bid, *book[:4]).code == "grid_needed"
    late = recorded(tmp_path, [(1_400, "b", 5.0)], [(900, 8.0)])
    assert refusal(one_bid, *late).code == "trades_needed"
