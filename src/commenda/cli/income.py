"""`commenda income`: pool products, what is held of them, accruals and distributions by hand."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Annotated

import typer

from commenda import income
from commenda.cli.options import (
    ACTOR,
    AsJson,
    Data,
    Limit,
    fields_of,
    open_database,
    print_json,
    transaction,
)
from commenda.cli.tables import Column, numbers, progress, say, show, texts
from commenda.identity import find_user, unknown_user
from commenda.kit.clock import business_now
from commenda.kit.money import amount as checked_amount
from commenda.kit.money import plain
from commenda.ledger import Author

app = typer.Typer(help="Pool products and their income.", no_args_is_help=True)

MOST = 10_000

PRODUCTS = (
    Column("name", lambda one: one.name if one.status == "open" else f"{one.name} (closed)"),
    Column("type", lambda one: f"{one.kind}, {one.term_days} days" if one.term_days else one.kind),
    Column("paid", "cadence"),
    Column("next rate", lambda one: _ahead(one.next_rate, one.next_rate_from)),
    Column("accrued", "accrued_through"),
    Column("rate", "daily_rate", number=True),
    Column("sold", "sold_amount", number=True),
    Column("quota", lambda one: f"{plain(one.total_quota)} {one.asset}", number=True),
)
HOLDINGS = (
    Column("product", "product_name"),
    Column("earns from", lambda one: one.start_at.date()),
    Column("until", lambda one: one.end_at and one.end_at.date()),
    *texts("status", "id"),
    Column("amount", lambda one: f"{plain(one.amount)} {one.asset}", number=True),
    Column("income", "total_income", number=True),
    Column("unpaid", "accrued_unpaid", number=True),
)
ACCRUALS = (
    Column("day"),
    Column("product", "product_name"),
    Column("begun", "begun_at"),
    Column("finished", lambda one: one.finished_at or "under way"),
    *numbers("holdings", "amount"),
)


@app.command()
def products(as_json: AsJson = False, data: Data = None) -> None:
    """Every pool product with the rate in force and how far it is accrued."""
    with transaction(data) as tx:
        found = income.products(tx, business_now(tx), limit=MOST)
    show(found, PRODUCTS, as_json)


@app.command()
def holdings(
    username: Annotated[str, typer.Argument(help="Whose.")],
    status: Annotated[income.HoldingStatus | None, typer.Option(help="Only those.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What a user holds or held, the latest first."""
    with transaction(data) as tx:
        user = find_user(tx, username)
        if user is None:
            raise unknown_user("username", username)
        found = income.holdings_of(tx, user.id, business_now(tx), status=status, limit=MOST)
    show(found, HOLDINGS, as_json)


@app.command()
def estimate(
    product: Annotated[str, typer.Argument(help="Its name or id.")],
    amount: Annotated[str, typer.Argument(help="How much to put in.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What an amount would earn while the rate stays as it is."""
    with transaction(data) as tx:
        found = income.product_named(tx, product, business_now(tx))
    given = checked_amount(amount, found.asset)
    income.require_positive(given, found.asset)
    would = income.estimate(given, found.daily_rate)
    if as_json:
        print_json(fields_of(would))
        return
    say(f"{plain(given)} {found.asset} in {found.name}")
    rows = (
        ("a day", would.daily),
        ("365 days", would.yearly),
        ("APR (daily rate · 365)", f"{would.apr:.4%}"),
        ("APY (compounded daily)", f"{would.apy:.4%}"),
    )
    earned = Column(found.asset, lambda row: row[1], number=True)
    show(rows, (Column("what it would earn", lambda row: row[0]), earned))


@app.command()
def accruals(limit: Limit = 50, as_json: AsJson = False, data: Data = None) -> None:
    """The accruals of products' days, newest first: how many holdings, how much, and when."""
    with transaction(data) as tx:
        found = income.accruals(tx, limit=limit)
    show(found, ACCRUALS, as_json)


@app.command()
def accrue(as_json: AsJson = False, data: Data = None) -> None:
    """Accrue every day that is over and was not yet; workers may do the same meanwhile."""
    with open_database(data) as database, progress("holdings' days") as bar:
        with database.transaction() as tx:
            now = business_now(tx)
            due = income.days_to_accrue(tx, now)
        task = bar.add_task("accruing", total=due)
        author = Author(ACTOR, income.RULES, now)
        done = income.accrue_due(
            database, author, told=lambda part: bar.advance(task, part.holdings)
        )
        bar.update(task, completed=due)
    through = now.astimezone(UTC).date() - timedelta(days=1)
    if as_json:
        print_json({"through": through, **fields_of(done)})
    else:
        say(
            f"accrued through {through}: {done.days} days of products,"
            f" {done.holdings} amounts to holdings, {plain(done.amount)} in all"
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
    payments, amount = 0, Decimal(0)
    with open_database(data) as database, progress("payments") as bar:
        task = bar.add_task("paying out", total=None)
        with database.transaction() as tx:
            author = Author(ACTOR, income.RULES, business_now(tx))
        for one in income.Cadence if cadence is None else [cadence]:
            done = income.distribute_due(
                database, author, one, told=lambda part: bar.advance(task, part.payments)
            )
            payments += done.payments
            amount += done.amount
    if as_json:
        print_json({"payments": payments, "amount": amount})
    else:
        say(f"{payments} payments, {plain(amount)} in all")


def _ahead(rate: Decimal | None, begins: date | None) -> str:
    return f"{plain(rate)} from {begins}" if rate else ""
