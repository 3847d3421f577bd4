"""`commenda schedule`: what the operation does at which times, and how it went."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from commenda import operations
from commenda.cli.options import ACTOR, AsJson, Data, fields_of, print_json, transaction
from commenda.cli.tables import Column, minute, say, show, show_one, texts
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from commenda.operations import JOBS, CatchUp, Job, Plan, Run, Schedule, Status

app = typer.Typer(help="What is done at which times, and how it went.", no_args_is_help=True)

RULES = "operation/1"
Name = Annotated[str, typer.Argument(help="The schedule's name or id.")]
_RULE = (
    f"Cron in UTC: '0 8 * * mon-fri', or '30 */5 * * * *' with seconds; {operations.EITHER_DAY}."
)
_MISSED = "Missed moments: a run for each of them in order, or one for all."
_ALONE = "No run while another is asked for or under way."

SCHEDULES = (
    *texts("name", "rule", "target"),
    Column("next", lambda one: minute(one["nextAt"]) or "paused"),
    Column("last", lambda one: minute(one["lastAt"])),
    Column("failures", lambda one: Text(str(one["failures"] or ""), "red"), number=True),
)
TARGETS = (
    Column("target", "name"),
    Column("about"),
    Column("catch up", lambda one: ", ".join(one["catchUps"])),
    Column("parameters", lambda one: json.dumps(one["parameters"]) if one["parameters"] else ""),
)
RUNS = (
    Column("run", "id"),
    Column("for (business time)", "scheduledFor"),
    Column("status"),
    Column("by", lambda one: one["requestedBy"] or "clock"),
    Column("exception", "exceptionInfo"),
    Column("attempts", number=True),
    Column("seconds", lambda one: _seconds(one["startedAt"], one["finishedAt"]), number=True),
)


@app.command("list")
def list_(as_json: AsJson = False, data: Data = None) -> None:
    """Every schedule: when it is next due, and whether its last run failed."""
    with transaction(data) as tx:
        found, now = operations.list_schedules(tx, 0, 10_000), business_now(tx)
    show([_schedule(one, now) for one in found], SCHEDULES, as_json)


@app.command()
def targets(as_json: AsJson = False) -> None:
    """The jobs that a schedule may name, and what each may be told."""
    rows = [
        {
            "name": one.name,
            "about": one.about,
            "catchUp": one.catch_up,
            "catchUps": one.catch_ups,
            "rule": one.rule,
            "parameters": one.parameters.model_json_schema().get("properties", {}),
        }
        for one in JOBS
        if isinstance(one, Job)
    ]
    show(rows, TARGETS, as_json)


@app.command("show")
def show_schedule(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """One schedule and its rule's next moments."""
    with transaction(data) as tx:
        one, now = operations.schedule_named(tx, name), business_now(tx)
    show_one(_schedule(one, now), as_json)


@app.command()
def preview(
    rule: Annotated[str, typer.Argument(help=_RULE)], as_json: AsJson = False, data: Data = None
) -> None:
    """What a rule means and when it would next be due; nothing is saved."""
    with transaction(data) as tx:
        seen = operations.preview(rule, business_now(tx))
    show_one(fields_of(seen), as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The schedule's name.")],
    rule: Annotated[
        str, typer.Option(help=f"{_RULE} `commenda schedule preview` shows what it means.")
    ],
    target: Annotated[str, typer.Option(help="One of `commenda schedule targets`.")],
    parameter: Annotated[str, typer.Option(help="What the job is told, as JSON.")] = "{}",
    catch_up: Annotated[
        CatchUp | None, typer.Option(help=f"{_MISSED} The target's own choice by default.")
    ] = None,
    singleton: Annotated[bool, typer.Option("--singleton/--no-singleton", help=_ALONE)] = True,
    paused: Annotated[bool, typer.Option("--paused", help="Do not begin yet.")] = False,
    remark: Annotated[str, typer.Option(help="For people.")] = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Make a schedule of a job; it is first due at its rule's next moment."""
    status = Status.PAUSED if paused else Status.ACTIVE
    plan = Plan(name, rule, target, _object(parameter), singleton, catch_up, status, remark)
    with transaction(data) as tx:
        author = _author(tx)
        shown = _schedule(operations.create_schedule(tx, author, plan), author.now)
    show_one(shown, as_json)


@app.command()
def edit(
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    rule: Annotated[
        str | None, typer.Option(help=f"Another rule; it counts from now on. {_RULE}")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Another job.")] = None,
    parameter: Annotated[str | None, typer.Option(help="What the job is told, as JSON.")] = None,
    catch_up: Annotated[CatchUp | None, typer.Option(help=_MISSED)] = None,
    singleton: Annotated[
        bool | None, typer.Option("--singleton/--no-singleton", help=_ALONE)
    ] = None,
    remark: Annotated[str | None, typer.Option(help="For people.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Change a schedule; of a built-in one its rule and its remark."""
    given = {
        "name": new_name,
        "rule": rule,
        "target": target,
        "parameter": None if parameter is None else _object(parameter),
        "catch_up": catch_up,
        "singleton": singleton,
        "remark": remark,
    }
    _edit(data, as_json, name, {key: new for key, new in given.items() if new is not None})


@app.command()
def pause(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """Let a schedule rest. What falls into the pause is not made up for."""
    _edit(data, as_json, name, {"status": Status.PAUSED})


@app.command()
def resume(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """Let a paused schedule go on, from its rule's next moment."""
    _edit(data, as_json, name, {"status": Status.ACTIVE})


@app.command()
def delete(name: Name, data: Data = None) -> None:
    """Delete a schedule with its log; a built-in one can be paused only."""
    with transaction(data) as tx:
        one = operations.schedule_named(tx, name)
        operations.delete_schedule(tx, _author(tx), one.id)
    say(f"deleted {one.name}")


@app.command()
def run(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """Ask for a run now, paused or not; the leading worker takes it up, the log tells the end."""
    with transaction(data) as tx:
        asked = operations.request_run(tx, _author(tx), operations.schedule_named(tx, name).id)
    if as_json:
        print_json(_run(asked))
    else:
        say(f"run {asked.id} of {name} is requested; see `commenda schedule log`")


@app.command()
def log(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The latest runs.")] = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A schedule's runs, the latest first."""
    with transaction(data) as tx:
        found = operations.list_runs(tx, operations.schedule_named(tx, name).id, None, limit)
    show(map(_run, found), RUNS, as_json)


def _edit(data: Path | None, as_json: bool, name: str, changes: Mapping[str, Any]) -> None:
    with transaction(data) as tx:
        author, ident = _author(tx), operations.schedule_named(tx, name).id
        shown = _schedule(operations.edit_schedule(tx, author, ident, changes), author.now)
    show_one(shown, as_json)


def _schedule(one: Schedule, now: datetime) -> dict[str, Any]:
    next_at = one.next_at if one.status is Status.ACTIVE else None
    note, upcoming = operations.note_of(one.rule), operations.upcoming(one, now)
    return fields_of(one, next_at=next_at, note=note, upcoming=upcoming)


def _run(one: Run) -> dict[str, Any]:
    named = fields_of(one)
    return {"crontabId": named.pop("scheduleId"), **named}


def _seconds(begun: datetime | None, ended: datetime | None) -> str:
    return f"{(ended - begun).total_seconds():.1f}" if begun and ended else ""


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise CommendaError("bad_parameter", "Not a JSON object").at(
            "--parameter", text, 'such as \'{"cadence": "daily"}\''
        )
    return read


def _author(tx: Tx) -> Author:
    return Author(ACTOR, RULES, business_now(tx))
