"""Spot in the simulator: what orders lock, what fills move, who trades first, what is refused.

Figures are worked out by hand: a fee is a thousandth of what a trade brings.
"""

from __future__ import annotations

import random
from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from commenda.exchange.refusals import Refused
from commenda.exchange.spot_proof import unproved

from .spotted import PAIR, Bazaar

D = Decimal
BOOK = [("99.99", "1"), ("99.00", "2")], [("100.01", "1"), ("101.00", "2")]


@pytest.fixture
def bazaar() -> Bazaar:
    found = Bazaar("anna", "ben")
    found.show(*BOOK)
    return found


def refused(bazaar: Bazaar, side: str, kind: str, **values: Any) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        bazaar.order("anna", side, kind, **values)
    return caught.value.code, caught.value.words


# --- fills and fees ------------------------------------------------------------------------------


def test_a_purchase_pays_its_fee_in_what_was_bought(bazaar: Bazaar) -> None:
    """0.5 BTC at 100.01: 50.005 USDT, and 0.0005 BTC of fee."""
    done = bazaar.order("anna", "BUY", "MARKET", quantity="0.5")
    assert (done["status"], done["cummulativeQuoteQty"]) == ("FILLED", "50.00500000")
    (fill,) = done["fills"]
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00050000", "BTC")
    assert bazaar.had("anna") == {"BTC": (D("10.4995"), 0), "USDT": (D("949.995"), 0)}


def test_a_sale_pays_its_fee_in_what_it_was_sold_for(bazaar: Bazaar) -> None:
    """1 at 99.99 and 0.5 at 99.00: 149.49 USDT, less 0.09999 and 0.0495."""
    done = bazaar.order("anna", "SELL", "MARKET", quantity="1.5")
    assert [one["commission"] for one in done["fills"]] == ["0.09999000", "0.04950000"]
    assert bazaar.had("anna") == {"BTC": (D("8.5"), 0), "USDT": (D("1149.34051"), 0)}


def test_a_fee_is_cut_off_after_eight_decimals() -> None:
    """0.00007 · 99.99 · 0.00075 is 0.00000524947…: 0.00000524 are charged."""
    from .spotted import pair

    bazaar = Bazaar("anna", of=pair("0.00075", "0.00075"))
    bazaar.of.minimum_notional = D("0.001")
    bazaar.show(*BOOK)
    done = bazaar.order("anna", "SELL", "MARKET", quantity="0.00007")
    assert done["fills"][0]["commission"] == "0.00000524"
    assert bazaar.had("anna")["USDT"][0] == D(1000) + D("0.0069993") - D("0.00000524")


def test_an_order_by_worth_buys_whole_lots_of_it(bazaar: Bazaar) -> None:
    """150 USDT: 1 for 100.01, and of the 49.99 that are left 0.49495 at 101.00."""
    done = bazaar.order("anna", "BUY", "MARKET", quoteOrderQty="150")
    assert (done["executedQty"], done["origQuoteOrderQty"]) == ("1.49495000", "150.00000000")
    assert done["cummulativeQuoteQty"] == "149.99995000"
    assert bazaar.had("anna")["USDT"] == (D(1000) - D("149.99995"), 0)


def test_a_better_price_gives_back_what_was_locked_for_a_worse_one(bazaar: Bazaar) -> None:
    """2 at no more than 102: 1 at 100.01, 1 at 101.00."""
    done = bazaar.order("anna", "BUY", "LIMIT", quantity="2", price="102")
    assert done["status"] == "FILLED"
    assert bazaar.had("anna") == {"BTC": (D("11.998"), 0), "USDT": (D("798.99"), 0)}


# --- locking -------------------------------------------------------------------------------------


