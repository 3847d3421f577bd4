"""ccxt's client of Bybit, unmodified but for its addresses, trades on the same exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import ccxt
import ccxt.pro as ccxtpro
import pytest

from commenda.exchange import Key, simulated_house
from commenda.market.fetch import connect_exchange, instrument_at
from commenda.venues.bybit import Bybit

from .conftest import Served

BTC = "BTC/USDT:USDT"
D = Decimal


@pytest.fixture(scope="module")
def present() -> Iterator[Served]:
    """At the wall's own time: ccxt asks for candles by it."""
    house = simulated_house(["BTCUSDT", "ETHUSDT"], seed=7)
    for name, money in (("a", 100_000), ("b", 0)):
        house.open_account(Key(name, f"key-{name}", f"secret-{name}"), D(money))
    found = Served(house)
    yield found
    found.stop()


@pytest.fixture
def client(present: Served) -> Any:
    made = Bybit().client("key-a", "secret-a", f"http://{present.address}")
    made.number = float
    made.enableRateLimit = False
    made.options["fetchMarkets"] = {"types": ["linear"]}
    return made


def test_a_position_is_opened_protected_and_closed(client: Any) -> None:
    client.set_leverage(10, BTC)
    with pytest.raises(ccxt.NoChange):
        client.set_position_mode(False, BTC)
    bought = client.create_order(BTC, "market", "buy", 0.25)
    order = client.fetch_order(bought["id"], BTC, {"acknowledged": True})
    assert (order["status"], order["filled"]) == ("closed", 0.25)
    trades = client.fetch_my_trades(BTC)
    assert sum(D(str(one["amount"])) for one in trades) == D("0.25")
    fees = sum(D(one["info"]["execFee"]) for one in trades)
    worth = sum(D(one["info"]["execPrice"]) * D(one["info"]["execQty"]) for one in trades)
    assert abs(fees - worth * D("0.0005")) <= len(trades) * D("1e-8")
    (account,) = client.fetch_balance()["info"]["result"]["list"]
    assert D(account["totalWalletBalance"]) == 100_000 - fees

    price = client.fetch_ticker(BTC)["last"]
    limit = client.create_order(BTC, "limit", "sell", 0.25, round(price * 1.02, 1))
    assert [one["id"] for one in client.fetch_open_orders(BTC)] == [limit["id"]]
    client.edit_order(limit["id"], BTC, "limit", "sell", 0.2, round(price * 1.03, 1))
    (resting,) = client.fetch_open_orders(BTC)
    assert (resting["amount"], resting["price"]) == (0.2, round(price * 1.03, 1))
    client.cancel_order(limit["id"], BTC)
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(limit["id"], BTC)

    stop = {"stopLossPrice": round(price * 0.9, 1), "reduceOnly": True}
    stopped = client.create_order(BTC, "market", "sell", 0.25, None, stop)
    assert [one["id"] for one in client.fetch_open_orders(BTC)] == [stopped["id"]]
    client.cancel_order(stopped["id"], BTC)

    (position,) = client.fetch_positions([BTC])
    assert (position["contracts"], position["side"]) == (0.25, "long")
    client.create_order(BTC, "market", "sell", 0.25, None, {"reduceOnly": True})
    assert [one for one in client.fetch_positions([BTC]) if one["contracts"]] == []
    with pytest.raises(ccxt.InvalidOrder, match="110017"):
        client.create_order(BTC, "market", "sell", 0.25, None, {"reduceOnly": True})


def test_the_same_account_is_seen_in_both_ways(present: Served, client: Any) -> None:
    """What is rested at Bybit's paths rests at Binance's."""
    price = client.fetch_ticker(BTC)["last"]
    limit = client.create_order(BTC, "limit", "buy", 0.01, round(price * 0.97, 1))
    (seen,) = present.client().fetch_open_orders(BTC)
    assert (seen["id"], seen["amount"]) == (limit["id"], 0.01)
    present.client().cancel_order(limit["id"], BTC)
    order = client.fetch_order(limit["id"], BTC, {"acknowledged": True})
    assert order["status"] == "canceled"


def test_a_client_id_is_taken_once_for_good(client: Any) -> None:
    """At Binance it is free again once its order is over."""
    asked = {"clientOrderId": "mine-1"}
    client.create_order(BTC, "market", "buy", 0.01, None, asked)
    with pytest.raises(ccxt.InvalidOrder, match="110072"):
        client.create_order(BTC, "market", "sell", 0.01, None, asked)
    client.create_order(BTC, "market", "sell", 0.01)


@pytest.mark.parametrize(
    ("key", "secret", "kind", "code"),
    [
        ("key-a", "wrong", ccxt.AuthenticationError, "10004"),
        ("unknown", "secret-a", ccxt.AuthenticationError, "10003"),
        ("key-b", "secret-b", ccxt.InsufficientFunds, "110007"),
    ],
)
def test_refusals_have_bybits_numbers(
    present: Served, key: str, secret: str, kind: type[Exception], code: str
) -> None:
    client = Bybit().client(key, secret, f"http://{present.address}")
    asked = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Market"}
    with pytest.raises(kind, match=code):
        client.privatePostV5OrderCreate(asked | {"qty": "0.25"})


def test_the_market_is_read_and_fetched_as_bybits(present: Served, client: Any) -> None:
    """Candles and book agree with what the other protocol tells of them."""
    other = present.client()
    assert client.fetch_order_book(BTC, 5)["bids"] == other.fetch_order_book(BTC, 5)["bids"]
    since = int((datetime.now(UTC) - timedelta(hours=2)).timestamp() * 1000)
    theirs = other.fetch_ohlcv(BTC, "1m", since, 60)
    assert client.fetch_ohlcv(BTC, "1m", since, 60) == theirs
    assert len(theirs) == 60
    reached = connect_exchange("bybit", datetime.now(UTC), url=f"http://{present.address}")
    found = instrument_at(reached, "BTCUSDT")
    assert (found.venue, found.tick, found.lot) == ("bybit_linear", D("0.1"), D("0.001"))


def test_who_logs_on_hears_of_the_accounts_orders_trades_and_positions(
    present: Served, client: Any
) -> None:
    """ccxt's own WebSocket client, told where; what it hears is what it is told when it asks."""

    async def listen() -> tuple[list[Any], list[Any]]:
        made = ccxtpro.bybit({"apiKey": "key-a", "secret": "secret-a"})
        made.options |= {"enableUnifiedMargin": False, "enableUnifiedAccount": True}
        for kind in ("contract", "spot", "usdc"):
            made.urls["api"]["ws"]["private"][kind] = f"ws://{present.address}/v5/private"
        made.markets, made.markets_by_id = client.markets, client.markets_by_id
        try:
            trades = asyncio.create_task(made.watch_my_trades(BTC))
            orders = asyncio.create_task(made.watch_orders(BTC))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(client.create_order, BTC, "market", "buy", 0.01)
            return await asyncio.wait_for(trades, 20), await asyncio.wait_for(orders, 20)
        finally:
            await made.close()

    client.load_markets()
    trades, orders = asyncio.run(listen())
    (asked, *_) = [one for one in client.fetch_my_trades(BTC) if one["id"] == trades[0]["id"]]
    told = ("order", "side", "amount", "price")
    assert [trades[0][name] for name in told] == [asked[name] for name in told]
    assert orders[0]["id"] == trades[0]["order"]
    client.create_order(BTC, "market", "sell", 0.01)
