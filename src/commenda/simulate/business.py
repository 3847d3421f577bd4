"""Set a business up: its market, creators with their own money at stake, products."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from commenda.automation import settings_in_force
from commenda.copying import (
    Flow,
    Runner,
    find_flow,
    follow,
    load_runner,
    open_flow_ids,
    share_flow,
)
from commenda.execution import Broker
from commenda.identity import register_users
from commenda.kernel import Costs
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.ledger import AccountKey, Author, Journal, Line, Owner, OwnerKind, open_accounts, post
from commenda.managed import Offer, Profile, deposit, list_flow, publish_offer
from commenda.market import (
    CandleFeed,
    Instrument,
    SeriesFiles,
    ensure_instrument,
    interval_name,
    listed,
    load_catalogue,
    simulate_market,
    simulated_assets,
)
from commenda.simulate.machine import found_machine
from commenda.simulate.population import product_id
from commenda.simulate.scenario import ASSET, FlowPart, Scenario
from commenda.venues import DEFAULT_VENUE, Outage, PaperVenue

RULES = "simulate/1"
INSURANCE = Decimal(100_000)
"""What the platform puts aside at the start for scopes that end below zero."""


@dataclass(frozen=True, slots=True)
class Business:
    """Everything a replay drives."""

    scenario: Scenario
    database: Database
    broker: Broker
    runners: list[Runner]

    @property
    def venue(self) -> PaperVenue:
        (venue,) = self.broker.venues
        assert isinstance(venue, PaperVenue)
        return venue

    def load_runners(self, tx: Tx) -> None:
        """Take every flow up that is not closed, where its stored state is."""
        costs = costs_of(self.scenario, self.broker)
        flows = [find_flow(tx, flow_id) for flow_id in open_flow_ids(tx)]
        self.runners[:] = [load_runner(tx, flow, costs) for flow in flows]


def open_business(scenario: Scenario, database: Database) -> Business:
    """Set the scenario's business up, or find it as a killed run left it."""
    with database.transaction() as tx:
        feed = _feed(tx, scenario)
    broker = Broker((venue_of(scenario, database, feed),), feed, scenario.secret)
    with database.transaction() as tx:
        flows = found(tx, scenario, broker)
        if scenario.abilities and not settings_in_force(tx):
            found_machine(tx, Author("simulation", RULES, scenario.start), scenario, flows)
        business = Business(scenario, database, broker, [])
        business.load_runners(tx)
    return business


def found(tx: Tx, scenario: Scenario, broker: Broker, venue: str = DEFAULT_VENUE) -> list[Flow]:
    """Insurance, products, and creators who share flows and lead them with their own money.

    The flows trade at the account `venue`. Founded again, nothing changes.
    """
    author = Author("simulation", RULES, scenario.start)
    instruments = {one.symbol: one for one in broker.feed.instruments}
    flows = [_flow(scenario, part, instruments[part.symbol], venue) for part in scenario.flows]
    _fund_insurance(tx, author)
    for product in _offers(scenario):
        publish_offer(tx, product)
    for flow, part in zip(flows, scenario.flows, strict=True):
        _found_flow(tx, author, flow, part, scenario.creator_capital)
    return flows


def costs_of(scenario: Scenario, broker: Broker) -> Costs:
    """What the strategies' own accounts pay: the venue's fee and slippage."""
    return Costs(
        fee_bps=float(broker.feed.instruments[0].taker_fee * 10_000),
        slippage_bps=float(scenario.venue.slippage * 10_000),
    )


def _feed(tx: Tx, scenario: Scenario) -> CandleFeed:
    market = scenario.market
    catalogue = load_catalogue()
    if market.simulated:
        assets = simulated_assets(market.symbols, catalogue)
        bars = int(timedelta(days=scenario.days + 1).total_seconds()) // scenario.interval
        series = simulate_market(
            scenario.seed,
            assets,
            scenario.start - timedelta(seconds=scenario.interval),
            bars,
            timedelta(seconds=scenario.interval),
        )
        stored = [ensure_instrument(tx, asset.instrument) for asset in assets]
        return CandleFeed.from_simulation(stored, series)
    assert market.folder is not None, "files come from a folder"
    sources = []
    for symbol in market.symbols:
        instrument = ensure_instrument(tx, listed(catalogue, "binance_usdm", symbol))
        sources.append((instrument, _files(market.folder, symbol, scenario.interval)))
    return CandleFeed.from_files(sources, scenario.interval)


def _files(folder: Path, symbol: str, interval: int) -> SeriesFiles:
    stem = f"binance_usdm_{symbol}"
    return SeriesFiles(
        folder / f"{stem}_{interval_name(interval)}.parquet",
        folder / f"{stem}_funding.parquet",
        folder / f"{stem}_mark_8h.parquet",
    )


def venue_of(
    scenario: Scenario, database: Database, feed: CandleFeed, every: timedelta | None = None
) -> PaperVenue:
    """The scenario's paper venue; its outages come back `every` so often, where that is given."""
    ids_by_symbol = {one.symbol: one.id for one in feed.instruments}
    outages = []
    for part in scenario.venue.outages:
        begins = scenario.start + timedelta(days=float(part.day))
        ends = begins + timedelta(hours=float(part.hours))
        instrument = ids_by_symbol[part.symbol] if part.symbol else None
        outages.append(Outage(begins, ends, instrument, part.reason, every))
    rates = scenario.venue.slippage, scenario.venue.participation
    return PaperVenue(database, feed, *rates, tuple(outages))


def _flow(scenario: Scenario, part: FlowPart, instrument: Instrument, venue: str) -> Flow:
    return Flow(
        id=ids.derive("flow", scenario.seed, part.creator),
        creator_id=ids.derive("user", "creator", scenario.seed, part.creator),
        title=part.creator,
        strategy=part.strategy,
        params=part.params,
        instrument_id=instrument.id,
        tags=(part.profile, part.strategy, part.symbol),
        venue=venue,
        automatic=True,
    )


def _found_flow(tx: Tx, author: Author, flow: Flow, part: FlowPart, capital: Decimal) -> None:
    """A creator registers, shares a flow, and puts their own money into it as its leader."""
    register_users(tx, [(flow.creator_id, part.creator)], "creator", author.now)
    share_flow(tx, flow, author.now)
    list_flow(tx, flow.id, part.profile, author.now)
    owner = Owner(OwnerKind.CREATOR, flow.creator_id)
    deposit(tx, author, owner, ASSET, capital, f"creator:{flow.creator_id}")
    follow(
        tx,
        author,
        flow=flow,
        follower=owner,
        amount=capital,
        asset=ASSET,
        key="vault",
        is_leader=True,
    )


def _offers(scenario: Scenario) -> list[Offer]:
    products = scenario.products
    return [
        Offer(
            product_id(profile, term, tier.name),
            profile,
            term,
            tier.name,
            ASSET,
            tier.minimum,
            tier.maximum,
            False,  # held to maturity
            products.fees,
            products.expected[profile],
            scenario.start,
        )
        for profile in Profile
        for term in products.terms
        for tier in products.tiers
    ]


def _fund_insurance(tx: Tx, author: Author) -> None:
    keys = [AccountKey(kind, Owner.platform(), ASSET) for kind in ("external", "insurance")]
    external, insurance = open_accounts(tx, keys)
    lines = [Line(external, -INSURANCE), Line(insurance, INSURANCE)]
    post(tx, author, Journal("insurance:initial", "insurance", ids.derive("insurance"), lines))
