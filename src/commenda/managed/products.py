"""Publish products with dated terms and a dated return matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import LiteralString
from uuid import UUID

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.money import plain
from commenda.kit.rows import first, records
from commenda.kit.times import iso
from commenda.ledger import Author
from commenda.managed.leaderboard import CANDIDATES
from commenda.managed.model import MatrixCell, MatrixProposal, Offer, Profile


def publish_offer(tx: Tx, offer: Offer) -> None:
    """Publish a product's terms and expected return from a date on; again changes nothing.

    Tiers take amounts in [minimum, maximum), and each begins where another ends. Codes
    `bad_bounds`, `tiers_overlap`, `gap_between_tiers`.
    """
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('managed.publish_offer', 0))")
    others = tx.execute(
        "SELECT tier, minimum, maximum FROM products WHERE (profile, term_days, asset, early_exit)"
        " = (%(profile)s, %(term_days)s, %(asset)s, %(early_exit)s) AND tier <> %(tier)s"
        " ORDER BY minimum",
        asdict(offer),
    ).fetchall()
    require_adjacent([*others, (offer.tier, offer.minimum, offer.maximum)])
    values = asdict(offer)
    values |= {**values["fees"], **values["expected_return"]}
    tx.execute(
        "INSERT INTO products (id, profile, term_days, tier, asset, minimum, maximum, early_exit)"
        " VALUES (%(product_id)s, %(profile)s, %(term_days)s, %(tier)s, %(asset)s, %(minimum)s,"
        "  %(maximum)s, %(early_exit)s) ON CONFLICT DO NOTHING",
        values,
    )
    tx.execute(
        "INSERT INTO product_terms (product_id, valid_from, management_fee, hurdle, profit_share,"
        " platform_cut, referral_rates, crystallise_days, hurdle_kind)"
        " VALUES (%(product_id)s, %(terms_valid_from)s, %(management_fee)s, %(hurdle)s,"
        "  %(profit_share)s, %(platform_cut)s, %(rates)s::numeric[], %(crystallise_days)s,"
        "  %(hurdle_kind)s)"
        " ON CONFLICT DO NOTHING",
        {**values, "rates": list(offer.fees.referral_rates)},
    )
    tx.execute(
        "INSERT INTO expected_returns (product_id, valid_from, annual_return, warning_percent,"
        " alert_percent) VALUES (%(product_id)s, %(terms_valid_from)s, %(annual_return)s,"
        "  %(warning_percent)s, %(alert_percent)s) ON CONFLICT DO NOTHING",
        values,
    )


def require_adjacent(tiers: Sequence[tuple[str, Decimal, Decimal]]) -> None:
    """Refuse tiers, each (name, minimum, maximum), that leave amounts out or take some twice.

    Codes `bad_bounds`, `tiers_overlap`, `gap_between_tiers`.
    """
    for name, minimum, maximum in tiers:
        if not 0 < minimum < maximum:
            raise CommendaError(
                "bad_bounds",
                f"The tier {name} takes from its minimum, above 0, to below its maximum",
            ).at("minimum", minimum, f"less than the maximum, {plain(maximum)}")
    ordered = sorted(tiers, key=lambda one: one[1:])
    for (below, _, ends), (above, begins, _) in pairwise(ordered):
        if begins != ends:
            code = "tiers_overlap" if begins < ends else "gap_between_tiers"
            raise CommendaError(code, f"The tier {above} has to begin where {below} ends").at(
                "minimum", begins, f"begin at {plain(ends)}, which {below} does not take any more"
            )


_COLUMNS: LiteralString = (
    "SELECT p.id AS product_id, p.profile, p.term_days, p.tier, p.asset, p.minimum, p.maximum,"
    ' p.early_exit, t.management_fee AS "fees.management_fee", t.hurdle AS "fees.hurdle",'
    ' t.profit_share AS "fees.profit_share", t.platform_cut AS "fees.platform_cut",'
    ' t.referral_rates AS "fees.referral_rates",'
    ' t.crystallise_days AS "fees.crystallise_days", t.hurdle_kind AS "fees.hurdle_kind",'
    ' e.annual_return AS "expected_return.annual_return",'
    ' e.warning_percent AS "expected_return.warning_percent",'
    ' e.alert_percent AS "expected_return.alert_percent", t.valid_from AS terms_valid_from'
)
_IN_FORCE: LiteralString = (
    " FROM products p"
    " CROSS JOIN LATERAL (SELECT * FROM product_terms WHERE product_id = p.id"
    "   AND valid_from <= %(now)s ORDER BY valid_from DESC LIMIT 1) t"
    " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = p.id"
    "   AND valid_from <= %(now)s ORDER BY valid_from DESC LIMIT 1) e"
)


_OFFERS = _COLUMNS + _IN_FORCE


@dataclass(frozen=True, slots=True)
class OfferTo:
    """What one investor can subscribe of a product now, and all that it takes to do so.

    `room` is what `available_to_subscribe` says, `carries` whether they carry a loss to it,
    `wallet` and `reserved` are their accounts if they are open; `candidates` is what
    `candidates_of` reads.
    """

    product_id: UUID
    profile: Profile
    tier: str
    asset: str
    minimum: Decimal
    maximum: Decimal
    terms_valid_from: datetime
    room: Decimal
    carries: bool
    wallet: int | None
    reserved: int | None
    candidates: str | None


_OFFER_TO: LiteralString = "".join(
    (
        "SELECT p.id, p.profile, p.tier, p.asset, p.minimum, p.maximum, t.valid_from,"
        " room_to_subscribe(%(investor)s, p.asset), EXISTS (SELECT FROM loss_carries c"
        "  WHERE c.investor_id = %(investor)s AND c.product_id = p.id), wallet.id, reserved.id, ",
        CANDIDATES,
        _IN_FORCE,
        *(
            f" LEFT JOIN accounts {kind} ON {kind}.kind = '{kind}'"
            f"  AND {kind}.owner_id = %(investor)s AND {kind}.asset = p.asset"
            f"  AND {kind}.scope_id IS NULL AND {kind}.leg_id IS NULL"
            f"  AND {kind}.instrument_id IS NULL AND {kind}.stripe = 0"
            for kind in ("wallet", "reserved")
        ),
        " WHERE p.id = %(id)s",
    )
)


def offer_to(tx: Tx, product_id: UUID, investor: UUID, now: datetime) -> OfferTo:
    """All that a subscription asks, in one question; the authorisation is locked.

    Code `unknown_product`.
    """
    values = {"id": product_id, "now": now, "investor": investor}
    row = tx.execute(_OFFER_TO, values).fetchone()
    if row is None:
        raise unknown_product(product_id)
    return OfferTo(*row)


def offer_of(tx: Tx, product_id: UUID, now: datetime) -> Offer:
    """A product's offer in force at `now`; code `unknown_product` where there is none."""
    offer = first(tx, Offer, _OFFERS + " WHERE p.id = %(id)s", {"id": product_id, "now": now})
    if offer is None:
        raise unknown_product(product_id)
    return offer


