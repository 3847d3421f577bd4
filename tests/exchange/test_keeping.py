"""What the exchange has outlives its process: a snapshot, and a journal that is done again."""

from __future__ import annotations

import pickle
import random
import shutil
from collections import Counter, deque
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from commenda.exchange import Clock, House, Keeper, administer, keeping
from commenda.exchange.faults import FAULTS, INSIDE
from commenda.exchange.refusals import Refused
from commenda.exchange.sources import CandleSource, contract_of
from commenda.kit.errors import CommendaError
from commenda.market import EndlessFeed, load_catalogue, simulated_assets

from .door import Hands

D = Decimal
START = datetime(2026, 3, 2, 10, tzinfo=UTC)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
HOW = {"symbols": list(SYMBOLS)}
CHANCES = dict.fromkeys(INSIDE, 0.3) | {"filled_first": 1.0}
STEPS = 400
ACCOUNTS = ("anna", "ben", "cara")
EVENTFUL = 7919
"""A seed with which everything happens: another one may leave a liquidation or a fault out."""


def market() -> EndlessFeed:
    assets = simulated_assets(SYMBOLS, load_catalogue())
    instruments = [replace(one.instrument, id=number) for number, one in enumerate(assets, 1)]
    return EndlessFeed(7, assets, instruments, START - timedelta(days=1), timedelta(minutes=5))


@pytest.fixture(scope="module")
def feed() -> EndlessFeed:
    return market()


def house_of(feed: EndlessFeed, hands: Hands) -> House:
    """Of the same market, to which nothing has happened."""
    clock = Clock(int(START.timestamp() * 1000) - 300_000, 1.0, hands)
    house = House([contract_of(one) for one in feed.instruments], CandleSource(feed), clock, 7)
    house.catch_up(int(START.timestamp() * 1000))
    return house


def shown(what: Any) -> Any:
    """All of it, in its order, with what stands twice in it as often."""
    if is_dataclass(what):
        parts = {one.name: shown(getattr(what, one.name)) for one in fields(what)}
        return type(what).__name__, parts
    if isinstance(what, dict):
        return [(shown(key), shown(one)) for key, one in what.items()]
    if isinstance(what, set):
        return sorted(what)
    if isinstance(what, list | tuple | deque):
        return [shown(one) for one in what]
    slots = getattr(type(what), "__slots__", None)
    if type(what).__module__ == "commenda.exchange.book" and slots is not None:
        return {name: shown(getattr(what, name)) for name in slots}
    return shown(vars(what)) if hasattr(what, "__dict__") else what


