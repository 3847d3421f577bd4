"""Public clients, as they are published, trade on the exchange.

Each has an environment of its own, since two of them are imported under one name and others need
another Python (`tests/environments.py`); where it cannot be installed in time the test is skipped
and says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.environments import environment, newer

from commenda.exchange import Key, simulated_house
from commenda.exchange.model import Account
from commenda.exchange.spot_proof import unproved

from .conftest import Served

SCRIPTS = Path(__file__).parent / "clients"
TRADE = 200
"""Seconds that a client may take."""


def run(
    requirement: str, script: str, served: Served, *told: str, least: int | None = None
) -> dict[str, Any]:
    """Let a script trade in the environment of its client; what it saw."""
    base = sys.executable if least is None else newer(least)
    python = environment(requirement, base=base)
    done = subprocess.run(
        [python, SCRIPTS / script, served.address, *told],
        capture_output=True,
        text=True,
        timeout=TRADE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]} {done.stderr[-4000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_python_binance(served: Served) -> None:
    seen = run("python-binance==1.0.37", "python_binance.py", served)
    assert seen["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert (seen["leverage"], seen["bought"], seen["stop"]) == (10, "FILLED", "NEW")
    assert (seen["open"], seen["cancelled"], seen["position"]) == (1, "CANCELED", "0.02")
    assert seen["refused"] == -4003
    assert seen["income"][:1] == ["COMMISSION"]
    assert (seen["candles"], seen["key"]) == (5, True)


def test_python_binance_at_spot(both: Served) -> None:
    seen = run("python-binance==1.0.37", "python_binance_spot.py", both)
    assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL", "MAX_NUM_ORDERS"} <= set(seen["filters"])
    assert (seen["permissions"], seen["before"]) == ([["SPOT"]], "1.00000000")
    assert (seen["bought"], 99 < seen["worth"] <= 100) == (["FILLED", "BTC"], True)
    assert (seen["open"], seen["locked"]) == (["LIMIT", "STOP_LOSS_LIMIT"], "0.20000000")
    assert (seen["cancelled"], seen["replaced"]) == ("CANCELED", ["SUCCESS", "SUCCESS"])
    assert seen["orders"] == ["FILLED", "FILLED", "CANCELED", "CANCELED", "CANCELED"]
    assert (seen["trades"] >= 1, seen["candles"]) == (True, 5)
    assert seen["average"] == pytest.approx(1, abs=0.02)
    words = "Account has insufficient balance for requested action."
    assert seen["refused"] == [-2010, words]
    assert seen["heard"] == ["executionReport", "outboundAccountPosition"] * 2
    assert (seen["traded"], seen["levels"]) == ("trade", 5)
    assert unproved(both.house.spot) == []


def test_binance_futures_connector(served: Served) -> None:
    seen = run("binance-futures-connector==4.2.0", "futures_connector.py", served)
    assert seen["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert (seen["leverage"], seen["mode"], seen["bought"]) == (10, -4059, "FILLED")
    assert (seen["open"], seen["cancelled"], seen["position"]) == (1, "CANCELED", "0.02")
    assert (seen["candles"], seen["heard"]) == (5, ["ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE"])


def test_python_okx() -> None:
    """Two contracts of a hundredth BTC each, bought and sold again."""
    house = simulated_house(["BTCUSDT", "ETHUSDT"], seed=7)
    house.open_account(Key("a", "key-a", "secret-a", passphrase="words-a"), Decimal(100_000))
    present = Served(house)
    try:
        seen = run("python-okx==0.4.4", "python_okx.py", present)
    finally:
        present.stop()
    assert (seen["contracts"], seen["face"]) == (["BTC-USDT-SWAP", "ETH-USDT-SWAP"], "0.01")
    assert (seen["may"], seen["mode"], seen["set"]) == ("read_only,trade", *["net_mode"] * 2)
    assert (seen["leverage"], seen["bought"], seen["held"]) == ("10", "filled", "2")
    assert (seen["stop"], seen["ended"]) == ("live", "0")
    assert (seen["amended"], seen["rests"], seen["cancelled"]) == ("0", "1.5", "canceled")
    assert seen["refused"] == ["51400", "51121"]
    assert (seen["sold"], seen["candles"]) == (2, 5)
    assert seen["bills"] == ["1", "2"]


@pytest.fixture
def present() -> Iterator[Served]:
    """The same market at the wall's own time: bots look at how old a candle is."""
    house = simulated_house(["BTCUSDT", "ETHUSDT"], seed=7)
    house.open_account(Key("a", "key-a", "secret-a"), Decimal(100_000))
    found = Served(house)
    yield found
    found.stop()


