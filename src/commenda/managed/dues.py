"""What the division of a subscription's money depends on, and who receives its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from uuid import UUID

from commenda.books import Leg
from commenda.kit.db import Tx
from commenda.kit.money import quantise, scale_of
from commenda.ledger import AccountKey, Owner, OwnerKind, balance_of
from commenda.managed.profit_share import HighWaterMark
from commenda.managed.waterfall import Division, FeeTerms, LegProceeds, Proceeds
from commenda.returns import expected_gain


@dataclass(frozen=True, slots=True)
class Due:
    """A subscription with everything that its next division depends on.

    `principal` is what is still open of `amount`; `hurdle` and `owed` are what earlier
    crystallisations left, `withdrawn` what they paid to the wallet, `expected` the gain that was
    expected until then, and `unshared` what each leg had gained that waits for a soft hurdle.
    """

    id: UUID
    investor_id: UUID
    product_id: UUID
    asset: str
    amount: Decimal
    principal: Decimal
    mark: HighWaterMark
    activated_at: datetime
    accrued_until: datetime
    hurdle: Decimal
    owed: Decimal
    crystallised: int
    withdrawn: Decimal
    expected: Decimal
    terms: FeeTerms
    annual_return: Decimal
    warning_percent: Decimal
    alert_percent: Decimal
    unshared: Mapping[UUID, Decimal]

    def days(self, until: datetime) -> int:
        """Whole days since fees last accrued; what is left of a day accrues with the next."""
        return (until - self.accrued_until).days

    def proceeds(self, legs: Sequence[Leg], worth: Sequence[Decimal], until: datetime) -> Proceeds:
        """What is to be divided: what each leg is worth, and what stands before the investor."""
        waits = self.unshared  # mostly nothing of nobody
        return Proceeds(
            self.principal,
            self.days(until),
            tuple(
                LegProceeds(
                    leg.id, leg.capital - waits.get(leg.id, 0) if waits else leg.capital, value
                )
                for leg, value in zip(legs, worth, strict=True)
            ),
            self.hurdle,
            self.owed,
        )

    def expected_gain(self, until: datetime) -> Decimal:
        """What the open principal should have gained since fees last accrued."""
        gain = expected_gain(self.principal, self.annual_return, self.days(until))
        return quantise(gain, scale_of(self.asset))


def receivable(due_id: UUID, asset: str) -> AccountKey:
    """What a subscription still owes of shares that were credited to their receivers."""
    return AccountKey("receivable", Owner.platform(), asset, due_id)


def dues(tx: Tx, subscription_ids: Sequence[UUID]) -> dict[UUID, Due]:
    """The subscriptions, locked: what is divided of one is divided once."""
    # A statement of its own: the next one sees what the lock waited for.
    tx.execute(
        "SELECT FROM managed_subscriptions WHERE id = ANY (%s) ORDER BY id FOR UPDATE",
        (list(subscription_ids),),
    )
    rows = tx.execute(
        "SELECT s.id, s.investor_id, s.product_id, s.asset, s.amount,"
        " r.reserved_amount - r.released_amount, s.mark_net_deposits, s.mark_greatest_profit,"
        " s.activated_at, coalesce(s.accrued_until, s.activated_at), s.hurdle_left, k.number,"
        " k.withdrawn, k.expected, t.management_fee, t.hurdle, t.profit_share, t.platform_cut,"
        " t.referral_rates, t.crystallise_days, t.hurdle_kind, e.annual_return, e.warning_percent,"
        " e.alert_percent"
        " FROM managed_subscriptions s"
        " JOIN principal_reservations r ON r.subscription_id = s.id"
        " JOIN product_terms t ON t.product_id = s.product_id AND t.valid_from = s.terms_valid_from"
        # The expectation that was in force when the investor subscribed.
        " CROSS JOIN LATERAL (SELECT * FROM expected_returns WHERE product_id = s.product_id"
        "   AND valid_from <= s.subscribed_at ORDER BY valid_from DESC LIMIT 1) e"
        " CROSS JOIN LATERAL (SELECT count(*) AS number, coalesce(sum(to_wallet), 0) AS withdrawn,"
        "   coalesce(sum(expected_gain), 0) AS expected FROM crystallisations"
        "   WHERE subscription_id = s.id) k"
        " WHERE s.id = ANY (%s) ORDER BY s.id",
        (list(subscription_ids),),
    ).fetchall()
    unshared: dict[UUID, Decimal] = dict(
        tx.execute(
            "SELECT g.leg_id, g.unshared FROM managed_subscriptions s"
            " CROSS JOIN LATERAL (SELECT id FROM crystallisations WHERE subscription_id = s.id"
            "   ORDER BY number DESC LIMIT 1) k"
            " JOIN crystallisation_legs g ON g.crystallisation_id = k.id AND g.unshared <> 0"
            " WHERE s.id = ANY (%s)",
            ([row[0] for row in rows if row[11]],),
        ).fetchall()
    )
    return {
        row[0]: Due(
            id=row[0],
            investor_id=row[1],
            product_id=row[2],
            asset=row[3],
            amount=row[4],
            principal=row[5],
            mark=HighWaterMark(row[6], row[7]),
            activated_at=row[8],
            accrued_until=row[9],
            hurdle=row[10],
            # Only what was crystallised can be owed.
            owed=-balance_of(tx, receivable(row[0], row[3])) if row[11] else Decimal(0),
            crystallised=row[11],
            withdrawn=row[12],
            expected=row[13],
            terms=_terms(*row[14:18], tuple(row[18]), *row[19:21]),
            annual_return=row[21],
            warning_percent=row[22],
            alert_percent=row[23],
            unshared=unshared,
        )
        for row in rows
    }


_terms = lru_cache(maxsize=256)(FeeTerms)
"""Terms as they were checked when made: few, of many subscriptions."""


def division_row(parts: Division) -> dict[str, Decimal]:
    """The columns that say where a division's money went."""
    names = "equity management_fee hurdle profit_share to_creators to_referrers collected to_wallet"
    return {name: getattr(parts, name) for name in names.split()} | {"to_platform": parts.platform}


def receivers(due: Due, parts: Division, legs: Sequence[Leg]) -> list[tuple[AccountKey, Decimal]]:
    """Who gets which part: the lines of the journal beside those of the legs."""
    asset = due.asset
    platform = Owner.platform()
    lines = [
        (AccountKey("wallet", Owner(OwnerKind.INVESTOR, due.investor_id), asset), parts.to_wallet),
        (AccountKey("fee:management", platform, asset), parts.management_fee),
        (AccountKey("fee:platform", platform, asset), parts.platform),
        *(
            (
                AccountKey("fee:profit_share", Owner(OwnerKind.CREATOR, leg.creator_id), asset),
                part.amount,
            )
            for leg, part in zip(legs, parts.creators, strict=True)
        ),
        *(
            (
                AccountKey("referral_pending", Owner(OwnerKind.INVESTOR, part.payee), asset),
                part.amount,
            )
            for part in parts.referrals
        ),
        (AccountKey("insurance", platform, asset), -parts.shortfall),
    ]
    if parts.collected:
        lines.append((receivable(due.id, asset), parts.collected))
    return lines
