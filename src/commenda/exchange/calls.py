"""The table of calls, and what a call is given.

A call is a function of the house (`Desk`), who asks (None for a public call) and the parameters; it
answers what becomes JSON, or raises `Refused`. The server knows paths, headers and sockets, a call
knows none of them: the WebSocket API uses the same ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, Protocol

from commenda.exchange.engine import Exchange
from commenda.exchange.matching import Matching
from commenda.exchange.model import SIDES, ZERO, Contract, whole_units
from commenda.exchange.refusals import Refused
from commenda.exchange.signing import Key
from commenda.exchange.sources import Source
from commenda.exchange.spot import Spot
from commenda.exchange.tape import Tape
from commenda.kit.money import LARGEST


class Place(Protocol):
    """One market of the house: what calls about either are given."""

    @property
    def exchange(self) -> Matching[Any]: ...
    @property
    def tape(self) -> Tape: ...
    @property
    def source(self) -> Source: ...
    @property
    def allows(self) -> int:
        """How many times Binance's limits on requests."""


class Desk(Place, Protocol):
    """What a call about futures works on."""

    @property
    def exchange(self) -> Exchange: ...
    @property
    def spot(self) -> Spot: ...

    shown_until: int
    """Of an account's trades those up to this moment are told."""

    def key_of(self, key: str) -> Key: ...
    def listen_key(self, account: str) -> str: ...
    def keep_listening(self, account: str) -> None: ...
    def stop_listening(self, account: str) -> None: ...


Run = Callable[[Any, Any, "Params"], Any]
"""Of a desk, who asks, and the parameters."""


class Call(NamedTuple):
    run: Run
    weight: int
    signed: bool
    keyed: bool
    """Only the API key is asked for, no signature."""
    is_order: bool


def is_spot(path: str) -> bool:
    """Whether spot's market is asked."""
    return path.startswith("/api/v3/")


CALLS: dict[tuple[str, str], Call] = {}
"""By method and path."""


def call(
    method: str,
    *paths: str,
    weight: int = 1,
    signed: bool = True,
    keyed: bool = False,
    is_order: bool = False,
) -> Callable[[Run], Run]:
    """Enter a function into the table, under each of its addresses."""

    def enter(run: Run) -> Run:
        for path in paths:
            CALLS[method, path] = Call(run, weight, signed and not keyed, keyed, is_order)
        return run

    return enter


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a request, read with the exchange's refusals."""

    values: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        found = self.values.get(name) or default
        if found is None:
            raise Refused(-1102, name=name.lower())
        return found

    def has(self, name: str) -> bool:
        return bool(self.values.get(name))

    def whole(self, name: str, default: int | None = None) -> int:
        found = self.values.get(name)
        if not found:
            if default is None:
                raise Refused(-1102, name=name.lower())
            return default
        try:
            return int(found)
        except ValueError:
            raise Refused(-1130, name=name) from None

    def flag(self, name: str) -> bool:
        found = self.values.get(name, "false").lower()
        if found not in ("true", "false"):
            raise Refused(-1130, name=name)
        return found == "true"

    def one_of(self, name: str, among: tuple[str, ...], code: int, default: str = "") -> str:
        found = self.values.get(name) or default
        if not found:
            raise Refused(-1102, name=name.lower())
        if found not in among:
            raise Refused(code, name=name)
        return found

    def number(self, name: str) -> Decimal:
        try:
            found = Decimal(self.text(name))
        except InvalidOperation:
            raise Refused(-1130, name=name) from None
        if not found.is_finite() or abs(found) >= LARGEST:
            raise Refused(-1130, name=name)
        return found

    def positive(self, name: str) -> Decimal:
        """An amount that is moved: of at least one unit, for the way is told beside it."""
        found = self.number(name)
        if not whole_units(found) > ZERO:
            raise Refused(-1130, name=name)
        return found

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Several things of a kind, in JSON."""
        try:
            found = json.loads(self.text(name))
        except ValueError:
            raise Refused(-1130, name=name) from None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Refused(-1130, name=name)
        return found

    def contract(self, exchange: Matching[Any]) -> Contract:
        found = exchange.contracts.get(self.text("symbol"))
        if found is None:
            raise Refused(-1121)
        return found

    def side(self) -> int:
        return SIDES[self.one_of("side", ("BUY", "SELL"), -1117)]

    def ticks(self, name: str, of: Contract) -> int:
        """A price in ticks; code −4014 for one between two."""
        return steps(self.number(name), of.tick, -4014)

    def lots(self, of: Contract) -> int:
        return steps(self.number("quantity"), of.lot, -1111)


def steps(amount: Decimal, step: Decimal, code: int) -> int:
    """How many steps an amount is; refused with `code` where it is none."""
    count = amount / step
    if count != count.to_integral_value():
        raise Refused(code)
    return int(count)
