"""What the paper venue's accounts have: a wallet for each asset, a net position, funding."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of
from commenda.market import Instrument
from commenda.venues.model import FundingPayment


def book_trade(
    tx: Tx,
    account: str,
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
) -> None:
    """Net a trade into the position at average cost; what it realises goes to the wallet."""
    row = tx.execute(
        "SELECT quantity, cost FROM paper.positions WHERE account = %s AND instrument_id = %s",
        (account, instrument.id),
    ).fetchone()
    held, cost = row if row else (Decimal(0), Decimal(0))
    opposite = held * quantity < 0
    closing = (
        min(abs(held), abs(quantity)) * (1 if quantity > 0 else -1) if opposite else Decimal(0)
    )
    # Cost leaves in proportion and is rounded once; what is kept is the exact rest.
    released = cost if closing == -held else quantise(cost * -closing / held, 8)
    realised = -closing * price - released
    cost += (quantity - closing) * price - released
    tx.execute(
        "INSERT INTO paper.positions (account, instrument_id, quantity, cost)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (account, instrument_id)"
        " DO UPDATE SET quantity = excluded.quantity, cost = excluded.cost",
        (account, instrument.id, held + quantity, cost),
    )
    move_wallet(tx, account, instrument.quote, realised - fee)


def charge(
    tx: Tx,
    account: str,
    instrument: Instrument,
    stamp: datetime,
    rate: Decimal,
    mark: Decimal,
    source: str,
) -> FundingPayment:
    """Longs pay a positive rate. Charged once for each stamp."""
    row = tx.execute(
        "SELECT instrument_id, stamp, rate, mark, mark_source, quantity, amount"
        " FROM paper.funding WHERE account = %s AND instrument_id = %s AND stamp = %s",
        (account, instrument.id, stamp),
    ).fetchone()
    if row:
        return FundingPayment(*row)
    held = tx.execute(
        "SELECT quantity FROM paper.positions WHERE account = %s AND instrument_id = %s",
        (account, instrument.id),
    ).fetchone()
    quantity = held[0] if held else Decimal(0)
    amount = quantise(-quantity * mark * rate, scale_of(instrument.quote), ROUND_FLOOR)
    tx.execute(
        "INSERT INTO paper.funding (account, instrument_id, stamp, rate, mark, mark_source,"
        " quantity, amount) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (account, instrument.id, stamp, rate, mark, source, quantity, amount),
    )
    move_wallet(tx, account, instrument.quote, amount)
    return FundingPayment(instrument.id, stamp, rate, mark, source, quantity, amount)


def move_wallet(tx: Tx, account: str, asset: str, amount: Decimal) -> None:
    tx.execute(
        "INSERT INTO paper.wallets (account, asset, balance) VALUES (%s, %s, %s)"
        " ON CONFLICT (account, asset)"
        " DO UPDATE SET balance = paper.wallets.balance + excluded.balance",
        (account, asset, amount),
    )
