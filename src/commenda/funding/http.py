"""Money in and out over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response

from commenda.funding import queries
from commenda.funding.actions import cancel, request_funding
from commenda.funding.model import RULES, Direction, Funding, FundingOrder, FundingStatus
from commenda.funding.statements import (
    BankEntry,
    EntryStatus,
    StatementOrder,
    StatementRead,
    entries_of,
    read_in,
)
from commenda.identity import Permission, Principal
from commenda.identity.access import Proved, may, require
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    key_or_new,
    problems,
    routes,
    write,
)
from commenda.ledger import Author

router = routes("funding")
Funder = Annotated[Principal, may(Permission.FUND)]
Owner = Annotated[Principal, may(Permission.WALLET)]


@router.post(
    "/participation/funding",
    operation_id="requestFunding",
    status_code=201,
    response_model=Funding,
    responses=GUARDED
    | problems(404, 409)
    | {
        200: {"model": Funding, "description": "Asked for before, and concluded."},
        202: {"model": Funding, "description": "Waits: for two of the staff, or a new address."},
    },
)
def request_participation(
    service: Served, who: Funder, body: FundingOrder, key: IdempotencyKey = None
) -> Response:
    """Bring money in, or take it out of your wallet; a large withdrawal waits for approval, and one
    to a new address for a day."""
    settings = service.settings
    if body.direction is Direction.WITHDRAWAL:
        require(who, Permission.WITHDRAW, second_factor=settings.require_second_factor)
    named = key_or_new(key)

    def act(tx: Tx, now: datetime) -> tuple[Funding, int]:
        funding = request_funding(
            tx,
            who,
            body,
            named,
            now,
            paper=settings.paper_funding,
            large=settings.large_withdrawal,
            wait=settings.new_address_wait,
            currencies=settings.bank_currencies,
        )
        if funding.status == FundingStatus.PENDING:
            return funding, 202
        return funding, 200 if funding.created_at < now else 201

    return write(service, who, "funding", key, body, act)


@router.get("/participation/funding", operation_id="listFunding", responses=GUARDED)
def list_funding(service: Served, who: Owner, asked: Paged) -> Page[Funding]:
    """Your deposits and withdrawals, newest first."""
    with service.database.transaction() as tx:
        rows = queries.requests_of(tx, who.user_id, asked.after(int), asked.rows)
    return asked.page(rows, lambda row: row.sequence)


@router.post(
    "/participation/funding/{request_id}/cancel",
    operation_id="cancelFunding",
    response_model=Funding,
    responses=GUARDED | problems(404, 409),
)
def cancel_funding(
    service: Served, who: Funder, request_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Take back a deposit or withdrawal of yours that still waits; held money is free again."""

    def act(tx: Tx, now: datetime) -> Funding:
        return cancel(tx, who, request_id, now)

    return write(service, who, "cancel-funding", key, {"id": str(request_id)}, act)


# --- What the bank says ----------------------------------------------------------------------


@router.post(
    "/bank/statements",
    operation_id="readBankStatement",
    response_model=StatementRead,
    responses=GUARDED | problems(409),
)
def read_bank_statement(
    service: Served,
    who: Annotated[Principal, may(Permission.BANK)],
    _: Proved,
    body: StatementOrder,
    key: IdempotencyKey = None,
) -> Response:
    """Read a bank statement in: each entry once, and matched with the deposit or withdrawal that it
    stands for. You count as one of the two who decide such a deposit."""
    currencies = service.settings.bank_currencies

    def act(tx: Tx, now: datetime) -> StatementRead:
        return read_in(tx, Author(who.actor, RULES, now), who.user_id, body, currencies)

    return write(service, who, "bank-statement", key, body, act)


@router.get("/bank/entries", operation_id="listBankEntries", responses=GUARDED)
def list_bank_entries(
    service: Served,
    _who: Annotated[Principal, may(Permission.LEDGER)],
    asked: Paged,
    status: EntryStatus | None = None,
) -> Page[BankEntry]:
    """Entries of bank statements, the latest first; `open` are those that stand for nothing."""
    with service.database.transaction() as tx:
        rows = entries_of(tx, status, asked.after(int), asked.rows)
    return asked.page(rows, lambda row: row.sequence)
