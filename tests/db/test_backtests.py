"""Backtests that are kept: found again, compared, and proven by running them again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import psycopg
import pytest

from commenda.kernel import Costs
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.strategies import (
    Difference,
    Files,
    Kept,
    Plan,
    catalogue,
    differences,
    find_run,
    keep,
    kept_run,
    kept_runs,
    read_bars,
    repeat_plan,
    report_of,
)
from commenda.strategies.runs import digest_of_equity

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 5, tzinfo=UTC)
SMA = catalogue()["sma_cross"]


def candles(count: int = 600, seed: int = 5) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, count)))
    opening = np.concatenate(([100.0], close[:-1]))
    return pl.DataFrame(
        {
            "ts": [START + HOUR * i for i in range(count)],
            "open": opening,
            "high": np.maximum(opening, close),
            "low": np.minimum(opening, close),
            "close": close,
            "volume": np.full(count, 9.0),
        },
        schema_overrides={"ts": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made_BTCUSDT_1h.parquet"
    candles().write_parquet(path)
    return path


def plan_of(file: Path, **params: float) -> Plan:
    costs = Costs(fee_bps=5.0, slippage_bps=2.0)
    return Plan(SMA, {"fast": 5, "slow": 30} | params, read_bars(file), None, costs, cash=1_000.0)


def kept_of(db: Database, plan: Plan, *, actor: str = "cli", hours: int = 0) -> Kept:
    with db.transaction() as tx:
        ident, _ = keep(tx, plan, plan.run(), actor=actor, now=NOW + hours * HOUR, seconds=0.01)
        return kept_run(tx, ident)


def again(db: Database, kept: Kept, file: Path, **changes: object) -> list[Difference]:
    with db.transaction() as tx:
        plan = repeat_plan(tx, file.parent, kept, Files([file]))
    plan = replace(plan, **changes)
    return differences(kept, plan, plan.run())


def test_a_kept_run_shows_what_was_reported_and_has_every_bit_by_its_digest(
    db: Database, file: Path
) -> None:
    plan = plan_of(file)
    run = plan.run()
    kept = kept_of(db, plan)
    assert kept.report == report_of(plan, run)
    assert kept.equity_sha256 == digest_of_equity(run.equity)
    assert (kept.created_by, kept.created_at) == ("cli", NOW)


def test_the_same_run_kept_twice_is_one_and_anothers_is_their_own(db: Database, file: Path) -> None:
    plan = plan_of(file)
    first = kept_of(db, plan)
    assert kept_of(db, plan, hours=3) == first
    assert kept_of(db, plan, actor="creator:1").id != first.id
    assert kept_of(db, plan_of(file, fast=6)).id != first.id
    with db.transaction() as tx:
        assert len(kept_runs(tx).items) == 3
        assert [one.created_by for one in kept_runs(tx, actor="creator:1").items] == ["creator:1"]


def test_runs_are_listed_latest_first_page_by_page(db: Database, file: Path) -> None:
    kept = [kept_of(db, plan_of(file, fast=fast), hours=fast).id for fast in range(2, 9)]
    seen, cursor = [], None
    with db.transaction() as tx:
        while True:
            page = kept_runs(tx, limit=3, cursor=cursor)
            seen += [one.id for one in page.items]
            if (cursor := page.next_cursor) is None:
                break
    assert seen == kept[::-1]


def test_a_run_is_found_by_how_its_id_begins(db: Database, file: Path) -> None:
    kept = [kept_of(db, plan_of(file, fast=fast)) for fast in range(2, 22)]
    with db.transaction() as tx:
        assert find_run(tx, str(kept[0].id)) == kept[0]
        assert find_run(tx, kept[0].id.hex[:20]) == kept[0]
        for text, code in (("%", "unknown_backtest"), (uuid4().hex, "unknown_backtest")):
            with pytest.raises(CommendaError) as refused:
                find_run(tx, text)
            assert refused.value.code == code
        digits = {one.id.hex[0] for one in kept}  # twenty ids of sixteen first digits
        ambiguous = next(d for d in digits if sum(one.id.hex[0] == d for one in kept) > 1)
        with pytest.raises(CommendaError, match="ambiguous_id"):
            find_run(tx, ambiguous)


def test_a_rerun_from_the_stored_inputs_is_identical(db: Database, file: Path) -> None:
    assert again(db, kept_of(db, plan_of(file)), file) == []


def test_a_rerun_on_other_bars_names_the_data_and_the_first_fill_that_differs(
    db: Database, file: Path
) -> None:
    kept = kept_of(db, plan_of(file))
    run = plan_of(file).run()
    place = run.fills[2].bar
    frame = candles().with_row_index()
    changed = frame.with_columns(
        pl.when(pl.col("index") == place)
        .then(pl.col("open") * 1.0000001)
        .otherwise("open")
        .alias("open")
    ).with_columns(high=pl.max_horizontal("open", "close"), low=pl.min_horizontal("open", "close"))
    changed.drop("index").write_parquet(file)
    found = again(db, kept, file)
    assert [one.what for one in found] == ["data hash", "fill 3", "equity", "final equity"]
    assert found[1].kept["price"] == run.fills[2].price
    assert found[1].now["price"] == pytest.approx(run.fills[2].price * 1.0000001)


def test_a_rerun_with_other_terms_differs_in_its_result_only(db: Database, file: Path) -> None:
    kept = kept_of(db, plan_of(file))
    found = again(db, kept, file, costs=Costs(fee_bps=5.0, slippage_bps=2.0000001))
    assert [one.what for one in found] == ["fill 1", "equity", "final equity"]
    shorter = again(db, kept, file, strategy=SMA, params={"fast": 5, "slow": 29})
    assert shorter[0].what.startswith("fill ")


def test_another_version_of_the_code_is_named_and_may_be_the_same_run(
    db: Database, file: Path
) -> None:
    kept = kept_of(db, plan_of(file))
    edited = replace(SMA, source_hash="0" * 64)
    assert again(db, kept, file, strategy=edited) == [
        Difference("code hash", SMA.source_hash, "0" * 64)
    ]


def test_files_that_were_used_have_to_be_named_where_nothing_was_imported(
    db: Database, file: Path, tmp_path: Path
) -> None:
    kept = kept_of(db, plan_of(file))
    unnamed = tmp_path / "mine.parquet"
    candles().write_parquet(unnamed)
    nameless = kept_of(db, plan_of(unnamed))
    for run, code in ((kept, "unknown_instrument"), (nameless, "data_needed")):
        with db.transaction() as tx, pytest.raises(CommendaError) as refused:
            repeat_plan(tx, tmp_path, run, Files())
        assert refused.value.code == code


def test_a_kept_run_is_never_changed(db: Database, file: Path) -> None:
    kept_of(db, plan_of(file))
    for statement in (
        "UPDATE backtests SET equity_sha256 = repeat('0', 64)",
        "DELETE FROM backtests",
    ):
        with db.transaction() as tx, pytest.raises(psycopg.errors.InsufficientPrivilege):
            tx.execute(statement)
