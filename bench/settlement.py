"""How fast matured subscriptions are settled: 10,000 of them, through the one settlement path."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from bench.floor import POSTED, Written, bare_figure
from bench.kit import Figure, durability, fresh_database, machine, median, show, spread, vacuum
from bench.population import (
    ASSET,
    HOUR,
    START,
    author,
    fund_investors,
    open_broker,
    open_flow,
    trade,
)
from commenda.books import Trigger, carry_out_transfers, close_due, pay_out_due
from commenda.books.payout import PAYOUT_BATCH
from commenda.copying import Flow, planned
from commenda.execution import Broker, reconcile
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.managed import (
    MANAGED,
    ExpectedReturn,
    FeeTerms,
    Offer,
    Profile,
    SubscriptionOrder,
    activate_due,
    authorise_custody,
    list_flow,
    mature_due,
    publish_offer,
    request_liquidation,
    subscribe,
)
from commenda.operations import verify
from commenda.referrals import refer

SUBSCRIPTIONS = 10_000
CREATORS = 12
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
TERM_DAYS = 7
AIM = 2_000
SECRET = b"bench"
PRODUCT = ids.derive("product", "bench")

_SETTLED: LiteralString = (
    "(SELECT c.id FROM closings c JOIN journals j ON j.id = c.journal_id"
    " WHERE j.transaction_id = {batch})"
)
WRITTEN = (
    *POSTED,
    Written("settlements", "subscription_id IN " + _SETTLED),
    Written("referral_commissions", "settlement_id IN " + _SETTLED),
    Written("audit_events", "transaction_id = {batch}"),
    Written("managed_subscriptions", "id IN " + _SETTLED, "id", ("status", "settled_at")),
    Written(
        "principal_reservations",
        "subscription_id IN " + _SETTLED,
        "subscription_id",
        ("status", "released_amount", "updated_at"),
    ),
    Written("closings", "id IN " + _SETTLED, "id", ("paid_at", "equity", "journal_id")),
    Written("scopes", "id IN " + _SETTLED, "id", ("closed_at",)),
)
"""What a batch of settlements writes."""


def main() -> None:
    """Print settlements a second, and whether the books are clean afterwards."""
    with fresh_database() as database:
        broker, now, parts = _build(database)
        before = _findings(database, broker, now)
        seconds, settled = _settle_all(database, broker, now)
        returned = carry_out_transfers(database, broker, author(now))
        after = _findings(database, broker, now)
        rates = [PAYOUT_BATCH / each for each in seconds]
        reached = Figure(
            f"batches ({spread(rates)})",
            median(rates),
            "settlements/s",
            f"{median(rates) / AIM:.2f} of the aim",
            f">= {AIM:,}",
        )
        floor = bare_figure(database, "settlement", WRITTEN, PAYOUT_BATCH, reached, durable=False)
        note = machine(database)
    assert settled == SUBSCRIPTIONS, f"{settled} of {SUBSCRIPTIONS} were settled"
    show(
        f"settlement: {SUBSCRIPTIONS:,} liquidated subscriptions, batches of {PAYOUT_BATCH}",
        [
            reached,
            floor,
            Figure("all of them", sum(seconds), "s"),
            *(
                Figure(f"    preparation: {name}", SUBSCRIPTIONS / taken, "subscriptions/s")
                for name, taken in parts.items()
            ),
        ],
        f"before: {before}; after: {after}; {returned} transfers of cash back",
        durability(durable=False),
        note,
    )


def _settle_all(database: Database, broker: Broker, now: datetime) -> tuple[list[float], int]:
    """Seconds of each batch with its commit, and how many were settled."""
    seconds: list[float] = []
    total = 0
    gc.freeze()  # as a worker does
    while True:
        begun = time.perf_counter()
        with database.transaction() as tx:
            settled = pay_out_due(tx, MANAGED, now)
        if not settled:
            return seconds, total
        seconds.append(time.perf_counter() - begun)
        total += settled


def _findings(database: Database, broker: Broker, now: datetime) -> str:
    with database.transaction() as tx:
        found = [str(one) for one in verify(tx)]
    with database.transaction() as tx:
        differences = reconcile(
            tx, broker.venues[0], broker.feed.instruments, broker.marks(now), now
        )
    found += [str(one) for one in differences if one.unexplained]
    return f"{len(found)} findings, such as {found[0]}" if found else "verify and reconcile clean"


def _build(database: Database) -> tuple[Broker, datetime, dict[str, float]]:
    """A business whose subscriptions have all traded, matured and been liquidated.

    Also the seconds that each part of it took.
    """
    broker = open_broker(database, SYMBOLS, (TERM_DAYS + 2) * 24)
    instruments = broker.feed.instruments
    with database.transaction() as tx:
        publish_offer(tx, _offer())
        flows = [
            open_flow(tx, f"creator-{number}", instruments[number % len(instruments)])
            for number in range(CREATORS)
        ]
        for flow in flows:
            list_flow(tx, flow.id, Profile.BALANCED, START)
    parts: dict[str, float] = {}
    now = START + HOUR
    end = now + timedelta(days=TERM_DAYS)
    with _timed(parts, "subscribe"):
        _subscribe_all(database)
    vacuum(database)
    with _timed(parts, "activate"):
        while _activate(database, broker, now):
            pass
    carry_out_transfers(database, broker, author(now))
    vacuum(database)
    with _timed(parts, "trade"):
        for number, flow in enumerate(flows):
            target = _target(broker, flow, now, end, right=number % 4 != 0)
            trade(database, broker, flow, target, now)
    with _timed(parts, "liquidate"):
        _liquidate_all(database, broker, end)
    vacuum(database)
    return broker, end, parts


@contextmanager
def _timed(parts: dict[str, float], name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    parts[name] = time.perf_counter() - begun


def _offer() -> Offer:
    terms = FeeTerms(
        management_fee=Decimal("0.01"),
        hurdle=Decimal("0.02"),
        profit_share=Decimal("0.20"),
        platform_cut=Decimal("0.30"),
        referral_rates=(Decimal("0.20"), Decimal("0.10")),
    )
    return Offer(
        PRODUCT,
        Profile.BALANCED,
        TERM_DAYS,
        "silver",
        ASSET,
        Decimal(2_000),
        Decimal(10_000),
        False,
        terms,
        ExpectedReturn(Decimal("0.12"), Decimal(2), Decimal(5)),
        START,
    )


def _subscribe_all(database: Database) -> None:
    """An investor for each subscription; every other one was brought by an earlier one."""
    amounts = [Decimal(2_000 + 7 * number % 8_000) for number in range(SUBSCRIPTIONS)]
    with database.transaction() as tx:
        investors = fund_investors(tx, amounts)
    for begin in range(0, SUBSCRIPTIONS, 500):
        with database.transaction() as tx:
            for number in range(begin, min(begin + 500, SUBSCRIPTIONS)):
                investor, amount = investors[number], amounts[number]
                if number % 2:
                    refer(tx, investor, investors[number // 2], START)
                authorise_custody(tx, author(), investor, ASSET, amount)
                order = SubscriptionOrder(product_id=PRODUCT, amount=amount)
                made = subscribe(tx, author(), investor, order, "bench", SECRET)
                assert made.status == "RESERVED", made


def _activate(database: Database, broker: Broker, now: datetime) -> int:
    with database.transaction() as tx:
        return activate_due(tx, author(now))


def _target(broker: Broker, flow: Flow, begin: datetime, end: datetime, *, right: bool) -> Decimal:
    """An exposure on the side that turns out to be right, or wrong: some gain and some lose."""
    rises = broker.marks(end)[flow.instrument_id] > broker.marks(begin)[flow.instrument_id]
    return Decimal("0.9") if rises is right else Decimal("-0.9")


def _liquidate_all(database: Database, broker: Broker, now: datetime) -> None:
    with database.transaction() as tx:
        mature_due(tx, now)
        rows = tx.execute("SELECT id FROM managed_subscriptions WHERE status = 'MATURED'")
        request_liquidation(tx, author(now), [row[0] for row in rows], Trigger.OPERATOR)
    liquidated = close_due(database, broker, author(now), [MANAGED], planned)
    assert liquidated == SUBSCRIPTIONS, f"{liquidated} of {SUBSCRIPTIONS} were liquidated"


if __name__ == "__main__":
    main()
