"""The ten abilities, a row each: the machine does nothing that is not here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from commenda.automation.eliminating import ELIMINATE
from commenda.automation.model import Ability
from commenda.automation.onboarding import ONBOARD
from commenda.automation.optimising import CALENDAR, OPTIMISE
from commenda.automation.orchestrator import (
    carry_out_action,
    measure_effects,
    run_ability,
    woken,
)
from commenda.automation.promoting import PROMOTE
from commenda.automation.protecting import PROTECT
from commenda.automation.rebalancing import REBALANCE
from commenda.automation.settings import carry_out_setting
from commenda.automation.sliding import SLIDE
from commenda.identity import Approval
from commenda.kit.db import Database, Tx
from commenda.kit.errors import unknown
from commenda.ledger import Author

ABILITIES: Final[tuple[Ability, ...]] = (
    PROTECT,
    SLIDE,
    REBALANCE,
    OPTIMISE,
    CALENDAR,
    ELIMINATE,
    PROMOTE,
    ONBOARD,
)
"""In the order in which they decide where several are due: what protects goes first."""


def ability_named(name: str, field: str = "ability") -> Ability:
    """An ability by its name; code `unknown_ability`."""
    found = next((one for one in ABILITIES if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in ABILITIES)
        raise unknown("ability", name, field, f"use one of {known}")
    return found


def heed_events(database: Database, author: Author) -> None:
    """Let the abilities decide at once for which something happened."""
    for ability in ABILITIES:
        if ability.wakes:
            with database.transaction() as tx:
                wakes = woken(tx, ability)
            if wakes:
                run_ability(database, author, ability)


def measure_all(database: Database, author: Author) -> None:
    """Measure what came of every decision whose time has come."""
    for ability in ABILITIES:
        measure_effects(database, author, ability)


def carry_out_asked(tx: Tx, author: Author, asked: Approval) -> dict[str, Any]:
    """What two people agreed on: an action, or how far an ability goes."""
    return carry_out_action(tx, author, asked, ability_named(asked.payload["ability"]))


def carry_out_limits(tx: Tx, author: Author, asked: Approval) -> dict[str, Any]:
    return carry_out_setting(tx, author, asked, ability_named(asked.payload["ability"]))


def figures(ability: Ability) -> Mapping[str, Any]:
    """An ability's own figures, with what each means."""
    return {
        field.alias or name: {"default": field.default, "about": field.description or ""}
        for name, field in ability.terms.model_fields.items()
    }
