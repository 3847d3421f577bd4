"""The books over HTTP, for the staff: statements, trial balance, accounts, journals, periods."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from commenda.identity import Approval, Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import require_period
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, unknown
from commenda.kit.web import (
    GUARDED,
    Amount,
    Body,
    IdempotencyKey,
    Moment,
    Page,
    Paged,
    Served,
    Whole,
    on_wire,
    problems,
    routes,
    write,
)
from commenda.ledger import browse
from commenda.ledger.decisions import ask_to_close, ask_to_reverse
from commenda.ledger.model import HoldStatus, OwnerKind
from commenda.ledger.periods import AsOf, balances_as_of
from commenda.ledger.statement_http import STATEMENT_FILES, StatementAsked, statement_answer
from commenda.ledger.statements import StatementPage
from commenda.ledger.trial import TrialBalance, trial_balance_at

router = routes("ledger")
UNKNOWN = GUARDED | problems(404)
CONFLICTS = GUARDED | problems(404, 409)
Reader = Annotated[Principal, may(Permission.LEDGER)]
Corrector = Annotated[Principal, may(Permission.CORRECT)]

_Text = Query(min_length=1, max_length=200, pattern=r"^[^\x00]+$")
AsOfMoment = Annotated[Moment | None, Query(alias="asOf", description="Now by default.")]
By = Annotated[AsOf, Query(description="By which of its two times a journal counts.")]
_GREATEST = 2**63 - 1


class PeriodClose(Body):
    """Close the books for all that is effective before `until`."""

    until: Moment


class Reversal(Body):
    """Why a journal is to be undone."""

    reason: str = Field(
        min_length=1, max_length=500, pattern=r"^[^\x00]+$", examples=["Credited twice by hand"]
    )


@on_wire
@dataclass(frozen=True, slots=True)
class CorrectionAsked:
    """Accepted: another person decides."""

    approval_id: UUID
    expires_at: datetime

    @classmethod
    def of(cls, approval: Approval) -> CorrectionAsked:
        return cls(approval.id, approval.expires_at)


@router.get(
    "/ledger/statements/{owner_id}",
    operation_id="getOwnerStatement",
    response_model=StatementPage,
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
) -> TrialBalance:
    """All accounts by asset, kind and kind of owner; the balances of each asset sum to 0."""
    with service.database.transaction() as tx:
        return trial_balance_at(tx, as_of, by)


# --- Accounts --------------------------------------------------------------------------------


@router.get("/ledger/accounts", operation_id="listAccounts", responses=GUARDED)
def accounts(
    service: Served,
    _who: Reader,
    asked: Paged,
    owner_id: Annotated[UUID | None, Query(alias="ownerId")] = None,
    owner: Annotated[
        str | None, Query(max_length=200, pattern=r"^[^\x00]+$", description="A user's name.")
    ] = None,
    owner_kind: Annotated[OwnerKind | None, Query(alias="ownerKind")] = None,
    kind: Annotated[str | None, _Text] = None,
    asset: Annotated[str | None, _Text] = None,
) -> Page[browse.Account]:
    """Accounts, in the order in which they were opened."""
    after = asked.after(int) or 0
    with service.database.read() as tx:
        rows = browse.accounts_where(
            tx,
            owner=owner_id,
            name=owner,
            owner_kind=owner_kind,
            kind=kind,
            asset=asset,
            after=after,
            limit=asked.rows,
        )
    return asked.page(rows, lambda one: one.id)


@router.get("/ledger/accounts/{account_id}", operation_id="getAccount", responses=UNKNOWN)
def account(
    service: Served, _who: Reader, account_id: str, as_of: AsOfMoment = None, by: By = AsOf.POSTED
) -> browse.Account:
    """One account as it is and, with `asOf`, what it held at a moment."""
    with service.database.transaction() as tx:
        found = browse.account_by_id(tx, _id(account_id, "account"))
        if found is None:
            raise unknown("account", account_id, "accountId")
        if as_of is None:
            return found
        balance = balances_as_of(tx, [found.id], as_of, by)[found.id]
    return replace(found, as_of=browse.BalanceAt(as_of, by, balance))


@router.get(
    "/ledger/accounts/{account_id}/entries", operation_id="getAccountEntries", responses=UNKNOWN
)
def account_entries(
    service: Served, _who: Reader, account_id: str, asked: Paged
) -> Page[browse.EntryView]:
    """An account's entries, newest first."""
    number, before = _id(account_id, "account"), asked.after(int)
    with service.database.transaction() as tx:
        if browse.account_by_id(tx, number) is None:
            raise unknown("account", account_id, "accountId")
        rows = browse.entries_of_account(tx, number, before=before, limit=asked.rows)
    return asked.page(rows, lambda one: one.version)


# --- Journals --------------------------------------------------------------------------------


