"""Found the demo's business, or find it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path

from commenda.demo.breaking import watch_jumps
from commenda.demo.exchange import ACCOUNT, READ_EVERY, account_at
from commenda.demo.history import record_history
from commenda.demo.limits import set_limits
from commenda.demo.machine import let_act
from commenda.demo.savings import offer_products
from commenda.demo.sign_ins import register_sign_ins
from commenda.execution import Broker
from commenda.kernel import Costs
from commenda.kit import clock
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.market import (
    EndlessFeed,
    SimulatedAsset,
    ensure_instrument,
    load_catalogue,
    simulated_assets,
)
from commenda.simulate import Scenario, costs_of, found, load_scenario, venue_of
from commenda.venues import Means, Simulator, Venue

PACE = Decimal(1440)
"""Business seconds in a second: a day a minute."""
QUICK = timedelta(days=8)
"""The first days pass without waiting, so that there is something to look at."""
OUTAGES_RETURN = timedelta(days=12)


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's market and what its strategies' accounts pay."""

    scenario: Scenario
    broker: Broker
    costs: Costs


def demo_scenario() -> Scenario:
    with resources.as_file(resources.files("commenda.demo") / "operation.toml") as file:
        return load_scenario(Path(file))


def open_demo(
    database: Database,
    secret: bytes,
    pace: Decimal = PACE,
    home: Path | None = None,
    exchange: Simulator | None = None,
    keys: Keys | None = None,
) -> Demo:
    """Found the demo, or go on with it; code `not_a_demo` in a database with another business.

    With a data directory as its `home` the market has a past there to try strategies on. With an
    `exchange`, which answers, its strategies trade there, by a key that `keys` seal.
    """
    scenario = demo_scenario()
    with database.transaction() as tx:
        new = _claim(tx, scenario, None if exchange is None else ACCOUNT)
        assets = simulated_assets(scenario.market.symbols, load_catalogue())
        feed = _feed(tx, scenario, assets)
        if new and home is not None:
            record_history(tx, home, scenario.seed, assets, scenario.start)
    venues: tuple[Venue, ...] = (venue_of(scenario, database, feed, OUTAGES_RETURN),)
    if exchange is not None:
        means = Means(database, feed, keys)
        venues = *venues, account_at(database, means, exchange, scenario.start)
    broker = Broker(venues, feed, secret, read_every=READ_EVERY)
    with database.transaction() as tx:
        flows = found(tx, scenario, broker, venues[-1].name)
        register_sign_ins(tx, scenario, flows, offer_products(tx, scenario), secret)
        if new:
            set_limits(tx, scenario.start)
            let_act(tx, scenario.start)
            watch_jumps(tx, scenario, feed.instruments)
        clock.set_pace(tx, scenario.start, pace, scenario.start + QUICK)
    return Demo(scenario, broker, costs_of(scenario, broker))


def _claim(tx: Tx, scenario: Scenario, account: str | None) -> bool:
    """Make the database the demo's, under a lock: several workers may begin at once. Whether it
    was not before. One that trades elsewhere is another."""
    digest = scenario.digest if account is None else f"{scenario.digest} {account}"
    tx.execute("LOCK demo_operation IN EXCLUSIVE MODE")
    row = tx.execute("SELECT scenario FROM demo_operation").fetchone()
    used = tx.execute("SELECT EXISTS (SELECT FROM business_clock)").fetchone()
    if row is None and used == (False,):
        tx.execute(
            "INSERT INTO demo_operation (scenario, begun_at) VALUES (%s, %s)",
            (digest, scenario.start),
        )
        return True
    if row is None or row[0] != digest:
        raise CommendaError(
            "not_a_demo",
            "This database holds another business, or the demo of another version or venue",
        ).at("--data", hint="start the demo in a new data directory or database")
    return False


def _feed(tx: Tx, scenario: Scenario, assets: Sequence[SimulatedAsset]) -> EndlessFeed:
    stored = [ensure_instrument(tx, asset.instrument) for asset in assets]
    interval = timedelta(seconds=scenario.interval)
    # One bar earlier: the first tick has a bar that just closed.
    return EndlessFeed(scenario.seed, assets, stored, scenario.start - timedelta(days=1), interval)
