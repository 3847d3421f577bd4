"""Found a portfolio, and change what it is sized by."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.audit import record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.wire import wire
from commenda.ledger import Author, Owner
from commenda.portfolios.books import open_portfolio
from commenda.portfolios.model import PortfolioChange, PortfolioDraft, PortfolioRules
from commenda.portfolios.plans import rebalance


def found_portfolio(tx: Tx, author: Author, owner: Owner, draft: PortfolioDraft, key: str) -> UUID:
    """Open a portfolio with money of its owner's wallet, and bring it to its weights.

    Codes of `open_portfolio` and `rebalance`, and `unknown_budget`.
    """
    _require_known(draft.rules, draft.flows)
    portfolio_id = open_portfolio(tx, author, owner, draft, key)
    rebalance(tx, author, portfolio_id, owner.id, reason="founded")
    return portfolio_id


def change_portfolio(
    tx: Tx, author: Author, portfolio_id: UUID, owner_id: UUID, change: PortfolioChange
) -> None:
    """Rename a portfolio, or give it other rules: they hold from the next rebalance on, which is
    asked for beside it. Codes `unknown_portfolio`, `unknown_budget`."""
    row = tx.execute(
        "SELECT p.name, p.rules, p.rules_version FROM portfolios p"
        " WHERE p.id = %s AND p.owner_id = %s FOR NO KEY UPDATE",
        (portfolio_id, owner_id),
    ).fetchone()
    if row is None:
        raise unknown("portfolio", portfolio_id, "id")
    name, rules, version = row
    if change.rules is not None:
        flows = tx.execute(
            "SELECT s.flow_id FROM flow_subscriptions s JOIN legs l ON l.id = s.leg_id"
            " WHERE l.scope_id = %s",
            (portfolio_id,),
        )
        _require_known(change.rules, [flow for (flow,) in flows])
    wanted = rules if change.rules is None else wire(change.rules)
    tx.execute(
        "UPDATE portfolios SET name = %s, rules = %s, rules_version = %s WHERE id = %s",
        (change.name or name, Jsonb(wanted), version + (wanted != rules), portfolio_id),
    )
    said = {"name": change.name or name, "rules": wanted}
    result = str(version + (wanted != rules))
    about = ids.derive("portfolio", portfolio_id)
    record(tx, [author.event("portfolio.changed", portfolio_id, about, result, said)])


def _require_known(rules: PortfolioRules, flows: Collection[UUID]) -> None:
    unnamed = set(rules.budgets) - set(flows)
    if unnamed:
        raise CommendaError("unknown_budget", "A budget is of no flow of the portfolio").at(
            "rules.budgets", sorted(map(str, unnamed)), "give budgets to its flows only"
        )
