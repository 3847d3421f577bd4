"""Spot outlives its process to the last digit, and goes wrong by the same script as the futures."""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from commenda.exchange import Clock, House, Keeper, Server, administer, keeping
from commenda.exchange.refusals import Refused
from commenda.exchange.signing import Key
from commenda.exchange.sources import CandleSource, contract_of
from commenda.exchange.spot_market import SpotSource, listed_at_spot, pair_of
from commenda.exchange.spot_proof import unproved
from commenda.market import EndlessFeed

from .door import Hands
from .spotted import PAIR, Bazaar
from .test_keeping import HOW, START, feed, shown

D = Decimal
ACCOUNTS = ("anna", "ben")
STEPS = 200
__all__ = ["feed"]


def house_of(feed: EndlessFeed, hands: Hands) -> House:
    clock = Clock(int(START.timestamp() * 1000) - 300_000, 1.0, hands)
    pairs = [pair_of(one) for one in feed.instruments]
    spot = [listed_at_spot(one) for one in pairs], SpotSource(feed, "7 spot", pairs=pairs)
    futures = [contract_of(one) for one in feed.instruments]
    house = House(futures, CandleSource(feed), clock, 7, spot)
    house.catch_up(int(START.timestamp() * 1000))
    return house


def pay_in(house: House) -> None:
    for name in ACCOUNTS:
        key = {"account": name, "key": f"key-{name}", "secret": "secret", "deposit": "50000"}
        administer(house, "POST", "accounts", key)
        for asset, amount in (("USDT", "20000"), ("BTC", "0.3"), ("ETH", "4")):
            paid = {"account": name, "asset": asset, "amount": amount}
            administer(house, "POST", "transfers", paid | {"reference": f"{name}{asset}"})
    faults = ("fills_in_part", "filled_first", "expired_key", "duplicated", "delayed")
    rows = [{"kind": kind, "chance": 0.2, "milliseconds": 500} for kind in faults]
    administer(house, "PUT", "faults", {"faults": rows})


def step(house: House, hands: Hands, draw: random.Random) -> None:
    """Time passes, and somebody does something at spot, or moves money to it or from it."""
    hands.move(draw.choice([0.01, 0.3, 40.0, 900.0]))
    house.catch_up()
    name, symbol = draw.choice(ACCOUNTS), draw.choice(list(house.spot.contracts))
    of = house.spot.contracts[symbol]
    last = of.price(house.spot.books[symbol].last or 0)
    near = last * (1 + D(draw.randint(-40, 40)) / 10_000) // of.tick * of.tick
    lots = D(draw.randint(500, 6_000)) / last // of.lot * of.lot
    asked = {"symbol": symbol, "side": draw.choice(["BUY", "SELL"]), "quantity": lots}
    limit = {"price": near, "timeInForce": "GTC"}
    account = house.spot.account(name)
    path, what = "/api/v3/order", draw.random()
    if what < 0.25:
        call: tuple[str, str, dict[str, Any]] = ("POST", path, asked | {"type": "MARKET"})
    elif what < 0.5:
        call = "POST", path, asked | {"type": "LIMIT"} | limit
    elif what < 0.65:
        call = "POST", path, asked | {"type": "STOP_LOSS_LIMIT", "stopPrice": near} | limit
    elif what < 0.8 and account.open:
        order = draw.choice(list(account.open.values()))
        call = "DELETE", path, {"symbol": order.symbol, "orderId": order.id}
    elif what < 0.9:
        kind = draw.choice(["MAIN_UMFUTURE", "UMFUTURE_MAIN"])
        moved = {"type": kind, "asset": "USDT", "amount": draw.randint(1, 3_000)}
        call = "POST", "/sapi/v1/asset/transfer", moved
    else:
        call = "POST", "/api/v3/userDataStream", {}
    method, where, values = call
    spelt = {key: str(one) for key, one in values.items()}
    with suppress(Refused):
        house.do(method, where, house.account_at(where, name), spelt)


