"""The connector keeps what a venue promises, on the exchange and over its protocol; and what it
does where an answer is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from commenda.exchange import Clock, House, Key
from commenda.exchange.market import Funding, Levels, Marked, Print
from commenda.exchange.matching import Matching
from commenda.exchange.model import BUY, SELL, Contract
from commenda.kit.errors import CommendaError
from commenda.market import Instrument, Kind
from commenda.testing.pytest_venues import VenueConformance, VenueMarket, a_limit, a_request
from commenda.testing.venue_market import stock, traded
from commenda.venues import OrderKind, OrderStatus, Side, TimeInForce, Venue, VenueUnavailable, Why
from commenda.venues.binance import Binance
from commenda.venues.binance_spot import BinanceSpot
from commenda.venues.bybit import Bybit
from commenda.venues.ccxt import CcxtVenue
from commenda.venues.desk import Desk
from commenda.venues.dialect import Dialect

from .conftest import Served

D = Decimal
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
DEEP, FIRST = 10**7, D(100)


class Nothing:
    """A market that does what the test tells it."""

    def ticks(self, after: int, until: int) -> Iterator[object]:
        return iter(())

    def candles(self, symbol: str, begin: int, end: int) -> tuple[()]:
        return ()


@dataclass
class ExchangeMarket:
    """Implements `VenueMarket`: one contract at 100, one account, an exchange of its own."""

    served: Served
    dialect: Dialect
    venue: Venue = field(init=False)
    instrument: Instrument = field(init=False)
    now: datetime = START
    price: Decimal = FIRST

    def __post_init__(self) -> None:
        kind = Kind.SPOT if self.is_spot else Kind.LINEAR_PERPETUAL
        self.instrument = Instrument(
            1, "exchange", "AAAUSDT", kind, "AAA", "USDT", D("0.01"),
            D("0.01"), D(10), D("0.0002"), D("0.0005"), 125, True,
        )  # fmt: skip
        self.venue = self.reconnect()
        self.show()

    @property
    def is_spot(self) -> bool:
        return self.dialect.capabilities.holds

    @property
    def place(self) -> Matching[Any]:
        """The one of the exchange's markets at which it is traded."""
        house = self.served.house
        return house.spot if self.is_spot else house.exchange

    def move(self, price: Decimal, offered: Decimal | None = None) -> None:
        exchange = self.place
        takers = [SELL, BUY] if price == self.price else [SELL if price < self.price else BUY]
        self.price = price
        self.now += timedelta(minutes=1)
        exchange.wait(int(self.now.timestamp() * 1000))
        lots = DEEP if offered is None else int(offered / self.instrument.lot)
        for taker in takers if lots else ():
            exchange.apply(Print(exchange.now, "AAAUSDT", self._ticks(), lots, taker))
        self.show()

    def show(self) -> None:
        """A deep book at the price, which reaches no order that rests."""
        exchange, ticks = self.place, self._ticks()
        book = exchange.books["AAAUSDT"]
        low = min([ticks, *(one - 1 for one in book.sides[SELL].own_prices)]) - 1
        high = max([ticks, *(one + 1 for one in book.sides[BUY].own_prices)]) + 1
        exchange.apply(Levels(exchange.now, "AAAUSDT", [(low, DEEP)], [(high, DEEP)], True))
        if not self.is_spot:
            exchange.apply(Marked(exchange.now, "AAAUSDT", self.price, self.price, D("0.0001"), 0))

    def reconnect(self) -> Venue:
        client = self.dialect.client("key-a", "secret-a", f"http://{self.served.address}")
        client.enableRateLimit = False  # it would sleep; the exchange's own limits stay
        return CcxtVenue(Desk(client, self.dialect), {1: self.instrument}, "exchange")

    def _ticks(self) -> int:
        return int(self.price / self.instrument.tick)


@contextmanager
def made_market(dialect: Callable[[], Dialect] = Binance) -> Iterator[ExchangeMarket]:
    """An exchange of its own, on a port, that trades one contract, or one pair, at 100."""
    contract = Contract(
        "AAAUSDT", "AAA", "USDT", D("0.01"), D("0.01"), D(10), D("0.0002"), D("0.0005"),
        bounds=(D("0.5"), D("1.5")),
    )  # fmt: skip
    spoken, begins = dialect(), Clock(int(START.timestamp() * 1000), 0.0)
    traded, none = [contract], list[Contract]()
    if spoken.capabilities.holds:
        traded, none = none, traded
    house = House(traded, Nothing(), begins, spot=(none, Nothing()))  # type: ignore[arg-type]
    purse = D(100_000) if none else D(0)  # its futures, out of which spot is paid in
    house.open_account(Key("a", "key-a", "secret-a"), purse)
    served = Served(house)
    try:
        yield ExchangeMarket(served, spoken)
    finally:
        served.stop()


@pytest.fixture(params=[Binance, Bybit, BinanceSpot])
def market(request: pytest.FixtureRequest) -> Iterator[ExchangeMarket]:
    """Of each dialect: the same connector and the same engine, two protocols between them."""
    with made_market(request.param) as made:
        yield made


