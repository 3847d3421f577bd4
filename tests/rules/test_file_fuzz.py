"""Damaged files of every kind, drawn from a seed: each is read, or refused in one clear message."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from commenda.kit.errors import CommendaError
from commenda.market import (
    Series,
    depth_record,
    load_catalogue,
    read_depth,
    read_frames,
    read_recorded,
)
from commenda.simulate.scenario import load_scenario
from commenda.strategies import read_bars, read_funding
from extent import up_to

Change = Callable[[Random, bytes], bytes]
HOUR = 3_600
FIRST = 1_735_689_600


def candles(rng: Random) -> bytes:
    """A sound file of hours, in one of the layouts and spellings that are read."""
    separator, end = rng.choice([",", ";"]), rng.choice(["\n", "\r\n", "\r"])
    unit = rng.choice([1, 1_000, 1_000_000])
    rows = [
        [FIRST * unit + HOUR * unit * i, 100, 103, 99, 101, 5] for i in range(rng.randrange(60))
    ]
    if rng.random() < 0.4:
        table = [[*row, row[0] + HOUR * unit - 1, 500, 3, 2, 200, 0] for row in rows]
    else:
        header = ["ts", "open", "high", "low", "close", "volume"]
        table = [header, *rows]
    return end.join(separator.join(map(str, row)) for row in table).encode()


def cut(rng: Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def flipped(rng: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 2, 8])) if changed else ():
        changed[rng.randrange(len(changed))] = rng.choice([0, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(changed)


ODD = [
    *(b"\0", b'"', b"'", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b",", b";", b"\t", b"-", b"e9"),
    *("é".encode("latin-1"), "٣".encode(), "\u202e".encode(), b"nan", b"1e999", b"=1+1"),
    *(b"9" * 400, b"," * 3_000, b"\n" * 3_000, b"x" * 2**21),
]
ZIPPED = [["a.csv"], ["a.csv"], ["ä.CSV"], ["a.csv", "b.csv"], ["a.zip"]]


def put_in(rng: Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(ODD) + content[at:]


def spelled(rng: Random, content: bytes) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7"]))


def shuffled(rng: Random, content: bytes) -> bytes:
    rows = content.splitlines(keepends=True)
    rng.shuffle(rows)
    return b"".join(rows)


def widened(rng: Random, content: bytes) -> bytes:
    more = b"," + b",".join(b"c%d" % i for i in range(rng.choice([1, 900, 5_000])))
    return b"\n".join(row + more for row in content.splitlines())


def doubled(rng: Random, content: bytes) -> bytes:
    return content + rng.choice([b"", b"\n"]) + content


CHANGES: list[Change] = [cut, flipped, put_in, spelled, shuffled, widened, doubled]


def packed(rng: Random, content: bytes, kind: str) -> bytes:
    if kind == "csv.gz":
        return gzip.compress(content, mtime=0)
    if kind == "zip":
        archive = BytesIO()
        with zipfile.ZipFile(archive, "w", rng.choice([0, 8])) as opened:
            for name in rng.choice(ZIPPED):
                opened.writestr(name, content)
        return archive.getvalue()
    return content


def damaged_text(rng: Random) -> tuple[str, bytes]:
    """A file's ending and its content: changed inside, and now and then once more when packed."""
    kind = rng.choice(["csv", "csv", "csv.gz", "zip"])
    content = candles(rng)
    for change in rng.sample(CHANGES, rng.choice([1, 1, 2, 3])):
        content = change(rng, content)
    content = packed(rng, content, kind)
    if kind != "csv" and rng.random() < 0.4:
        content = rng.choice([cut, flipped, doubled])(rng, content)
    return kind, content


