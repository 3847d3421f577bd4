"""An account's own stream on the exchange's protocol, and what is done when it hints."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from commenda.exchange import Key, simulated_house
from commenda.kit.db import Database
from commenda.operations.heeding import heed
from commenda.operations.ticks import Operation
from commenda.venues import Hints
from commenda.venues.binance import Binance
from commenda.venues.binance_spot import BinanceSpot
from commenda.venues.bybit import Bybit
from commenda.venues.desk import Desk
from commenda.venues.dialect import Dialect
from commenda.venues.streams import listen
from processes import until
from world import World

from .conftest import Served
from .lived import Life

D = Decimal
DESK = "binance_usdm:desk"
DEAF = "SELECT count(*) FROM alerts WHERE kind = 'alert.venue_deaf' AND closed_at IS NULL"


@pytest.fixture
def served() -> Iterator[Served]:
    house = simulated_house(["BTCUSDT"], seed=7, spot=["BTCUSDT"])
    house.open_account(Key("a", "key-a", "secret-a"), D(100_000))
    house.spot.transfer(house.spot.account("a"), "USDT", D(100_000), "opening")
    found = Served(house)
    yield found
    found.stop()


@pytest.fixture(params=[Binance, Bybit, BinanceSpot])
def spoken(request: pytest.FixtureRequest) -> type[Dialect]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def hints(served: Served, spoken: type[Dialect]) -> Iterator[Hints]:
    """Of an account that is listened to, in each dialect."""
    hints, stopping = Hints(), threading.Event()
    desk = desk_at(served, spoken())
    thread = threading.Thread(target=listen, args=(lambda: {DESK: desk}, hints, stopping))
    thread.start()
    until("it is heard", lambda: DESK in hints.take(), 20)
    yield hints
    stopping.set()
    thread.join(20)
    assert not thread.is_alive()


def desk_at(served: Served, dialect: Dialect, secret: str = "secret-a") -> Desk:
    address = f"http://{served.address}"
    client = dialect.client("key-a", secret, address)
    client.enableRateLimit = False
    return Desk(client, dialect, address=address)


def trade(served: Served) -> None:
    """Somebody trades in the account, its futures and its spot."""
    asked = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
    desk_at(served, Binance()).ask("fapiPrivatePostOrder", asked)
    desk_at(served, BinanceSpot()).ask("privatePostOrder", asked)


def test_a_trade_in_the_account_is_hinted_at(served: Served, hints: Hints) -> None:
    trade(served)
    until("it hints", lambda: DESK in hints.take(), 20)


@pytest.mark.parametrize("how", ["expired", "dropped", "silent"])
def test_a_stream_that_ends_is_opened_with_a_key_that_lives(
    served: Served, spoken: type[Dialect], hints: Hints, how: str
) -> None:
    """Its key is over; the socket falls in the middle of a fill; it is open and tells nothing,
    which shows in what is read of the account."""
    if how == "expired" and spoken is BinanceSpot:
        pytest.skip("spot's is signed for, and has no key that runs out")
    opened = len(served.server.connections)
    assert opened == 1
    (first,) = served.server.connections
    fault = {"dropped": "drop_stream", "silent": "silent_stream"}.get(how)
    if fault:
        served.house.script.set([{"kind": fault, "times": 1}])
    else:
        served.house.expire_key("a")
    hints.read(DESK, found=False)
    if fault:
        trade(served)
        hints.read(DESK, found=True)
    if how == "silent":
        until("the fault has struck", lambda: served.house.script.struck.get(fault), 20)
        assert not hints.ears[DESK].news
        hints.read(DESK, found=False)
    until("another one is open", lambda: served.server.connections - {first}, 40)
    until("it is heard", lambda: hints.ears[DESK].is_open, 20)
    served.house.script.set([])
    until("nothing more is told", lambda: not hints.take(), 20)
    trade(served)
    until("it hints", lambda: DESK in hints.take(), 20)


@pytest.mark.parametrize("dialect", [Binance, Bybit, BinanceSpot])
def test_a_stream_that_is_refused_is_not_open_and_says_why(
    served: Served, dialect: type[Dialect]
) -> None:
    hints, stopping = Hints(), threading.Event()
    desk = desk_at(served, dialect(), "wrong")
    if dialect is Binance:
        desk.client.apiKey = "unknown"  # a listenKey is given for the key alone
    thread = threading.Thread(target=listen, args=(lambda: {DESK: desk}, hints, stopping))
    thread.start()
    until("it is refused", lambda: hints.ears.get(DESK), 20)
    stopping.set()
    thread.join(20)
    assert not hints.ears[DESK].is_open
    assert any(one in hints.ears[DESK].why for one in ("-2015", "ended the stream"))


# --- what is done ------------------------------------------------------------------------------


@pytest.fixture
def life(db: Database) -> Life:
    """Three books with an order of 6 AAA that rests at 99.9, a tenth of a per cent below."""
    life = Life(World(db, fee="0", lot="0.001", minimum_notional=5), random.Random(1), 1)
    life.ask("AAAUSDT", D(3), D(2), D(1), collar=D("-0.001"))
    life.work()
    return life


def operation(life: Life) -> Operation:
    return Operation(life.world.database, life.broker)


def state(life: Life) -> list[Any]:
    return life.world.rows("SELECT status, allocated_at IS NOT NULL FROM orders")


def test_a_hint_has_the_books_know_of_a_fill_at_once_however_often_it_comes(life: Life) -> None:
    """No tick comes, and its streams were read a moment ago."""
    assert state(life) == [("accepted", False)]
    life.trade("AAAUSDT", D("99.5"))
    for _ in range(3):
        heed(operation(life), life.world.now, [life.name])
    assert state(life) == [("filled", True)]
    assert [life.world.quantity(leg) for leg in life.legs] == [3, 2, 1]
    assert life.unexplained() == {}
    assert life.world.findings() == []


def test_a_hint_reads_what_nobody_here_waits_for(life: Life) -> None:
    """Without one the account is read every twenty seconds."""
    life.observe()
    life.by_hand("AAAUSDT", 1_000)
    stray = "SELECT count(*) FROM stray_fills"
    life.observe()
    assert life.world.one(stray) == 0
    heed(operation(life), life.world.now, [life.name])
    assert life.world.one(stray) == 1


def test_a_stream_that_is_not_heard_for_long_is_told_of_and_only_read_later(life: Life) -> None:
    hints = life.broker.hints
    hints.lost(life.name, "closed (1006)")
    life.pass_time(30)
    life.observe()
    assert life.world.one(DEAF) == 0
    for _ in range(5):
        life.pass_time(30)
        life.observe()
    assert life.world.one(DEAF) == 1
    hints.opened(life.name)
    life.pass_time(30)
    life.observe()
    assert life.world.one(DEAF) == 0
