"""The one settlement path.

`settle` takes subscriptions that are LIQUIDATED, whichever door they came through, and posts for
each one journal under its natural key: costs are out of the equity already; then management fee,
hurdle, profit share by leg, the platform's cut, referral out of that cut, and the rest to the
wallet. Called again, by anybody, any number of times at once, it answers what was settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from commenda.audit import Event, record
from commenda.books import Leg, close_scopes, legs_of, request_transfers
from commenda.execution import open_quantities
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.money import quantise, scale_of
from commenda.ledger import (
    AccountKey,
    Author,
    Journal,
    Line,
    Outcome,
    Owner,
    OwnerKind,
    lock_accounts,
    open_accounts,
    post_batch,
)
from commenda.managed.lifecycle import State
from commenda.managed.model import RULES
from commenda.managed.profit_share import HighWaterMark
from commenda.managed.waterfall import FeeTerms, LegProceeds, Proceeds, Settlement, waterfall
from commenda.referrals import chains, record_commissions
from commenda.returns import Deviation, expected_gain, grade_deviation

SETTLEMENT_BATCH = 500
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


def settle(tx: Tx, now: datetime, subscription_ids: Sequence[UUID]) -> dict[UUID, State]:
    """Settle those of the subscriptions that are LIQUIDATED; the states of all of them now.

    The subscriptions are locked first, so that of many concurrent calls one settles and the
    others see SETTLED. Code `not_liquidated` for one whose positions are not really closed yet.
    """
    rows = tx.execute(
        "SELECT id, status FROM managed_subscriptions WHERE id = ANY (%s) ORDER BY id FOR UPDATE",
        (list(subscription_ids),),
    ).fetchall()
    states = {subscription: State(status) for subscription, status in rows}
    for subscription in subscription_ids:
        if states.get(subscription) not in (State.LIQUIDATED, State.SETTLED):
            raise CommendaError(
                "not_liquidated",
                "Only a liquidated subscription can be settled",
                field="status",
                value=str(states.get(subscription)),
                mend="ask for its liquidation and wait until it is LIQUIDATED",
            )
    due = [one for one, state in states.items() if state is State.LIQUIDATED]
    if due:
        _settle(tx, now, due)
    return dict.fromkeys(states, State.SETTLED)


def settle_due(tx: Tx, now: datetime, limit: int = SETTLEMENT_BATCH) -> int:
    """Settle a batch of whatever is LIQUIDATED; how many there were."""
    rows = tx.execute(
        "SELECT id FROM managed_subscriptions WHERE status = 'LIQUIDATED'"
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (limit,),
    ).fetchall()
    settle(tx, now, [row[0] for row in rows])
    return len(rows)


def _settle(tx: Tx, now: datetime, subscription_ids: Sequence[UUID]) -> None:
    dues = _load(tx, subscription_ids)
    if open_quantities(tx, subscription_ids):
        raise CommendaError("not_flat", "A liquidated subscription still holds positions")
    legs: dict[UUID, list[Leg]] = {}
    for leg in legs_of(tx, subscription_ids):
        legs.setdefault(leg.scope_id, []).append(leg)
    cash = lock_accounts(tx, [leg.account_id for parts in legs.values() for leg in parts])
    referrers = chains(tx, sorted({due.investor_id for due in dues}))
    settled = [
        (
            due,
            waterfall(
                _proceeds(due, legs[due.id], cash),
                due.terms,
                due.mark,
                referrers[due.investor_id],
                scale_of(due.asset),
            ),
        )
        for due in dues
    ]
    author = Author("settlement", RULES, now)
    journals = _journals(tx, settled, legs, cash)
    # Where no leg has anything left there is nothing to post.
    filled = [one for one in journals if any(line.amount for line in one.lines)]
    posted = post_batch(tx, author, filled)
    assert all(one.outcome is Outcome.POSTED for one in posted), "settled once, under the lock"
    by_key = {one.key: done.journal_id for one, done in zip(filled, posted, strict=True)}
    grades = {due.id: _grade(due, settlement) for due, settlement in settled}
    _record(tx, author, settled, [by_key.get(one.key) for one in journals], grades)
    _return_cash(tx, dues, legs, cash, now)
    close_scopes(tx, subscription_ids, now)


def _load(tx: Tx, subscription_ids: Sequence[UUID]) -> list[_Due]:
    rows = tx.execute(
        "SELECT s.id, s.investor_id, s.product_id, s.asset, s.amount, s.mark_net_deposits,"
        " s.mark_greatest_profit, s.activated_at, s.liquidated_at, t.management_fee, t.hurdle,"
        " t.profit_share, t.platform_cut, t.referral_rates,"
        " e.annual_return, e.warning_percent, e.alert_percent"
        " FROM managed_subscriptions s"
        " JOIN product_terms t ON t.product_id = s.product_id AND t.valid_from = s.terms_valid_from"
        # The expectation that was in force when the investor subscribed.
        " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = s.product_id"
        "   AND valid_from <= s.subscribed_at ORDER BY valid_from DESC LIMIT 1) e"
        " WHERE s.id = ANY (%s) ORDER BY s.id",
        (list(subscription_ids),),
    ).fetchall()
    return [
        _Due(
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
    ]


def _proceeds(due: _Due, legs: Sequence[Leg], cash: Mapping[int, Decimal]) -> Proceeds:
    return Proceeds(
        due.amount,
        due.days,
        tuple(LegProceeds(leg.id, leg.capital, cash[leg.account_id]) for leg in legs),
    )


def _journals(
    tx: Tx,
    settled: Sequence[tuple[_Due, Settlement]],
    legs: dict[UUID, list[Leg]],
    cash: Mapping[int, Decimal],
) -> list[Journal]:
    """One journal for each: every leg's cash goes to zero, and every part to its receiver."""
    parts = [_receivers(due, settlement, legs[due.id]) for due, settlement in settled]
    accounts = iter(open_accounts(tx, [key for keys in parts for key, _ in keys]))
    journals = []
    for (due, _), keys in zip(settled, parts, strict=True):
        lines = [Line(leg.account_id, -cash[leg.account_id]) for leg in legs[due.id]]
        lines += [Line(next(accounts), amount) for _, amount in keys]
        journals.append(
            Journal(
                f"settle:{due.id}",
                "settlement",
                ids.derive("managed", due.id),
                lines,
                due.liquidated_at,
            )
        )
    return journals


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
    settled: Sequence[tuple[_Due, Settlement]],
    journal_ids: Sequence[int | None],
    grades: dict[UUID, Deviation],
) -> None:
    """Write the settlements, close the subscriptions, remember losses, owe commissions."""
    now = author.now
    with tx.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO settlements (subscription_id, journal_id, principal, equity,"
            " management_fee, hurdle, profit_share, to_creators, to_platform, to_referrers,"
            " to_wallet, shortfall, days, expected_gain, deviation_rate, deviation_level,"
            " settled_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    due.id,
                    journal_id,
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
                    grades[due.id].expected,
                    _rounded(grades[due.id].rate),
                    grades[due.id].level,
                    now,
                )
                for (due, one), journal_id in zip(settled, journal_ids, strict=True)
            ],
        )
        cursor.executemany(
            "INSERT INTO loss_carries (investor_id, product_id, loss, equity)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT (investor_id, product_id) DO UPDATE"
            " SET loss = loss_carries.loss + excluded.loss,"
            "     equity = loss_carries.equity + excluded.equity",
            [
                (due.investor_id, due.product_id, one.carry.loss, one.carry.equity)
                for due, one in settled
                if one.carry.loss
            ],
        )
    subscriptions = [due.id for due, _ in settled]
    tx.execute(
        "UPDATE managed_subscriptions SET status = 'SETTLED', settled_at = %s WHERE id = ANY (%s)",
        (now, subscriptions),
    )
    tx.execute(
        "UPDATE principal_reservations SET status = 'released', released_amount = reserved_amount,"
        " updated_at = %s WHERE subscription_id = ANY (%s)",
        (now, subscriptions),
    )
    for asset in sorted({due.asset for due, _ in settled}):
        record_commissions(
            tx,
            [
                (due.id, part)
                for due, one in settled
                if due.asset == asset
                for part in one.referrals
            ],
            asset,
            now,
        )
    record(
        tx,
        [
            Event(
                "subscription.settled",
                str(due.id),
                ids.derive("managed", due.id),
                State.SETTLED,
                author.actor,
                author.rule_version,
                now,
                {"toWallet": str(one.to_wallet), "deviation": grades[due.id].level},
            )
            for due, one in settled
        ],
    )


def _rounded(rate: Decimal | None) -> Decimal | None:
    return None if rate is None else quantise(rate, 4)


def _return_cash(
    tx: Tx,
    dues: Sequence[_Due],
    legs: Mapping[UUID, Sequence[Leg]],
    cash: Mapping[int, Decimal],
    now: datetime,
) -> None:
    """Ask for the settled equity to be moved back from the legs' venues."""
    for asset in sorted({due.asset for due in dues}):
        theirs = [due.id for due in dues if due.asset == asset]
        request_transfers(
            tx,
            reference=ids.derive("transfer", "settle", asset, *theirs),
            asset=asset,
            amounts=[(leg.venue, -cash[leg.account_id]) for one in theirs for leg in legs[one]],
            correlation_id=ids.derive("managed", theirs[0]),
            now=now,
        )
