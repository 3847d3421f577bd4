"""A business that trades at an exchange: its own processes, a real port, and everything agrees.

The exchange's clock is an hour and more behind ours in all of it, and shows ten past.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from commenda.books import carry_out_transfers, pass_on_income
from commenda.copying import copy_signal, request_leave
from commenda.exchange import simulated_house
from commenda.exchange.market import Funding
from commenda.execution import Broker, execute_orders, observe_executions, orders_of
from commenda.kit.clock import business_now
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.market import StoredFeed
from commenda.operations import Figures, Operation, carry_books
from commenda.venues import Means, connect
from people import SETTINGS, signed_in
from processes import until

from .businesses import API, BEGUN, DESK, MOVED, Business, business_at

D = Decimal
UNIT = D("1e-18")
SPOT = "binance_spot:desk"
DESKS = {
    DESK: "POST /fapi/v1/order",
    "bybit_linear:desk": "POST /v5/order/create",
    "okx_swap:desk": "POST /api/v5/trade/order",
    SPOT: "POST /api/v3/order",
}
"""Accounts at the same exchange, which is spoken to in three ways, and where an order arrives."""
EACH = pytest.mark.parametrize("desk", list(DESKS))
CONTRACTS = pytest.mark.parametrize("desk", [one for one in DESKS if one != SPOT])


@pytest.fixture
def desk() -> str:
    """The account; a test at `EACH` says which."""
    return DESK


@pytest.fixture
def business(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: str
) -> Iterator[Business]:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    house = simulated_house(
        ["BTCUSDT", "ETHUSDT"],
        seed=7,
        start=hour - timedelta(minutes=50),
        spot=["BTCUSDT"] if desk == SPOT else [],
    )
    with business_at(house, db, tmp_path, monkeypatch, desk) as made:
        yield made


@EACH
def test_a_worker_trades_at_the_exchange_is_killed_in_mid_order_and_the_books_agree(
    business: Business,
) -> None:
    business.start()
    business.wait("the money is there", MOVED)
    business.wait("the exchange was met", BEGUN)
    assert business.wallet() == 25_000
    heard = business.served.server.connections
    until("the account is heard", lambda: heard, 30, business.worker)
    business.copied(business.signal("0.5"))
    bought = business.held()
    assert bought > 0
    business.assert_sound()
    held = {one["subject"]: D(one["venue"]) for one in business.reconciled()["lines"]}
    assert held[f"{business.desk} BTCUSDT"] == bought
    legs = business.rows("SELECT quantity FROM positions WHERE quantity <> 0 ORDER BY 1")
    assert sum(row[0] for row in legs) == bought
    assert len(legs) == 2

    # The order is on its way, its sender dies, and the exchange takes it all the same.
    slow = {"kind": "latency", "matches": DESKS[business.desk], "milliseconds": 2_000, "times": 1}
    business.served.house.script.set([slow])
    signal = business.signal("0.2" if business.is_spot else "-0.3")
    script = business.served.house.script
    until("the order is on its way", lambda: script.struck.get("latency"), 90, business.worker)
    assert business.worker is not None
    struck = business.served.house.script.struck  # it is intended before it is on its way
    until("the order is on its way", lambda: struck.get("latency") == 1, 30, business.worker)
    business.worker.kill()
    until("the exchange has it", lambda: business.held() < bought / 2, 30)
    business.start()
    business.copied(signal)
    assert business.trades() == 2, "it was not sent again"
    business.assert_sound()

    # An answer is lost; the order is found by its id.
    lost = {"kind": "lost_answer", "matches": DESKS[business.desk], "times": 1}
    business.served.house.script.set([lost])
    business.copied(business.signal("0"))
    assert business.trades() == 3
    assert 0 <= business.held() < (business.instrument.lot if business.is_spot else UNIT)
    business.assert_sound()


def here(business: Business) -> Broker:
    """This process's own way to the exchange."""
    feed = StoredFeed(business.database, 60)
    means = Means(business.database, feed, Keys.of(SETTINGS))
    return Broker(connect(means, [business.desk]), feed, b"ties")


def at(business: Business, later: timedelta = timedelta(0)) -> Author:
    with business.database.transaction() as tx:
        return Author("operation", "operation/1", business_now(tx) + later)


def open_alerts(business: Business) -> list[str]:
    return [
        row[0]
        for row in business.rows("SELECT kind FROM alerts WHERE closed_at IS NULL ORDER BY 1")
    ]


def silent_seconds(business: Business) -> float:
    found = {one.name: one.values for one in Figures(business.database).read()}
    return found["commenda_venue_silent_seconds"][business.desk,]


