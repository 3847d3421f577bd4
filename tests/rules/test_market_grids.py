"""Grids that are not regular: minutes without trades, late bars, local days, weeks and months.

The right values are counted here by other means: sets of minutes, `zoneinfo`'s clocks, a calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.market import (
    FindingKind,
    Series,
    SeriesFiles,
    load_catalogue,
    missing_between,
    read_recorded,
)
from commenda.market.feed import CandleFeed
from commenda.market.grid import MONTH, closes_of, other_interval, told_by
from commenda.market.names import SourceName, parse_name
from commenda.market.sources import read_source
from commenda.strategies import read_bars

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A CSV file of equal bars at the times that are given, as they are written."""

    def written(name: str, stamps: Sequence[object]) -> Path:
        lines = [f"{stamp},100,103,99,101,5" for stamp in stamps]
        (tmp_path / name).write_text("\n".join(["date,open,high,low,close,volume", *lines]))
        return tmp_path / name

    return written


def sparse() -> tuple[list[datetime], int]:
    """400 minutes that are 2, 3, 4 or 5 apart (never 1), and how many are missing between."""
    minutes, at = [], 0
    for i in range(400):
        minutes.append(at)
        at += (3, 2, 4, 5, 3, 2)[i % 6]
    without = set(range(minutes[-1])) - set(minutes)
    return [START + m * MINUTE for m in minutes], len(without)


@pytest.mark.parametrize(
    ("name", "stated"),
    [("kraken_XBTUSD_1m.csv", None), ("anyname.csv", None), ("anyname.csv", MINUTE)],
)
def test_minutes_without_trades_are_minutes(
    write: Write, name: str, stated: timedelta | None
) -> None:
    stamps, missing = sparse()
    found = read_bars(write(name, [s.isoformat() for s in stamps]), interval=stated).source
    assert (found.bars, found.interval, found.missing) == (400, MINUTE, missing)


def test_a_name_that_the_steps_contradict_is_refused_and_the_steps_named(write: Write) -> None:
    stamps, _ = sparse()
    with pytest.raises(CommendaError, match="The bars are 60 s apart, not 3m") as refusal:
        read_bars(write("kraken_XBTUSD_3m.csv", [s.isoformat() for s in stamps]))
    assert refusal.value.code == "market_file_interval"


def test_bars_that_come_late_are_no_gap(write: Write) -> None:
    """Thirty sound minutes, and thirty that begin 14 seconds late after an outage."""
    late = timedelta(seconds=14)
    stamps = [START + i * MINUTE + (late if i >= 30 else timedelta()) for i in range(60)]
    file = write("x_BTCUSDT_1m.csv", [s.isoformat() for s in stamps])
    assert read_bars(file).source.missing == 0
    kinds = [finding.kind for finding in read_recorded(file, Series.CANDLES).findings]
    assert kinds == [FindingKind.LATE_STAMP] * 30


@given(
    removed=st.sets(st.integers(1, 58), max_size=20),
    late=st.dictionaries(st.integers(1, 58), st.integers(-29, 29), max_size=10),
)
def test_only_what_is_missing_is_counted(removed: set[int], late: dict[int, int]) -> None:
    """Bars up to half an interval off their place are there, and no others are."""
    alone = {i for i in late if not removed & {i - 1, i, i + 1} and i - 1 not in late}
    stamps = [60 * i + (late[i] if i in alone else 0) for i in range(60) if i not in removed]
    assert missing_between(np.array(stamps), 60).sum() == len(removed)


def test_a_bar_far_off_its_place_is_there_too() -> None:
    assert missing_between(np.array([0, 100, 120, 180]), 60).tolist() == [0, 0, 0]
    assert missing_between(np.array([0, 20, 120, 180]), 60).tolist() == [0, 0, 0]
    assert missing_between(np.array([0, 100, 240]), 60).tolist() == [1, 1]


