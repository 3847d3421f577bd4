"""`commenda market`: import recorded data, fetch it from an exchange, and list what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.progress import Progress

from commenda import market
from commenda.cli import Incomplete
from commenda.cli.options import AsJson, Zone, fields_of, transaction
from commenda.cli.tables import Column, minute, progress, say, show
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

RESULTS = (
    Column("source", lambda one: _short_name(one["files"])),
    Column("result", "outcome"),
    Column("rows", lambda one: _of_dataset(one, "rows"), number=True),
    Column("from (UTC)", lambda one: minute(_of_dataset(one, "firstTs"))),
    Column("to (UTC)", lambda one: minute(_of_dataset(one, "lastTs"))),
    Column("findings", lambda one: _reason(one["error"]) if "error" in one else _kinds(one)),
)
DATASETS = (
    Column("venue", lambda one: f"{one['venue']}{' (simulated)' if one['simulated'] else ''}"),
    Column("symbol"),
    Column("series", lambda one: _series_name(one["series"], one["intervalSeconds"])),
    Column("rows", number=True),
    Column("from (UTC)", lambda one: minute(one["firstTs"])),
    Column("to (UTC)", lambda one: minute(one["lastTs"])),
    Column("findings", number=True),
)


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
    interval: Annotated[
        str | None, typer.Option(help="Interval of CSV files, as 5m, 1w or 1mo.")
    ] = None,
    zone: Zone = None,
    append: Append = False,
    as_json: AsJson = False,
) -> None:
    """Import candles, funding rates and mark prices from Parquet, or candles from CSV.

    CSV files of one venue, symbol and interval are one series; any other file is one on its own.
    Each series is imported on its own: a refused one changes nothing and the others still count.
    Times that name no zone are those of --zone, and it is said which one was taken.
    """
    settings = Settings.from_environment()
    known = market.load_catalogue(catalogue)
    labels = market.Labels(venue, symbol, interval, zone)
    groups = market.group_files(files, labels)
    with Database.open(settings) as database, progress("series", stays=True) as bar:
        bar.disable = len(groups) < 2

        def store(group: tuple[Path, ...]) -> market.Imported:
            with database.transaction() as tx:
                now = datetime.now(UTC)
                return market.import_files(
                    tx, settings.data, group, now, known, labels=labels, append=append
                )

        results = [
            (tuple(map(str, group)), _outcome(store, group))
            for group in bar.track(groups, description="Importing")
        ]
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
    with Database.open(settings) as database, progress("days", stays=True) as bar:

        def fetch_and_store(symbol: str, one: market.Series) -> market.Imported:
            on_page = _moved(bar, f"{symbol} {one}", span)
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
    with transaction() as tx:
        datasets = market.datasets(tx)
        findings = market.count_findings(tx)
    if datasets or as_json:
        show([_dataset(one, findings.get(one.id, 0)) for one in datasets], DATASETS, as_json)
    else:
        say("Nothing is imported yet: commenda market import FILE…")


def _outcome(
    work: Callable[..., market.Imported], *arguments: Any
) -> market.Imported | CommendaError:
    """What was imported, or why it was refused."""
    try:
        return work(*arguments)
    except CommendaError as refusal:
        return refusal


def _report(results: list[Result], as_json: bool) -> None:
    """Print what came of each series; an only one that was refused is the command's refusal."""
    refusals = [result for _, result in results if isinstance(result, CommendaError)]
    if refusals and len(results) == 1:
        raise refusals[0]
    rows = [_result(*one) for one in results]
    show(rows, RESULTS, as_json)
    for row in () if as_json else rows:
        for note in row.get("notes", ()):
            say(f"{_short_name(row['files'])}: {note}")
    if refusals:
        raise Incomplete(
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


def _moved(bar: Progress, label: str, span: market.Span) -> Callable[[datetime], None]:
    """A bar over the days that a series is fetched for, moved on by how far it is."""
    day = timedelta(days=1)
    task = bar.add_task(label, total=(span.until - span.since) / day)
    return lambda reached: bar.update(task, completed=(reached - span.since) / day)


def _result(names: tuple[str, ...], result: market.Imported | CommendaError) -> dict[str, Any]:
    source = {"file": names[0], "files": names}
    if isinstance(result, CommendaError):
        error = {"code": result.code, "message": result.message, "mend": result.hint}
        return {**source, "outcome": "refused", "error": error}
    return {
        **source,
        "outcome": result.outcome,
        "dataset": _dataset(result.dataset, len(result.findings)),
        "findings": [fields_of(finding, "fatal") for finding in result.findings],
        "notes": result.notes,
    }


def _dataset(dataset: market.Dataset, findings: int) -> dict[str, Any]:
    return fields_of(dataset, "instrument_id", findings=findings)


def _of_dataset(result: dict[str, Any], name: str) -> Any:
    return result.get("dataset", {}).get(name)


def _short_name(names: Sequence[str]) -> str:
    first, last = Path(names[0]).name, Path(names[-1]).name
    return first if len(names) == 1 else f"{first} … {last} ({len(names)} files)"


def _series_name(series: market.Series, seconds: int) -> str:
    return f"{series} {market.interval_name(seconds)}" if seconds else str(series)


def _reason(error: dict[str, str]) -> str:
    return f"[{error['code']}] {error['message']}"


def _kinds(result: dict[str, Any]) -> str:
    """Such as `2 gap, 1 zero_volume`; `none` without any."""
    counts = Counter(finding["kind"] for finding in result["findings"])
    named = (f"{counts[kind]} {kind}" for kind in market.FindingKind if counts[kind])
    return ", ".join(named) or "none"
