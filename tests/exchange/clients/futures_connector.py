"""binance-futures-connector trades on the exchange of the address that is given; prints JSON."""

import json
import sys
import time

from binance.error import ClientError
from binance.um_futures import UMFutures
from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient

address = sys.argv[1]
client = UMFutures(key="key-a", secret="secret-a", base_url=f"http://{address}")
seen = {"symbols": [one["symbol"] for one in client.exchange_info()["symbols"]]}
seen["leverage"] = client.change_leverage(symbol="BTCUSDT", leverage=10)["leverage"]
try:
    client.change_position_mode(dualSidePosition="false")
except ClientError as refused:
    seen["mode"] = refused.error_code

heard = []
key = client.new_listen_key()["listenKey"]
socket = UMFuturesWebsocketClient(
    stream_url=f"ws://{address}", on_message=lambda _, text: heard.append(json.loads(text))
)
socket.user_data(listen_key=key, id=1)
time.sleep(2)
bought = client.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.02)
seen["bought"] = client.query_order(symbol="BTCUSDT", orderId=bought["orderId"])["status"]
price = float(client.ticker_price(symbol="BTCUSDT")["price"])
limit = client.new_order(
    symbol="BTCUSDT",
    side="SELL",
    type="LIMIT",
    timeInForce="GTC",
    quantity=0.02,
    price=round(price * 1.02, 1),
)
seen["open"] = len(client.get_orders(symbol="BTCUSDT"))
seen["cancelled"] = client.cancel_order(symbol="BTCUSDT", orderId=limit["orderId"])["status"]
seen["position"] = client.get_position_risk(symbol="BTCUSDT")[0]["positionAmt"]
seen["account"] = client.account()["totalWalletBalance"]
seen["trades"] = len(client.get_account_trades(symbol="BTCUSDT"))
seen["income"] = sorted({one["incomeType"] for one in client.get_income_history()})
seen["candles"] = len(client.klines(symbol="BTCUSDT", interval="1m", limit=5))
client.new_order(symbol="BTCUSDT", side="SELL", type="MARKET", quantity=0.02, reduceOnly="true")
time.sleep(2)
socket.stop()
seen["heard"] = sorted({one["e"] for one in heard if "e" in one})
print(json.dumps(seen))