def test_an_exchange_that_is_away_keeps_nothing_up_and_is_told_of(business: Business) -> None:
    broker = here(business)
    business.served.house.script.set([{"kind": "maintenance"}])
    observe_executions(business.database, broker, at(business))
    carry_out_transfers(business.database, broker, at(business))
    assert business.rows("SELECT count(*) FROM transfers WHERE done_at IS NOT NULL") == [(0,)]
    assert "alert.venue_silent" not in open_alerts(business)
    observe_executions(business.database, broker, at(business, timedelta(minutes=3)))
    assert "alert.venue_silent" in open_alerts(business)
    assert silent_seconds(business) > 0
    (note,) = business.reconciled()["leftOut"]
    assert note.startswith(f"venue {business.desk}: no answer")
    business.served.house.script.set([])
    observe_executions(business.database, broker, at(business, timedelta(minutes=4)))
    assert "alert.venue_silent" not in open_alerts(business)
    assert silent_seconds(business) == 0
    carry_out_transfers(business.database, broker, at(business))
    business.assert_sound()


def test_what_others_do_in_the_account_is_found_and_never_taken_for_ours(
    business: Business,
) -> None:
    """What was there before is somebody else's; what comes later is named."""
    exchange = business.served.house.exchange
    exchange.transfer(exchange.account("desk"), D(1_000), "before")
    client = business.served.client()
    client.apiKey, client.secret = "key-of-the-desk-01", "secret-of-the-desk"
    client.load_time_difference()
    client.options["adjustForTimeDifference"] = True
    client.create_order("BTC/USDT:USDT", "market", "buy", 0.01)
    broker = here(business)
    observe_executions(business.database, broker, at(business))
    assert business.rows("SELECT count(*) FROM stray_fills") == [(0,)]
    client.create_order("BTC/USDT:USDT", "market", "buy", 0.002)
    client.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 20_000)
    client.create_order("ETH/USDT:USDT", "market", "buy", 0.5)
    observe_executions(business.database, broker, at(business, timedelta(minutes=1)))
    assert "alert.venue_strange" in open_alerts(business)
    (told,) = business.rows("SELECT details FROM alerts WHERE kind = 'alert.venue_strange'")
    assert told[0] == {"count": 1, "orders": ["buy 0.01 btcusdt limit"]}
    strays = business.rows("SELECT sum(quantity), min(side) FROM stray_fills")
    assert strays == [(D("0.002"), "buy")]
    carry_out_transfers(business.database, broker, at(business))
    lines = {one["subject"]: D(one["unexplained"]) for one in business.reconciled()["lines"]}
    assert lines[f"{business.desk} BTCUSDT"] == D("0.012")
    assert lines[f"{business.desk} ETHUSDT"] == D("0.5"), "a contract that nobody here knows"
    assert lines[f"{business.desk} USDT"] > 900
    client.cancel_all_orders("BTC/USDT:USDT")
    observe_executions(business.database, broker, at(business, timedelta(minutes=2)))
    assert "alert.venue_strange" not in open_alerts(business)


@EACH
def test_an_order_that_the_exchange_never_had_ends_as_refused(business: Business) -> None:
    """Down when it is sent: it is asked for until the exchange's word is its last, never sent
    again."""
    broker = here(business)
    carry_out_transfers(business.database, broker, at(business))
    business.served.house.script.set([{"kind": "maintenance"}])
    signal = business.signal("0.5")
    now = at(business).now
    assert not copy_signal(business.database, broker, signal, now)
    business.served.house.script.set([])
    with business.database.transaction() as tx:
        orders = orders_of(tx, "signal", signal)
    assert not execute_orders(business.database, broker, orders, at(business))
    assert not copy_signal(business.database, broker, signal, now + timedelta(seconds=5))
    assert copy_signal(business.database, broker, signal, now + timedelta(seconds=31))
    ended = business.rows("SELECT status, reason FROM orders")
    assert ended == [("refused", "the venue never had it")]
    assert business.trades() == 0
    business.assert_sound()


@CONTRACTS
def test_funding_is_explained_until_it_is_passed_on(business: Business) -> None:
    """0.5 of 25,000 and 1 in 1,000: 12.5 USDT less what a lot and a mark make of it."""
    broker, exchange = here(business), business.served.house.exchange
    observe_executions(business.database, broker, at(business))
    carry_out_transfers(business.database, broker, at(business))
    signal = business.signal("0.5")
    assert copy_signal(business.database, broker, signal, at(business).now)
    before = exchange.account("desk").wallet
    mark = exchange.marks["BTCUSDT"]
    exchange.apply(Funding(exchange.now, "BTCUSDT", D("0.001"), mark))
    charged = exchange.account("desk").wallet - before
    assert D(-13) < charged < D(-12)
    business.assert_sound()
    assert pass_on_income(business.database, broker, at(business)) == []
    (paid,) = business.rows(
        "SELECT sum(amount) FROM funding_payments WHERE venue = %s", business.desk
    )
    assert paid[0] == charged
    business.assert_sound()
    later = at(business, timedelta(minutes=1))
    assert pass_on_income(business.database, broker, later) == []
    business.assert_sound()