def damaged_parquet(rng: Random) -> bytes:
    """Mostly in the footer, where the file says what it is."""
    stamps = (pl.int_range(0, 200, eager=True) * HOUR + FIRST) * 1_000_000
    columns = {"ts": stamps.cast(pl.Datetime("us", rng.choice(["UTC", "UTC", "Asia/Tokyo", None])))}
    for name in ("open", "high", "low", "close", "volume"):
        kind = rng.choice([pl.Float64, pl.Float64, pl.Float64, pl.Float32, pl.Int32, pl.String])
        columns[name] = pl.repeat(100, 200, dtype=pl.Int32, eager=True).cast(kind)
    whole = BytesIO()
    pl.DataFrame(columns).write_parquet(whole, row_group_size=rng.choice([64, 1_000]))
    content = bytearray(whole.getvalue())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    for _ in range(rng.choice([1, 1, 2, 4])):
        from_end = footer if rng.random() < 0.8 else len(content)
        content[-rng.randrange(1, from_end)] = rng.choice([0, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(content) if rng.random() < 0.9 else cut(rng, bytes(content))


def refusal_of(what: str, read: Callable[..., object], *given: Any, **more: Any) -> str:
    """The code of the refusal, or nothing; whatever else is raised is a fault."""
    try:
        read(*given, **more)
    except CommendaError as error:
        clear = bool(error.message) and "\n" not in error.message and len(error.message) < 600
        if not clear:
            raise AssertionError(f"{what}: {error}") from error
        return error.code
    except BaseException as error:
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
    return ""


def test_damaged_text_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    codes = set()
    for trial in range(up_to(250, 5_000)):
        rng = Random(f"{seed} {trial}")
        kind, content = damaged_text(rng)
        stem = rng.choice(["x_BTCUSDT_1h", "BTCUSDT-1h-2025-01", "any", "币安人生USDT-1h-2025-01"])
        file = tmp_path / f"{stem}.{kind}"
        file.write_bytes(content)
        zone = rng.choice([None, "Europe/Berlin"])
        codes.add(refusal_of(f"trial {trial} of {seed}", read_bars, file, zone=zone))
        file.unlink()
    assert {"", "market_file_columns", "market_file_value"} <= codes


def test_damaged_parquet_is_read_or_refused(seed: int, tmp_path: Path) -> None:
    file = tmp_path / "x_BTCUSDT_1h.parquet"
    codes = set()
    for trial in range(up_to(250, 5_000)):
        file.write_bytes(damaged_parquet(Random(f"{seed} {trial}")))
        codes.add(refusal_of(f"trial {trial} of {seed}", read_bars, file))
    assert {"", "market_file_unreadable"} <= codes


def test_damaged_frames_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    file = tmp_path / "x_BTCUSDT_raw.jsonl"
    lines = [
        b'1735689600000000000 {"data":{"lastUpdateId":5,"E":1,"T":1735689600000,"bids":[["1","2"]],'
        b'"asks":[["3","4"]]}}',
        b'1735689600000000001 {"e":"depthUpdate","E":1,"T":1735689600001,"U":6,"u":7,"pu":5,'
        b'"b":[["1","0"]],"a":[]}',
        b'1735689600000000002 {"e":"trade","E":1,"T":1735689600002,"t":1,"p":"1","q":"1","m":true}',
    ]

    def read() -> None:
        frames = read_frames(file)
        depth_record(frames.depth, frames.trades, tick=1.0, lot=1.0)

    for trial in range(up_to(150, 3_000)):
        rng = Random(f"{seed} {trial}")
        content = b"\n".join(lines * rng.randrange(1, 4))
        for change in rng.sample(CHANGES, rng.choice([1, 2])):
            content = change(rng, content)
        file.write_bytes(content)
        refusal_of(f"trial {trial} of {seed}", read)


def entry(**given: object) -> bytes:
    """A catalogue of one instrument, sound but for what is given."""
    sound: dict[str, object] = {
        **{"venue": "x", "symbol": "AUSD", "kind": "spot", "base": "A", "quote": "USD"},
        **{"tick": "0.01", "lot": "0.1", "minimum_notional": "5", "maximum_leverage": 1},
        **{"maker_fee": "0.001", "taker_fee": "0.001"},
    }
    lines = (f"{name} = {json.dumps(value)}" for name, value in (sound | given).items())
    return "\n".join(["[[instrument]]", *lines]).encode()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, ""),
        ({"symbol": "币安人生USDT"}, ""),
        ({"tick": "1e-19"}, "bad_catalogue"),  # numeric(38,18) ends before
        ({"lot": "1e999999"}, "bad_catalogue"),
        ({"minimum_notional": "NaN"}, "bad_catalogue"),
        ({"maximum_leverage": 40_000}, "bad_catalogue"),  # smallint ends before
        ({"venue": "../x"}, "bad_catalogue"),
        ({"symbol": "a\u0000b"}, "bad_catalogue"),
        ({"kind": "inverse_perpetual"}, "bad_catalogue"),
        ({"symbol": "BTCUSD_PERP"}, "inverse_contract"),
    ],
)
def test_an_entry_that_cannot_be_kept_is_refused(
    tmp_path: Path, given: dict[str, object], code: str
) -> None:
    file = tmp_path / "more.toml"
    file.write_bytes(entry(**given))
    assert refusal_of(str(given), load_catalogue, file) == code


