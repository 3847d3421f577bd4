"""The paper venue keeps honest books of its own, and reconciliation would tell if it did not."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from uuid import UUID

import psycopg
import pytest

from commenda.books import post_funding, request_transfer
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.managed import activate_due
from commenda.venues import OrderKind, OrderRequest, OrderStatus, Outage, PaperVenue, Side
from scripted import ASSET, START, D, Script, ScriptedVenue, steps
from world import World, in_threads

LOT = D("0.001")


def order(
    world: World,
    name: object,
    side: Side = Side.BUY,
    quantity: Decimal | int | str = 1,
    trigger: Decimal | int | str | None = None,
    symbol: str = "AAAUSDT",
) -> OrderRequest:
    return OrderRequest(
        ids.derive("test-order", name),
        world.instruments[symbol].id,
        side,
        OrderKind.MARKET if trigger is None else OrderKind.STOP,
        D(quantity),
        world.price(symbol),
        trigger_price=None if trigger is None else D(trigger),
        # As a replay hands it in: after the bar it rested in.
        active_from=None if trigger is None else world.now - timedelta(hours=1),
    )


def venue(world: World, **changes: object) -> PaperVenue:
    return replace(world.venue, **changes)  # type: ignore[arg-type]


# --- the venue's own account -----------------------------------------------------------------


@dataclass
class AverageCost:
    """An independent account in fractions: one position at average cost, and what it realised."""

    quantity: Fraction = Fraction(0)
    average: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    cash: Fraction = field(default=Fraction(0))
    """What trades paid and took, nothing else: quantity · price and fees."""

    def trade(self, quantity: Fraction, price: Fraction, fee: Fraction) -> None:
        self.cash -= quantity * price + fee
        if self.quantity * quantity < 0:
            closed = min(abs(self.quantity), abs(quantity))
            gain = (price - self.average) * (1 if self.quantity > 0 else -1)
            self.realised += closed * gain
            if abs(quantity) > abs(self.quantity):
                self.average = price
        else:
            held, added = abs(self.quantity), abs(quantity)
            self.average = (self.average * held + price * added) / (held + added)
        self.quantity += quantity
        self.realised -= fee
        if not self.quantity:
            self.average = Fraction(0)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_random_trades_agree_with_an_average_cost_account(db: Database, seed: int) -> None:
    """Realised and unrealised profit, and that nothing but trades moves the sum of both."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    prices = [round(100 * 1.02 ** rng.gauss(0, 3), 2) for _ in range(200)]
    world = World(db, {"AAAUSDT": lambda hour: prices[max(hour, 0)]}, slippage="0.0003", hours=200)
    account = AverageCost()
    for n in range(120):
        world.advance()
        side = rng.choice(list(Side))
        report = world.venue.submit(
            order(world, n, side, LOT * rng.choice([1, 7, 500, 3333])), world.now
        )
        assert report.status is OrderStatus.FILLED
        for fill in report.fills:
            account.trade(
                side.sign * Fraction(fill.quantity), Fraction(fill.price), Fraction(fill.fee)
            )
        books = world.venue.account(world.now)
        instrument = world.instruments["AAAUSDT"].id
        mark = Fraction(world.broker.marks(world.now)[instrument])
        assert Fraction(books.quantities[instrument]) == account.quantity
        # Cost leaves a position rounded to 10^-8; the sum of both profits is exact all the same.
        equity = Fraction(books.wallets[ASSET]) + Fraction(books.unrealised[instrument])
        assert equity == account.cash + account.quantity * mark
        slack = Fraction(n + 1, 10**8)
        assert abs(Fraction(books.wallets[ASSET]) - account.realised) <= slack
        unrealised = account.quantity * (mark - account.average)
        assert abs(Fraction(books.unrealised[instrument]) - unrealised) <= slack


def test_a_flat_position_has_no_cost_and_no_profit_left(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100), (1, 110))}, fee="0")
    world.venue.submit(order(world, 1, Side.BUY, "0.007"), world.now)
    world.advance().venue.submit(order(world, 2, Side.SELL, "0.007"), world.now)
    books = world.venue.account(world.now)
    assert books.wallets == {ASSET: D("0.07")}
    assert set(books.quantities.values()) == set(books.unrealised.values()) == {0}


def test_slippage_and_rounding_go_against_the_trader(db: Database) -> None:
    world = World(db, {"AAAUSDT": lambda _: 99.99}, slippage="0.00033", tick="0.01", fee="0.0007")
    for side, price in ((Side.BUY, "100.03"), (Side.SELL, "99.95")):
        # 99.99 · 1.00033 = 100.0229967; 99.99 · 0.99967 = 99.9570033: to the worse tick.
        (fill,) = world.venue.submit(order(world, side, side, "0.003"), world.now).fills
        assert fill.price == D(price)
        exact = fill.quantity * fill.price * D("0.0007")
        assert exact <= fill.fee < exact + D("0.00000001")


# --- liquidity -------------------------------------------------------------------------------


