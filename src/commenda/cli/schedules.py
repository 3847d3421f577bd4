"""`commenda schedule`: what the operation does at which times, and how it went."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.alias_generators import to_camel
from rich.table import Table
from rich.text import Text

from commenda.cli.options import AsJson, Data, open_database, print_json
from commenda.cli.tables import table_of, wide_console
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import Author
from commenda.operations import (
    JOBS,
    CatchUp,
    Job,
    Plan,
    Run,
    Schedule,
    Status,
    create_schedule,
    delete_schedule,
    edit_schedule,
    list_runs,
    list_schedules,
    request_run,
    schedule_named,
    upcoming,
)

app = typer.Typer(help="What is done at which times, and how it went.", no_args_is_help=True)

ACTOR, RULES = "cli", "operation/1"
Name = Annotated[str, typer.Argument(help="The schedule's name or id.")]
_MISSED = "Missed moments: a run for each of them in order, or one for all."
_ALONE = "No run while another is asked for or under way."


@app.command("list")
def list_(as_json: AsJson = False, data: Data = None) -> None:
    """Every schedule: when it is next due, and whether its last run failed."""
    with open_database(data) as database, database.transaction() as tx:
        found, now = list_schedules(tx, 0, 10_000), business_now(tx)
    if as_json:
        print_json([_schedule(one, now) for one in found])
        return
    table = table_of("name", "rule", "target", "next", "last", numbers=("failures",))
    for one in found:
        table.add_row(
            Text(one.name),
            one.rule,
            one.target,
            _minute(one.next_at) if one.status is Status.ACTIVE else "paused",
            _minute(one.last_at),
            f"[red]{one.failures}[/]" if one.failures else "",
        )
    wide_console().print(table)


@app.command()
def targets(as_json: AsJson = False) -> None:
    """The jobs that a schedule may name, and what each may be told."""
    rows = [
        {
            "name": one.name,
            "about": one.about,
            "catchUp": one.catch_up,
            "catchUps": list(one.catch_ups),
            "rule": one.rule,
            "parameters": one.parameters.model_json_schema().get("properties", {}),
        }
        for one in JOBS
        if isinstance(one, Job)
    ]
    if as_json:
        print_json(rows)
        return
    table = table_of("target", "about", "catch up", "parameters", numbers=())
    for row in rows:
        told = json.dumps(row["parameters"]) if row["parameters"] else ""
        table.add_row(row["name"], row["about"], ", ".join(row["catchUps"]), Text(told))
    wide_console().print(table)


@app.command()
def show(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """One schedule and its rule's next moments."""
    with open_database(data) as database, database.transaction() as tx:
        _print(schedule_named(tx, name), business_now(tx), as_json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="The schedule's name.")],
    rule: Annotated[
        str, typer.Option(help="Cron in UTC: '0 8 * * mon-fri', or '30 */5 * * * *' with seconds.")
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
    told = _object(parameter)
    plan = Plan(name, rule, target, told, singleton, catch_up, status, remark)
    _change(data, as_json, lambda tx, author: create_schedule(tx, author, plan))


@app.command()
def edit(
    name: Name,
    new_name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    rule: Annotated[str | None, typer.Option(help="Another rule; it counts from now on.")] = None,
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
    changes = {key: value for key, value in given.items() if value is not None}
    _edit(data, as_json, name, changes)


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
    with open_database(data) as database, database.transaction() as tx:
        one = schedule_named(tx, name)
        delete_schedule(tx, _author(tx), one.id)
    typer.echo(f"deleted {one.name}")


@app.command()
def run(name: Name, as_json: AsJson = False, data: Data = None) -> None:
    """Ask for a run now, paused or not; the leading worker takes it up, the log tells the end."""
    with open_database(data) as database, database.transaction() as tx:
        asked = request_run(tx, _author(tx), schedule_named(tx, name).id)
    if as_json:
        print_json(_run(asked))
    else:
        typer.echo(f"run {asked.id} of {name} is requested; see `commenda schedule log`")


@app.command()
def log(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The latest runs.")] = 20,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """A schedule's runs, the latest first."""
    with open_database(data) as database, database.transaction() as tx:
        found = list_runs(tx, schedule_named(tx, name).id, None, limit)
    if as_json:
        print_json([_run(one) for one in found])
        return
    table = table_of(
        "run", "for (business time)", "status", "by", "exception", numbers=("attempts", "seconds")
    )
    for one in found:
        took = one.finished_at - one.started_at if one.finished_at and one.started_at else None
        table.add_row(
            str(one.id),
            f"{one.scheduled_for:%Y-%m-%d %H:%M:%S}",
            one.status,
            one.requested_by or "clock",
            Text(one.exception_info or ""),
            str(one.attempts),
            "" if took is None else f"{took.total_seconds():.1f}",
        )
    wide_console().print(table)


def _edit(data: Path | None, as_json: bool, name: str, changes: Mapping[str, Any]) -> None:
    _change(
        data,
        as_json,
        lambda tx, author: edit_schedule(tx, author, schedule_named(tx, name).id, changes),
    )


def _change(data: Path | None, as_json: bool, act: Callable[[Tx, Author], Schedule]) -> None:
    with open_database(data) as database, database.transaction() as tx:
        author = _author(tx)
        _print(act(tx, author), author.now, as_json)


def _print(one: Schedule, now: datetime, as_json: bool) -> None:
    shown = _schedule(one, now)
    if as_json:
        print_json(shown)
        return
    table = Table(show_header=False, box=None)
    for key, value in shown.items():
        text = "\n".join(value) if isinstance(value, list) else value
        table.add_row(key, Text(text if isinstance(text, str) else json.dumps(text)))
    wide_console().print(table)


def _schedule(one: Schedule, now: datetime) -> dict[str, Any]:
    next_at = one.next_at if one.status is Status.ACTIVE else None
    return _wire(asdict(one) | {"next_at": next_at, "upcoming": upcoming(one, now)})


def _run(one: Run) -> dict[str, Any]:
    row = asdict(one)
    return _wire({"crontab_id": row.pop("schedule_id"), **row})


def _wire(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with the names and forms of the HTTP API."""
    return {to_camel(key): json.loads(json.dumps(row[key], default=_plain)) for key in row}


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _minute(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


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
