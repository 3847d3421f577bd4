"""Abilities on a business: whoever lets them act, and how they are asked to."""

from __future__ import annotations

from typing import Any

from commenda.audit import run_checks
from commenda.automation import (
    CHECKS,
    RULES,
    Ability,
    Decision,
    Mode,
    SettingOrder,
    decisions_where,
    put_setting,
    run_ability,
    whole_of,
)
from commenda.identity import Principal, Role, create_user
from commenda.kit.db import Database
from commenda.ledger import Author
from world import World


class Deciding:
    """One ability on a business."""

    def __init__(self, world: World, ability: Ability) -> None:
        self.world, self.ability = world, ability
        self.db: Database = world.database

    @property
    def author(self) -> Author:
        return Author("operation", RULES, self.world.now)

    def person(self, name: str, role: Role = Role.RISK) -> Principal:
        with self.db.transaction() as tx:
            user = create_user(tx, name, "a hash", role, self.world.now, actor="cli")
        return Principal(user.id, role, frozenset(), None, second_factor=True)

    def let(self, mode: Mode, ability: Ability | None = None, **told: Any) -> None:
        """Say how far an ability goes: this one, or another."""
        ability, asked_of = ability or self.ability, told.pop("asked_of", None)
        order = SettingOrder.model_validate(
            {"ability": ability.name, "mode": mode, "reason": "a test"} | told
        )
        with self.db.transaction() as tx:
            put_setting(tx, self.author, ability, order, asked_of)

    def run(self, ability: Ability | None = None) -> list[Decision]:
        return run_ability(self.db, self.author, ability or self.ability)

    def last(self) -> Decision:
        with self.db.transaction() as tx:
            return decisions_where(tx, None, 1, ability=self.ability.name)[0]

    def refusal(self, decision: Decision) -> str:
        """The code of a decision's last step."""
        with self.db.transaction() as tx:
            return str(whole_of(tx, decision.id).steps[-1].details["code"])

    def sound(self) -> None:
        with self.db.transaction() as tx:
            assert list(run_checks(tx, CHECKS)) == []
        self.world.assert_sound()
