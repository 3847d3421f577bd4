"""The books over HTTP: who may read them, what they say, and that corrections take two people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.audit import seal
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    JOURNALS,
    AccountKey,
    Hold,
    Journal,
    Line,
    Owner,
    OwnerKind,
    note_balances,
    open_accounts,
    place_holds,
    post,
    void_holds,
)
from commenda.operations import Operation, reconcile_books
from people import user_of
from world import ASSET, START, D, World, steps

SignIn = Callable[..., dict[str, str]]
RISING = {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": steps((0, 50.0))}
STAFF = ("operator", "risk", "auditor", "admin")
READING = (
    "trial-balance",
    "accounts",
    "accounts/1",
    "accounts/1/entries",
    "journals",
    "journals/1",
    "holds",
    "periods",
    "reconciliation",
    "reconciliations",
)


def ines() -> Owner:
    return Owner(OwnerKind.INVESTOR, user_of("investor", "ines"))


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"/api/v1/ledger/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(client: TestClient, path: str, who: dict[str, str], **params: Any) -> list[Any]:
    """Every item of a list, page by page."""
    items = []
    while True:
        page = get(client, path, who, **params)
        assert len(page["items"]) <= params["limit"]
        items += page["items"]
        if page["nextCursor"] is None:
            return items
        params["cursor"] = page["nextCursor"]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def world(db: Database, sign_in: SignIn) -> World:
    """Ines has a running subscription, and an hour has passed since."""
    sign_in("investor", "ines")
    world = World(db, RISING)
    flow = world.creator("anna")
    world.pay_in(ines(), D(20_000), "first")
    world.authorise(ines())
    world.subscribe(ines(), world.product(), 10_000)
    world.activate()
    world.signal(flow, "0.5")
    world.advance()
    return world


# --- Who -------------------------------------------------------------------------------------


def test_the_staff_reads_the_books_and_nobody_else(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    paths = [f"/api/v1/ledger/{path}" for path in (*READING, f"statements/{ines().id}")]
    for path in paths:
        for role in STAFF:
            assert client.get(path, headers=sign_in(role)).status_code == 200, (path, role)
        for role in ("investor", "creator"):
            assert code(client.get(path, headers=sign_in(role))) == (403, "not_permitted")
        assert client.get(path).status_code == 401


def test_only_operators_with_a_second_factor_ask_for_corrections(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    asked = (
        ("/api/v1/ledger/periods", {"until": START.isoformat()}),
        ("/api/v1/ledger/journals/1/reversal", {"reason": "a mistake"}),
    )
    for path, body in asked:
        for role in ("risk", "auditor", "admin", "investor"):
            assert code(client.post(path, json=body, headers=sign_in(role))) == (
                403,
                "not_permitted",
            )
        weak = sign_in("operator", "weak", second_factor=False)
        assert code(client.post(path, json=body, headers=weak)) == (403, "second_factor_required")
        assert client.post(path, json=body, headers=sign_in("operator")).status_code == 202


# --- Statements ------------------------------------------------------------------------------


def test_the_staff_reads_anybodys_statement(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    params = {"from": "2026-01-01T00:00:00Z", "accounts": "all"}
    auditor = sign_in("auditor")
    found = get(client, f"statements/{ines().id}", auditor, **params)
    own = client.get("/api/v1/wallet/statement", params=params, headers=sign_in("investor", "ines"))
    assert found == own.json()
    platform = get(client, f"statements/{Owner.platform().id}", auditor, **params)
    kinds = {one["kind"] for one in platform["accounts"]}
    assert {"external", "insurance", "unallocated"} <= kinds
    amounts = (D(entry["amount"]) for entry in platform["entries"])
    assert D(platform["opening"]) + sum(amounts) == D(platform["closing"])
    page = client.get(
        f"/api/v1/ledger/statements/{Owner.platform().id}",
        params={"format": "html", "accounts": "all", "lang": "zh"},
        headers=auditor,
    )
    assert "外部资金" in page.text
    for form in ("json", "csv", "html"):
        nobody = client.get(
            f"/api/v1/ledger/statements/{uuid4()}", params={"format": form}, headers=auditor
        )
        assert code(nobody) == (404, "unknown_owner")


# --- Trial balance ---------------------------------------------------------------------------


def test_the_trial_balance_sums_to_zero_and_names_what_must_come_to_rest(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    found = get(client, "trial-balance", sign_in("auditor"))
    (total,) = found["totals"]
    assert (total["asset"], total["balance"]) == (ASSET, "0")
    assert total["debit"] == total["credit"] != "0"
    assert found["asOf"].startswith("2026-01-05T02:00:00")
    transit = {(one["kind"], one["balance"]) for one in found["lines"] if one["transit"]}
    assert transit == {("unallocated", "0"), ("position", "0")}
    wallet = next(
        one for one in found["lines"] if (one["kind"], one["ownerKind"]) == ("wallet", "investor")
    )
    assert (wallet["accounts"], wallet["debit"], wallet["credit"]) == (1, "0", "10000")


def test_the_trial_balance_of_a_moment_is_the_one_of_then(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    before = get(client, "trial-balance", auditor)
    kept = world.now
    world.advance(30)
    world.pay_in(ines(), D(500), "later")
    world.advance()
    with world.database.transaction() as tx:
        external, insurance = open_accounts(
            tx,
            [
                AccountKey("external", Owner.platform(), ASSET),
                AccountKey("insurance", Owner.platform(), ASSET),
            ],
        )
        lines = [Line(external, D(-3)), Line(insurance, D(3))]
        late = Journal("late", "insurance", ids.derive("late"), lines, START)
        post(tx, world.author, late)
    moment = kept.isoformat()
    assert get(client, "trial-balance", auditor, asOf=moment)["lines"] == before["lines"]
    effective = get(client, "trial-balance", auditor, asOf=moment, by="effective")

    def insured(found: Any) -> Decimal:
        (line,) = [one for one in found["lines"] if one["kind"] == "insurance"]
        return D(line["balance"])

    assert insured(effective) == insured(before) + 3, "it was dated back to then"
    assert insured(get(client, "trial-balance", auditor)) == insured(before) + 3


# --- Accounts and journals -------------------------------------------------------------------


def test_accounts_are_found_by_owner_and_kind_page_by_page(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    everything = pages(client, "accounts", auditor, limit=3)
    assert [one["id"] for one in everything] == sorted(one["id"] for one in everything)
    assert len(everything) == world.one("SELECT count(*) FROM accounts")
    assert sum(D(one["balance"]) for one in everything) == 0
    hers = pages(client, "accounts", auditor, limit=2, ownerId=str(ines().id))
    assert {one["ownerId"] for one in hers} == {str(ines().id)}
    (wallet,) = pages(client, "accounts", auditor, limit=2, ownerId=str(ines().id), kind="wallet")
    assert (wallet["balance"], wallet["held"]) == ("10000", "0")
    assert wallet in hers
    assert get(client, "accounts", auditor, kind="nothing")["items"] == []


def test_an_account_says_what_it_holds_and_held(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    (listed,) = get(client, "accounts", auditor, ownerId=str(ines().id), kind="wallet")["items"]
    path = f"accounts/{listed['id']}"
    assert get(client, path, auditor) == listed
    assert listed["version"] == 2
    assert listed["lastPostedAt"].startswith("2026-01-05T00:00:00")
    before = START - timedelta(microseconds=1)
    for moment, balance in ((before, "0"), (START, "10000"), (world.now, "10000")):
        for by in ("posted", "effective"):
            found = get(client, path, auditor, asOf=moment.isoformat(), by=by)
            assert found["asOf"]["balance"] == balance
            assert (found["asOf"]["by"], found["balance"]) == (by, "10000")
    for number in (10**9, 10**30, 0, -1, "x", "١"):
        for tail in ("", "/entries"):
            answer = client.get(f"/api/v1/ledger/accounts/{number}{tail}", headers=auditor)
            assert code(answer) == (404, "unknown_account")


def test_an_accounts_entries_make_its_balance_page_by_page(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    for n in range(7):
        world.pay_in(ines(), D(n + 1), str(n))
    (listed,) = get(client, "accounts", auditor, ownerId=str(ines().id), kind="wallet")["items"]
    entries = pages(client, f"accounts/{listed['id']}/entries", auditor, limit=4)
    assert [one["version"] for one in entries] == list(range(9, 0, -1))
    assert sum(D(one["amount"]) for one in entries) == D(listed["balance"])
    assert entries[0]["balanceAfter"] == listed["balance"]
    assert (entries[-1]["journalKind"], entries[-2]["journalKind"]) == ("deposit", "reserve")


def test_journals_are_found_by_what_they_are(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    everything = pages(client, "journals", auditor, limit=4)
    assert [one["id"] for one in everything] == sorted(
        (one["id"] for one in everything), reverse=True
    )
    assert len(everything) == world.one("SELECT count(*) FROM journals")
    (activate,) = pages(client, "journals", auditor, limit=4, kind="activate")
    correlated = pages(
        client, "journals", auditor, limit=2, correlationId=activate["correlationId"]
    )
    assert {"reserve", "activate", "transfer"} == {one["kind"] for one in correlated}
    by_test = pages(client, "journals", auditor, limit=4, actor=activate["actor"])
    assert activate in by_test
    window = {"since": (START + timedelta(hours=1)).isoformat(), "until": world.now.isoformat()}
    late = pages(client, "journals", auditor, limit=4, **window)
    assert late == [one for one in everything if window["since"] <= one["postedAt"]]
    assert {one["kind"] for one in late} >= {"activate", "fill", "allocation"}
    assert get(client, "journals", auditor, until=START.isoformat())["items"] == []


@pytest.mark.usefixtures("alone")
def test_a_journal_comes_with_its_entries_its_links_and_its_seal(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    (activate,) = get(client, "journals", auditor, kind="allocation")["items"]
    assert activate["seal"] is None
    with world.database.transaction() as tx:
        assert seal(tx, b"key", chain=JOURNALS).rows
    whole = get(client, f"journals/{activate['id']}", auditor)
    assert whole["entryCount"] == len(whole["entries"]) > 3
    assert sum(D(one["amount"]) for one in whole["entries"]) == 0
    assert whole["seal"] == world.one(
        "SELECT sequence FROM journal_seals WHERE row_id = %s", activate["id"]
    )
    entries, cursor = [], None
    while True:
        params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = get(client, f"journals/{activate['id']}", auditor, **params)
        entries += page["entries"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert entries == whole["entries"]
    for number in (10**9, "nonsense"):
        answer = client.get(f"/api/v1/ledger/journals/{number}", headers=auditor)
        assert code(answer) == (404, "unknown_journal")


def test_holds_are_found_by_account_owner_and_status(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    with world.database.transaction() as tx:
        (wallet,) = open_accounts(tx, [AccountKey("wallet", ines(), ASSET)])
        for n in range(5):
            hold = Hold(f"hold-{n}", wallet, D(n + 1), "freeze", ids.derive("hold", n))
            place_holds(tx, world.author, [hold])
        void_holds(tx, world.author, ["hold-2"])
    everything = pages(client, "holds", auditor, limit=2)
    assert [one["group"] for one in everything] == [f"hold-{n}" for n in range(4, -1, -1)]
    assert everything == pages(client, "holds", auditor, limit=2, accountId=wallet)
    assert everything == pages(client, "holds", auditor, limit=3, ownerId=str(ines().id))
    (voided,) = get(client, "holds", auditor, status="voided")["items"]
    assert (voided["group"], voided["actor"], voided["resolvedBy"]) == ("hold-2", "test", "test")
    assert get(client, "holds", auditor, ownerId=str(uuid4()))["items"] == []
    held = get(client, "holds", auditor, status="held")["items"]
    (account,) = get(client, "accounts", auditor, ownerId=str(ines().id), kind="wallet")["items"]
    assert D(account["held"]) == sum(D(one["amount"]) for one in held) == 12


# --- Corrections -----------------------------------------------------------------------------


def approve(client: TestClient, asked: Any, who: dict[str, str]) -> Any:
    return client.post(f"/api/v1/approvals/{asked['approvalId']}/approve", headers=who)


def test_two_people_close_a_period_and_it_takes_no_more_entries(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator, auditor = sign_in("operator"), sign_in("auditor")
    until = world.now.isoformat().replace("+00:00", "Z")
    asked = client.post("/api/v1/ledger/periods", json={"until": until}, headers=operator)
    assert asked.status_code == 202
    assert get(client, "periods", auditor)["items"] == [], "one person closes nothing"
    assert code(approve(client, asked.json(), operator)) == (409, "same_person")
    done = approve(client, asked.json(), sign_in("risk"))
    assert done.status_code == 200
    assert done.json()["outcome"]["closed"] is True
    (period,) = get(client, "periods", auditor)["items"]
    assert (period["until"], period["notedAt"]) == (until, None)
    assert period["closedBy"].startswith("risk:")
    with world.database.transaction() as tx:
        while note_balances(tx):
            pass
    (period,) = get(client, "periods", auditor)["items"]
    assert period["notedAt"] is not None
    again = client.post("/api/v1/ledger/periods", json={"until": until}, headers=operator)
    assert code(again) == (409, "period_closed")
    future = (world.now + timedelta(seconds=1)).isoformat()
    early = client.post("/api/v1/ledger/periods", json={"until": future}, headers=operator)
    assert code(early) == (422, "bad_period")
    assert world.column("SELECT kind FROM audit_events WHERE kind LIKE 'ledger.%%'") == [
        "ledger.period_closed"
    ]


def test_a_period_that_was_asked_for_twice_is_closed_once(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator = sign_in("operator")
    body = {"until": world.now.isoformat()}
    asked = [
        client.post("/api/v1/ledger/periods", json=body, headers=operator).json() for _ in range(2)
    ]
    outcomes = [approve(client, one, sign_in("risk")).json()["outcome"] for one in asked]
    assert [one["closed"] for one in outcomes] == [True, False]


def test_periods_are_listed_the_latest_first_page_by_page(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    for n in range(5):
        until = (START - timedelta(days=9 - n)).isoformat()
        asked = client.post(
            "/api/v1/ledger/periods", json={"until": until}, headers=sign_in("operator")
        )
        approve(client, asked.json(), sign_in("risk"))
    listed = pages(client, "periods", sign_in("auditor"), limit=2)
    assert [one["until"][:10] for one in listed] == [
        (START - timedelta(days=days)).date().isoformat() for days in range(5, 10)
    ]


def test_two_people_undo_a_deposit(client: TestClient, world: World, sign_in: SignIn) -> None:
    operator, auditor = sign_in("operator"), sign_in("auditor")
    world.pay_in(ines(), D(250), "by mistake")
    (wrong, *_) = get(client, "journals", auditor, kind="deposit")["items"]
    path = f"/api/v1/ledger/journals/{wrong['id']}/reversal"
    key = operator | {"Idempotency-Key": "undo-1"}
    asked = client.post(path, json={"reason": "another's money"}, headers=key)
    again = client.post(path, json={"reason": "another's money"}, headers=key)
    assert (asked.status_code, again.json()) == (202, asked.json())
    other = client.post(path, json={"reason": "changed"}, headers=key)
    assert code(other) == (409, "idempotency_conflict")
    assert world.wallet(ines()) == 10_250
    request = client.get(f"/api/v1/approvals/{asked.json()['approvalId']}", headers=auditor).json()
    assert request["kind"] == "ledger.reversal"
    assert request["payload"]["reason"] == "another's money"
    done = approve(client, asked.json(), sign_in("risk")).json()
    assert done["outcome"]["outcome"] == "posted"
    assert world.wallet(ines()) == 10_000
    undone = get(client, f"journals/{wrong['id']}", auditor)
    reversal = get(client, f"journals/{undone['reversedBy']}", auditor)
    assert (reversal["reverses"], reversal["kind"]) == (wrong["id"], "reversal")
    assert reversal["id"] == done["outcome"]["journalId"]
    twice = client.post(path, json={"reason": "once more"}, headers=operator)
    assert code(twice) == (409, "already_reversed")
    world.assert_sound()


def test_what_has_other_effects_is_not_undone_and_says_what_to_do_instead(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operator, auditor = sign_in("operator"), sign_in("auditor")
    for kind in ("transfer", "reserve", "activate", "allocation"):
        (found, *_) = get(client, "journals", auditor, kind=kind)["items"]
        answer = client.post(
            f"/api/v1/ledger/journals/{found['id']}/reversal",
            json={"reason": "no"},
            headers=operator,
        )
        assert code(answer) == (422, "not_reversible")
        assert answer.json()["mend"]
    for number in ("x", 10**9):
        answer = client.post(
            f"/api/v1/ledger/journals/{number}/reversal", json={"reason": "no"}, headers=operator
        )
        assert code(answer) == (404, "unknown_journal")


def test_a_reversal_of_spent_money_is_a_recorded_refusal(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    (deposit, *_) = [
        one
        for one in get(client, "journals", sign_in("auditor"), kind="deposit")["items"]
        if str(ines().id) in one["key"]
    ]
    asked = client.post(
        f"/api/v1/ledger/journals/{deposit['id']}/reversal",
        json={"reason": "never arrived"},
        headers=sign_in("operator"),
    ).json()
    before = world.one("SELECT count(*) FROM entries")
    decided = approve(client, asked, sign_in("risk")).json()
    assert decided["status"] == "approved"
    assert decided["outcome"]["outcome"] == "refused"
    assert decided["outcome"]["reason"] == "below_floor"
    assert world.one("SELECT count(*) FROM entries") == before
    assert world.wallet(ines()) == 10_000


# --- Reconciliation --------------------------------------------------------------------------


def test_the_reconciliation_of_now_and_of_then_leaves_nothing_unexplained(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    auditor = sign_in("auditor")
    found = get(client, "reconciliation", auditor)
    assert found["reconciled"] is True
    assert {one["unexplained"] for one in found["lines"]} == {"0"}
    assert {one["part"] for one in found["lines"]} == {
        "venue",
        "books",
        "liabilities",
        "transit",
        "holds",
    }
    past = get(client, "reconciliation", auditor, asOf=START.isoformat())
    assert past["reconciled"] is True
    assert len(past["leftOut"]) == 1
    first = get(client, "reconciliation", auditor, asOf="0001-01-01T00:00:00Z")
    assert (first["asOf"], first["reconciled"]) == ("0001-01-01T00:00:00Z", True)
    future = client.get(
        "/api/v1/ledger/reconciliation", params={"asOf": "2030-01-01T00:00:00Z"}, headers=auditor
    )
    assert code(future) == (422, "bad_moment")


def test_scheduled_reconciliations_are_listed_the_latest_first(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    operation = Operation(world.database, world.broker)
    moments = []
    for _ in range(3):
        reconcile_books(operation, world.now)
        moments.append(world.now)
        world.advance(24)
    listed = pages(client, "reconciliations", sign_in("risk"), limit=2)
    assert [one["asOf"][:19] for one in listed] == [
        moment.isoformat()[:19] for moment in reversed(moments)
    ]
    assert all(one["reconciled"] for one in listed)
    assert all(len(one["lines"]) >= 6 for one in listed)


def test_a_moment_in_a_body_is_written_out(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """A bare number would be taken for seconds after 1970."""
    for until in (20260101, "20260101", 2026.0):
        answer = client.post(
            "/api/v1/ledger/periods", json={"until": until}, headers=sign_in("operator")
        )
        assert code(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("path", "params", "status", "wanted"),
    [
        ("accounts", {"cursor": "nonsense"}, 422, "bad_cursor"),
        ("accounts", {"limit": 201}, 422, "invalid_request"),
        ("journals", {"cursor": "nonsense"}, 422, "bad_cursor"),
        ("journals", {"since": "yesterday"}, 422, "invalid_request"),
        ("journals", {"kind": "a\x00b"}, 422, "invalid_request"),
        ("journals", {"since": "2026"}, 422, "invalid_request"),
        (
            "journals",
            {"since": "2026-01-06T00:00:00Z", "until": "2026-01-05T00:00:00Z"},
            422,
            "bad_period",
        ),
        ("accounts/1", {"asOf": "2026"}, 422, "invalid_request"),
        ("reconciliation", {"asOf": "2026"}, 422, "invalid_request"),
        ("trial-balance", {"asOf": "2026"}, 422, "invalid_request"),
        ("holds", {"accountId": 0}, 422, "invalid_request"),
        ("holds", {"accountId": 10**30}, 422, "invalid_request"),
        ("holds", {"status": "gone"}, 422, "invalid_request"),
        ("periods", {"cursor": "WyJ4IiwgIiJd"}, 422, "bad_cursor"),
        ("reconciliations", {"cursor": "WyJ4IiwgIiJd"}, 422, "bad_cursor"),
        ("trial-balance", {"asOf": "2026-01-05T00:00:00"}, 422, "invalid_request"),
        ("trial-balance", {"by": "guess"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_read_is_refused(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    path: str,
    params: dict[str, Any],
    status: int,
    wanted: str,
) -> None:
    World(db)
    answer = client.get(f"/api/v1/ledger/{path}", params=params, headers=sign_in("auditor"))
    assert code(answer) == (status, wanted)
