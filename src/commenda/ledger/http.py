"""The wallet over HTTP: balances, the asset log, statements, holds."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now, require_period
from commenda.kit.money import scale_of
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Amount,
    Asset,
    Body,
    Moment,
    Served,
    problems,
)
from commenda.ledger import bodies, queries
from commenda.ledger.bodies import LogType
from commenda.ledger.browse import holds_where
from commenda.ledger.model import HoldStatus
from commenda.ledger.statement_http import STATEMENT_FILES, StatementAsked, statement_answer

router = APIRouter(tags=["wallet"])
Owner = Annotated[Principal, may(Permission.WALLET)]
Cursor = Annotated[str | None, Query(max_length=200)]


class WalletBalance(Body):
    """Where an owner's money of one asset is."""

    asset: str = Field(examples=["USDT"])
    available: Amount = Field(description="In the wallet, free to subscribe or withdraw.")
    reserved: Amount = Field(description="Principal of subscriptions that wait to be activated.")
    in_books: Amount = Field(description="In running subscriptions and copies, at marks.")
    in_pools: Amount = Field(description="In pool products: principal and income not paid out.")
    pending_referral: Amount = Field(description="Commission in its 30 days' hold.")
    withdrawing: Amount = Field(description="Held for withdrawals that wait for approval.")
    frozen: Amount = Field(description="Held by an operator.")
    as_of: datetime = Field(description="Time of the oldest mark that was used.")


class AssetLogEntry(Body):
    """One change of a wallet (ASSET_LOG)."""

    user_id: UUID
    coin: str = Field(examples=["USDT"])
    type: LogType
    amount: Amount = Field(description="Signed: money in is positive.")
    balance_before: Amount
    balance_after: Amount
    ref_no: str = Field(examples=["settle:0b8e1f0c-5f0e-8a51-9c1d-3f1f6f0a7f10"])
    remark: str = Field(examples=["settlement"])
    created_at: datetime


class AssetLogPage(Body):
    """A page of the asset log, newest first."""

    items: list[AssetLogEntry]
    next_cursor: str | None = None


@router.get("/wallet/balances", operation_id="getWalletBalances", responses=GUARDED)
def balances(service: Served, who: Owner) -> list[WalletBalance]:
    """Your money of each asset: available, reserved, in books, pending and being withdrawn."""
    with service.database.transaction() as tx:
        found = queries.balances_of_owner(tx, who.user_id, business_now(tx))
    return [
        WalletBalance(
            asset=one.asset,
            available=one.available,
            reserved=one.reserved,
            in_books=_shown(one.in_books, one.asset),
            in_pools=one.in_pools,
            pending_referral=one.pending_referral,
            withdrawing=one.withdrawing,
            frozen=one.frozen,
            as_of=one.as_of,
        )
        for one in found
    ]


@router.get(
    "/wallet/asset-log",
    operation_id="getAssetLog",
    response_model=AssetLogPage,
    responses=GUARDED | problems(404),
)
def asset_log(
    service: Served,
    who: Owner,
    asset: Annotated[Asset, Query()] = "USDT",
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    type_: Annotated[LogType | None, Query(alias="type")] = None,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Annotated[Moment | None, Query()] = None,
) -> Response:
    """Every change of your wallet, newest first: what came in and out, and for what."""
    scale_of(asset)
    require_period("from", from_, to)
    before = key_after(cursor, int)
    with service.database.read() as tx:
        rows = queries.asset_log(
            tx,
            who.user_id,
            asset,
            limit + 1,
            before=before,
            kind=type_,
            since=from_,
            until=to,
        )
    page = page_of(rows, limit, lambda row: row.version)
    items = ",".join(row.json for row in page.items)
    content = f'{{"items":[{items}],"nextCursor":{json.dumps(page.next_cursor)}}}'
    return Response(content, media_type="application/json")


@router.get(
    "/wallet/statement",
    operation_id="getWalletStatement",
    response_model=bodies.Statement,
    responses=GUARDED | problems(404) | STATEMENT_FILES,
)
def statement(service: Served, who: Owner, asked: StatementAsked) -> Response:
    """What you have over a period (the last 30 days unless you say): opening, entries, closing.

    Of your wallet, or with `accounts=all` of everything that is kept for you. JSON comes in pages,
    `csv` and `html` (a page to print, in `lang`) whole.
    """
    return statement_answer(service, who.user_id, asked)


@router.get("/wallet/holds", operation_id="getWalletHolds", responses=GUARDED)
def holds(
    service: Served,
    who: Owner,
    status: HoldStatus | None = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> bodies.HoldPage:
    """What is or was set aside of your money, and for what, newest first."""
    with service.database.read() as tx:
        rows = holds_where(
            tx, owner=who.user_id, status=status, before=key_after(cursor, int), limit=limit + 1
        )
    return bodies.HoldPage.of(rows, limit, names=False)


def _shown(value: Decimal, asset: str) -> Decimal:
    return round(value, scale_of(asset))
