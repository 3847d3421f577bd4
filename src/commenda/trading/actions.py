"""Open scopes, work parent orders, share out their fills, post funding, move cash to the venue.

A parent order goes through four steps, each safe to repeat after a crash at any point:

1. `intend`: the parent orders and each leg's request are stored.
2. `work`: the venue is asked whether it knows the order and, only if not, the order is placed.
3. `record`: its fills are stored and posted to the `unallocated` account.
4. `allocate`: the fills are shared out in chunks, each chunk one journal. The shares follow from
   the stored requests and fills alone, so a repeated step computes the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.money import from_units, round_to_total, scale_of, to_units
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    lock_accounts,
    open_accounts,
    post,
    post_batch,
)
from commenda.market import Instrument
from commenda.trading import queries
from commenda.trading.desk import Desk
from commenda.trading.model import (
    FundingPayment,
    NewLeg,
    Order,
    OrderKind,
    OrderStatus,
    Report,
    Scope,
    Venue,
)
from commenda.trading.rules import Share, parent_quantities, share_out

CHUNK = 2000
"""Legs in one transaction and one journal: large enough to be fast, small enough to be resumed."""


def open_scopes(
    tx: Tx, scopes: Sequence[tuple[Scope, Sequence[NewLeg]]], now: datetime
) -> list[list[int]]:
    """Open isolated books; returns the cash account of each leg. Opening again changes nothing."""
    keys = [
        AccountKey("scope", scope.owner, scope.asset, scope.id, leg.id)
        for scope, legs in scopes
        for leg in legs
    ]
    accounts = iter(open_accounts(tx, keys))
    for scope, _ in scopes:
        tx.execute(
            "INSERT INTO scopes (id, kind, owner_kind, owner_id, asset, correlation_id, opened_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                scope.id,
                scope.kind,
                scope.owner.kind,
                scope.owner.id,
                scope.asset,
                scope.correlation_id,
                now,
            ),
        )
    opened: list[list[int]] = []
    for scope, legs in scopes:
        opened.append([next(accounts) for _ in legs])
        tx.execute(
            "INSERT INTO legs (id, scope_id, creator_id, account_id, capital)"
            " SELECT leg, %s, creator, account, capital"
            " FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::numeric[])"
            "   AS n (leg, creator, account, capital) ON CONFLICT DO NOTHING",
            (
                scope.id,
                [leg.id for leg in legs],
                [leg.creator_id for leg in legs],
                opened[-1],
                [leg.capital for leg in legs],
            ),
        )
    return opened


def intend(
    tx: Tx,
    *,
    cause: str,
    cause_id: UUID,
    correlation_id: UUID,
    venue: str,
    instrument_id: int,
    requests: Sequence[tuple[UUID, Decimal]],
    reference_price: Decimal,
    now: datetime,
    trigger_price: Decimal | None = None,
) -> list[Order]:
    """Store one parent order for each side, and what each leg asks of it."""
    orders = [
        Order(
            id=ids.derive("order", cause, cause_id, instrument_id, side),
            venue=venue,
            instrument_id=instrument_id,
            side=side,
            kind=OrderKind.MARKET if trigger_price is None else OrderKind.STOP,
            quantity=quantity,
            trigger_price=trigger_price,
            reference_price=reference_price,
            cause=cause,
            cause_id=cause_id,
            correlation_id=correlation_id,
        )
        for side, quantity in parent_quantities(quantity for _, quantity in requests).items()
    ]
    queries.insert_orders(tx, orders, now)
    for order in orders:
        theirs = [(leg, quantity) for leg, quantity in requests if quantity * order.side.sign > 0]
        queries.insert_requests(tx, order.id, theirs)
    return orders


def work(database: Database, desk: Desk, order_id: UUID, now: datetime) -> Report:
    """Get an order's report from the venue: ask first, send only what it does not know."""
    with database.transaction() as tx:
        order = queries.find_order(tx, order_id)
    return desk.venue.lookup(order.id) or desk.venue.place(order, now)


