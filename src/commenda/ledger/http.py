"""The wallet over HTTP: balances, the asset log, statements, holds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated

from fastapi import Query, Response

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now, require_period
from commenda.kit.money import scale_of
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import GUARDED, Asset, Moment, Page, Paged, Served, Whole, problems, routes
from commenda.ledger import queries
from commenda.ledger.browse import HoldView, holds_where
from commenda.ledger.model import HoldStatus
from commenda.ledger.queries import WalletBalance
from commenda.ledger.statement_http import STATEMENT_FILES, StatementAsked, statement_answer
from commenda.ledger.statements import AssetLogEntry, LogType, StatementPage

router = routes("wallet")
Owner = Annotated[Principal, may(Permission.WALLET)]


@router.get("/wallet/balances", operation_id="getWalletBalances", responses=GUARDED)
def balances(service: Served, who: Owner) -> list[WalletBalance]:
    """Your money of each asset: available, reserved, in books, pending and being withdrawn."""
    with service.database.transaction() as tx:
        found = queries.balances_of_owner(tx, who.user_id, business_now(tx))
    return [replace(one, in_books=round(one.in_books, scale_of(one.asset))) for one in found]


@router.get(
    "/wallet/asset-log",
    operation_id="getAssetLog",
    response_model=Page[AssetLogEntry],
    responses=GUARDED | problems(404),
)
def asset_log(
    service: Served,
    who: Owner,
    asset: Annotated[Asset, Query()] = "USDT",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[Whole, Query(ge=1, le=200)] = 20,
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
            tx, who.user_id, asset, limit + 1, before=before, kind=type_, since=from_, until=to
        )
    page = page_of(rows, limit, lambda row: row.version)
    items = ",".join(row.json for row in page.items)
    content = f'{{"items":[{items}],"nextCursor":{json.dumps(page.next_cursor)}}}'
    return Response(content, media_type="application/json")


@router.get(
    "/wallet/statement",
    operation_id="getWalletStatement",
    response_model=StatementPage,
    responses=GUARDED | problems(404) | STATEMENT_FILES,
)
def statement(service: Served, who: Owner, asked: StatementAsked) -> Response:
    """What you have over a period (the last 30 days unless you say): opening, entries, closing.

    Of your wallet, or with `accounts=all` of everything that is kept for you. JSON comes in pages,
    `csv` whole; the console's page of it prints.
    """
    return statement_answer(service, who.user_id, asked)


@router.get("/wallet/holds", operation_id="getWalletHolds", responses=GUARDED)
def holds(
    service: Served, who: Owner, asked: Paged, status: HoldStatus | None = None
) -> Page[HoldView]:
    """What is or was set aside of your money, and for what, newest first."""
    before = asked.after(int)
    with service.database.read() as tx:
        rows = holds_where(
            tx, owner=who.user_id, status=status, before=before, limit=asked.rows, names=False
        )
    return asked.page(rows, lambda one: one.id)
