"""ccxt's client of OKX, unmodified but for its address, trades on the same exchange; and the
dialect reads there what a liquidation did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import ccxt
import ccxt.pro as ccxtpro
import pytest

from commenda.exchange import Key, simulated_house
from commenda.exchange.market import Funding, Marked
from commenda.market.fetch import connect_exchange, instrument_at
from commenda.venues import Clearing, Forced, Secret, Side
from commenda.venues.ccxt import CcxtVenue
from commenda.venues.desk import Desk
from commenda.venues.okx import Okx

from .conftest import Served
from .test_venue import ExchangeMarket, a_limit, a_request, fund, made_market

BTC = "BTC/USDT:USDT"
D = Decimal
FACE = D("0.01")
"""BTC in a contract of the simulator's: ten lots of 0.001."""


@pytest.fixture(scope="module")
def present() -> Iterator[Served]:
    """At the wall's own time: ccxt asks for candles by it."""
    house = simulated_house(["BTCUSDT", "ETHUSDT"], seed=7)
    for name, money in (("a", 100_000), ("b", 0)):
        key = Key(name, f"key-{name}", f"secret-{name}", passphrase=f"words-{name}")
        house.open_account(key, D(money))
    found = Served(house)
    yield found
    found.stop()


def reached(present: Served, key: str, secret: str, passphrase: str) -> Any:
    made = Secret(key, secret, passphrase).client(Okx(), f"http://{present.address}")
    made.number = float
    made.enableRateLimit = False
    made.options["fetchMarkets"] = {"types": ["swap"]}
    return made


@pytest.fixture
def client(present: Served) -> Any:
    return reached(present, "key-a", "secret-a", "words-a")


def test_a_position_is_opened_protected_and_closed(client: Any) -> None:
    client.set_leverage(10, BTC)
    client.set_position_mode(False)  # no change is no error there
    bought = client.create_order(BTC, "market", "buy", 25)
    order = client.fetch_order(bought["id"], BTC)
    assert (order["status"], order["filled"]) == ("closed", 25)
    trades = client.fetch_my_trades(BTC)
    assert sum(D(one["info"]["fillSz"]) for one in trades) == 25
    fees = sum(-D(one["info"]["fee"]) for one in trades)
    worth = sum(D(one["info"]["fillPx"]) * D(one["info"]["fillSz"]) * FACE for one in trades)
    assert abs(fees - worth * D("0.0005")) <= len(trades) * D("1e-8")
    (account,) = client.fetch_balance()["info"]["data"]
    assert D(account["details"][0]["cashBal"]) == 100_000 - fees

    price = client.fetch_ticker(BTC)["last"]
    limit = client.create_order(BTC, "limit", "sell", 25, round(price * 1.02, 1))
    assert [one["id"] for one in client.fetch_open_orders(BTC)] == [limit["id"]]
    client.edit_order(limit["id"], BTC, "limit", "sell", 20.5, round(price * 1.03, 1))
    (resting,) = client.fetch_open_orders(BTC)
    assert (resting["amount"], resting["price"]) == (20.5, round(price * 1.03, 1))
    client.cancel_order(limit["id"], BTC)
    with pytest.raises(ccxt.OrderNotFound, match="51400"):
        client.cancel_order(limit["id"], BTC)

    for asked, kind in (("stopLossPrice", "conditional"), ("triggerPrice", "trigger")):
        stop = {asked: round(price * 0.9, 1), "reduceOnly": True}
        stopped = client.create_order(BTC, "market", "sell", 25, None, stop)
        waiting = client.fetch_open_orders(BTC, params={"trigger": True, "ordType": kind})
        assert [one["id"] for one in waiting] == [stopped["id"]]
        client.cancel_order(stopped["id"], BTC, {"trigger": True})

    (position,) = client.fetch_positions([BTC, "ETH/USDT:USDT"])
    assert (position["contracts"], position["side"]) == (25, "long")
    client.create_order(BTC, "market", "sell", 25, None, {"reduceOnly": True})
    assert client.fetch_positions([BTC]) == []
    with pytest.raises(ccxt.ExchangeError, match="51169"):
        client.create_order(BTC, "market", "sell", 25, None, {"reduceOnly": True})


