"""`commenda income`: pool products, what is held of them, accruals and distributions by hand."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from commenda import income
from commenda.cli.options import AsJson, Data, open_database, print_json
from commenda.cli.tables import table_of, wide_console
from commenda.identity import find_user, unknown_user
from commenda.kit.clock import business_now
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain
from commenda.kit.wire import as_json as json_of
from commenda.ledger import Author

app = typer.Typer(help="Pool products and their income.", no_args_is_help=True)

ACTOR = "cli"
MOST = 10_000


@app.command()
def products(as_json: AsJson = False, data: Data = None) -> None:
    """Every pool product with the rate in force and how far it is accrued."""
    with open_database(data) as database, database.transaction() as tx:
        found = income.products(tx, business_now(tx), limit=MOST)
    if as_json:
        print_json(json_of([asdict(one) for one in found]))
        return
    table = table_of(
        "name", "type", "paid", "next rate", "accrued", numbers=("rate", "sold", "quota")
    )
    for one in found:
        ahead = f"{_short(one.next_rate)} from {one.next_rate_from}" if one.next_rate else ""
        kind = one.kind if one.term_days is None else f"{one.kind}, {one.term_days} days"
        table.add_row(
            Text(one.name if one.status == "open" else f"{one.name} (closed)"),
            kind,
            one.cadence,
            ahead,
            str(one.accrued_through),
            _short(one.daily_rate),
            _short(one.sold_amount),
            f"{_short(one.total_quota)} {one.asset}",
        )
    wide_console().print(table)


@app.command()
def holdings(
    username: Annotated[str, typer.Argument(help="Whose.")],
    status: Annotated[income.HoldingStatus | None, typer.Option(help="Only those.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What a user holds or held, the latest first."""
    with open_database(data) as database, database.transaction() as tx:
        user = find_user(tx, username)
        if user is None:
            raise unknown_user("username", username)
        found = income.holdings_of(tx, user.id, business_now(tx), status=status, limit=MOST)
    if as_json:
        print_json(json_of([asdict(one) for one in found]))
        return
    table = table_of(
        "product",
        "earns from",
        "until",
        "status",
        "id",
        numbers=("amount", "income", "unpaid"),
    )
    for one in found:
        table.add_row(
            Text(one.product_name),
            str(one.start_at.date()),
            str(one.end_at.date()) if one.end_at else "",
            one.status,
            str(one.id),
            f"{_short(one.amount)} {one.asset}",
            _short(one.total_income),
            _short(one.accrued_unpaid),
        )
    wide_console().print(table)


@app.command()
def estimate(
    product: Annotated[str, typer.Argument(help="Its name or id.")],
    amount: Annotated[str, typer.Argument(help="How much to put in.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What an amount would earn while the rate stays as it is."""
    with open_database(data) as database, database.transaction() as tx:
        found = income.product_named(tx, product, business_now(tx))
    sum_of = checked_amount(amount, found.asset)
    income.require_positive(sum_of, found.asset)
    would = income.estimate(sum_of, found.daily_rate)
    if as_json:
        print_json(json_of({"amount": sum_of, "daily_rate": found.daily_rate, **asdict(would)}))
        return
    table = table_of("what it would earn", numbers=(found.asset,))
    table.add_row("a day", _short(would.daily))
    table.add_row("365 days", _short(would.yearly))
    table.add_row("APR (daily rate · 365)", f"{would.apr:.4%}")
    table.add_row("APY (compounded daily)", f"{would.apy:.4%}")
    wide_console().print(Text(f"{_short(sum_of)} {found.asset} in {found.name}"))
    wide_console().print(table)


@app.command()
def accruals(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """The accruals of products' days, newest first: how many holdings, how much, and when."""
    with open_database(data) as database, database.transaction() as tx:
        found = income.accruals(tx, limit=limit)
    if as_json:
        print_json(json_of([asdict(one) for one in found]))
        return
    table = table_of("day", "product", "begun", "finished", numbers=("holdings", "amount"))
    for one in found:
        table.add_row(
            str(one.day),
            Text(one.product_name),
            f"{one.begun_at:%Y-%m-%d %H:%M:%S}",
            f"{one.finished_at:%Y-%m-%d %H:%M:%S}" if one.finished_at else "under way",
            f"{one.holdings:,}",
            _short(one.amount),
        )
    wide_console().print(table)


@app.command()
def accrue(as_json: AsJson = False, data: Data = None) -> None:
    """Accrue every day that is over and was not yet; workers may do the same meanwhile."""
    with open_database(data) as database, _bar("holdings' days") as bar:
        with database.transaction() as tx:
            now = business_now(tx)
            due = income.days_to_accrue(tx, now)
        task = bar.add_task("accruing", total=due)
        done = income.accrue_due(
            database, _author(now), told=lambda part: bar.advance(task, part.holdings)
        )
        bar.update(task, completed=due)
    through = now.astimezone(UTC).date() - timedelta(days=1)
    if as_json:
        print_json(json_of({"through": through, **asdict(done)}))
        return
    Console().print(
        f"accrued through {through}: {done.days} days of products,"
        f" {done.holdings} amounts to holdings, {_short(done.amount)} in all",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def distribute(
    cadence: Annotated[
        income.Cadence | None, typer.Option(help="Only products paid so often.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Pay out what is accrued and not paid: once a day, weekly products once a week from Monday."""
    wanted = list(income.Cadence) if cadence is None else [cadence]
    payments, amount = 0, Decimal(0)
    with open_database(data) as database, _bar("payments") as bar:
        task = bar.add_task("paying out", total=None)
        with database.transaction() as tx:
            now = business_now(tx)
        for one in wanted:
            done = income.distribute_due(
                database, _author(now), one, told=lambda part: bar.advance(task, part.payments)
            )
            payments += done.payments
            amount += done.amount
    if as_json:
        print_json(json_of({"payments": payments, "amount": amount}))
        return
    Console().print(
        f"{payments} payments, {_short(amount)} in all", highlight=False, soft_wrap=True
    )


def _bar(of: str) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(of),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _author(now: datetime) -> Author:
    return Author(ACTOR, income.RULES, now)


def _short(number: Decimal | None) -> str:
    return "" if number is None else plain(number)
