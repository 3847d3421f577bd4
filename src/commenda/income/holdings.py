"""Subscribe and redeem, each one transaction. Both lock the product, then the holding, then
accounts; where the accrual works at the same time, each day of a holding is paid by one of them.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from commenda.audit import record
from commenda.income import queries
from commenda.income.accrual import ACCRUAL, accrual_key, expense_of, open_from
from commenda.income.model import Holding, HoldingStatus, Product, Redemption
from commenda.income.rules import (
    DAY,
    accrue,
    day_of,
    days_due,
    early_exit_penalty,
    effective_at,
    first_day,
    midnight,
    rate_on,
    require_redeemable,
    require_subscribable,
)
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import plain
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    closed_until,
    lock_accounts,
    open_accounts,
    post,
    post_batch,
)


def subscribe(
    tx: Tx, author: Author, user_id: UUID, product_id: UUID, amount: Decimal, request_key: str
) -> Holding:
    """Put money from a wallet into a product.

    One request key of a user stands for one holding: again, it is answered with it. Codes
    `unknown_product`, `product_closed`, those of an amount, `below_minimum`, `quota_exceeded`,
    `insufficient_balance`, `reference_conflict` where the key stands for another request.
    """
    # One request of a user at a time: of two with one key, the second finds the first.
    tx.execute("SELECT FROM users WHERE id = %s FOR NO KEY UPDATE", (user_id,))
    holding_id = ids.derive("pool-holding", user_id, request_key)
    known = queries.find_holding(tx, holding_id, author.now)
    if known is not None:
        return _same(known, product_id, amount)
    product = queries.product_by_id(tx, product_id, author.now, lock=True)
    require_subscribable(product, amount)
    if not queries.sell(tx, product_id, amount):
        raise _quota_exceeded(product, amount)
    account = _pay_in(tx, author, user_id, product, holding_id, amount)
    begins = first_day(day_of(author.now), open_from(tx, product))
    starts = midnight(begins)
    ends = None if product.term_days is None else midnight(begins + product.term_days * DAY)
    tx.execute(
        "INSERT INTO pool_holdings (id, user_id, product_id, account_id, amount, accrued_through,"
        " start_at, end_at, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (holding_id, user_id, product_id, account, amount, begins - DAY, starts, ends, author.now),
    )
    details = {"productId": str(product_id), "amount": plain(amount), "asset": product.asset}
    event = author.event("pool.subscribed", holding_id, holding_id, HoldingStatus.HELD, details)
    record(tx, [event])
    return queries.holding_by_id(tx, user_id, holding_id, author.now)


def redeem(tx: Tx, author: Author, user_id: UUID, holding_id: UUID) -> Redemption:
    """Pay a holding back: principal, and the income that was not paid yet.

    The days that are over and not accrued are accrued first. Codes `unknown_holding`,
    `already_redeemed`, `not_matured`.
    """
    found = queries.holding_by_id(tx, user_id, holding_id, author.now)
    product = queries.product_by_id(tx, found.product_id, author.now, lock=True)
    holding = queries.holding_by_id(tx, user_id, holding_id, author.now, lock=True)
    if holding.status != HoldingStatus.HELD:
        raise conflict("already_redeemed", "This holding was redeemed").at(
            "id", holding_id, "choose one that is held"
        )
    is_early = require_redeemable(product, holding.end_at, author.now)
    days = days_due(holding.accrued_through, holding.end_at, day_of(author.now))
    income, penalty = _pay_out(tx, author, product, holding, days, is_early=is_early)
    queries.give_back(tx, product.id, holding.amount)
    parts = {"principal": holding.amount, "income": income, "penalty": penalty}
    details = {name: plain(amount) for name, amount in parts.items()}
    event = author.event("pool.redeemed", holding_id, holding_id, HoldingStatus.REDEEMED, details)
    record(tx, [event])
    redeemed = queries.holding_by_id(tx, user_id, holding_id, author.now)
    return Redemption(
        redeemed,
        (midnight(redeemed.accrued_through + DAY) - holding.start_at).days,
        holding.amount,
        income,
        penalty,
        holding.amount + income - penalty,
    )


def _same(known: Holding, product_id: UUID, amount: Decimal) -> Holding:
    if (known.product_id, known.amount) != (product_id, amount):
        raise conflict("reference_conflict", "This key stands for another subscription").at(
            "Idempotency-Key", hint="give every request a key of its own"
        )
    return known


def _quota_exceeded(product: Product, amount: Decimal) -> CommendaError:
    left = product.total_quota - product.sold_amount
    return conflict("quota_exceeded", f"Of this product {plain(left)} {product.asset} are left").at(
        "amount", amount, f"subscribe {plain(left)} or less" if left >= product.minimum else None
    )


def _pay_in(
    tx: Tx, author: Author, user_id: UUID, product: Product, holding_id: UUID, amount: Decimal
) -> int:
    """Move the principal from the wallet into the holding's account, which is returned."""
    owner = Owner(OwnerKind.INVESTOR, user_id)
    wallet, account = open_accounts(
        tx,
        [
            AccountKey("wallet", owner, product.asset),
            AccountKey("holding", owner, product.asset, scope_id=holding_id),
        ],
    )
    lines = [Line(wallet, -amount), Line(account, amount)]
    posted = post(tx, author, Journal(f"pool-in:{holding_id}", "pool_in", holding_id, lines))
    if posted.outcome is Outcome.REFUSED:
        raise conflict(
            "insufficient_balance",
            "Your wallet has less than this available: what is on hold is not",
        ).at("amount", amount, "bring money in, or subscribe a smaller amount")
    return account


