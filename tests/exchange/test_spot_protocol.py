"""Spot over the wire: ccxt trades and listens there, unmodified, beside the futures."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from decimal import Decimal
from typing import Any

import aiohttp
import ccxt.pro
import pytest

from commenda.exchange.spot_proof import unproved

from .conftest import Served

D = Decimal
BTC, FUTURE = "BTC/USDT", "BTC/USDT:USDT"
MARKETS = {"fetchMarkets": {"types": ["spot", "linear"]}}


@pytest.fixture
def client(both: Served) -> Any:
    made = both.client(ccxt.binance)
    made.options |= MARKETS
    made.load_markets()
    return made


def test_ccxt_sees_the_pair_beside_the_contract(client: Any) -> None:
    assert list(client.markets) == [BTC, "ETH/USDT", FUTURE, "ETH/USDT:USDT"]
    pair = client.markets[BTC]
    assert (pair["spot"], pair["active"], pair["precision"]) == (
        True, True, {"amount": 0.00001, "price": 0.01, "base": 1e-8, "quote": 1e-8}
    )  # fmt: skip
    assert (pair["limits"]["cost"]["min"], pair["limits"]["amount"]["min"]) == (5, 0.00001)
    spot, future = (client.fetch_ticker(one) for one in (BTC, FUTURE))
    assert spot["last"] == pytest.approx(future["last"], rel=0.002)
    book = client.fetch_order_book(BTC, 5)
    assert len(book["bids"]) == 5
    assert book["bids"][0][0] < book["asks"][0][0]
    assert client.fetch_bids_asks([BTC])[BTC]["bid"] > 0
    assert client.fetch_last_prices([BTC])[BTC]["price"] > 0
    assert list(client.fetch_tickers([BTC])) == [BTC]
    assert len(client.fetch_ohlcv(BTC, "5m", limit=3)) == 3
    assert client.fetch_trades(BTC, limit=2)[0]["amount"] > 0
    assert client.fetch_time() > 0
    average = client.public_get_avgprice({"symbol": "BTCUSDT"})
    assert float(average["price"]) == pytest.approx(spot["last"], rel=0.01)


def test_ccxt_trades_at_spot_and_its_balances_are_the_exchanges(client: Any, both: Served) -> None:
    before = client.fetch_balance()
    bought = client.create_order(BTC, "market", "buy", 0.02)
    assert (bought["status"], bought["filled"]) == ("closed", 0.02)
    assert bought["fee"] == {"currency": "BTC", "cost": 0.00002}
    worth = client.create_market_buy_order_with_cost(BTC, 1_000)
    assert 999 < worth["cost"] <= 1_000
    price = client.fetch_ticker(BTC)["last"]
    offer = client.create_order(BTC, "limit", "sell", 0.3, round(price * 1.2, 2))
    stop = client.create_order(
        BTC, "limit", "sell", 0.2, round(price * 0.8, 2), {"stopLossPrice": round(price * 0.85, 2)}
    )
    found = client.fetch_order(stop["id"], BTC)
    assert (found["status"], found["info"]["type"]) == ("open", "STOP_LOSS_LIMIT")
    assert {one["id"] for one in client.fetch_open_orders(BTC)} == {offer["id"], stop["id"]}
    held = client.fetch_balance()
    assert held["BTC"]["used"] == 0.5
    assert held["BTC"]["total"] == pytest.approx(
        before["BTC"]["total"] + (0.02 + worth["filled"]) * 0.999, abs=1e-8
    )
    edited = client.edit_order(offer["id"], BTC, "limit", "sell", 0.25, round(price * 1.3, 2))
    assert client.fetch_balance()["BTC"]["used"] == 0.45
    assert client.cancel_order(edited["id"], BTC)["status"] == "canceled"
    assert client.cancel_all_orders(BTC)[0]["id"] == stop["id"]
    assert client.fetch_balance()["BTC"]["used"] == 0
    mine = client.fetch_my_trades(BTC)
    assert mine[0]["order"] == bought["id"]
    assert mine[-1]["order"] == worth["id"]
    assert unproved(both.house.spot) == []


@pytest.mark.parametrize(
    ("kind", "amount", "price", "error"),
    [
        ("market", 100, None, ccxt.InsufficientFunds),
        ("limit", 0.00001, 60_000, ccxt.BadRequest),
        ("limit", 0.001, 1, ccxt.InvalidOrder),
    ],
)
def test_ccxt_knows_what_is_refused(
    client: Any, kind: str, amount: float, price: float | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.create_order(BTC, kind, "buy", amount, price)


def test_an_order_that_would_take_is_no_maker(client: Any) -> None:
    high = round(client.fetch_ticker(BTC)["last"] * 1.1, 2)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        client.create_order(BTC, "limit", "buy", 0.001, high, {"postOnly": True})


async def _streams(client: Any) -> dict[str, Any]:
    client.options |= MARKETS
    try:
        await client.load_markets()
        watched = {
            "balance": asyncio.create_task(client.watch_balance({"type": "spot"})),
            "orders": asyncio.create_task(client.watch_orders(BTC)),
            "trades": asyncio.create_task(client.watch_my_trades(BTC)),
        }
        await asyncio.sleep(1.5)
        placed = await client.create_order(BTC, "market", "buy", 0.01)
        heard = {name: await asyncio.wait_for(one, 15) for name, one in watched.items()}
        over_socket = await client.create_order_ws(BTC, "limit", "buy", 0.001, 40_000)
        gone = await client.cancel_order_ws(over_socket["id"], BTC)
        candle = await asyncio.wait_for(client.watch_ohlcv(BTC, "1m"), 20)
        longer = await asyncio.wait_for(client.watch_ohlcv(BTC, "5m"), 20)
        printed = await asyncio.wait_for(client.watch_trades(BTC), 20)
        best = await asyncio.wait_for(client.watch_bids_asks([BTC]), 20)
        for _ in range(20):
            book = await asyncio.wait_for(client.watch_order_book(BTC), 20)
        future = await asyncio.wait_for(client.watch_order_book(FUTURE), 20)
        return {
            **heard, "placed": placed, "gone": gone, "candle": candle, "longer": longer,
            "printed": printed, "best": best, "book": book, "future": future,
        }  # fmt: skip
    finally:
        await client.close()


def test_ccxt_pro_hears_its_orders_and_keeps_both_books(both: Served) -> None:
    heard = asyncio.run(_streams(both.client(ccxt.pro.binance)))
    assert {one["id"] for one in heard["orders"]} == {heard["placed"]["id"]}
    (trade,) = heard["trades"]
    assert (trade["order"], trade["fee"]["currency"]) == (heard["placed"]["id"], "BTC")
    assert heard["balance"]["BTC"]["total"] > 1
    assert heard["gone"]["status"] == "canceled"
    assert heard["candle"][0][2] >= heard["candle"][0][3]
    assert heard["longer"][0][0] % 300_000 == 0
    assert heard["longer"][0][2] >= heard["longer"][0][3]
    assert heard["printed"][0]["price"] > 0
    assert heard["best"][BTC]["bid"] < heard["best"][BTC]["ask"]
    for name in ("book", "future"):
        assert heard[name]["bids"][0][0] < heard[name]["asks"][0][0]


async def _by_hand(address: str) -> tuple[dict[Any, str], dict[str, Any], list[str]]:
    """A book kept by spot's rule, and what else a combined stream tells."""
    kept: dict[Any, str] = {}
    gaps: list[str] = []
    seen: dict[str, Any] = {}
    names = ["trade", "aggTrade", "bookTicker", "depth5", "kline_1m", "depth@100ms"]
    streams = "/".join(f"btcusdt@{one}" for one in names)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{address}/stream?streams={streams}") as socket,
    ):
        url = f"http://{address}/api/v3/depth?symbol=BTCUSDT&limit=1000"
        first = await (await session.get(url)).json()
        for side in ("bids", "asks"):
            kept |= {(side, price): lots for price, lots in first[side]}
        last, updates = first["lastUpdateId"], 0
        async for message in socket:
            told = message.json()
            name, event = told["stream"].partition("@")[2], told["data"]
            seen.setdefault(name, event)
            if name != "depth@100ms" or event["u"] <= last:
                continue
            if event["U"] != last + 1 and updates:
                gaps.append(f"{event['U']} after {last}")
            last, updates = event["u"], updates + 1
            for side, short in (("bids", "b"), ("asks", "a")):
                for price, lots in event[short]:
                    kept[side, price] = lots
            if updates > 40 and len(seen) == len(names):
                break
        final = await (await session.get(url)).json()
        async for message in socket:  # what came before the answer
            told = message.json()
            event = told["data"]
            if told["stream"].endswith("depth@100ms"):
                if event["u"] > final["lastUpdateId"]:
                    break
                for side, short in (("bids", "b"), ("asks", "a")):
                    for price, lots in event[short]:
                        kept[side, price] = lots
        left = {place: lots for place, lots in kept.items() if float(lots)}
        shown = {(side, p): lots for side in ("bids", "asks") for p, lots in final[side]}
        assert left == shown
        return kept, seen, gaps


