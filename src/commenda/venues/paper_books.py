"""The paper venue's own books (schema `paper`), read without a market: now, or as of a moment.

They are in the same database, so a reconciliation reads both sides on one snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.venues.model import Fill, OrderRequest, VenueAccount

# What a trade moves: cash by −q·p and the fee, whatever was realised and whatever is still open.
_FLOWS: LiteralString = (
    "SELECT asset, sum(amount) FROM ("
    " SELECT asset, amount FROM paper.transfers"
    "  WHERE account = %(account)s AND done_at <= %(moment)s"
    " UNION ALL SELECT i.quote, f.amount FROM paper.funding f"
    "  JOIN instruments i ON i.id = f.instrument_id"
    "  WHERE f.account = %(account)s AND f.stamp <= %(moment)s"
    " UNION ALL SELECT i.quote, -f.fee"
    "   - CASE o.side WHEN 'buy' THEN 1 ELSE -1 END * f.quantity * f.price"
    "  FROM paper.fills f JOIN paper.orders o USING (account, client_order_id)"
    "  JOIN instruments i ON i.id = f.instrument_id"
    "  WHERE account = %(account)s AND f.filled_at <= %(moment)s"
    ") flows GROUP BY asset"
)


@dataclass(frozen=True, slots=True)
class PaperBooks:
    """What the paper venue says, at `marks`; with a moment, what it said then."""

    tx: Tx
    name: str
    marks: Mapping[int, Decimal]
    moment: datetime | None

    def account(self) -> VenueAccount:
        """Cash, net quantities and unrealised profit.

        As of a moment they follow from the venue's transfers, funding and fills. What was realised
        of an open position until then is not told apart: cash is short of what it cost, and all of
        its value is unrealised. The two together are what they were.
        """
        if self.moment is not None:
            return self._then(self.moment)
        wallets: dict[str, Decimal] = dict(
            self.tx.execute(
                "SELECT asset, balance FROM paper.wallets WHERE account = %s", (self.name,)
            ).fetchall()
        )
        rows = self.tx.execute(
            "SELECT instrument_id, quantity, cost FROM paper.positions WHERE account = %s",
            (self.name,),
        ).fetchall()
        return VenueAccount(
            wallets,
            {one: quantity for one, quantity, _ in rows},
            {one: self._value(one, quantity) - cost for one, quantity, cost in rows},
        )

    def _then(self, moment: datetime) -> VenueAccount:
        wallets: dict[str, Decimal] = dict(
            self.tx.execute(_FLOWS, {"account": self.name, "moment": moment}).fetchall()
        )
        quantities: dict[int, Decimal] = dict(
            self.tx.execute(
                "SELECT f.instrument_id,"
                " sum(CASE o.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END)"
                " FROM paper.fills f JOIN paper.orders o USING (account, client_order_id)"
                " WHERE account = %s AND f.filled_at <= %s GROUP BY 1",
                (self.name, moment),
            ).fetchall()
        )
        values = {one: self._value(one, quantity) for one, quantity in quantities.items()}
        return VenueAccount(wallets, quantities, values)

    def _value(self, instrument: int, quantity: Decimal) -> Decimal:
        """At the mark; nothing where there is none, which the quantities tell."""
        return quantity * self.marks.get(instrument, Decimal(0))

    def fills(self, orders: Sequence[OrderRequest]) -> Mapping[UUID, Sequence[Fill]]:
        """What it had filled of these orders by then."""
        found: dict[UUID, list[Fill]] = {}
        for order, *fill in self.tx.execute(
            "SELECT client_order_id, id, quantity, price, fee FROM paper.fills"
            " WHERE account = %(account)s AND client_order_id = ANY (%(orders)s)"
            " AND (%(moment)s::timestamptz IS NULL OR filled_at <= %(moment)s) ORDER BY number",
            {"account": self.name, "orders": [one.id for one in orders], "moment": self.moment},
        ):
            found.setdefault(order, []).append(Fill(*fill))
        return found

    def moved(self, transfers: Sequence[UUID]) -> set[UUID]:
        """Which of the transfers it had carried out."""
        rows = self.tx.execute(
            "SELECT reference FROM paper.transfers"
            " WHERE account = %(account)s AND reference = ANY (%(asked)s)"
            " AND (%(moment)s::timestamptz IS NULL OR done_at <= %(moment)s)",
            {"account": self.name, "asked": list(transfers), "moment": self.moment},
        )
        return {row[0] for row in rows}

    def charged(self) -> Mapping[str, Decimal]:
        """Funding of each asset that it has charged and the ledger had not passed on by then."""
        return dict(
            self.tx.execute(
                "SELECT i.quote, sum(f.amount) FROM paper.funding f"
                " JOIN instruments i ON i.id = f.instrument_id"
                " LEFT JOIN funding_payments p ON p.venue = f.account"
                "  AND p.instrument_id = f.instrument_id AND p.stamp = f.stamp"
                " WHERE f.account = %(venue)s AND f.amount <> 0"
                " AND (%(moment)s::timestamptz IS NULL OR f.stamp <= %(moment)s)"
                " AND (p.stamp IS NULL OR EXISTS (SELECT FROM journals j"
                "  WHERE j.kind = 'funding' AND j.posted_at > %(moment)s"
                "   AND j.effective_at = f.stamp"
                "   AND starts_with(j.key, concat_ws(':', 'funding', p.venue, i.symbol, ''))))"
                " GROUP BY i.quote",
                {"venue": self.name, "moment": self.moment},
            ).fetchall()
        )
