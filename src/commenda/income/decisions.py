"""What an operator asks for and a second person decides; `operations` carries it out by kind.

Each request is tried when it is asked for, and undone: what could not be carried out now is refused
at once. When it is approved, it is carried out under the rules as they are then, whole or not at
all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.identity import Approval, Changed, Principal, request_approval
from commenda.income import queries
from commenda.income.model import RULES, RateOrder, Requested, Terms
from commenda.income.products import close_product, create_product, set_rate
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.kit.wire import wire
from commenda.ledger import Author

NEW_PRODUCT = "income.product"
NEW_RATE = "income.rate"
CLOSING = "income.close"

# --- Asking ----------------------------------------------------------------------------------


def ask_for_product(tx: Tx, principal: Principal, terms: Terms, now: datetime) -> Requested:
    """Ask for a new product; the codes of `create_product`."""
    _try(tx, principal, now, lambda author: create_product(tx, author, terms))
    correlation = ids.derive("pool-product", terms.name)
    return _ask(tx, principal, NEW_PRODUCT, terms.name, wire(terms), correlation, now)


def ask_for_rate(
    tx: Tx, principal: Principal, product_id: UUID, order: RateOrder, now: datetime
) -> Requested:
    """Ask for another rate from a day on; the codes of `set_rate`."""
    from_day, rate = order.from_day, order.daily_rate
    _try(tx, principal, now, lambda author: set_rate(tx, author, product_id, from_day, rate))
    named = str(product_id)
    payload = {"productId": named, **wire(order)}
    return _ask(tx, principal, NEW_RATE, named, payload, product_id, now)


def ask_to_close(tx: Tx, principal: Principal, product_id: UUID, now: datetime) -> Requested:
    """Ask to take a product off the market; the codes of `close_product`."""
    _try(tx, principal, now, lambda author: close_product(tx, author, product_id))
    named = str(product_id)
    return _ask(tx, principal, CLOSING, named, {"productId": named}, product_id, now)


def _try(tx: Tx, principal: Principal, now: datetime, act: Callable[[Author], object]) -> None:
    with tx.transaction(force_rollback=True):
        act(Author(principal.actor, RULES, now))


def _ask(tx: Tx, *what: Any) -> Requested:
    return Requested(request_approval(tx, *what).id)


# --- What it changes -------------------------------------------------------------------------


def product_changes(_tx: Tx, asked: Approval) -> list[Changed]:
    """A product that is not there yet, with its terms."""
    terms = {name: value for name, value in asked.payload.items() if value is not None}
    return [Changed("pool", asked.subject, {"name": terms.pop("name")}, {}, terms)]


def rate_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """The rate that a product would have on the day, and the one that it is to have."""
    product, day = UUID(asked.subject), date.fromisoformat(asked.payload["fromDay"])
    dated = [one for one in queries.rates_of(tx, product) if one.from_day <= day]
    before = {"dailyRate": plain(dated[-1].daily_rate)} if dated else {}
    after = {"dailyRate": asked.payload["dailyRate"], "fromDay": asked.payload["fromDay"]}
    return [Changed("pool", asked.subject, _called(tx, product), before, after)]


def closing_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """A product on sale, and off the market."""
    called = _called(tx, UUID(asked.subject))
    return [Changed("pool", asked.subject, called, {"status": "open"}, {"status": "closed"})]


def _called(tx: Tx, product_id: UUID) -> dict[str, Any]:
    return {"name": queries.product_name(tx, product_id)}


# --- Carrying out ----------------------------------------------------------------------------


def offer_product(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """PoolProduct the product, at its rate from the day of the approval on."""
    terms = Terms.model_validate(approval.payload)
    product = create_product(tx, replace(author, rule_version=RULES), terms)
    return {"productId": str(product.id), "status": product.status}


def date_rate(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Date the rate; code `rate_is_past` where its day has begun or was accrued by now."""
    product_id = UUID(approval.payload["productId"])
    from_day = date.fromisoformat(approval.payload["fromDay"])
    rate = Decimal(approval.payload["dailyRate"])
    dated = set_rate(tx, replace(author, rule_version=RULES), product_id, from_day, rate)
    return {"productId": str(product_id), "fromDay": iso(dated.from_day)}


def take_off_market(tx: Tx, author: Author, approval: Approval) -> dict[str, Any]:
    """Close the product to new holdings."""
    product_id = UUID(approval.payload["productId"])
    product = close_product(tx, replace(author, rule_version=RULES), product_id)
    return {"productId": str(product.id), "status": product.status}
