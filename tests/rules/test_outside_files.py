"""Files from outside that are not what they say: bombs, endless lines, false claims, odd names."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest

from commenda.kit.errors import CommendaError
from commenda.kit.outside import LONGEST_LINE, Bounds, bounds, lines, use_bounds
from commenda.kit.parquet import claimed_rows
from commenda.market import Series, read_frames, read_recorded
from commenda.settings import Settings

HEADER = b"ts,open,high,low,close,volume\n"
ROW = b"1735689600,100,103,99,101,5\n"
NAME = "BTCUSDT-1h-2025-01.zip"


@pytest.fixture(autouse=True)
def usual_bounds() -> Iterator[None]:
    before = bounds()
    yield
    use_bounds(before)


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, inside in members.items():
            archive.writestr(name, inside)
    return content.getvalue()


def refused(
    file: Path, content: bytes, read: Callable[[Path], object] | None = None
) -> CommendaError:
    """The refusal of a file; what is read of it stays in memory, and nothing else is written."""
    file.write_bytes(content)
    before = sorted(file.parent.rglob("*"))
    with pytest.raises(CommendaError) as refusal:
        (read or (lambda one: read_recorded(one, Series.CANDLES)))(file)
    assert sorted(file.parent.rglob("*")) == before
    assert refusal.value.hint
    return refusal.value


def zeros(megabytes: int) -> bytes:
    return HEADER + ROW * (megabytes * 2**20 // len(ROW))


BOMBS = {
    "BTCUSDT-1h-2025-01.zip": lambda text: zipped({"a.csv": text}),
    "BTCUSDT-1h-2025-01.csv.gz": lambda text: gzip.compress(text),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_unpacks_to_too_much_is_refused_by_each_bound(tmp_path: Path, name: str) -> None:
    """80 MB of one row: deflate makes 1/400 of it."""
    content = BOMBS[name](zeros(80))
    assert len(content) < 300_000
    refusal = refused(tmp_path / name, content)
    assert refusal.code == "file_too_large"
    assert "more than 200 times" in refusal.message
    assert "COMMENDA_IMPORT_RATIO" in (refusal.hint or "")
    use_bounds(Bounds(bytes=10**7, ratio=10**6))
    refusal = refused(tmp_path / name, content)
    assert (refusal.code, refusal.message) == (
        "file_too_large",
        "The file holds more than 10,000,000 bytes",
    )
    assert "COMMENDA_IMPORT_BYTES" in (refusal.hint or "")
    use_bounds(Bounds(ratio=10**6, rows=200_000))
    refusal = refused(tmp_path / name, content)
    assert (refusal.code, refusal.message) == (
        "file_too_large",
        "The file has more than 200,000 rows",
    )
    assert "COMMENDA_IMPORT_ROWS" in (refusal.hint or "")


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """200 MB in less than 1: no more of it is held than was read before the ratio was passed."""
    file = tmp_path / NAME
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w", force_zip64=True) as member,
    ):
        member.write(HEADER)
        for _ in range(200):
            member.write(ROW * 37_037)
    assert file.stat().st_size < 10**6
    script = (
        "import sys, pathlib; from commenda.market import Series, read_recorded\n"
        "from commenda.kit.errors import CommendaError\n"
        "try: read_recorded(pathlib.Path(sys.argv[1]), Series.CANDLES)\n"
        "except CommendaError as error: print(error.code)\n"
        "status = pathlib.Path('/proc/self/status').read_text()\n"
        "print(int(status.partition('VmHWM:')[2].split()[0]) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True)
    code, megabytes = done.stdout.split()
    assert code == "file_too_large", done.stderr
    assert int(megabytes) < 600


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (
            {"inner.zip": zipped({"a.csv": HEADER + ROW})},
            "0 CSV files instead of one, and archives",
        ),
        ({"a.csv": b"", "b/c.csv": b""}, "2 CSV files instead of one"),
        ({"../../evil.csv": HEADER + ROW}, "a file outside of itself"),
        ({"/etc/evil.csv": HEADER + ROW}, "a file outside of itself"),
        ({"..\\..\\evil.csv": HEADER + ROW}, "a file outside of itself"),
    ],
)
def test_an_odd_zip_is_refused(tmp_path: Path, members: dict[str, bytes], words: str) -> None:
    refusal = refused(tmp_path / NAME, zipped(members))
    assert refusal.code == "market_file_unreadable"
    assert words in refusal.message


def test_a_zip_of_very_many_files_or_another_method_is_refused(tmp_path: Path) -> None:
    many = zipped({f"{i}.txt": b"" for i in range(1_001)})
    assert refused(tmp_path / NAME, many).code == "file_too_large"
    other = zipped({"a.csv": HEADER + ROW}, zipfile.ZIP_BZIP2)
    assert "another method than deflate" in refused(tmp_path / NAME, other).message


def test_a_false_size_in_a_zip_is_not_believed(tmp_path: Path) -> None:
    """The directory says 10 bytes: no more is read, and the checksum does not fit."""
    content = bytearray(zipped({"a.csv": zeros(1)}))
    at = content.rindex(b"PK\1\2")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")
    assert refused(tmp_path / NAME, bytes(content)).code == "market_file_unreadable"


@pytest.mark.parametrize("begin", [b"", HEADER, HEADER + ROW])
def test_a_line_that_does_not_end_is_refused(tmp_path: Path, begin: bytes) -> None:
    refusal = refused(tmp_path / "x_BTCUSDT_1h.csv", begin + b"1" * (LONGEST_LINE + 1))
    assert refusal.code == "file_too_large"
    assert "longer than 1,048,576 bytes" in refusal.message


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_lines_end_in_any_way_wherever_a_piece_ends(end: bytes, size: int) -> None:
    text = end.join([b"one", b"", b"two", b"three"])
    content = (text[at : at + size] for at in range(0, len(text), size))
    assert b"".join(lines(content, "x")) == b"one\n\ntwo\nthree"


def test_raw_frames_are_bounded_too(tmp_path: Path) -> None:
    frame = b'1 {"e":"trade","E":1,"T":1,"t":1,"p":"1","q":"1","m":true}\n'
    file = tmp_path / "x_BTCUSDT_raw.jsonl.gz"
    use_bounds(Bounds(bytes=10**6))
    assert refused(file, gzip.compress(frame * 20_000), read_frames).code == "file_too_large"
    use_bounds(Bounds())
    assert refused(file, gzip.compress(b"1" * 2**21), read_frames).code == "file_too_large"
    assert refused(file, b"no gzip", read_frames).code == "market_file_unreadable"
    for line in (b"1 " + b"[" * 100_000, b'1 {"e":"trade"}', b"\xff\xfe\n", b"1 {}\n\n1 {}"):
        refusal = refused(file, gzip.compress(frame + line), read_frames)
        assert refusal.code == "depth_frame"
        assert "Line 2" in refusal.message or "Line 3" in refusal.message


def hours(rows: int) -> pl.DataFrame:
    stamps = pl.select(
        (pl.int_range(0, rows) * 3_600_000_000 + 1_735_689_600_000_000).cast(
            pl.Datetime("us", "UTC")
        )
    ).to_series()
    numbers = {
        n: pl.repeat(100.0, rows, eager=True) for n in ("open", "high", "low", "close", "volume")
    }
    return pl.DataFrame({"ts": stamps, **numbers})


def test_parquet_of_too_many_rows_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """Five million rows in 200 kB: a column of equal values takes a few bytes a page."""
    file = tmp_path / "x_BTCUSDT_1h.parquet"
    pl.select(open=pl.repeat(1.0, 5_000_000)).write_parquet(file)
    assert file.stat().st_size < 200_000
    use_bounds(Bounds(rows=4_000_000))
    with pytest.raises(CommendaError) as refusal:
        read_recorded(file, Series.CANDLES)
    assert (refusal.value.code, refusal.value.message) == (
        "file_too_large",
        "The file has more than 4,000,000 rows",
    )


def varint(number: int) -> bytes:
    """Zigzag and seven bits at a time, as Thrift's compact protocol writes a number."""
    number, out = number * 2, b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