def days(first: date, count: int, zone: ZoneInfo) -> list[datetime]:
    return [
        datetime(one.year, one.month, one.day, tzinfo=zone)
        for one in (first + timedelta(days=i) for i in range(count))
    ]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("name", ["x_BTCEUR_1d.csv", "days.csv"])
def test_days_from_local_midnight_are_days(write: Write, zone: str, name: str) -> None:
    """A year of them: two changes of the clocks, days of 23 to 25 hours, no gap and none late."""
    stamps = days(date(2025, 1, 1), 365, ZoneInfo(zone))
    file = write(name, [s.isoformat() for s in stamps])
    found = read_recorded(file, Series.CANDLES)
    assert found.frame["ts"].to_list() == [s.astimezone(UTC) for s in stamps]
    assert (found.interval, found.findings) == (86_400, ())
    without = write(name, [s.isoformat() for i, s in enumerate(stamps) if i not in (88, 89, 299)])
    gaps = read_recorded(without, Series.CANDLES).findings
    assert [gap.details.split()[0] for gap in gaps] == ["2", "1"]
    assert read_bars(without).source.missing == 3


def test_naive_local_times_are_those_of_the_zone_that_is_given(write: Write) -> None:
    stamps = days(date(2025, 3, 1), 60, BERLIN)
    file = write("x_BTCEUR_1d.csv", [s.strftime("%Y-%m-%d") for s in stamps])
    found = read_bars(file, zone="Europe/Berlin")
    assert found.source.first == datetime(2025, 2, 28, 23, tzinfo=UTC)
    assert found.source.last == datetime(2025, 4, 28, 22, tzinfo=UTC)  # summer time since March 30
    assert (found.source.missing, found.source.zone) == (0, "Europe/Berlin")
    assert found.notes == ("times without a zone were taken as Europe/Berlin",)
    assert read_bars(file).notes == ("times without a zone were taken as UTC",)


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_hour_that_comes_twice_is_told_by_the_order(write: Write, newest_first: bool) -> None:
    """2025-10-26 in Berlin: 02:00 to 03:00 is 00:00 to 01:00 UTC, and once more an hour later."""
    utc = [datetime(2025, 10, 25, 22, tzinfo=UTC) + i * HOUR / 2 for i in range(12)]
    local = [f"{s.astimezone(BERLIN):%Y-%m-%d %H:%M}" for s in utc]
    assert len(set(local)) == 10
    file = write("x_BTCEUR_30m.csv", local[::-1] if newest_first else local)
    found = read_recorded(file, Series.CANDLES, zone="Europe/Berlin")
    assert found.frame["ts"].to_list() == utc
    assert {finding.kind for finding in found.findings} <= {FindingKind.OUT_OF_ORDER}


@pytest.mark.parametrize(
    ("stamp", "zone", "code"),
    [
        ("2025-03-30 02:30", "Europe/Berlin", "market_file_value"),  # 02:00 was 03:00
        ("2025-03-30 01:30", "Europe/Nowhere", "unknown_zone"),
    ],
)
def test_a_time_or_a_zone_that_there_is_not_is_refused(
    write: Write, stamp: str, zone: str, code: str
) -> None:
    with pytest.raises(CommendaError) as refusal:
        read_recorded(
            write("x_BTCEUR_1h.csv", ["2025-03-30 00:30", stamp]), Series.CANDLES, 3600, zone
        )
    assert refusal.value.code == code


def test_a_zone_is_no_matter_to_times_that_name_theirs(write: Write) -> None:
    stamps = [int((START + i * HOUR).timestamp()) for i in range(4)]
    found = read_recorded(write("x_BTCEUR_1h.csv", stamps), Series.CANDLES, zone="Asia/Tokyo")
    assert found.frame["ts"][0] == START
    assert found.notes == ()


