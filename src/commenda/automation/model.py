"""Abilities of the machine, what it may do by itself, and what it decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.wire import WORDS, Body, Real, Whole, on_wire, one_of
from commenda.ledger import Author

RULES = "automation/1"
"""Stored with every event of this domain; changes when a rule of it does."""

Evidence: TypeAlias = Mapping[str, Any]
"""What a rule is told: JSON, stored as it is, so that the decision can be made again from it."""


class Mode(StrEnum):
    """How far an ability goes by itself, from the least."""

    OFF = "off"
    RECOMMENDING = "recommending"
    """It decides, and people carry out what they agree with."""
    ACTING = "acting"


class State(StrEnum):
    """How far a decision went."""

    RECOMMENDED = "recommended"
    WAITING = "waiting"
    """For a person who was asked."""
    REFUSED = "refused"
    """By a limit, a breaker, the budget, or by what was to do it."""
    REJECTED = "rejected"
    """By a person, or nobody answered, or another decision about the same came in its place."""
    DONE = "done"
    MEASURED = "measured"
    """Done, and what came of it is known."""
    UNDONE = "undone"


class Terms(Body):
    """What an ability goes by; each has its own figures beside these."""

    cooldown_hours: Annotated[Real, Field(ge=0, le=24 * 365)] = Field(
        default=24.0, description="Between two decisions about the same thing."
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that an ability looked at, and what it saw there.

    `key` names the trigger: what was decided on once is not decided on again. `cause` is the
    decision that led to it.
    """

    kind: str
    target: str
    called: str
    strategy: str | None
    evidence: Evidence
    key: str
    cause: UUID | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a rule says should be done, as JSON, and why: codes with their figures."""

    action: str
    change: Mapping[str, Any]
    because: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Done:
    """What an action made, as (kind, id), and what there is to say of it."""

    links: Sequence[tuple[str, object]] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@on_wire
@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of the machine."""

    id: UUID
    sequence: int
    ability: str
    rule: Annotated[str, Field(description="The version of the rule that decided.")]
    target_kind: str
    target: str
    called: Annotated[str, Field(description="What people know the target by.")]
    strategy: str | None
    evidence: Annotated[Mapping[str, Any], Field(description="All that the rule was told.")]
    terms: Mapping[str, Any]
    action: str
    change: Annotated[Mapping[str, Any], Field(description="What is to be done, or was.")]
    because: Annotated[
        Sequence[Mapping[str, Any]],
        Field(description="Why: a code for each reason, with its figures."),
    ]
    cause_id: Annotated[UUID | None, Field(description="The decision that led to this one.")]
    state: Annotated[str, one_of(State)]
    decided_at: datetime
    acted_at: datetime | None
    approval_id: UUID | None
    effect: Annotated[
        Mapping[str, Any] | None, Field(description="What came of it, once that was measured.")
    ]


Look = Callable[[Tx, datetime, Callable[[str | None], Terms | None]], Iterable[Seen]]
"""What there is to decide on now. The third argument gives the terms for a strategy; None: off."""


def _passed(_tx: Tx, _now: datetime, _decision: Decision) -> None:
    """Nothing to ask before."""


@dataclass(frozen=True, slots=True)
class Ability:
    """One row of ABILITIES: from a trigger to the effect that is measured.

    `decide` is pure and knows nothing but its evidence and terms. `check` refuses what a limit
    forbids, by raising. `act` does it, in the transaction that stores that it is done; `undo` takes
    it back; `measure` says what came of it once `after` is over, or None while it is too early.
    """

    name: str
    number: int
    """In the specification."""
    about: str
    rule: str
    cron: str
    look: Look
    decide: Callable[[Evidence, Any], Proposal | None]
    act: Callable[[Tx, Author, Decision], Done]
    measure: Callable[[Tx, datetime, Decision], Mapping[str, Any] | None]
    undo: Callable[[Tx, Author, Decision], Done] | None = None
    check: Callable[[Tx, datetime, Decision], None] = _passed
    terms: type[Terms] = Terms
    after: timedelta = timedelta(days=1)
    budget: int = 5
    """Actions a day, unless a setting says otherwise."""
    opens: bool = True
    """Whether what it does may open positions: it waits while a breaker stands."""
    wakes: tuple[str, ...] = ()
    """Kinds of events in the trail that it looks at once for."""
    default: Mode = Mode.RECOMMENDING


# --- What it may do --------------------------------------------------------------------------

AbilityName = Annotated[str, Field(max_length=40, pattern="^[a-z-]+$", examples=["rebalance"])]
Strategy = Annotated[
    str,
    Field(
        max_length=60, pattern="^[a-z0-9_]*$", description="A strategy's name; empty: the platform."
    ),
]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=WORDS)]


class SettingOrder(Body):
    """How far an ability may go by itself, on the platform or with one strategy.

    Of the platform's word and the strategy's the more careful one holds.
    """

    ability: AbilityName
    strategy: Strategy = ""
    mode: Mode
    budget: Annotated[Whole | None, Field(ge=0, le=10_000)] = Field(
        default=None, description="Actions a day; null: as the ability comes."
    )
    needs_approval: bool = Field(
        default=False, description="Whether a person says yes to each action."
    )
    terms: Annotated[
        dict[str, Any],
        Field(max_length=40, description="Figures that differ from the ability's own."),
    ] = Field(default_factory=dict)
    reason: Reason


@on_wire
@dataclass(frozen=True, slots=True)
class Setting:
    """How far an ability may go, since when and by whose word. It is never rewritten: another one
    follows it."""

    id: UUID
    ability: str
    strategy: str
    version: int
    mode: Annotated[str, one_of(Mode)]
    budget: int
    needs_approval: bool
    terms: Mapping[str, Any]
    valid_from: datetime
    ended_at: datetime | None
    set_by: str
    set_by_id: UUID | None
    approval_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class Allowed:
    """What holds for an ability and a strategy: the more careful of the two settings."""

    mode: Mode
    budgets: Mapping[str, int]
    """Actions a day, by strategy; '' is the platform."""
    needs_approval: bool
    terms: Mapping[str, Any]
    asked_of: UUID | None
    """The user who let it act: what it wants to do is asked in their name, and others approve."""
