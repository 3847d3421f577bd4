"""From what was read to what is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from commenda.books import Trigger
from commenda.managed import bodies
from commenda.managed.custody import Custody
from commenda.managed.lifecycle import State
from commenda.managed.model import ExpectedReturn, Offer, Profile
from commenda.managed.products import MatrixCell
from commenda.managed.progress import Progress, progress
from commenda.managed.queries import Held, Trader


def as_custody(one: Custody) -> bodies.CustodyAuthorisation:
    return bodies.CustodyAuthorisation.model_validate(one, from_attributes=True)


def as_offer(offer: Offer) -> bodies.ProductOffer:
    product = offer.product
    return bodies.ProductOffer(
        product_id=product.id,
        profile=product.profile,
        term_days=product.term_days,
        tier=product.tier,
        asset=product.asset,
        minimum=product.minimum,
        maximum=product.maximum,
        early_exit=product.early_exit,
        fees=bodies.Fees(
            management_fee=offer.terms.management_fee,
            hurdle=offer.terms.hurdle,
            profit_share=offer.terms.profit_share,
            platform_cut=offer.terms.platform_cut,
            referral_rates=list(offer.terms.referral_rates),
        ),
        expected_return=_expectation(offer.expected),
        terms_valid_from=offer.valid_from,
    )


def _expectation(expected: ExpectedReturn) -> bodies.Expectation:
    return bodies.Expectation(
        annual_return=expected.annual_return,
        warning_percent=expected.warning_percent,
        alert_percent=expected.alert_percent,
    )


def as_cell(cell: MatrixCell) -> bodies.MatrixCell:
    return bodies.MatrixCell.model_validate(cell, from_attributes=True)


def as_summary(held: Held, traders: Sequence[Trader], now: datetime) -> bodies.SubscriptionSummary:
    """A subscription in a list, with the traders' legs valued."""
    return bodies.SubscriptionSummary(**_summary(held, progress(held, traders, now)))


def as_detail(held: Held, traders: Sequence[Trader], now: datetime) -> bodies.SubscriptionDetail:
    """One subscription with everything that is read at once."""
    return bodies.SubscriptionDetail(
        **_summary(held, progress(held, traders, now)),
        execution_scope_id=held.id,
        matured_at=held.matured_at,
        allocation=bodies.AllocationPart(
            version=held.allocation_version,
            seed=held.seed,
            last_rebalance_at=held.allocated_at,
            traders=[_trader(one) for one in traders],
        ),
        reservation=bodies.ReservationPart.model_construct(
            status=held.reservation_status,
            reserved_amount=held.reserved_amount,
            released_amount=held.released_amount,
        ),
        liquidation=_liquidation(held),
        settlement=_settlement(held),
    )


def _summary(held: Held, now: Progress) -> dict[str, Any]:
    return {
        "subscription_id": held.id,
        "investor_id": held.investor_id,
        "status": State(held.status),
        "amount": held.amount,
        "asset": held.asset,
        "product": bodies.SubscribedProduct(
            product_id=held.product_id,
            profile=Profile(held.profile),
            term_days=held.term_days,
            tier=held.tier,
            early_exit=held.early_exit,
        ),
        "subscribed_at": held.subscribed_at,
        "activated_at": held.activated_at,
        "matures_at": held.matures_at,
        "settled_at": held.settled_at,
        "performance": bodies.Performance.model_construct(
            current_value=now.value,
            profit=now.profit,
            as_of=now.as_of,
            days_held=now.days,
            annual_return=held.annual_return,
            expected_gain=now.deviation.expected,
            deviation=now.deviation.difference,
            deviation_rate=bodies.rounded(now.deviation.rate),
            deviation_level=now.deviation.level.value,
            advice=now.deviation.advice.value,
        ),
    }


def _trader(one: Trader) -> bodies.AllocatedTrader:
    return bodies.AllocatedTrader.model_construct(
        flow_id=one.flow_id,
        title=one.title,
        creator_id=one.creator_id,
        creator=one.creator,
        weight=one.weight,
        amount=one.amount,
        current_value=one.value,
        status=one.status,
    )


def _liquidation(held: Held) -> bodies.LiquidationPart | None:
    if held.liquidation_requested_at is None:
        return None
    return bodies.LiquidationPart(
        door=Trigger(held.liquidation_door or Trigger.SWEEP),
        requested_at=held.liquidation_requested_at,
        attempts=held.liquidation_attempts or 0,
        reason=held.failure_reason,
        next_retry_at=held.next_retry_at,
        liquidated_at=held.liquidated_at,
    )


def _settlement(held: Held) -> bodies.SettlementPart | None:
    if held.settled_at is None:
        return None
    return bodies.SettlementPart.model_validate(held, from_attributes=True)


def as_nav(held_id: UUID, asset: str, rows: Sequence[Mapping[str, Any]]) -> bodies.NavHistory:
    return bodies.NavHistory(
        subscription_id=held_id,
        asset=asset,
        points=[
            bodies.NavPoint.model_validate(
                {**row, "return": round(row["nav"] / row["capital"] - 1, 8)}
            )
            for row in rows
        ],
    )