def test_a_bid_locks_what_it_would_cost_and_an_offer_what_it_would_give(bazaar: Bazaar) -> None:
    bid = bazaar.order("anna", "BUY", "LIMIT", quantity="2", price="90")
    bazaar.order("anna", "SELL", "LIMIT", quantity="3", price="110")
    assert bazaar.had("anna") == {"BTC": (7, 3), "USDT": (820, 180)}
    assert refused(bazaar, "BUY", "LIMIT", quantity="10", price="82.01") == (
        -2010, "Account has insufficient balance for requested action."
    )  # fmt: skip
    bazaar.print(D(90), D(5), bought=False)  # what is before it at 90.00 is nothing
    assert bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=bid["orderId"])["isWorking"]
    assert bazaar.had("anna") == {"BTC": (D("8.998"), 3), "USDT": (820, 0)}
    bazaar.do("anna", "DELETE", "openOrders", symbol=PAIR)
    assert bazaar.had("anna") == {"BTC": (D("11.998"), 0), "USDT": (820, 0)}


def test_what_is_locked_is_what_is_left(bazaar: Bazaar) -> None:
    """Of 2 at 100.01 one is there; the other locks 100.01 and rests."""
    done = bazaar.order("anna", "BUY", "LIMIT", quantity="2", price="100.01")
    assert (done["status"], done["executedQty"]) == ("PARTIALLY_FILLED", "1.00000000")
    assert bazaar.had("anna")["USDT"] == (D("799.98"), D("100.01"))


@pytest.mark.parametrize(
    ("tif", "status", "filled"),
    [("IOC", "EXPIRED", "1.00000000"), ("FOK", "EXPIRED", "0.00000000")],
)
def test_what_may_not_rest_ends(bazaar: Bazaar, tif: str, status: str, filled: str) -> None:
    done = bazaar.order("anna", "BUY", "LIMIT", quantity="2", price="100.01", timeInForce=tif)
    assert (done["status"], done["executedQty"]) == (status, filled)
    assert bazaar.had("anna")["USDT"][1] == 0


# --- priority ------------------------------------------------------------------------------------


def test_a_better_price_and_then_the_earlier_order_trades_first(bazaar: Bazaar) -> None:
    """Ben offers before Anna at 100.00, and then again at less: 1 is bought, then 1 more."""
    bazaar.show([], [])
    first = bazaar.order("ben", "SELL", "LIMIT", quantity="1", price="100")["orderId"]
    second = bazaar.order("anna", "SELL", "LIMIT", quantity="1", price="100")["orderId"]
    best = bazaar.order("ben", "SELL", "LIMIT", quantity="0.5", price="99.5")["orderId"]
    bazaar.house.spot.transfer(bazaar.spot.account("cara"), "USDT", D(500), "cara")
    done = bazaar.order("cara", "BUY", "MARKET", quantity="2")
    assert [(D(one["price"]), D(one["qty"])) for one in done["fills"]] == [
        (D("99.5"), D("0.5")), (D(100), D(1)), (D(100), D("0.5"))
    ]  # fmt: skip
    left = {
        number: bazaar.do(name, "GET", "order", symbol=PAIR, orderId=number)["executedQty"]
        for name, number in (("ben", first), ("anna", second), ("ben", best))
    }
    assert list(left.values()) == ["1.00000000", "0.50000000", "0.50000000"]
    assert unproved(bazaar.spot) == []


def test_an_order_waits_behind_what_the_market_shows_at_its_price(bazaar: Bazaar) -> None:
    """1 is shown at 100.01 before 0.4 of Anna's: 1.3 that are bought there reach 0.3 of hers."""
    offer = bazaar.order("anna", "SELL", "LIMIT", quantity="0.4", price="100.01")["orderId"]
    bazaar.print(D("100.01"), D("1.3"))
    found = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=offer)
    assert found["executedQty"] == "0.30000000"


def test_who_would_trade_with_himself_loses_the_order_that_rests(bazaar: Bazaar) -> None:
    offer = bazaar.order("anna", "SELL", "LIMIT", quantity="1", price="100.005"[:6])
    bazaar.show([], [("100.5", "5")])
    done = bazaar.order("anna", "BUY", "MARKET", quantity="1")
    assert [one["price"] for one in done["fills"]] == ["100.50000000"]
    found = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=offer["orderId"])
    assert found["status"] == "EXPIRED_IN_MATCH"
    assert bazaar.had("anna") == {"BTC": (D("10.999"), 0), "USDT": (D("899.5"), 0)}