def test_spot_is_the_same_to_the_last_digit_after_any_kill(
    feed: EndlessFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """And all the while nothing is made or lost: what both wallets have is what was paid in, what
    was traded and its fees."""
    monkeypatch.setattr(keeping, "MOST", 3_000)
    hands, draw = Hands(START.timestamp()), random.Random(seed)
    house, keeper = house_of(feed, hands), Keeper(tmp_path / "kept")
    keeper.begin(house, HOW)
    pay_in(house)
    kills = sorted(random.Random(seed).sample(range(STEPS), 3))
    for number in range(STEPS):
        step(house, hands, draw)
        assert unproved(house.spot) == []
        if number not in kills:
            continue
        left = tmp_path / f"left-{number}"
        shutil.copytree(tmp_path / "kept", left)
        other, found = house_of(feed, hands), Keeper(left)
        found.go_on(other)
        other.catch_up(house.reached)
        assert shown(other.kept()) == shown(house.kept())
    paid = 2 * (20_000 + 50_000)
    futures = sum(house.exchange.account(name).wallet for name in ACCOUNTS)
    assert futures + house.spot.paid_in["USDT"] == paid
    assert sum(len(one.trades) for one in house.spot.accounts.values()) > 20
    assert keeper.number > 1, "snapshots were written meanwhile"


def test_an_exchange_that_was_kept_before_there_was_spot_goes_on(
    feed: EndlessFeed, tmp_path: Path
) -> None:
    hands = Hands(START.timestamp())
    house = house_of(feed, hands)
    kept = house.kept()
    old = {name: one for name, one in kept.items() if not name.startswith("spot")}
    other = house_of(feed, hands)
    other.restore(old)
    assert shown(other.kept()["exchange"]) == shown(kept["exchange"])
    assert other.spot.accounts == {}


# --- where the market comes from -----------------------------------------------------------------


def test_spots_price_is_near_the_futures_and_not_the_same(feed: EndlessFeed) -> None:
    """At most five in 10,000 off, and a tick; again from the same seed, otherwise from another."""
    pairs = [pair_of(one) for one in feed.instruments]
    one, again, other = (SpotSource(feed, seed, pairs=pairs) for seed in (7, 7, 8))
    begin = int(START.timestamp())
    rows = [source.candles(PAIR, begin, begin + 86_400) for source in (one, again, other)]
    futures = CandleSource(feed).candles(PAIR, begin, begin + 86_400)
    assert len(futures) == 289
    assert rows[0] == rows[1] != rows[2]
    parts = [a.close / b.close - 1 for a, b in zip(rows[0], futures, strict=True)]
    assert max(map(abs, parts)) <= 0.0005
    assert len({round(part, 7) for part in parts}) > 100
    jumps = [abs(a - b) for a, b in pairwise(parts)]
    assert max(jumps) < 0.001 / 96 + 1e-9  # from one end to the other in eight hours


# --- what goes wrong on purpose ------------------------------------------------------------------


def test_an_order_fills_in_part_where_that_is_set(seed: int) -> None:
    bazaar = Bazaar("anna")
    bazaar.show([("99", "5")], [("101", "5")])
    bazaar.house.script.set([{"kind": "fills_in_part"}])
    done = bazaar.order("anna", "BUY", "MARKET", quantity="2")
    assert (done["status"], done["executedQty"]) == ("EXPIRED", "1.00000000")
    assert bazaar.had("anna") == {"BTC": (D("10.999"), 0), "USDT": (899, 0)}


def test_an_order_is_filled_while_its_cancellation_is_on_the_way() -> None:
    bazaar = Bazaar("anna")
    order = bazaar.order("anna", "BUY", "LIMIT", quantity="1", price="99")["orderId"]
    bazaar.house.script.set([{"kind": "filled_first", "matches": "/api/v3"}])
    with suppress(Refused):  # all of it, or half of it
        bazaar.do("anna", "DELETE", "order", symbol=PAIR, orderId=order)
    seen = bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=order)
    assert (seen["status"], D(seen["executedQty"])) in [("FILLED", 1), ("CANCELED", D("0.5"))]
    assert unproved(bazaar.spot) == []


def test_a_stop_that_waits_is_not_filled_by_its_cancellation() -> None:
    bazaar = Bazaar("anna")
    asked = {"quantity": "1", "price": "97", "stopPrice": "98"}
    order = bazaar.order("anna", "SELL", "STOP_LOSS_LIMIT", **asked)["orderId"]
    bazaar.house.script.set([{"kind": "filled_first"}])
    done = bazaar.do("anna", "DELETE", "order", symbol=PAIR, orderId=order)
    assert (done["status"], done["executedQty"]) == ("CANCELED", "0.00000000")


