"""A small business for tests: hand-made prices, a venue that can be told how to behave, people.

Time moves only by `advance`, and every action is one explicit call. At each hour the last close is
the next open, so without slippage a fill happens exactly at the mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import Any
from uuid import UUID

import numpy as np

from commenda.books import Product as BookProduct
from commenda.books import (
    Trigger,
    carry_out_transfers,
    close_due,
    pay_out_due,
    pay_parts_due,
    record_nav,
)
from commenda.copying import (
    COPIES,
    CopyMode,
    Flow,
    copy_signal,
    follow,
    planned,
    publish_signal,
    request_leave,
    share_flow,
    update_flow_stats,
)
from commenda.copying.following import change_settings
from commenda.execution import Broker, reconcile
from commenda.identity import register_users
from commenda.kit import clock, ids
from commenda.kit.db import Database, Tx
from commenda.kit.idempotency import answered, once
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    OwnerKind,
    balance_of,
    open_accounts,
    post,
    totals_by_asset,
)
from commenda.managed import (
    MANAGED,
    ExpectedReturn,
    FeeTerms,
    Offer,
    Profile,
    State,
    SubscriptionOrder,
    activate_due,
    authorise_custody,
    crystallise_due,
    deposit,
    list_flow,
    mature_due,
    publish_offer,
    request_liquidation,
    request_withdrawal,
    settle,
    subscribe,
)
from commenda.market import (
    BarArrays,
    CandleFeed,
    Instrument,
    Kind,
    Observations,
    ensure_instrument,
    write_marks,
)
from commenda.market.track import Track
from commenda.operations import PRODUCTS, verify
from commenda.referrals import refer
from commenda.venues import DEFAULT_VENUE, OrderRequest, PaperOrder, PaperVenue, Venue
from commenda.venues.rules import Trade

D = Decimal
HOUR = 3600
START = datetime(2026, 1, 5, tzinfo=UTC)
HOURS = 24 * 90
ASSET = "USDT"
SECRET = b"the tests' own secret, 32 bytes."
PROFILE = Profile.BALANCED
TERMS = FeeTerms(
    management_fee=D("0.01"),
    hurdle=D("0.02"),
    profit_share=D("0.20"),
    platform_cut=D("0.30"),
    referral_rates=(D("0.20"), D("0.10")),
)
FREE = FeeTerms()
EXPECTED = ExpectedReturn(D("0.12"), D(2), D(5))

Path = Callable[[int], float]
"""The price of an instrument at each whole hour since START."""


def flat(price: float = 100.0) -> Path:
    """A price that never moves."""
    return lambda _hour: price


def steps(*changes: tuple[int, float]) -> Path:
    """A price that jumps at the given hours: (0, 100), (48, 110) is 100 until hour 48."""
    return lambda hour: [price for since, price in changes if since <= max(hour, 0)][-1]


@dataclass
class Script:
    """What the venue does next. `share_of` answers how much of an order it fills, in lots."""

    refusal: str | None = None
    refused_until: datetime | None = None
    share_of: Callable[[OrderRequest, Instrument], Sequence[tuple[Decimal, Decimal]]] | None = None
    """(quantity, price) of each fill, in place of a whole fill at the open."""
    requests: dict[UUID, OrderRequest] = field(default_factory=dict)


@dataclass(frozen=True)
class ScriptedVenue(PaperVenue):
    """The paper venue with its own books, which fills as its script says."""

    script: Script = field(default_factory=Script)

    def _refusal(self, order: OrderRequest, instrument: Instrument, now: datetime) -> str | None:
        script = self.script
        script.requests[order.id] = order
        if script.refusal is not None and (
            script.refused_until is None or now < script.refused_until
        ):
            return script.refusal
        return PaperVenue._refusal(self, order, instrument, now)

    def _parts(
        self, order: PaperOrder, instrument: Instrument, trade: Trade, offered: Decimal
    ) -> Sequence[tuple[Decimal, Decimal]]:
        if self.script.share_of is None:
            return PaperVenue._parts(self, order, instrument, trade, offered)
        return list(self.script.share_of(self.script.requests[order.id], instrument))


class World:
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
                _track(
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

    @property
    def author(self) -> Author:
        return Author("test", "test/1", self.now)

    def advance(self, hours: int = 1) -> World:
        self.now += timedelta(hours=hours)
        with self.database.transaction() as tx:
            clock.advance(tx, self.now)
        return self

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

    def move_cash(self) -> None:
        carry_out_transfers(self.database, self.broker, self.author)

    # --- managed subscriptions -----------------------------------------------------------

    def product(
        self,
        days: int = 3,
        terms: FeeTerms = TERMS,
        *,
        early_exit: bool = False,
        minimum: int = 10,
    ) -> UUID:
        product = ids.derive("test-product", days, early_exit)
        with self.database.transaction() as tx:
            publish_offer(
                tx,
                Offer(
                    product,
                    PROFILE,
                    days,
                    f"tier-{early_exit}",
                    ASSET,
                    D(minimum),
                    D(1_000_000),
                    early_exit,
                    terms,
                    EXPECTED,
                    self.now,
                ),
            )
        return product

    def subscribe(
        self, investor: Owner, product: UUID, amount: int | Decimal = 10_000, key: str = "one"
    ) -> UUID:
        """Subscribe, once for each key; a refusal is raised."""
        order = SubscriptionOrder(product_id=product, amount=D(amount))
        asked = {"productId": product, "amount": str(amount)}
        with self.database.transaction() as tx:
            outcome, _ = once(
                tx,
                "subscribe",
                str(investor.id),
                key,
                asked,
                self.now,
                lambda: answered(
                    subscribe(tx, self.author, investor.id, order, key, SECRET), status=201
                ),
            )
        return UUID(outcome["body"]["subscriptionId"])

    def activate(self) -> int:
        """Reservations become books an hour later; their cash goes to the venue."""
        self.advance()
        with self.database.transaction() as tx:
            activated = activate_due(tx, self.author)
        self.move_cash()
        return activated

    def mature(self) -> int:
        with self.database.transaction() as tx:
            return mature_due(tx, self.now)

    def ask(self, subscription: UUID, trigger: Trigger = Trigger.SWEEP) -> State:
        with self.database.transaction() as tx:
            return request_liquidation(tx, self.author, [subscription], trigger)[subscription]

    def liquidate(self) -> int:
        """Really close what is due, of any product; how many books."""
        return close_due(self.database, self.broker, self.author, PRODUCTS, planned)

    def pay_out(self, product: BookProduct[Any]) -> int:
        """Pay out the closed books of a product; how many."""
        with self.database.transaction() as tx:
            return pay_out_due(tx, product, self.now)

    def mark(self) -> None:
        """Let the market's marks of this moment be known to whoever asks."""
        marks = [
            (one, self.feed.mark_at(one.id, int(self.now.timestamp())))
            for one in self.feed.instruments
        ]
        with self.database.transaction() as tx:
            write_marks(tx, marks)

    def withdraw(self, subscription: UUID, amount: Decimal | int) -> UUID:
        """Ask for a part of a subscription's money; the id of the withdrawal."""
        self.mark()
        with self.database.transaction() as tx:
            return request_withdrawal(tx, self.author, subscription, D(amount)).withdrawal_id

    def pay_parts(self) -> int:
        """Pay out the withdrawals whose part is really closed; how many."""
        with self.database.transaction() as tx:
            return pay_parts_due(tx, MANAGED, self.now, self.broker.marks(self.now))

    def take_out(self, subscription: UUID, amount: Decimal | int) -> UUID:
        """A withdrawal from asking to the wallet."""
        closing = self.withdraw(subscription, amount)
        assert self.liquidate() == 1
        assert self.pay_parts() == 1
        self.move_cash()
        return closing

    def crystallise(self) -> int:
        with self.database.transaction() as tx:
            crystallised = crystallise_due(tx, self.author, self.broker.marks(self.now))
        self.move_cash()
        return crystallised

    def settle(self, *subscriptions: UUID) -> dict[UUID, State]:
        with self.database.transaction() as tx:
            return settle(tx, self.now, list(subscriptions))

    # --- signals -------------------------------------------------------------------------

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

    # --- what came of it -----------------------------------------------------------------

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database.transaction() as tx:
            return tx.execute(query, values).fetchall()  # type: ignore[arg-type]

    def one(self, query: str, *values: Any) -> Any:
        """The only value of the only row."""
        ((value,),) = self.rows(query, *values)
        return value

    def column(self, query: str, *values: Any) -> list[Any]:
        return [row[0] for row in self.rows(query, *values)]

    def wallet(self, owner: Owner) -> Decimal:
        return self.balance("wallet", owner)

    def balance(self, kind: str, owner: Owner) -> Decimal:
        with self.database.transaction() as tx:
            return balance_of(tx, AccountKey(kind, owner, ASSET))

    def legs(self, scope: UUID) -> list[UUID]:
        return self.column("SELECT id FROM legs WHERE scope_id = %s ORDER BY id", scope)

    def quantity(self, leg: UUID, symbol: str = "AAAUSDT") -> Decimal:
        held = self.column(
            "SELECT quantity FROM positions WHERE leg_id = %s AND instrument_id = %s",
            leg,
            self.instruments[symbol].id,
        )
        return D(held[0]) if held else D(0)

    def cash(self, leg: UUID) -> Decimal:
        return D(
            self.one(
                "SELECT a.balance FROM legs l JOIN accounts a ON a.id = l.account_id"
                " WHERE l.id = %s",
                leg,
            )
        )

    def status(self, subscription: UUID) -> str:
        return str(self.one("SELECT status FROM managed_subscriptions WHERE id = %s", subscription))

    def findings(self) -> list[str]:
        with self.database.transaction() as tx:
            return [str(finding) for finding in verify(tx)]

    def unexplained(self) -> dict[str, Decimal]:
        with self.database.transaction() as tx:
            marks = self.broker.marks(self.now)
            return {
                line.subject: line.unexplained
                for venue in self.broker.venues
                for line in reconcile(tx, venue, self.feed.instruments, marks, self.now)
                if line.unexplained
            }

    def assert_sound(self) -> None:
        """Every invariant holds, the venue agrees, and the ledger sums to exactly zero."""
        assert self.findings() == []
        assert self.unexplained() == {}
        with self.database.transaction() as tx:
            assert set(totals_by_asset(tx).values()) <= {D(0)}

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


