"""Importing market data: stored whole, or refused with a reason and nothing changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from commenda import market
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import FindingKind, Imported, Outcome, Series

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
START = datetime(2025, 4, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAME = "binance_usdm_BTCUSDT_1m.parquet"


def candles(bars: int = 10, price: float = 100.0) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "ts": [START + i * MINUTE for i in range(bars)],
            "open": [price] * bars,
            "high": [price + 2] * bars,
            "low": [price - 1] * bars,
            "close": [price + 1] * bars,
            "volume": [5.0] * bars,
        },
        schema_overrides={"ts": pl.Datetime("ms", "UTC")},
    )


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    """Write a frame as a source file."""

    def write(frame: pl.DataFrame, name: str = NAME) -> Path:
        folder = tmp_path / "sources"
        folder.mkdir(exist_ok=True)
        frame.write_parquet(folder / name)
        return folder / name

    return write


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def run_import(db: Database, data_dir: Path, file: Path, **options: market.Catalogue) -> Imported:
    with db.transaction() as tx:
        return market.import_file(tx, data_dir, file, NOW, **options)


def stored(db: Database, data_dir: Path) -> tuple[object, ...]:
    """Everything an import may change."""
    files = {p: p.read_bytes() for p in sorted(data_dir.rglob("*")) if p.is_file()}
    with db.transaction() as tx:
        sets = market.datasets(tx)
        findings = [market.findings_of(tx, dataset.id) for dataset in sets]
        return files, market.instruments(tx), sets, findings


def test_an_import_stores_instrument_dataset_and_file(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    imported = run_import(db, data_dir, source(candles()))
    assert imported.outcome is Outcome.CREATED
    assert imported.findings == ()
    with db.transaction() as tx:
        [instrument] = market.instruments(tx)
        [dataset] = market.datasets(tx)
    assert instrument == market.Instrument(
        id=1,
        venue="binance_usdm",
        symbol="BTCUSDT",
        kind=market.Kind.LINEAR_PERPETUAL,
        base="BTC",
        quote="USDT",
        tick=Decimal("0.1"),
        lot=Decimal("0.001"),
        minimum_notional=Decimal(100),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        maximum_leverage=125,
        simulated=False,
    )
    assert dataset == imported.dataset
    assert (dataset.series, dataset.interval_seconds, dataset.rows) == (Series.CANDLES, 60, 10)
    assert (dataset.first_ts, dataset.last_ts) == (START, START + 9 * MINUTE)
    assert dataset.imported_at == NOW
    assert dataset.path == "market/binance_usdm/BTCUSDT/candles_1m.parquet"
    assert [p.name for p in data_dir.rglob("*") if p.is_file()] == ["candles_1m.parquet"]
    assert pl.read_parquet(data_dir / dataset.path).equals(
        candles().cast({"ts": pl.Datetime("us", "UTC")})
    )


def test_the_same_content_again_changes_nothing(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    first = run_import(db, data_dir, source(candles()))
    before = stored(db, data_dir)
    with db.transaction() as tx:
        again = market.import_file(tx, data_dir, source(candles()), NOW + timedelta(days=1))
    assert again.outcome is Outcome.UNCHANGED
    assert again.dataset == first.dataset
    assert stored(db, data_dir) == before


def test_other_content_takes_the_place_of_the_old(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    first = run_import(db, data_dir, source(candles().filter(pl.col("ts") != START + MINUTE)))
    again = run_import(db, data_dir, source(candles(20, price=200.0)))
    assert again.outcome is Outcome.REPLACED
    assert again.dataset.id == first.dataset.id
    with db.transaction() as tx:
        assert market.datasets(tx) == [again.dataset]
        assert market.findings_of(tx, first.dataset.id) == []
    assert pl.read_parquet(data_dir / again.dataset.path).height == 20


def test_a_damaged_file_is_noticed_and_mended_by_importing_again(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    dataset = run_import(db, data_dir, source(candles())).dataset
    candles(10, price=50.0).write_parquet(data_dir / dataset.path)
    with db.transaction() as tx, pytest.raises(CommendaError, match="dataset_changed"):
        market.CandleFeed.from_data_dir(tx, data_dir, ["BTCUSDT"], 60)
    assert run_import(db, data_dir, source(candles())).outcome is Outcome.REPLACED
    with db.transaction() as tx:
        feed = market.CandleFeed.from_data_dir(tx, data_dir, ["BTCUSDT"], 60)
    assert feed.timestamps(0, 2**40)[0] == int(START.timestamp())


def test_warnings_are_stored_with_their_times(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    rows = candles()
    frame = pl.concat([rows[:3], rows[2:3], rows[5:8], rows[4:5], rows[8:]]).with_columns(
        volume=pl.when(pl.col("ts") == START + 9 * MINUTE).then(0.0).otherwise("volume")
    )
    imported = run_import(db, data_dir, source(frame))
    with db.transaction() as tx:
        findings = market.findings_of(tx, imported.dataset.id)
        assert market.count_findings(tx) == {imported.dataset.id: 4}
    assert [(f.kind, f.at) for f in findings] == [
        (FindingKind.DUPLICATE, START + 2 * MINUTE),
        (FindingKind.GAP, START + 3 * MINUTE),
        (FindingKind.OUT_OF_ORDER, START + 4 * MINUTE),
        (FindingKind.ZERO_VOLUME, START + 9 * MINUTE),
    ]
    assert tuple(findings) == imported.findings
    kept = pl.read_parquet(data_dir / imported.dataset.path)["ts"]
    assert kept.is_sorted()
    assert kept.n_unique() == len(kept) == 9


def bad_high() -> pl.DataFrame:
    return candles().with_columns(
        high=pl.when(pl.col("ts") == START + 4 * MINUTE).then(100.5).otherwise("high")
    )


def contradiction() -> pl.DataFrame:
    return pl.concat([candles(), candles(1, price=99.0)])


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        (bad_high(), "market_data_refused", "impossible_bar at 2025-04-01 00:04:00"),
        (contradiction(), "market_data_refused", "duplicate at 2025-04-01 00:00:00"),
        (candles().drop("low", "volume"), "market_file_columns", "low, volume"),
        (candles().cast({"close": pl.String}), "market_file_type", "close"),
        (
            candles().with_columns(pl.col("ts").dt.replace_time_zone(None)),
            "market_file_type",
            "UTC",
        ),
        (
            candles().with_columns(pl.col("ts").dt.convert_time_zone("Asia/Shanghai")),
            "market_file_type",
            "UTC",
        ),
        (candles().with_columns(pl.lit(None, pl.Float64).alias("open")), "market_file_type", "10"),
        (candles().clear(), "market_file_empty", "no rows"),
        (candles().gather_every(5), "market_file_interval", "300 s"),
    ],
)
def test_a_refused_file_says_why_and_changes_nothing(
    db: Database,
    data_dir: Path,
    source: Callable[..., Path],
    frame: pl.DataFrame,
    code: str,
    words: str,
) -> None:
    run_import(db, data_dir, source(candles(5)))
    before = stored(db, data_dir)
    with pytest.raises(CommendaError) as refusal:
        run_import(db, data_dir, source(frame))
    assert refusal.value.code == code
    assert words in str(refusal.value)
    assert stored(db, data_dir) == before


@pytest.mark.parametrize("keep", [0, 1, 100, -8, -200])
def test_a_corrupt_file_is_unreadable_and_stores_nothing(
    db: Database, data_dir: Path, source: Callable[..., Path], keep: int
) -> None:
    file = source(candles())
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CommendaError) as refusal:
        run_import(db, data_dir, file)
    assert refusal.value.code == "market_file_unreadable"
    assert stored(db, data_dir) == ({}, [], [], [])


def test_a_file_with_damaged_pages_is_unreadable(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    file = source(candles(1000))
    content = bytearray(file.read_bytes())
    content[8:400] = bytes(b ^ 0xFF for b in content[8:400])
    file.write_bytes(bytes(content))
    with pytest.raises(CommendaError) as refusal:
        run_import(db, data_dir, file)
    assert refusal.value.code in {"market_file_unreadable", "market_data_refused"}
    assert stored(db, data_dir) == ({}, [], [], [])


def test_a_missing_file_is_refused(db: Database, data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(CommendaError, match="market_file_missing"):
        run_import(db, data_dir, tmp_path / NAME)


def test_a_write_that_fails_leaves_no_half_file(
    db: Database, data_dir: Path, source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_import(db, data_dir, source(candles(5)))
    before = stored(db, data_dir)

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        run_import(db, data_dir, source(candles(10)))
    assert stored(db, data_dir) == before


SOLAR = """
[[instrument]]
venue = "binance_usdm"
symbol = "SOLARUSDT"
kind = "linear_perpetual"
base = "SOLAR"
quote = "USDT"
tick = "0.5"
lot = "2"
minimum_notional = "5"
maker_fee = "-0.0001"
taker_fee = "0.0004"
maximum_leverage = 10
"""


def test_an_unknown_symbol_is_refused_until_a_catalogue_describes_it(
    db: Database, data_dir: Path, source: Callable[..., Path], tmp_path: Path
) -> None:
    file = source(candles(), "binance_usdm_SOLARUSDT_1m.parquet")
    with pytest.raises(CommendaError) as refusal:
        run_import(db, data_dir, file)
    assert refusal.value.code == "unknown_instrument"
    assert "--catalogue" in str(refusal.value.hint)

    extra = tmp_path / "extra.toml"
    extra.write_text(SOLAR)
    run_import(db, data_dir, file, catalogue=market.load_catalogue(extra))
    with db.transaction() as tx:
        found = market.find_instrument(tx, "binance_usdm", "SOLARUSDT")
        assert (found.tick, found.lot) == (Decimal("0.5"), Decimal(2))
        with pytest.raises(CommendaError, match="unknown_instrument"):
            market.find_instrument(tx, "binance_usdm", "LUNARUSDT")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tick = "0.5"', 'tick = "NaN"'),
        ('tick = "0.5"', 'tick = "0"'),
        ('tick = "0.5"', ""),
        ('tick = "0.5"', 'tick = "half"'),
        ("linear_perpetual", "option"),
        ("[[instrument]]", "[instrument]"),
        ('lot = "2"', 'lot = "2"\nsize = 3'),
        ("maximum_leverage = 10", "maximum_leverage = "),
    ],
)
def test_a_catalogue_that_is_wrong_is_refused(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "extra.toml"
    file.write_text(SOLAR.replace(old, new))
    with pytest.raises(CommendaError, match="bad_catalogue"):
        market.load_catalogue(file)


def test_terms_follow_the_catalogue_and_what_it_is_never_changes(
    db: Database, tmp_path: Path
) -> None:
    file = tmp_path / "extra.toml"
    file.write_text(SOLAR)
    key = ("binance_usdm", "SOLARUSDT")
    with db.transaction() as tx:
        first = market.ensure_instrument(tx, market.load_catalogue(file)[key])
        file.write_text(SOLAR.replace("0.0004", "0.0003"))
        changed = market.ensure_instrument(tx, market.load_catalogue(file)[key])
        assert (changed.id, changed.taker_fee) == (first.id, Decimal("0.0003"))
        assert market.find_instrument(tx, *key) == changed
        file.write_text(SOLAR.replace("linear_perpetual", "spot"))
        with pytest.raises(CommendaError, match="instrument_changed"):
            market.ensure_instrument(tx, market.load_catalogue(file)[key])


def test_a_feed_needs_imported_candles_of_its_interval(
    db: Database, data_dir: Path, source: Callable[..., Path]
) -> None:
    run_import(db, data_dir, source(candles()))
    with db.transaction() as tx, pytest.raises(CommendaError) as refusal:
        market.CandleFeed.from_data_dir(tx, data_dir, ["BTCUSDT"], 300)
    assert refusal.value.code == "no_dataset"
    assert "binance_usdm_BTCUSDT_5m.parquet" in str(refusal.value.hint)


def test_all_real_files_import_without_findings(
    db: Database, data_dir: Path, market_data: Path
) -> None:
    files = [
        file
        for file in sorted(market_data.glob("binance_usdm_*.parquet"))
        if "_20240808_" not in file.name
    ]
    for file in files:
        assert run_import(db, data_dir, file).findings == ()
    with db.transaction() as tx:
        assert len(market.datasets(tx)) == len(files)
        symbols = [one.symbol for one in market.instruments(tx) if one.symbol != "LAYERUSDT"]
        feed = market.CandleFeed.from_data_dir(tx, data_dir, symbols, 300)
    assert len(feed.instruments) == 5
    for one in feed.instruments:
        arrays = feed.arrays(one.id)
        found = feed.funding_between(one.id, int(arrays.ts[0]), int(arrays.ts[-1]))
        assert len(found) >= 89  # 30 days, three stamps a day
        assert all(funding.mark.source == "mark" for funding in found)


def command_line(tmp_path: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `commenda market …` in a process of its own on this test's database."""
    program = "import sys; from commenda.cli.market import app; app(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={
            **os.environ,
            "COMMENDA_DATABASE_URL": url,
            "COMMENDA_DATA": str(tmp_path / "data"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_line_imports_lists_and_says_what_was_refused(
    db: Database, tmp_path: Path, source: Callable[..., Path]
) -> None:
    good = source(candles())
    bad = source(bad_high(), "binance_usdm_ETHUSDT_1m.parquet")
    both = command_line(tmp_path, db.owner_url, "import", str(bad), str(good), "--json")
    refused, imported = json.loads(both.stdout)
    assert both.returncode != 0
    assert refused["error"]["code"] == "market_data_refused"
    assert (imported["outcome"], imported["dataset"]["rows"]) == ("created", 10)

    listing = command_line(tmp_path, db.owner_url, "list", "--json")
    [row] = json.loads(listing.stdout)
    assert listing.returncode == 0
    assert (row["symbol"], row["series"], row["intervalSeconds"]) == ("BTCUSDT", "candles", 60)
    assert "BTCUSDT" in command_line(tmp_path, db.owner_url, "list").stdout
