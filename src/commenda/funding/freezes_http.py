"""Freezing money over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Response

from commenda.funding.freezes import Freeze, HoldOrder, ask_to_unfreeze, freeze
from commenda.funding.model import RULES
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.web import GUARDED, IdempotencyKey, Served, key_or_new, problems, routes, write
from commenda.ledger import Author

router = routes("ledger")
Keeper = Annotated[Principal, may(Permission.HOLD)]


@router.post(
    "/ledger/holds",
    operation_id="placeHold",
    status_code=201,
    response_model=Freeze,
    responses=GUARDED | problems(404, 409),
)
def place_hold(
    service: Served, who: Keeper, body: HoldOrder, key: IdempotencyKey = None
) -> Response:
    """Freeze money of a user's wallet: it stays theirs, and can be neither spent nor taken out."""
    named = key_or_new(key)

    def act(tx: Tx, now: datetime) -> Freeze:
        return freeze(tx, Author(who.actor, RULES, now), body, named)

    return write(service, who, "hold", key, body, act, status=201)


@router.post(
    "/ledger/holds/{group}/void",
    operation_id="voidHold",
    status_code=202,
    response_model=Freeze,
    responses=GUARDED | problems(404, 409),
)
def void_hold(
    service: Served,
    who: Keeper,
    group: Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\x00]+$")],
    key: IdempotencyKey = None,
) -> Response:
    """Ask for frozen money to be set free, which another of the staff approves; what is held for a
    withdrawal is freed by deciding that."""

    def act(tx: Tx, now: datetime) -> Freeze:
        return ask_to_unfreeze(tx, who, group, now)

    return write(service, who, "void-hold", key, {"group": group}, act, status=202)
