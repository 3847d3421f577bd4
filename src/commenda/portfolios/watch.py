"""Portfolios that have drifted far from the weights they were given, and who is told of it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from commenda.alerts import end_alerts, raise_alerts
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import plain
from commenda.ledger import Author
from commenda.portfolios.queries import portfolios_of

FAR = Decimal("0.2")
"""A fifth of a portfolio's equity in another place than it was given."""
MOST = 10_000


def watch_drift(tx: Tx, author: Author) -> list[UUID]:
    """Tell the staff of each portfolio that is further from its weights than `FAR`, until it is
    not; which those are. Whether to rebalance is its owner's to say."""
    found = [one for one in portfolios_of(tx, None, author.now, MOST) if one.drift > FAR]
    end_alerts(tx, "alert.portfolio_drifted", author.now, but=[str(one.id) for one in found])
    raise_alerts(
        tx,
        [
            author.event(
                "alert.portfolio_drifted",
                one.id,
                ids.derive("portfolio", one.id),
                "drifted",
                {"drift": plain(one.drift), "name": one.name},
            )
            for one in found
        ],
    )
    return [one.id for one in found]
