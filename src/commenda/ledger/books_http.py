"""The books over HTTP, for the staff: statements, trial balance, accounts, journals, periods."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from commenda.identity import Approval, Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now, require_period
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.pages import key_after, page_of
from commenda.kit.web import (
    GUARDED,
    Answer,
    IdempotencyKey,
    Moment,
    Served,
    answer_once,
    or_refused,
    problems,
    wire,
)
from commenda.ledger import bodies, browse
from commenda.ledger.decisions import ask_to_close, ask_to_reverse
from commenda.ledger.model import HoldStatus
from commenda.ledger.periods import AsOf, balances_as_of
from commenda.ledger.statement_http import STATEMENT_FILES, StatementAsked, statement_answer
from commenda.ledger.trial import asset_totals, trial_balance

router = APIRouter(tags=["ledger"])
Reader = Annotated[Principal, may(Permission.LEDGER)]
Corrector = Annotated[Principal, may(Permission.CORRECT)]

Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
_Text = Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")
AsOfMoment = Annotated[Moment | None, Query(alias="asOf", description="Now by default.")]
By = Annotated[AsOf, Query(description="By which of its two times a journal counts.")]
_GREATEST = 2**63 - 1

View = TypeVar("View", bound=BaseModel)


@router.get(
    "/ledger/statements/{owner_id}",
    operation_id="getOwnerStatement",
    response_model=bodies.Statement,
    responses=GUARDED | problems(404) | STATEMENT_FILES,
)
def owner_statement(
    service: Served, _who: Reader, owner_id: UUID, asked: StatementAsked
) -> Response:
    """What anybody has over a period; see the statement of one's own wallet."""
    return statement_answer(service, owner_id, asked)


@router.get("/ledger/trial-balance", operation_id="getTrialBalance", responses=GUARDED)
def get_trial_balance(
    service: Served, _who: Reader, as_of: AsOfMoment = None, by: By = AsOf.POSTED
) -> bodies.TrialBalance:
    """All accounts by asset, kind and kind of owner; the balances of each asset sum to 0."""
    with service.database.transaction() as tx:
        moment = business_now(tx) if as_of is None else as_of
        lines = trial_balance(tx, as_of, by)
    return bodies.TrialBalance(
        as_of=moment,
        by=by,
        lines=[_view(bodies.TrialBalanceLine, line) for line in lines],
        totals=[
            bodies.TrialBalanceTotal(asset=asset, debit=debit, credit=credit, balance=balance)
            for asset, (debit, credit, balance) in asset_totals(lines).items()
        ],
    )


# --- Accounts --------------------------------------------------------------------------------