def test_the_bills_add_up_to_what_the_account_has(client: Any) -> None:
    """Deposit, fees, results: whatever was traded before, to the last digit."""
    for side in ("buy", "sell"):
        client.create_order(BTC, "market", side, 3.3)
    (account,) = client.fetch_balance()["info"]["data"]
    bills: list[Any] = []
    while page := client.privateGetAccountBills(
        {"limit": "5"} | ({"after": bills[-1]["billId"]} if bills else {})
    )["data"]:
        bills += page
    assert len({one["billId"] for one in bills}) == len(bills) > 4
    assert sum(D(one["balChg"]) for one in bills) == D(account["details"][0]["cashBal"])


def test_the_same_account_is_seen_in_both_ways(present: Served, client: Any) -> None:
    """What is rested at OKX's paths rests at Binance's: one contract is a hundredth there."""
    price = client.fetch_ticker(BTC)["last"]
    limit = client.create_order(BTC, "limit", "buy", 1, round(price * 0.97, 1))
    (seen,) = present.client().fetch_open_orders(BTC)
    assert (seen["id"], seen["amount"]) == (limit["id"], 0.01)
    present.client().cancel_order(limit["id"], BTC)
    assert client.fetch_order(limit["id"], BTC)["status"] == "canceled"


def test_a_client_id_is_free_again_once_its_order_is_over(client: Any) -> None:
    price = client.fetch_ticker(BTC)["last"]
    asked = {"clientOrderId": "mine1"}
    client.create_order(BTC, "limit", "buy", 1, round(price * 0.97, 1), asked)
    with pytest.raises(ccxt.InvalidOrder, match="51016"):
        client.create_order(BTC, "market", "buy", 1, None, asked)
    client.cancel_order(None, BTC, asked)
    again = client.create_order(BTC, "market", "buy", 1, None, asked)
    assert client.fetch_order(None, BTC, asked)["id"] == again["id"]
    client.create_order(BTC, "market", "sell", 1)


@pytest.mark.parametrize(
    ("who", "kind", "code"),
    [
        (("key-a", "wrong", "words-a"), ccxt.AuthenticationError, "50113"),
        (("unknown", "secret-a", "words-a"), ccxt.AuthenticationError, "50111"),
        (("key-a", "secret-a", "wrong"), ccxt.AuthenticationError, "50105"),
        (("key-b", "secret-b", "words-b"), ccxt.InsufficientFunds, "51008"),
    ],
)
def test_refusals_have_okxs_numbers(
    present: Served, who: tuple[str, str, str], kind: type[Exception], code: str
) -> None:
    asked = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "market"}
    with pytest.raises(kind, match=code):
        reached(present, *who).privatePostTradeOrder(asked | {"sz": "25"})


def test_half_a_lot_is_refused(client: Any) -> None:
    asked = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "market"}
    with pytest.raises(ccxt.InvalidOrder, match="51121"):
        client.privatePostTradeOrder(asked | {"sz": "1.05"})


def test_the_market_is_read_and_fetched_as_okxs(present: Served, client: Any) -> None:
    """Candles agree with what the other protocol tells of them, the book in contracts."""
    other = present.client()
    theirs = other.fetch_order_book(BTC, 5)["bids"]
    ours = client.fetch_order_book(BTC, 5)["bids"]
    assert [(one[0], round(one[1] * 0.01, 3)) for one in ours] == [tuple(one) for one in theirs]
    since = int((datetime.now(UTC) - timedelta(hours=2)).timestamp() * 1000)
    candles = other.fetch_ohlcv(BTC, "1m", since, 60)
    assert [one[:5] for one in client.fetch_ohlcv(BTC, "1m", since, 60)] == [
        one[:5] for one in candles
    ]
    assert len(candles) == 60
    reached = connect_exchange("okx", datetime.now(UTC), url=f"http://{present.address}")
    found = instrument_at(reached, BTC)
    assert (found.venue, found.symbol) == ("okx_swap", "BTCUSDT")
    assert (found.tick, found.lot) == (D("0.1"), D("0.001"))


def test_who_logs_in_hears_of_the_accounts_orders(present: Served, client: Any) -> None:
    """ccxt's own WebSocket client, told where; what it hears is what it is told when it asks."""

    async def listen() -> list[Any]:
        made = ccxtpro.okx({"apiKey": "key-a", "secret": "secret-a", "password": "words-a"})
        made.urls["api"]["ws"] = f"ws://{present.address}/ws/v5"
        made.markets, made.markets_by_id = client.markets, client.markets_by_id
        try:
            orders = asyncio.create_task(made.watch_orders(BTC))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(client.create_order, BTC, "market", "buy", 1)
            return await asyncio.wait_for(orders, 20)
        finally:
            await made.close()

    client.load_markets()
    orders = asyncio.run(listen())
    asked = client.fetch_order(orders[0]["id"], BTC)
    assert [orders[0][name] for name in ("side", "amount", "clientOrderId")] == [
        asked[name] for name in ("side", "amount", "clientOrderId")
    ]
    client.create_order(BTC, "market", "sell", 1)


