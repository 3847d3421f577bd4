"""A product's terms and expectations over time, and what a proposal would change of them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from commenda.identity import Changed
from commenda.kit.db import Tx
from commenda.kit.rows import records
from commenda.kit.times import iso
from commenda.kit.wire import as_json, wire
from commenda.managed.model import DatedCell, DatedTerms, MatrixProposal, ProductHistory
from commenda.managed.products import offer_of, return_matrix, unknown_product


def history_of(tx: Tx, product_id: UUID, now: datetime) -> ProductHistory:
    """A product with its dated terms and cells; code `unknown_product`."""
    offer, named = offer_of(tx, product_id, now), (product_id,)
    terms = records(
        tx,
        DatedTerms,
        'SELECT management_fee AS "fees.management_fee", hurdle AS "fees.hurdle",'
        ' profit_share AS "fees.profit_share", platform_cut AS "fees.platform_cut",'
        ' referral_rates AS "fees.referral_rates", crystallise_days AS "fees.crystallise_days",'
        ' hurdle_kind AS "fees.hurdle_kind", valid_from,'
        " lead(valid_from) OVER (ORDER BY valid_from) AS valid_until"
        " FROM product_terms WHERE product_id = %s ORDER BY valid_from DESC",
        named,
    )
    cells = records(
        tx,
        DatedCell,
        "SELECT e.annual_return, e.warning_percent, e.alert_percent, e.valid_from,"
        " lead(e.valid_from) OVER (ORDER BY e.valid_from) AS valid_until,"
        ' a.id AS "decision.approval_id", a.requested_by AS "decision.asked_by",'
        ' r.username AS "decision.asked_by_name", a.requested_at AS "decision.asked_at",'
        ' a.decided_by AS "decision.decided_by", d.username AS "decision.decided_by_name",'
        ' a.decided_at AS "decision.decided_at"'
        " FROM expected_returns e LEFT JOIN approvals a ON a.id = e.approval_id"
        " LEFT JOIN users r ON r.id = a.requested_by LEFT JOIN users d ON d.id = a.decided_by"
        " WHERE e.product_id = %s ORDER BY e.valid_from DESC",
        named,
    )
    return ProductHistory(offer, terms, cells, now)


def matrix_changed(tx: Tx, wanted: MatrixProposal) -> list[Changed]:
    """The cells that would hold on the proposal's date, and those that it asks for.

    Code `unknown_product`.
    """
    held = {one.product_id: one for one in return_matrix(tx, wanted.valid_from)}
    changed = []
    for cell in wanted.cells:
        if cell.product_id not in held:
            raise unknown_product(cell.product_id)
        now = held[cell.product_id]
        called = {"profile": now.profile, "termDays": now.term_days, "tier": now.tier}
        after = as_json(cell.model_dump(exclude={"product_id"}))
        after["validFrom"] = iso(wanted.valid_from)
        before = {name: value for name, value in wire(now).items() if name in after}
        changed.append(Changed("product", str(cell.product_id), called, before, after))
    return changed
