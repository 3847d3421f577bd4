"""The one settlement path.

`settle` takes subscriptions that are LIQUIDATED, whichever door they came through, and posts for
each one journal under its natural key: costs are out of the equity already; then management fee,
hurdle, profit share by leg, the platform's cut, referral out of that cut, and the rest to the
wallet. Called again, by anybody, any number of times at once, it answers what was settled.
The worker's sweep comes here by `books.pay_out_due`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from commenda.audit import record
from commenda.books import ClosedBook, Paid, Payout, Product, lock_closings, pay_out
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.money import quantise, scale_of
from commenda.kit.rows import columns, put_all
from commenda.ledger import Author
from commenda.managed.crystallisation import record_crystallisations
from commenda.managed.dues import Due, division_row, dues, receivers
from commenda.managed.lifecycle import State
from commenda.managed.model import RULES
from commenda.managed.subscriptions import begin_liquidation, end_liquidation
from commenda.managed.waterfall import Settlement, waterfall
from commenda.managed.withdrawals import pay_withdrawal
from commenda.referrals import chains, record_commissions
from commenda.returns import Deviation, grade_deviation

LEAST_DAYS_GRADED = 7
"""The shortest term is a week; a return over less says nothing about the matrix."""


class _Settled(NamedTuple):
    """What a settlement rests on, its parts, and how far the gain is from what was expected."""

    due: Due
    parts: Settlement
    days: int
    grade: Deviation


def settle(tx: Tx, now: datetime, subscription_ids: Sequence[UUID]) -> dict[UUID, State]:
    """Settle those of the subscriptions that are LIQUIDATED; the states of all of them now.

    Of many concurrent calls one settles, and the others see SETTLED. Code `not_liquidated` for one
    whose positions are not really closed yet.
    """
    # The closings are locked first, as by everybody who pays out.
    lock_closings(tx, subscription_ids)
    rows = tx.execute(
        "SELECT id, status FROM managed_subscriptions WHERE id = ANY (%s)",
        (list(subscription_ids),),
    ).fetchall()
    states = {subscription: State(status) for subscription, status in rows}
    for subscription in subscription_ids:
        if states.get(subscription) not in (State.LIQUIDATED, State.SETTLED):
            raise conflict("not_liquidated", "Only a liquidated subscription can be settled").at(
                "status",
                states.get(subscription),
                "ask for its liquidation and wait until it is LIQUIDATED",
            )
    pay_out(tx, MANAGED, now, subscription_ids)
    return dict.fromkeys(states, State.SETTLED)


def _payout(tx: Tx, books: Sequence[ClosedBook]) -> list[Payout[_Settled]]:
    """Each book's equity through the waterfall."""
    found = dues(tx, [book.scope.id for book in books])
    referrers = chains(tx, sorted({due.investor_id for due in found.values()}))
    payouts = []
    for book in books:
        due = found[book.scope.id]
        proceeds = due.proceeds(book.legs, book.cash, book.closed_at)
        settlement = waterfall(
            proceeds, due.terms, due.mark, referrers[due.investor_id], scale_of(due.asset)
        )
        grade = _grade(due, settlement, book.closed_at)
        settled = _Settled(due, settlement, proceeds.days, grade)
        payouts.append(Payout(receivers(due, settlement, book.legs), settled))
    return payouts


def _grade(due: Due, settlement: Settlement, until: datetime) -> Deviation:
    """The investor's gain against the return matrix, over the days held."""
    return grade_deviation(
        due.expected + due.expected_gain(until),
        settlement.to_wallet + due.withdrawn - due.amount,
        (until - due.activated_at).days,
        warning=due.warning_percent,
        alert=due.alert_percent,
        least_days=LEAST_DAYS_GRADED,
    )


def _record(
    tx: Tx,
    author: Author,
    paid: Sequence[Paid[_Settled]],
) -> None:
    """Write the settlements, close the subscriptions, remember losses, owe commissions."""
    now = author.now
    settled = [one.detail for one in paid]
    put_all(
        tx,
        "settlements",
        [
            {
                "subscription_id": due.id,
                "principal": due.principal,
                **division_row(one),
                "shortfall": one.shortfall,
                "days": days,
                "expected_gain": grade.expected,
                "deviation_rate": None if grade.rate is None else quantise(grade.rate, 4),
                "deviation_level": grade.level,
                "settled_at": now,
            }
            for due, one, days, grade in settled
        ],
    )
    tx.execute(
        "INSERT INTO loss_carries (investor_id, product_id, loss, equity)"
        # One statement meets a row once: who ends two subscriptions together has their sum.
        " SELECT investor, product, sum(loss), sum(equity)"
        " FROM unnest(%s::uuid[], %s::uuid[], %s::numeric[], %s::numeric[])"
        "  AS n (investor, product, loss, equity) GROUP BY 1, 2 ORDER BY 1, 2"
        " ON CONFLICT (investor_id, product_id) DO UPDATE"
        " SET loss = loss_carries.loss + excluded.loss,"
        "     equity = loss_carries.equity + excluded.equity",
        columns(
            [
                (due.investor_id, due.product_id, one.carry.loss, one.carry.equity)
                for due, one, _, _ in settled
                if one.carry.loss
            ],
            4,
        ),
    )
    subscriptions = [one.due.id for one in settled]
    tx.execute(
        "UPDATE managed_subscriptions SET status = 'SETTLED', settled_at = %s WHERE id = ANY (%s)",
        (now, subscriptions),
    )
    tx.execute(
        "UPDATE principal_reservations SET status = 'released', released_amount = reserved_amount,"
        " updated_at = %s WHERE subscription_id = ANY (%s)",
        (now, subscriptions),
    )
    for asset in sorted({one.due.asset for one in settled}):
        record_commissions(
            tx,
            [
                (due.id, due.id, part)
                for due, one, _, _ in settled
                if due.asset == asset
                for part in one.referrals
            ],
            asset,
            now,
        )
    record(
        tx,
        [
            author.event(
                "subscription.settled",
                due.id,
                ids.derive("managed", due.id),
                State.SETTLED,
                {"toWallet": str(one.to_wallet), "deviation": grade.level},
            )
            for due, one, _, grade in settled
        ],
    )


MANAGED: Final = Product(
    kinds=("managed",),
    journal="settlement",
    key="settle",
    actor="settlement",
    rules=RULES,
    payout=_payout,
    asked=begin_liquidation,
    closed=end_liquidation,
    paid=_record,
    part=pay_withdrawal,
    parted=record_crystallisations,
)
"""Managed subscriptions, as books know them."""
