"""What a backtest is run on: which files are taken and refused, and what repeats a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commenda.kernel import Costs, Latency, Margin, Terms
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    BarData,
    read_bars,
    read_funding,
)
from commenda.strategies.plan import costs_of, digest_of_inputs, plain, terms_of
from commenda.strategies.runs import digest_of_equity, fill_rows, pack_fills, unpack_fills
from reported import HOUR, SLOW, START, data, file, hourly, plan_of  # noqa: F401 - fixtures

# What a run is repeated from


def test_costs_and_terms_come_back_from_what_is_written() -> None:
    costs = Costs(fee_bps=4.0, slippage_bps=0.5, maker_bps=-1.0, spread_bps=2.0, impact_bps=9.0)
    terms = Terms(
        0.1, 0.001, Latency(order=timedelta(milliseconds=250)), Margin(5.0, isolated=True)
    )
    for kept in (costs, Costs()):
        assert costs_of(json.loads(json.dumps(plain(kept)))) == kept
    for kept in (terms, Terms()):
        assert terms_of(json.loads(json.dumps(plain(kept)))) == kept


def test_the_same_bars_out_of_another_file_are_the_same_run(
    file: Callable[..., Path], data: BarData
) -> None:
    text = read_bars(file(hourly(), "other.csv"))
    assert text.source.symbol is None
    assert text.source.sha256 == data.source.sha256
    same = digest_of_inputs(plan_of(replace(text, source=data.source)).inputs())
    renamed = replace(data, source=replace(data.source, name="elsewhere.parquet"))
    assert digest_of_inputs(plan_of(renamed).inputs()) == same
    assert digest_of_inputs(plan_of(data, params={"fast": 6, "slow": SLOW}).inputs()) != same
    assert digest_of_inputs(plan_of(data, seed=1).inputs()) != same


def test_fills_are_packed_to_the_last_bit(data: BarData) -> None:
    run = plan_of(data).run()
    again = unpack_fills(pack_fills(fill_rows(run)))
    assert again == [fill._asdict() for fill in run.fills]
    assert unpack_fills(pack_fills(())) == []


def test_a_run_repeated_has_the_same_bits(data: BarData) -> None:
    plan = plan_of(data)
    first, second = plan.run(), plan.run()
    assert digest_of_equity(first.equity) == digest_of_equity(second.equity)
    last_bit = second.equity.copy()
    last_bit[-1] = np.nextafter(last_bit[-1], np.inf)
    assert digest_of_equity(last_bit) != digest_of_equity(first.equity)


# What is refused


def refused(act: Callable[[], object]) -> CommendaError:
    with pytest.raises(CommendaError) as error:
        act()
    return error.value


def test_files_that_cannot_be_run_on_are_refused_by_name(file: Callable[..., Path]) -> None:
    frame = hourly(50)
    bad = {
        "market_file_columns": frame.drop("low"),
        "market_file_type": frame.with_columns(
            pl.when(pl.col("close") > 100.0).then(pl.col("close")).alias("close")
        ),
        "market_data_refused": frame.with_columns(open=pl.lit(float("nan"))),
        "market_file_interval": frame.gather_every(2),
        "market_file_empty": frame.clear(),
    }
    for code, rows in bad.items():
        path = file(rows)
        error = refused(lambda path=path: read_bars(path))
        assert (error.code, error.field, error.value) == (code, "file", str(path)), code
    assert refused(lambda: read_bars(Path("nowhere.parquet"))).code == "market_file_missing"


def test_rows_out_of_order_are_sorted_and_gaps_counted(file: Callable[..., Path]) -> None:
    frame = hourly(50)
    shuffled = read_bars(file(frame.sample(fraction=1.0, shuffle=True, seed=4)))
    assert shuffled.source.sha256 == read_bars(file(frame)).source.sha256
    holed = read_bars(file(pl.concat([frame[:10], frame[13:40], frame[41:]])))
    assert (holed.source.bars, holed.source.missing) == (46, 4)
    run = plan_of(holed).run()
    assert run.missing_bars == 4


def test_a_range_is_half_open_and_an_empty_one_names_what_there_is(
    file: Callable[..., Path],
) -> None:
    path = file(hourly(50))
    part = read_bars(path, since=START + 10 * HOUR, until=START + 20 * HOUR)
    assert (part.source.bars, part.source.first) == (10, START + 10 * HOUR)
    error = refused(lambda: read_bars(path, since=START + 60 * HOUR))
    assert error.code == "empty_range"
    assert error.hint == "choose within 2024-11-30T20:00Z to 2024-12-02T21:00Z"


def test_a_file_whose_name_says_nothing_has_the_distance_of_its_rows(
    file: Callable[..., Path],
) -> None:
    found = read_bars(file(hourly(50), "mine.parquet"))
    assert (found.source.interval, found.source.venue) == (HOUR, None)
    error = refused(lambda: read_bars(file(hourly(50), "mine.parquet"), interval=2 * HOUR))
    assert error.code == "market_file_interval"


@pytest.mark.parametrize(("without", "named"), [(8, "2024-12-01T08:00:00Z"), (4, None)])
def test_missing_funding_is_named_by_its_stamp(
    file: Callable[..., Path], without: int, named: str | None
) -> None:
    data = read_bars(file(hourly(100)))
    stamps = [START + HOUR * i for i in range(4, 100, 8)]
    stamps = [one for one in stamps if one.hour != without or one.day != 1]
    rates = pl.DataFrame({"ts": stamps, "rate": [1e-4] * len(stamps)})
    path = file(rates, "made_BTCUSDT_funding.parquet")
    if named is None:
        assert read_funding(data.bars, path).every == 8 * HOUR
        return
    error = refused(lambda: read_funding(data.bars, path))
    assert (error.code, error.value) == ("missing_funding", named)


def test_real_funding_of_mixed_intervals_is_complete(market_data: Path) -> None:
    """`acceptance.md`, Data: LAYER's intervals mix 1 h and 4 h."""
    until = datetime(2025, 6, 3, 14, tzinfo=UTC)
    data = read_bars(market_data / "binance_usdm_LAYERUSDT_1m.parquet", until=until)
    rates = market_data / "binance_usdm_LAYERUSDT_funding.parquet"
    found = read_funding(data.bars, rates)
    recorded = pl.read_parquet(rates)["ts"].dt.round("1s")
    inside = recorded.filter((recorded > data.source.first) & (recorded <= data.source.last))
    assert found.funding.ts.tolist() == inside.dt.epoch("ns").to_list()
    assert found.every == 4 * HOUR
    steps = set(np.diff(found.funding.ts).tolist())
    assert steps == {3_600_000_000_000, 4 * 3_600_000_000_000}
