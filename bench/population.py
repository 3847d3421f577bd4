"""The businesses that are measured: a simulated market, creators, investors with money.

Everything goes through the product's own actions, set-based where they take sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from commenda.books import NewLeg, Scope, open_scopes, request_transfer
from commenda.copying import Flow, NewFollower, attach_legs, copy_signal, publish_signal, share_flow
from commenda.execution import Broker
from commenda.identity import register_users
from commenda.kit import clock, ids
from commenda.kit.db import Database, Tx
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post_batch,
)
from commenda.market import (
    CandleFeed,
    Instrument,
    ensure_instrument,
    load_catalogue,
    simulate_market,
    simulated_assets,
)
from commenda.venues import PaperVenue

ASSET = "USDT"
START = datetime(2025, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
BATCH = 2_000


def author(now: datetime = START) -> Author:
    """Who posts what the preparation posts."""
    return Author("bench", "bench/1", now)


def open_broker(database: Database, symbols: Sequence[str], hours: int) -> Broker:
    """A paper venue on a simulated market with hourly bars, all of whose volume can be had."""
    assets = simulated_assets(symbols, load_catalogue())
    series = simulate_market(1, assets, START, hours, HOUR)
    with database.transaction() as tx:
        stored = [ensure_instrument(tx, asset.instrument) for asset in assets]
    feed = CandleFeed.from_simulation(stored, series)
    return Broker((PaperVenue(database, feed, participation=Decimal(1)),), feed, b"bench")


def open_flow(tx: Tx, name: str, instrument: Instrument) -> Flow:
    """A creator and what they share."""
    creator = ids.derive("user", "creator", name)
    register_users(tx, [(creator, name)], "creator", START)
    flow = Flow(
        id=ids.derive("flow", name),
        creator_id=creator,
        title=name,
        strategy="ema_trend",
        params={},
        instrument_id=instrument.id,
    )
    share_flow(tx, flow, START)
    return flow


def fund_investors(tx: Tx, deposits: Sequence[Decimal]) -> list[UUID]:
    """Register an investor for each deposit and put it into their wallet."""
    investors = [ids.derive("user", "investor", number) for number in range(len(deposits))]
    names = [f"investor-{number}" for number in range(len(deposits))]
    register_users(tx, list(zip(investors, names, strict=True)), "investor", START)
    keys = [AccountKey("external", Owner.platform(), ASSET)]
    keys += [AccountKey("wallet", Owner(OwnerKind.INVESTOR, one), ASSET) for one in investors]
    external, *wallets = open_accounts(tx, keys)
    journals = [
        Journal(
            f"deposit:investor:{investor}",
            "deposit",
            ids.derive("deposit", investor),
            [Line(external, -amount), Line(wallet, amount)],
        )
        for investor, wallet, amount in zip(investors, wallets, deposits, strict=True)
    ]
    for begin in range(0, len(journals), BATCH):
        post_batch(tx, author(), journals[begin : begin + BATCH])
    return investors


def follow_all(
    tx: Tx, broker: Broker, flow: Flow, investors: Sequence[UUID], amounts: Sequence[Decimal]
) -> None:
    """What `copying.follow` does for one follower, for all of them at once."""
    owners = [Owner(OwnerKind.INVESTOR, one) for one in investors]
    wallets = open_accounts(tx, [AccountKey("wallet", owner, ASSET) for owner in owners])
    books = []
    for owner, amount in zip(owners, amounts, strict=True):
        scope_id = ids.derive("scope", "copy", owner.id, flow.id, "bench")
        correlation = ids.derive("copy", owner.id, flow.id, "bench")
        scope = Scope(scope_id, "copy", owner, ASSET, correlation)
        books.append(
            (
                scope,
                [NewLeg(ids.derive("leg", scope_id, flow.id), flow.creator_id, amount, flow.venue)],
            )
        )
    cash = open_scopes(tx, books, START)
    journals = [
        Journal(
            f"follow:{scope.id}",
            "follow",
            scope.correlation_id,
            [Line(wallet, -legs[0].capital), Line(account, legs[0].capital)],
        )
        for (scope, legs), wallet, (account,) in zip(books, wallets, cash, strict=True)
    ]
    for begin in range(0, len(journals), BATCH):
        post_batch(tx, author(), journals[begin : begin + BATCH])
    request_transfer(
        tx,
        reference=ids.derive("transfer", flow.id),
        venue=flow.venue,
        asset=ASSET,
        amount=sum(amounts, Decimal(0)),
        correlation_id=flow.id,
        now=START,
    )
    followers = [
        NewFollower(flow.id, flow.creator_id, scope.owner.id, legs[0].id, legs[0].capital)
        for scope, legs in books
    ]
    attach_legs(tx, followers, START)


def publish(database: Database, broker: Broker, flow: Flow, target: Decimal, now: datetime) -> UUID:
    """Publish the flow's new target at the open of the bar that begins `now`, which is the time
    that the business has then: a signal that is copied late opens nothing."""
    instrument = broker.instrument(flow.instrument_id)
    bar = broker.feed.bar(instrument.id, int(now.timestamp()))
    assert bar is not None, "the market is long enough"
    with database.transaction() as tx:
        clock.advance(tx, now)
        signal_id, _ = publish_signal(
            tx,
            flow=flow,
            natural_key=f"{now.isoformat()}:target",
            target=target,
            reference_price=instrument.to_tick(bar.open),
            base=instrument.base,
            quote=instrument.quote,
            now=now,
        )
    return signal_id


def trade(database: Database, broker: Broker, flow: Flow, target: Decimal, now: datetime) -> None:
    """Publish and copy."""
    copy_signal(database, broker, publish(database, broker, flow, target, now), now)
