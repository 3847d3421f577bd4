"""What Binance says alike of its futures and its spot: numbers, limits, trades, transfers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from commenda.kit.money import plain
from commenda.venues.budget import Gauge
from commenda.venues.dialect import Ask, Deal, Params, Refusal, Shown

GONE = frozenset({-2011, -2013})
_NO_CONTRACT = frozenset({-1121})
CLOCK = frozenset({-1021})
LIMITED = frozenset({-1003, -1015})
MAYBE_DONE = frozenset({-1000, -1001, -1006, -1007, -1008})
PAGE = 1000
_BEGUN = ""
"""Among a cursor's contracts: when the account was met, in milliseconds."""


def sought(ask: Ask, call: str, asked: Params) -> Any:
    """What is there, or None."""
    try:
        return ask(call, asked)
    except Refusal as refusal:
        if refusal.code in GONE:
            return None
        raise


def allowed_by(told: Iterable[Mapping[str, Any]], gauges: Sequence[Gauge]) -> Sequence[Gauge]:
    """The gauges, with what the exchange allows now by its `rateLimits`."""
    spans = {"SECOND": 1, "MINUTE": 60, "DAY": 86_400}
    allowed = {}
    for one in told:
        seconds = int(one["intervalNum"]) * spans.get(one["interval"], 0)
        allowed[one["rateLimitType"], seconds] = int(one["limit"])
    kinds = {True: "ORDERS", False: "REQUEST_WEIGHT"}
    return [
        one._replace(allows=allowed.get((kinds[one.of_orders], one.seconds), one.allows))
        for one in gauges
    ]


def transfer(
    ask: Ask, reference: UUID, asset: str, amount: Decimal, *, house: str, ours: str
) -> None:
    """Between two purses of one customer, once for each reference."""
    kinds = (house, ours) if amount > 0 else (ours, house)
    asked = {
        "fromAccountType": kinds[0],
        "toAccountType": kinds[1],
        "asset": asset,
        "amount": plain(abs(amount)),
        "clientTranId": str(reference),
    }
    ask("sapiPostSubAccountUniversalTransfer", asked)


@dataclass(slots=True)
class Trades:
    """An account's trades, which are asked for contract by contract and by their numbers."""

    call: str
    deal: Callable[[Any], Deal]
    _unlisted: set[str] = field(default_factory=set)
    """Contracts that we know and the exchange does not."""

    def of_order(self, ask: Ask, shown: Shown) -> list[Deal]:
        asked = {"symbol": shown.symbol, "orderId": shown.number, "limit": PAGE}
        return [self.deal(one) for one in sorted(ask(self.call, asked), key=number_of)]

    def begin(self, ask: Ask, symbols: Sequence[str], stands: int) -> str:
        """The cursor after all that was traded until now."""
        last = {one: self._of(ask, one, limit=1) for one in symbols}
        known = {symbol: number_of(trades[-1]) for symbol, trades in last.items() if trades}
        known[_BEGUN] = stands
        return json.dumps(known)

    def after(
        self, ask: Ask, symbols: Sequence[str], cursor: str | None
    ) -> tuple[list[Deal], str | None]:
        """Of each contract the trades after the last one known, by its number."""
        known: dict[str, int] = json.loads(cursor) if cursor else {}
        last, found = dict(known), []
        for symbol in symbols:
            since = 0 if symbol in known else known.get(_BEGUN, 0)
            for trade in self._pages(ask, symbol, known.get(symbol, -1)):
                last[symbol] = number_of(trade)
                if int(trade["time"]) >= since:
                    found.append(self.deal(trade))
        found.sort(key=lambda one: one.at)
        return found, json.dumps(last) if last else cursor

    def _pages(self, ask: Ask, symbol: str, number: int) -> Iterator[Any]:
        while True:
            page = self._of(ask, symbol, fromId=number + 1, limit=PAGE)
            yield from page
            if len(page) < PAGE:
                return
            number = number_of(page[-1])

    def _of(self, ask: Ask, symbol: str, **which: int) -> list[Any]:
        """The account's trades in a contract by number; none where it is not traded there."""
        if symbol in self._unlisted:
            return []
        try:
            found = ask(self.call, {"symbol": symbol, **which})
        except Refusal as refusal:
            if refusal.code not in _NO_CONTRACT:
                raise
            self._unlisted.add(symbol)
            return []
        return sorted(found, key=number_of)


def number_of(trade: Any) -> int:
    return int(trade["id"])
