"""Money that moves without an order: funding, and transfers between platform and venue."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from commenda.execution import (
    CHUNK,
    Broker,
    clearing_key,
    holders,
    is_met,
    is_read,
    keep_cursor,
    note_income,
    read_cursor,
)
from commenda.kit import ids
from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.money import (
    from_units,
    plain,
    quantise,
    round_to_total,
    scale_of,
    split,
    to_units,
)
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    open_accounts,
    post,
    post_batch,
)
from commenda.market import Instrument
from commenda.venues import DEFAULT_VENUE, Clearing, Forced, FundingPayment, VenueUnavailable

_log = logging.getLogger(__name__)
INSTANT = timedelta(milliseconds=1)
CLEARED_WITHIN = timedelta(seconds=10)
"""From the last fill of a liquidation to what it is charged."""


class Unread(Exception):
    """Who held what a payment was charged for is not known yet."""


def post_funding(
    tx: Tx, author: Author, venue: str, payment: FundingPayment, instrument: Instrument
) -> None:
    """Pass a funding payment on to the legs that held the instrument when it was charged.

    The venue charges the net position; each leg gets −q·mark·rate, rounded so that the parts add
    up to what the venue paid. Raises `Unread` while others are known to have held than it charged.
    Where that lasts, the rest was held by nobody here, and what it paid is no book's.
    """
    if not _claim(tx, venue, payment):
        return
    held_by, is_whole = _held_at(tx, venue, payment, instrument)
    if not is_whole and not is_read(tx, venue, instrument.id, payment.charged_at):
        raise Unread(f"{plain(payment.quantity)} {instrument.symbol} at {payment.charged_at}")
    if not held_by:
        return
    scale, total = scale_of(instrument.quote), payment.amount
    exact = [-quantity * payment.mark * payment.rate for _, _, quantity in held_by]
    net = sum((quantity for _, _, quantity in held_by), Decimal(0))
    if not is_whole:
        total = quantise(sum(exact, Decimal(0)), scale)
    elif not (payment.mark and payment.rate) and net:  # a venue that does not tell them any more
        exact = [quantity * total / net for _, _, quantity in held_by]
    parts = round_to_total(to_units(total, scale), exact, scale, [leg for leg, _, _ in held_by])
    key = f"funding:{venue}:{instrument.symbol}:{payment.stamp.isoformat()}"
    correlation = ids.derive("funding", venue, instrument.id, payment.stamp.isoformat())
    shares = [(cash, part) for (_, cash, _), part in zip(held_by, parts, strict=True)]
    _share_out(tx, author, venue, instrument.quote, key, correlation, shares, payment.stamp)


def post_clearing(
    tx: Tx, author: Author, venue: str, one: Clearing, instrument: Instrument
) -> None:
    """Pass on what a liquidation cost, or what was paid towards it, to the legs that lost by it, in
    proportion to what was closed of each. Raises `Unread` until that is posted."""
    first = clearing_key(venue, one)
    if tx.execute("SELECT FROM journals WHERE key = %s", (first,)).fetchone() or not one.amount:
        return
    closed = tx.execute(
        "SELECT l.account_id, l.id, sum(abs(a.notional)) FROM fills f"
        " JOIN orders o ON o.id = f.order_id AND o.cause = 'forced' AND o.reason = %s"
        " JOIN allocations a ON a.order_id = o.id JOIN legs l ON l.id = a.leg_id"
        " WHERE f.venue = %s AND o.instrument_id = %s AND f.traded_at BETWEEN %s AND %s"
        "  AND a.notional <> 0 GROUP BY 1, 2 ORDER BY 2",
        (
            Forced.LIQUIDATED,
            venue,
            instrument.id,
            one.charged_at - CLEARED_WITHIN,
            one.charged_at,
        ),
    ).fetchall()
    if not closed and not is_read(tx, venue, instrument.id, one.charged_at):
        raise Unread(f"{plain(one.amount)} of a liquidation in {instrument.symbol}")
    if not closed:
        return
    scale = scale_of(instrument.quote)
    weights = [to_units(notional, scale) for _, _, notional in closed]
    parts = split(to_units(one.amount, scale), weights, [leg for _, leg, _ in closed])
    shares = [(cash, part) for (cash, _, _), part in zip(closed, parts, strict=True)]
    key, correlation = first.removesuffix(":0"), ids.derive("clearing", venue, one.id)
    _share_out(tx, author, venue, instrument.quote, key, correlation, shares, one.charged_at)


def _share_out(
    tx: Tx,
    author: Author,
    venue: str,
    asset: str,
    key: str,
    correlation: UUID,
    shares: Sequence[tuple[int, int]],
    effective_at: datetime,
) -> None:
    """Post shares (cash account, units) of what a venue paid, a journal for each chunk. The key
    begins with what it was."""
    account = open_accounts(tx, [AccountKey("venue", Owner.venue(venue), asset)])[0]
    scale, kind = scale_of(asset), key.partition(":")[0]
    journals = []
    for begin in range(0, len(shares), CHUNK):
        chunk = shares[begin : begin + CHUNK]
        lines = [Line(cash, from_units(part, scale)) for cash, part in chunk]
        lines.append(Line(account, -sum((line.amount for line in lines), Decimal(0))))
        if sum(1 for line in lines if line.amount) >= 2:
            journals.append(Journal(f"{key}:{begin}", kind, correlation, lines, effective_at))
    post_batch(tx, author, journals)


def _held_at(
    tx: Tx, venue: str, payment: FundingPayment, instrument: Instrument
) -> tuple[list[tuple[UUID, int, Decimal]], bool]:
    """Who held when a payment was charged, and whether that is all that it was charged for.

    What was traded in the same instant comes before or after it: the venue's quantity tells.
    """
    at = payment.charged_at
    found = holders(tx, venue, payment.instrument_id, at)
    if at is None or not (payment.mark and payment.rate):
        return found, True
    for held_by in (found, holders(tx, venue, payment.instrument_id, at - INSTANT)):
        net = sum((quantity for _, _, quantity in held_by), Decimal(0))
        if abs(net - payment.quantity) < instrument.lot / 2:
            return held_by, True
    return found, False


def pass_on_income(database: Database, broker: Broker, author: Author) -> list[Exception]:
    """Pass on what each venue has paid since it was last asked; the errors of payments that failed.

    They keep no other from being passed on, and are asked for again, as those whose holders are not
    known yet: a venue's cursor is kept once all before it is posted. A venue that is away is asked
    the next time.
    """
    errors: list[Exception] = []
    for venue in broker.venues:
        with database.read() as tx:
            cursor = read_cursor(tx, venue.name, "income")
        if is_met(venue.name) and cursor is None:
            continue  # what was paid before the first contact is somebody else's
        if not broker.is_due(venue.name, "income", author.now):
            continue
        try:
            payments, after = venue.income(cursor, author.now)
        except VenueUnavailable:
            continue
        failed, waits = len(errors), False
        for payment in payments:
            try:
                with database.transaction() as tx:
                    instrument = broker.instrument(payment.instrument_id)
                    if isinstance(payment, Clearing):
                        post_clearing(tx, author, venue.name, payment, instrument)
                    else:
                        post_funding(tx, author, venue.name, payment, instrument)
            except AWAY:
                raise
            except Unread as unread:
                _log.info("income at %s waits: %s", venue.name, unread)
                waits = True
            except Exception as error:
                errors.append(error)
        if not waits and len(errors) == failed:
            with database.transaction() as tx:
                if payments:
                    keep_cursor(tx, venue.name, "income", after)
                note_income(tx, venue.name, author.now)
    return errors


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
    """Ask for cash to be moved to the venue (+) or back (−), with the event that needs it.

    One event can move cash at several venues, each once.
    """
    if amount:
        if venue != DEFAULT_VENUE:
            reference = ids.derive("transfer", reference, venue)
        tx.execute(
            "INSERT INTO transfers (id, venue, asset, amount, correlation_id, requested_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (reference, venue, asset, amount, correlation_id, now),
        )


def request_transfers(
    tx: Tx,
    *,
    reference: UUID,
    asset: str,
    amounts: Iterable[tuple[str, Decimal]],
    correlation_id: UUID,
    now: datetime,
) -> None:
    """Ask for (venue, amount) to be moved for one event, together for each venue."""
    totals: dict[str, Decimal] = {}
    for venue, amount in amounts:
        totals[venue] = totals.get(venue, Decimal(0)) + amount
    for venue, amount in totals.items():
        request_transfer(
            tx,
            reference=reference,
            venue=venue,
            asset=asset,
            amount=amount,
            correlation_id=correlation_id,
            now=now,
        )


def carry_out_transfers(database: Database, broker: Broker, author: Author) -> int:
    """Carry out the transfers that were asked for; how many there were. Those of a venue that is
    away wait, and keep no other from being made."""
    with database.read() as tx:
        waiting = tx.execute(
            "SELECT id, venue, asset, amount, correlation_id FROM transfers"
            " WHERE venue = ANY (%s) AND done_at IS NULL ORDER BY requested_at, id",
            ([venue.name for venue in broker.venues],),
        ).fetchall()
    away: set[str] = set()
    for reference, venue, asset, amount, correlation in waiting:
        if venue in away:
            continue
        try:
            broker.venue(venue).transfer(reference, asset, amount, author.now)
        except VenueUnavailable as error:
            _log.warning("transfer %s waits for %s: %s", reference, venue, error)
            away.add(venue)
            continue
        with database.transaction() as tx:
            external, account = open_accounts(
                tx,
                [
                    AccountKey("external", Owner.platform(), asset),
                    AccountKey("venue", Owner.venue(venue), asset),
                ],
            )
            lines = [Line(external, amount), Line(account, -amount)]
            post(tx, author, Journal(f"transfer:{reference}", "transfer", correlation, lines))
            tx.execute("UPDATE transfers SET done_at = %s WHERE id = %s", (author.now, reference))
    return len(waiting)


def _claim(tx: Tx, venue: str, payment: FundingPayment) -> bool:
    """Claim a funding stamp; False when it was posted before."""
    return bool(
        tx.execute(
            "INSERT INTO funding_payments (venue, instrument_id, stamp, rate, mark, mark_source,"
            " quantity, amount) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (venue, *payment[:7]),
        ).rowcount
    )
