"""`commenda ledger`: read the books.

Corrections (closing a period, reversing a journal) take two people, who ask and decide over HTTP:
whoever sits at this machine is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from commenda.cli.options import (
    AsJson,
    AsOfMoment,
    Data,
    Out,
    moment_of,
    open_database,
    output,
    period_of,
    print_json,
)
from commenda.cli.tables import table_of, wide_console
from commenda.identity import find_user
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.money import plain, scale_of
from commenda.kit.wire import as_json as json_of
from commenda.ledger import (
    Account,
    AsOf,
    EntryRow,
    HoldRow,
    HoldStatus,
    JournalRow,
    JournalsWanted,
    Language,
    Owner,
    Statement,
    StatementWanted,
    account_by_id,
    accounts_where,
    asset_totals,
    balances_as_of,
    closed_periods,
    csv_text,
    draw_up,
    entries_of_account,
    entries_of_journal,
    holds_where,
    html_text,
    journal_by_id,
    journals_where,
    statement_period,
    trial_balance,
)

app = typer.Typer(help="Read the books.", no_args_is_help=True)

By = Annotated[AsOf, typer.Option(help="By which of its two times a journal counts.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    HTML = "html"


# --- Trial balance and statements ------------------------------------------------------------


@app.command("trial-balance")
def show_trial_balance(
    as_of: AsOfMoment = None, by: By = AsOf.POSTED, as_json: AsJson = False, data: Data = None
) -> None:
    """All accounts by asset, kind and kind of owner; exit code 1 if an asset's sum is not 0."""
    moment = moment_of("--as-of", as_of)
    with open_database(data) as database, database.transaction() as tx:
        at = business_now(tx) if moment is None else moment
        lines = trial_balance(tx, moment, by)
    totals = asset_totals(lines)
    if as_json:
        named = [
            dict(zip(("asset", "debit", "credit", "balance"), (asset, *sums), strict=True))
            for asset, sums in totals.items()
        ]
        shown = {"as_of": at, "by": by, "lines": list(map(asdict, lines)), "totals": named}
        print_json(json_of(shown))
    else:
        table = table_of(
            "asset", "kind", "owner", numbers=("accounts", "debit", "credit", "balance")
        )
        for line in lines:
            kind = f"{line.kind} (in transit)" if line.transit else line.kind
            figures = (line.debit, line.credit, line.balance)
            table.add_row(
                line.asset, kind, line.owner_kind, f"{line.accounts:,}", *map(plain, figures)
            )
        for asset, sums in totals.items():
            table.add_row(asset, "total", "", "", *map(plain, sums), style="bold")
        wide_console().print(f"Trial balance as of {at.isoformat()}, by {by} time", highlight=False)
        wide_console().print(table)
    raise typer.Exit(1 if any(sums[2] for sums in totals.values()) else 0)