def record(
    tx: Tx, desk: Desk, order_id: UUID, author: Author, report: Report | None = None
) -> None:
    """Store an order's terminal report (the venue's, if none is handed in) and post its fills."""
    order = queries.find_order(tx, order_id, lock=True)
    report = report or desk.venue.lookup(order.id)
    assert report is not None, "an order is recorded after the venue worked it"
    if order.status is not OrderStatus.INTENDED:
        return
    if report.fills:
        _post_fills(tx, author, order, report, desk.instrument(order.instrument_id).quote)
    queries.close_order(tx, order.id, report.status, report.reason, author.now)


def _post_fills(tx: Tx, author: Author, order: Order, report: Report, asset: str) -> None:
    """A fill of q at p with fee f: unallocated −(q·p+f), position +q·p, venue +f."""
    cash, position, venue = _transit_accounts(tx, order, asset)
    queries.insert_fills(tx, order, report.fills, author.now)
    journals = []
    for fill in report.fills:
        notional = order.side.sign * fill.quantity * fill.price
        journals.append(
            Journal(
                key=f"fill:{order.venue}:{fill.id}",
                kind="fill",
                correlation_id=order.correlation_id,
                lines=[
                    Line(cash, -notional - fill.fee),
                    Line(position, notional),
                    Line(venue, fill.fee),
                ],
            )
        )
    post_batch(tx, author, journals)


def _transit_accounts(tx: Tx, order: Order, asset: str) -> list[int]:
    """Cash and position in transit, and the venue's cash."""
    return open_accounts(
        tx,
        [
            AccountKey("unallocated", Owner.platform(), asset),
            AccountKey("position", Owner.platform(), asset, instrument_id=order.instrument_id),
            AccountKey("venue", Owner.venue(order.venue), asset),
        ],
    )


def allocate(tx: Tx, desk: Desk, order_id: UUID, author: Author, chunk: int = 0) -> bool:
    """Share out one chunk of a terminal order's fills; True while more chunks follow."""
    order = queries.find_order(tx, order_id, lock=True)
    assert order.status is not OrderStatus.INTENDED, "fills are shared once the parent is terminal"
    instrument = desk.instrument(order.instrument_id)
    requests = queries.requests_of(tx, order_id)
    shares = share_out(
        order.side,
        [(leg, requested) for leg, requested, _ in requests],
        queries.fills_of(tx, order_id),
        lot=instrument.lot,
        scale=scale_of(instrument.quote),
        secret=desk.secret,
        order_id=order_id,
    )
    begin, end = chunk * CHUNK, (chunk + 1) * CHUNK
    waiting = [
        share
        for share, (_, _, done) in zip(shares[begin:end], requests[begin:end], strict=True)
        if not done
    ]
    if waiting:
        _post_shares(tx, author, order, instrument, waiting, chunk)
        queries.write_shares(tx, order_id, waiting)
    return end < len(requests)


def execute_order(database: Database, desk: Desk, order_id: UUID, author: Author) -> None:
    """Work, record and allocate one order, each in a transaction of its own."""
    report = work(database, desk, order_id, author.now)
    with database.transaction() as tx:
        record(tx, desk, order_id, author, report)
    chunk, more = 0, True
    while more:
        with database.transaction() as tx:
            more = allocate(tx, desk, order_id, author, chunk)
        chunk += 1


