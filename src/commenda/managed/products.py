"""Publish products with dated terms and a dated return matrix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.ledger import Author
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


_OFFERS: LiteralString = (
    "SELECT p.id, p.profile, p.term_days, p.tier, p.asset, p.minimum, p.maximum, p.early_exit,"
    " t.management_fee, t.hurdle, t.profit_share, t.platform_cut, t.referral_rates,"
    " e.annual_return, e.warning_percent, e.alert_percent, t.valid_from"
    " FROM products p"
    " CROSS JOIN LATERAL (SELECT * FROM product_terms WHERE product_id = p.id"
    "   AND valid_from <= %(now)s ORDER BY valid_from DESC LIMIT 1) t"
    " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = p.id"
    "   AND valid_from <= %(now)s ORDER BY valid_from DESC LIMIT 1) e"
)


def offer_of(tx: Tx, product_id: UUID, now: datetime) -> Offer:
    """A product's offer in force at `now`; code `unknown_product` where there is none."""
    row = tx.execute(_OFFERS + " WHERE p.id = %(id)s", {"id": product_id, "now": now}).fetchone()
    if row is None:
        raise _unknown(product_id)
    return _offer(row)


def offers(tx: Tx, now: datetime) -> list[Offer]:
    """Every product that is offered at `now`."""
    rows = tx.execute(
        _OFFERS + " ORDER BY p.profile, p.term_days, p.minimum, p.id", {"now": now}
    ).fetchall()
    return [_offer(row) for row in rows]


def _offer(row: tuple[Any, ...]) -> Offer:
    return Offer(
        Product(row[0], Profile(row[1]), *row[2:8]),
        FeeTerms(row[8], row[9], row[10], row[11], tuple(row[12])),
        ExpectedReturn(row[13], row[14], row[15]),
        row[16],
    )


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One product's cell of the return matrix, and since when it holds."""

    product_id: UUID
    profile: str
    term_days: int
    tier: str
    annual_return: Decimal
    warning_percent: Decimal
    alert_percent: Decimal
    valid_from: datetime


def return_matrix(tx: Tx, at: datetime) -> list[MatrixCell]:
    """The return matrix in force at a time: a cell for each profile, term and tier."""
    with tx.cursor(row_factory=class_row(MatrixCell)) as cursor:
        return cursor.execute(
            "SELECT p.id AS product_id, p.profile, p.term_days, p.tier, e.annual_return,"
            "  e.warning_percent, e.alert_percent, e.valid_from FROM products p"
            " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = p.id"
            "   AND valid_from <= %s ORDER BY valid_from DESC LIMIT 1) e"
            " ORDER BY p.profile, p.term_days, p.minimum, p.id",
            (at,),
        ).fetchall()


def require_change(
    tx: Tx, product_id: UUID, expected: ExpectedReturn, valid_from: datetime, now: datetime
) -> None:
    """Refuse a change of the matrix that cannot be made.

    Codes `unknown_product`, `thresholds_out_of_order`, `valid_from_past`.
    """
    if not tx.execute("SELECT 1 FROM products WHERE id = %s", (product_id,)).fetchone():
        raise _unknown(product_id)
    if expected.warning_percent > expected.alert_percent:
        raise CommendaError(
            "thresholds_out_of_order", "A deviation is warned of before it is an alert"
        ).at(
            "warningPercent", expected.warning_percent, "let warningPercent be at most alertPercent"
        )
    if valid_from < now:
        raise CommendaError(
            "valid_from_past", "What is expected cannot be changed for subscriptions that were made"
        ).at("validFrom", valid_from.isoformat(), f"choose {now.isoformat()} or later")


def change_expected(
    tx: Tx, author: Author, product_id: UUID, expected: ExpectedReturn, valid_from: datetime
) -> datetime:
    """Date a new cell of the matrix; since when it holds: not before it was decided.

    A later decision for the same date replaces the earlier one, until the date has come; then
    code `already_dated`.
    """
    since = max(valid_from, author.now)
    written = tx.execute(
        "INSERT INTO expected_returns AS known (product_id, valid_from, annual_return,"
        " warning_percent, alert_percent) VALUES (%(id)s, %(since)s, %(annual)s, %(warning)s,"
        " %(alert)s) ON CONFLICT (product_id, valid_from) DO UPDATE"
        " SET annual_return = excluded.annual_return,"
        "  warning_percent = excluded.warning_percent, alert_percent = excluded.alert_percent"
        " WHERE known.valid_from > %(now)s",
        {
            "id": product_id,
            "since": since,
            "annual": expected.annual_return,
            "warning": expected.warning_percent,
            "alert": expected.alert_percent,
            "now": author.now,
        },
    ).rowcount
    if not written:
        raise conflict("already_dated", "Another expectation has begun at this very time").at(
            "validFrom", since.isoformat(), "choose a later time"
        )
    return since


def _unknown(product_id: UUID) -> CommendaError:
    return not_found("unknown_product", "No such product is offered at this time").at(
        "productId", product_id, "choose one of the listed products"
    )
