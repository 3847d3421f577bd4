"""What `World` is built on: what is read of a business, and its managed subscriptions."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from commenda.books import Product as BookProduct
from commenda.books import Trigger, carry_out_transfers, close_due, pay_out_due, pay_parts_due
from commenda.copying import planned
from commenda.execution import Broker, reconcile
from commenda.kit import clock, ids
from commenda.kit.db import Database
from commenda.kit.idempotency import answered, once
from commenda.ledger import AccountKey, Author, Owner, balance_of, totals_by_asset
from commenda.managed import (
    MANAGED,
    ExpectedReturn,
    FeeTerms,
    Offer,
    Profile,
    State,
    SubscriptionOrder,
    activate_due,
    crystallise_due,
    mature_due,
    publish_offer,
    request_liquidation,
    request_withdrawal,
    settle,
    subscribe,
)
from commenda.market import CandleFeed, Instrument, write_marks
from commenda.operations import PRODUCTS, verify
from scripted import ASSET, SECRET, D

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


class Business:
    """What is traded on one database, at one moment: time passes, and what came of it is read."""

    database: Database
    now: datetime
    feed: CandleFeed
    instruments: dict[str, Instrument]
    broker: Broker

    @property
    def author(self) -> Author:
        return Author("test", "test/1", self.now)

    def advance(self, hours: int = 1) -> Self:
        self.now += timedelta(hours=hours)
        with self.database.transaction() as tx:
            clock.advance(tx, self.now)
        return self

    def move_cash(self) -> None:
        carry_out_transfers(self.database, self.broker, self.author)

    # --- signals -------------------------------------------------------------------------

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


class ManagedWorld(Business):
    """Products and subscriptions, from the offer to the settlement."""

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