@pytest.mark.parametrize("time_zone", [None, "Asia/Tokyo"])
def test_parquet_without_utc_is_read_with_a_zone(tmp_path: Path, time_zone: str | None) -> None:
    file = tmp_path / "x_BTCJPY_1h.parquet"
    local = pl.datetime_range(
        START.replace(tzinfo=None), (START + 3 * HOUR).replace(tzinfo=None), "1h", eager=True
    )
    local = local.dt.replace_time_zone(time_zone)
    numbers = {name: [100.0] * 4 for name in ("open", "high", "low", "close", "volume")}
    pl.DataFrame({"ts": local, **numbers}).write_parquet(file)
    with pytest.raises(CommendaError, match="market_file_type"):
        read_recorded(file, Series.CANDLES)
    found = read_recorded(file, Series.CANDLES, zone="Asia/Tokyo")
    assert found.frame["ts"][0] == datetime(2024, 12, 31, 15, tzinfo=UTC)


def firsts(count: int) -> list[datetime]:
    return [datetime(2023 + m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in range(count)]


@pytest.mark.parametrize("name", ["BTCUSDT-1mo-2025-01.csv", "months.csv", "x_BTCUSDT_1mo.csv"])
def test_months_are_of_the_calendar(write: Write, name: str) -> None:
    stamps = [s.isoformat() for s in firsts(36)]
    found = read_recorded(write(name, stamps), Series.CANDLES)
    assert (found.interval, found.findings) == (MONTH, ())
    [gap] = read_recorded(write(name, stamps[:5] + stamps[7:]), Series.CANDLES).findings
    assert gap.details == "2 missing, next at 2023-08-01 00:00:00"


def test_weeks_begin_on_any_day(write: Write) -> None:
    stamps = [datetime(2025, 1, 6, tzinfo=UTC) + 7 * i * DAY for i in range(20)]  # Mondays
    found = read_recorded(write("weeks.csv", [s.isoformat() for s in stamps]), Series.CANDLES)
    assert (found.interval, found.findings) == (604_800, ())


@pytest.mark.parametrize(
    ("steps", "interval"),
    [
        ([300] * 20 + [3600] * 3, 300),
        ([86_400] * 4 + [3 * 86_400], 86_400),  # a week of the stock market
        (([3600] * 6 + [18 * 3600 - 1800]) * 5, 3600),  # days of six hours and a half
        ([61, 59, 60, 60, 62, 58, 60, 63], 60),
        ([420] * 5, 420),
        ([], 0),
    ],
)
def test_the_interval_is_told_by_the_steps(steps: list[int], interval: int) -> None:
    stamps = np.cumsum([0, *steps])
    assert told_by(pl.Series(stamps * 1_000_000).cast(pl.Datetime("us", "UTC"))) == interval


@pytest.mark.parametrize(
    ("step", "said", "told"),
    [(3600, 300, 3600), (60, 3600, 60), (1800, 3600, 1800), (60, 60, None)],
)
def test_another_interval_is_told(step: int, said: int, told: int | None) -> None:
    stamps = pl.Series(np.arange(24) * step * 1_000_000).cast(pl.Datetime("us", "UTC"))
    assert other_interval(stamps, said) == told


def test_a_bar_closes_where_the_next_one_opens() -> None:
    """Never before it is over: a day of 25 hours, a month of 31 days, a bar before a gap."""
    opens = np.array([0, 25, 49, 97]) * 3600
    assert closes_of(opens, 86_400).tolist() == [25 * 3600, 49 * 3600, 73 * 3600, 121 * 3600]
    months = np.array([int(s.timestamp()) for s in firsts(3)])
    assert closes_of(months, MONTH)[:2].tolist() == months[1:].tolist()


def test_the_close_of_a_long_day_is_not_known_before_it(tmp_path: Path) -> None:
    """2025-10-26 in Berlin has 25 hours: 22:00 UTC to 23:00 UTC."""
    stamps = [s.astimezone(UTC) for s in days(date(2025, 10, 25), 4, BERLIN)]
    file = tmp_path / "binance_usdm_BTCUSDT_1d.parquet"
    numbers = {name: [100.0, 200.0, 300.0, 400.0] for name in ("open", "high", "low", "close")}
    pl.DataFrame({"ts": stamps, **numbers, "volume": [1.0] * 4}).write_parquet(file)
    instrument = load_catalogue()["binance_usdm", "BTCUSDT"]
    feed = CandleFeed.from_files([(instrument, SeriesFiles(file))], 86_400)
    over = int(datetime(2025, 10, 26, 23, tzinfo=UTC).timestamp())
    assert feed.mark_at(0, over - 1).price == 100
    assert feed.mark_at(0, over).price == 200
    closed = feed.closed_bar(0, over)
    assert closed is not None
    assert closed.close == 200.0


@pytest.mark.parametrize("name", ["x_BTCUSDT_1m.csv", "x_BTCUSDT_1m.parquet"])
def test_an_import_and_a_run_find_the_same(write: Write, tmp_path: Path, name: str) -> None:
    stamps, _ = sparse()
    stamps[7], stamps[8] = stamps[8], stamps[7] + timedelta(seconds=9)
    file = write("x_BTCUSDT_1m.csv", [s.isoformat() for s in stamps])
    if name.endswith(".parquet"):
        frame = pl.read_csv(file).with_columns(pl.col("date").str.to_datetime(time_zone="UTC"))
        file = tmp_path / name
        frame.rename({"date": "ts"}).write_parquet(file)
    series = parse_name(Path("x_BTCUSDT_1m.parquet"))
    assert series == SourceName("x", "BTCUSDT", Series.CANDLES, 60)
    imported = read_source([file], series).loaded
    run = read_recorded(file, Series.CANDLES)
    assert run.findings == imported.findings
    assert {f.kind for f in run.findings} == {
        FindingKind.GAP,
        FindingKind.OUT_OF_ORDER,
        FindingKind.LATE_STAMP,
    }
    assert run.frame.equals(imported.frame)


@pytest.mark.parametrize("name", ["x_BTCUSDT_1h.csv", "anyname.csv", "BTCUSDT-1h-2025-01.csv"])
def test_a_file_of_one_bar_says_so(write: Write, name: str) -> None:
    with pytest.raises(CommendaError, match=r"The file has one bar.* run needs two"):
        read_bars(write(name, ["2025-01-01T00:00Z"]))


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_lines_may_end_in_any_way(tmp_path: Path, end: str) -> None:
    file = tmp_path / "x_BTCUSDT_1h.csv"
    rows = [f"{1735689600 + 3600 * i},1,1,1,1,1" for i in range(3)]
    file.write_bytes(end.join(["ts,open,high,low,close,volume", *rows]).encode())
    assert read_bars(file).source.bars == 3
    file.write_bytes(file.read_bytes().replace(b"1735693200,1,", b"1735693200,x,"))
    with pytest.raises(CommendaError, match=r"x_BTCUSDT_1h\.csv, line 3: the column open"):
        read_bars(file)


def test_a_line_is_counted_from_the_top_of_the_file(tmp_path: Path) -> None:
    """A blank line, a byte order mark and some megabytes come before it."""
    file = tmp_path / "x_BTCUSDT_1m.csv"
    rows = [f"{1735689600 + 60 * i},100.25,100.5,100.0,100.25,1.5" for i in range(150_000)]
    rows[140_000] = rows[140_000].replace("100.25", "n/a", 1)
    text = "\ufeff\nts,open,high,low,close,volume\n" + "\n".join(rows)
    file.write_text(text, "utf-8")
    with pytest.raises(CommendaError) as refusal:
        read_bars(file)
    line = text.splitlines().index(rows[140_000]) + 1
    assert f"line {line}: the column open" in refusal.value.message
    assert refusal.value.value == "n/a"


def test_missing_columns_are_told_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "x_BTCUSDT_1m.csv"
    file.write_text("https://example.com/data\nunix,date,open,high,low,close\n1,2,3,4,5,6\n")
    with pytest.raises(CommendaError, match=r"it has https://example\.com/data"):
        read_bars(file)