# --- candles that are told -----------------------------------------------------------------------


def test_longer_candles_are_told_as_they_stand_and_once_they_are_over() -> None:
    """A trade a minute, at 100, 103, 99, 101, 104 and 102, of 1, 2, … BTC; three minutes each."""
    bazaar = Bazaar()
    told: list[dict[str, Any]] = []
    bazaar.house.listeners["spot btcusdt@kline_3m"].add(lambda _, one: told.append(one["k"]))
    begin = bazaar.spot.now // 180_000 * 180_000 + 180_000
    for minute, price in enumerate((100, 103, 99, 101, 104, 102)):
        bazaar.spot.wait(begin + minute * 60_000)
        bazaar.print(D(price), D(minute + 1))
    over = [one for one in told if one["x"]]
    assert over[-1]["t"] == begin
    shown = [D(over[-1][name]) for name in ("o", "h", "l", "c", "v")]
    assert shown == [100, 103, 99, 99, 6]
    assert [D(told[-1][name]) for name in ("o", "h", "l", "c", "v")] == [101, 104, 101, 102, 15]
    assert (told[-1]["x"], told[-1]["T"]) == (False, begin + 360_000 - 1)


# --- orders that wait ----------------------------------------------------------------------------


def test_a_stop_waits_for_its_price_and_then_rests_at_its_limit(bazaar: Bazaar) -> None:
    asked = {"quantity": "1", "price": "97", "stopPrice": "98"}
    stop = bazaar.order("anna", "SELL", "STOP_LOSS_LIMIT", **asked)
    assert "workingTime" not in stop
    assert bazaar.had("anna")["BTC"] == (9, 1)
    seen = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=stop["orderId"])
    assert (seen["isWorking"], seen["stopPrice"]) == (False, "98.00000000")
    bazaar.show([("97.50", "0.4")], [])
    bazaar.print(D("98.01"), D("0.1"), bought=False)
    assert bazaar.had("anna")["BTC"] == (9, 1)
    bazaar.print(D(98), D("0.1"), bought=False)
    seen = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=stop["orderId"])
    assert (seen["status"], seen["executedQty"]) == ("PARTIALLY_FILLED", "0.40000000")
    assert bazaar.had("anna") == {"BTC": (9, D("0.6")), "USDT": (D("1038.961"), 0)}


def test_a_take_profit_sells_in_the_market_once_the_price_is_there(bazaar: Bazaar) -> None:
    order = bazaar.order("anna", "SELL", "TAKE_PROFIT", quantity="1", stopPrice="105")
    bazaar.show([("104.9", "2")], [])
    bazaar.print(D(105), D("0.1"))
    seen = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=order["orderId"])
    assert (seen["status"], seen["cummulativeQuoteQty"]) == ("FILLED", "104.90000000")


def test_a_bid_without_a_limit_that_costs_more_than_there_is_expires(bazaar: Bazaar) -> None:
    """9 at 110 lock 990 of 1,000; the book asks 112 then, which is 1,008."""
    order = bazaar.order("anna", "BUY", "STOP_LOSS", quantity="9", stopPrice="110")
    assert bazaar.had("anna")["USDT"] == (10, 990)
    bazaar.show([], [("112", "50")])
    bazaar.print(D(110), D("0.1"))
    seen = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=order["orderId"])
    assert seen["status"] == "EXPIRED"
    assert bazaar.had("anna")["USDT"] == (1000, 0)


