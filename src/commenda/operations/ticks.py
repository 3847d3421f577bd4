"""The tick: what is done in it, and the open one's row.

A tick is a moment of business time. It is stored before its first step and forgotten after its
last, with the names of the steps that are done, so a killed tick is taken up where it was, at the
same moment. A `Step` is done in each tick, a `Job` when a schedule of it is due; both may be
repeated: what they do has natural keys.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import ValidationError

from commenda.copying import Runners
from commenda.execution import Broker
from commenda.kernel import Costs
from commenda.kit import clock
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.wire import Body
from commenda.ledger import Author

RULES = "operation/1"


class Interrupted(BaseException):
    """The worker is asked to stop: what runs gives up and is done again later.

    No failure, so that work which goes on after one part of it failed does not go on after this.
    """


class Superseded(Exception):
    """Another worker leads by now and has gone on: this tick is not this worker's any more."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What steps and jobs work with."""

    database: Database
    broker: Broker
    stopping: threading.Event = field(default_factory=threading.Event)
    runners: Runners = field(default_factory=lambda: Runners(Costs()))
    pulse: Callable[[], None] = lambda: None
    """What long work calls now and then: shows that the worker lives. Raises `Interrupted`."""
    actor: str = "operation"
    rules: str = RULES

    def author(self, now: datetime) -> Author:
        return Author(self.actor, self.rules, now)

    def batches(self, act: Callable[[Tx], int], size: int = 1) -> int:
        """Repeat a batch action, each batch in a transaction of its own, until nothing is left.

        One that did less than `size`, where that is what a batch takes, was the last.
        """
        total = 0
        while True:
            self.pulse()
            with self.database.transaction() as tx:
                done = act(tx)
            total += done
            if done < size:
                return total


# --- What there is to do -----------------------------------------------------------------------


class CatchUp(StrEnum):
    """What becomes of the moments of a rule that nobody was there for."""

    EVERY = "every"
    """Each has its run, in order, and the next waits until it has succeeded."""
    ONE = "one"
    """One run makes up for all of them."""


class Parameters(Body):
    """What a schedule tells its job: nothing, unless a job's own model adds to it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done in each tick: it is the tick itself, nobody pauses it."""

    name: str
    act: Callable[[Operation, datetime], None]


Act = Callable[[Operation, datetime, Any], None]
"""What a job does, for a moment and with its own parameters."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a schedule may name as its target: a function of the code, nothing else.

    `act` is told the moment it is to act for: the present tick's or, where each missed moment is
    made up for, that moment.
    """

    name: str
    act: Act
    about: str
    rule: str | None = None
    """Of the built-in schedule, which has the parameters' defaults; None for none."""
    catch_up: CatchUp = CatchUp.ONE
    """Of its schedules, where they do not say."""
    parameters: type[Parameters] = Parameters
    any_moment: bool = False
    """Whether it does for a moment that is past what it would have done then. What looks at the
    present (marks, open positions, how far another job has come) does not."""

    @property
    def catch_ups(self) -> tuple[CatchUp, ...]:
        """What its schedules may choose."""
        return tuple(CatchUp) if self.any_moment else (CatchUp.ONE,)

    def told(self, parameter: Mapping[str, Any]) -> Parameters:
        """The parameters as this job takes them; code `bad_parameter`."""
        try:
            return self.parameters.model_validate(parameter)
        except ValidationError as error:
            first = error.errors()[0]
            raise CommendaError("bad_parameter", first["msg"]).at(
                ".".join(["parameter", *map(printable, first["loc"])]),
                None if first["type"] == "missing" else printable(first["input"]),
                f"the parameters of {self.name} are in the list of targets",
            ) from None


def printable(value: object) -> str:
    """The beginning of a value as a refusal can show it."""
    return str(value)[:100].encode("utf-8", "replace").decode()


# --- The open tick -----------------------------------------------------------------------------


class Tick(NamedTuple):
    """A moment whose steps are to be done, and those that are."""

    at: datetime
    done: frozenset[str]


def begin_tick(tx: Tx, step: timedelta) -> Tick | None:
    """The tick that was cut short, or the next one if it is due."""
    row = tx.execute("SELECT at, jobs_done FROM open_tick FOR UPDATE").fetchone()
    if row is not None:
        return Tick(row[0], frozenset(row[1]))
    at = clock.next_tick(tx, step)
    if at is None:
        return None
    begun = tx.execute(
        "INSERT INTO open_tick (at) VALUES (%s) ON CONFLICT DO NOTHING", (at,)
    ).rowcount
    return Tick(at, frozenset()) if begun else None


def end_tick(tx: Tx, at: datetime) -> None:
    """Forget the tick and move the business clock to it. Raises `Superseded`."""
    if not tx.execute("DELETE FROM open_tick WHERE at = %s", (at,)).rowcount:
        raise Superseded
    clock.advance(tx, at)


def mark_done(tx: Tx, step: Step, at: datetime) -> None:
    """Note that a step is done for this tick, well or not. Raises `Superseded`."""
    noted = tx.execute(
        "UPDATE open_tick SET jobs_done = jobs_done || %s::text WHERE at = %s", (step.name, at)
    ).rowcount
    if not noted:
        raise Superseded