def offers(tx: Tx, now: datetime) -> list[Offer]:
    """Every product that is offered at `now`."""
    return records(
        tx, Offer, _OFFERS + " ORDER BY p.profile, p.term_days, p.minimum, p.id", {"now": now}
    )


def return_matrix(tx: Tx, at: datetime) -> list[MatrixCell]:
    """The return matrix in force at a time: a cell for each profile, term and tier."""
    return records(
        tx,
        MatrixCell,
        "SELECT p.id AS product_id, p.profile, p.term_days, p.tier, e.annual_return,"
        "  e.warning_percent, e.alert_percent, e.valid_from FROM products p"
        " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = p.id"
        "   AND valid_from <= %s ORDER BY valid_from DESC LIMIT 1) e"
        " ORDER BY p.profile, p.term_days, p.minimum, p.id",
        (at,),
    )


def require_change(tx: Tx, change: MatrixProposal, now: datetime) -> None:
    """Refuse a change of the matrix that cannot be made.

    Codes `unknown_product`, `product_twice`, `thresholds_out_of_order`, `valid_from_past`.
    """
    wanted = [one.product_id for one in change.cells]
    known = tx.execute("SELECT id FROM products WHERE id = ANY (%s)", (wanted,)).fetchall()
    for product in sorted(set(wanted) - {row[0] for row in known}):
        raise unknown_product(product)
    for place, cell in enumerate(change.cells):
        if cell.product_id in wanted[:place]:
            raise CommendaError("product_twice", "A proposal has one cell for each product").at(
                "productId", cell.product_id, "leave one of them out"
            )
        if cell.warning_percent > cell.alert_percent:
            raise CommendaError(
                "thresholds_out_of_order", "A deviation is warned of before it is an alert"
            ).at(
                "warningPercent", cell.warning_percent, "let warningPercent be at most alertPercent"
            )
    if change.valid_from < now:
        raise CommendaError(
            "valid_from_past", "What is expected cannot be changed for subscriptions that were made"
        ).at("validFrom", change.valid_from, f"choose {iso(now)} or later")


def change_expected(tx: Tx, author: Author, change: MatrixProposal, approval_id: UUID) -> datetime:
    """Date new cells of the matrix; since when they hold: not before it was decided.

    A later decision for the same date replaces the earlier one, until the date has come; then
    code `already_dated`.
    """
    since = max(change.valid_from, author.now)
    written = tx.execute(
        "INSERT INTO expected_returns AS known (product_id, valid_from, annual_return,"
        " warning_percent, alert_percent, approval_id)"
        " SELECT product, %(since)s, annual, warning, alert, %(approval)s"
        " FROM unnest(%(products)s::uuid[], %(annual)s::numeric[], %(warning)s::numeric[],"
        "  %(alert)s::numeric[]) AS n (product, annual, warning, alert) ORDER BY product"
        " ON CONFLICT (product_id, valid_from) DO UPDATE"
        " SET annual_return = excluded.annual_return, approval_id = excluded.approval_id,"
        "  warning_percent = excluded.warning_percent, alert_percent = excluded.alert_percent"
        " WHERE known.valid_from > %(now)s",
        {
            "products": [one.product_id for one in change.cells],
            "annual": [one.annual_return for one in change.cells],
            "warning": [one.warning_percent for one in change.cells],
            "alert": [one.alert_percent for one in change.cells],
            "approval": approval_id,
            "since": since,
            "now": author.now,
        },
    ).rowcount
    if written < len(change.cells):
        raise conflict("already_dated", "Another expectation has begun at this very time").at(
            "validFrom", since, "choose a later time"
        )
    return since


def unknown_product(product_id: UUID) -> CommendaError:
    """The refusal of a product that is not there; code `unknown_product`."""
    return not_found("unknown_product", "No such product is offered at this time").at(
        "productId", product_id, "choose one of the listed products"
    )
