"""`commenda market`: import recorded data, fetch it from an exchange, and list what there is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, track
from rich.table import Table

from commenda import market
from commenda.cli.options import AsJson, open_database, print_json
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.settings import Settings

app = typer.Typer(help="Market data: import it, and see what there is.", no_args_is_help=True)

ExtraCatalogue = Annotated[
    Path | None,
    typer.Option("--catalogue", help="A TOML file of instruments to add to the known ones."),
]
Append = Annotated[
    bool,
    typer.Option("--append", help="Join what was imported before instead of taking its place."),
]
Result: TypeAlias = tuple[tuple[str, ...], market.Imported | CommendaError]
"""What was to be imported, by the names of its files, and what came of it."""

Arguments = ParamSpec("Arguments")


@app.command("import")
def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="<venue>_<SYMBOL>_<series>.parquet, <venue>_<SYMBOL>_<interval>.csv, or Binance's"
            " <SYMBOL>-<interval>-<month or day> as .csv or .zip"
        ),
    ],
    catalogue: ExtraCatalogue = None,
    venue: Annotated[
        str | None,
        typer.Option(help="Venue of CSV files; Binance's are of binance_usdm unless it is given."),
    ] = None,
    symbol: Annotated[str | None, typer.Option(help="Symbol of CSV files.")] = None,
    interval: Annotated[str | None, typer.Option(help="Interval of CSV files, as 5m.")] = None,
    append: Append = False,
    as_json: AsJson = False,
) -> None:
    """Import candles, funding rates and mark prices from Parquet, or candles from CSV.

    CSV files of one venue, symbol and interval are one series; any other file is one on its own.
    Each series is imported on its own: a refused one changes nothing and the others still count. A
    time in a CSV file that names no zone is taken as UTC.
    """
    settings = Settings.from_environment()
    known = market.load_catalogue(catalogue)
    labels = market.Labels(venue, symbol, interval)
    groups = market.group_files(files, labels)
    steps = track(groups, "Importing", console=Console(stderr=True), disable=len(groups) < 2)
    with Database.open(settings) as database:

        def store(group: tuple[Path, ...]) -> market.Imported:
            with database.transaction() as tx:
                now = datetime.now(UTC)
                return market.import_files(
                    tx, settings.data, group, now, known, labels=labels, append=append
                )

        results = [(tuple(map(str, group)), _outcome(store, group)) for group in steps]
    _report(results, as_json)


@app.command("fetch")
def fetch(
    symbols: Annotated[list[str], typer.Argument(help="Such as BTCUSDT, or ccxt's BTC/USDT:USDT.")],
    interval: Annotated[str, typer.Option(help="Interval of candles and marks, as 1h.")],
    since: Annotated[str, typer.Option(help="First time, as 2025-01-01; UTC without a zone.")],
    until: Annotated[
        str | None, typer.Option(help="Candles that open before it are fetched; now by default.")
    ] = None,
    exchange: Annotated[str, typer.Option(help="The exchange's name in ccxt.")] = "binanceusdm",
    series: Annotated[
        str | None,
        typer.Option(help="Of candles,funding,mark; all that the exchange has by default."),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where to reach the exchange instead of its own address.")
    ] = None,
    catalogue: ExtraCatalogue = None,
    append: Append = False,
    as_json: AsJson = False,
) -> None:
    """Fetch candles, funding rates and mark prices from an exchange and import them.

    Needs a network, but no account. A candle that has not closed yet is left out. Each series is
    imported on its own: a refused one changes nothing and the others still count.
    """
    now = datetime.now(UTC)
    span = market.Span(_time("since", since), _time("until", until) if until else now)
    seconds = market.parse_interval(interval)
    wanted = _series_of(series) if series else None
    known = market.load_catalogue(catalogue)
    settings = Settings.from_environment()
    connection = market.connect_exchange(exchange, now, url=url)
    results: list[Result] = []
    with Database.open(settings) as database, Progress(console=Console(stderr=True)) as progress:

        def fetch_and_store(symbol: str, one: market.Series) -> market.Imported:
            on_page = _bar(progress, f"{symbol} {one}", span)
            source = market.fetch_series(connection, symbol, one, seconds, span, on_page)
            described = market.instrument_at(connection, symbol)
            with database.transaction() as tx:
                return market.import_source(
                    tx, settings.data, source, now, known, described=described, append=append
                )

        for symbol in symbols:
            try:
                chosen = wanted or market.series_offered(connection, symbol)
            except CommendaError as refusal:
                results.append(((f"{exchange} {symbol}",), refusal))
                continue
            for one in chosen:
                label = f"{exchange} {symbol} {one}"
                results.append(((label,), _outcome(fetch_and_store, symbol, one)))
    _report(results, as_json)


@app.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """List the imported series, their span and what was found wrong with them."""
    with open_database() as database, database.transaction() as tx:
        datasets = market.datasets(tx)
        findings = market.count_findings(tx)
    if as_json:
        rows = [_dataset_json(dataset, findings.get(dataset.id, 0)) for dataset in datasets]
        print_json(rows)
    elif not datasets:
        typer.echo("Nothing is imported yet: commenda market import FILE…")
    else:
        Console().print(_datasets_table(datasets, findings))


def _outcome(
    work: Callable[Arguments, market.Imported],
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> market.Imported | CommendaError:
    """What was imported, or why it was refused."""
    try:
        return work(*arguments, **options)
    except CommendaError as refusal:
        return refusal


def _report(results: list[Result], as_json: bool) -> None:
    """Print what came of each series; an only one that was refused is the command's refusal."""
    refusals = [result for _, result in results if isinstance(result, CommendaError)]
    if refusals and len(results) == 1:
        raise refusals[0]
    if as_json:
        print_json([_result_json(*result) for result in results])
    else:
        Console().print(_results_table(results))
        for names, result in results:
            for note in () if isinstance(result, CommendaError) else result.notes:
                Console().print(f"{_short_name(names)}: {note}", markup=False, highlight=False)
    if refusals:
        raise CommendaError(
            "import_incomplete",
            f"{len(refusals)} of {len(results)} series were refused",
            hint="see the reason beside each; the others were imported",
        )