def test_late_trades_and_young_orders_are_not_shown() -> None:
    bazaar = Bazaar("anna")
    bazaar.show([], [("101", "5")])
    order = bazaar.order("anna", "BUY", "MARKET", quantity="1")["orderId"]
    bazaar.house.script.set([
        {"kind": "late_trades", "milliseconds": 2_000, "times": 1},
        {"kind": "not_shown", "milliseconds": 2_000, "times": 1},
    ])  # fmt: skip
    assert bazaar.do("anna", "GET", "myTrades", symbol=PAIR) == []
    with pytest.raises(Refused, match="-2013"):
        bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=order)
    assert len(bazaar.do("anna", "GET", "myTrades", symbol=PAIR)) == 1
    assert bazaar.do("anna", "GET", "order", symbol=PAIR, orderId=order)["status"] == "FILLED"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("maintenance", 503, -1000), ("not_done", 503, -1001), ("limited", 429, -1003)],
)
def test_requests_to_spot_fail_as_those_to_the_futures_do(
    kind: str, status: int, code: int
) -> None:
    bazaar = Bazaar("anna")
    bazaar.house.keys["key"] = Key("anna", "key", "secret")
    server = Server(bazaar.house)
    bazaar.house.script.set([{"kind": kind, "matches": "/api/v3/time"}])
    answer = server.respond("GET", "/api/v3/time", {}, "", "")
    assert answer is not None
    assert (answer.status, answer.body["code"]) == (status, code)
    assert server.respond("GET", "/fapi/v1/time", {}, "", "").status == 200  # type: ignore[union-attr]


def test_weights_and_orders_are_counted_apart_from_the_futures() -> None:
    server = Server(Bazaar("anna").house)
    answer = server.respond("GET", "/api/v3/exchangeInfo", {}, "", "")
    assert answer is not None
    assert answer.headers == {
        "X-MBX-USED-WEIGHT-1M": "20", "X-MBX-ORDER-COUNT-10S": "0", "X-MBX-ORDER-COUNT-1D": "0"
    }  # fmt: skip
    assert server.weight.used == 0


def test_a_pair_that_is_closed_ends_its_orders_and_gives_back_what_they_locked() -> None:
    bazaar = Bazaar("anna")
    bazaar.order("anna", "BUY", "LIMIT", quantity="1", price="99")
    asked = {"symbol": PAIR, "status": "BREAK", "spot": True}
    administer(bazaar.house, "POST", "status", asked)
    assert bazaar.had("anna")["USDT"] == (1_000, 0)
    with pytest.raises(Refused, match="Market is closed"):
        bazaar.order("anna", "BUY", "LIMIT", quantity="1", price="99")
    assert bazaar.house.exchange.contracts[PAIR].status == "TRADING"


def test_a_stream_at_spot_can_be_ended() -> None:
    """Its listenKey expires; who subscribed over the WebSocket API is told, and hears no more."""
    bazaar = Bazaar("anna")
    heard: list[str] = []
    bazaar.house.listeners["spot anna"].add(lambda _, told: heard.append(told["e"]))
    bazaar.told.clear()
    administer(bazaar.house, "POST", "expire-key", {"account": "anna", "spot": True})
    bazaar.order("anna", "BUY", "LIMIT", quantity="1", price="99")
    assert heard == ["eventStreamTerminated"]
    assert [told["e"] for _, told in bazaar.told] == ["listenKeyExpired"]


# --- between the wallets -------------------------------------------------------------------------


def test_money_moves_between_the_two_wallets_of_an_account() -> None:
    bazaar = Bazaar("anna")
    house = bazaar.house
    account = house.exchange.account("anna")

    def move(kind: str, amount: str) -> Any:
        asked = {"type": kind, "asset": "USDT", "amount": amount}
        return house.do("POST", "/sapi/v1/asset/transfer", account, asked)

    move("MAIN_UMFUTURE", "400")
    assert (account.wallet, bazaar.had("anna")["USDT"][0]) == (400, 600)
    move("UMFUTURE_MAIN", "150")
    assert (account.wallet, bazaar.had("anna")["USDT"][0]) == (250, 750)
    for kind, amount in (("MAIN_UMFUTURE", "750.01"), ("UMFUTURE_MAIN", "250.01")):
        with pytest.raises(Refused, match="-2018"):
            move(kind, amount)
    assert (account.wallet, bazaar.had("anna")["USDT"][0]) == (250, 750)
    asked = {"fromAccountType": "SPOT", "toAccountType": "USDT_FUTURE", "asset": "USDT"}
    asked |= {"amount": "50", "clientTranId": "once"}
    house.do("POST", "/sapi/v1/sub-account/universalTransfer", account, asked)
    with pytest.raises(Refused, match="-4111"):
        house.do("POST", "/sapi/v1/sub-account/universalTransfer", account, asked)
    assert (account.wallet, bazaar.had("anna")["USDT"][0]) == (300, 700)
    assert unproved(bazaar.spot) == []
