"""What goes wrong on purpose goes wrong as at the exchange, and is the same again from its seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ccxt
import httpx2 as httpx
import pytest

from commenda.exchange.faults import FAULTS, Script

from .conftest import Served

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
ORDER = "POST /fapi/v1/order"


def script(served: Served, *faults: dict[str, Any]) -> dict[str, Any]:
    url = f"http://{served.address}/admin/faults"
    told = httpx.put(url, json={"faults": list(faults)}, headers={"X-Admin": "word"})
    assert told.status_code == 200
    found: dict[str, Any] = told.json()
    return found


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    """A customer, and no fault before or after."""
    script(served)
    made = served.client()
    made.load_markets()
    yield made
    script(served)


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        ({"kind": "lost_answer"}, ccxt.NetworkError, True),
        ({"kind": "unknown"}, ccxt.NetworkError, True),
        ({"kind": "not_done"}, ccxt.OperationFailed, False),
        ({"kind": "throttled"}, ccxt.ExchangeError, False),
        ({"kind": "clock"}, ccxt.InvalidNonce, False),
        ({"kind": "limited", "milliseconds": 2000}, ccxt.DDoSProtection, False),
        ({"kind": "banned", "milliseconds": 2000}, ccxt.DDoSProtection, False),
        ({"kind": "maintenance"}, ccxt.OperationFailed, False),
    ],
)
def test_an_order_that_got_no_good_answer(
    served: Served, client: Any, fault: dict[str, Any], error: type[Exception], done: bool
) -> None:
    """By its client id it is found, or was never there: what the caller must ask."""
    mine = f"mine-{fault['kind']}"
    script(served, {**fault, "matches": ORDER, "times": 1})
    with pytest.raises(error):
        client.create_order(BTC, "market", "buy", 0.01, None, {"newClientOrderId": mine})
    asked = {"symbol": "BTCUSDT", "origClientOrderId": mine}
    orders = client.fapiPrivateGetAllOrders({"symbol": "BTCUSDT"})
    assert len([one for one in orders if one["clientOrderId"] == mine]) == int(done)
    if done:
        assert client.fapiPrivateGetOrder(asked)["status"] == "FILLED"
    else:
        with pytest.raises(ccxt.OrderNotFound):
            client.fapiPrivateGetOrder(asked)


def test_what_only_reduces_is_not_throttled(served: Served, client: Any) -> None:
    client.create_order(BTC, "market", "buy", 0.01)
    script(served, {"kind": "throttled", "matches": ORDER})
    with pytest.raises(ccxt.ExchangeError, match="-1008"):
        client.create_order(BTC, "market", "buy", 0.01)
    assert client.create_order(BTC, "market", "sell", 0.01, None, {"reduceOnly": True})["id"]


def test_a_key_that_ran_out_is_told_and_a_new_one_hears_again(served: Served, client: Any) -> None:
    key = client.fapiPrivatePostListenKey()["listenKey"]
    assert client.fapiPrivatePostListenKey()["listenKey"] == key
    url = f"http://{served.address}/admin/expire-key"
    httpx.post(url, json={"account": "a"}, headers={"X-Admin": "word"})
    with pytest.raises(ccxt.ExchangeError, match="-1125"):
        client.fapiPrivatePutListenKey()
    assert client.fapiPrivatePostListenKey()["listenKey"] != key


def test_a_delisted_contract_settles_at_its_mark(served: Served, client: Any) -> None:
    client.create_order(ETH, "market", "buy", 0.1)
    url = f"http://{served.address}/admin/status"
    httpx.post(url, json={"symbol": "ETHUSDT"}, headers={"X-Admin": "word"})
    assert [one for one in client.fetch_positions([ETH]) if one["contracts"]] == []
    orders = client.fapiPrivateGetAllOrders({"symbol": "ETHUSDT"})
    assert orders[-1]["clientOrderId"].startswith("settlement_autoclose-")
    with pytest.raises(ccxt.ExchangeError, match="-4140"):
        client.create_order(ETH, "market", "buy", 0.1)


def test_the_administration_is_not_everybodys(served: Served) -> None:
    url = f"http://{served.address}/admin/faults"
    assert httpx.get(url).status_code == 403
    refused = httpx.put(url, json={"faults": [{"kind": "fire"}]}, headers={"X-Admin": "word"})
    assert refused.json()["code"] == "unknown_fault"


def test_a_seed_draws_the_same_chances() -> None:
    drawn = []
    for _ in range(2):
        one = Script(5)
        one.set([{"kind": kind, "chance": 0.3} for kind in FAULTS])
        drawn.append([bool(one.strike(kind, "x")) for _ in range(50) for kind in FAULTS])
    assert drawn[0] == drawn[1]
    assert 0.2 < sum(drawn[0]) / len(drawn[0]) < 0.4
