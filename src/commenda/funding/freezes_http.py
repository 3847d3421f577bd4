"""Freezing money over HTTP."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import Field

from commenda.funding.freezes import Freeze, FreezeOrder, freeze, unfreeze
from commenda.funding.model import RULES
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.web import (
    GUARDED,
    Amount,
    Answer,
    Asset,
    Body,
    IdempotencyKey,
    Moment,
    Served,
    answer_once,
    problems,
    refused,
    wire,
)
from commenda.ledger import Author

router = APIRouter(tags=["ledger"])
Keeper = Annotated[Principal, may(Permission.HOLD)]


class HoldOrder(Body):
    """Money of somebody's wallet that must stay where it is."""

    user_id: UUID
    asset: Asset = "USDT"
    amount: Annotated[Amount, Field(gt=0)]
    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=500,
            pattern=r"^[^\x00]+$",
            examples=["court order 4 O 17/26"],
            description="Kept in the audit trail.",
        ),
    ]
    expires_at: Moment | None = Field(
        default=None, description="Free again from then on; without it, until it is voided."
    )


class FreezeView(Body):
    """Frozen money, and what became of it."""

    group: str = Field(examples=["freeze:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])
    user_id: UUID
    asset: Asset
    amount: Amount
    status: Literal["held", "captured", "voided", "expired"]
    placed_at: datetime
    expires_at: datetime | None = None
    resolved_at: datetime | None = None


@router.post(
    "/ledger/holds",
    operation_id="placeHold",
    status_code=201,
    response_model=FreezeView,
    responses=GUARDED | problems(404, 409),
)
def place_hold(
    service: Served, who: Keeper, body: HoldOrder, key: IdempotencyKey = None
) -> JSONResponse:
    """Freeze money of a user's wallet: it stays theirs, and can be neither spent nor taken out."""
    order = FreezeOrder(body.user_id, body.asset, body.amount, body.reason, body.expires_at)
    named = secrets.token_hex(16) if key is None else key
    with service.database.transaction() as tx:
        author = Author(who.actor, RULES, business_now(tx))

        def act() -> Answer:
            frozen = freeze(tx, author, order, named)
            if frozen is None:
                return refused(
                    "insufficient_balance",
                    "The wallet has less than this available: what is on hold already is not",
                    field="amount",
                    value=order.amount,
                    hint="hold what is available",
                )
            return Answer(_wired(frozen), 201)

        return answer_once(tx, "hold", str(who.user_id), key, body, author.now, act)


@router.post(
    "/ledger/holds/{group}/void",
    operation_id="voidHold",
    response_model=FreezeView,
    responses=GUARDED | problems(404, 409),
)
def void_hold(
    service: Served,
    who: Keeper,
    group: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")],
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Set frozen money free; what is held for a withdrawal is freed by deciding that."""
    with service.database.transaction() as tx:
        author = Author(who.actor, RULES, business_now(tx))
        return answer_once(
            tx,
            "void-hold",
            str(who.user_id),
            key,
            {"group": group},
            author.now,
            lambda: Answer(_wired(unfreeze(tx, author, group))),
        )


def _wired(one: Freeze) -> dict[str, object]:
    shown = {name: getattr(one, name) for name in FreezeView.model_fields}
    return wire(FreezeView.model_validate(shown))
