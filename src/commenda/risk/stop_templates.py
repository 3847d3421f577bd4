"""Sets of protective stops: as they are said and read, and templates of them that have a name.

A template is versioned rows: another set under its name ends the one before. A flow keeps the stops
that it took from one, whatever becomes of the template.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Annotated, Any, LiteralString

from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.audit import record
from commenda.kernel import Stops
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found, unknown
from commenda.kit.rows import put, records
from commenda.kit.wire import WORDS, Body, Real, on_wire
from commenda.ledger import Author
from commenda.risk.model import Reason

TemplateName = Annotated[str, Field(pattern="^[a-z0-9_]{1,40}$", examples=["usual"])]
StopName = Annotated[str, Field(pattern="^[a-z_]{1,40}$")]
StopSet = Annotated[
    dict[StopName, Real],
    Field(max_length=20, examples=[{"chandelier": 3, "chandelier_length": 22, "bars": 96}]),
]
"""The stops of a strategy's declaration (`kernel.Stops`) by their names; those left out are off."""


@on_wire
@dataclass(frozen=True, slots=True)
class StopTemplate:
    """A named set of protective stops, the version of it that is in force."""

    name: TemplateName
    version: int
    stops: StopSet
    about: Annotated[str, Field(description="What it is for, and where its figures are from.")]
    valid_from: datetime
    set_by: str
    reason: str


class TemplateOrder(Body):
    """A set of stops to keep under a name, in place of the one that is there."""

    name: TemplateName
    stops: StopSet
    about: Annotated[str, Field(max_length=1000, pattern=WORDS, examples=["For daily bars."])]
    reason: Reason


_TEMPLATES: LiteralString = (
    "SELECT name, version, stops, about, valid_from, set_by, reason FROM stop_templates"
    " WHERE ended_at IS NULL ORDER BY name"
)


def stop_templates(tx: Tx) -> list[StopTemplate]:
    """The templates in force, by name."""
    return records(tx, StopTemplate, _TEMPLATES)


def find_template(tx: Tx, name: str) -> StopTemplate:
    """A template in force; code `unknown_template`."""
    found = {one.name: one for one in stop_templates(tx)}
    if name not in found:
        raise unknown("template", name, "template", f"use one of {', '.join(found)}")
    return found[name]


def set_template(tx: Tx, author: Author, order: TemplateOrder) -> StopTemplate:
    """Keep a set of stops under a name; the same again changes nothing. Codes `unknown_stop`,
    `bad_stop`, `no_stop`."""
    said = said_stops(stops_of(order.stops))
    if not said:
        raise CommendaError("no_stop", "This template would stop nothing").at(
            "stops", None, "give at least one stop"
        )
    tx.execute("SELECT pg_advisory_xact_lock(hashtext('stop template ' || %s))", (order.name,))
    before = next((one for one in stop_templates(tx) if one.name == order.name), None)
    if before is not None and (said, order.about) == (before.stops, before.about):
        return before
    version = 1 if before is None else before.version + 1
    tx.execute(
        "UPDATE stop_templates SET ended_at = %s, ended_by = %s"
        " WHERE name = %s AND ended_at IS NULL",
        (author.now, author.actor, order.name),
    )
    row = {
        "name": order.name,
        "version": version,
        "stops": Jsonb(said),
        "about": order.about,
        "valid_from": author.now,
        "set_by": author.actor,
        "reason": order.reason,
    }
    put(tx, "INSERT INTO stop_templates", row)
    details = {
        "before": before and before.stops,
        "after": said,
        "about": order.about,
        "reason": order.reason,
    }
    correlation = ids.derive("stop-template", order.name)
    result = f"version {version}"
    record(tx, [author.event("risk.stop_template", order.name, correlation, result, details)])
    return find_template(tx, order.name)


def said_stops(stops: Stops) -> dict[str, Any]:
    """What of a set of stops is not as without any."""
    none = asdict(Stops())
    return {
        name: value
        for name, value in asdict(stops).items()
        if name != "at_desk" and value != none[name]
    }


def stops_of(said: Mapping[str, Any]) -> Stops:
    """The stops that a row or a request names; codes `unknown_stop`, `bad_stop`."""
    known = [one.name for one in fields(Stops) if one.name != "at_desk"]
    for name in said:
        if name not in known:
            raise not_found("unknown_stop", "There is no such stop").at(
                name, said[name], f"the stops are {', '.join(known)}"
            )
    given = {
        name: int(value) if name.endswith(("bars", "length")) else float(value)
        for name, value in said.items()
    }
    for name, value in given.items():
        if value != float(said[name]):
            raise CommendaError("bad_stop", "Bars are counted whole").at(
                name, said[name], "give a whole number"
            )
    try:
        return Stops(**given)  # type: ignore[arg-type]
    except ValueError as error:
        name = str(error).split()[1]
        raise CommendaError("bad_stop", "No such stop can be kept").at(
            name, said.get(name), "give a fraction below 1, or a positive number"
        ) from None
