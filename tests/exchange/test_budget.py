"""The connector keeps within what the exchange counts, and a ban stops whoever would ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from commenda.exchange import Key
from commenda.execution import Broker, observe_executions
from commenda.execution.contact import LIMITED
from commenda.kit import clock
from commenda.kit.clock import business_now
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.market import CandleFeed, ensure_instrument, listed, load_catalogue
from commenda.operations import Figures
from commenda.testing.pytest_venues import a_limit, a_request
from commenda.venues import (
    Means,
    OrderStatus,
    Secret,
    VenueUnavailable,
    add_key,
    connect,
)
from commenda.venues.ccxt import CcxtVenue
from people import SETTINGS

from .conftest import Served
from .test_venue import ExchangeMarket, fund, made_market

D = Decimal
ALLOWED = 2_400
DESKS = ("binance_usdm:desk", "binance_usdm:other")


@pytest.fixture
def market() -> Iterator[ExchangeMarket]:
    with made_market() as made:
        fund(made)
        yield made


def use(market: ExchangeMarket, weight: int) -> CcxtVenue:
    """Somebody at this address has used so much in this minute, and we have heard of it."""
    venue = market.venue
    assert isinstance(venue, CcxtVenue)
    venue.account(market.now)
    counted = market.served.server.weight
    counted.spend(weight - counted.used - 1, market.served.server.wall())
    venue.desk.ask("fapiPublicGetTime", {})
    return venue


def asked(market: ExchangeMarket) -> int:
    return market.served.server.weight.used


def test_near_the_limit_reads_are_left_out_then_entries_and_exits_go_on(
    market: ExchangeMarket,
) -> None:
    """Of 2,400: 1,680 for reads, 2,040 for entries. What is left out is not sent."""
    resting = a_limit(market)
    market.venue.submit(resting, market.now)
    venue = use(market, 1_700)
    before = asked(market)
    with pytest.raises(VenueUnavailable, match="more urgent"):
        venue.account(market.now)
    assert asked(market) == before + 1, "the limits were asked for, and nothing else"
    assert venue.submit(a_request(market), market.now).status is OrderStatus.FILLED
    counted = market.served.server.weight
    counted.spend(2_100 - counted.used, market.served.server.wall())
    assert venue.order(resting, market.now) is not None
    entry = a_request(market)
    with pytest.raises(VenueUnavailable, match="more urgent"):
        venue.submit(entry, market.now)
    exits = replace(a_request(market), exits=True)
    with pytest.raises(VenueUnavailable, match="more urgent"):  # taken, and its fills are a reading
        venue.submit(exits, market.now)
    orders = market.served.house.exchange.accounts["a"].orders.values()
    assert str(exits.id) in {one.client_id for one in orders}
    assert str(entry.id) not in {one.client_id for one in orders}


def test_what_the_exchange_allows_it_says_itself(market: ExchangeMarket) -> None:
    """Ten times as much as usual: nothing is left out at 1,700."""
    market.served.house.allows = 10
    venue = use(market, 1_700)
    assert venue.account(market.now).wallets["USDT"] == 10_000
    assert venue.desk.load() == (asked(market), 10 * ALLOWED)


@pytest.mark.parametrize("kind", ["limited", "banned"])
def test_a_ban_stops_every_account_at_the_address_and_is_told_of_until_it_is_over(
    served: Served, db: Database, kind: str
) -> None:
    """429 and 418, whichever process heard it: the other has a connection of its own."""
    with db.transaction() as tx:
        clock.follow_wall(tx)
        now = business_now(tx)
        found = listed(load_catalogue(), "binance_usdm", "BTCUSDT")
        ensure_instrument(tx, found)
        for name in DESKS:
            key = Key(name, f"key-of-{name}-000000", f"secret-{name}")
            served.house.open_account(key, D(0))
            secret = Secret(key.key, key.secret)
            author = Author("cli", "venues/1", now)
            place = f"http://{served.address}"
            add_key(tx, Keys.of(SETTINGS), name, place, secret, [], author, None)
    author = Author("operation", "operation/1", now)
    means = Means(db, CandleFeed([], 60), Keys.of(SETTINGS))
    first, second = (Broker(connect(means, DESKS), means.feed, b"") for _ in range(2))
    observe_executions(db, first, author)
    told = {"kind": kind, "matches": "", "times": 1, "milliseconds": 120_000}
    served.house.script.set([told])
    with pytest.raises(VenueUnavailable):
        first.venue(DESKS[0]).account(now)
    weight = served.server.weight.used
    for broker in (first, second):
        for name in DESKS:
            with pytest.raises(VenueUnavailable, match="left alone"):
                broker.venue(name).account(now)
    assert served.server.weight.used == weight
    observe_executions(db, second, author)
    alerts = "SELECT subject FROM alerts WHERE kind = %s AND closed_at IS NULL ORDER BY 1"
    with db.transaction() as tx:
        assert tx.execute(alerts, (LIMITED,)).fetchall() == [(name,) for name in DESKS]
    figures = {one.name: one.values for one in Figures(db).read()}
    left = figures["commenda_venue_limited_seconds"]
    assert all(0 < left[name,] <= 120 for name in DESKS)
    with db.transaction() as tx:
        tx.execute("UPDATE venue_keys SET limited_until = %s", (datetime.now(UTC),))
    third = Broker(connect(means, DESKS), means.feed, b"")
    observe_executions(db, third, author)
    with db.transaction() as tx:
        assert tx.execute(alerts, (LIMITED,)).fetchall() == []
    used = {one.name: one.values for one in Figures(db).read()}["commenda_venue_used_ratio"]
    assert set(used) == {(name,) for name in DESKS}
    assert all(0 < one < 1 for one in used.values())
