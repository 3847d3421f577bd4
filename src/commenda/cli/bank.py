"""`commenda bank`: what the bank says came in and went out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commenda.cli.options import ACTOR, AsJson, Data, Limit, fields_of, settings_of, transaction
from commenda.cli.tables import Column, show, show_one, texts
from commenda.funding import (
    LARGEST_STATEMENT,
    RULES,
    EntryStatus,
    StatementKind,
    StatementOrder,
    entries_of,
    read_in,
)
from commenda.kit.clock import business_now
from commenda.kit.errors import CommendaError
from commenda.ledger import Author

app = typer.Typer(help="Bank statements, held against deposits.", no_args_is_help=True)

ENTRIES = (
    Column("booked", "booked_on"),
    *texts("account", "entry ref", "direction"),
    Column("amount", number=True),
    *texts("currency", "reference", "counterparty", "status"),
)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The bank's file.")],
    kind: Annotated[
        StatementKind | None, typer.Option(help="By default camt053 for .xml, else csv.")
    ] = None,
    account: Annotated[str, typer.Option(help="Ours, where a CSV file does not say it.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Read a bank statement in: each entry once, matched with the deposit that waits for it.

    One of the staff must approve such a deposit, instead of two.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            content = opened.read(LARGEST_STATEMENT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise CommendaError("bad_statement", "The file cannot be read as UTF-8").at(
            "FILE", file, str(error)
        ) from error
    kind = kind or (StatementKind.CAMT053 if file.suffix == ".xml" else StatementKind.CSV)
    currencies = settings_of(data).bank_currencies
    with transaction(data) as tx:
        order = StatementOrder(kind=kind, content=content or " ", account=account)
        found = read_in(tx, Author(ACTOR, RULES, business_now(tx)), None, order, currencies)
    show_one(fields_of(found), as_json)


@app.command()
def entries(
    status: Annotated[EntryStatus | None, typer.Option(help="Only those.")] = None,
    limit: Limit = 100,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List entries, the latest first; --status open are those that stand for nothing."""
    with transaction(data) as tx:
        show(entries_of(tx, status, None, limit), ENTRIES, as_json)
