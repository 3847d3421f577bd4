"""CSV files of candles: what their names say, what their cells say, and what is refused."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.market import Labels, group_files
from commenda.market.csv_files import parse_csv, read_csv
from commenda.market.files import content_digest, load
from commenda.market.model import Series
from commenda.market.names import SourceName, csv_name
from commenda.market.sources import read_source

HOUR = timedelta(hours=1)
HEADER = "ts,open,high,low,close,volume"

# Two rows of Binance's own example of a kline (its API documentation, as quoted in ccxt's source).
BINANCE = (
    b"1591478520000,0.02501300,0.02501800,0.02500000,0.02500000,22.19000000,1591478579999,"
    b"0.55490906,40,10.92900000,0.27336462,0\n"
    b"1591478580000,0.02499600,0.02500900,0.02499400,0.02500300,21.34700000,1591478639999,"
    b"0.53370468,24,7.53800000,0.18850725,0\n"
)
BINANCE_HEADER = (
    b"open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
    b"taker_buy_quote_volume,ignore\n"
)
BINANCE_ROWS = [
    (datetime(2020, 6, 6, 21, 22, tzinfo=UTC), 0.025013, 0.025018, 0.025, 0.025, 22.19),
    (datetime(2020, 6, 6, 21, 23, tzinfo=UTC), 0.024996, 0.025009, 0.024994, 0.025003, 21.347),
]


def one_row(stamp: str, numbers: str = "2,4,1,3,5") -> bytes:
    return f"{HEADER}\n{stamp},{numbers}\n".encode()


def refusal_of(content: bytes) -> CommendaError:
    with pytest.raises(CommendaError) as refusal:
        parse_csv(content, "folder/some.csv")
    return refusal.value


@pytest.mark.parametrize("content", [BINANCE, BINANCE_HEADER + BINANCE])
def test_binances_twelve_columns_are_read_with_or_without_their_header(content: bytes) -> None:
    candles = parse_csv(content, "BTCUSDT-1m-2020-06.csv")
    assert candles.frame.rows() == BINANCE_ROWS
    assert candles.frame.schema["ts"] == pl.Datetime("us", "UTC")
    assert candles.notes == ()
    assert not candles.microseconds


def test_microseconds_are_told_from_milliseconds_by_their_magnitude() -> None:
    text = BINANCE.decode()
    for stamp in ("1591478520000", "1591478580000"):
        text = text.replace(stamp, stamp + "000")
    candles = parse_csv(text.encode(), "BTCUSDT-1m-2020-06.csv")
    assert candles.frame.rows() == BINANCE_ROWS
    assert candles.microseconds


@given(
    second=st.integers(946_684_800, 4_102_444_799),  # 2000-01-01 to 2099-12-31
    power=st.sampled_from([0, 3, 6, 9]),
)
def test_every_epoch_unit_names_the_same_moment(second: int, power: int) -> None:
    frame = parse_csv(one_row(str(second * 10**power)), "x.csv").frame
    assert frame["ts"][0] == datetime.fromtimestamp(second, UTC)


@pytest.mark.parametrize(
    ("written", "assumed"),
    [
        ("2025-04-01", True),
        ("2025-04-01 00:00", True),
        ("2025-04-01T00:00:00.000000", True),
        ("2025-04-01T00:00:00Z", False),
        ("2025-04-01 00:00:00+00:00", False),
        ("2025-04-01 00:00:00 UTC", False),
        ("2025-04-01T08:00:00+08:00", False),
        ("20250331T190000-0500", False),
    ],
)
def test_a_time_without_a_zone_is_taken_as_utc_and_said_to_be(written: str, assumed: bool) -> None:
    candles = parse_csv(one_row(written), "x.csv")
    assert candles.frame["ts"][0] == datetime(2025, 4, 1, tzinfo=UTC)
    assert (candles.notes == ("times without a zone were taken as UTC",)) is assumed


@given(
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001
    minutes=st.integers(-14 * 60, 14 * 60),
)
def test_a_zone_is_followed(moment: datetime, minutes: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_csv(one_row(local.isoformat()), "x.csv").frame["ts"][0] == local


@given(st.lists(st.floats(min_value=0, max_value=1e15), min_size=5, max_size=5))
def test_a_number_is_the_float_nearest_to_its_text(numbers: list[float]) -> None:
    """`repr` is the shortest text that `float` reads back to the same bits."""
    text = ",".join(map(repr, numbers))
    assert list(parse_csv(one_row("2025-04-01", text), "x.csv").frame.row(0)[1:]) == numbers


@given(st.decimals(min_value=0, max_value=10**9, places=8))
def test_eight_decimals_are_read_as_python_reads_them(number: object) -> None:
    frame = parse_csv(one_row("2025-04-01", f"1,1,1,1,{number}"), "x.csv").frame
    assert frame["volume"][0] == float(str(number))


def test_columns_are_found_by_name_whatever_their_order_case_and_delimiter() -> None:
    text = (
        '\ufeff"Volume";"CLOSE";"Trades";"Low";"High";"Open";"Date"\r\n'
        '"5";"3";"n/a";"1";"4";"2";"2025-04-01T00:00Z"\r\n'
        "\r\n"
        "6; 30 ;;10;40;20;2025-04-01T01:00Z"
    )
    frame = parse_csv(text.encode(), "x.csv").frame
    start = datetime(2025, 4, 1, tzinfo=UTC)
    assert frame.columns == ["ts", "open", "high", "low", "close", "volume"]
    assert frame.rows() == [(start, 2, 4, 1, 3, 5), (start + HOUR, 20, 40, 10, 30, 6)]


@pytest.mark.parametrize("column", ["ts", "time", "Timestamp", "DATE", "datetime", "Open_Time"])
def test_the_column_of_times_has_several_names(column: str) -> None:
    text = f"{column},open,high,low,close,volume\n2025-04-01,2,4,1,3,5\n"
    assert parse_csv(text.encode(), "x.csv").frame.height == 1


@pytest.mark.parametrize("content", [b"", b"\n \r\n", HEADER.encode(), b"\xef\xbb\xbf"])
def test_a_file_without_rows_is_empty(content: bytes) -> None:
    assert refusal_of(content).code == "market_file_empty"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"ts,open,high,low,close\n1,2,3,4,5\n", "lacks the column volume"),
        (b"open,high,low,close,volume\n1,2,3,4,5\n", "lacks the column ts or time"),
        (b"date,time,open,high,low,close,volume\n1,2,3,4,5,6,7\n", "more than one column ts"),
        (b"ts,open,open,high,low,close,volume\n1,2,3,4,5,6,7\n", "more than one column open"),
        (b"ts\topen\thigh\tlow\tclose\tvolume\n1\t2\t3\t4\t5\t6\n", "lacks the column ts"),
        (b"1743465600000,2,4,1,3,5\n", "no header and 6 columns, not Binance's 12"),
        (BINANCE[:-3] + b"\n", "line 2 has 11 cells instead of 12"),
        (one_row("2025-04-01") + b"2025-04-02,2,4,1,3,5,6\n", "line 3 has 7 cells instead of 6"),
        (one_row("2025-04-01", '"1,234",4,1,3,5'), "line 2 has 7 cells instead of 6"),
    ],
)
def test_columns_that_do_not_fit_are_named(content: bytes, words: str) -> None:
    refusal = refusal_of(content)
    assert refusal.code == "market_file_columns"
    assert words in refusal.message


@pytest.mark.parametrize(
    "number", ["", "nan", "NaN", "inf", "-Infinity", "1e999", "abc", "1.5.2", "0x1F", "1_000"]
)
def test_a_cell_that_is_no_finite_number_is_named(number: str) -> None:
    refusal = refusal_of(one_row("2025-04-01") + f"\n2025-04-02,2,4,1,{number},5\n".encode())
    assert (refusal.code, refusal.field, refusal.value) == ("market_file_value", "close", number)
    assert refusal.message.startswith("some.csv, line 4: ")  # the blank line counts
    assert refusal.hint


@pytest.mark.parametrize(
    "stamp",
    [
        "20250401",  # a date, or 1970-08-23 in seconds
        "202504010000",  # a minute, or June 1976 in milliseconds
        "20250401000000",  # a second, or the year 2611 in milliseconds
        "99999999999999999999",
        "01/04/2025",
        "2025-13-01",
        "1743465600.5",
        "soon",
        "",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_an_unknown_time_is_refused_and_not_guessed(stamp: str) -> None:
    refusal = refusal_of(one_row(stamp))
    assert (refusal.code, refusal.field, refusal.value) == ("market_file_value", "ts", stamp)
    assert "line 2" in refusal.message


def test_a_bare_number_among_written_times_is_refused() -> None:
    refusal = refusal_of(one_row("2025-04-01") + b"1743469200,2,4,1,3,5\n")
    assert (refusal.code, refusal.value) == ("market_file_value", "1743469200")


def test_a_text_that_is_not_utf8_is_unreadable() -> None:
    assert refusal_of(one_row("2025-04-01").decode().encode("utf-16")).code == (
        "market_file_unreadable"
    )


def zipped(**members: bytes) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in members.items():
            archive.writestr(name.replace("_", "."), inside)
    return content.getvalue()


def damaged(archive: bytes) -> bytes:
    """With one bit changed inside the compressed member."""
    return archive[:60] + bytes([archive[60] ^ 1]) + archive[61:]


def test_a_zip_is_read_as_the_csv_it_holds(tmp_path: Path) -> None:
    file = tmp_path / "BTCUSDT-1m-2020-06.zip"
    file.write_bytes(zipped(a_csv=BINANCE, CHECKSUM=b"0"))
    assert read_csv(file).frame.rows() == BINANCE_ROWS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Not a readable zip"),
        (BINANCE, "Not a readable zip"),
        (zipped(a_csv=BINANCE)[:-30], "Not a readable zip"),
        (damaged(zipped(a_csv=BINANCE)), "Not a readable zip"),
        (zipped(a_csv=BINANCE, b_csv=BINANCE), "2 CSV files instead of one"),
        (zipped(a_txt=BINANCE), "0 CSV files instead of one"),
    ],
)
def test_a_zip_that_does_not_hold_one_csv_is_unreadable(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = tmp_path / "BTCUSDT-1m-2020-06.zip"
    file.write_bytes(content)
    with pytest.raises(CommendaError) as refusal:
        read_csv(file)
    assert refusal.value.code == "market_file_unreadable"
    assert words in refusal.value.message
    assert refusal.value.value == str(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommendaError, match="market_file_missing"):
        read_csv(tmp_path / "BTCUSDT-1m-2020-06.csv")


ALL = Labels("okx_swap", "ETHUSDT", "1h")


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("BTCUSDT-1h-2025-01.csv", Labels(), ("binance_usdm", "BTCUSDT", 3600)),
        ("1000PEPEUSDT-5m-2025-01-31.zip", Labels(), ("binance_usdm", "1000PEPEUSDT", 300)),
        ("BTCUSDT-1d-2025-01.CSV", Labels("binance_spot"), ("binance_spot", "BTCUSDT", 86400)),
        ("binance_usdm_BTCUSDT_15m.csv", Labels(), ("binance_usdm", "BTCUSDT", 900)),
        ("okx_BTCUSDT_60m.csv", Labels("okx", "BTCUSDT", "1h"), ("okx", "BTCUSDT", 3600)),
        ("prices of ether.csv", ALL, ("okx_swap", "ETHUSDT", 3600)),
        ("币安人生USDT-1h-2025-01.csv", Labels(), ("binance_usdm", "币安人生USDT", 3600)),
        ("okx_币安人生USDT_5m.csv", Labels(), ("okx", "币安人生USDT", 300)),
        ("BTCUSDT_250627-1h-2025-01.csv", Labels(), ("binance_usdm", "BTCUSDT_250627", 3600)),
        ("binance_usdm_BTCUSDT_250627_5m.csv", Labels(), ("binance_usdm", "BTCUSDT_250627", 300)),
        ("binance_usdm_1000PEPEUSDT_5m.csv", Labels(), ("binance_usdm", "1000PEPEUSDT", 300)),
        ("BTCUSDT-1w-2025-01.csv.gz", Labels(), ("binance_usdm", "BTCUSDT", 604_800)),
        # 365.2425 days of the Gregorian calendar over twelve
        ("BTCUSDT-1mo-2025-01.csv", Labels(), ("binance_usdm", "BTCUSDT", 31_556_952 // 12)),
    ],
)
def test_a_series_is_told_by_the_name_or_else_the_labels(
    name: str, labels: Labels, expected: tuple[str, str, int]
) -> None:
    venue, symbol, interval = expected
    told = csv_name(Path(name), labels)
    assert told == SourceName(venue, symbol, Series.CANDLES, interval)


@pytest.mark.parametrize(
    ("name", "labels", "code"),
    [
        ("prices.csv", Labels(), "market_file_name"),
        ("prices.csv", Labels("okx", "ETHUSDT"), "market_file_name"),
        ("okx_BTCUSDT_5m.csv", Labels(venue="binance_usdm"), "market_file_name"),
        ("BTCUSDT-1h-2025-01.csv", Labels(symbol="ETHUSDT"), "market_file_name"),
        ("BTCUSDT-1h-2025-01.csv", Labels(interval="5m"), "market_file_name"),
        ("binance_usdm_BTCUSDT_funding.csv", Labels(), "market_file_name"),
        ("binance_usdm_BTCUSDT_mark_8h.csv", Labels(), "market_file_name"),
        ("BTCUSDT-1q-2025-01.csv", Labels(), "bad_interval"),
        ("BTCUSDT-0w-2025-01.csv", Labels(), "bad_interval"),
        ("BTCUSD_PERP-1h-2025-01.csv", Labels(), "inverse_contract"),
        ("BTCUSD_250627-1h-2025-01.csv", Labels(), "inverse_contract"),
        ("BTCUSD_PERP-1h-2025-01.csv", Labels(symbol="BTCUSDT"), "inverse_contract"),
        ("prices.csv", Labels("binance_coinm", "BTCUSD", "1h"), "inverse_contract"),
        ("prices.csv", Labels("okx", "../ETC", "1h"), "market_file_name"),
    ],
)
def test_a_name_that_says_too_little_or_contradicts_is_refused(
    name: str, labels: Labels, code: str
) -> None:
    with pytest.raises(CommendaError) as refusal:
        csv_name(Path(name), labels)
    assert refusal.value.code == code
    assert refusal.value.hint


def test_csv_files_of_one_series_are_one_group_and_others_stay_alone() -> None:
    january, february, ether, parquet, unnamed, nameless = (
        Path(name)
        for name in (
            "BTCUSDT-1h-2025-01.csv",
            "more/BTCUSDT-1h-2025-02.zip",
            "ETHUSDT-1h-2025-01.csv",
            "binance_usdm_BTCUSDT_1h.parquet",
            "prices.csv",
            "others.csv",
        )
    )
    files = [january, ether, unnamed, february, parquet, nameless]
    assert group_files(files, Labels()) == [
        (january, february),
        (ether,),
        (unnamed,),
        (parquet,),
        (nameless,),
    ]


def hourly(first: datetime, rows: int) -> bytes:
    lines = [
        f"{(first + i * HOUR).isoformat()},{2 + i},{4 + i},{1 + i},{3 + i},5" for i in range(rows)
    ]
    return "\n".join([HEADER, *lines]).encode()


def test_joined_files_are_in_order_of_time_and_each_is_judged_alone(tmp_path: Path) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    early, late = tmp_path / "BTCUSDT-1h-2025-01-01.csv", tmp_path / "BTCUSDT-1h-2025-01-02.csv"
    early.write_bytes(hourly(start, 24))
    late.write_bytes(hourly(start + 24 * HOUR, 24))
    name = csv_name(early, Labels())
    source = read_source([late, early], name)
    assert source.loaded.findings == ()
    assert source.loaded.frame["ts"].to_list() == [start + i * HOUR for i in range(48)]

    late.write_bytes(hourly(start + 24 * HOUR, 24).replace(b",3,5", b",99,5"))
    with pytest.raises(CommendaError) as refusal:
        read_source([late, early], name)
    assert (refusal.value.code, refusal.value.value) == ("market_data_refused", str(late))


def test_an_interval_that_the_stamps_do_not_have_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "BTCUSDT-5m-2025-01.csv"
    file.write_bytes(hourly(datetime(2025, 1, 1, tzinfo=UTC), 24))
    with pytest.raises(CommendaError) as refusal:
        read_source([file], csv_name(file, Labels()))
    assert refusal.value.code == "market_file_interval"
    assert "3600 s apart, not 5m" in refusal.value.message


def test_real_candles_written_as_csv_read_back_to_the_same_content(
    market_data: Path, tmp_path: Path
) -> None:
    original = load(market_data / "binance_usdm_SOLUSDT_1m.parquet", Series.CANDLES, 60).frame
    for name, times in {
        "binance_usdm_SOLUSDT_1m.csv": pl.col("ts").dt.to_string("%Y-%m-%dT%H:%M:%S%:z"),
        "SOLUSDT-1m-2025-05.csv": pl.col("ts").dt.epoch("us").cast(pl.String),
    }.items():
        file = tmp_path / name
        original.with_columns(times).write_csv(file)
        read = read_source([file], csv_name(file, Labels())).loaded
        assert read.findings == ()
        assert content_digest(read.frame) == content_digest(original)