def paid(account: Account) -> Decimal:
    """What the account's trades brought, fees and all: by its orders alone, not by its wallet."""
    return sum(
        (-one.side * one.lots * one.ticks * Decimal("0.0001") - one.fee for one in account.trades),
        Decimal(0),
    )


@pytest.mark.parametrize("kind", ["HMAC", "Ed25519"])
def test_nautilus_trader(present: Served, kind: str) -> None:
    """With HMAC it asks for its stream's key over REST, with Ed25519 over the WebSocket API.

    0.02 BTC are bought and sold again at the market; between, a limit is moved and cancelled, and a
    stop. What it says that it paid and lost is what the exchange has.
    """
    secret = "secret-a"
    if kind == "Ed25519":
        private = Ed25519PrivateKey.generate()
        secret = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        present.house.open_account(Key("a", "key-a", public.decode()), Decimal(0))
    told = ("key-a", secret)
    seen = run("nautilus_trader==1.231.0", "nautilus.py", present, *told, least=12)
    account = present.house.exchange.accounts["a"]
    assert (seen["step"], seen["fee"]) == ("0.1", "0.0005")
    assert "rejected" not in seen
    assert [Decimal(one[2].split()[0]) for one in seen["fills"]] == [
        one.fee for one in account.trades
    ]
    filled: dict[str, Decimal] = {}  # an order is filled at as many levels as it takes
    for side, quantity, _ in seen["fills"]:
        filled[side] = filled.get(side, Decimal(0)) + Decimal(quantity)
    assert filled == {"BUY": Decimal("0.020"), "SELL": Decimal("0.020")}
    (_, opened), (_, closed) = seen["positions"]
    assert opened == seen["fills"][0][1]
    assert (seen["open"], seen["quotes"] > 0) == (0, True)
    assert Decimal(closed.split()[0]) == paid(account) == account.wallet - 100_000
    kinds = [(one.type, one.status) for one in account.orders.values()]
    assert kinds == [("MARKET", "FILLED"), ("LIMIT", "CANCELED"), ("MARKET", "FILLED")]
    assert [one.status for one in account.conditionals.values()] == ["CANCELED"]


def test_freqtrade(present: Served) -> None:
    """It buys 500 USDT's worth at 3 times leverage, keeps a stop at the exchange, and sells."""
    seen = run("freqtrade==2026.9", "freqtrade_bot.py", present)
    account = present.house.exchange.accounts["a"]
    assert (seen["pair"], seen["leverage"], seen["exit"]) == ("BTC/USDT:USDT", 3, "seen enough")
    assert [one[:2] for one in seen["orders"]] == [
        ["buy", "closed"], ["stoploss", "canceled"], ["sell", "closed"]
    ]  # fmt: skip
    bought = sum(one.lots for one in account.trades if one.side == 1)
    assert Decimal(str(seen["orders"][0][2])) == bought * Decimal("0.001")
    assert seen["profit"] == pytest.approx(float(paid(account)))
    assert account.wallet - 100_000 == paid(account)
    assert (account.leverage, account.isolated) == ({"BTCUSDT": 3}, {"BTCUSDT"})
