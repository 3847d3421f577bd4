"""`commenda risk`: limits and what is used of them, and the switch that stops trading."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import typer
from pydantic import ValidationError

from commenda import risk
from commenda.books import positions_at_risk
from commenda.cli import stopping
from commenda.cli.options import ACTOR, AsJson, Data, Limit, transaction
from commenda.cli.tables import Column, numbers, show, texts
from commenda.kit.clock import business_now
from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.ledger import Author
from commenda.operations import MARGINED

app = typer.Typer(help="Limits of risk, breakers and the kill switch.", no_args_is_help=True)
limits = typer.Typer(help="List and set limits of risk.", no_args_is_help=True)
app.add_typer(limits, name="limits")
for command in (stopping.kill, stopping.resume, stopping.status):
    app.command()(command)

LIMITS = (
    *texts("measure", "level"),
    Column("whose", lambda one: one.called or "all"),
    Column("effect", lambda one: one.effect or "before a trade"),
    Column("since", "valid_from"),
    Column("amount", lambda one: f"{plain(one.amount)} {one.asset or ''}".strip(), number=True),
    Column("used", number=True),
    Column("headroom", number=True),
)


POSITIONS = (
    *texts("symbol", "owner", "mode"),
    Column("venue", lambda one: ", ".join(one.venues)),
    *numbers("quantity", "mark", "notional", "equity", "margin use", "liquidation price"),
    Column("distance", number=True),
)


@app.command()
def exposure(
    venue: Annotated[str | None, typer.Option(help="Only of this account at a venue.")] = None,
    limit: Limit = 200,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Positions of books that are closed by their margin, the nearest to that first."""
    with transaction(data) as tx:
        found = positions_at_risk(tx, MARGINED, venue=venue, limit=limit)
    show(found, POSITIONS, as_json)


@limits.command("list")
def list_limits(
    state: Annotated[
        Literal["in_force", "past", "all"], typer.Option(help="Which of them.")
    ] = "in_force",
    limit: Limit = 200,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Limits of risk with what is used of each now, the last that were set first."""
    with transaction(data) as tx:
        found = risk.limits_and_use(tx, business_now(tx), state=state, before=None, limit=limit)
    show(found, LIMITS, as_json)


@limits.command("set")
def set_limit(
    level: Annotated[risk.Level, typer.Argument(help="Whose books it takes together.")],
    measure: Annotated[risk.Measure, typer.Argument(help="What it counts.")],
    amount: Annotated[str, typer.Argument(help="The most; of shares 0.2 is 20 %.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    subject: Annotated[
        str, typer.Option(help="Of the level: a name or an id; * for each alone.")
    ] = "",
    asset: Annotated[str | None, typer.Option(help="Of money, where there are several.")] = None,
    effect: Annotated[
        risk.Effect | None,
        typer.Option(help="What a breach does; without one it is looked at before a trade only."),
    ] = None,
    resets_at: Annotated[
        str | None, typer.Option(help="At or below which a breach is over; the amount itself.")
    ] = None,
    cooldown: Annotated[
        int | None, typer.Option(help="Seconds for which it must be over; 900.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Set a limit, or a tighter one; what lets more through takes two people, in the console."""
    said = {"level": level, "measure": measure, "amount": amount, "reason": reason}
    breaker = {"effect": effect, "resetsAt": resets_at, "cooldownSeconds": cooldown}
    try:
        order = risk.LimitOrder.model_validate(
            said | breaker | {"subject": subject, "asset": asset}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise CommendaError("bad_limit", str(first["msg"])).at(
            str(first["loc"][0]), first["input"], "see `commenda risk limits set --help`"
        ) from None
    with transaction(data) as tx:
        now = business_now(tx)
        limit = risk.tighten(tx, Author(ACTOR, risk.RULES, now), order)
        # The list begins after a place in it: with the one that was set.
        after = limit.valid_from, UUID(int=limit.id.int + 1)
        found = risk.limits_and_use(tx, now, state="in_force", before=after, limit=1)
    show(found, LIMITS, as_json)
