"""Findings in market data, each planted in sound data first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.market import FindingKind, Series, interval_name, load_catalogue, parse_interval
from commenda.market.due import missing_funding_stamps
from commenda.market.files import COLUMNS, load
from commenda.market.names import parse_name
from commenda.market.quality import (
    check_candles,
    check_funding,
    check_marks,
)

START = datetime(2025, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = 3600


def candles(bars: int = 10) -> pl.DataFrame:
    """Sound 1m candles from START on."""
    return pl.DataFrame(
        {
            "ts": [START + i * MINUTE for i in range(bars)],
            "open": [100.0 + i for i in range(bars)],
            "high": [102.0 + i for i in range(bars)],
            "low": [99.0 + i for i in range(bars)],
            "close": [101.0 + i for i in range(bars)],
            "volume": [5.0] * bars,
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )


def with_cell(frame: pl.DataFrame, row: int, column: str, value: float) -> pl.DataFrame:
    values = frame[column].to_list()
    values[row] = value
    return frame.with_columns(pl.Series(column, values))


def funding(*stamps: datetime, rates: list[float] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"ts": stamps, "rate": rates or [0.0001] * len(stamps)},
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )


def test_sound_candles_have_no_findings() -> None:
    assert check_candles(candles(), 60) == []


@given(bars=st.integers(3, 60), removed=st.sets(st.integers(1, 58), min_size=1, max_size=20))
def test_every_missing_bar_lies_in_exactly_one_gap(bars: int, removed: set[int]) -> None:
    removed = {i for i in removed if i < bars - 1}
    kept = candles(bars).with_row_index().filter(~pl.col("index").is_in(list(removed)))
    findings = check_candles(kept.drop("index"), 60)
    reported = [
        finding.at + i * MINUTE
        for finding in findings
        for i in range(int(finding.details.split()[0]))
    ]
    assert {finding.kind for finding in findings} <= {FindingKind.GAP}
    assert reported == [START + i * MINUTE for i in sorted(removed)]


def test_a_gap_warns_and_names_the_first_missing_bar() -> None:
    frame = pl.concat([candles()[:4], candles()[6:]])
    [gap] = check_candles(frame, 60)
    assert (gap.kind, gap.at, gap.fatal) == (FindingKind.GAP, START + 4 * MINUTE, False)
    assert gap.details == "2 missing, next at 2025-04-01 00:06:00"


def test_an_equal_duplicate_only_warns() -> None:
    frame = pl.concat([candles()[:4], candles()[3:]])
    [duplicate] = check_candles(frame, 60)
    assert duplicate.kind is FindingKind.DUPLICATE
    assert duplicate.at == START + 3 * MINUTE
    assert not duplicate.fatal


def test_a_duplicate_that_contradicts_is_fatal() -> None:
    other = with_cell(candles()[3:4], 0, "close", 103.5)
    [duplicate] = check_candles(pl.concat([candles()[:4], other, candles()[4:]]), 60)
    assert duplicate.kind is FindingKind.DUPLICATE
    assert duplicate.fatal


def test_rows_out_of_order_warn_at_the_late_row() -> None:
    frame = pl.concat([candles()[:4], candles()[5:6], candles()[4:5], candles()[6:]])
    [late] = check_candles(frame, 60)
    assert late.kind is FindingKind.OUT_OF_ORDER
    assert late.at == START + 4 * MINUTE
    assert not late.fatal


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("high", 104.5, "high is below another price"),  # close of row 4 is 105
        ("low", 104.5, "low is above another price"),  # open of row 4 is 104
        ("low", 0.0, "a price is not positive"),
        ("low", -1.0, "a price is not positive"),
        ("close", float("nan"), "a number is not finite"),
        ("high", float("inf"), "a number is not finite"),
        ("volume", -1.0, "volume is negative"),
        ("volume", float("nan"), "a number is not finite"),
    ],
)
def test_an_impossible_bar_is_fatal_and_says_why(column: str, value: float, why: str) -> None:
    [bar] = check_candles(with_cell(candles(), 4, column, value), 60)
    assert bar.kind is FindingKind.IMPOSSIBLE_BAR
    assert bar.at == START + 4 * MINUTE
    assert bar.fatal
    assert bar.details.startswith(why)


def test_bars_without_volume_in_a_row_are_one_warning() -> None:
    frame = candles()
    for row in (2, 3, 4, 8):
        frame = with_cell(frame, row, "volume", 0.0)
    run, single = check_candles(frame, 60)
    assert (run.kind, run.at, run.details) == (
        FindingKind.ZERO_VOLUME,
        START + 2 * MINUTE,
        "3 bars in a row",
    )
    assert (single.at, single.details, single.fatal) == (START + 8 * MINUTE, "1 bar", False)


def test_a_candle_off_its_grid_is_a_late_stamp() -> None:
    late = START + 4 * MINUTE + timedelta(seconds=7)
    stamps = candles()["ts"].to_list()
    stamps[4] = late
    findings = check_candles(candles().with_columns(pl.Series("ts", stamps)), 60)
    assert (FindingKind.LATE_STAMP, late) in [(f.kind, f.at) for f in findings]


def test_mark_candles_need_no_volume() -> None:
    marks = candles().drop("volume")
    assert check_marks(marks, 60) == []
    assert [f.fatal for f in check_marks(with_cell(marks, 0, "high", 1.0), 60)] == [True]


def test_funding_may_change_between_1_4_and_8_hours() -> None:
    hours = [0, 8, 16, 20, 24, 28, 29, 30, 31, 32, 36, 40, 48, 56]
    assert check_funding(funding(*(START + timedelta(hours=h) for h in hours))) == []


def test_a_shorter_step_onto_the_grid_of_the_longer_one_is_no_gap() -> None:
    # Hourly until 01:00, then every four hours on the exchange's grid: 04:00, 08:00, 12:00.
    assert missing_funding_stamps([0, HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR]) == []


@pytest.mark.parametrize(
    ("hours", "missing"),
    [
        ([0, 8, 24, 32], [16]),  # 16 h is no interval of any exchange
        ([0, 8, 32, 40], [16, 24]),
        ([0, 4, 8, 16, 20], [12]),  # one 8 h step between 4 h steps
        ([0, 1, 2, 6, 7, 8], [3, 4, 5]),  # one 4 h step between 1 h steps
        ([0, 1, 2, 4, 5], [3]),
    ],
)
def test_a_missing_funding_stamp_is_a_gap(hours: list[int], missing: list[int]) -> None:
    findings = check_funding(funding(*(START + timedelta(hours=h) for h in hours)))
    assert [(f.kind, f.at) for f in findings] == [
        (FindingKind.GAP, START + timedelta(hours=h)) for h in missing
    ]
    assert not any(f.fatal for f in findings)


def test_a_funding_stamp_off_the_hour_is_late() -> None:
    stamps = [START, START + timedelta(hours=8, seconds=40), START + timedelta(hours=16)]
    assert FindingKind.LATE_STAMP in [f.kind for f in check_funding(funding(*stamps))]


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 1.5])
def test_a_rate_that_is_no_fraction_is_fatal(rate: float) -> None:
    stamps = [START + timedelta(hours=8 * i) for i in range(3)]
    [finding] = check_funding(funding(*stamps, rates=[0.0001, rate, 0.0001]))
    assert (finding.at, finding.fatal) == (stamps[1], True)


def test_funding_stamps_are_rounded_to_the_nearest_second(tmp_path: Path) -> None:
    stamps = [START + timedelta(milliseconds=16), START + timedelta(hours=8, milliseconds=-4)]
    file = tmp_path / "funding.parquet"
    funding(*stamps).write_parquet(file)
    loaded = load(file, Series.FUNDING, 0)
    assert loaded.frame["ts"].to_list() == [START, START + timedelta(hours=8)]
    assert loaded.findings == ()


def test_a_file_name_says_venue_symbol_and_series() -> None:
    five = parse_name(Path("binance_usdm_BTCUSDT_5m.parquet"))
    assert (five.venue, five.symbol, five.series, five.interval) == (
        "binance_usdm",
        "BTCUSDT",
        Series.CANDLES,
        300,
    )
    assert parse_name(Path("okx_ETHUSDT_funding.parquet")).series is Series.FUNDING
    mark = parse_name(Path("binance_usdm_BTCUSDT_mark_8h.parquet"))
    assert (mark.series, mark.interval) == (Series.MARK, 8 * HOUR)


@pytest.mark.parametrize(
    "name", ["BTCUSDT.parquet", "binance_usdm_BTCUSDT_20240808_depth.parquet", "a_B_5m.csv"]
)
def test_a_file_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(CommendaError) as refusal:
        parse_name(Path(name))
    assert refusal.value.code == "market_file_name"


@pytest.mark.parametrize("text", ["1m", "5m", "15m", "1h", "8h", "1d", "30s", "1w", "1mo", "3mo"])
def test_an_interval_reads_back_as_it_is_written(text: str) -> None:
    assert interval_name(parse_interval(text)) == text


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "-5m", "5 m", "5M", "٥m", "9999w"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(CommendaError, match="bad_interval"):
        parse_interval(text)


def test_all_real_files_are_sound(market_data: Path) -> None:
    """`acceptance.md`, Data: no gaps; no impossible bars. LAYER's funding mixes 1 h and 4 h."""
    files = [
        file
        for file in sorted(market_data.glob("binance_usdm_*.parquet"))
        if "_20240808_" not in file.name  # trades and books: another import
    ]
    assert len(files) >= 26
    for file in files:
        name = parse_name(file)
        assert load(file, name.series, name.interval).findings == (), file.name