def _post_shares(
    tx: Tx,
    author: Author,
    order: Order,
    instrument: Instrument,
    shares: Sequence[Share],
    chunk: int,
) -> None:
    """One journal for a chunk: each leg's cash and position against the transit accounts.

    A leg whose quantity returns to zero has its position account swept to the venue account:
    what the position earned is the venue's cash now.
    """
    shares = [share for share in shares if share.quantity]
    if not shares:
        return
    leg_ids = [share.leg_id for share in shares]
    books = _books(tx, leg_ids, instrument)
    transit_cash, transit_position, venue = _transit_accounts(tx, order, instrument.quote)
    held_accounts = [account for pair in books.values() for account in pair]
    cost = lock_accounts(tx, [*held_accounts, transit_cash, transit_position, venue])
    held = queries.quantities_of(tx, leg_ids, instrument.id)

    lines: list[Line] = []
    moves: list[tuple[UUID, Decimal]] = []
    notional = fees = swept = Decimal(0)
    for share in shares:
        cash, position = books[share.leg_id]
        quantity = held[share.leg_id] + share.quantity
        lines.append(Line(cash, -share.notional - share.fee))
        if quantity:
            lines.append(Line(position, share.notional))
        else:
            lines.append(Line(position, -cost[position]))
            swept += cost[position] + share.notional
        moves.append((share.leg_id, quantity))
        notional += share.notional
        fees += share.fee
    lines += [
        Line(transit_cash, notional + fees),
        Line(transit_position, -notional),
        Line(venue, swept),
    ]
    post(
        tx,
        author,
        Journal(f"allocation:{order.id}:{chunk}", "allocation", order.correlation_id, lines),
    )
    queries.move_quantities(tx, instrument.id, moves)


def _books(tx: Tx, leg_ids: Sequence[UUID], instrument: Instrument) -> dict[UUID, tuple[int, int]]:
    """Cash and position accounts of legs, opening the position accounts that are missing."""
    books = queries.books_of(tx, leg_ids, instrument.id)
    missing = [leg for leg in leg_ids if books[leg][1] is None]
    if missing:
        rows = tx.execute(
            "SELECT l.id, s.owner_kind, s.owner_id, s.id, s.asset"
            " FROM legs l JOIN scopes s ON s.id = l.scope_id WHERE l.id = ANY (%s) ORDER BY l.id",
            (missing,),
        ).fetchall()
        accounts = open_accounts(
            tx,
            [
                AccountKey("position", Owner(kind, owner), asset, scope, leg, instrument.id)
                for leg, kind, owner, scope, asset in rows
            ],
        )
        queries.insert_positions(
            tx,
            instrument.id,
            [(row[0], account) for row, account in zip(rows, accounts, strict=True)],
        )
        books = queries.books_of(tx, leg_ids, instrument.id)
    return {leg: (cash, position) for leg, (cash, position) in books.items() if position}


def post_funding(
    tx: Tx, author: Author, venue: str, payment: FundingPayment, instrument: Instrument
) -> None:
    """Pass a funding payment on to the legs that held the instrument at the stamp.

    The venue charges the net position; each leg gets −q·mark·rate, rounded so that the parts add
    up to what the venue paid.
    """
    if not queries.insert_funding(tx, venue, payment):
        return
    holders = queries.holders(tx, payment.instrument_id)
    if not holders:
        return
    scale = scale_of(instrument.quote)
    parts = round_to_total(
        to_units(payment.amount, scale),
        [-quantity * payment.mark * payment.rate for _, _, quantity in holders],
        scale,
        [leg for leg, _, _ in holders],
    )
    account = open_accounts(tx, [AccountKey("venue", Owner.venue(venue), instrument.quote)])[0]
    key = f"funding:{venue}:{instrument.symbol}:{payment.stamp.isoformat()}"
    correlation = ids.derive("funding", venue, instrument.id, payment.stamp.isoformat())
    journals = []
    for begin in range(0, len(holders), CHUNK):
        lines = [
            Line(cash, from_units(part, scale))
            for (_, cash, _), part in zip(
                holders[begin : begin + CHUNK], parts[begin : begin + CHUNK], strict=True
            )
        ]
        total = sum((line.amount for line in lines), Decimal(0))
        lines.append(Line(account, -total))
        if sum(1 for line in lines if line.amount) >= 2:
            journals.append(Journal(f"{key}:{begin}", "funding", correlation, lines, payment.stamp))
    post_batch(tx, author, journals)


