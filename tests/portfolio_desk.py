"""Two flows and who divides money among them: what portfolios and their machine are tried on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.copying import Flow
from commenda.kit.db import Database
from commenda.ledger import Owner
from commenda.market import write_marks
from commenda.portfolios import (
    Portfolio,
    PortfolioDraft,
    PortfolioRules,
    RebalancePlan,
    found_portfolio,
    portfolio_of,
    rebalance,
)
from scripted import D, steps
from world import World


class Desk:
    """Two flows, one that rises by a tenth at five o'clock and one that falls, and their owner."""

    def __init__(self, db: Database) -> None:
        paths = {"AAAUSDT": steps((0, 100), (5, 110)), "BBBUSDT": steps((0, 50), (5, 45))}
        self.world = World(db, paths, fee=D(0))
        self.db = db
        self.flows = (self.world.creator("anna"), self.world.creator("bert", "BBBUSDT"))
        self.owner: Owner = self.world.investor("ines", 12_000)

    def found(self, **rules: Any) -> UUID:
        given = PortfolioRules.model_validate({"method": "equal"} | rules)
        draft = PortfolioDraft(
            name="Two", flows=[one.id for one in self.flows], amount=D(10_000), rules=given
        )
        with self.db.transaction() as tx:
            made = found_portfolio(tx, self.world.author, self.owner, draft, "k")
        self.world.move_cash()
        return made

    def rebalance(self, portfolio: UUID, **told: Any) -> RebalancePlan:
        with self.db.transaction() as tx:
            self.mark(tx)
            return rebalance(
                tx, self.world.author, portfolio, self.owner.id, reason="a test", **told
            )

    def mark(self, tx: Any) -> None:
        at = int(self.world.now.timestamp())
        marks = [(one, self.world.feed.mark_at(one.id, at)) for one in self.world.feed.instruments]
        write_marks(tx, marks)

    def signal(self, *targets: str) -> None:
        for flow, target in zip(self.flows, targets, strict=True):
            self.world.signal(flow, target)

    def shown(self, portfolio: UUID) -> Portfolio:
        with self.db.transaction() as tx:
            self.mark(tx)
            return portfolio_of(tx, portfolio, self.owner.id, self.world.now)

    def held(self, portfolio: UUID) -> list[Decimal]:
        """The quantity of each flow's leg."""
        legs = dict(
            self.world.rows(
                "SELECT s.flow_id, s.leg_id FROM flow_subscriptions s JOIN legs l"
                " ON l.id = s.leg_id WHERE l.scope_id = %s",
                portfolio,
            )
        )
        symbols = ("AAAUSDT", "BBBUSDT")
        return [
            self.world.quantity(legs[flow.id], symbol)
            for flow, symbol in zip(self.flows, symbols, strict=True)
        ]

    def flow(self, place: int) -> Flow:
        return self.flows[place]
