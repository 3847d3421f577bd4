"""What an exchange does by itself is posted to those whom it befell, by hand's figures."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from commenda.books import dust_leg
from commenda.exchange.liquidation import close_by_force
from commenda.exchange.market import Funding
from commenda.exchange.model import Position
from commenda.kit.db import Database
from world import World

from .lived import Life

D = Decimal


@pytest.fixture
def life(db: Database) -> Life:
    """Three books that hold 3, 2 and 1 AAA, bought at 100.02."""
    life = Life(World(db, fee="0", lot="0.001", minimum_notional=5), random.Random(1), 1)
    life.ask("AAAUSDT", D(3), D(2), D(1))
    life.work()
    life.pass_time(30)
    assert held(life) == [3, 2, 1]
    return life


def held(life: Life) -> list[Decimal]:
    return [life.world.quantity(leg) for leg in life.legs]


def cash(life: Life) -> list[Decimal]:
    return [life.world.cash(leg) for leg in life.legs]


def position(life: Life) -> Position:
    return life.desk.position("AAAUSDT", "BOTH")


def sound(life: Life) -> None:
    assert life.unexplained() == {}
    assert life.world.findings() == []


def test_a_position_that_is_deleveraged_leaves_each_book_in_proportion(life: Life) -> None:
    """3 of 6 at 110: 1.5, 1 and 0.5, for 165, 110 and 55."""
    before = cash(life)
    close_by_force(life.exchange, life.desk, position(life), 11_000, "adl_autoclose", 3_000)
    life.pass_time(30)
    life.observe()
    assert held(life) == [D("1.5"), 1, D("0.5")]
    assert [now - was for now, was in zip(cash(life), before, strict=True)] == [165, 110, 55]
    told = life.world.rows("SELECT subject, details FROM alerts WHERE kind = 'alert.venue_forced'")
    ((subject, details),) = told
    assert subject == life.name
    assert (details["forced"], details["quantity"], details["books"]) == ("deleveraged", "3", 3)
    sound(life)
    life.pass_time(30)
    life.observe()  # read again, it is not posted again
    assert held(life) == [D("1.5"), 1, D("0.5")]


def test_an_exit_that_comes_with_it_turns_the_position_of_the_platform(life: Life) -> None:
    """All 6 are closed, and 6 are sold before that is read: nobody's book is short."""
    close_by_force(life.exchange, life.desk, position(life), 9_000, "autoclose-")
    life.ask("AAAUSDT", D(-3), D(-2), D(-1))
    life.work()
    life.pass_time(30)
    life.observe()
    assert held(life) == [0, 0, 0]
    assert life.world.quantity(dust_leg("USDT", life.name)) == -6
    assert position(life).lots == -6_000
    sound(life)


def test_what_a_liquidation_costs_is_of_those_who_were_liquidated(life: Life) -> None:
    """0.6 for 6: 0.3, 0.2 and 0.1, once."""
    close_by_force(life.exchange, life.desk, position(life), 9_000, "autoclose-")
    life.exchange.pay(life.desk, "INSURANCE_CLEAR", "AAAUSDT", D("-0.6"))
    before = cash(life)
    for _ in range(2):
        life.pass_time(30)
        life.observe()
    closed = [now - was for now, was in zip(cash(life), before, strict=True)]
    assert closed == [D("269.7"), D("179.8"), D("89.9")]
    sound(life)


def test_funding_is_of_those_who_held_when_it_was_charged(life: Life) -> None:
    """1 in 1,000 at 100 of 3, 2 and 1. Two of them have nothing more when it is read."""
    life.pass_time(3_600 - life.hands.seconds % 3_600 + 2)
    life.exchange.wait(int(life.hands.seconds * 1000))
    life.exchange.apply(Funding(life.exchange.now, "AAAUSDT", D("0.001"), D(100)))
    life.pass_time(1)
    life.ask("AAAUSDT", D(-3), D(-2))
    (order,) = life.orders[1:]
    life.work()
    paid = [-D("0.3"), -D("0.2"), -D("0.1")]
    posted = life.world.column(
        "SELECT e.amount FROM entries e JOIN journals j ON j.id = e.journal_id"
        " JOIN legs l ON l.account_id = e.account_id WHERE j.kind = 'funding' ORDER BY e.amount"
    )
    assert posted == paid
    assert held(life) == [0, 0, 1]
    assert order.quantity == 5
    sound(life)


def test_what_is_by_hand_stays_nobodys(life: Life) -> None:
    """Found, named, and in no book."""
    life.by_hand("AAAUSDT", -1_000)
    life.pass_time(30)
    life.observe()
    assert held(life) == [3, 2, 1]
    assert life.unexplained()["AAAUSDT"] == -1
    (finding,) = life.world.findings()
    assert "sell 1" in finding
