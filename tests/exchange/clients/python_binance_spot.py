"""python-binance trades at spot on the exchange of the address that is given; prints JSON."""

import asyncio
import json
import sys

from binance import AsyncClient, BinanceSocketManager
from binance.client import Client
from binance.exceptions import BinanceAPIException

address = sys.argv[1]
PAIR = "BTCUSDT"
Client.API_URL = AsyncClient.API_URL = f"http://{address}/api"
AsyncClient.WS_API_URL = f"ws://{address}/ws-api/v3"
BinanceSocketManager.STREAM_URL = f"ws://{address}/"

client = Client("key-a", "secret-a", ping=False)
info = client.get_symbol_info(PAIR)
seen = {
    "filters": [one["filterType"] for one in info["filters"]],
    "permissions": info["permissionSets"],
    "before": client.get_asset_balance("BTC")["free"],
}
client.create_test_order(symbol=PAIR, side="BUY", type="MARKET", quantity=0.02)
bought = client.order_market_buy(symbol=PAIR, quantity=0.02)
seen["bought"] = [bought["status"], bought["fills"][0]["commissionAsset"]]
worth = client.order_market_buy(symbol=PAIR, quoteOrderQty=100)
seen["worth"] = float(worth["cummulativeQuoteQty"])
price = float(client.get_symbol_ticker(symbol=PAIR)["price"])
limit = client.order_limit_sell(symbol=PAIR, quantity=0.1, price=f"{price * 1.2:.2f}")
stop = client.create_order(
    symbol=PAIR,
    side="SELL",
    type="STOP_LOSS_LIMIT",
    timeInForce="GTC",
    quantity=0.1,
    price=f"{price * 0.8:.2f}",
    stopPrice=f"{price * 0.9:.2f}",
)
seen["open"] = [one["type"] for one in client.get_open_orders(symbol=PAIR)]
seen["locked"] = client.get_asset_balance("BTC")["locked"]
seen["cancelled"] = client.cancel_order(symbol=PAIR, orderId=limit["orderId"])["status"]
replaced = client.cancel_replace_order(
    symbol=PAIR,
    side="SELL",
    type="LIMIT",
    timeInForce="GTC",
    cancelReplaceMode="STOP_ON_FAILURE",
    cancelOrderId=stop["orderId"],
    quantity=0.1,
    price=f"{price * 1.1:.2f}",
)
seen["replaced"] = [replaced["cancelResult"], replaced["newOrderResult"]]
client.cancel_all_open_orders(symbol=PAIR)
seen["orders"] = [one["status"] for one in client.get_all_orders(symbol=PAIR)]
seen["trades"] = len(client.get_my_trades(symbol=PAIR, orderId=bought["orderId"]))
seen["candles"] = len(client.get_klines(symbol=PAIR, interval="1m", limit=5))
seen["average"] = float(client.get_avg_price(symbol=PAIR)["price"]) / price
key = client.stream_get_listen_key()
client.stream_keepalive(key)
client.stream_close(key)
try:
    client.order_market_sell(symbol=PAIR, quantity=500)
except BinanceAPIException as refused:
    seen["refused"] = [refused.code, refused.message]


async def listen() -> None:
    """The account's stream over the WebSocket API, and two of the market's."""
    other = await AsyncClient.create("key-a", "secret-a")
    sockets = BinanceSocketManager(other)
    async with sockets.user_socket() as user, sockets.trade_socket(PAIR) as trades:
        await other.order_market_sell(symbol=PAIR, quantity=0.01)
        seen["heard"] = [(await user.recv())["e"] for _ in range(4)]
        seen["traded"] = (await trades.recv())["e"]
    async with sockets.depth_socket(PAIR, depth="5") as depth:
        seen["levels"] = len((await depth.recv())["bids"])
    await other.close_connection()


asyncio.run(listen())
print(json.dumps(seen))
