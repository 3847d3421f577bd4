"""What a venue promises, as pytest's tests. Needs pytest.

from commenda.testing.pytest_venues import VenueConformance

class TestMine(VenueConformance):
    @pytest.fixture
    def market(self):
        return MyMarket()

`MyMarket` (see `VenueMarket`) hands out a fresh account and moves prices and time: at a venue's own
test net, or in a simulation of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from commenda.testing.venue_market import (
    LOTS,
    VenueMarket,
    a_limit,
    a_request,
    fills,
    seen,
    settled,
    stock,
    submitted,
    traded,
)
from commenda.venues import (
    Execution,
    OrderKind,
    OrderStatus,
    Side,
    TimeInForce,
    Why,
)

__all__ = ["VenueConformance", "VenueMarket", "a_limit", "a_request"]


class VenueConformance:
    """Derive from it and say in a fixture `market` what is examined."""

    @pytest.fixture
    def market(self) -> VenueMarket:
        """A fresh account and its market."""
        raise NotImplementedError

    def test_a_market_order_is_accepted_and_found_until_it_is_over(
        self, market: VenueMarket
    ) -> None:
        """Nothing is asked of how soon; the view says what was filled, and shows it."""
        asked = a_request(market)
        assert market.venue.submit(asked, market.now).id == asked.id
        over = settled(market, asked)
        assert (over.status, traded(market, asked, over)) == (OrderStatus.FILLED, asked.quantity)
        assert sum(fill.quantity for fill in over.fills) == over.filled
        assert all(fill.price > 0 for fill in over.fills)
        assert market.venue.order(asked, market.now) == over

    def test_what_it_never_saw_it_does_not_know(self, market: VenueMarket) -> None:
        never = a_request(market)
        assert market.venue.order(never, market.now) is None
        assert market.venue.cancel(never, market.now) is None

    def test_a_refusal_is_a_view_with_a_reason(self, market: VenueMarket) -> None:
        lot = market.instrument.lot
        assert lot * market.price < market.instrument.minimum_notional, "see VenueMarket"
        view = market.venue.submit(a_request(market, quantity=lot), market.now)
        assert view.status is OrderStatus.REFUSED
        assert view.reason
        assert not view.filled
        assert fills(market) == []

    def test_a_client_id_is_accepted_once(self, market: VenueMarket) -> None:
        """The second is answered with the first, or refused: never filled again."""
        asked = a_request(market)
        market.venue.submit(asked, market.now)
        over = settled(market, asked)
        market.venue.submit(asked, market.now)
        market.move(market.price)
        assert market.venue.order(asked, market.now) == over
        assert sum(one.fill.quantity for one in fills(market)) == over.filled
        assert traded(market, asked, over) == asked.quantity

    def test_a_limit_rests_and_is_filled_in_part_at_its_limit_or_better(
        self, market: VenueMarket
    ) -> None:
        asked = a_limit(market)
        assert market.venue.submit(asked, market.now).status is OrderStatus.ACCEPTED
        assert [one.id for one in market.venue.open_orders(market.now)] == [asked.id]
        market.move(market.price * Decimal("0.98"), asked.quantity * 4 / LOTS)
        view = seen(market, asked)
        part = asked.quantity * 4 / LOTS
        assert (view.status, traded(market, asked, view)) == (OrderStatus.PARTLY_FILLED, part)
        assert asked.limit_price is not None
        assert all(fill.price <= asked.limit_price for fill in view.fills)
        market.move(market.price)
        assert seen(market, asked).status is OrderStatus.FILLED
        assert market.venue.open_orders(market.now) == []

    def test_what_is_cancelled_is_filled_no_more(self, market: VenueMarket) -> None:
        part = a_limit(market)
        market.venue.submit(part, market.now)
        market.move(market.price * Decimal("0.98"), part.quantity / 2)
        whole = a_limit(market)
        market.venue.submit(whole, market.now)
        for asked in (part, whole):
            market.venue.cancel(asked, market.now)
        ends = [settled(market, one) for one in (part, whole)]
        market.move(market.price * Decimal("0.97"))
        assert [one.status for one in ends] == [OrderStatus.CANCELLED] * 2
        both = part, whole
        half = [part.quantity / 2, 0]
        assert [traded(market, *pair) for pair in zip(both, ends, strict=True)] == half
        assert [traded(market, one, seen(market, one)) for one in both] == half

    def test_what_is_over_cannot_be_cancelled(self, market: VenueMarket) -> None:
        asked = a_request(market)
        market.venue.submit(asked, market.now)
        over = settled(market, asked)
        assert market.venue.cancel(asked, market.now) == over

    def test_an_order_ends_at_its_time(self, market: VenueMarket) -> None:
        ahead = market.venue.capabilities.ends_after
        if ahead is None:
            pytest.skip("the platform cancels what has expired here")
        asked = a_limit(market, expires_at=market.now + max(ahead, timedelta(seconds=1)))
        assert asked.expires_at is not None
        assert market.venue.capabilities.ends(asked, market.now)
        market.venue.submit(asked, market.now)
        while market.now < asked.expires_at:
            assert not seen(market, asked).status.is_terminal
            market.move(market.price)
        assert settled(market, asked).status is OrderStatus.EXPIRED
        market.move(market.price * Decimal("0.98"))
        assert seen(market, asked).filled == 0

    def test_a_stop_waits_for_its_trigger(self, market: VenueMarket) -> None:
        if OrderKind.STOP not in market.venue.capabilities.kinds:
            pytest.skip("there are no stops here")
        trigger = market.instrument.to_tick(market.price * Decimal("0.95"))
        stock(market)
        asked = a_request(market, Side.SELL, OrderKind.STOP, trigger_price=trigger)
        market.venue.submit(asked, market.now)
        market.move(market.price)
        assert not seen(market, asked).status.is_terminal
        market.move(market.price * Decimal("0.9"))
        assert settled(market, asked).status is OrderStatus.FILLED

    def test_a_stop_with_a_limit_is_a_limit_once_it_is_triggered(self, market: VenueMarket) -> None:
        """The market falls through both at once: what there is at the limit is not enough, and the
        rest waits there until it rises again."""
        if not market.venue.capabilities.limited_stops:
            pytest.skip("there are no stops with a limit here")
        trigger = market.instrument.to_tick(market.price * Decimal("0.95"))
        limit = market.instrument.to_tick(market.price * Decimal("0.94"))
        stock(market)
        asked = a_request(
            market, Side.SELL, OrderKind.STOP, trigger_price=trigger, limit_price=limit
        )
        market.venue.submit(asked, market.now)
        market.move(market.price)
        assert (seen(market, asked).status, seen(market, asked).filled) == (
            OrderStatus.ACCEPTED,
            Decimal(0),
        )
        market.move(market.price * Decimal("0.9"), Decimal(0))
        market.move(market.price)
        waiting = seen(market, asked)
        assert not waiting.status.is_terminal
        market.move(market.price * Decimal("1.1"))
        over = settled(market, asked)
        assert (over.status, over.filled) == (OrderStatus.FILLED, asked.quantity)
        assert all(fill.price >= limit for fill in over.fills)

    def test_what_does_not_wait_takes_what_there_is_at_its_limit(self, market: VenueMarket) -> None:
        """All where the market is within it, nothing where it is not; nothing rests."""
        if TimeInForce.IOC not in market.venue.capabilities.times:
            pytest.skip("every limit waits here")
        above = market.instrument.to_tick(market.price * Decimal("1.01"))
        ends = []
        for limit in (above, a_limit(market).limit_price):
            asked = replace(a_limit(market), limit_price=limit, time_in_force=TimeInForce.IOC)
            market.venue.submit(asked, market.now)
            ends.append(settled(market, asked))
            assert market.venue.open_orders(market.now) == []
            assert all(fill.price <= above for fill in ends[-1].fills)
        market.move(market.price * Decimal("0.98"))
        assert [(one.status, traded(market, asked, one)) for one in ends] == [
            (OrderStatus.FILLED, asked.quantity),
            (OrderStatus.EXPIRED, 0),
        ]
        assert seen(market, asked).filled == 0

    def test_what_only_makes_never_takes(self, market: VenueMarket) -> None:
        """It is turned down where it would, and is filled at its limit where it waited."""
        if TimeInForce.POST_ONLY not in market.venue.capabilities.times:
            pytest.skip("every limit may take here")
        above = market.instrument.to_tick(market.price * Decimal("1.01"))
        takes = replace(a_limit(market), limit_price=above, time_in_force=TimeInForce.POST_ONLY)
        down = submitted(market, takes)
        assert (down.status, down.filled) == (OrderStatus.REFUSED, Decimal(0))
        assert (down.reason or "").startswith(f"{Why.WOULD_TAKE}:")
        makes = replace(a_limit(market), time_in_force=TimeInForce.POST_ONLY)
        assert market.venue.submit(makes, market.now).status is OrderStatus.ACCEPTED
        market.move(market.price * Decimal("0.98"))
        over = settled(market, makes)
        assert {fill.price for fill in over.fills} == {makes.limit_price}
        assert traded(market, makes, over) == makes.quantity

    def test_what_only_closes_opens_nothing(self, market: VenueMarket) -> None:
        """Nothing held: it is turned down. More asked than is held: as much is closed."""
        if not market.venue.capabilities.reduces:
            pytest.skip("there is no reduce-only here")
        whole = replace(a_request(market, Side.SELL), reduce_only=True)
        down = submitted(market, whole)
        assert (down.status, down.filled) == (OrderStatus.REFUSED, Decimal(0))
        assert (down.reason or "").startswith(f"{Why.NOTHING_TO_REDUCE}:")
        opens = a_request(market, quantity=whole.quantity * 4 / LOTS)
        market.venue.submit(opens, market.now)
        settled(market, opens)
        closes = replace(whole, id=uuid4())
        market.venue.submit(closes, market.now)
        assert settled(market, closes).filled == opens.quantity
        held = market.venue.account(market.now).quantities
        assert held.get(market.instrument.id, Decimal(0)) == 0

    def test_what_rests_is_replaced_under_its_id(self, market: VenueMarket) -> None:
        """Another price and quantity; the old ones trade no more, and asking twice is asking
        once."""
        if not market.venue.capabilities.replaces:
            pytest.skip("nothing is replaced here")
        asked = a_limit(market)
        market.venue.submit(asked, market.now)
        lower = market.instrument.to_tick(market.price * Decimal("0.97"))
        moved = replace(asked, limit_price=lower, quantity=asked.quantity * 6 / LOTS)
        for _ in range(2):
            view = market.venue.replace(moved, market.now)
            assert view is not None
            assert (view.limit_price, view.quantity) == (lower, moved.quantity)
        market.move(market.price * Decimal("0.98"))
        assert (seen(market, asked).status, seen(market, asked).filled) == (
            OrderStatus.ACCEPTED,
            Decimal(0),
        )
        market.move(market.price * Decimal("0.98"))
        over = settled(market, asked)
        assert (over.status, over.filled) == (OrderStatus.FILLED, moved.quantity)
        assert all(fill.price <= lower for fill in over.fills)
        again = market.venue.replace(replace(moved, limit_price=asked.limit_price), market.now)
        assert again == over

    def test_executions_are_all_there_and_none_comes_twice(self, market: VenueMarket) -> None:
        """Read in one go, or as they come."""
        read: list[Execution] = []
        cursor = None
        orders = []
        stock(market)
        for side in (Side.BUY, Side.SELL, Side.SELL):
            asked = a_request(market, side)
            orders.append(asked)
            market.venue.submit(asked, market.now)
            settled(market, asked)
            new, cursor = market.venue.executions(cursor, market.now)
            read += new
        assert market.venue.executions(cursor, market.now) == ([], cursor)
        assert read == fills(market)
        assert len({one.fill.id for one in read}) == len(read)
        for asked in orders:
            theirs = [one for one in read if one.order_id == asked.id]
            assert {(one.side, one.instrument_id) for one in theirs} == {
                (asked.side, market.instrument.id)
            }
            assert [one.fill for one in theirs] == list(seen(market, asked).fills)

    def test_the_account_is_what_was_traded_transferred_and_paid(self, market: VenueMarket) -> None:
        """While it holds something the quantity; once it is flat again, or as flat as it can be,
        the cash to the last decimal. A transfer happens once for each reference."""
        reference, asset = uuid4(), market.instrument.quote
        first = market.venue.account(market.now).wallets.get(asset, Decimal(0))
        for _ in range(2):
            market.venue.transfer(reference, asset, Decimal(1_000), market.now)
        income, cursor = market.venue.income(None, market.now)
        paid = [one.amount for one in income]
        quantity, net = a_request(market).quantity, Decimal(0)
        for side in (Side.BUY, Side.SELL):
            asked = a_request(market, side, quantity=quantity)
            market.venue.submit(asked, market.now)
            settled(market, asked)
            net = sum((one.side.sign * one.fill.quantity for one in fills(market)), Decimal(0))
            quantity = market.instrument.to_lot(net)
            held = market.venue.account(market.now).quantities
            assert held.get(market.instrument.id, Decimal(0)) == net
            market.move(market.price * Decimal("1.01"))
            income, cursor = market.venue.income(cursor, market.now)
            paid += [one.amount for one in income]
        account = market.venue.account(market.now)
        equity = account.wallets[asset]
        equity += account.unrealised_at(market.instrument.id, market.price)
        moved = sum(
            (
                -one.side.sign * one.fill.quantity * one.fill.price - one.fill.fee
                for one in fills(market)
            ),
            Decimal(0),
        )
        assert equity == first + 1_000 + moved + net * market.price + sum(paid, Decimal(0))
        assert market.venue.income(cursor, market.now)[0] == []

    def test_a_process_that_starts_again_finds_everything(self, market: VenueMarket) -> None:
        resting, over = a_limit(market), a_request(market)
        for asked in (resting, over):
            market.venue.submit(asked, market.now)
        before = settled(market, over)
        first, cursor = market.venue.executions(None, market.now)
        market.venue = market.reconnect()
        assert market.venue.order(over, market.now) == before
        assert [one.id for one in market.venue.open_orders(market.now)] == [resting.id]
        market.move(market.price * Decimal("0.98"))
        new, _ = market.venue.executions(cursor, market.now)
        assert {one.order_id for one in new} == {resting.id}
        assert [*first, *new] == fills(market)
