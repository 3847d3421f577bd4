"""The one settlement path.

`settle` takes subscriptions that are LIQUIDATED, whichever door they came through, and posts for
each one journal under its natural key: costs are out of the equity already; then management fee,
hurdle, profit share by leg, the platform's cut, referral out of that cut, and the rest to the
wallet. Called again, by anybody, any number of times at once, it answers what was settled.
The worker's sweep comes here by `books.pay_out_due`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from commenda.audit import record
from commenda.books import ClosedBook, Leg, Paid, Payout, Product, pay_out
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.money import quantise, scale_of
from commenda.ledger import AccountKey, Author, Owner, OwnerKind
from commenda.managed.lifecycle import State
from commenda.managed.model import RULES
from commenda.managed.profit_share import HighWaterMark
from commenda.managed.subscriptions import begin_liquidation, end_liquidation
from commenda.managed.waterfall import FeeTerms, LegProceeds, Proceeds, Settlement, waterfall
from commenda.referrals import chains, record_commissions
from commenda.returns import Deviation, expected_gain, grade_deviation

LEAST_DAYS_GRADED = 7
"""The shortest term is a week; a return over less says nothing about the matrix."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A liquidated subscription with everything its settlement depends on."""

    id: UUID
    investor_id: UUID
    product_id: UUID
    asset: str
    amount: Decimal
    mark: HighWaterMark
    activated_at: datetime
    liquidated_at: datetime
    terms: FeeTerms
    annual_return: Decimal
    warning_percent: Decimal
    alert_percent: Decimal

    @property
    def days(self) -> int:
        """Whole days from activation to the stored end of liquidation."""
        return (self.liquidated_at - self.activated_at).days


class _Settled(NamedTuple):
    """What a settlement rests on, its parts, and how far the gain is from what was expected."""

    due: _Due
    parts: Settlement
    grade: Deviation


def settle(tx: Tx, now: datetime, subscription_ids: Sequence[UUID]) -> dict[UUID, State]:
    """Settle those of the subscriptions that are LIQUIDATED; the states of all of them now.

    Of many concurrent calls one settles, and the others see SETTLED. Code `not_liquidated` for one
    whose positions are not really closed yet.
    """
    # The closings are locked first, as by everybody who pays out.
    tx.execute(
        "SELECT FROM closings WHERE id = ANY (%s) ORDER BY id FOR UPDATE", (list(subscription_ids),)
    )
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
    dues = _load(tx, [book.scope.id for book in books])
    referrers = chains(tx, sorted({due.investor_id for due in dues.values()}))
    payouts = []
    for book in books:
        due = dues[book.scope.id]
        parts = zip(book.legs, book.cash, strict=True)
        proceeds = Proceeds(
            due.amount,
            due.days,
            tuple(LegProceeds(leg.id, leg.capital, cash) for leg, cash in parts),
        )
        settlement = waterfall(
            proceeds, due.terms, due.mark, referrers[due.investor_id], scale_of(due.asset)
        )
        lines = _receivers(due, settlement, book.legs)
        payouts.append(Payout(lines, _Settled(due, settlement, _grade(due, settlement))))
    return payouts


def _load(tx: Tx, subscription_ids: Sequence[UUID]) -> dict[UUID, _Due]:
    rows = tx.execute(
        "SELECT s.id, s.investor_id, s.product_id, s.asset, s.amount, s.mark_net_deposits,"
        " s.mark_greatest_profit, s.activated_at, c.closed_at, t.management_fee, t.hurdle,"
        " t.profit_share, t.platform_cut, t.referral_rates,"
        " e.annual_return, e.warning_percent, e.alert_percent"
        " FROM managed_subscriptions s JOIN closings c ON c.id = s.id"
        " JOIN product_terms t ON t.product_id = s.product_id AND t.valid_from = s.terms_valid_from"
        # The expectation that was in force when the investor subscribed.
        " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = s.product_id"
        "   AND valid_from <= s.subscribed_at ORDER BY valid_from DESC LIMIT 1) e"
        " WHERE s.id = ANY (%s) ORDER BY s.id",
        (list(subscription_ids),),
    ).fetchall()
    return {
        row[0]: _Due(
            id=row[0],
            investor_id=row[1],
            product_id=row[2],
            asset=row[3],
            amount=row[4],
            mark=HighWaterMark(row[5], row[6]),
            activated_at=row[7],
            liquidated_at=row[8],
            terms=FeeTerms(row[9], row[10], row[11], row[12], tuple(row[13])),
            annual_return=row[14],
            warning_percent=row[15],
            alert_percent=row[16],
        )
        for row in rows
    }