def _time(option: str, text: str) -> datetime:
    moment = market.parse_moment(text)
    if moment is None:
        raise CommendaError("bad_time", f"--{option} is not a time").at(
            option, text, "write it as 2025-01-31 or 2025-01-31T23:00Z"
        )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _series_of(text: str) -> tuple[market.Series, ...]:
    try:
        return tuple(market.Series(one.strip()) for one in text.split(","))
    except ValueError:
        raise CommendaError("bad_series", "Not a list of series").at(
            "series", text, f"choose of {','.join(market.Series)}"
        ) from None


def _bar(progress: Progress, label: str, span: market.Span) -> Callable[[datetime], None]:
    """A progress bar over the span that a series is fetched for."""
    task = progress.add_task(label, total=(span.until - span.since).total_seconds())

    def moved(reached: datetime) -> None:
        progress.update(task, completed=(reached - span.since).total_seconds())

    return moved


def _short_name(names: tuple[str, ...]) -> str:
    first, last = Path(names[0]).name, Path(names[-1]).name
    return first if len(names) == 1 else f"{first} … {last} ({len(names)} files)"


def _results_table(results: list[Result]) -> Table:
    table = Table("Source", "Result", "Rows", "From (UTC)", "To (UTC)", "Findings")
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    for names, result in results:
        name = escape(_short_name(names))
        if isinstance(result, CommendaError):
            reason = escape(f"[{result.code}] {result.message}")
            table.add_row(name, "refused", "", "", "", reason)
            continue
        findings = _count_by_kind(result.findings)
        table.add_row(name, str(result.outcome), *_span(result.dataset), findings)
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


def _result_json(names: tuple[str, ...], result: market.Imported | CommendaError) -> dict[str, Any]:
    source = {"file": names[0], "files": names}
    if isinstance(result, CommendaError):
        error = {"code": result.code, "message": result.message, "mend": result.hint}
        return {**source, "outcome": "refused", "error": error}
    findings = [
        {"kind": finding.kind, "at": finding.at.isoformat(), "details": finding.details}
        for finding in result.findings
    ]
    return {
        **source,
        "outcome": result.outcome,
        "dataset": _dataset_json(result.dataset, len(findings)),
        "findings": findings,
        "notes": result.notes,
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
