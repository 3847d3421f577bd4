"""How a statement is asked for and answered: the same for its owner and for the staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query, Response
from fastapi.responses import StreamingResponse

from commenda.kit.clock import business_now
from commenda.kit.money import scale_of
from commenda.kit.web import Asset, Moment, Service, Whole, sent
from commenda.ledger.statement_files import csv_text, draw_up
from commenda.ledger.statements import (
    START,
    StatementWanted,
    place_after,
    statement_page,
    statement_period,
)

MOST = 1000
"""Entries of a page."""

STATEMENT_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}

Format = Literal["json", "csv"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, as it came."""

    asset: str
    since: datetime | None
    until: datetime | None
    whole: bool
    form: Format
    cursor: str | None
    limit: int


async def _asked(
    asset: Annotated[Asset, Query()] = "USDT",
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Annotated[
        Moment | None, Query(description="Exclusive; now by default and at the latest.")
    ] = None,
    accounts: Annotated[
        Literal["wallet", "all"], Query(description="The wallet, or all that is kept.")
    ] = "wallet",
    format_: Annotated[Format, Query(alias="format")] = "json",
    cursor: Annotated[
        str | None, Query(max_length=300, description="Of `json`; it carries the period.")
    ] = None,
    limit: Annotated[Whole, Query(ge=1, le=MOST)] = MOST,
) -> Asked:
    return Asked(asset, from_, to, accounts == "all", format_, cursor, limit)


StatementAsked = Annotated[Asked, Depends(_asked)]


def statement_answer(service: Service, owner: UUID, asked: Asked) -> Response:
    """A statement as it was asked for.

    Codes `unknown_asset`, `bad_period`, `bad_cursor`, and `unknown_owner` for who has no account
    and is no user.
    """
    scale_of(asked.asset)
    start = START
    with service.database.transaction() as tx:
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        now = business_now(tx)
        since, until = asked.since, asked.until
        if asked.form == "json" and asked.cursor is not None:
            since, until, start = place_after(asked.cursor)
        period = statement_period(since, until, now)
        wanted = StatementWanted(owner, asked.asset, *period, asked.whole)
        if asked.form == "json":
            return sent(statement_page(tx, wanted, start, asked.limit, now))
        statement = draw_up(service.database, tx, wanted)
    return StreamingResponse(
        csv_text(statement),
        media_type="text/csv",
        headers={
            "Content-Disposition": 'attachment; filename="statement.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
