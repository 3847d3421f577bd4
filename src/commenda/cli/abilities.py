"""`commenda ability`: what the machine may do by itself, what it decided, and taking it back."""

from __future__ import annotations

import json
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError

from commenda import automation
from commenda.cli.options import ACTOR, AsJson, Data, Limit, open_database, print_json, transaction
from commenda.cli.tables import Column, minute, numbers, say, show, show_one, texts
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.wire import wire
from commenda.ledger import Author

app = typer.Typer(
    no_args_is_help=True, help="What the machine may do by itself, and what it decided."
)

Named = Annotated[str, typer.Argument(metavar="ABILITY", help="Of commenda ability list.")]
Numbered = Annotated[UUID, typer.Argument(help="Of commenda ability decisions.")]

ABILITIES = (
    *texts("name", "mode"),
    Column("today", lambda one: one.today.get("", 0), number=True),
    *numbers("budget"),
    Column("done", lambda one: _of(one, "done", "measured"), number=True),
    Column("refused", lambda one: _of(one, "refused"), number=True),
    Column("waiting", lambda one: _of(one, "recommended", "waiting"), number=True),
    Column("last", lambda one: minute(one.last[0].decided_at) if one.last else ""),
    *texts("about"),
)
SETTINGS = (
    Column("strategy", lambda one: one.strategy or "the platform"),
    *numbers("version"),
    *texts("mode"),
    *numbers("budget"),
    *texts("needs_approval"),
    Column("since", lambda one: minute(one.valid_from)),
    Column("until", lambda one: minute(one.ended_at)),
    Column("by", "set_by"),
    *texts("reason"),
)
DECISIONS = (
    *texts("id"),
    Column("at", lambda one: minute(one.decided_at)),
    *texts("ability", "called", "action", "state"),
    Column("because", lambda one: ", ".join(str(why["code"]) for why in one.because)),
)
STEPS = (
    *numbers("number"),
    Column("at", lambda one: minute(one.at)),
    *texts("state", "actor"),
    Column("details", lambda one: json.dumps(one.details) if one.details else ""),
)


@app.command("list")
def list_abilities(as_json: AsJson = False, data: Data = None) -> None:
    """List the abilities: how far each goes, and how often it has decided what."""
    with transaction(data) as tx:
        found = automation.ability_views(tx, business_now(tx))
    if as_json:
        print_json(wire(found))
    else:
        show(found, ABILITIES)


@app.command("show")
def show_ability(name: Named, as_json: AsJson = False, data: Data = None) -> None:
    """Show an ability: its figures, and every setting that it ever had."""
    with transaction(data) as tx:
        ability = automation.ability_named(name, "ABILITY")
        views = automation.ability_views(tx, business_now(tx))
        (one,) = [view for view in views if view.name == ability.name]
        settings = automation.settings_of(tx, ability.name)
    if as_json:
        print_json(wire(one) | {"settings": wire(settings)})
        return
    goes_by = {
        called: f"{one.terms.get(called, figure['default'])}: {figure['about']}"
        for called, figure in one.figures.items()
    }
    told = {"name": one.name, "about": one.about, "rule": one.rule, "cron": one.cron}
    show_one(told | {"mode": one.mode, "budget": one.budget} | goes_by, as_json=False)
    show(settings, SETTINGS)


@app.command("set")
def set_ability(
    name: Named,
    mode: Annotated[automation.Mode, typer.Argument(help="How far it goes by itself.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    strategy: Annotated[str, typer.Option(help="With this strategy only.")] = "",
    budget: Annotated[int | None, typer.Option(help="Actions a day.")] = None,
    approval: Annotated[
        bool, typer.Option("--approval/--no-approval", help="A person says yes to each.")
    ] = False,
    term: Annotated[
        list[str] | None, typer.Option(metavar="NAME=NUMBER", help="A figure to go by.")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Let an ability do less, at once; what lets it do more takes two people, in the console."""
    said = {"ability": name, "mode": mode, "strategy": strategy, "budget": budget}
    try:
        order = automation.SettingOrder.model_validate(
            said | {"needsApproval": approval, "terms": _terms(term or []), "reason": reason}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise CommendaError("bad_setting", str(first["msg"])).at(
            str(first["loc"][0]), first["input"], "see `commenda ability set --help`"
        ) from None
    with transaction(data) as tx:
        ability = automation.ability_named(name, "ABILITY")
        setting = automation.restrict(tx, _author(tx), ability, order)
    show([setting], SETTINGS, as_json)


@app.command()
def run(name: Named, as_json: AsJson = False, data: Data = None) -> None:
    """Let an ability look and decide now, within what it may do; show what it decided."""
    ability = automation.ability_named(name, "ABILITY")
    with open_database(data) as database:
        with database.transaction() as tx:
            author = _author(tx)
        found = automation.run_ability(database, author, ability)
    show(found, DECISIONS, as_json)


@app.command()
def decisions(
    ability: Annotated[str | None, typer.Option(help="Of this ability only.")] = None,
    state: Annotated[automation.State | None, typer.Option(help="As far as this only.")] = None,
    target: Annotated[str | None, typer.Option(help="About this id only.")] = None,
    order: Annotated[
        UUID | None, typer.Option(help="Those behind this order, the first first.")
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List the machine's decisions, the latest first."""
    with transaction(data) as tx:
        if order is not None:
            found = automation.chain_of_order(tx, order)
        else:
            found = automation.decisions_where(
                tx, None, limit, ability=ability, target=target, state=state
            )
    show(found, DECISIONS, as_json)


@app.command()
def decision(decision: Numbered, as_json: AsJson = False, data: Data = None) -> None:
    """Show a decision: its evidence, steps and what came of it; and decide again from it."""
    with transaction(data) as tx:
        whole = automation.whole_of(tx, decision)
    same = automation.replays(automation.ability_named(whole.decision.ability), whole.decision)
    if as_json:
        print_json(wire(whole) | {"same": same})
        return
    show_one(wire(whole.decision), as_json=False)
    show(whole.steps, STEPS)
    for kind, ones in (("led to by", whole.causes), ("led to", whole.effects)):
        for one in ones:
            say(f"{kind} {one.id}: {one.action} of {one.called}")
    for link in whole.links:
        say(f"made {link.kind} {link.ref}")
    say("decided again from its evidence it is the same" if same else "decided again it differs")


@app.command()
def undo(
    decision: Numbered,
    reason: Annotated[str, typer.Option(help="Why.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Take back what the machine did."""
    with transaction(data) as tx:
        ability = automation.ability_named(automation.decision_by_id(tx, decision).ability)
        done = automation.undo(tx, _author(tx), ability, decision, reason)
    show([done], DECISIONS, as_json)


def _author(tx: Tx) -> Author:
    return Author(ACTOR, automation.RULES, business_now(tx))


def _of(one: automation.AbilityView, *states: str) -> int:
    return sum(one.states.get(state, 0) for state in states)


def _terms(said: list[str]) -> dict[str, Any]:
    """Figures as NAME=NUMBER; code `bad_setting`."""
    found: dict[str, Any] = {}
    for one in said:
        name, _, value = one.partition("=")
        try:
            found[name] = json.loads(value)
        except ValueError:
            raise CommendaError("bad_setting", "Not a figure").at(
                "--term", one, "such as cooldownHours=12"
            ) from None
    return found