@pytest.mark.parametrize("claim", [0, 1, 201, 2**31, 2**62])
@pytest.mark.parametrize("which", [0, 1])
def test_false_counts_of_rows_are_refused(tmp_path: Path, claim: int, which: int) -> None:
    """The footer says the rows of the file and of its group: 200, and here something else."""
    file = tmp_path / "x_BTCUSDT_1h.parquet"
    hours(200).write_parquet(file, statistics=False)
    assert claimed_rows(file) == 200
    content = file.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    body, footer = content[: -8 - length], content[-8 - length : -8]
    true = b"\x16" + varint(200)  # the next field but one of an i64: of the group, after its size
    places = [at for at in range(len(footer)) if footer.startswith(true, at)]
    at = (places[0], places[-1])[which]
    forged = footer[:at] + b"\x16" + varint(claim) + footer[at + len(true) :]
    refusal = refused(file, body + forged + len(forged).to_bytes(4, "little") + b"PAR1")
    assert refusal.code in {"market_file_unreadable", "file_too_large"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PAR1",
        b"PAR1" + b"\0" * 8,
        b"PAR1\xff\xff\xff\x7fPAR1",
        b"PAR1" + b"\x19\xfc\xff\xff\xff\xff\x0f" + b"\x07\0\0\0PAR1",
    ],
)
def test_what_is_no_parquet_is_unreadable(tmp_path: Path, content: bytes) -> None:
    assert refused(tmp_path / "x_BTCUSDT_1h.parquet", content).code == "market_file_unreadable"


def test_times_beyond_every_market_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x_BTCUSDT_1h.parquet"
    far = hours(3).with_columns(pl.Series("ts", [0, 1, 2**62]).cast(pl.Datetime("ms", "UTC")))
    far.write_parquet(file)
    with pytest.raises(CommendaError, match="before 1900 or after 2199"):
        read_recorded(file, Series.CANDLES)


def test_the_bounds_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BYTES", "1000"), ("ROWS", "10"), ("RATIO", "3")):
        monkeypatch.setenv(f"COMMENDA_IMPORT_{name}", value)
    assert Settings.from_environment().import_bounds == Bounds(bytes=1000, ratio=3, rows=10)
    monkeypatch.setenv("COMMENDA_IMPORT_ROWS", "many")
    with pytest.raises(CommendaError, match="bad_setting"):
        Settings.from_environment()


def test_a_command_keeps_to_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "x_BTCUSDT_1h.csv"
    file.write_bytes(
        HEADER + b"".join(b"%d,1,1,1,1,1\n" % (1735689600 + 3600 * i) for i in range(20))
    )
    done = subprocess.run(
        [sys.executable, "-m", "commenda", "backtest", "sma_cross", "--data", str(file)],
        env=os.environ | {"COMMENDA_IMPORT_ROWS": "10"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("file_too_large The file has more than 10 rows")
    assert "COMMENDA_IMPORT_ROWS" in done.stderr
