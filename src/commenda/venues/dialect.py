"""What exchanges say differently.

A **dialect** puts the connector's questions in an exchange's words and its answers in ours: which
method of ccxt is called with what, what its numbers mean, what its records say. When to ask, what
is never sent twice and whose an order is, is the connector's, and the same for all (`ccxt`).
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from commenda.market import Instrument
from commenda.venues.budget import Gauge
from commenda.venues.model import (
    Capabilities,
    Fill,
    Forced,
    OrderRequest,
    OrderStatus,
    Side,
    Why,
)

HOUR = 3_600_000
SETTLES_IN = timedelta(seconds=30)
"""After so long an order that the exchange does not know was never there. It answers within
milliseconds, and its own time-outs end after ten seconds."""
_WORDS = re.compile(r'"(?:msg|retMsg)":\s*"([^"]{1,200})')

Params = Mapping[str, Any]
Ask = Callable[[str, Params], Any]
"""Calls a method of ccxt. Raises `Refusal`, or `VenueUnavailable` for what may have been done."""


class Refusal(Exception):
    """The exchange did not do it, and says why."""

    def __init__(self, code: int, words: str) -> None:
        self.code = code
        found = _WORDS.search(words)
        self.short = f"{code} {found[1] if found else ''}".strip(" .")
        """Its number and what it says, without the rest of the answer."""
        super().__init__(f"{code} {words}")


@dataclass(frozen=True, slots=True)
class Codes:
    """An exchange's numbers, by what they mean."""

    gone: frozenset[int]
    """The order is not known, or is over."""
    as_it_was: frozenset[int]
    """A mode that is set already."""
    duplicate: frozenset[int]
    """An order, or a transfer, with this id is known."""
    clock: frozenset[int]
    limited: frozenset[int]
    maybe_done: frozenset[int]
    """What was asked may have been done or not; or the exchange is too busy to do it."""
    why: Mapping[int, Why]
    """Why an order was turned down."""
    words: Mapping[str, Why] = field(default_factory=dict)
    """The same, where one number stands for many reasons and its words tell them apart."""

    def reason(self, refusal: Refusal) -> str:
        """What a view says of a refusal: why, where that is known, and the exchange's own words."""
        said = (why for words, why in self.words.items() if words in refusal.short)
        why = self.why.get(refusal.code) or next(said, None)
        return str(refusal) if why is None else f"{why}: {refusal.short}"


class Shown(NamedTuple):
    """An order as the exchange shows it."""

    number: str
    """The exchange's own, by which its trades are found."""
    client_id: str
    symbol: str
    status: OrderStatus
    filled: Decimal
    words: str
    reason: str | None = None
    quantity: Decimal | None = None
    limit_price: Decimal | None = None


class Deal(NamedTuple):
    """A trade of the account: when (milliseconds), and of which order."""

    at: int
    number: str
    symbol: str
    side: Side
    fill: Fill


class Held(NamedTuple):
    """A position: signed quantity, unrealised profit, and what it is worth at the mark. What is
    simply there was paid out of the wallet: both are 0, as at a mark of 0."""

    quantity: Decimal
    unrealised: Decimal
    worth: Decimal


class Sender(NamedTuple):
    """Who made an order: the order of ours that it was, or that sent it as a stop; or why the
    exchange did. Neither where it was made by hand."""

    ours: UUID | None
    forced: Forced | None = None


class Paid(NamedTuple):
    """Funding that was paid (+) or taken (−): the hour when it was due and when it was charged, in
    milliseconds."""

    symbol: str
    due: int
    rate: Decimal
    mark: Decimal
    quantity: Decimal
    amount: Decimal
    at: int


class Cleared(NamedTuple):
    """What a liquidation cost (−), or the exchange's fund gave (+), under the exchange's number; in
    milliseconds when."""

    id: str
    symbol: str
    amount: Decimal
    at: int


class Mode(NamedTuple):
    """How an account is set, by the name of the check that tells of it: as it is wanted, or another
    way, which `modes` mends."""

    check: str
    as_wanted: bool


class Rights(NamedTuple):
    """What a key may do."""

    withdraws: bool
    trades: bool
    bound: bool
    """Whether it is taken from some addresses alone."""


class Channel(NamedTuple):
    """Where an account's own stream is: what is said once it is open, and now and then."""

    url: str
    hello: Sequence[Params] = ()
    """Nothing where the address says it all."""
    ping: Params | None = None


class News(NamedTuple):
    """What a message of a stream is: its beginning, or that something happened."""

    begins: bool = False
    happened: bool = False


class Filters(NamedTuple):
    """What an exchange takes in a contract, as it tells."""

    tick: Decimal
    lot: Decimal
    most: Decimal | None = None
    """In one order, with a limit."""
    most_at_market: Decimal | None = None
    band: tuple[Decimal, Decimal] | None = None
    """In parts of the mark: nobody sells below the first, or buys above the second."""