def test_the_liquidity_of_a_bar_is_used_up_once(db: Database) -> None:
    """Volume 10 at a participation of 25 % offers 2.5 to all orders of the bar together."""
    world = World(db, volume=10)
    paper = venue(world, participation=D("0.25"))
    reports = [
        paper.submit(order(world, n, side, "1.2"), world.now)
        for n, side in enumerate([Side.BUY, Side.SELL, Side.BUY, Side.BUY])
    ]
    assert [report.status for report in reports] == ["filled", "filled", "expired", "expired"]
    assert [sum(fill.quantity for fill in report.fills) for report in reports] == [
        D("1.2"),
        D("1.2"),
        D("0.1"),
        0,
    ]
    assert reports[3].reason == "no liquidity left in this bar"
    assert paper.submit(order(world, 9, Side.BUY, "1.2", symbol="BBBUSDT"), world.now).fills
    world.advance()
    assert paper.submit(order(world, 5, Side.BUY, "1.2"), world.now).status == "filled"


def test_orders_at_once_cannot_share_the_same_liquidity(db: Database) -> None:
    world = World(db, volume=10)
    paper = venue(world, participation=D("0.25"))
    reports = in_threads(
        *[partial(paper.submit, order(world, n, Side.BUY, "1"), world.now) for n in range(8)]
    )
    filled = sum(fill.quantity for report in reports for fill in report.fills)
    assert filled == D("2.5")
    assert world.one("SELECT sum(quantity) FROM paper.positions") == D("2.5")


def test_a_stop_takes_what_is_left_of_the_bar_that_closed(db: Database) -> None:
    world = World(db, {"AAAUSDT": steps((0, 100), (1, 90))}, volume=10)
    paper = venue(world, participation=D("0.2"))
    paper.submit(order(world, 1, Side.BUY, "1.5"), world.now)
    world.advance()
    report = paper.submit(order(world, 2, Side.SELL, "1.5", trigger=95), world.now)
    assert (report.status, report.fills[0].quantity) == ("expired", D("0.5"))


# --- stops -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "trigger", "path", "expected"),
    [
        # The bar that closed at hour 2 opened at hour 1 and moved to the price of hour 2.
        (Side.SELL, 95, [(0, 100), (2, 90)], "95"),  # traded through: at the trigger
        (Side.SELL, 95, [(0, 100), (1, 92), (2, 90)], "92"),  # opened beyond: at the open
        (Side.SELL, 95, [(0, 100), (2, 95)], "95"),  # touched
        (Side.SELL, 95, [(0, 100), (2, 96)], None),
        (Side.BUY, 105, [(0, 100), (2, 110)], "105"),
        (Side.BUY, 105, [(0, 100), (1, 108), (2, 110)], "108"),
        (Side.BUY, 105, [(0, 100), (2, 105)], "105"),
        (Side.BUY, 105, [(0, 100), (2, 104)], None),
    ],
)
def test_a_stop_fills_at_its_trigger_or_at_the_open_beyond_it(
    db: Database,
    side: Side,
    trigger: int,
    path: list[tuple[int, float]],
    expected: str | None,
) -> None:
    world = World(db, {"AAAUSDT": steps(*path)})
    world.advance(2)
    report = world.venue.submit(order(world, "stop", side, 1, trigger), world.now)
    if expected is None:
        assert (report.status, report.reason) == ("expired", "stop not triggered")
    else:
        assert (report.status, report.fills[0].price) == ("filled", D(expected))


# --- refusals --------------------------------------------------------------------------------


def test_an_outage_refuses_from_its_first_to_its_last_moment(db: Database) -> None:
    world = World(db)
    hour = timedelta(hours=1)
    one = world.instruments["AAAUSDT"].id
    paper = venue(world, outages=(Outage(START + hour, START + 3 * hour, one, "maintenance"),))
    statuses = []
    for n in range(5):
        report = paper.submit(order(world, n), world.now)
        statuses.append((report.status.value, report.reason))
        other = paper.submit(order(world, f"b{n}", symbol="BBBUSDT"), world.now)
        assert other.status == "filled"
        world.advance()
    assert statuses == [
        ("filled", None),
        *[("refused", "maintenance")] * 2,
        *[("filled", None)] * 2,
    ]


def test_an_order_below_the_venues_minimum_is_refused(db: Database) -> None:
    world = World(db, minimum_notional="100")
    small = world.venue.submit(order(world, 1, quantity="0.999"), world.now)
    assert (small.status, small.reason) == ("refused", "below the minimum notional of 100")
    assert world.venue.submit(order(world, 2, quantity=1), world.now).status == "filled"


def test_without_a_bar_there_is_no_market(db: Database) -> None:
    world = World(db, hours=3)
    late = order(world, 1)
    world.now += timedelta(hours=30)
    assert world.venue.submit(late, world.now).reason == "no market: no bar at this time"


# --- asked twice -----------------------------------------------------------------------------


