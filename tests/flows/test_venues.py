"""Both venues keep the promises of one, and one operation trades at several at once."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.market import Bar, Instrument
from commenda.operations import reconcile_all
from commenda.testing.pytest_venues import VenueConformance, VenueMarket
from commenda.venues import (
    VENUES,
    Means,
    OrderKind,
    OrderRequest,
    OrderStatus,
    PaperVenue,
    Side,
    Venue,
    VenueRow,
)
from commenda.venues import rows as venue_rows
from commenda.worker import reach_accounts
from scripted import ASSET, START, D
from venues import Exchange, HandFeed, OtherMarket, OtherVenue, PaperMarket
from world import World


def an_instrument(db: Database) -> Instrument:
    return World(db, fee="0.0005", minimum_notional="10").instruments["AAAUSDT"]


class TestPaperVenue(VenueConformance):
    @pytest.fixture(params=["paper", "paper:second"])
    def market(self, db: Database, request: pytest.FixtureRequest) -> VenueMarket:
        instrument = an_instrument(db)
        return PaperMarket(db, instrument, HandFeed(instrument, START, D(100)), request.param)


class TestOtherVenue(VenueConformance):
    @pytest.fixture
    def market(self, db: Database) -> VenueMarket:
        return OtherMarket(an_instrument(db), START, D(100))


# --- the paper venue's resting orders, by hand -------------------------------------------------


@pytest.fixture
def market(db: Database) -> PaperMarket:
    instrument = an_instrument(db)
    return PaperMarket(db, instrument, HandFeed(instrument, START, D(100)))


def limit(market: PaperMarket, n: int, price: str, side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest(
        UUID(int=n), market.instrument.id, side, OrderKind.LIMIT, D(1), D(100), D(price)
    )


@pytest.mark.parametrize(
    ("side", "price", "reach", "filled"),
    [
        (Side.BUY, "99", "99", 0),  # touched
        (Side.BUY, "99", "98.99", 1),  # gone through
        (Side.SELL, "101", "101", 0),
        (Side.SELL, "101", "101.01", 1),
    ],
)
def test_a_limit_fills_where_the_market_goes_through_it(
    market: PaperMarket, side: Side, price: str, reach: str, filled: int
) -> None:
    asked = limit(market, 1, price, side)
    assert market.venue.submit(asked, market.now).status is OrderStatus.ACCEPTED
    market.move(D(reach))
    bars, at = market.feed.bars, market.feed.now
    bars[at] = Bar(at, 100.0, 100.0, 100.0, 100.0, 0.0)  # the next one opens where it was
    view = market.venue.order(asked, market.now)
    assert view is not None
    assert view.filled == filled
    # As a maker: 99 · 0.0005 at the limit, whatever the market went to.
    assert [(one.price, one.fee) for one in view.fills] == [
        (D(price), D(price) * D("0.0005"))
    ] * filled


def test_a_limit_that_the_open_keeps_takes_it(market: PaperMarket) -> None:
    """At the open, better than its limit."""
    (fill,) = market.venue.submit(limit(market, 1, "105"), market.now).fills
    assert fill.price == 100


def test_orders_that_rest_share_a_bar_first_come_first_served(market: PaperMarket) -> None:
    first, second = limit(market, 1, "99"), limit(market, 2, "99.5")
    for one in (first, second):
        market.venue.submit(one, market.now)
    market.move(D(98), D("1.25"))
    views = [market.venue.order(one, market.now) for one in (first, second)]
    assert [view.filled for view in views if view] == [1, D("0.25")]


def test_accounts_of_a_venue_have_nothing_in_common_but_its_market(market: PaperMarket) -> None:
    other = PaperVenue(market.database, market.feed, name="paper:second")
    asked = limit(market, 1, "105")
    market.venue.submit(asked, market.now)
    assert other.order(asked, market.now) is None
    assert other.executions(None, market.now) == ([], None)
    assert other.account(market.now).quantities == {}
    assert market.venue.account(market.now).quantities == {market.instrument.id: 1}


# --- one operation at several venues -----------------------------------------------------------


def test_one_operation_trades_at_two_venues_and_two_accounts(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row and a class: flows trade at each, one subscription has legs at all of them."""
    world = World(db)
    exchange = Exchange(world.feed.instruments, at_once=D(100))
    row = VenueRow("other", lambda _means, name: other_at(world, exchange, name), None)
    monkeypatch.setattr(venue_rows, "VENUES", (*VENUES, row))
    world.trade_at(*venue_rows.connect(Means(db, world.feed), ["paper:second", "other"])[1:])
    flows = [world.creator("anna"), world.creator("ben", venue="other")]
    flows.append(world.creator("cleo", venue="paper:second"))
    ines = world.investor("ines", 30_000)
    world.advance()
    held = world.subscribe(ines, world.product(), 9_000)
    assert world.activate() == 1
    venues = world.rows("SELECT venue, count(*) FROM legs WHERE scope_id = %s GROUP BY 1", held)
    assert dict(venues) == {"paper": 1, "other": 1, "paper:second": 1}
    for target in ("0.5", "-0.3"):
        for flow in flows:
            world.advance().signal(flow, target)
        clean(world)
    assert exchange.net[world.instruments["AAAUSDT"].id] < 0
    world.advance(24 * 3)
    world.mature()
    world.ask(held)
    assert world.liquidate() == 1
    world.settle(held)
    world.move_cash()
    clean(world)
    assert world.status(held) == "SETTLED"
    # What a venue holds now is the creators' own: their legs' cash and positions there.
    assert world.wallet(ines) > 20_000


def test_an_account_that_comes_into_use_later_is_reached_without_a_restart(db: Database) -> None:
    world = World(db)

    def reach(name: str) -> Venue:
        return venue_rows.connect(Means(db, world.feed), [name])[-1]

    world.broker = replace(world.broker, reach=reach)
    other = replace(world.broker, later={})  # of a worker that sends none of its orders
    flow = world.creator("cleo", venue="paper:second")
    world.advance().signal(flow, "0.5")
    world.assert_sound()
    assert [one.name for one in world.broker.venues] == ["paper", "paper:second"]
    with db.transaction() as tx:
        reach_accounts(other, tx)
    assert [one.name for one in other.venues] == ["paper", "paper:second"]
    with pytest.raises(CommendaError, match="no such venue"):
        other.venue("elsewhere:second")


def test_a_flow_at_a_venue_that_is_not_there_is_not_shared(db: Database) -> None:
    world = World(db)
    with pytest.raises(CommendaError, match="no such venue") as refused:
        world.creator("anna", venue="elsewhere:second")
    assert (refused.value.code, refused.value.value) == ("unknown_venue", "elsewhere:second")
    assert world.rows("SELECT count(*) FROM shared_flows") == [(0,)]


def other_at(world: World, exchange: Exchange, name: str) -> OtherVenue:
    return OtherVenue(exchange, lambda now: world.broker.marks(now), name)


def clean(world: World) -> None:
    world.assert_sound()
    with world.database.transaction() as tx:
        found = reconcile_all(tx, broker=world.broker)
    assert found.unexplained == []
    assert list(found.left_out) == []
    seen = {line.subject for line in found.lines if line.part == "venue"}
    assert {f"{name} {ASSET}" for name in ("paper", "paper:second", "other")} <= seen
