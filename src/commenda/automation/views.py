"""The abilities as people look at them: how far each goes, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from commenda.automation.abilities import ABILITIES, figures
from commenda.automation.decisions import counts_by_state, decisions_where, spent_today
from commenda.automation.model import Decision, Mode, Setting
from commenda.automation.settings import allowed_for, settings_in_force
from commenda.kit.db import Tx
from commenda.kit.wire import on_wire, one_of

LAST = 5


@on_wire
@dataclass(frozen=True, slots=True)
class AbilityView:
    """One ability: what it does and when, how far it may go, and what it has done."""

    name: str
    number: Annotated[int, Field(description="In the specification.")]
    about: str
    rule: str
    cron: str
    opens: Annotated[
        bool,
        Field(description="Whether it may open positions: it waits while a breaker stands."),
    ]
    undoable: Annotated[bool, Field(description="Whether what it does can be taken back.")]
    mode: Annotated[str, one_of(Mode), Field(description="On the platform, now.")]
    needs_approval: bool
    budget: Annotated[int, Field(description="Actions a day, now.")]
    figures: Annotated[
        Mapping[str, Any],
        Field(description="What it goes by: of each its `default` and what it is `about`."),
    ]
    terms: Annotated[Mapping[str, Any], Field(description="Those that are set otherwise.")]
    settings: list[Setting]
    today: Annotated[
        Mapping[str, int],
        Field(description="Actions since midnight, UTC, by strategy; '' is all of them."),
    ]
    states: Annotated[
        Mapping[str, int], Field(description="All of its decisions, by how far they went.")
    ]
    last: list[Decision]


def ability_views(tx: Tx, now: datetime) -> list[AbilityView]:
    """The abilities, with the settings in force and the last decisions of each."""
    settings, counted = settings_in_force(tx), counts_by_state(tx)
    views = []
    for one in ABILITIES:
        told = allowed_for(tx, one, None)
        views.append(
            AbilityView(
                name=one.name,
                number=one.number,
                about=one.about,
                rule=one.rule,
                cron=one.cron,
                opens=one.opens,
                undoable=one.undo is not None,
                mode=told.mode,
                needs_approval=told.needs_approval,
                budget=told.budgets[""],
                figures=figures(one),
                terms=told.terms,
                settings=[row for row in settings if row.ability == one.name],
                today=spent_today(tx, one.name, now),
                states=counted.get(one.name, {}),
                last=decisions_where(tx, None, LAST, ability=one.name),
            )
        )
    return views