def test_deltas_without_a_previous_id_keep_the_book(both: Served) -> None:
    _, seen, gaps = asyncio.run(_by_hand(both.address))
    assert gaps == []
    assert set(seen["bookTicker"]) == {"u", "s", "b", "B", "a", "A"}
    assert set(seen["depth@100ms"]) == {"e", "E", "s", "U", "u", "b", "a"}
    assert set(seen["depth5"]) == {"lastUpdateId", "bids", "asks"}
    assert len(seen["depth5"]["bids"]) == 5
    assert seen["trade"]["M"] is seen["aggTrade"]["M"] is True
    assert seen["kline_1m"]["k"]["i"] == "1m"


def _signed(params: dict[str, Any]) -> dict[str, Any]:
    told = "&".join(f"{name}={params[name]}" for name in sorted(params))
    signature = hmac.new(b"secret-a", told.encode(), hashlib.sha256).hexdigest()
    return params | {"signature": signature}


async def _subscribed(address: str) -> list[Any]:
    """The events of an order, by the WebSocket API and by a listenKey."""
    stamp = {"apiKey": "key-a", "timestamp": int(time.time() * 1000)}
    async with aiohttp.ClientSession(headers={"X-MBX-APIKEY": "key-a"}) as session:
        url = f"http://{address}/api/v3/userDataStream"
        key = (await (await session.post(url)).json())["listenKey"]
        kept = await session.put(url, params={"listenKey": key})
        foreign = await (await session.put(url, params={"listenKey": "x"})).json()
        async with (
            session.ws_connect(f"ws://{address}/ws-api/v3") as api,
            session.ws_connect(f"ws://{address}/ws/{key}") as stream,
        ):
            method = "userDataStream.subscribe.signature"
            await api.send_json({"id": 1, "method": method, "params": _signed(stamp)})
            answer = await api.receive_json()
            order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                     "quantity": "0.001", "price": "50000.00"}  # fmt: skip
            await api.send_json(
                {"id": 2, "method": "order.place", "params": _signed(stamp | order)}
            )
            told = [await api.receive_json() for _ in range(3)]
            streamed = [await stream.receive_json() for _ in range(2)]
            placed = next(one for one in told if one.get("id") == 2)
            gone = {"symbol": "BTCUSDT", "orderId": placed["result"]["orderId"]}
            await api.send_json(
                {"id": 3, "method": "order.cancel", "params": _signed(stamp | gone)}
            )
            await asyncio.wait_for(stream.receive_json(), 10)
        return [kept.status, foreign, answer, told, streamed]


def test_an_account_is_heard_over_the_websocket_api_and_by_a_listen_key(both: Served) -> None:
    status, foreign, answer, told, streamed = asyncio.run(_subscribed(both.address))
    assert (status, foreign["code"]) == (200, -1125)
    assert answer == {
        "id": 1, "status": 200, "result": {"subscriptionId": 0}, "rateLimits": []
    }  # fmt: skip
    events = [one for one in told if "event" in one]
    assert [one["subscriptionId"] for one in events] == [0, 0]
    assert [one["event"] for one in events] == streamed
    report, position = streamed
    assert (report["x"], report["X"], report["p"]) == ("NEW", "NEW", "50000.00000000")
    locked = {one["a"]: D(one["l"]) for one in position["B"]}
    assert locked == {"BTC": 0, "USDT": 50}
