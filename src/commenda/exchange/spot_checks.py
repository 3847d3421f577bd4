"""What an order must be before spot takes it: filters, what would trade at once, what is free.

The filters hold against the last price, as `avgPriceMins: 0` says in `exchangeInfo`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from commenda.exchange.model import Contract
from commenda.exchange.refusals import spot_refusal
from commenda.exchange.spot_model import SpotAccount, SpotOrder

if TYPE_CHECKING:
    from commenda.exchange.spot import Spot

CLIENT_ID = r"^[.A-Z:/a-z0-9_-]{1,36}$"
MOST_ORDERS, MOST_WAITING = 200, 5
LARGEST = Decimal(9_000_000)
"""What an order may be worth."""


def check_order(exchange: Spot, account: SpotAccount, order: SpotOrder) -> None:
    """Refuse an order with the exchange's code and words."""
    of, book = exchange.contracts[order.symbol], exchange.books[order.symbol]
    _check_terms(account, order, of)
    _check_filters(order, of, book.last)
    mine = [one for one in account.open.values() if one.symbol == of.symbol]
    if len(mine) >= MOST_ORDERS:
        raise spot_refusal("filter", name="MAX_NUM_ORDERS")
    if order.waits:
        if sum(isinstance(one, SpotOrder) and one.waits for one in mine) >= MOST_WAITING:
            raise spot_refusal("filter", name="MAX_NUM_ALGO_ORDERS")
        if book.last is not None and order.is_met(book.last):
            raise spot_refusal("triggers")
    if order.type == "LIMIT_MAKER" and book.crosses(order):
        raise spot_refusal("takes")
    if exchange.need(order) > account.of(order.gives(of)).free:
        raise spot_refusal("insufficient")


def _check_terms(account: SpotAccount, order: SpotOrder, of: Contract) -> None:
    if not re.fullmatch(CLIENT_ID, order.client_id):
        raise spot_refusal("characters", name="newClientOrderId", legal=CLIENT_ID)
    if any(one.client_id == order.client_id for one in account.open.values()):
        raise spot_refusal("duplicate")
    if of.status != "TRADING":
        raise spot_refusal("closed")
    if not 1 <= order.lots <= of.maximum_lots:
        raise spot_refusal("filter", name="LOT_SIZE")


def _check_filters(order: SpotOrder, of: Contract, last: int | None) -> None:
    asked = [one for one in (order.ticks, order.trigger_ticks or None) if one is not None]
    if any(ticks <= 0 for ticks in asked):
        raise spot_refusal("filter", name="PRICE_FILTER")
    if order.ticks is not None and last is not None:
        low, high = (bound * last for bound in of.bounds)
        if not low <= order.ticks <= high:
            raise spot_refusal("filter", name="PERCENT_PRICE_BY_SIDE")
    ticks = next(iter(asked), last)
    if ticks is None:
        return
    worth = order.quote_asked or of.worth(ticks, order.lots)
    if worth < of.minimum_notional or (asked and worth > LARGEST):
        raise spot_refusal("filter", name="NOTIONAL")


def lots_worth(exchange: Spot, order: SpotOrder) -> int:
    """How many lots are worth no more than an order asks, of what the book offers now."""
    of = exchange.contracts[order.symbol]
    left, lots = order.quote_asked / (of.tick * of.lot), 0
    for ticks, offered in exchange.books[of.symbol].offers(order):
        taken = min(offered, int(left / ticks))
        lots += taken
        left -= taken * ticks
        if taken < offered:
            break
    return lots
