"""`commenda ledger`: read the books.

Corrections (closing a period, reversing a journal) take two people, who ask and decide over HTTP:
whoever sits at this machine is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from commenda import earnings, ledger
from commenda.cli.options import (
    AsJson,
    AsOfMoment,
    Data,
    Limit,
    Out,
    fields_of,
    json_text,
    moment_of,
    open_database,
    output,
    period_of,
    print_json,
    transaction,
)
from commenda.cli.tables import Column, numbers, say, show, show_one, texts
from commenda.identity import find_user
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.money import plain, scale_of
from commenda.kit.report import report_page, require_reports
from commenda.kit.times import iso
from commenda.kit.wire import wire

app = typer.Typer(help="Read the books.", no_args_is_help=True)

By = Annotated[ledger.AsOf, typer.Option(help="By which of its two times a journal counts.")]
Whose = Annotated[str | None, typer.Option("--owner", help="A username, an id, or 'platform'.")]

BALANCES = (
    Column("asset"),
    Column("kind", lambda line: f"{line.kind} (in transit)" if line.transit else line.kind),
    Column("owner", "owner_kind"),
    *numbers("accounts", "debit", "credit", "balance"),
)
SECTION = (
    Column("time", "created_at"),
    Column("type", lambda entry: entry.type or entry.remark),
    Column("reference", "ref_no"),
    Column("amount", number=True),
    Column("balance", "balance_after", number=True),
)
ACCOUNTS = (
    *texts("id", "kind"),
    Column("owner", lambda account: f"{account.owner_kind} {account.owner_id}"),
    Column("instrument", "symbol"),
    Column("balance", lambda account: f"{plain(account.balance)} {account.asset}", number=True),
    Column("held", number=True),
    Column("entries", "version", number=True),
)
ENTRIES = (
    Column("account", lambda entry: f"{entry.account_kind} #{entry.account_id}"),
    Column("version", number=True),
    Column("journal", lambda entry: f"{entry.journal_kind} #{entry.journal_id}"),
    Column("effective", "effective_at"),
    Column("amount", lambda entry: f"{plain(entry.amount)} {entry.asset}", number=True),
    Column("balance after", number=True),
)
JOURNALS = (
    Column("id"),
    Column("posted", "posted_at"),
    *texts("kind", "key", "actor"),
    Column("entries", "entry_count", number=True),
    Column("seal"),
)
HOLDS = (
    Column("id"),
    Column("placed", "placed_at"),
    Column("account", lambda hold: f"#{hold.account_id} of {hold.owner_id}"),
    Column("amount", lambda hold: f"{plain(hold.amount)} {hold.asset}", number=True),
    Column("purpose"),
    Column("by", "actor"),
    Column("status"),
    Column("until", "expires_at"),
)
PERIODS = (
    Column("closed before", "until"),
    Column("by", "closed_by"),
    Column("at", "closed_at"),
    Column("balances", lambda period: "being noted" if period.noted_at is None else "noted"),
)


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    HTML = "html"


# --- Trial balance and statements ------------------------------------------------------------


@app.command("trial-balance")
def show_trial_balance(
    as_of: AsOfMoment = None,
    by: By = ledger.AsOf.POSTED,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """All accounts by asset, kind and kind of owner; exit code 1 if an asset's sum is not 0."""
    moment = moment_of("--as-of", as_of)
    with transaction(data) as tx:
        at = business_now(tx) if moment is None else moment
        lines = ledger.trial_balance(tx, moment, by)
    sums = [
        {"asset": asset, "debit": debit, "credit": credit, "balance": balance}
        for asset, (debit, credit, balance) in ledger.asset_totals(lines).items()
    ]
    if as_json:
        print_json({"asOf": at, "by": by, "lines": lines, "totals": sums})
    else:
        say(f"Trial balance as of {iso(at)}, by {by} time")
        totals = [[asset, "total", "", "", *rest] for asset, *rest in map(dict.values, sums)]
        show([*lines, *totals], BALANCES)
    raise typer.Exit(1 if any(one["balance"] for one in sums) else 0)


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
    out: Out = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What somebody has over a period: opening balances, entries, closing balances."""
    _require_format(form, out, as_json)
    scale_of(asset)
    asked = period_of(begin, end)
    if form is Format.HTML:
        require_reports("--format")
    with open_database(data) as database:
        with database.transaction() as tx:
            tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            now = business_now(tx)
            period = ledger.statement_period(*asked, now)
            wanted = ledger.StatementWanted(_owner(tx, owner), asset, *period, whole)
            page = ledger.printed(tx, wanted, now) if form is Format.HTML else None
            drawn = ledger.draw_up(database, tx, wanted)
        if as_json:
            texts = _statement_json(drawn)
        elif page is not None:
            title = f"{page.owner} · {iso(page.since)} – {iso(page.until)}"
            texts = iter((report_page("statement", title, wire(page)),))
        elif form is Format.CSV:
            texts = ledger.csv_text(drawn)
        else:
            _show_statement(drawn)
            return
        with output(out) as target:
            target.writelines(texts)


@app.command("earnings")
def show_earnings(
    owner: Annotated[str, typer.Argument(help="A username or a user's id.")],
    begin: Annotated[str | None, typer.Option("--from", help="The beginning by default.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Exclusive; now by default.")] = None,
    asset: Annotated[str, typer.Option(help="Of which asset.")] = "USDT",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What somebody earned: paid in and out, worth by kind, gain, each fee, income, TWR, XIRR."""
    asked = period_of(begin, end)
    with transaction(data) as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = earnings.earned(tx, _owner(tx, owner), asset, *asked, business_now(tx))
    show_one(wire(found), as_json)


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
        return ledger.Owner.platform().id
    user = find_user(tx, text)
    if user is not None:
        return user.id
    try:
        return UUID(text)
    except ValueError:
        raise unknown("owner", text, "owner") from None


