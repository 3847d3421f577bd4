"""`commenda market`: import recorded data, and list what was imported."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from commenda import market
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.settings import Settings

app = typer.Typer(help="Market data: import it, and see what there is.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command("import")
def import_files(
    files: Annotated[
        list[Path], typer.Argument(help="Parquet files: <venue>_<SYMBOL>_<series>.parquet")
    ],
    catalogue: Annotated[
        Path | None, typer.Option(help="A TOML file of instruments to add to the known ones.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Import candles, funding rates and mark prices from Parquet files.

    Each file is imported on its own: a refused one changes nothing and the others still count.
    """
    settings = Settings.from_environment()
    known = market.load_catalogue(catalogue)
    results: list[tuple[Path, market.Imported | CommendaError]] = []
    steps = track(files, "Importing", console=Console(stderr=True), disable=len(files) < 2)
    with Database.open(settings) as database:
        for file in steps:
            try:
                with database.transaction() as tx:
                    now = datetime.now(UTC)
                    done = market.import_file(tx, settings.data, file, now, known)
                results.append((file, done))
            except CommendaError as refusal:
                if len(files) == 1:
                    raise
                results.append((file, refusal))
    if as_json:
        typer.echo(json.dumps([_result_json(*result) for result in results], indent=2))
    else:
        Console().print(_results_table(results))
    refused = sum(isinstance(result, CommendaError) for _, result in results)
    if refused:
        raise CommendaError(
            "import_incomplete",
            f"{refused} of {len(files)} files were refused",
            mend="see the reason beside each; the others were imported",
        )


@app.command("list")
def list_datasets(as_json: Json = False) -> None:
    """List the imported series, their span and what was found wrong with them."""
    with (
        Database.open(Settings.from_environment()) as database,
        database.transaction() as tx,
    ):
        datasets = market.datasets(tx)
        findings = market.count_findings(tx)
    if as_json:
        rows = [_dataset_json(dataset, findings.get(dataset.id, 0)) for dataset in datasets]
        typer.echo(json.dumps(rows, indent=2))
    elif not datasets:
        typer.echo("Nothing is imported yet: commenda market import FILE…")
    else:
        Console().print(_datasets_table(datasets, findings))


def _results_table(results: list[tuple[Path, market.Imported | CommendaError]]) -> Table:
    table = Table("File", "Result", "Rows", "From (UTC)", "To (UTC)", "Findings")
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    for file, result in results:
        if isinstance(result, CommendaError):
            reason = escape(f"[{result.code}] {result.message}")
            table.add_row(file.name, "refused", "", "", "", reason)
            continue
        dataset = result.dataset
        table.add_row(
            file.name, str(result.outcome), *_span(dataset), _count_by_kind(result.findings)
        )
    return table


def _datasets_table(datasets: list[market.Dataset], findings: dict[int, int]) -> Table:
    table = Table("Venue", "Symbol", "Series", "Rows", "From (UTC)", "To (UTC)", "Findings")
    for column in (3, 6):
        table.columns[column].justify = "right"
    for dataset in datasets:
        table.add_row(
            f"{dataset.venue} (simulated)" if dataset.simulated else dataset.venue,
            dataset.symbol,
            _series_name(dataset),
            *_span(dataset),
            str(findings.get(dataset.id, 0)),
        )
    return table


def _span(dataset: market.Dataset) -> tuple[str, str, str]:
    first, last = (f"{ts:%Y-%m-%d %H:%M}" for ts in (dataset.first_ts, dataset.last_ts))
    return f"{dataset.rows:,}", first, last


def _series_name(dataset: market.Dataset) -> str:
    if not dataset.interval_seconds:
        return str(dataset.series)
    return f"{dataset.series} {market.interval_name(dataset.interval_seconds)}"


def _count_by_kind(findings: tuple[market.Finding, ...]) -> str:
    """Such as `2 gap, 1 zero_volume`; `none` without any."""
    kinds = [finding.kind for finding in findings]
    counts = (f"{kinds.count(kind)} {kind}" for kind in market.FindingKind if kind in kinds)
    return ", ".join(counts) or "none"


def _result_json(file: Path, result: market.Imported | CommendaError) -> dict[str, Any]:
    if isinstance(result, CommendaError):
        error = {"code": result.code, "message": result.message, "mend": result.mend}
        return {"file": str(file), "outcome": "refused", "error": error}
    findings = [
        {"kind": finding.kind, "at": finding.at.isoformat(), "details": finding.details}
        for finding in result.findings
    ]
    return {
        "file": str(file),
        "outcome": result.outcome,
        "dataset": _dataset_json(result.dataset, len(findings)),
        "findings": findings,
    }


def _dataset_json(dataset: market.Dataset, findings: int) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "venue": dataset.venue,
        "symbol": dataset.symbol,
        "series": dataset.series,
        "intervalSeconds": dataset.interval_seconds,
        "simulated": dataset.simulated,
        "firstTs": dataset.first_ts.isoformat(),
        "lastTs": dataset.last_ts.isoformat(),
        "rows": dataset.rows,
        "sha256": dataset.sha256,
        "path": dataset.path,
        "importedAt": dataset.imported_at.isoformat(),
        "findings": findings,
    }
