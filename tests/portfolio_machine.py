"""A desk whose portfolio the machine may rebalance, and what it decides there."""

from __future__ import annotations

from typing import Any

from commenda.audit import run_checks
from commenda.automation import (
    CHECKS,
    RULES,
    Decision,
    Mode,
    SettingOrder,
    ability_named,
    decisions_where,
    put_setting,
    run_ability,
)
from commenda.identity import Principal, Role, create_user
from commenda.kit.db import Database
from commenda.ledger import Author
from portfolio_desk import Desk

REBALANCE = ability_named("rebalance")


class Machine(Desk):
    """The desk with a portfolio that the machine may rebalance, a fifth from its weights."""

    def __init__(self, db: Database) -> None:
        super().__init__(db)
        self.portfolio = self.found(automatic=True)
        self.world.advance()
        self.signal("1", "1")
        self.world.advance(6)  # 5,500 and 4,500 of 10,000

    def person(self, name: str, role: Role = Role.RISK) -> Principal:
        with self.db.transaction() as tx:
            user = create_user(tx, name, "a hash", role, self.world.now, actor="cli")
        return Principal(user.id, role, frozenset(), None, second_factor=True)

    @property
    def author(self) -> Author:
        return Author("operation", RULES, self.world.now)

    def let(self, mode: Mode, **told: Any) -> None:
        asked_of = told.pop("asked_of", None)
        order = SettingOrder.model_validate(
            {"ability": "rebalance", "mode": mode, "reason": "a test"} | told
        )
        with self.db.transaction() as tx:
            put_setting(tx, self.author, REBALANCE, order, asked_of)

    def run(self) -> list[Decision]:
        with self.db.transaction() as tx:
            self.mark(tx)
        return run_ability(self.db, self.author, REBALANCE)

    def weights(self) -> list[str]:
        return [str(one.weight.normalize()) for one in self.shown(self.portfolio).parts[:2]]

    def last(self) -> Decision:
        with self.db.transaction() as tx:
            return decisions_where(tx, None, 1)[0]

    def sound(self) -> None:
        with self.db.transaction() as tx:
            assert list(run_checks(tx, CHECKS)) == []
        self.world.assert_sound()