def test_a_book_is_paid_out_after_the_funding_that_it_was_charged(business: Business) -> None:
    """It was charged a moment before the book was closed, and read after that."""
    broker, exchange = here(business), business.served.house.exchange
    observe_executions(business.database, broker, at(business))
    carry_out_transfers(business.database, broker, at(business))
    assert copy_signal(business.database, broker, business.signal("0.5"), at(business).now)
    operation = Operation(business.database, broker)
    assert pass_on_income(business.database, broker, at(business)) == []
    exchange.apply(Funding(exchange.now, "BTCUSDT", D("0.001"), exchange.marks["BTCUSDT"]))
    ((copy, owner),) = business.rows(
        "SELECT id, follower_id FROM flow_subscriptions WHERE NOT is_leader"
    )
    with business.database.transaction() as tx:
        request_leave(tx, at(business), copy, owner)
    carry_books(operation, at(business).now)
    ((closed, paid),) = business.rows("SELECT closed_at, paid_at FROM closings")
    assert closed is not None
    assert paid is None, "what it was charged is not known yet"
    for minutes in (3, 6):
        observe_executions(business.database, broker, at(business, timedelta(minutes=minutes)))
        late = at(business, timedelta(minutes=minutes))
        assert pass_on_income(business.database, broker, late) == []
        carry_books(operation, late.now)
    assert business.rows("SELECT paid_at IS NOT NULL FROM closings") == [(True,)]
    (charged,) = business.rows("SELECT sum(amount) < 0 FROM funding_payments")
    assert charged == (True,)
    business.assert_sound()


@pytest.mark.parametrize("desk", [SPOT])
def test_whoever_leaves_spot_is_sold_out_and_paid_for_what_is_less_than_a_lot(
    business: Business,
) -> None:
    """The creator stays. 0.99 of 5,000 is bought, and its fee taken of it; all but less than a lot
    is sold, and that is the platform's own book's from then on."""
    broker = here(business)
    observe_executions(business.database, broker, at(business))
    carry_out_transfers(business.database, broker, at(business))
    assert copy_signal(business.database, broker, business.signal("0.99"), at(business).now)
    before, lot = business.held(), business.instrument.lot
    fees = business.served.house.spot.fees
    assert (before + fees["BTC"]) % lot == 0
    assert fees["BTC"] == before / 999
    business.assert_sound()
    ((copy, owner, leg),) = business.rows(
        "SELECT id, follower_id, leg_id FROM flow_subscriptions WHERE NOT is_leader"
    )
    ((theirs,),) = business.rows("SELECT quantity FROM positions WHERE leg_id = %s", leg)
    with business.database.transaction() as tx:
        request_leave(tx, at(business), copy, owner)
    operation = Operation(business.database, broker)
    for minutes in (0, 3, 6):
        later = at(business, timedelta(minutes=minutes))
        observe_executions(business.database, broker, later)
        assert pass_on_income(business.database, broker, later) == []
        carry_books(operation, later.now)
    assert business.rows("SELECT paid_at IS NOT NULL, attempts FROM closings") == [(True, 0)]
    assert before - business.held() == theirs // lot * lot
    assert business.rows(
        "SELECT p.quantity FROM positions p JOIN legs l ON l.id = p.leg_id"
        " JOIN scopes s ON s.id = l.scope_id WHERE s.kind = 'house'"
    ) == [(theirs % lot,)]
    business.assert_sound()


def test_a_flow_trades_at_an_account_whose_key_counts(business: Business) -> None:
    draft = {"title": "Elsewhere", "strategy": "ema_trend", "symbol": "BTCUSDT"}
    draft |= {"investmentAmount": "1000", "venue": "binance_usdm:other"}
    anna = signed_in(business.database, "creator", "anna")
    answer = business.client.post(f"{API}/co-trading/flows", headers=anna, json=draft)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_venue_account")
    draft |= {"venue": business.desk, "market": "binance_spot"}
    answer = business.client.post(f"{API}/co-trading/flows", headers=anna, json=draft)
    assert (answer.status_code, answer.json()["code"]) == (422, "other_market")
    legs = business.rows("SELECT DISTINCT venue FROM legs")
    assert legs == [(business.desk,)]


@pytest.mark.parametrize("desk", [SPOT])
def test_who_asks_for_more_than_everything_at_spot_is_told(business: Business) -> None:
    draft = {"title": "Twice", "strategy": "ema_trend", "symbol": "BTCUSDT"}
    draft |= {"investmentAmount": "1000", "venue": business.desk}
    anna = signed_in(business.database, "creator", "anna")
    asked = draft | {"flowId": str(uuid4()), "params": {"exposure": 2}}
    answer = business.client.post(f"{API}/co-trading/flows", headers=anna, json=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_leverage_at_spot")
    assert answer.json()["field"] == "exposure"


def test_a_key_is_kept_while_books_need_it(business: Business) -> None:
    operator = signed_in(business.database, "operator")
    gone = business.client.delete(f"{API}/venues/{business.desk}", headers=operator)
    assert (gone.status_code, gone.json()["code"]) == (409, "account_in_use")
