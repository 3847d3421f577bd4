"""What is asked wrongly, in each exchange's words, is refused and changes nothing."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from commenda.cli.exchange import _house, _key, _open
from commenda.exchange import Key, simulated_house
from commenda.exchange.house import House
from commenda.exchange.keeping import Keeper
from commenda.exchange.manners import manner_of
from commenda.exchange.refusals import Refused
from commenda.exchange.server import Server
from commenda.exchange.streams import ApiConnection

from .conftest import START

D = Decimal
ORDER = {"symbol": "BTCUSDT", "side": "BUY"}
SWAP = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "market"}
OWN, UNIVERSAL = "/sapi/v1/asset/transfer", "/sapi/v1/sub-account/universalTransfer"
BYBIT, OKX = "/v5/asset/transfer/inter-transfer", "/api/v5/asset/transfer"
TO_FUTURES = {"type": "MAIN_UMFUTURE", "asset": "USDT"}
FROM_FUNDING = {"from": "6", "to": "18", "ccy": "USDT"}
IN_WALLETS = {"asset": "USDT", "clientTranId": "one"}
IN_BYBIT = {"transferId": "one", "fromAccountType": "FUND", "toAccountType": "UNIFIED"}


@pytest.fixture(scope="module")
def house() -> House:
    made = simulated_house(["BTCUSDT"], seed=7, start=START, pace=0.0, spot=["BTCUSDT"])
    made.open_account(Key("desk", "key", "secret"), D(100))
    made.spot.transfer(made.spot.account("desk"), "USDT", D(50), "opening")
    return made


@pytest.mark.parametrize(
    ("path", "values", "name"),
    [
        ("/api/v3/order", ORDER | {"type": "MARKET", "quantity": "1e999999"}, "quantity"),
        ("/api/v3/order", ORDER | {"type": "MARKET", "quoteOrderQty": "1e999999"}, "quoteOrderQty"),
        ("/fapi/v1/order", ORDER | {"type": "MARKET", "quantity": "1e999999"}, "quantity"),
        ("/api/v5/trade/order", SWAP | {"sz": "1e999999"}, "sz"),
        ("/api/v5/trade/batch-orders", {"list": "one"}, "list"),
        ("/api/v5/trade/batch-orders", {"list": "[1]"}, "list"),
        ("/api/v5/trade/cancel-algos", {"list": "{}"}, "list"),
        (
            "/api/v5/account/set-leverage",
            {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "lever": "3.7"},
            "lever",
        ),
        (OWN, TO_FUTURES | {"amount": "-5"}, "amount"),
        (OWN, TO_FUTURES | {"amount": "1e999999"}, "amount"),
        (OWN, TO_FUTURES | {"amount": "0.000000009"}, "amount"),
        (UNIVERSAL, IN_WALLETS | {"fromAccountType": "SPOT", "amount": "-5"}, "amount"),
        (
            UNIVERSAL,
            IN_WALLETS | {"fromAccountType": "SPOT", "toAccountType": "SPOT", "amount": "5"},
            "toAccountType",
        ),
        (BYBIT, IN_BYBIT | {"amount": "-5"}, "amount"),
        (OKX, FROM_FUNDING | {"amt": "0.000000009"}, "amt"),
        (OKX, FROM_FUNDING | {"ccy": "BTC", "amt": "5"}, "ccy"),
    ],
)
def test_what_is_no_such_thing_is_refused_by_name_and_moves_nothing(
    house: House, path: str, values: dict[str, str], name: str
) -> None:
    futures, spot = house.exchange.account("desk"), house.spot.account("desk")
    with pytest.raises(Refused, match=f"'{name}'"):
        house.do("POST", path, house.account_at(path, "desk"), values)
    assert (futures.wallet, spot.of("USDT").whole) == (100, 50)
    assert not futures.open
    assert not spot.open


@pytest.mark.parametrize("path", ["/v5/order/create", "/api/v5/trade/order"])
@pytest.mark.parametrize("body", ["5", '"words"', "{"])
def test_a_body_that_is_no_object_is_refused(path: str, body: str) -> None:
    with pytest.raises(Refused, match="'body'"):
        manner_of(path).read("", body)


@pytest.mark.parametrize("text", ["[1]", "5", "{", '{"method": "time", "params": [1]}'])
def test_what_is_no_request_of_the_websocket_api_is_refused_and_ends_nothing(
    house: House, text: str
) -> None:
    connection = ApiConnection(Server(house), web.WebSocketResponse(), combined=False)
    told: list[Any] = []
    connection.put = told.append  # type: ignore[method-assign]
    connection.answer(text)
    assert [one["error"]["code"] for one in told] == [-1130]


def test_an_account_that_comes_again_with_another_key_has_its_money_once(tmp_path: Path) -> None:
    """Without a key of its own an account is given another at each start."""
    asked = {"symbols": ["BTCUSDT"], "spot": ["BTCUSDT"], "seed": 7, "start": None}
    for _ in range(2):
        keeper = Keeper(tmp_path)
        house = _house(keeper, asked | dict.fromkeys(("interval", "depth", "trades")), 0.0)
        _open(house, [_key("desk")], "100", {"BTC": "0.5"})
        assert house.exchange.account("desk").wallet == D(100)
        assert house.spot.account("desk").of("BTC").free == D("0.5")
        keeper.close()
    assert len(house.keys) == 2
