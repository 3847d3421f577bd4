"""A desk whose portfolio the machine may rebalance, and what it decides there."""

from __future__ import annotations

from commenda.automation import Ability, Decision, ability_named
from commenda.kit.db import Database
from deciding import Deciding
from portfolio_desk import Desk

REBALANCE = ability_named("rebalance")


class Machine(Deciding, Desk):
    """The desk with a portfolio that the machine may rebalance, a fifth from its weights."""

    def __init__(self, db: Database) -> None:
        Desk.__init__(self, db)
        Deciding.__init__(self, self.world, REBALANCE)
        self.portfolio = self.found(automatic=True)
        self.world.advance()
        self.signal("1", "1")
        self.world.advance(6)  # 5,500 and 4,500 of 10,000

    def run(self, ability: Ability | None = None) -> list[Decision]:
        with self.db.transaction() as tx:
            self.mark(tx)
        return super().run(ability)

    def weights(self) -> list[str]:
        return [str(one.weight.normalize()) for one in self.shown(self.portfolio).parts[:2]]
