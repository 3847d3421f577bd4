"""Importing CSV: the same dataset as from Parquet, in one command or month by month."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from commenda import market
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import FindingKind, Imported, Outcome

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = "binance_usdm_BTCUSDT_1h.parquet"


def binance_csv(frame: pl.DataFrame, interval: timedelta, *, header: bool, unit: str = "ms") -> str:
    """Candles as data.binance.vision publishes them: eight decimals at most, twelve columns."""
    opened = frame["ts"].dt.epoch("ms")
    close = opened + interval // timedelta(milliseconds=1) - 1
    scale = 1000 if unit == "us" else 1
    columns = frame.select(
        open_time=opened * scale,
        **{name: pl.col(name) for name in ("open", "high", "low", "close", "volume")},
        close_time=close * scale + (scale - 1),
        quote_volume=pl.col("volume") * pl.col("close"),
        count=pl.lit(1),
        taker_buy_volume=pl.col("volume") / 2,
        taker_buy_quote_volume=pl.col("volume") * pl.col("close") / 2,
        ignore=pl.lit(0),
    )
    return columns.write_csv(include_header=header)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def run(db: Database, data_dir: Path) -> Callable[..., Imported]:
    def run_import(
        *files: Path, labels: market.Labels | None = None, append: bool = False
    ) -> Imported:
        with db.transaction() as tx:
            return market.import_files(tx, data_dir, files, NOW, labels=labels, append=append)

    return run_import


@pytest.fixture
def hourly(market_data: Path) -> pl.DataFrame:
    """719 real candles, 2025-03-06 11:00 to 2025-04-05 09:00."""
    return pl.read_parquet(market_data / HOURLY)


@pytest.fixture
def months(hourly: pl.DataFrame, tmp_path: Path) -> list[Path]:
    """The same candles as Binance publishes them: March with a header, April zipped without."""
    march, april = (hourly.filter(pl.col("ts").dt.month() == month) for month in (3, 4))
    first = tmp_path / "BTCUSDT-1h-2025-03.csv"
    first.write_text(binance_csv(march, HOUR, header=True))
    second = tmp_path / "BTCUSDT-1h-2025-04.zip"
    with zipfile.ZipFile(second, "w", zipfile.ZIP_DEFLATED) as archive:
        inside = binance_csv(april, HOUR, header=False)
        archive.writestr("BTCUSDT-1h-2025-04.csv", inside)
    return [first, second]


def minutes(*, start: int = 0, bars: int = 10, close: float = 101.0) -> str:
    """Sound 1m candles that begin `start` minutes after 2025-04-01."""
    first = datetime(2025, 4, 1, tzinfo=UTC)
    lines = [
        f"{first + i * timedelta(minutes=1):%Y-%m-%d %H:%M},100,103,99,{close},5\n"
        for i in range(start, start + bars)
    ]
    return "".join(["ts,open,high,low,close,volume\n", *lines])


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder / name


def stored(db: Database, data_dir: Path) -> tuple[object, ...]:
    """Everything an import may change."""
    files = {p: p.read_bytes() for p in sorted(data_dir.rglob("*")) if p.is_file()}
    with db.transaction() as tx:
        sets = market.datasets(tx)
        findings = [market.findings_of(tx, dataset.id) for dataset in sets]
        return files, market.instruments(tx), sets, findings


def test_real_months_give_the_dataset_that_parquet_gives(
    run: Callable[..., Imported], months: list[Path], market_data: Path
) -> None:
    from_parquet = run(market_data / HOURLY)
    from_csv = run(*reversed(months))
    assert from_csv.outcome is Outcome.UNCHANGED
    assert from_csv.dataset == from_parquet.dataset
    assert from_csv.dataset.rows == 719


def test_months_in_one_command_are_one_dataset(
    run: Callable[..., Imported],
    months: list[Path],
    hourly: pl.DataFrame,
    data_dir: Path,
) -> None:
    imported = run(*months)
    assert (imported.outcome, imported.findings, imported.notes) == (Outcome.CREATED, (), ())
    kept = pl.read_parquet(data_dir / imported.dataset.path)
    assert kept.equals(hourly.cast({"ts": pl.Datetime("us", "UTC")}))


def test_a_later_month_takes_the_place_or_joins_on_request(
    run: Callable[..., Imported], months: list[Path], market_data: Path
) -> None:
    march, april = months
    run(march)
    replaced = run(april)
    assert (replaced.outcome, replaced.dataset.rows) == (Outcome.REPLACED, 106)
    [note] = replaced.notes
    assert "613 rows, 2025-03-06 11:00 to 2025-03-31 23:00 UTC; --append" in note

    whole = run(march, append=True)
    assert (whole.outcome, whole.notes) == (Outcome.EXTENDED, ())
    again = run(april, append=True)
    assert (again.outcome, again.dataset) == (Outcome.UNCHANGED, whole.dataset)
    assert run(market_data / HOURLY).outcome is Outcome.UNCHANGED  # 613 + 106 are the 719


def test_equal_rows_at_a_seam_are_dropped_and_contradicting_ones_refused(
    db: Database, run: Callable[..., Imported], tmp_path: Path, data_dir: Path
) -> None:
    first = write(tmp_path, "BTCUSDT-1m-2025-04-01.csv", minutes())
    second = write(tmp_path, "BTCUSDT-1m-2025-04-02.csv", minutes(start=9))
    imported = run(first, second)
    assert imported.dataset.rows == 19
    assert [(f.kind, f.at.minute) for f in imported.findings] == [(FindingKind.DUPLICATE, 9)]

    before = stored(db, data_dir)
    second.write_text(minutes(start=9, close=102.0))
    with pytest.raises(CommendaError) as refusal:
        run(first, second)
    assert refusal.value.code == "market_data_refused"
    assert "duplicate at 2025-04-01 00:09:00" in refusal.value.message
    assert refusal.value.value == f"{first.name} … {second.name} (2 files)"
    assert stored(db, data_dir) == before


def test_appending_what_contradicts_is_refused_and_changes_nothing(
    db: Database, run: Callable[..., Imported], tmp_path: Path, data_dir: Path
) -> None:
    run(write(tmp_path, "BTCUSDT-1m-2025-04-01.csv", minutes()))
    before = stored(db, data_dir)
    other = write(tmp_path, "BTCUSDT-1m-2025-04-02.csv", minutes(start=9, close=102.0))
    with pytest.raises(CommendaError) as refusal:
        run(other, append=True)
    assert refusal.value.code == "market_data_refused"
    assert stored(db, data_dir) == before


def test_an_appended_overlap_is_no_finding_and_a_filled_gap_is_none_any_more(
    db: Database, run: Callable[..., Imported], tmp_path: Path
) -> None:
    lines = minutes(bars=5).splitlines(keepends=True)
    run(write(tmp_path, "BTCUSDT-1m-2025-04-01.csv", "".join([*lines, lines[-1]])))
    gap = run(write(tmp_path, "BTCUSDT-1m-2025-04-02.csv", minutes(start=8)), append=True)
    duplicate = (FindingKind.DUPLICATE, 4)  # of the first file, and only its own
    assert [(f.kind, f.at.minute) for f in gap.findings] == [duplicate, (FindingKind.GAP, 5)]
    filled = run(write(tmp_path, "BTCUSDT-1m-2025-04-03.csv", minutes(start=3)), append=True)
    assert [(f.kind, f.at.minute) for f in filled.findings] == [duplicate]
    assert (filled.outcome, filled.dataset.rows) == (Outcome.EXTENDED, 18)
    with db.transaction() as tx:
        assert tuple(market.findings_of(tx, filled.dataset.id)) == filled.findings


def test_nothing_is_appended_to_a_damaged_dataset(
    run: Callable[..., Imported], tmp_path: Path, data_dir: Path
) -> None:
    imported = run(write(tmp_path, "BTCUSDT-1m-2025-04-01.csv", minutes()))
    kept = data_dir / imported.dataset.path
    pl.read_parquet(kept)[:5].write_parquet(kept)
    with pytest.raises(CommendaError, match="dataset_changed"):
        run(write(tmp_path, "BTCUSDT-1m-2025-04-02.csv", minutes(start=9)), append=True)


def test_assumptions_about_a_file_are_said(
    run: Callable[..., Imported], tmp_path: Path, hourly: pl.DataFrame
) -> None:
    zoneless = write(tmp_path, "anything.csv", minutes())
    labels = market.Labels("binance_usdm", "BTCUSDT", "1m")
    assert run(zoneless, labels=labels).notes == ("times without a zone were taken as UTC",)
    spot = binance_csv(hourly, HOUR, header=False, unit="us")
    [note] = run(write(tmp_path, "BTCUSDT-1h-2025-03.csv", spot)).notes
    assert "spot files" in note


def test_an_instrument_that_no_catalogue_describes_any_more_keeps_its_terms(
    db: Database, run: Callable[..., Imported], tmp_path: Path, data_dir: Path
) -> None:
    extra = tmp_path / "spot.toml"
    extra.write_text(
        '[[instrument]]\nvenue = "binance_spot"\nsymbol = "BTCUSDT"\nkind = "spot"\n'
        'base = "BTC"\nquote = "USDT"\ntick = "0.01"\nlot = "0.00001"\nminimum_notional = "5"\n'
        'maker_fee = "0.001"\ntaker_fee = "0.001"\nmaximum_leverage = 1\n'
    )
    file = write(tmp_path, "BTCUSDT-1m-2025-04-01.csv", minutes())
    spot = market.Labels(venue="binance_spot")
    with pytest.raises(CommendaError, match="unknown_instrument"):
        run(file, labels=spot)
    with db.transaction() as tx:
        known = market.load_catalogue(extra)
        market.import_files(tx, data_dir, [file], NOW, known, labels=spot)
        before = market.find_instrument(tx, "binance_spot", "BTCUSDT")
    more = write(tmp_path, "BTCUSDT-1m-2025-04-02.csv", minutes(start=10))
    assert run(more, labels=spot, append=True).dataset.rows == 20
    with db.transaction() as tx:
        assert market.find_instrument(tx, "binance_spot", "BTCUSDT") == before


def command_line(folder: Path, url: str, arguments: Sequence[object]) -> tuple[int, str, str]:
    """Run `commenda market …` in a process of its own on this test's database."""
    done = subprocess.run(
        [sys.executable, "-c", "from commenda.cli import main; main()", "market"]
        + [str(one) for one in arguments],
        env={**os.environ, "COMMENDA_DATABASE_URL": url, "COMMENDA_DATA": str(folder / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_joins_months_and_says_which_line_is_bad(
    db: Database, tmp_path: Path
) -> None:
    days = [
        write(tmp_path, f"BTCUSDT-1m-2025-04-0{day + 1}.csv", minutes(start=10 * day))
        for day in range(2)
    ]
    bad = write(tmp_path, "binance_usdm_ETHUSDT_1m.csv", minutes().replace("99,101.0", "99,n/a"))
    code, output, _ = command_line(tmp_path, db.owner_url, ["import", *days, bad, "--json"])
    joined, refused = json.loads(output)
    assert code == 2
    assert joined["files"] == [str(day) for day in days]
    assert (joined["outcome"], joined["dataset"]["rows"]) == ("created", 20)
    assert joined["notes"] == ["times without a zone were taken as UTC"]
    assert refused["error"]["code"] == "market_file_value"
    assert "line 2: the column close" in refused["error"]["message"]

    code, output, errors = command_line(tmp_path, db.owner_url, ["import", days[0]])
    assert code == 0
    assert "--append" in " ".join(output.split()), errors
    code, _, errors = command_line(tmp_path, db.owner_url, ["import", bad, "--interval", "5m"])
    assert code == 2
    assert "market_file_name" in errors
