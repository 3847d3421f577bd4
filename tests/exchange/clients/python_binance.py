"""python-binance trades on the exchange of the address that is given; prints JSON."""

import json
import sys

from binance.client import Client
from binance.exceptions import BinanceAPIException

address = sys.argv[1]
client = Client("key-a", "secret-a", ping=False)
client.FUTURES_URL = f"http://{address}/fapi"

seen = {"symbols": [one["symbol"] for one in client.futures_exchange_info()["symbols"]]}
seen["leverage"] = client.futures_change_leverage(symbol="BTCUSDT", leverage=10)["leverage"]
bought = client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.02)
seen["bought"] = client.futures_get_order(symbol="BTCUSDT", orderId=bought["orderId"])["status"]
price = float(client.futures_symbol_ticker(symbol="BTCUSDT")["price"])
stop = client.futures_create_order(
    symbol="BTCUSDT",
    side="SELL",
    type="STOP_MARKET",
    quantity=0.02,
    triggerPrice=round(price * 0.9, 1),
    reduceOnly="true",
)
seen["stop"] = stop["algoStatus"]
limit = client.futures_create_order(
    symbol="BTCUSDT",
    side="SELL",
    type="LIMIT",
    timeInForce="GTC",
    quantity=0.02,
    price=round(price * 1.02, 1),
)
seen["open"] = len(client.futures_get_open_orders(symbol="BTCUSDT"))
seen["cancelled"] = client.futures_cancel_order(symbol="BTCUSDT", orderId=limit["orderId"])[
    "status"
]
seen["position"] = client.futures_position_information(symbol="BTCUSDT")[0]["positionAmt"]
seen["account"] = client.futures_account()["totalWalletBalance"]
seen["trades"] = len(client.futures_account_trades(symbol="BTCUSDT"))
seen["income"] = sorted({one["incomeType"] for one in client.futures_income_history()})
seen["candles"] = len(client.futures_klines(symbol="BTCUSDT", interval="1m", limit=5))
seen["key"] = bool(client.futures_stream_get_listen_key())
try:
    client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0)
except BinanceAPIException as refused:
    seen["refused"] = refused.code
client.futures_create_order(
    symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.02, reduceOnly="true"
)
print(json.dumps(seen))