def _track(instrument: Instrument, path: Path, volume: float, hours: int) -> Track:
    """Bars from the hour before START on; each closes where the next one opens."""
    opens = np.array([path(hour) for hour in range(-1, hours)], dtype=np.float64)
    closes = np.append(opens[1:], opens[-1])
    ts = int(START.timestamp()) + HOUR * np.arange(-1, hours, dtype=np.int64)
    bars = BarArrays(
        ts,
        opens,
        np.maximum(opens, closes),
        np.minimum(opens, closes),
        closes,
        np.full(opens.size, volume),
    )
    stamps = ts[ts % (8 * HOUR) == 0]
    rates = Observations(stamps, np.full(stamps.size, 0.0001))
    return Track(instrument, HOUR, bars, Observations.none(), rates)


def random_fills(
    fraction: Callable[[], float], ticks: Callable[[], int], parts: int = 3
) -> Callable[[OrderRequest, Instrument], list[tuple[Decimal, Decimal]]]:
    """A script that fills a random part of each order in up to `parts` fills at other prices."""

    def share_of(order: OrderRequest, instrument: Instrument) -> list[tuple[Decimal, Decimal]]:
        left = int(order.quantity / instrument.lot * D(repr(fraction())))
        fills = []
        for part in range(parts, 0, -1):
            lots = left if part == 1 else left // part
            left -= lots
            price = order.reference_price + ticks() * instrument.tick
            if lots:
                fills.append((lots * instrument.lot, price))
        return fills

    return share_of


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same time, each in a thread of its own; their results, in order."""
    barrier = Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        started = [pool.submit(partial(start, call)) for call in calls]
        return [future.result() for future in started]
