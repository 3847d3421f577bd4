"""A small business for tests: hand-made prices, a venue that can be told how to behave, people.

Time moves only by `advance`, and every action is one explicit call. At each hour the last close is
the next open, so without slippage a fill happens exactly at the mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import Any
from uuid import UUID

from commenda.books import record_nav
from commenda.copying import (
    COPIES,
    CopyMode,
    Flow,
    copy_signal,
    follow,
    publish_signal,
    request_leave,
    share_flow,
    update_flow_stats,
)
from commenda.copying.following import change_settings
from commenda.execution import Broker
from commenda.identity import register_users
from commenda.kit import clock, ids
from commenda.kit.db import Database, Tx
from commenda.ledger import AccountKey, Journal, Line, Owner, OwnerKind, open_accounts, post
from commenda.managed import authorise_custody, deposit, list_flow
from commenda.market import CandleFeed, Instrument, Kind, ensure_instrument
from commenda.referrals import refer
from commenda.venues import DEFAULT_VENUE, Venue
from managed_world import PROFILE, ManagedWorld
from scripted import (
    ASSET,
    HOUR,
    HOURS,
    SECRET,
    START,
    D,
    Path,
    Script,
    ScriptedVenue,
    flat,
    track_of,
)


class World(ManagedWorld):
    """One business on one database, at one moment."""

    def __init__(
        self,
        database: Database,
        prices: Mapping[str, Path] | None = None,
        *,
        lot: Decimal | str = "0.001",
        tick: Decimal | str = "0.01",
        fee: Decimal | str = "0.0005",
        slippage: Decimal | str = "0",
        volume: float = 1e9,
        minimum_notional: Decimal | str = "0",
        hours: int = HOURS,
        kind: Kind = Kind.LINEAR_PERPETUAL,
        taken_up: bool = False,
    ) -> None:
        """A new business, or the one that the database holds, `taken_up` at its clock's moment."""
        self.database = database
        self.now = START
        prices = prices or {"AAAUSDT": flat(), "BBBUSDT": flat(50.0)}
        with database.transaction() as tx:
            if taken_up:
                self.now = clock.business_now(tx)
            else:
                clock.advance(tx, START)
            tracks = [
                track_of(
                    ensure_instrument(
                        tx,
                        Instrument(
                            0,
                            "simulated",
                            symbol,
                            kind,
                            symbol[:3],
                            ASSET,
                            D(tick),
                            D(lot),
                            D(minimum_notional),
                            D(fee),
                            D(fee),
                            10,
                            simulated=True,
                        ),
                    ),
                    path,
                    volume,
                    hours,
                )
                for symbol, path in prices.items()
            ]
            if not taken_up:
                self._fund_insurance(tx)
        self.feed = CandleFeed(tracks, HOUR)
        self.instruments = {one.symbol: one for one in self.feed.instruments}
        self.script = Script()
        self.venue = ScriptedVenue(
            database, self.feed, slippage=D(slippage), participation=D(1), script=self.script
        )
        self.broker = Broker((self.venue,), self.feed, SECRET)

    def trade_at(self, *others: Venue) -> None:
        """Trade at other venues too."""
        self.broker = Broker((self.venue, *others), self.feed, SECRET)

    # --- time and prices -----------------------------------------------------------------

    def price(self, symbol: str) -> Decimal:
        bar = self.feed.bar(self.instruments[symbol].id, int(self.now.timestamp()))
        assert bar is not None
        return D(repr(bar.open))

    # --- people --------------------------------------------------------------------------

    def creator(
        self,
        name: str,
        symbol: str = "AAAUSDT",
        capital: int | Decimal = 10_000,
        venue: str = DEFAULT_VENUE,
    ) -> Flow:
        """A creator with a flow on one instrument and their own money in it; 0: no own book."""
        creator = ids.derive("test-creator", name)
        flow = Flow(
            ids.derive("test-flow", name),
            creator,
            name,
            "ema_trend",
            {},
            self.instruments[symbol].id,
            venue=venue,
        )
        with self.database.transaction() as tx:
            register_users(tx, [(creator, f"creator-{name}")], "creator", self.now)
            share_flow(tx, flow, self.now)
            list_flow(tx, flow.id, PROFILE, self.now)
        if capital:
            owner = Owner(OwnerKind.CREATOR, creator)
            self.pay_in(owner, D(capital), name)
            self.follow(owner, flow, D(capital), key="vault", is_leader=True)
        return flow

    def investor(
        self, name: str, amount: int | Decimal = 10_000, referrer: Owner | None = None
    ) -> Owner:
        """An investor with money and the authorisation to manage ten times as much."""
        owner = Owner(OwnerKind.INVESTOR, ids.derive("test-investor", name))
        with self.database.transaction() as tx:
            register_users(tx, [(owner.id, name)], "investor", self.now)
            authorise_custody(tx, self.author, owner.id, ASSET, D(amount) * 10)
            if referrer is not None:
                refer(tx, owner.id, referrer.id, self.now)
        self.pay_in(owner, D(amount), name)
        return owner

    def authorise(self, owner: Owner, limit: int = 100_000) -> None:
        with self.database.transaction() as tx:
            authorise_custody(tx, self.author, owner.id, ASSET, D(limit))

    def pay_in(self, owner: Owner, amount: Decimal, reference: str) -> None:
        with self.database.transaction() as tx:
            deposit(tx, self.author, owner, ASSET, amount, f"{owner.id}:{reference}")

    def follow(
        self,
        owner: Owner,
        flow: Flow,
        amount: Decimal,
        *,
        key: str = "one",
        mode: CopyMode = CopyMode.TARGET,
        is_leader: bool = False,
    ) -> UUID:
        """Follow a flow; the id of the leg."""
        with self.database.transaction() as tx:
            subscription = follow(
                tx,
                self.author,
                flow=flow,
                follower=owner,
                amount=amount,
                asset=ASSET,
                key=key,
                mode=mode,
                is_leader=is_leader,
            )
            row = tx.execute(
                "SELECT leg_id FROM flow_subscriptions WHERE id = %s", (subscription,)
            ).fetchone()
        assert row is not None
        self.move_cash()
        return UUID(str(row[0]))

    def leave(self, leg: UUID, owner: Owner) -> bool:
        """Ask to leave the copy of this leg; whether that is new."""
        with self.database.transaction() as tx:
            row = tx.execute(
                "SELECT id FROM flow_subscriptions WHERE leg_id = %s", (leg,)
            ).fetchone()
            assert row is not None
            return request_leave(tx, self.author, row[0], owner.id)

    def pause(self, leg: UUID, owner: Owner, *, resume: bool = False) -> None:
        with self.database.transaction() as tx:
            row = tx.execute(
                "SELECT id FROM flow_subscriptions WHERE leg_id = %s", (leg,)
            ).fetchone()
            assert row is not None
            change_settings(tx, self.author, row[0], owner.id, {"auto_follow": resume})

    def execute(self, statement: str, *values: Any) -> None:
        with self.database.transaction() as tx:
            tx.execute(statement, values)  # type: ignore[arg-type]

    def close_copies(self) -> int:
        """Really close what was left, pay it out, and move its cash back."""
        try:
            self.liquidate()
        finally:
            closed = self.pay_out(COPIES)
            self.move_cash()
        return closed

    def value_books(self) -> None:
        """Write NAVs, marks and the flows' figures at this moment."""
        self.mark()
        with self.database.transaction() as tx:
            record_nav(tx, self.now, self.broker.marks(self.now))
            update_flow_stats(tx, self.now)

    def publish(self, flow: Flow, target: Decimal | str, key: str | None = None) -> UUID:
        """Publish a signal at this hour's open; by default each one has a key of its own."""
        instrument = self.broker.instrument(flow.instrument_id)
        with self.database.transaction() as tx:
            row = tx.execute(
                "SELECT last_sequence FROM shared_flows WHERE id = %s", (flow.id,)
            ).fetchone()
            assert row is not None
            signal, _ = publish_signal(
                tx,
                flow=flow,
                natural_key=key or f"{self.now.isoformat()}:{row[0]}",
                target=D(target),
                reference_price=instrument.to_tick(self.price(instrument.symbol)),
                now=self.now,
                base=instrument.base,
                quote=instrument.quote,
            )
        return signal

    def copy(self, signal: UUID) -> None:
        copy_signal(self.database, self.broker, signal, self.now)

    def signal(self, flow: Flow, target: Decimal | str) -> UUID:
        signal = self.publish(flow, target)
        self.copy(signal)
        return signal

    def _fund_insurance(self, tx: Tx) -> None:
        external, insurance = open_accounts(
            tx,
            [
                AccountKey("external", Owner.platform(), ASSET),
                AccountKey("insurance", Owner.platform(), ASSET),
            ],
        )
        lines = [Line(external, D(-100_000)), Line(insurance, D(100_000))]
        post(tx, self.author, Journal("insurance", "insurance", ids.derive("insurance"), lines))


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same time, each in a thread of its own; their results, in order."""
    barrier = Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        started = [pool.submit(partial(start, call)) for call in calls]
        return [future.result() for future in started]