def test_damaged_catalogues_and_scenarios_are_read_or_refused(seed: int, tmp_path: Path) -> None:
    file = tmp_path / "more.toml"
    nested = b"[[instrument]]\nvenue = " + b"[" * 5_000
    for trial in range(up_to(150, 3_000)):
        rng = Random(f"{seed} {trial}")
        content = rng.choice([entry() * 2, nested])
        for change in rng.sample([cut, flipped, put_in, spelled, shuffled], rng.choice([1, 2])):
            content = change(rng, content)
        file.write_bytes(content)
        refusal_of(f"trial {trial} of {seed}", load_catalogue, file)
        assert refusal_of(f"trial {trial} of {seed}", load_scenario, file)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 64, b"PAR1PAR1PAR1", bytes(range(128, 192))],
    ids=["nothing", "zeros", "the mark of Parquet alone", "bytes"],
)
def test_any_file_may_be_given_for_any_other(tmp_path: Path, content: bytes) -> None:
    good = tmp_path / "x_BTCUSDT_1h.csv"
    good.write_bytes(b"ts,open,high,low,close,volume\n1735689600,1,1,1,1,1\n1735693200,1,1,1,1,1")
    bars = read_bars(good).bars
    names = ("f.parquet", "f.csv", "f.zip", "f.csv.gz", "f.jsonl", "f.gz", "x_B_funding.parquet")
    for file in (tmp_path / name for name in names):
        file.write_bytes(content)
        assert refusal_of(file.name, read_bars, file)
        assert refusal_of(file.name, read_funding, bars, file)
        assert refusal_of(file.name, read_recorded, file, Series.MARK)
        assert refusal_of(file.name, read_depth, file, file, tick=1.0, lot=1.0)
        assert refusal_of(file.name, read_frames, file) or not content


def test_a_command_ends_with_2_and_one_message(seed: int, tmp_path: Path) -> None:
    rng = Random(seed)
    refused = 0
    for trial in range(4):
        kind, content = damaged_text(rng) if trial % 2 else ("parquet", damaged_parquet(rng))
        file = tmp_path / f"x_BTCUSDT_1h.{kind}"
        file.write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-m", "commenda", "backtest", "sma_cross", "--data", str(file)],
            capture_output=True,
            text=True,
        )
        assert done.returncode in (0, 2), (seed, trial, done.stderr)
        assert "Traceback" not in done.stderr, (seed, trial, done.stderr)
        if done.returncode == 2:
            refused += 1
            assert not done.stdout
            assert str(file) in done.stderr or "line " in done.stderr, (seed, trial, done.stderr)
    assert refused