@pytest.fixture(params=[Binance, Bybit])
def contract(request: pytest.FixtureRequest) -> Iterator[ExchangeMarket]:
    """The same, of a contract."""
    with made_market(request.param) as made:
        yield made


class TestExchange(VenueConformance):
    @pytest.fixture
    def market(self, market: ExchangeMarket) -> VenueMarket:
        fund(market)
        return market


BY_HAND: dict[type, tuple[str, str, dict[str, str]]] = {
    Binance: (
        "POST /fapi/v1/order",
        "fapiPrivatePostOrder",
        {"symbol": "AAAUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"},
    ),
    Bybit: (
        "POST /v5/order/create",
        "privatePostV5OrderCreate",
        {
            "category": "linear",
            "symbol": "AAAUSDT",
            "side": "Buy",
            "orderType": "Market",
            "qty": "1",
        },
    ),
    BinanceSpot: (
        "POST /api/v3/order",
        "privatePostOrder",
        {"symbol": "AAAUSDT", "side": "BUY", "type": "MARKET", "quantity": "1"},
    ),
}
"""Of each dialect: where an order arrives, and one that this house did not send."""


def strike(market: ExchangeMarket, kind: str) -> None:
    where, _, _ = BY_HAND[type(market.dialect)]
    market.served.house.script.set([{"kind": kind, "matches": where, "times": 1}])


def fund(market: ExchangeMarket) -> None:
    market.venue.transfer(uuid4(), "USDT", D(10_000), market.now)


@pytest.mark.parametrize("kind", ["lost_answer", "unknown"])
def test_an_order_without_an_answer_is_found_by_its_id(market: ExchangeMarket, kind: str) -> None:
    fund(market)
    asked = a_request(market)
    strike(market, kind)
    with pytest.raises(VenueUnavailable):
        market.venue.submit(asked, market.now)
    view = market.venue.order(asked, market.now)
    assert view is not None
    assert (view.status, traded(market, asked, view)) == (OrderStatus.FILLED, asked.quantity)


@pytest.mark.parametrize("kind", ["not_done", "throttled", "limited", "maintenance"])
def test_an_order_that_was_never_there_is_not_known(market: ExchangeMarket, kind: str) -> None:
    fund(market)
    asked = a_request(market)
    strike(market, kind)
    with pytest.raises(VenueUnavailable):
        market.venue.submit(asked, market.now)
    assert isinstance(market.venue, CcxtVenue)
    market.venue.desk.quiet_until = 0.0
    assert market.venue.order(asked, market.now) is None


@pytest.mark.parametrize("kind", ["lost_answer", "unknown", "not_done"])
def test_a_replacement_without_an_answer_is_known_by_the_terms(
    contract: ExchangeMarket, kind: str
) -> None:
    """Lost on the way there or on the way back: the order says which, and asking again is safe."""
    fund(contract)
    asked = a_limit(contract)
    contract.venue.submit(asked, contract.now)
    moved = replace(asked, limit_price=D("98.5"), quantity=asked.quantity / 2)
    where = (
        "PUT /fapi/v1/order" if isinstance(contract.dialect, Binance) else "POST /v5/order/amend"
    )
    contract.served.house.script.set([{"kind": kind, "matches": where, "times": 1}])
    with pytest.raises(VenueUnavailable):
        contract.venue.replace(moved, contract.now)
    there = asked if kind == "not_done" else moved
    found = contract.venue.order(asked, contract.now)
    assert found is not None
    assert (found.limit_price, found.quantity) == (there.limit_price, there.quantity)
    again = contract.venue.replace(moved, contract.now)
    assert again is not None
    assert (again.limit_price, again.quantity) == (moved.limit_price, moved.quantity)


def test_terms_that_are_refused_leave_the_order_as_it_was(contract: ExchangeMarket) -> None:
    """A buyer's limit half as high again as the mark is beyond the exchange's bound."""
    fund(contract)
    asked = a_limit(contract)
    contract.venue.submit(asked, contract.now)
    view = contract.venue.replace(replace(asked, limit_price=D("150.5")), contract.now)
    assert view is not None
    assert (view.status, view.limit_price) == (OrderStatus.ACCEPTED, asked.limit_price)
    assert (view.reason or "").startswith(f"{Why.PRICE_BOUND}:")


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        ({"limit_price": D("150.01")}, Why.PRICE_BOUND),  # a half above 100
        ({"side": Side.SELL, "limit_price": D("49.99")}, Why.PRICE_BOUND),
        ({"lots": 10**9 + 1}, "more than "),
        ({"lots": 10**9 + 1, "limit_price": None, "kind": OrderKind.MARKET}, "more than "),
    ],
)
def test_what_the_exchange_would_not_take_is_not_sent(
    market: ExchangeMarket, terms: dict[str, Any], why: str
) -> None:
    """Bybit's bounds move, and are its own: it refuses there what is beyond them."""
    fund(market)
    if terms.get("side") is Side.SELL:
        stock(market)
    if lots := terms.get("lots"):
        terms = terms | {"quantity": lots * market.instrument.lot}
    asked = replace(a_limit(market), **{name: terms[name] for name in terms if name != "lots"})
    view = market.venue.submit(asked, market.now)
    assert view.status is OrderStatus.REFUSED
    assert (view.reason or "").startswith(str(why))
    sent = [one.client_id for one in market.place.accounts["a"].orders.values()]
    assert str(asked.id) not in sent or isinstance(market.dialect, Bybit)
    edge = {"limit_price": D(150)} if asked.side is Side.BUY else {"limit_price": D(101)}
    taken = market.venue.submit(replace(a_limit(market), **edge, side=asked.side), market.now)
    assert taken.status is not OrderStatus.REFUSED