def _statement_json(drawn: ledger.Statement) -> Iterator[str]:
    """One account after the other, so that only one is held at a time."""
    head = {"owner": drawn.owner, "from": drawn.wanted.since, "to": drawn.wanted.until}
    yield json_text(head)[:-1] + ', "accounts": ['
    for place, (section, entries) in enumerate(drawn.by_section()):
        told = [fields_of(one, "user_id", "coin") for one in entries]
        yield (", " if place else "") + json_text(fields_of(section, entries=told))
    yield "]}\n"


def _show_statement(drawn: ledger.Statement) -> None:
    wanted = drawn.wanted
    say(f"{drawn.owner}: {iso(wanted.since)} to {iso(wanted.until)}")
    for section, entries in drawn.by_section():
        opening = ["opening", "", "", "", section.opening]
        closing = ["closing", "", "", "", section.closing]
        title = f"{section.kind} #{section.account_id} ({section.asset})"
        show([opening, *entries, closing], SECTION, title=title)


# --- Accounts, journals, holds, periods ------------------------------------------------------


@app.command()
def accounts(
    owner: Whose = None,
    kind: Annotated[str | None, typer.Option(help="Such as wallet.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List accounts in the order in which they were opened."""
    with transaction(data) as tx:
        whose = None if owner is None else _owner(tx, owner)
        found = ledger.accounts_where(tx, owner=whose, kind=kind, after=0, limit=limit)
    show(found, ACCOUNTS, as_json)


@app.command()
def account(
    number: Annotated[int, typer.Argument(help="The account's id.")],
    as_of: AsOfMoment = None,
    by: By = ledger.AsOf.POSTED,
    limit: Limit = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """One account, what it held at a moment, and its latest entries."""
    moment = moment_of("--as-of", as_of)
    with transaction(data) as tx:
        one = ledger.account_by_id(tx, number)
        if one is None:
            raise unknown("account", number, "id")
        then = None if moment is None else ledger.balances_as_of(tx, [number], moment, by)[number]
        entries = ledger.entries_of_account(tx, number, before=None, limit=limit)
    if as_json:
        held = {} if moment is None else {"as_of": {"at": moment, "by": by, "balance": then}}
        print_json(fields_of(one, **held, entries=entries))
        return
    say(
        f"{one.kind} of {one.owner_kind} {one.owner_id}: {plain(one.balance)} {one.asset},"
        f" of which {plain(one.held)} held, {one.version} entries"
    )
    if moment is not None and then is not None:
        say(f"at {iso(moment)}, by {by} time: {plain(then)}")
    show(entries, ENTRIES)


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
    wanted = ledger.JournalsWanted(kind, actor, correlation, *period_of(begin, end))
    with transaction(data) as tx:
        found = ledger.journals_where(tx, wanted, before=None, limit=limit)
    show(found, JOURNALS, as_json)


@app.command()
def journal(
    number: Annotated[int, typer.Argument(help="The journal's id.")],
    limit: Limit = 1000,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """One journal with its entries, what it undoes or is undone by, and its seal."""
    with transaction(data) as tx:
        found = ledger.journal_by_id(tx, number)
        if found is None:
            raise unknown("journal", number, "id")
        entries = ledger.entries_of_journal(tx, number, after=(0, 0), limit=limit)
    if as_json:
        print_json(fields_of(found, entries=entries))
    else:
        show_one(fields_of(found), as_json)
        show(entries, ENTRIES)


@app.command()
def holds(
    owner: Whose = None,
    status: Annotated[ledger.HoldStatus | None, typer.Option(help="Only those.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List money that is or was set aside, newest first."""
    with transaction(data) as tx:
        whose = None if owner is None else _owner(tx, owner)
        found = ledger.holds_where(tx, owner=whose, status=status, limit=limit)
    show(found, HOLDS, as_json)


@app.command()
def periods(as_json: AsJson = False, data: Data = None) -> None:
    """List closed periods, the latest first."""
    with transaction(data) as tx:
        found = ledger.closed_periods(tx, None, 10_000)
    show(found, PERIODS, as_json)