def test_five_minute_bars_of_btc_add_up_to_the_hourly_ones(market_data: Path) -> None:
    five = load(market_data / "binance_usdm_BTCUSDT_5m.parquet", Series.CANDLES, 300).frame
    hour = load(market_data / "binance_usdm_BTCUSDT_1h.parquet", Series.CANDLES, HOUR).frame
    whole_lots = (pl.col("volume") * 1000).round().cast(pl.Int64)  # sums of floats are not exact
    added = (
        five.with_columns(whole_lots)
        .group_by_dynamic("ts", every="1h")
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.len().alias("bars"),
        )
        .filter(pl.col("bars") == 12)
        .drop("bars")
    )
    both = hour.with_columns(whole_lots).join(added, on="ts", suffix="_added")
    assert both.height == hour.height
    for column in COLUMNS[Series.CANDLES][1:]:
        assert both[column].equals(both[f"{column}_added"]), column


def test_ticks_and_lots_of_the_catalogue_fit_the_recorded_prices(market_data: Path) -> None:
    """Every open and close of the 5m and 1h candles lies on a tick, every volume on a lot."""
    for instrument in load_catalogue().values():
        for interval in ("5m", "1h"):
            file = market_data / f"{instrument.venue}_{instrument.symbol}_{interval}.parquet"
            if not file.exists():
                continue
            frame = load(file, Series.CANDLES, parse_interval(interval)).frame
            for column in ("open", "high", "low", "close"):
                off = [p for p in frame[column] if float(instrument.to_tick(p)) != p]
                assert off == [], f"{file.name} {column}"
            lots = frame["volume"] / float(instrument.lot)
            assert ((lots - lots.round()).abs() < 1e-3).all(), file.name