class Dialect(Protocol):
    """One exchange's. Calls that only look are given an `ask` of which a refusal is no answer."""

    @property
    def codes(self) -> Codes: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def gauges(self) -> Sequence[Gauge]:
        """What it counts of what it is asked, and usually allows."""

    def limits(self, ask: Ask) -> Sequence[Gauge]:
        """The same, with what it allows now."""

    def client(self, key: str, secret: str, address: str | None = None) -> Any: ...
    def time(self, ask: Ask) -> int: ...
    def rights(self, ask: Ask) -> Rights: ...
    def mode(self, ask: Ask) -> Mode: ...
    def filters(self, ask: Ask) -> Mapping[str, Filters]:
        """What is taken in each contract."""

    def modes(self, symbol: str) -> Sequence[tuple[str, Params]]:
        """What is set before a contract is traded; for the whole account where it is empty."""

    def send(
        self, ask: Ask, order: OrderRequest, instrument: Instrument, *, ends: bool
    ) -> Shown | None:
        """Send an order; None where the answer does not tell what became of it. `ends` where the
        exchange is to end it at its time."""

    def replace(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        """Ask for the terms that a limit order is to have from now on."""

    def cancel(self, ask: Ask, order: OrderRequest, symbol: str) -> None:
        """End an order; a `Refusal` in `codes.gone` where there is nothing to end."""

    def order(self, ask: Ask, order: OrderRequest, symbol: str) -> Shown | None: ...
    def sender(self, ask: Ask, symbol: str, number: str) -> Sender: ...

    def resting(self, ask: Ask) -> Sequence[Shown]: ...
    def fills(self, ask: Ask, shown: Shown) -> tuple[Decimal, Sequence[Fill]]:
        """What was filled of an order, and the trades that it has shown of it. Both are less by a
        fee that was taken of what was bought."""

    def begin(self, ask: Ask, symbols: Sequence[str]) -> Mapping[str, str]:
        """The cursors of `deals` and `income` as they stand: `executions`, `income`."""

    def deals(
        self, ask: Ask, symbols: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[Deal], str | None]:
        """Trades after a cursor; in a contract that was not asked for before, those since the
        account was met."""

    def holdings(
        self, ask: Ask, known: Mapping[str, Instrument]
    ) -> tuple[Mapping[str, Decimal], Mapping[str, Held]]:
        """Wallets by asset, positions by contract, of those that are `known` here and others."""

    def income(
        self, ask: Ask, known: Mapping[str, Instrument], cursor: str | None
    ) -> tuple[Sequence[Paid | Cleared], str | None]: ...
    def transfer(self, ask: Ask, reference: UUID, asset: str, amount: Decimal) -> None: ...

    def channel(self, ask: Ask, client: Any, address: str | None) -> Channel:
        """Where the account's stream is now, of a key that was just made or still lives."""

    def keep_channel(self, ask: Ask) -> None:
        """Say that it is wanted; a `Refusal` where its key is over."""

    def news(self, told: Mapping[str, Any]) -> News | None:
        """What a message of it means; None where it ends it."""


# --- what dialects share -------------------------------------------------------------------------


def made_client(
    kind: str, key: str, secret: str, address: str | None, *, sleeps: bool = True
) -> Any:
    """ccxt's client of that kind; at another address where one is given (`http://host:port`). One
    that `sleeps` spaces its calls out evenly, an exit as a reading."""
    ccxt: Any = importlib.import_module("ccxt")
    client = getattr(ccxt, kind)(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": sleeps,
            "options": {"fetchCurrencies": False, "recvWindow": 5000},
            "requests_trust_env": True,
        }
    )
    client.number = str
    if address is not None:
        for name, url in client.urls["api"].items():
            if isinstance(url, str):
                client.urls["api"][name] = re.sub(r"^https://[^/]+", address.rstrip("/"), url)
    return client


def streams_at(address: str | None, own: str) -> str:
    """Where streams are: the exchange's own, or beside what speaks its protocol elsewhere."""
    return own if address is None else re.sub("^http", "ws", address.rstrip("/"))


def each_once(
    cursor: str | None,
    rows: Callable[[int], Sequence[Any]],
    number: str,
    at: str,
    late: int = HOUR,
) -> tuple[list[Any], str | None]:
    """Rows after a cursor, each once, where they are asked for by time alone.

    Rows of one moment may come after each other: what is up to `late` milliseconds older than the
    newest is asked for again, and left out by its number where it was seen. `rows` is given the
    moment to begin at; `number` and `at` name the fields.
    """
    since, seen = json.loads(cursor) if cursor else (0, {})
    if isinstance(seen, list):  # as it was kept before, without times
        seen = dict.fromkeys(map(str, seen), since + HOUR)
    found = [one for one in rows(since) if str(one[number]) not in seen]
    if not found:
        return [], cursor
    seen |= {str(one[number]): int(one[at]) for one in found}
    again = max(since, max(seen.values()) - late)
    return found, json.dumps([again, {one: when for one, when in seen.items() if when >= again}])


def forced_by(said: str, kinds: Mapping[str, Forced]) -> Forced | None:
    """Why the exchange made an order, by how its mark begins; None where somebody else did."""
    return next((why for start, why in kinds.items() if said.startswith(start)), None)


def moment_of(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def our_order(client_id: str) -> UUID | None:
    """The order of ours that bears this client id; None for one of another kind."""
    try:
        return UUID(client_id)
    except ValueError:
        return None