@router.get("/ledger/accounts", operation_id="listAccounts", responses=GUARDED)
def accounts(
    service: Served,
    _who: Reader,
    owner_id: Annotated[UUID | None, Query(alias="ownerId")] = None,
    kind: Annotated[str | None, _Text] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> bodies.AccountPage:
    """Accounts, in the order in which they were opened."""
    after = key_after(cursor, int) or 0
    with service.database.read() as tx:
        rows = browse.accounts_where(tx, owner=owner_id, kind=kind, after=after, limit=limit + 1)
    page = page_of(rows, limit, lambda one: one.id)
    return bodies.AccountPage(
        items=[_view(bodies.AccountView, one) for one in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/ledger/accounts/{account_id}", operation_id="getAccount", responses=GUARDED | problems(404)
)
def account(
    service: Served,
    _who: Reader,
    account_id: str,
    as_of: AsOfMoment = None,
    by: By = AsOf.POSTED,
) -> bodies.AccountView:
    """One account as it is and, with `asOf`, what it held at a moment."""
    with service.database.transaction() as tx:
        found = browse.account_by_id(tx, _id(account_id, "account"))
        if found is None:
            raise _unknown("account", account_id)
        view = _view(bodies.AccountView, found)
        if as_of is None:
            return view
        balance = balances_as_of(tx, [found.id], as_of, by)[found.id]
    return view.model_copy(update={"as_of": bodies.BalanceAt(at=as_of, by=by, balance=balance)})


@router.get(
    "/ledger/accounts/{account_id}/entries",
    operation_id="getAccountEntries",
    responses=GUARDED | problems(404),
)
def account_entries(
    service: Served, _who: Reader, account_id: str, cursor: Cursor = None, limit: Limit = 50
) -> bodies.EntryPage:
    """An account's entries, newest first."""
    number = _id(account_id, "account")
    with service.database.transaction() as tx:
        if browse.account_by_id(tx, number) is None:
            raise _unknown("account", account_id)
        rows = browse.entries_of_account(tx, number, before=key_after(cursor, int), limit=limit + 1)
    page = page_of(rows, limit, lambda one: one.version)
    return bodies.EntryPage(
        items=[_view(bodies.EntryView, one) for one in page.items], next_cursor=page.next_cursor
    )


# --- Journals --------------------------------------------------------------------------------


@router.get("/ledger/journals", operation_id="listJournals", responses=GUARDED)
def journals(
    service: Served,
    _who: Reader,
    kind: Annotated[str | None, _Text] = None,
    actor: Annotated[str | None, _Text] = None,
    correlation_id: Annotated[UUID | None, Query(alias="correlationId")] = None,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query(description="Exclusive.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> bodies.JournalPage:
    """Journals newest first, by the time of posting."""
    require_period("since", since, until)
    wanted = browse.JournalsWanted(kind, actor, correlation_id, since, until)
    with service.database.read() as tx:
        rows = browse.journals_where(tx, wanted, before=key_after(cursor, int), limit=limit + 1)
    page = page_of(rows, limit, lambda one: one.id)
    return bodies.JournalPage(
        items=[_view(bodies.JournalView, one) for one in page.items], next_cursor=page.next_cursor
    )


@router.get(
    "/ledger/journals/{journal_id}", operation_id="getJournal", responses=GUARDED | problems(404)
)
def journal(
    service: Served, _who: Reader, journal_id: str, cursor: Cursor = None, limit: Limit = 50
) -> bodies.JournalWithEntries:
    """One journal with its entries, what it undoes or is undone by, and its seal."""
    number = _id(journal_id, "journal")
    after = key_after(cursor, int, int) or (0, 0)
    with service.database.transaction() as tx:
        found = browse.journal_by_id(tx, number)
        if found is None:
            raise _unknown("journal", journal_id)
        rows = browse.entries_of_journal(tx, number, after=after, limit=limit + 1)
    page = page_of(rows, limit, lambda one: (one.account_id, one.version))
    return bodies.JournalWithEntries(
        **_view(bodies.JournalView, found).model_dump(),
        entries=[_view(bodies.EntryView, one) for one in page.items],
        next_cursor=page.next_cursor,
    )


@router.post(
    "/ledger/journals/{journal_id}/reversal",
    operation_id="requestReversal",
    status_code=202,
    response_model=bodies.CorrectionAsked,
    responses=GUARDED | problems(404, 409),
)
def request_reversal(
    service: Served,
    who: Corrector,
    journal_id: str,
    body: bodies.Reversal,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Ask for a journal to be undone by its opposite; another person decides.

    Only of kinds whose effects are in the ledger alone: deposits and insurance.
    """
    number = _id(journal_id, "journal")
    with service.database.transaction() as tx:
        now = business_now(tx)
        return answer_once(
            tx,
            "reversal",
            str(who.user_id),
            key,
            {"journal": number, "reason": body.reason},
            now,
            lambda: or_refused(
                tx, lambda: _asked(ask_to_reverse(tx, who, number, body.reason, now))
            ),
        )


@router.get("/ledger/holds", operation_id="listHolds", responses=GUARDED)
def holds(
    service: Served,
    _who: Reader,
    account_id: Annotated[int | None, Query(alias="accountId", ge=1, le=_GREATEST)] = None,
    owner_id: Annotated[UUID | None, Query(alias="ownerId")] = None,
    status: HoldStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> bodies.HoldPage:
    """Money that is or was set aside, newest first."""
    with service.database.read() as tx:
        rows = browse.holds_where(
            tx,
            account_id=account_id,
            owner=owner_id,
            status=status,
            before=key_after(cursor, int),
            limit=limit + 1,
        )
    return bodies.HoldPage.of(rows, limit, names=True)


# --- Periods ---------------------------------------------------------------------------------


@router.get("/ledger/periods", operation_id="listPeriods", responses=GUARDED)
def list_periods(
    service: Served, _who: Reader, cursor: Cursor = None, limit: Limit = 50
) -> bodies.PeriodPage:
    """Closed periods, the latest first."""
    begun = key_after(cursor, datetime, str)
    before = None if begun is None else begun[0]
    with service.database.read() as tx:
        rows = browse.closed_periods(tx, before, limit + 1)
    page = page_of(rows, limit, lambda one: (one.until, ""))
    return bodies.PeriodPage(
        items=[_view(bodies.Period, one) for one in page.items], next_cursor=page.next_cursor
    )


@router.post(
    "/ledger/periods",
    operation_id="requestPeriodClose",
    status_code=202,
    response_model=bodies.CorrectionAsked,
    responses=GUARDED | problems(409),
)
def request_close(
    service: Served, who: Corrector, body: bodies.PeriodClose, key: IdempotencyKey = None
) -> JSONResponse:
    """Ask for the books to be closed before a moment; another person decides.

    Nothing that is effective before it can be posted any more.
    """
    with service.database.transaction() as tx:
        now = business_now(tx)
        return answer_once(
            tx,
            "close-period",
            str(who.user_id),
            key,
            body,
            now,
            lambda: or_refused(tx, lambda: _asked(ask_to_close(tx, who, body.until, now))),
        )


# --- Shared ----------------------------------------------------------------------------------


def _asked(approval: Approval) -> Answer:
    asked = bodies.CorrectionAsked(approval_id=approval.id, expires_at=approval.expires_at)
    return Answer(wire(asked), 202)


def _view(kind: type[View], row: object) -> View:
    return kind.model_validate(row, from_attributes=True)


def _id(text: str, of: str) -> int:
    """A number from a path; what is no number is nobody's."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < number <= _GREATEST:
        raise _unknown(of, text)
    return number


def _unknown(of: str, value: str) -> CommendaError:
    return not_found(f"unknown_{of}", f"No such {of}").at(f"{of}Id", value)