@app.command()
def statement(
    owner: Annotated[str, typer.Argument(help="A username, an owner's id, or 'platform'.")],
    begin: Annotated[str | None, typer.Option("--from", help="30 days before --to.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive; now by default.")] = None,
    asset: Annotated[str, typer.Option(help="Of which asset.")] = "USDT",
    whole: Annotated[
        bool, typer.Option("--all", help="All accounts, not only the wallet.")
    ] = False,
    form: Annotated[Format, typer.Option("--format")] = Format.TABLE,
    lang: Annotated[Language, typer.Option(help="Of html.")] = Language.EN,
    out: Out = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What somebody has over a period: opening balances, entries, closing balances."""
    _require_format(form, out, as_json)
    scale_of(asset)
    asked = period_of(begin, end)
    with open_database(data) as database:
        with database.transaction() as tx:
            now = business_now(tx)
            since, until = statement_period(*asked, now)
            wanted = StatementWanted(_owner(tx, owner), asset, since, until, whole)
            drawn = draw_up(database, tx, wanted, now)
        if as_json:
            texts = _statement_json(drawn)
        elif form is Format.TABLE:
            _show_statement(drawn)
            return
        else:
            texts = csv_text(drawn) if form is Format.CSV else html_text(drawn, lang)
        with output(out) as target:
            target.writelines(texts)


def _require_format(form: Format, out: Path | None, as_json: bool) -> None:
    """One format, and none that is for the screen in a file; code `bad_format`."""
    if as_json and form is not Format.TABLE:
        raise CommendaError("bad_format", "A statement has one format").at(
            "--format", form.value, "leave out either --format or --json"
        )
    if out is not None and form is Format.TABLE and not as_json:
        raise CommendaError("bad_format", "A table is for the screen").at(
            "--format", form.value, "write --format csv, --format html or --json into the file"
        )


def _owner(tx: Tx, text: str) -> UUID:
    if text == "platform":
        return Owner.platform().id
    user = find_user(tx, text)
    if user is not None:
        return user.id
    try:
        return UUID(text)
    except ValueError:
        raise unknown("owner", text, "owner") from None


def _statement_json(drawn: Statement) -> Iterator[str]:
    """One account after the other, so that only one is held at a time."""
    head = {"owner": drawn.owner, "from": drawn.wanted.since, "to": drawn.wanted.until}
    yield json.dumps(json_of(head))[:-1] + ', "accounts": ['
    for place, (section, entries) in enumerate(drawn.by_section()):
        account = asdict(section) | {"entries": [one._asdict() for one in entries]}
        yield (", " if place else "") + json.dumps(json_of(account))
    yield "]}\n"


def _show_statement(drawn: Statement) -> None:
    console = wide_console()
    console.print(
        Text(f"{drawn.owner}: {drawn.wanted.since.isoformat()} to {drawn.wanted.until.isoformat()}")
    )
    for section, entries in drawn.by_section():
        table = table_of("time", "type", "reference", numbers=("amount", "balance"))
        table.title = f"{section.kind} #{section.account_id} ({section.asset})"
        table.add_row("opening", "", "", "", plain(section.opening), style="bold")
        for one in entries:
            table.add_row(
                _at(one.created_at),
                one.type or one.remark,
                Text(one.ref_no),
                plain(one.amount),
                plain(one.balance_after),
            )
        table.add_row("closing", "", "", "", plain(section.closing), style="bold")
        console.print(table)


# --- Accounts, journals, holds, periods ------------------------------------------------------


@app.command()
def accounts(
    owner: Annotated[str | None, typer.Option(help="A username, an id, or 'platform'.")] = None,
    kind: Annotated[str | None, typer.Option(help="Such as wallet.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List accounts in the order in which they were opened."""
    with open_database(data) as database, database.transaction() as tx:
        whose = None if owner is None else _owner(tx, owner)
        found = accounts_where(tx, owner=whose, kind=kind, after=0, limit=limit)
    columns: dict[str, Callable[[Account], object]] = {
        "id": lambda one: one.id,
        "kind": lambda one: one.kind,
        "owner": lambda one: f"{one.owner_kind} {one.owner_id}",
        "instrument": lambda one: one.symbol or "",
        "balance": lambda one: f"{plain(one.balance)} {one.asset}",
        "held": lambda one: plain(one.held),
        "entries": lambda one: one.version,
    }
    _show(found, columns, as_json)


@app.command()
def account(
    number: Annotated[int, typer.Argument(help="The account's id.")],
    as_of: AsOfMoment = None,
    by: By = AsOf.POSTED,
    limit: Limit = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """One account, what it held at a moment, and its latest entries."""
    moment = moment_of("--as-of", as_of)
    with open_database(data) as database, database.transaction() as tx:
        found = account_by_id(tx, number)
        if found is None:
            raise unknown("account", number, "id")
        then = None if moment is None else balances_as_of(tx, [number], moment, by)[number]
        entries = entries_of_account(tx, number, before=None, limit=limit)
    if as_json:
        held = {} if moment is None else {"as_of": {"at": moment, "by": by, "balance": then}}
        print_json(json_of(asdict(found) | held | {"entries": list(map(asdict, entries))}))
        return
    console = wide_console()
    console.print(
        Text(
            f"{found.kind} of {found.owner_kind} {found.owner_id}: {plain(found.balance)}"
            f" {found.asset}, of which {plain(found.held)} held, {found.version} entries"
        )
    )
    if moment is not None and then is not None:
        console.print(Text(f"at {moment.isoformat()}, by {by} time: {plain(then)}"))
    _show(entries, _ENTRY_COLUMNS, as_json=False)


@app.command()
def journals(
    kind: Annotated[str | None, typer.Option(help="Such as settlement.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who posted them.")] = None,
    correlation: Annotated[UUID | None, typer.Option(help="What they belong to.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Posted from then on.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List journals, newest first."""
    wanted = JournalsWanted(kind, actor, correlation, *period_of(begin, end))
    with open_database(data) as database, database.transaction() as tx:
        found = journals_where(tx, wanted, before=None, limit=limit)
    columns: dict[str, Callable[[JournalRow], object]] = {
        "id": lambda one: one.id,
        "posted": lambda one: _at(one.posted_at),
        "kind": lambda one: one.kind,
        "key": lambda one: one.key,
        "actor": lambda one: one.actor,
        "entries": lambda one: one.entry_count,
        "seal": lambda one: one.seal or "",
    }
    _show(found, columns, as_json)


@app.command()
def journal(
    number: Annotated[int, typer.Argument(help="The journal's id.")],
    limit: Limit = 1000,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """One journal with its entries, what it undoes or is undone by, and its seal."""
    with open_database(data) as database, database.transaction() as tx:
        found = journal_by_id(tx, number)
        if found is None:
            raise unknown("journal", number, "id")
        entries = entries_of_journal(tx, number, after=(0, 0), limit=limit)
    if as_json:
        print_json(json_of(asdict(found) | {"entries": list(map(asdict, entries))}))
        return
    table = Table(show_header=False, box=None)
    for name, value in asdict(found).items():
        table.add_row(name.replace("_", " "), Text("" if value is None else _cell(value)))
    wide_console().print(table)
    _show(entries, _ENTRY_COLUMNS, as_json=False)


@app.command()
def holds(
    owner: Annotated[str | None, typer.Option(help="A username, an id, or 'platform'.")] = None,
    status: Annotated[HoldStatus | None, typer.Option(help="Only those.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List money that is or was set aside, newest first."""
    with open_database(data) as database, database.transaction() as tx:
        whose = None if owner is None else _owner(tx, owner)
        found = holds_where(tx, owner=whose, status=status, limit=limit)
    columns: dict[str, Callable[[HoldRow], object]] = {
        "id": lambda one: one.id,
        "placed": lambda one: _at(one.placed_at),
        "account": lambda one: f"#{one.account_id} of {one.owner_id}",
        "amount": lambda one: f"{plain(one.amount)} {one.asset}",
        "purpose": lambda one: one.purpose,
        "by": lambda one: one.actor,
        "status": lambda one: one.status,
        "until": lambda one: "" if one.expires_at is None else _at(one.expires_at),
    }
    _show(found, columns, as_json)


@app.command()
def periods(as_json: AsJson = False, data: Data = None) -> None:
    """List closed periods, the latest first."""
    with open_database(data) as database, database.transaction() as tx:
        found = closed_periods(tx, None, 10_000)
    columns: dict[str, Callable[[Any], object]] = {
        "closed before": lambda one: _at(one.until),
        "by": lambda one: one.closed_by,
        "at": lambda one: _at(one.closed_at),
        "balances": lambda one: "being noted" if one.noted_at is None else "noted",
    }
    _show(found, columns, as_json)


_ENTRY_COLUMNS: dict[str, Callable[[EntryRow], object]] = {
    "account": lambda one: f"{one.account_kind} #{one.account_id}",
    "version": lambda one: one.version,
    "journal": lambda one: f"{one.journal_kind} #{one.journal_id}",
    "effective": lambda one: _at(one.effective_at),
    "amount": lambda one: f"{plain(one.amount)} {one.asset}",
    "balance after": lambda one: plain(one.balance_after),
}


# --- Shared ----------------------------------------------------------------------------------


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _show(rows: Sequence[Any], columns: dict[str, Callable[[Any], object]], as_json: bool) -> None:
    if as_json:
        print_json(json_of([asdict(one) for one in rows]))
        return
    table = table_of(*columns, numbers=())
    for one in rows:
        table.add_row(*(Text(str(read(one))) for read in columns.values()))
    wide_console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return _at(value)
    return plain(value) if isinstance(value, Decimal) else str(value)
