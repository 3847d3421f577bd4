"""ccxt, unmodified but for its addresses, trades on the exchange: REST and WebSockets."""

from __future__ import annotations

import asyncio
import base64
import time
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from commenda.exchange import Key, Server, simulated_house
from commenda.exchange.calls import CALLS, Params

from .conftest import Served

BTC = "BTC/USDT:USDT"


def test_a_position_is_opened_protected_and_closed(served: Served) -> None:
    client = served.client()
    client.set_leverage(10, BTC)
    with pytest.raises(ccxt.ExchangeError, match="-4059"):
        client.set_position_mode(False)
    bought = client.create_order(BTC, "market", "buy", 0.25)
    order = client.fetch_order(bought["id"], BTC)
    assert (order["status"], order["filled"]) == ("closed", 0.25)
    trades = client.fetch_my_trades(BTC)
    assert sum(Decimal(str(one["amount"])) for one in trades) == Decimal("0.25")
    cost = sum(Decimal(one["info"]["quoteQty"]) for one in trades)
    fees = sum(Decimal(one["info"]["commission"]) for one in trades)
    assert abs(fees - cost * Decimal("0.0005")) <= len(trades) * Decimal("1e-8")
    wallet = Decimal(client.fetch_balance()["info"]["totalWalletBalance"])
    assert wallet == 100_000 - fees

    price = client.fetch_ticker(BTC)["last"]
    limit = client.create_order(BTC, "limit", "sell", 0.25, round(price * 1.02, 1))
    assert [one["id"] for one in client.fetch_open_orders(BTC)] == [limit["id"]]
    assert client.edit_order(limit["id"], BTC, "limit", "sell", 0.2, round(price * 1.03, 1))
    assert client.cancel_order(limit["id"], BTC)["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(limit["id"], BTC)

    stop = {"stopLossPrice": round(price * 0.9, 1), "reduceOnly": True}
    stopped = client.create_order(BTC, "market", "sell", 0.25, None, stop)
    assert client.fetch_open_orders(BTC, params={"trigger": True})[0]["id"] == stopped["id"]
    client.cancel_order(stopped["id"], BTC, {"trigger": True})

    (position,) = client.fetch_positions([BTC])
    assert (position["contracts"], position["side"]) == (0.25, "long")
    client.create_order(BTC, "market", "sell", 0.25, None, {"reduceOnly": True})
    assert [one for one in client.fetch_positions([BTC]) if one["contracts"]] == []
    with pytest.raises(ccxt.ExchangeError, match="-2022"):
        client.create_order(BTC, "market", "sell", 0.25, None, {"reduceOnly": True})


def test_what_it_shows_of_its_market(served: Served) -> None:
    client = served.client()
    book = client.fetch_order_book(BTC, 5)
    assert book["bids"][0][0] < book["asks"][0][0]
    candles = client.fetch_ohlcv(BTC, "1m", limit=10)
    assert len(candles) == 10
    begin, end = candles[0][0] // 1000, candles[-1][0] // 1000
    bars = served.house.source.candles("BTCUSDT", begin, end)
    known = {bar.ts * 1000: bar for bar in bars}
    for at, *prices, _ in candles[:-2]:  # the last is not closed, the one before may just be
        bar = known[at]
        assert prices == [bar.open, bar.high, bar.low, bar.close]
    assert client.fetch_funding_rate(BTC)["fundingRate"] == 0.0001
    assert client.fetch_leverage_tiers([BTC])[BTC][0]["maxLeverage"] == 125


def test_a_signature_counts_and_so_does_the_time(served: Served) -> None:
    client = served.client()
    client.secret = "another"
    with pytest.raises(ccxt.AuthenticationError):
        client.fetch_balance()
    client = served.client()
    client.options["timeDifference"] = 3_600_000
    client.nonce = lambda: int(time.time() * 1000) - 3_600_000
    with pytest.raises(ccxt.InvalidNonce):
        client.fetch_balance()


async def _streams(client: Any) -> dict[str, Any]:
    """What a customer hears while one order is filled and one is cancelled."""
    try:
        await client.load_markets()
        book = await asyncio.wait_for(client.watch_order_book(BTC), 20)
        orders = asyncio.create_task(client.watch_orders(BTC))
        trades = asyncio.create_task(client.watch_my_trades(BTC))
        balance = asyncio.create_task(client.watch_balance())
        await asyncio.sleep(1.0)
        placed = await client.create_order(BTC, "market", "buy", 0.01)
        heard = {
            "orders": await asyncio.wait_for(orders, 10),
            "trades": await asyncio.wait_for(trades, 10),
            "balance": await asyncio.wait_for(balance, 10),
        }
        candle = await asyncio.wait_for(client.watch_ohlcv(BTC, "1m"), 20)
        for _ in range(20):
            book = await asyncio.wait_for(client.watch_order_book(BTC), 20)
        return {**heard, "placed": placed, "book": book, "candle": candle}
    finally:
        await client.close()


def test_ccxt_pro_hears_its_orders_and_keeps_a_book(served: Served) -> None:
    heard = asyncio.run(_streams(served.client(ccxt.pro.binanceusdm)))
    assert {one["id"] for one in heard["orders"]} == {heard["placed"]["id"]}
    assert {one["order"] for one in heard["trades"]} == {heard["placed"]["id"]}
    assert heard["balance"]["USDT"]["total"] > 0
    assert heard["book"]["bids"][0][0] < heard["book"]["asks"][0][0]
    assert heard["candle"][0][2] >= heard["candle"][0][3]


async def _by_hand(address: str) -> tuple[dict[tuple[str, str], str], dict[str, Any], list[str]]:
    """A book kept by the rule of the documentation, and the exchange's own at its end."""
    kept: dict[tuple[str, str], str] = {}
    gaps: list[str] = []
    async with aiohttp.ClientSession() as session:
        stream = f"ws://{address}/public/ws/btcusdt@depth@100ms"
        async with session.ws_connect(stream) as socket:
            url = f"http://{address}/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
            first = await (await session.get(url)).json()
            for side in ("bids", "asks"):
                kept |= {(side, price): lots for price, lots in first[side]}
            last, started = first["lastUpdateId"], False
            async for message in socket:
                event = message.json()
                if event["u"] < last:
                    continue
                if started and event["pu"] != last:
                    gaps.append(f"{event['pu']} after {last}")
                if not started and not event["U"] <= last + 1 <= event["u"] + 1:
                    gaps.append(f"began at {event['U']} after {last}")
                started, last = True, event["u"]
                for side, name in (("b", "bids"), ("a", "asks")):
                    for price, lots in event[side]:
                        kept[name, price] = lots
                if event["u"] > first["lastUpdateId"] + 2_000:
                    break
            final = await (await session.get(url)).json()
            async for message in socket:  # what came before the answer
                event = message.json()
                if event["u"] > final["lastUpdateId"]:
                    break
                for side, name in (("b", "bids"), ("a", "asks")):
                    for price, lots in event[side]:
                        kept[name, price] = lots
    return kept, final, gaps


def test_deltas_keep_the_book_that_the_exchange_shows(served: Served) -> None:
    kept, final, gaps = asyncio.run(_by_hand(served.address))
    assert gaps == []
    shown = {("bids", price): lots for price, lots in final["bids"]}
    shown |= {("asks", price): lots for price, lots in final["asks"]}
    assert {place: lots for place, lots in kept.items() if float(lots)} == shown


async def _logged_on(address: str, private: Ed25519PrivateKey) -> dict[str, Any]:
    """An order over the WebSocket API of a session that logged on with Ed25519."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{address}/ws-fapi/v1") as socket,
    ):
        params: dict[str, Any] = {"apiKey": "key-e", "timestamp": int(time.time() * 1000)}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = base64.b64encode(private.sign(payload.encode())).decode()
        answers = {}
        asked = {
                "session.logon": params,
                "order.place": {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET",
                                "quantity": "0.01", "newOrderRespType": "RESULT"},
                "order.cancel": {"symbol": "BTCUSDT", "orderId": 1},
            }  # fmt: skip
        for method, given in asked.items():
            await socket.send_json({"id": method, "method": method, "params": given})
            answers[method] = await socket.receive_json()
        return answers


def test_the_websocket_api_takes_orders_of_who_logged_on(served: Served) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    served.house.open_account(Key("e", "key-e", public.decode()), Decimal(10_000))
    answers = asyncio.run(_logged_on(served.address, private))
    assert answers["session.logon"]["status"] == 200
    assert answers["order.place"]["result"]["status"] == "FILLED"
    assert answers["order.cancel"]["error"]["code"] == -2011


def test_a_house_may_allow_more_than_binance_does() -> None:
    """Ten times the orders in ten seconds, and it says so; what is too much then is refused."""
    house = simulated_house(["BTCUSDT"], seed=7)
    house.allows = 10
    house.open_account(Key("a", "key-a", "secret-a"), Decimal(100_000))
    server = Server(house)
    assert [one.limit for one in (server.weight, *server.orders)] == [24_000, 12_000, 3_000]
    found = CALLS["GET", "/fapi/v1/exchangeInfo"].run(house, None, Params({}))
    assert [one["limit"] for one in found["rateLimits"]] == [24_000, 12_000, 3_000]
    in_ten = server.orders[-1]
    assert (in_ten.name, in_ten.seconds) == ("10 SECOND", 10)
    assert [in_ten.spend(1_000, 0.0) for _ in range(4)] == [True, True, True, False]


def test_a_word_that_is_none_of_those_asked_for_is_named(served: Served) -> None:
    """Where a code's words name the parameter, too."""
    client = served.client()
    client.load_markets()
    asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    with pytest.raises(ccxt.BadRequest, match="positionSide"):
        client.fapiPrivatePostOrder(asked | {"positionSide": "BOTHS"})