def test_an_order_is_looked_up_before_it_is_placed(db: Database) -> None:
    world = World(db)
    one = order(world, 1)
    assert world.venue.order(one, world.now) is None
    report = world.venue.submit(one, world.now)
    assert world.venue.order(one, world.now) == report
    world.advance()
    assert world.venue.submit(one, world.now) == report, "the first answer stands"
    assert in_threads(*[partial(world.venue.submit, one, world.now)] * 8) == [report] * 8
    assert world.one("SELECT sum(quantity) FROM paper.positions") == 1


def test_an_order_at_once_from_many_is_filled_once(db: Database) -> None:
    world = World(db)
    reports = in_threads(*[partial(world.venue.submit, order(world, 1), world.now)] * 10)
    assert len({report.fills for report in reports}) == 1
    assert world.one("SELECT count(*) FROM paper.fills") == 1


def test_a_refusal_is_remembered_too(db: Database) -> None:
    world = World(db)
    paper = ScriptedVenue(db, world.feed, script=Script(refusal="closed"))
    one = order(world, 1)
    assert paper.submit(one, world.now).status == "refused"
    paper.script.refusal = None
    assert paper.submit(one, world.now).reason == "closed"


def test_a_transfer_happens_once_for_each_reference(db: Database) -> None:
    world = World(db)
    reference = UUID(int=1)
    in_threads(*[partial(world.venue.transfer, reference, ASSET, D(100), world.now)] * 8)
    world.venue.transfer(UUID(int=2), ASSET, D(-30), world.now)
    assert world.venue.account(world.now).wallets == {ASSET: D(70)}


def test_a_requested_transfer_is_carried_out_once_by_many(db: Database) -> None:
    world = World(db)
    for n in range(5):
        with db.transaction() as tx:
            request_transfer(
                tx,
                reference=UUID(int=n),
                venue="paper",
                asset=ASSET,
                amount=D(10),
                correlation_id=UUID(int=n),
                now=world.now,
            )
    in_threads(*[world.move_cash] * 6)
    assert world.venue.account(world.now).wallets == {ASSET: D(50)}
    assert world.one("SELECT balance FROM accounts WHERE kind = 'venue'") == -50
    assert world.one("SELECT count(*) FROM journals WHERE kind = 'transfer'") == 5


def test_funding_is_charged_once_for_each_stamp(db: Database) -> None:
    world = World(db)
    flow = world.creator("anna")
    world.signal(flow, "0.5")
    begin = world.now
    world.advance(8)
    first, _ = world.venue.income(begin.isoformat(), world.now)
    assert world.venue.income(begin.isoformat(), world.now)[0] == first
    paid = {payment.instrument_id: payment for payment in first}
    payment = paid[world.instruments["AAAUSDT"].id]
    # 50 at 100, 0.01 %: a long pays half a dollar.
    assert (payment.quantity, payment.amount) == (50, D("-0.5"))
    for one in first:
        with db.transaction() as tx:
            post_funding(tx, world.author, "paper", one, world.broker.instrument(one.instrument_id))
    world.assert_sound()


# --- reconciliation --------------------------------------------------------------------------

TAMPERING = [
    ("UPDATE paper.wallets SET balance = balance + 0.00000001", ASSET, D("0.00000001")),
    ("UPDATE paper.wallets SET balance = balance - 5", ASSET, D(-5)),
    ("UPDATE paper.positions SET cost = cost + 1 WHERE quantity <> 0", ASSET, D(-1)),
    (
        "UPDATE paper.positions SET quantity = quantity + 0.001 WHERE quantity <> 0",
        "AAAUSDT",
        D("0.001"),
    ),
    ("DELETE FROM paper.positions", "AAAUSDT", D(-50)),
    ("UPDATE positions SET quantity = quantity + 1 WHERE quantity <> 0", "AAAUSDT", D(-1)),
    ("UPDATE accounts SET balance = balance + 3 WHERE kind = 'scope'", ASSET, D(-6)),
    ("UPDATE accounts SET balance = balance + 2 WHERE kind = 'unallocated'", ASSET, D(-2)),
    ("DELETE FROM transfers WHERE done_at IS NULL", ASSET, D(-100)),
]


@pytest.mark.parametrize(("tampering", "subject", "difference"), TAMPERING)
def test_tampering_shows_as_an_unexplained_difference(
    db: Database, tampering: str, subject: str, difference: Decimal
) -> None:
    world = World(db, fee="0")
    flow = world.creator("anna")
    world.signal(flow, "0.5")
    world.script.refusal = "nothing more is traded"
    subscription = world.subscribe(world.investor("ines"), world.product(), 100)
    world.advance()
    with db.transaction() as tx:  # its cash is on its way to the venue, and explains itself
        assert activate_due(tx, world.author) == 1
    assert world.status(subscription) == "ACTIVE"
    assert world.unexplained() == {}
    with psycopg.connect(db.owner_url) as admin:
        assert admin.execute(tampering).rowcount > 0  # type: ignore[arg-type]
    assert world.unexplained()[subject] == difference
