"""The wallet over HTTP: balances, the asset log, statements."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.errors import CommendaError
from commenda.kit.money import scale_of
from commenda.kit.pages import decode_cursor, page_of
from commenda.kit.web import GUARDED, Amount, Asset, Body, Moment, Served, plain, problems
from commenda.ledger import queries

router = APIRouter(tags=["wallet"])
Owner = Annotated[Principal, may(Permission.WALLET)]

LogType = Literal["recharge", "withdraw", "contract", "commission", "pool_in", "pool_out", "income"]
LONGEST_STATEMENT = timedelta(days=366)
USUAL_STATEMENT = timedelta(days=30)
EARLIEST = datetime.min.replace(tzinfo=UTC)


class WalletBalance(Body):
    """Where an owner's money of one asset is."""

    asset: str = Field(examples=["USDT"])
    available: Amount = Field(description="In the wallet, free to subscribe or withdraw.")
    reserved: Amount = Field(description="Principal of subscriptions that wait to be activated.")
    in_books: Amount = Field(description="In running subscriptions and copies, at marks.")
    pending_referral: Amount = Field(description="Commission in its 30 days' hold.")
    withdrawing: Amount = Field(description="Set aside for withdrawals that wait for approval.")
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


class WalletStatement(Body):
    """A wallet over a period: opening + the amounts of its entries = closing."""

    user_id: UUID
    coin: str = Field(examples=["USDT"])
    from_: datetime = Field(alias="from")
    to: datetime
    opening: Amount
    entries: list[AssetLogEntry]
    closing: Amount


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
            pending_referral=one.pending_referral,
            withdrawing=one.withdrawing,
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
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    type_: Annotated[LogType | None, Query(alias="type")] = None,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Annotated[Moment | None, Query()] = None,
) -> Response:
    """Every change of your wallet, newest first: what came in and out, and for what."""
    scale_of(asset)
    before = _version(cursor)
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
    page = page_of(rows, limit, lambda row: (row.version,))
    items = ",".join(row.json for row in page.items)
    content = f'{{"items":[{items}],"nextCursor":{json.dumps(page.next_cursor)}}}'
    return Response(content, media_type="application/json")


@router.get(
    "/wallet/statement",
    operation_id="getWalletStatement",
    response_model=WalletStatement,
    responses=GUARDED | problems(404) | {200: {"content": {"text/csv": {}}}},
)
def statement(
    service: Served,
    who: Owner,
    asset: Annotated[Asset, Query()] = "USDT",
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Annotated[Moment | None, Query()] = None,
    format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> WalletStatement | Response:
    """Your wallet over a period (the last 30 days unless you say): opening, entries, closing."""
    scale_of(asset)
    with service.database.transaction() as tx:
        since, until = _period(from_, to, business_now(tx))
        found = queries.statement(tx, who.user_id, asset, since, until)
    if format_ == "csv":
        return _as_csv(found, since, until)
    return WalletStatement.model_validate(
        {
            "user_id": who.user_id,
            "coin": asset,
            "from": since,
            "to": until,
            "opening": found.opening,
            "entries": [_entry(row, who.user_id, asset) for row in found.entries],
            "closing": found.closing,
        }
    )


def _entry(row: queries.LogEntry, user: UUID, coin: str) -> dict[str, str]:
    """An AssetLogEntry, as it goes over the wire."""
    return {
        "userId": str(user),
        "coin": coin,
        "type": row.type,
        "amount": plain(row.amount),
        "balanceBefore": plain(row.balance_before),
        "balanceAfter": plain(row.balance_after),
        "refNo": row.ref_no,
        "remark": row.remark,
        "createdAt": row.created_at.isoformat().replace("+00:00", "Z"),
    }


def _version(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    (version,) = decode_cursor(cursor, [int])
    assert isinstance(version, int)
    return max(0, min(version, 2**63 - 1))


def _period(
    since: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """The period that was asked for; code `bad_period`."""
    end = now if until is None else until
    begin = end - min(USUAL_STATEMENT, end - EARLIEST) if since is None else since
    if not timedelta(0) <= end - begin <= LONGEST_STATEMENT:
        raise CommendaError(
            "bad_period",
            "A statement is of up to 366 days, and ends after it begins",
            field="from",
            value=begin.isoformat(),
            mend="choose a shorter period, from before to",
        )
    return begin, end


def _shown(value: Decimal, asset: str) -> Decimal:
    return round(value, scale_of(asset))


def _as_csv(found: queries.Statement, since: datetime, until: datetime) -> Response:
    """The statement as a table; its first row is the opening balance, its last the closing one."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(
        ["createdAt", "type", "amount", "balanceBefore", "balanceAfter", "refNo", "remark"]
    )
    table.writerow([since.isoformat(), "opening", "", "", plain(found.opening), "", ""])
    for row in found.entries:
        table.writerow(
            [
                row.created_at.isoformat(),
                row.type,
                plain(row.amount),
                plain(row.balance_before),
                plain(row.balance_after),
                row.ref_no,
                row.remark,
            ]
        )
    table.writerow([until.isoformat(), "closing", "", "", plain(found.closing), "", ""])
    return Response(
        text.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="statement.csv"'},
    )
