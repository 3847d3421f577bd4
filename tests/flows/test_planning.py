"""What the database plans for many followers is what the rule decides for each.

The rule (`copying.rules.order_quantity`) is Decimal arithmetic on one follower; the statement is
PostgreSQL's `numeric` on all of them, written apart from it. Both are given the same books.
"""

from __future__ import annotations

import random
from decimal import Decimal

import psycopg
import pytest

from commenda.copying import CopyMode
from commenda.copying.actions import plan
from commenda.copying.rules import order_quantity
from commenda.kit.db import Database
from commenda.market import Kind
from scripted import D, flat
from world import World

FOLLOWERS = 24
MOVES = (
    ("0", "0.5"),
    ("0.5", "0.500000000000000001"),
    ("0.5", "0.8"),
    ("0.8", "0.3"),
    ("0.3", "-0.7"),
    ("-0.7", "-0.25"),
    ("-0.25", "-0.333333333333333333"),
    ("0.5", "0"),
)


@pytest.fixture(params=list(Kind))
def world(db: Database, request: pytest.FixtureRequest) -> World:
    return World(db, {"AAAUSDT": flat(97.31), "BBBUSDT": flat(0.37)}, kind=request.param)


def books(rng: random.Random, lot: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Cash, what is held here, what is held of another instrument: often on an edge."""
    cash = rng.choice([D(0), D("-12.5"), D(1000), D(rng.randrange(10**12)).scaleb(-8)])
    here = rng.choice([D(0), D(5), D(-5), rng.randrange(-10_000, 10_000) * lot])
    return cash, here, rng.choice([D(0), D(0), D(rng.randrange(-500, 500))])


@pytest.mark.parametrize("seed", range(3))
def test_the_plan_is_what_the_rule_decides_for_each(world: World, seed: int) -> None:
    rng = random.Random(seed)
    flow = world.creator("anna")
    legs = [
        world.follow(world.investor(f"f{n}"), flow, D(100), mode=rng.choice(list(CopyMode)))
        for n in range(FOLLOWERS)
    ]
    here, there = world.broker.feed.instruments[:2]
    marks = world.broker.marks(world.now)
    for previous, target in MOVES:
        signal = world.publish(flow, target)
        drawn = {leg: books(rng, here.step) for leg in legs}
        with psycopg.connect(world.database.owner_url) as owner:
            owner.execute("DELETE FROM signal_executions")
            owner.execute("DELETE FROM positions")
            owner.execute(
                "UPDATE trading_signals SET previous_target = %s, target = %s, reference_price = %s"
                " WHERE id = %s",
                (previous, target, price := D(rng.randrange(1, 10**6)).scaleb(-2), signal),
            )
            for leg, (cash, one, other) in drawn.items():
                owner.execute(
                    "UPDATE accounts SET balance = %s WHERE kind = 'scope' AND leg_id = %s",
                    (cash, leg),
                )
                for instrument, quantity in ((here, one), (there, other)):
                    owner.execute(
                        "WITH a AS (INSERT INTO accounts (kind, owner_kind, owner_id, asset,"
                        "  scope_id, leg_id, instrument_id) SELECT 'position', 'platform', id,"
                        "  'USDT', gen_random_uuid(), id, %s FROM legs WHERE id = %s RETURNING id)"
                        " INSERT INTO positions SELECT %s, %s, id, %s FROM a",
                        (instrument.id, leg, leg, instrument.id, quantity),
                    )
        with world.database.transaction() as tx:
            assert not plan(tx, world.broker, signal, world.now)
        modes = dict(world.rows("SELECT leg_id, copy_mode FROM flow_subscriptions"))
        planned = world.rows("SELECT leg_id, requested, error, status FROM signal_executions")
        found = {leg: (requested, error) for leg, requested, error, _ in planned}
        decided = {
            leg: order_quantity(
                CopyMode(modes[leg]),
                equity=cash + one * price + other * marks[there.id],
                held=one,
                price=price,
                previous_target=D(previous),
                target=D(target),
                lot=here.step,
                most=D("0.99") if here.kind is Kind.SPOT else None,
            )
            for leg, (cash, one, other) in drawn.items()
        }
        assert {leg: found[leg] for leg in legs} == decided
        assert all((error is None) == (status == "pending") for *_, error, status in planned)
    reasons = {row[1] for row in decided.values()}
    assert reasons <= {None, "nothing to close"}, "the last move closes"
