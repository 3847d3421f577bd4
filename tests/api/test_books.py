"""The books over HTTP: who may read them, what they say, and that corrections take two people."""

from __future__ import annotations

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
    open_accounts,
    place_holds,
    post,
    void_holds,
)
from commenda.operations import Operation, reconcile_books
from scripted import ASSET, START, D
from staff_books import (
    SignIn,
    code,
    get,
    ines,
    pages,
    world,  # noqa: F401 - fixtures
)
from world import World

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
    for form in ("json", "csv"):
        nobody = client.get(
            f"/api/v1/ledger/statements/{uuid4()}", params={"format": form}, headers=auditor
        )
        assert code(nobody) == (404, "unknown_owner")


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