@pytest.mark.parametrize(
    ("side", "kind", "stop"),
    [
        ("SELL", "STOP_LOSS", "100"), ("BUY", "STOP_LOSS", "100"),
        ("SELL", "TAKE_PROFIT", "100"), ("BUY", "TAKE_PROFIT", "100"),
    ],
)  # fmt: skip
def test_a_price_that_is_there_already_is_nothing_to_wait_for(
    bazaar: Bazaar, side: str, kind: str, stop: str
) -> None:
    found = refused(bazaar, side, kind, quantity="1", stopPrice=stop)
    assert found == (-2010, "Stop price would trigger immediately.")


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "values", "code", "words"),
    [
        ("BUY", "LIMIT", {"quantity": "1", "price": "90.001"}, -1013,
         "Filter failure: PRICE_FILTER"),
        ("BUY", "LIMIT", {"quantity": "1", "price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
        ("BUY", "LIMIT", {"quantity": "0.000001", "price": "90"}, -1013,
         "Filter failure: LOT_SIZE"),
        ("BUY", "LIMIT", {"quantity": "0", "price": "90"}, -1013, "Filter failure: LOT_SIZE"),
        ("BUY", "LIMIT", {"quantity": "0.05", "price": "99.99"}, -1013, "Filter failure: NOTIONAL"),
        ("BUY", "MARKET", {"quantity": "0.01"}, -1013, "Filter failure: NOTIONAL"),
        ("BUY", "MARKET", {"quoteOrderQty": "4.99"}, -1013, "Filter failure: NOTIONAL"),
        ("BUY", "LIMIT", {"quantity": "1", "price": "500.01"}, -1013,
         "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ("SELL", "LIMIT", {"quantity": "1", "price": "19.99"}, -1013,
         "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ("BUY", "LIMIT_MAKER", {"quantity": "1", "price": "100.01"}, -2010,
         "Order would immediately match and take."),
        ("SELL", "MARKET", {"quantity": "10.00001"}, -2010,
         "Account has insufficient balance for requested action."),
        ("BUY", "MARKET", {"quantity": "1", "quoteOrderQty": "10"}, -1128,
         "Combination of optional parameters invalid."),
        ("BUY", "MARKET", {"quantity": "1", "price": "10"}, -1106,
         "Parameter 'price' sent when not required."),
        ("BUY", "MARKET", {"quantity": "1", "newClientOrderId": "not this!"}, -1100,
         "Illegal characters found in parameter 'newClientOrderId'; legal range is"
         " '^[.A-Z:/a-z0-9_-]{1,36}$'."),
        ("BUY", "STOP_LOSS", {"quantity": "1"}, -1102,
         "Mandatory parameter 'stopprice' was not sent, was empty/null, or malformed."),
        ("BUY", "MARKET", {}, -1102,
         "Mandatory parameter 'quantity' was not sent, was empty/null, or malformed."),
        ("BUY", "OCO", {"quantity": "1"}, -1116, "Invalid orderType."),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_in_the_exchanges_words(
    bazaar: Bazaar, side: str, kind: str, values: dict[str, str], code: int, words: str
) -> None:
    before = bazaar.had("anna")
    assert refused(bazaar, side, kind, **values) == (code, words)
    assert bazaar.had("anna") == before


def test_five_stops_wait_for_a_price_and_no_more(bazaar: Bazaar) -> None:
    for number in range(5):
        bazaar.order("anna", "SELL", "STOP_LOSS", quantity="1", stopPrice=str(90 + number))
    found = refused(bazaar, "SELL", "STOP_LOSS", quantity="1", stopPrice="80")
    assert found == (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS")


def test_what_is_asked_of_the_answer_is_read_before_the_order_is_taken(bazaar: Bazaar) -> None:
    found = refused(bazaar, "BUY", "MARKET", quantity="1", newOrderRespType="SOME")
    assert found[0] == -1130
    assert bazaar.do("anna", "GET", "allOrders", symbol=PAIR) == []


def test_an_order_may_be_tried_without_being_placed(bazaar: Bazaar) -> None:
    asked = {"symbol": PAIR, "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert bazaar.do("anna", "POST", "order/test", **asked) == {}
    found = bazaar.do("anna", "POST", "order/test", computeCommissionRates="true", **asked)
    assert found["standardCommissionForOrder"]["taker"] == "0.00100000"
    assert bazaar.do("anna", "GET", "allOrders", symbol=PAIR) == []


# --- one order in place of another ---------------------------------------------------------------


def replace(bazaar: Bazaar, mode: str, cancel: Any, **values: Any) -> Any:
    asked = {"symbol": PAIR, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    asked |= {"cancelReplaceMode": mode, "cancelOrderId": cancel}
    return bazaar.do("anna", "POST", "order/cancelReplace", **(asked | values))


def test_an_order_takes_the_place_and_the_money_of_another(bazaar: Bazaar) -> None:
    old = bazaar.order("anna", "BUY", "LIMIT", quantity="10", price="90")["orderId"]
    done = replace(bazaar, "STOP_ON_FAILURE", old, quantity="10", price="95")
    assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert done["cancelResponse"]["status"] == "CANCELED"
    assert bazaar.had("anna")["USDT"] == (50, 950)


@pytest.mark.parametrize(
    ("mode", "cancels", "price", "code", "status", "results"),
    [
        ("STOP_ON_FAILURE", False, "95", -2022, 400, ("FAILURE", "NOT_ATTEMPTED")),
        ("ALLOW_FAILURE", False, "95", -2021, 409, ("FAILURE", "SUCCESS")),
        ("ALLOW_FAILURE", False, "200", -2022, 400, ("FAILURE", "FAILURE")),
        ("STOP_ON_FAILURE", True, "200", -2021, 409, ("SUCCESS", "FAILURE")),
    ],
)
def test_what_came_of_both_halves_is_told(
    bazaar: Bazaar, mode: str, cancels: bool, price: str, code: int, status: int, results: Any
) -> None:
    old = bazaar.order("anna", "BUY", "LIMIT", quantity="1", price="90")["orderId"]
    with pytest.raises(Refused) as caught:
        replace(bazaar, mode, old if cancels else 999_999, quantity="8", price=price)
    found = caught.value
    assert (found.code, found.status) == (code, status)
    assert (found.data["cancelResult"], found.data["newOrderResult"]) == results
    open_now = bazaar.do("anna", "GET", "openOrders", symbol=PAIR)
    assert len(open_now) == (not cancels) + (results[1] == "SUCCESS")
    assert unproved(bazaar.spot) == []


# --- an account by the book ----------------------------------------------------------------------


class Bookkeeper:
    """An account's money by what its stream tells, in arithmetic of its own: only what was paid in,
    each trade, and the terms of what is open."""

    def __init__(self) -> None:
        self.had = {"BTC": D(10), "USDT": D(1000)}
        self.open: dict[int, dict[str, Any]] = {}

    def hear(self, told: dict[str, Any]) -> None:
        if told["e"] != "executionReport":
            return
        if told["x"] == "TRADE":
            quantity, price = D(told["l"]), D(told["L"])
            if told["S"] == "BUY":
                fee, asset = (quantity / 1000).quantize(D("1e-8"), ROUND_DOWN), "BTC"
                self.had["BTC"] += quantity - fee
                self.had["USDT"] -= quantity * price
            else:
                fee, asset = (quantity * price / 1000).quantize(D("1e-8"), ROUND_DOWN), "USDT"
                self.had["BTC"] -= quantity
                self.had["USDT"] += quantity * price - fee
            assert (D(told["n"]), told["N"]) == (fee, asset)
        if told["X"] in ("NEW", "PARTIALLY_FILLED"):
            self.open[told["i"]] = told
        else:
            self.open.pop(told["i"], None)

    def balances(self) -> dict[str, tuple[Decimal, Decimal]]:
        locked = {"BTC": D(0), "USDT": D(0)}
        for told in self.open.values():
            left = D(told["q"]) - D(told["z"])
            if told["S"] == "SELL":
                locked["BTC"] += left
            else:
                locked["USDT"] += left * (D(told["p"]) or D(told["P"]))
        return {asset: (had - locked[asset], locked[asset]) for asset, had in self.had.items()}


def someone_does_something(bazaar: Bazaar, draw: random.Random) -> None:
    name, side = draw.choice(["anna", "ben"]), draw.choice(["BUY", "SELL"])
    last = bazaar.spot.books[PAIR].last or 0
    near = D(last + draw.randint(-80, 80)) / 100
    asked: dict[str, Any] = {"quantity": D(draw.randint(5_000, 400_000)) / 100_000}
    kind = draw.choice(
        ["MARKET", "MARKET", "LIMIT", "LIMIT", "LIMIT", "LIMIT_MAKER", "STOP_LOSS",
         "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
    )  # fmt: skip
    if "LIMIT" in kind:
        asked["price"] = near
    if kind == "LIMIT":
        asked["timeInForce"] = draw.choice(["GTC", "GTC", "IOC", "FOK"])
    if kind not in ("MARKET", "LIMIT", "LIMIT_MAKER"):
        asked["stopPrice"] = D(last + draw.randint(-60, 60)) / 100
    if kind == "MARKET" and draw.random() < 0.5:
        asked = {"quoteOrderQty": D(draw.randint(500, 40_000)) / 100}
    asked["selfTradePreventionMode"] = draw.choice(
        ["EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "NONE"]
    )
    open_now = list(bazaar.spot.account(name).open)
    what = draw.random()
    if what < 0.55:
        bazaar.order(name, side, kind, **asked)
    elif what < 0.65 and open_now:
        bazaar.do(name, "DELETE", "order", symbol=PAIR, orderId=draw.choice(open_now))
    elif what < 0.7 and open_now:
        mode = draw.choice(["STOP_ON_FAILURE", "ALLOW_FAILURE"])
        replaced = {"symbol": PAIR, "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        replaced |= {"quantity": "1", "price": near, "cancelReplaceMode": mode}
        cancelled = draw.choice([*open_now, 1])
        bazaar.do(name, "POST", "order/cancelReplace", cancelOrderId=cancelled, **replaced)
    elif what < 0.85:
        lots = D(draw.randint(1, 200_000)) / 100_000
        bazaar.print(D(last + draw.randint(-30, 30)) / 100, lots, bought=draw.random() < 0.5)
    else:
        middle = last + draw.randint(-20, 20)
        bids, asks = (
            [(str(D(middle + sign * (5 + 9 * n)) / 100), str(draw.randint(1, 9) / 10))
             for n in range(6)]
            for sign in (-1, 1)
        )  # fmt: skip
        bazaar.show(bids, asks)


def test_balances_are_those_of_an_independent_bookkeeper_to_the_last_digit(seed: int) -> None:
    """Whatever two customers do in any market; and nothing is made or lost, and nothing locked that
    no order needs."""
    draw, bazaar = random.Random(seed), Bazaar("anna", "ben")
    keepers = {"anna": Bookkeeper(), "ben": Bookkeeper()}
    met, refusals = 0, set()
    for _ in range(600):
        try:
            someone_does_something(bazaar, draw)
        except Refused as refusal:
            refusals.add(refusal.code)
        for name, told in bazaar.told:
            keepers[name].hear(told)
            met += told["e"] == "executionReport" and told["x"] == "TRADE"
        bazaar.told.clear()
        assert unproved(bazaar.spot) == []
        for name, keeper in keepers.items():
            assert bazaar.had(name) == keeper.balances()
    assert refusals <= {-2010, -2011, -1013, -2021, -2022}
    assert met > 50, "hardly anything was traded"
    fills = [one for account in bazaar.spot.accounts.values() for one in account.trades]
    for asset, side in (("BTC", 1), ("USDT", -1)):
        assert sum((one.fee for one in fills if one.side == side), D(0)) == bazaar.spot.fees[asset]


def test_money_that_is_not_there_is_found(bazaar: Bazaar) -> None:
    bazaar.order("anna", "SELL", "LIMIT", quantity="1", price="110")
    bazaar.spot.account("anna").balances["BTC"].locked -= D("0.5")
    assert unproved(bazaar.spot) == [
        "19.50000000 BTC are there, and 20.00000000 were paid in",
        "anna locks 0.50000 BTC for 1.00000",
    ]
