"""OKX's records: how they are read, and orders and trades as ours. `value` is how much of the base
a contract is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple

from commenda.kit.money import plain
from commenda.venues.dialect import HOUR, Ask, Codes, Deal, Params, Shown, moment_of
from commenda.venues.model import Fill, Forced, OrderStatus, Side, Why

CODES = Codes(
    gone=frozenset({51400, 51401, 51402, 51405, 51410, 51412, 51416, 51503, 51603}),
    as_it_was=frozenset(),  # it takes a mode that is set already
    duplicate=frozenset({50071, 51011, 51016, 58124}),
    clock=frozenset({50102}),
    limited=frozenset({50011, 50040, 50061, 58102}),
    maybe_done=frozenset({50001, 50004, 50005, 50013, 50026}),
    why={
        **dict.fromkeys((51006, 51116, 51135, 51136, 51137, 51138), Why.PRICE_BOUND),
        **dict.fromkeys((51008, 51119, 51127, 51131, 51502), Why.SHORT_OF_MARGIN),
        **dict.fromkeys((51023, 51112, 51169, 51170, 51205), Why.NOTHING_TO_REDUCE),
        **dict.fromkeys((51277, 51278, 51279, 51280), Why.WOULD_TRIGGER),
        51511: Why.WOULD_TAKE,
    },
)
"""Source: OKX, "Error code", REST API."""
STATUS = {
    "live": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "mmp_canceled": OrderStatus.CANCELLED,
}
ALGO_STATUS = {
    "live": OrderStatus.ACCEPTED,
    "pause": OrderStatus.ACCEPTED,
    "partially_effective": OrderStatus.ACCEPTED,
    "effective": OrderStatus.ACCEPTED,
    "canceled": OrderStatus.CANCELLED,
    "order_failed": OrderStatus.REFUSED,
    "partially_failed": OrderStatus.REFUSED,
}
FORCED = {
    "full_liquidation": Forced.LIQUIDATED,
    "partial_liquidation": Forced.LIQUIDATED,
    "adl": Forced.DELEVERAGED,
    "delivery": Forced.SETTLED,
}
"""Why the exchange made an order, by its category."""
WOULD_TAKE = "31"
RAN_OUT = ("13", "14", "15", "27", "32", "33")
"""Who cancelled, in its numbers: what was acknowledged and never was; the rest of what does not
wait. Neither was cancelled by anybody."""
_CENT = Decimal("0.00000001")
_SWAP = "-USDT-SWAP"
PAGE = 100


def inst_of(symbol: str) -> str:
    return symbol.removesuffix("USDT") + _SWAP


def symbol_of(inst: str) -> str:
    """Our name of one of OKX's contracts; its own, where it is none of those that we trade."""
    return inst.removesuffix(_SWAP) + "USDT" if inst.endswith(_SWAP) else inst


def cash(told: str) -> Decimal:
    """Money: it counts in sixteen decimals, books in eight."""
    return Decimal(told).quantize(_CENT, ROUND_HALF_EVEN)


def number_of(row: Any) -> int:
    return int(row["billId"])


def shown_order(found: Any, value: Decimal) -> Shown:
    status, source = STATUS[found["state"]], found["cancelSource"]
    reason = None
    if status is OrderStatus.CANCELLED and source == WOULD_TAKE:
        status, reason = OrderStatus.REFUSED, f"{Why.WOULD_TAKE}: {found['cancelSourceReason']}"
    elif status is OrderStatus.CANCELLED and source in RAN_OUT:
        status = OrderStatus.EXPIRED
    return Shown(
        found["ordId"],
        found["clOrdId"],
        symbol_of(found["instId"]),
        status,
        Decimal(found["accFillSz"] or 0) * value,
        _words(found, value),
        reason,
        Decimal(found["sz"]) * value,
        Decimal(found["px"] or 0) or None,
    )


def shown_algo(found: Any, value: Decimal, why: Mapping[int, Why]) -> Shown:
    """A stop that nothing came of yet, or that failed."""
    status, price = ALGO_STATUS[found["state"]], found["slOrdPx"] or found["ordPx"]
    reason = None
    if status is OrderStatus.REFUSED:
        failed = found["failCode"]
        known = why.get(int(failed)) if failed.isdigit() else None
        reason = failed if known is None else f"{known}: {failed}"
    return Shown(
        "",
        found["algoClOrdId"],
        symbol_of(found["instId"]),
        status,
        Decimal(0),
        _words(found, value),
        reason,
        Decimal(found["sz"] or 0) * value,
        None if price in ("", "-1") else Decimal(price),
    )


def _words(found: Any, value: Decimal) -> str:
    quantity = plain(Decimal(found["sz"] or 0) * value)
    return f"{found['side']} {quantity} {symbol_of(found['instId'])} {found['ordType']}".lower()


def together(parts: Sequence[Shown]) -> Shown | None:
    """The orders that came of one stop, mostly one, as one: as long as any is open it is, and it is
    filled where all are."""
    if not parts:
        return None
    first = min(parts, key=lambda one: (one.status.is_terminal, one.status is OrderStatus.FILLED))
    return first._replace(
        number=",".join(one.number for one in parts),
        filled=sum((one.filled for one in parts), Decimal(0)),
        quantity=sum((one.quantity or Decimal(0) for one in parts), Decimal(0)),
    )


def deal_of(row: Any, value: Decimal) -> Deal:
    """A trade. Its own number is unique within a contract but for what the exchange forces, the
    bill's always is. A fee that is paid is negative there."""
    symbol = symbol_of(row["instId"])
    fill = Fill(
        f"{symbol}:{row['billId']}",
        Decimal(row["fillSz"]) * value,
        Decimal(row["fillPx"]),
        -cash(row["fee"] or "0"),
        moment_of(row["fillTime"]),
    )
    return Deal(int(row["fillTime"]), row["ordId"], symbol, Side(row["side"]), fill)


# --- reading them ---------------------------------------------------------------------------------


class Rows(NamedTuple):
    """A record that is kept at two addresses: the newest of it, for so long, and all of it."""

    newest: str
    span: int
    all: str


DAY = 24 * HOUR
TRADES = Rows("privateGetTradeFills", 3 * DAY, "privateGetTradeFillsHistory")
BILLS = Rows("privateGetAccountBills", 7 * DAY, "privateGetAccountBillsArchive")


def pages(ask: Ask, call: str, asked: Params, number: str) -> list[Any]:
    """Every page of a list, the oldest first."""
    found: list[Any] = []
    older: dict[str, str] = {}
    while True:
        page = ask(call, {**asked, **older, "limit": str(PAGE)})["data"]
        found += page
        if len(page) < PAGE:
            return found[::-1]
        older = {"after": page[-1][number]}