@router.get("/ledger/journals", operation_id="listJournals", responses=GUARDED)
def journals(
    service: Served,
    _who: Reader,
    asked: Paged,
    kind: Annotated[str | None, _Text] = None,
    actor: Annotated[str | None, _Text] = None,
    correlation_id: Annotated[UUID | None, Query(alias="correlationId")] = None,
    key: Annotated[str | None, _Text] = None,
    rule_version: Annotated[str | None, Query(alias="ruleVersion", max_length=200)] = None,
    amount: Annotated[
        Amount | None,
        Query(description="Of one of its entries, whatever its sign; with `since` only."),
    ] = None,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query(description="Exclusive.")] = None,
) -> Page[browse.JournalView]:
    """Journals newest first, by the time of posting."""
    require_period("since", since, until)
    if amount is not None and since is None:
        raise CommendaError(
            "amount_needs_period", "No index knows amounts: a period bounds what is looked through"
        ).at("since", None, "say from when on")
    wanted = browse.JournalsWanted(
        kind, actor, correlation_id, since, until, key, rule_version, amount
    )
    with service.database.read() as tx:
        rows = browse.journals_where(tx, wanted, before=asked.after(int), limit=asked.rows)
    return asked.page(rows, lambda one: one.id)


@router.get("/ledger/journals/{journal_id}", operation_id="getJournal", responses=UNKNOWN)
def journal(
    service: Served, _who: Reader, journal_id: str, asked: Paged
) -> browse.JournalWithEntries:
    """One journal with its entries, what it undoes or is undone by, and its seal."""
    number = _id(journal_id, "journal")
    after = asked.after(int, int) or (0, 0)
    with service.database.transaction() as tx:
        found = browse.journal_by_id(tx, number)
        if found is None:
            raise unknown("journal", journal_id, "journalId")
        rows = browse.entries_of_journal(tx, number, after=after, limit=asked.rows)
    page = asked.page(rows, lambda one: (one.account_id, one.version))
    return browse.JournalWithEntries(
        **asdict(found), entries=page.items, next_cursor=page.next_cursor
    )


@router.post(
    "/ledger/journals/{journal_id}/reversal",
    operation_id="requestReversal",
    status_code=202,
    response_model=CorrectionAsked,
    responses=CONFLICTS,
)
def request_reversal(
    service: Served, who: Corrector, journal_id: str, body: Reversal, key: IdempotencyKey = None
) -> Response:
    """Ask for a journal to be undone by its opposite; another person decides.

    Only of kinds whose effects are in the ledger alone: deposits and insurance.
    """
    number = _id(journal_id, "journal")

    def act(tx: Tx, now: datetime) -> CorrectionAsked:
        return CorrectionAsked.of(ask_to_reverse(tx, who, number, body.reason, now))

    request = {"journal": number, "reason": body.reason}
    return write(service, who, "reversal", key, request, act, status=202)


@router.get("/ledger/holds", operation_id="listHolds", responses=GUARDED)
def holds(
    service: Served,
    _who: Reader,
    asked: Paged,
    account_id: Annotated[Whole | None, Query(alias="accountId", ge=1, le=_GREATEST)] = None,
    owner_id: Annotated[UUID | None, Query(alias="ownerId")] = None,
    status: HoldStatus | None = None,
) -> Page[browse.HoldView]:
    """Money that is or was set aside, newest first."""
    before = asked.after(int)
    with service.database.read() as tx:
        rows = browse.holds_where(
            tx,
            account_id=account_id,
            owner=owner_id,
            status=status,
            before=before,
            limit=asked.rows,
        )
    return asked.page(rows, lambda one: one.id)


# --- Periods ---------------------------------------------------------------------------------


@router.get("/ledger/periods", operation_id="listPeriods", responses=GUARDED)
def list_periods(service: Served, _who: Reader, asked: Paged) -> Page[browse.Period]:
    """Closed periods, the latest first."""
    with service.database.read() as tx:
        rows = browse.closed_periods(tx, asked.after(datetime), asked.rows)
    return asked.page(rows, lambda one: one.until)


@router.post(
    "/ledger/periods",
    operation_id="requestPeriodClose",
    status_code=202,
    response_model=CorrectionAsked,
    responses=GUARDED | problems(409),
)
def request_close(
    service: Served, who: Corrector, body: PeriodClose, key: IdempotencyKey = None
) -> Response:
    """Ask for the books to be closed before a moment; another person decides.

    Nothing that is effective before it can be posted any more.
    """

    def act(tx: Tx, now: datetime) -> CorrectionAsked:
        return CorrectionAsked.of(ask_to_close(tx, who, body.until, now))

    return write(service, who, "close-period", key, body, act, status=202)


def _id(text: str, of: str) -> int:
    """A number from a path; what is no number is nobody's."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
    if not 0 < number <= _GREATEST:
        raise unknown(of, text, f"{of}Id")
    return number
