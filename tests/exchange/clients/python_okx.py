"""python-okx, OKX's own, trades on the exchange of the address that is given; prints JSON. Its
stream takes no address without TLS."""

import json
import sys

from okx import Account, MarketData, PublicData, Trade

address = sys.argv[1]
BTC = "BTC-USDT-SWAP"
who = ("key-a", "secret-a", "words-a")
where = {"flag": "0", "domain": f"http://{address}"}
public, prices = PublicData.PublicAPI(**where), MarketData.MarketAPI(**where)
account, trade = Account.AccountAPI(*who, **where), Trade.TradeAPI(*who, **where)


def one(told):
    """What was done, or the number of what is wrong with it."""
    row = told["data"][0] if told["data"] else {}
    return row if told["code"] == "0" else {"code": row.get("sCode", told["code"])}


contracts = public.get_instruments(instType="SWAP")["data"]
seen = {"contracts": [row["instId"] for row in contracts], "face": contracts[0]["ctVal"]}
settings = one(account.get_account_config())
seen["may"], seen["mode"] = settings["perm"], settings["posMode"]
seen["set"] = one(account.set_position_mode("net_mode"))["posMode"]
seen["leverage"] = one(account.set_leverage("10", "cross", instId=BTC))["lever"]

asked = {"instId": BTC, "tdMode": "cross"}
bought = one(trade.place_order(**asked, side="buy", ordType="market", sz="2", clOrdId="mine"))
seen["bought"] = one(trade.get_order(BTC, clOrdId="mine"))["state"]
price = float(one(prices.get_ticker(BTC))["last"])
stop = one(
    trade.place_algo_order(
        **asked,
        side="sell",
        ordType="conditional",
        sz="2",
        reduceOnly="true",
        algoClOrdId="stop",
        slTriggerPx=str(round(price * 0.9, 1)),
        slOrdPx="-1",
    )
)
seen["stop"] = one(trade.get_algo_order_details(algoClOrdId="stop"))["state"]
seen["ended"] = one(trade.cancel_algo_order([{"instId": BTC, "algoId": stop["algoId"]}])).get(
    "sCode"
)
limit = one(
    trade.place_order(
        **asked, side="sell", ordType="post_only", sz="2", px=str(round(price * 1.02, 1))
    )
)
amended = trade.amend_order(BTC, ordId=limit["ordId"], newSz="1.5")
seen["amended"] = one(amended).get("sCode")
(rests,) = trade.get_order_list(instType="SWAP", instId=BTC)["data"]
seen["rests"] = rests["sz"]
trade.cancel_order(BTC, ordId=limit["ordId"])
seen["cancelled"] = one(trade.get_order(BTC, ordId=limit["ordId"]))["state"]
seen["refused"] = [
    one(trade.cancel_order(BTC, ordId=limit["ordId"]))["code"],
    one(trade.place_order(**asked, side="buy", ordType="market", sz="0.05"))["code"],
]
(held,) = account.get_positions(instType="SWAP", instId=BTC)["data"]
seen["held"] = held["pos"]

trade.place_order(**asked, side="sell", ordType="market", sz="2", reduceOnly="true")
fills = trade.get_fills(instType="SWAP", instId=BTC)["data"]
seen["sold"] = sum(float(row["fillSz"]) for row in fills if row["side"] == "sell")
seen["bills"] = sorted({row["type"] for row in account.get_account_bills()["data"]})
seen["candles"] = len(prices.get_candlesticks(BTC, bar="1m", limit="5")["data"])
print(json.dumps(seen))