class Traffic:
    """Anything that customers and the administration do, drawn from a seed."""

    def __init__(self, house: House, hands: Hands, seed: int) -> None:
        self.house, self.hands, self.draw = house, hands, random.Random(seed)
        self.heard: list[str] = []
        for name in ACCOUNTS:
            key = {"account": name, "key": f"key-{name}", "secret": "secret", "deposit": "1000"}
            administer(house, "POST", "accounts", key)
            for symbol in SYMBOLS:
                self.ask(name, "POST", "/fapi/v1/leverage", symbol=symbol, leverage=100)
        administer(house, "PUT", "faults", {"faults": [
            {"kind": kind, "chance": CHANCES.get(kind, 0.05), "milliseconds": 500}
            for kind in FAULTS if kind not in ("late_trades", "not_shown")
        ]})  # fmt: skip

    def ask(self, name: str, method: str, path: str, **values: Any) -> Any:
        account = self.house.exchange.account(name)
        spelt = {key: str(one) for key, one in values.items()}
        with suppress(Refused):
            return self.house.do(method, path, account, spelt)

    def step(self) -> None:
        """Time passes, somebody looks or listens, somebody acts."""
        draw, house = self.draw, self.house
        self.hands.move(draw.choice([0.01, 0.3, 2.0, 40.0, 600.0, 2400.0]))
        house.catch_up()
        name, symbol = draw.choice(ACCOUNTS), draw.choice(SYMBOLS)
        if draw.random() < 0.5:
            self.ask(name, "GET", "/fapi/v3/account")
            self.ask(name, "GET", "/fapi/v1/depth", symbol=symbol)
        if draw.random() < 0.05:
            told = self.ask(name, "POST", "/fapi/v1/listenKey")
            streams = [told["listenKey"], f"{symbol.lower()}@depth", f"{symbol.lower()}@trade"]
            for one in streams:
                house.listeners[one].add(lambda stream, told: self.heard.append(told["e"]))
        draw.choice([self.order, self.order, self.order, self.stop, self.leave, self.rule])(
            name, symbol
        )

    def order(self, name: str, symbol: str) -> None:
        draw, contract = self.draw, self.house.exchange.contracts[symbol]
        mark = self.house.exchange.marks[symbol]
        worth = D(draw.randint(1_000, 90_000))
        asked = {"symbol": symbol, "side": draw.choice(["BUY", "SELL"])}
        asked["quantity"] = str(worth / mark // contract.lot * contract.lot)
        if draw.random() < 0.4:
            asked["reduceOnly"] = "true"
        if draw.random() < 0.4:
            self.ask(name, "POST", "/fapi/v1/order", type="MARKET", **asked)
            return
        price = mark * (1 + D(draw.randint(-40, 40)) / 10_000) // contract.tick * contract.tick
        ends = int(self.house.exchange.now + draw.choice([50, 5_000, 900_000]))
        tif = draw.choice([{"timeInForce": "GTC"}, {"timeInForce": "GTD", "goodTillDate": ends}])
        asked |= {"type": "LIMIT", "price": str(price)}
        self.ask(name, "POST", "/fapi/v1/order", **asked, **tif)

    def stop(self, name: str, symbol: str) -> None:
        draw, contract = self.draw, self.house.exchange.contracts[symbol]
        mark, side = self.house.exchange.marks[symbol], draw.choice(["BUY", "SELL"])
        above = 1 if side == "BUY" else -1
        at = mark * (1 + above * D(draw.randint(5, 60)) / 10_000) // contract.tick * contract.tick
        self.ask(name, "POST", "/fapi/v1/algoOrder", symbol=symbol, side=side, type="STOP_MARKET",
                 triggerPrice=at, quantity=contract.lot * 100)  # fmt: skip

    def leave(self, name: str, symbol: str) -> None:
        account = self.house.exchange.account(name)
        for order in list(account.open.values())[:2]:
            self.ask(name, "DELETE", "/fapi/v1/order", symbol=order.symbol, orderId=order.id)

    def rule(self, name: str, symbol: str) -> None:
        """What moves money or modes."""
        draw, note = self.draw, f"note-{self.draw.random()}"
        asked = {"account": name, "amount": str(draw.randint(-300, 600)), "reference": note}
        kind = draw.choice(["ISOLATED", "CROSSED"])
        if draw.random() < 0.5:
            with suppress(Refused):
                administer(self.house, "POST", "transfers", asked)
        elif draw.random() < 0.7:
            self.ask(name, "POST", "/fapi/v1/marginType", symbol=symbol, marginType=kind)
        else:
            administer(self.house, "POST", "expire-key", {"account": name})


@pytest.mark.parametrize("eventful", [True, False])
def test_a_long_session_is_the_same_to_the_last_digit_after_any_kill(
    feed: EndlessFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, eventful: bool
) -> None:
    seed = EVENTFUL if eventful else seed
    monkeypatch.setattr(keeping, "MOST", 4_000)
    hands = Hands(START.timestamp())
    house, keeper = house_of(feed, hands), Keeper(tmp_path / "kept")
    hands.move(300.0)  # to where the market is: no clock that goes on is behind it
    keeper.begin(house, HOW)
    traffic = Traffic(house, hands, seed)
    kills = sorted(random.Random(seed).sample(range(STEPS), 4))
    for number in range(STEPS):
        traffic.step()
        if number not in kills:
            continue
        left = tmp_path / f"left-{number}"
        shutil.copytree(tmp_path / "kept", left)
        other, found = house_of(feed, hands), Keeper(left)
        assert found.founded == HOW
        found.go_on(other)
        other.catch_up(house.reached)
        assert shown(other.kept()) == shown(house.kept())
    assert keeper.number > 2, "snapshots were written meanwhile"
    if not eventful:
        return

    accounts = [house.exchange.account(name) for name in ACCOUNTS]
    orders = [one for account in accounts for one in account.orders.values()]
    assert any(one.client_id.startswith("autoclose-") for one in orders), "nobody was liquidated"
    assert any(one.trigger for one in orders), "no stop was triggered"
    assert any(one.tif == "GTD" and one.status == "EXPIRED" for one in orders), "none ran out"
    paid = Counter(one.kind for account in accounts for one in account.income)
    assert paid["FUNDING_FEE"]
    struck = set(house.script.struck)
    assert {"fills_in_part", "shrunk", "filled_first", "late_funding"} <= struck
    assert {"duplicated", "depth_gap"} <= struck, "nobody listened"


def test_what_is_long_over_is_forgotten_and_what_works_is_not(
    feed: EndlessFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commenda.exchange.model.REMEMBERED", 20)
    house = house_of(feed, Hands(START.timestamp()))
    account = house.exchange.account("anna")
    house.exchange.transfer(account, D(100_000), "in")
    low = {"type": "LIMIT", "timeInForce": "GTC", "price": "20000", "quantity": "0.01"}
    low["price"] = str(house.exchange.marks["BTCUSDT"] * D("0.97") // 1)
    first = house.do("POST", "/fapi/v1/order", account, {"symbol": "BTCUSDT", "side": "BUY"} | low)
    for side in ("BUY", "SELL") * 30:
        asked = {"symbol": "ETHUSDT", "side": side, "type": "MARKET", "quantity": "0.1"}
        house.do("POST", "/fapi/v1/order", account, asked)
    wallet = account.wallet
    assert len(account.orders) <= 41
    assert len(account.trades) <= 41
    assert first["orderId"] in account.orders
    assert list(account.open) == [first["orderId"]]
    assert account.trades[-1].order == max(account.orders)
    keeper = Keeper(tmp_path)
    keeper.begin(house, HOW)
    other = house_of(feed, Hands(START.timestamp()))
    keeper.go_on(other)
    assert other.exchange.account("anna").wallet == wallet


@pytest.fixture
def kept(feed: EndlessFeed, tmp_path: Path) -> Path:
    """The folder of an exchange that was killed after two transfers."""
    house, keeper = house_of(feed, Hands(START.timestamp())), Keeper(tmp_path)
    keeper.begin(house, HOW)
    for reference in ("first", "second"):
        asked = {"account": "anna", "amount": "100", "reference": reference}
        administer(house, "POST", "transfers", asked)
    keeper._lock.close()
    return tmp_path


def wallet_in(feed: EndlessFeed, folder: Path) -> Decimal:
    house, keeper = house_of(feed, Hands(START.timestamp())), Keeper(folder)
    try:
        keeper.go_on(house)
    finally:
        keeper._lock.close()
    return house.exchange.account("anna").wallet


def test_a_row_that_was_cut_off_was_never_answered(feed: EndlessFeed, kept: Path) -> None:
    (journal,) = kept.glob("journal-*")
    journal.write_bytes(journal.read_bytes()[:-7])
    assert wallet_in(feed, kept) == 100
    assert wallet_in(feed, kept) == 100, "and it goes on from there"


@pytest.mark.parametrize("kind", ["journal", "snapshot"])
def test_a_damaged_file_is_refused_and_named(feed: EndlessFeed, kept: Path, kind: str) -> None:
    (file,) = kept.glob(f"{kind}-*")
    told = bytearray(file.read_bytes())
    told[len(told) // 3] ^= 1
    file.write_bytes(told)
    with pytest.raises(CommendaError) as refused:
        wallet_in(feed, kept)
    assert refused.value.code == "exchange_damaged"
    assert file.name in str(refused.value.value)


def test_a_snapshot_is_no_program(feed: EndlessFeed, kept: Path) -> None:
    """A body that is signed as it should be and asks for something else is not run."""
    (file,) = kept.glob("snapshot-*")
    body = pickle.dumps(Path)
    head = {"form": keeping.FORM, "founded": HOW}
    head["sha256"] = keeping.hashlib.sha256(body).hexdigest()
    file.write_bytes(keeping.json.dumps(head).encode() + b"\n" + body)
    with pytest.raises(CommendaError, match="none of the exchange's"):
        wallet_in(feed, kept)


def test_a_folder_is_one_exchanges(kept: Path) -> None:
    first = Keeper(kept)
    with pytest.raises(CommendaError) as refused:
        Keeper(kept)
    assert refused.value.code == "exchange_runs"
    first._lock.close()


def test_what_a_process_left_between_two_snapshots_is_taken_up(
    feed: EndlessFeed, kept: Path
) -> None:
    """The new snapshot stands, its journal does not yet, the old two are still there."""
    before = {one.name: one.read_bytes() for one in kept.iterdir()}
    keeper = Keeper(kept)
    keeper.go_on(house_of(feed, Hands(START.timestamp())))
    keeper.close()
    assert sorted(one.name for one in kept.iterdir()) == ["journal-1", "lock", "snapshot-1"]
    for name, told in before.items():
        (kept / name).write_bytes(told)
    (kept / "journal-1").unlink()
    assert wallet_in(feed, kept) == 200
    assert wallet_in(feed, kept) == 200


def test_an_exchange_whose_disk_takes_no_more_ends(feed: EndlessFeed, tmp_path: Path) -> None:
    house, keeper = house_of(feed, Hands(START.timestamp())), Keeper(tmp_path)
    keeper.begin(house, HOW)
    asked = {"account": "anna", "amount": "100", "reference": "lost"}
    with Path("/dev/full").open("wb", buffering=0) as full:
        keeper._journal = full
        with pytest.raises(SystemExit, match="cannot keep"):
            administer(house, "POST", "transfers", asked)