def _receivers(
    due: _Due, settlement: Settlement, legs: Sequence[Leg]
) -> list[tuple[AccountKey, Decimal]]:
    asset = due.asset
    creators = {leg.id: leg.creator_id for leg in legs}
    platform = Owner.platform()
    return [
        (
            AccountKey("wallet", Owner(OwnerKind.INVESTOR, due.investor_id), asset),
            settlement.to_wallet,
        ),
        (AccountKey("fee:management", platform, asset), settlement.management_fee),
        (AccountKey("fee:platform", platform, asset), settlement.platform),
        *(
            (
                AccountKey(
                    "fee:profit_share", Owner(OwnerKind.CREATOR, creators[part.leg_id]), asset
                ),
                part.amount,
            )
            for part in settlement.creators
        ),
        *(
            (
                AccountKey("referral_pending", Owner(OwnerKind.INVESTOR, part.payee), asset),
                part.amount,
            )
            for part in settlement.referrals
        ),
        (AccountKey("insurance", platform, asset), -settlement.shortfall),
    ]


def _grade(due: _Due, settlement: Settlement) -> Deviation:
    """The investor's gain against the return matrix, over the days held."""
    return grade_deviation(
        quantise(expected_gain(due.amount, due.annual_return, due.days), scale_of(due.asset)),
        settlement.to_wallet - due.amount,
        due.days,
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
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO settlements (subscription_id, principal, equity,"
            " management_fee, hurdle, profit_share, to_creators, to_platform, to_referrers,"
            " to_wallet, shortfall, days, expected_gain, deviation_rate, deviation_level,"
            " settled_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    due.id,
                    due.amount,
                    one.equity,
                    one.management_fee,
                    one.hurdle,
                    one.profit_share,
                    sum((part.amount for part in one.creators), Decimal(0)),
                    one.platform,
                    sum((part.amount for part in one.referrals), Decimal(0)),
                    one.to_wallet,
                    one.shortfall,
                    due.days,
                    grade.expected,
                    _rounded(grade.rate),
                    grade.level,
                    now,
                )
                for due, one, grade in settled
            ],
        )
        cursor.executemany(
            "INSERT INTO loss_carries (investor_id, product_id, loss, equity)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT (investor_id, product_id) DO UPDATE"
            " SET loss = loss_carries.loss + excluded.loss,"
            "     equity = loss_carries.equity + excluded.equity",
            [
                (due.investor_id, due.product_id, one.carry.loss, one.carry.equity)
                for due, one, _ in settled
                if one.carry.loss
            ],
        )
    subscriptions = [due.id for due, _, _ in settled]
    tx.execute(
        "UPDATE managed_subscriptions SET status = 'SETTLED', settled_at = %s WHERE id = ANY (%s)",
        (now, subscriptions),
    )
    tx.execute(
        "UPDATE principal_reservations SET status = 'released', released_amount = reserved_amount,"
        " updated_at = %s WHERE subscription_id = ANY (%s)",
        (now, subscriptions),
    )
    for asset in sorted({due.asset for due, _, _ in settled}):
        record_commissions(
            tx,
            [
                (due.id, part)
                for due, one, _ in settled
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
            for due, one, grade in settled
        ],
    )


def _rounded(rate: Decimal | None) -> Decimal | None:
    return None if rate is None else quantise(rate, 4)


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
)
"""Managed subscriptions, as books know them."""
