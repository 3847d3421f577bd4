"""Ability 3: portfolios to the weights that their rules find (002-08).

Looks at portfolios whose owner lets the machine rebalance them. The evidence is a plan that was not
carried out: where each part is, and where the rules would have it. It is carried out where the
parts are far enough from it and what that costs is small against what moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.automation.model import (
    Ability,
    Decision,
    Done,
    Evidence,
    Proposal,
    Seen,
    Terms,
)
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.wire import Real
from commenda.ledger import Author
from commenda.portfolios import (
    RULES,
    Portfolio,
    RebalancePlan,
    portfolio_of,
    portfolios_of,
    rebalance,
    rebalances_of,
)

MOST = 10_000
MACHINE = "automation"
"""Who plans, where nobody asked."""


class RebalanceTerms(Terms):
    distance: Annotated[Real, Field(gt=0, le=2)] = Field(
        default=0.05, description="Σ|weight − actual| from which it is worth it."
    )
    dearest: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.01, description="The most that it may cost, of what moves."
    )


def look(tx: Tx, now: datetime, terms: Callable[[str | None], Terms | None]) -> Iterable[Seen]:
    if terms(None) is None:
        return
    for one in portfolios_of(tx, None, now, MOST):
        if one.status != "active" or not one.rules.automatic:
            continue
        try:
            with tx.transaction():
                plan = rebalance(
                    tx,
                    Author(MACHINE, RULES, now),
                    one.id,
                    one.owner_id,
                    reason="looked at",
                    dry_run=True,
                )
        except CommendaError:
            continue  # it is trading, or has no record yet: it is looked at again
        yield Seen("portfolio", str(one.id), one.name, None, _evidence(one, plan), now.isoformat())


def _evidence(one: Portfolio, plan: RebalancePlan) -> dict[str, Any]:
    return {
        "number": one.rebalances,
        "equity": plan.equity,
        "turnover": plan.turnover,
        "cost": plan.cost,
        "method": plan.rules.method,
        "parts": [
            {
                "flow": move.flow_id,
                "title": move.title,
                "actual": move.actual,
                "target": move.target,
                "weight": move.weight,
            }
            for move in plan.moves
        ],
    }


def decide(evidence: Evidence, terms: RebalanceTerms) -> Proposal | None:
    """Rebalance where the weights are `distance` apart and it costs no more than `dearest` of what
    moves."""
    turnover, equity = float(evidence["turnover"]), float(evidence["equity"])
    if turnover < terms.distance:
        return None
    moved = turnover * equity
    cost = float(evidence["cost"]) / moved if moved > 0 else 0.0
    if cost > terms.dearest:
        return None
    weights = {one["flow"] or "cash": one["weight"] for one in evidence["parts"]}
    return Proposal(
        "rebalance",
        {"weights": weights, "number": evidence["number"] + 1},
        [{"code": "far_from_weights", "distance": turnover, "cost": cost}],
    )


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    return _carried_out(tx, author, decision, None, decision.ability)


def undo(tx: Tx, author: Author, decision: Decision) -> Done:
    """Back to the weights that the rebalance before had."""
    number = int(decision.change["number"])
    one = portfolio_of(tx, UUID(decision.target), None, author.now)
    if one.rebalances != number:
        raise conflict("rebalanced_since", "It was rebalanced again since then").at(
            "number", number, f"go back to the number you want; the last is {one.rebalances}"
        )
    return _carried_out(tx, author, decision, number - 1, f"back from {number}")


def _carried_out(
    tx: Tx, author: Author, decision: Decision, back_to: int | None, reason: str
) -> Done:
    one = portfolio_of(tx, UUID(decision.target), None, author.now)
    if not one.rules.automatic:
        raise conflict("not_automatic", "Its owner rebalances this portfolio").at(
            "automatic", False, "have its owner let the machine do it"
        )
    plan = rebalance(tx, author, one.id, one.owner_id, back_to=back_to, reason=reason)
    return Done([("rebalance", f"{one.id}:{plan.number}")], {"number": plan.number})


def measure(tx: Tx, now: datetime, decision: Decision) -> Mapping[str, Any] | None:
    """How far the parts are from what they were given, a day later, and what became of the equity
    since."""
    one = portfolio_of(tx, UUID(decision.target), None, now)
    before = float(decision.evidence["equity"])
    return {
        "driftBefore": decision.evidence["turnover"],
        "drift": one.drift,
        "equity": one.equity,
        "return": float(one.equity) / before - 1.0 if before > 0 else None,
        "rebalances": len(rebalances_of(tx, one.id, None, MOST)),
    }


REBALANCE = Ability(
    name="rebalance",
    number=3,
    about="Bring portfolios to the weights that their rules find.",
    rule="rebalance/1",
    cron="5 * * * *",
    look=look,
    decide=decide,
    act=act,
    measure=measure,
    undo=undo,
    terms=RebalanceTerms,
    after=timedelta(days=1),
    budget=100,
)
