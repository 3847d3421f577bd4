"""Ledger against venue: two sides that share no code must tell the same story.

Cash: the venue's wallet plus its unrealised profit equals what the platform owes the scopes at
the same marks, less transfers that are asked for and not yet carried out. A one-way venue nets
scopes on opposite sides, so cash alone cannot agree: net quantities are compared too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from commenda.kit.db import Tx
from commenda.market import Instrument
from commenda.trading.model import Venue


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of a reconciliation. `explained` is what is known to be on its way."""

    subject: str
    venue: Decimal
    ledger: Decimal
    explained: Decimal

    @property
    def unexplained(self) -> Decimal:
        return self.venue - self.ledger - self.explained


def reconcile(
    tx: Tx,
    venue: Venue,
    instruments: Sequence[Instrument],
    marks: Mapping[int, Decimal],
    now: datetime,
) -> list[Difference]:
    """Compare each asset's equity and each instrument's net quantity, as of `now`."""
    account = venue.account(now)
    lines: list[Difference] = []
    for asset in sorted({instrument.quote for instrument in instruments}):
        unrealised = sum(
            (
                account.unrealised.get(one.id, Decimal(0))
                for one in instruments
                if one.quote == asset
            ),
            Decimal(0),
        )
        equity = account.wallets.get(asset, Decimal(0)) + unrealised
        pending = _pending_transfers(tx, venue.name, asset)
        lines.append(Difference(asset, equity, _owed(tx, asset, marks), -pending))
    held = _net_quantities(tx)
    nothing = Decimal(0)
    return lines + [
        Difference(
            one.symbol, account.quantities.get(one.id, nothing), held.get(one.id, nothing), nothing
        )
        for one in instruments
    ]


def _owed(tx: Tx, asset: str, marks: Mapping[int, Decimal]) -> Decimal:
    """Cash of all scopes and fills in transit, plus all open quantities at the marks."""
    row = tx.execute(
        "SELECT (SELECT coalesce(sum(balance), 0) FROM accounts"
        "   WHERE kind IN ('scope', 'unallocated') AND asset = %(asset)s)"
        " + (SELECT coalesce(sum(p.quantity * m.price), 0) FROM positions p"
        "   JOIN instruments i ON i.id = p.instrument_id AND i.quote = %(asset)s"
        "   JOIN unnest(%(ids)s::smallint[], %(prices)s::numeric[]) AS m (id, price)"
        "     ON m.id = p.instrument_id)",
        {"asset": asset, "ids": list(marks), "prices": list(marks.values())},
    ).fetchone()
    assert row is not None
    return Decimal(row[0])


def _pending_transfers(tx: Tx, venue: str, asset: str) -> Decimal:
    row = tx.execute(
        "SELECT coalesce(sum(amount), 0) FROM transfers"
        " WHERE venue = %s AND asset = %s AND done_at IS NULL",
        (venue, asset),
    ).fetchone()
    assert row is not None
    return Decimal(row[0])


def _net_quantities(tx: Tx) -> dict[int, Decimal]:
    return dict(
        tx.execute("SELECT instrument_id, sum(quantity) FROM positions GROUP BY 1").fetchall()
    )