# --- the dialect ---------------------------------------------------------------------------------


@pytest.fixture
def market() -> Iterator[ExchangeMarket]:
    with made_market(Okx) as made:
        fund(made)
        yield made


def test_a_liquidation_is_told_by_its_orders_and_what_it_cost_by_its_bills(
    market: ExchangeMarket,
) -> None:
    """Bought for 100,000 on 10,000, and the mark falls to 90: all is lost that was there. Trades
    and costs together are what the wallet lost."""
    asked = a_request(market, quantity=D(1_000))
    market.venue.submit(asked, market.now)
    exchange = market.served.house.exchange
    _, cursor = market.venue.income(None, market.now)
    exchange.apply(Marked(exchange.now + 1, "AAAUSDT", D(90), D(90), D(0), 0))
    deals, _ = market.venue.executions(None, market.now)
    assert {one.forced for one in deals} == {None, Forced.LIQUIDATED}
    assert sum(one.side.sign * one.fill.quantity for one in deals) == 0
    assert [one.order_id for one in deals if one.forced is None] == [asked.id]
    costs, _ = market.venue.income(cursor, market.now)
    assert costs
    assert all(isinstance(one, Clearing) for one in costs)
    traded = sum(-one.side.sign * one.fill.quantity * one.fill.price for one in deals)
    fees = sum(one.fill.fee for one in deals)
    wallet = market.venue.account(market.now).wallets["USDT"]
    assert 10_000 + traded - fees + sum(one.amount for one in costs) == wallet


@pytest.mark.parametrize(("sign", "rate"), [(1, "0.0001"), (1, "-0.0001"), (-1, "0.0001")])
def test_whose_side_funding_was_charged_for_is_told_by_its_rate(
    market: ExchangeMarket, sign: int, rate: str
) -> None:
    """A bill says how many contracts, not which side: 10 AAA at 100 are 100 contracts here."""
    side = Side.BUY if sign > 0 else Side.SELL
    market.venue.submit(a_request(market, side, quantity=D(10)), market.now)
    at = int(market.now.timestamp() * 1000)
    market.served.house.exchange.apply(Funding(at, "AAAUSDT", D(rate), D(100)))
    (paid,), _ = market.venue.income(None, market.now)
    assert (paid.quantity, paid.rate, paid.mark) == (sign * 10, D(rate), D(100))
    assert paid.amount == -sign * 10 * 100 * D(rate)


def test_a_transfer_whose_answer_was_lost_is_not_made_again(market: ExchangeMarket) -> None:
    """It is asked for by its id; another process, which knows nothing of it, does the same."""
    reference = uuid4()
    for venue in (market.venue, market.reconnect()):
        venue.transfer(reference, "USDT", D(-1_000), market.now)
    assert market.venue.account(market.now).wallets["USDT"] == 9_000


def test_a_mode_that_is_kept_is_not_set_again_by_a_process_that_begins(
    market: ExchangeMarket,
) -> None:
    """It could not be while something is open; one that is another is said not to be ours."""
    market.venue.submit(a_limit(market), market.now)
    again = market.reconnect()
    assert isinstance(again, CcxtVenue)
    again.prepare()
    account = market.served.house.exchange.account("a")
    account.hedge = True
    desk = market.reconnect()
    assert isinstance(desk, CcxtVenue)
    view = desk.submit(a_request(market), market.now)
    assert "wrong_mode" in str(view.reason) or "another mode" in str(view.reason)


def test_what_is_no_whole_number_of_lots_is_not_sent(market: ExchangeMarket) -> None:
    """Of a contract whose steps were changed since we read them: 0.015 AAA are 0.15 contracts."""
    assert isinstance(market.venue, CcxtVenue)
    market.instrument = market.venue.instruments[1]
    desk: Desk = market.venue.desk
    with pytest.raises(Exception, match="51121"):
        desk.dialect.send(
            desk.ask, a_request(market, quantity=D("0.015")), market.instrument, ends=False
        )
    assert market.served.house.exchange.account("a").orders == {}