def test_what_only_makes_is_ended_where_its_new_price_would_take(contract: ExchangeMarket) -> None:
    fund(contract)
    asked = replace(a_limit(contract), time_in_force=TimeInForce.POST_ONLY)
    contract.venue.submit(asked, contract.now)
    view = contract.venue.replace(replace(asked, limit_price=D(101)), contract.now)
    assert view is not None
    assert (view.status, view.filled) == (OrderStatus.CANCELLED, 0)


def test_the_exchange_ends_what_is_far_enough_ahead_and_the_platform_the_rest(
    market: ExchangeMarket,
) -> None:
    """Binance's futures from 601 seconds on, its spot and Bybit never: nearer ones rest there
    without an end."""
    fund(market)
    ends = []
    for seconds in (600, 601):
        asked = a_limit(market, expires_at=market.now + timedelta(seconds=seconds))
        assert market.venue.submit(asked, market.now).status is OrderStatus.ACCEPTED
        (order,) = (
            one
            for one in market.place.accounts["a"].orders.values()
            if one.client_id == str(asked.id)
        )
        ends.append((order.tif, order.good_till))
    until = int(START.timestamp() + 601) * 1000
    is_binance = isinstance(market.dialect, Binance)
    assert ends == [("GTC", 0), ("GTD", until) if is_binance else ("GTC", 0)]


def test_a_clock_that_is_off_is_set_and_the_order_is_sent(market: ExchangeMarket) -> None:
    fund(market)
    strike(market, "clock")
    asked = a_request(market)
    assert market.venue.submit(asked, market.now).status is OrderStatus.FILLED


def test_after_too_many_requests_nothing_is_asked_until_the_time_is_over(
    market: ExchangeMarket,
) -> None:
    assert isinstance(market.venue, CcxtVenue)
    market.served.house.script.set(
        [{"kind": "banned", "matches": "account", "times": 1, "milliseconds": 120_000}]
    )
    with pytest.raises(VenueUnavailable):
        market.venue.account(market.now)
    asked = market.served.server.weight.used
    with pytest.raises(VenueUnavailable, match="left alone"):
        market.venue.account(market.now)
    assert market.served.server.weight.used == asked
    market.venue.desk.wall = lambda: market.venue.desk.quiet_until + 1  # type: ignore[attr-defined]
    assert market.venue.account(market.now).wallets.get("USDT", 0) == 0


def test_funding_is_read_once_at_the_hour_it_was_due(contract: ExchangeMarket) -> None:
    """10 AAA at 100 and 1 in 10,000: 0.1 USDT, written three seconds after ten."""
    fund(contract)
    contract.venue.submit(a_request(contract, quantity=D(10)), contract.now)
    late = int(START.timestamp() * 1000) + 3_000
    contract.served.house.exchange.apply(Funding(late, "AAAUSDT", D("0.0001"), D(100)))
    (paid,), cursor = contract.venue.income(None, contract.now)
    assert (paid.stamp, paid.amount, paid.quantity) == (START, D("-0.1"), D(10))
    assert contract.venue.income(cursor, contract.now) == ([], cursor)


def test_what_nobody_here_sent_has_no_order(market: ExchangeMarket) -> None:
    """A trade by hand, in the same account."""
    fund(market)
    assert isinstance(market.venue, CcxtVenue)
    _, call, asked = BY_HAND[type(market.dialect)]
    market.venue.desk.ask(call, asked)
    (one,), _ = market.venue.executions(None, market.now)
    left = D("0.9995") if market.is_spot else 1
    assert (one.order_id, one.fill.quantity) == (None, left)


def test_a_key_that_may_withdraw_is_refused(market: ExchangeMarket) -> None:
    market.served.house.open_account(Key("w", "key-w", "secret-w", withdraws=True), D(0))
    client = market.dialect.client("key-w", "secret-w", f"http://{market.served.address}")
    venue = CcxtVenue(Desk(client, market.dialect), {1: market.instrument}, "exchange")
    with pytest.raises(CommendaError) as refused:
        venue.prepare()
    assert refused.value.code == "key_may_withdraw"
    market.venue.prepare()  # type: ignore[attr-defined]
