"""A database of the last version is taken over in the middle of everything, and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from commenda.kit.migrate import migrate, migrations
from commenda.kit.money import plain
from last_version import story
from last_version.today import (
    DUMP,
    findings,
    go_on,
    half_done,
    restore,
    rows,
    taken_over,
    worked,
)
from world import World

D = Decimal
EXPECTED: dict[str, Any] = json.loads(DUMP.with_name("expected.json").read_text())
"""What the last version paid when it went on itself."""
ANSWERS = (
    "SELECT principal || ' ' || client_key, outcome FROM idempotency WHERE operation = 'subscribe'"
)
LEAVING = {"fausto", "lena", "livia", "luca", "ludo"}
LIQUIDATING = {"stuck", "silent", "lost", "dust to be"}


@pytest.fixture
def url(server: tuple[str, Callable[[], None]]) -> str:
    """The owner's, of a database that holds the last version's rows under its schema."""
    restore(server[0])
    return server[0]


def statuses(world: World) -> dict[str, str]:
    return dict(
        world.rows(
            "SELECT u.username, s.status FROM managed_subscriptions s"
            " JOIN users u ON u.id = s.investor_id"
        )
    )


def paid(world: World, kind: str) -> dict[str, list[Decimal]]:
    """What journals of this kind brought to whose wallet."""
    payments: dict[str, list[Decimal]] = {}
    for name, amount in world.rows(
        "SELECT u.username, e.amount FROM journals j JOIN entries e ON e.journal_id = j.id"
        " JOIN accounts a ON a.id = e.account_id AND a.kind = 'wallet'"
        " JOIN users u ON u.id = a.owner_id WHERE j.kind = %s ORDER BY j.id",
        kind,
    ):
        payments.setdefault(name, []).append(amount)
    return payments


def amounts(written: dict[str, str]) -> dict[str, Decimal]:
    return {name: D(amount) for name, amount in written.items()}


def once(written: dict[str, str]) -> dict[str, list[Decimal]]:
    """One payment to each."""
    return {name: [amount] for name, amount in amounts(written).items()}


def test_it_is_taken_over_and_goes_on_to_the_same_payments(url: str) -> None:
    migrate(url)
    with taken_over(url) as world:
        assert world.now == story.moment(story.LEFT)
        assert findings(world) == []
        assert {name for name, one in statuses(world).items() if one == "LIQUIDATING"} == (
            LIQUIDATING
        )
        assert all(half_done(world).values()), "it was left in the middle of everything"
        assert paid(world, "leave") == {}
        before = worked(world)

        go_on(world, story.LEFT + 7)  # before the next funding is due
        left = {name for name, one in statuses(world).items() if one != "SETTLED"}
        assert left == {"active", "later", "reserved", "cancelled"}
        assert half_done(world) == dict.fromkeys(half_done(world), 0) | {"subscriptions": 3}
        assert findings(world) == []

        go_on(world, story.END)
        assert findings(world) == []
        assert half_done(world) == dict.fromkeys(half_done(world), 0)
        assert before < worked(world), "what was filled before stays as it was"
        orders_filled_before = {order for order, *_ in before}
        assert {one for one in worked(world) if one[0] in orders_filled_before} == before, (
            "nothing is sent twice"
        )
        states = statuses(world)
        assert states.pop("cancelled") == "CANCELLED"
        assert states == dict.fromkeys(EXPECTED["settled"], "SETTLED")
        assert set(states) > LIQUIDATING

        settlements = paid(world, "settlement")
        assert settlements == once(EXPECTED["settled"])
        # One day at 1 % a year of 6,000, rounded down; three hours of a book that holds nothing.
        assert settlements["reserved"] == [6_000 - D("0.16438356")]
        assert settlements["flat"] == [5_000]
        assert set(EXPECTED["left"]) == LEAVING
        assert paid(world, "leave") == once(EXPECTED["left"])
        the_venue_and_a_pencil_agree_on_fausto(world)
        assert wallets(world) == amounts(EXPECTED["wallets"])
        assert holdings(world) == {
            name: amounts(positions) for name, positions in EXPECTED["held"].items()
        }
        closed = world.column(
            "SELECT u.username FROM scopes c JOIN users u ON u.id = c.owner_id"
            " JOIN legs l ON l.scope_id = c.id JOIN accounts a ON a.id = l.account_id"
            " WHERE c.kind IN ('copy', 'vault') AND c.closed_at IS NOT NULL AND a.balance = 0"
        )
        assert sorted(closed) == sorted(LEAVING)
        assert world.column("SELECT title FROM shared_flows WHERE status = 'closed'") == ["fausto"]


def test_what_a_subscription_was_answered_is_answered_as_by_any_other_write(url: str) -> None:
    with psycopg.connect(url) as owner:
        old = dict(owner.execute(ANSWERS).fetchall())
        owner.execute(
            "INSERT INTO idempotency VALUES"
            " ('subscribe', 'nobody', 'poor', '', '{\"refused\": \"insufficient_custody\"}', now())"
        )
    assert old
    migrate(url)
    with psycopg.connect(url) as owner:
        new = dict(owner.execute(ANSWERS).fetchall())
        refused = new.pop("nobody poor")
        assert (refused["status"], refused["body"]["code"], refused["body"]["field"]) == (
            409,
            "insufficient_custody",
            "amount",
        )
        asked = owner.execute(
            "SELECT id::text, product_id::text, amount FROM managed_subscriptions"
        )
        of = {name: (product, amount) for name, product, amount in asked}
    assert new.keys() == old.keys()
    for key, answer in new.items():
        name, body = old[key]["subscriptionId"], answer["body"]
        product, amount = of[name]
        assert (answer["status"], body["subscriptionId"], body["executionScopeId"]) == (
            201,
            name,
            name,
        )
        assert (body["status"], body["productId"]) == ("RESERVED", product)
        assert body["amount"] == plain(amount)
    names = [one.name.split("_", 1)[1] for one in migrations()]
    migrate(url, to=names.index("subscription_answers"))
    with psycopg.connect(url) as owner:
        back = dict(owner.execute(ANSWERS).fetchall())
    assert back == {**old, "nobody poor": {"refused": "insufficient_custody"}}


def the_venue_and_a_pencil_agree_on_fausto(world: World) -> None:
    """Fausto: 3,000, half of it in CCCUSDT at 200, sold at 210, fees of 0.05 % and funding.

    7.5 bought for 1,500 and sold for 1,575 are worth 75, less fees of 0.75 and 0.7875.
    """
    ((stake, gained, fees),) = world.rows(
        "SELECT l.capital, -sum(a.notional), sum(a.fee) FROM legs l"
        " JOIN allocations a ON a.leg_id = l.id JOIN scopes c ON c.id = l.scope_id"
        " JOIN users u ON u.id = c.owner_id WHERE u.username = 'fausto' GROUP BY 1"
    )
    funding = D(EXPECTED["left"]["fausto"]) - stake - gained + fees
    assert (stake, gained, fees) == (3_000, 75, D("1.5375"))
    # A long pays 0.01 % every eight hours: at 200 twice and at 210 seven times up to hour 72.
    assert funding == -D("0.0001") * D("7.5") * (2 * 200 + 7 * 210)


def wallets(world: World) -> dict[str, Decimal]:
    return dict(
        world.rows(
            "SELECT u.username, a.balance FROM accounts a JOIN users u ON u.id = a.owner_id"
            " WHERE a.kind = 'wallet'"
        )
    )


def holdings(world: World) -> dict[str, dict[str, Decimal]]:
    """What the books that go on hold, by owner and symbol."""
    held: dict[str, dict[str, Decimal]] = {}
    for name, symbol, quantity in world.rows(
        "SELECT u.username, i.symbol, sum(p.quantity) FROM positions p"
        " JOIN legs l ON l.id = p.leg_id JOIN scopes c ON c.id = l.scope_id"
        " JOIN users u ON u.id = c.owner_id JOIN instruments i ON i.id = p.instrument_id"
        " WHERE p.quantity <> 0 GROUP BY 1, 2"
    ):
        held.setdefault(name, {})[symbol] = quantity
    return held


def test_its_rows_are_the_same_after_the_way_up_and_back(url: str) -> None:
    newer = [one.name for one in migrations()][story.MIGRATIONS :]
    before = rows(url)
    assert migrate(url) == newer
    assert migrate(url, to=story.MIGRATIONS) == newer[::-1]
    assert rows(url) == before
    assert migrate(url) == newer
    with taken_over(url) as world:
        assert findings(world) == []
        go_on(world, story.LEFT + 7)
        assert findings(world) == []
        assert set(paid(world, "leave")) == LEAVING
    assert migrate(url, to=story.MIGRATIONS) == newer[::-1], "what went on can go back, too"