def request_transfer(
    tx: Tx,
    *,
    reference: UUID,
    venue: str,
    asset: str,
    amount: Decimal,
    correlation_id: UUID,
    now: datetime,
) -> None:
    """Ask for cash to be moved to the venue (+) or back (−), with the event that needs it."""
    if amount:
        tx.execute(
            "INSERT INTO transfers (id, venue, asset, amount, correlation_id, requested_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (reference, venue, asset, amount, correlation_id, now),
        )


def carry_out_transfers(database: Database, venue: Venue, author: Author) -> int:
    """Carry out the transfers that were asked for; how many there were."""
    with database.transaction() as tx:
        waiting = tx.execute(
            "SELECT id, asset, amount, correlation_id FROM transfers"
            " WHERE venue = %s AND done_at IS NULL ORDER BY requested_at, id",
            (venue.name,),
        ).fetchall()
    for reference, asset, amount, correlation in waiting:
        venue.transfer(reference, asset, amount, author.now)
        with database.transaction() as tx:
            external, account = open_accounts(
                tx,
                [
                    AccountKey("external", Owner.platform(), asset),
                    AccountKey("venue", Owner.venue(venue.name), asset),
                ],
            )
            lines = [Line(external, amount), Line(account, -amount)]
            post(tx, author, Journal(f"transfer:{reference}", "transfer", correlation, lines))
            tx.execute("UPDATE transfers SET done_at = %s WHERE id = %s", (author.now, reference))
    return len(waiting)


def record_nav(tx: Tx, at: datetime, marks: Mapping[int, Decimal]) -> int:
    """Write the net asset value of every open scope and leg at `marks`; rows written.

    NAV = cash + Σ quantity · mark, in the scope's asset.
    """
    return tx.execute(
        "WITH mark AS (SELECT * FROM unnest(%(ids)s::smallint[], %(prices)s::numeric[])"
        "   AS m (instrument_id, price)),"
        " leg AS (SELECT l.scope_id, l.id, l.capital,"
        "   a.balance + coalesce(sum(p.quantity * m.price), 0) AS nav"
        "  FROM legs l JOIN scopes s ON s.id = l.scope_id AND s.closed_at IS NULL"
        "  JOIN accounts a ON a.id = l.account_id"
        "  LEFT JOIN positions p ON p.leg_id = l.id AND p.quantity <> 0"
        "  LEFT JOIN mark m ON m.instrument_id = p.instrument_id"
        "  GROUP BY l.scope_id, l.id, l.capital, a.balance)"
        " INSERT INTO nav_history (scope_id, leg_id, at, capital, nav)"
        " SELECT scope_id, id, %(at)s, capital, nav FROM leg"
        " UNION ALL SELECT scope_id, NULL, %(at)s, sum(capital), sum(nav) FROM leg"
        "  GROUP BY scope_id"
        " ON CONFLICT DO NOTHING",
        {"ids": list(marks), "prices": list(marks.values()), "at": at},
    ).rowcount


def scope_equity(
    tx: Tx, scope_ids: Sequence[UUID], marks: Mapping[int, Decimal]
) -> dict[UUID, Decimal]:
    """Cash plus positions at `marks` of each scope."""
    return dict(
        tx.execute(
            "SELECT l.scope_id, sum(a.balance + coalesce(v.value, 0))"
            " FROM legs l JOIN accounts a ON a.id = l.account_id"
            " LEFT JOIN (SELECT p.leg_id, sum(p.quantity * m.price) AS value FROM positions p"
            "   JOIN unnest(%s::smallint[], %s::numeric[]) AS m (instrument_id, price)"
            "     USING (instrument_id) GROUP BY p.leg_id) v ON v.leg_id = l.id"
            " WHERE l.scope_id = ANY (%s) GROUP BY l.scope_id",
            (list(marks), list(marks.values()), list(scope_ids)),
        ).fetchall()
    )


def close_scopes(tx: Tx, scope_ids: Sequence[UUID], now: datetime) -> None:
    """Close books that hold nothing any more."""
    tx.execute(
        "UPDATE scopes SET closed_at = %s WHERE id = ANY (%s) AND closed_at IS NULL",
        (now, list(scope_ids)),
    )