def _pay_out(
    tx: Tx, author: Author, product: Product, holding: Holding, days: list[date], *, is_early: bool
) -> tuple[Decimal, Decimal]:
    """Accrue the days that are left and empty the holding; the income it pays, and the penalty."""
    wallet = AccountKey("wallet", Owner(OwnerKind.INVESTOR, holding.user_id), product.asset)
    expense = expense_of(product, str(holding.id))
    fee = AccountKey("fee:early_exit", Owner.platform(), product.asset)
    wallet_id, expense_id, fee_id = open_accounts(tx, [wallet, expense, fee])
    # A distribution may be paying out at this moment: the balance is read under its lock.
    touched = [holding.account_id, wallet_id, *[expense_id] * bool(days), *[fee_id] * is_early]
    balance = lock_accounts(tx, touched)[holding.account_id]
    journals, carry = _accruals(tx, author, product, holding, days, expense_id)
    accrued = sum((one.lines[1].amount for one in journals), Decimal(0))
    income = balance - holding.amount + accrued
    penalty = Decimal(0)
    if is_early:
        earned, payout = holding.total_income + accrued, holding.amount + income
        penalty = early_exit_penalty(product.early_exit_penalty, earned, payout, product.scale)
    if income:
        lines = [Line(holding.account_id, -income), Line(wallet_id, income)]
        journals.append(Journal(f"pool-income:{holding.id}", "income", holding.id, lines))
    lines = [
        Line(holding.account_id, -holding.amount),
        Line(wallet_id, holding.amount - penalty),
        Line(fee_id, penalty),
    ]
    journals.append(Journal(f"pool-out:{holding.id}", "pool_out", holding.id, lines))
    posted = post_batch(tx, author, journals)
    assert all(one.outcome is Outcome.POSTED for one in posted), "a holding is redeemed once"
    through = days[-1] if days else holding.accrued_through
    queries.mark_redeemed(tx, holding, accrued, carry, through, author.now)
    return income, penalty


def _accruals(
    tx: Tx, author: Author, product: Product, holding: Holding, days: list[date], expense: int
) -> tuple[list[Journal], Decimal]:
    """The journals of the days that nobody has accrued for this holding, and what it carries then.

    Their keys name day and holding as those of the accrual do, which passes over what is redeemed:
    only one of the two can pay a day.
    """
    if not days:
        return [], holding.carry
    rates = queries.rates_of(tx, product.id)
    closed = closed_until(tx, hold=True)
    journals = []
    carry = holding.carry
    for day in days:
        paid, carry = accrue(holding.amount, rate_on(rates, day), carry, product.scale)
        if paid:
            key = f"{accrual_key(product.id, day)}:{holding.sequence}"
            lines = [Line(expense, -paid), Line(holding.account_id, paid)]
            effective = effective_at(day, closed)
            journals.append(Journal(key, ACCRUAL, holding.id, lines, effective))
    return journals, carry
