"""Publish products with dated terms and a dated return matrix."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.managed.model import ExpectedReturn, Offer, Product, Profile
from commenda.managed.waterfall import FeeTerms


def publish_offer(tx: Tx, offer: Offer) -> None:
    """Publish a product's terms and expected return from a date on; again changes nothing."""
    product, terms, expected = offer.product, offer.terms, offer.expected
    tx.execute(
        "INSERT INTO products (id, profile, term_days, tier, asset, minimum, maximum, early_exit)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            product.id,
            product.profile,
            product.term_days,
            product.tier,
            product.asset,
            product.minimum,
            product.maximum,
            product.early_exit,
        ),
    )
    tx.execute(
        "INSERT INTO product_terms (product_id, valid_from, management_fee, hurdle, profit_share,"
        " platform_cut, referral_rates) VALUES (%s, %s, %s, %s, %s, %s, %s::numeric[])"
        " ON CONFLICT DO NOTHING",
        (
            product.id,
            offer.valid_from,
            terms.management_fee,
            terms.hurdle,
            terms.profit_share,
            terms.platform_cut,
            list(terms.referral_rates),
        ),
    )
    tx.execute(
        "INSERT INTO expected_returns (product_id, valid_from, annual_return, warning_percent,"
        " alert_percent) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            product.id,
            offer.valid_from,
            expected.annual_return,
            expected.warning_percent,
            expected.alert_percent,
        ),
    )


def offer_of(tx: Tx, product_id: UUID, now: datetime) -> Offer:
    """A product's offer in force at `now`; code `unknown_product` where there is none."""
    row = tx.execute(
        "SELECT p.profile, p.term_days, p.tier, p.asset, p.minimum, p.maximum, p.early_exit,"
        " t.management_fee, t.hurdle, t.profit_share, t.platform_cut, t.referral_rates,"
        " e.annual_return, e.warning_percent, e.alert_percent, t.valid_from"
        " FROM products p"
        " CROSS JOIN LATERAL (SELECT * FROM product_terms WHERE product_id = p.id"
        "   AND valid_from <= %(now)s ORDER BY valid_from DESC LIMIT 1) t"
        " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = p.id"
        "   AND valid_from <= %(now)s ORDER BY valid_from DESC LIMIT 1) e"
        " WHERE p.id = %(id)s",
        {"id": product_id, "now": now},
    ).fetchone()
    if row is None:
        raise CommendaError(
            "unknown_product",
            "No such product is offered at this time",
            field="productId",
            value=str(product_id),
            mend="choose one of the listed products",
        )
    return Offer(
        Product(product_id, Profile(row[0]), *row[1:7]),
        FeeTerms(row[7], row[8], row[9], row[10], tuple(row[11])),
        ExpectedReturn(row[12], row[13], row[14]),
        row[15],
    )
