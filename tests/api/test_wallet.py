"""Balances, the asset log and statements: what an owner reads of the ledger."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from commenda.books import Trigger
from commenda.identity import register_users
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.pages import encode_cursor
from commenda.ledger import (
    AccountKey,
    Journal,
    Language,
    Line,
    Owner,
    OwnerKind,
    StatementWanted,
    csv_text,
    draw_up,
    html_text,
    open_accounts,
    post_batch,
    statements,
)
from commenda.ledger.statements import BATCH, sections
from commenda.managed import authorise_custody
from commenda.referrals import HOLD, refer, release_due
from world import ASSET, START, D, World, steps

SignIn = Callable[..., dict[str, str]]
RISING = {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": steps((0, 50.0))}


def owner_of(name: str) -> Owner:
    return Owner(OwnerKind.INVESTOR, ids.derive("test-user", "investor", name))


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"/api/v1/wallet/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def person(world: World, name: str, amount: int, referrer: Owner | None = None) -> Owner:
    owner = owner_of(name)
    world.pay_in(owner, D(amount), "first")
    with world.database.transaction() as tx:
        authorise_custody(tx, world.author, owner.id, ASSET, D(1_000_000))
        if referrer is not None:
            refer(tx, owner.id, referrer.id, world.now)
    return owner


def settled(db: Database, sign_in: SignIn) -> tuple[World, UUID]:
    """Ines, brought by Rita, has a subscription that gained and is settled."""
    world = World(db, RISING)
    flow = world.creator("anna")
    sign_in("investor", "rita")
    sign_in("investor", "ines")
    rita = person(world, "rita", 50)
    ines = person(world, "ines", 15_000, rita)
    subscription = world.subscribe(ines, world.product(), 10_000)
    world.activate()
    world.signal(flow, "0.5")
    world.advance(72).mature()
    world.ask(subscription, Trigger.SWEEP)
    world.liquidate()
    world.settle(subscription)
    world.move_cash()
    return world, subscription


def test_balances_say_where_the_money_is(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world, who = World(db, RISING), sign_in("investor", "ines")
    flow = world.creator("anna")
    ines = person(world, "ines", 15_000)
    world.subscribe(ines, world.product(), 10_000)
    (balance,) = get(client, "balances", who)
    assert (balance["available"], balance["reserved"], balance["inBooks"]) == ("5000", "10000", "0")
    world.activate()
    (balance,) = get(client, "balances", who)
    assert (balance["reserved"], balance["inBooks"]) == ("0", "10000")
    world.signal(flow, "0.5")
    bought = world.one(
        "SELECT p.quantity FROM positions p JOIN legs l ON l.id = p.leg_id"
        " JOIN scopes s ON s.id = l.scope_id AND s.kind = 'managed'"
    )
    fee = bought * 100 * D("0.0005")
    (balance,) = get(client, "balances", who)
    assert D(balance["inBooks"]) == 10_000 - fee, "without a mark a position counts at its cost"
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO market_marks SELECT id, 120, %s, 'test' FROM instruments"
            " WHERE symbol = 'AAAUSDT'",
            (world.now,),
        )
    world.advance()
    (balance,) = get(client, "balances", who)
    assert D(balance["inBooks"]) == 10_000 - fee + bought * 20
    assert balance["asOf"].startswith("2026-01-05T01:00:00"), "the mark's time, not the question's"


def test_commission_is_pending_and_then_available(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, _ = settled(db, sign_in)
    rita = sign_in("investor", "rita")
    (before,) = get(client, "balances", rita)
    assert before["available"] == "50"
    assert D(before["pendingReferral"]) > 0
    world.now += HOLD
    with db.transaction() as tx:
        assert release_due(tx, world.author) == 1
    (after,) = get(client, "balances", rita)
    assert after["pendingReferral"] == "0"
    assert D(after["available"]) == 50 + D(before["pendingReferral"])
    newest = get(client, "asset-log", rita)["items"][0]
    assert (newest["type"], newest["amount"]) == ("commission", before["pendingReferral"])


def test_the_asset_log_names_what_happened_newest_first(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    _, subscription = settled(db, sign_in)
    items = get(client, "asset-log", sign_in("investor", "ines"))["items"]
    assert [(one["type"], one["remark"]) for one in items] == [
        ("contract", "settlement"),
        ("contract", "reserve"),
        ("recharge", "deposit"),
    ]
    assert items[0]["refNo"] == f"settle:{subscription}"
    assert items[1]["amount"] == "-10000"
    assert set(items[0]) == {
        "userId",
        "coin",
        "type",
        "amount",
        "balanceBefore",
        "balanceAfter",
        "refNo",
        "remark",
        "createdAt",
    }
    for newer, older in pairwise(items):
        assert newer["balanceBefore"] == older["balanceAfter"]


def test_a_withdrawal_is_in_the_log_when_money_left_and_not_before(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    World(db)
    who = sign_in("investor", "ines")
    for body in (
        {"amount": "30000"},
        {"direction": "withdrawal", "amount": "10"},
        {"direction": "withdrawal", "amount": "20000"},
    ):
        answer = client.post("/api/v1/participation/funding", json=body, headers=who)
    client.post(
        f"/api/v1/approvals/{answer.json()['approvalId']}/reject",
        json={"reason": "no"},
        headers=sign_in("operator"),
    )
    log = get(client, "asset-log", who, type="withdraw")["items"]
    assert [one["amount"] for one in log] == ["-10"]
    assert len(get(client, "asset-log", who, type="recharge")["items"]) == 1


def test_pages_of_the_log_meet_without_gap_or_overlap(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, who = World(db), sign_in("investor", "ines")
    for number in range(1, 8):
        world.pay_in(owner_of("ines"), D(number), str(number))
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 3}
    while True:
        page = get(client, "asset-log", who, **params)
        seen += [one["amount"] for one in page["items"]]
        if page["nextCursor"] is None:
            break
        world.pay_in(owner_of("ines"), D(100), f"later {len(seen)}")  # moves no page that follows
        params["cursor"] = page["nextCursor"]
    assert seen == ["7", "6", "5", "4", "3", "2", "1"]


def test_the_log_can_be_cut_by_time(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world, who = World(db), sign_in("investor", "ines")
    for number in range(1, 6):
        world.pay_in(owner_of("ines"), D(number), str(number))
        world.advance()
    params = {"from": "2026-01-05T01:00:00Z", "to": "2026-01-05T04:00:00+01:00"}
    items = get(client, "asset-log", who, **params)["items"]
    assert [one["amount"] for one in items] == ["3", "2"], "from is inside, to is not"


def test_a_statement_adds_up(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world, _ = settled(db, sign_in)
    who = sign_in("investor", "ines")
    whole = get(client, "statement", who, **{"from": "2026-01-01T00:00:00Z"})
    assert (whole["opening"], len(whole["entries"])) == ("0", 2), "to is not inside"
    assert whole["to"].startswith("2026-01-08T01:00:00")
    world.advance()
    whole = get(client, "statement", who, **{"from": "2026-01-01T00:00:00Z"})
    assert len(whole["entries"]) == 3
    assert D(whole["closing"]) == world.wallet(owner_of("ines"))
    last = get(client, "statement", who, **{"from": "2026-01-06T00:00:00Z"})
    assert (last["opening"], len(last["entries"])) == ("5000", 1)
    later = get(
        client, "statement", who, **{"from": world.now.isoformat(), "to": "2026-02-02T00:00:00Z"}
    )
    assert later["opening"] == later["closing"] == whole["closing"]
    before = get(
        client, "statement", who, **{"from": "2025-02-01T00:00:00Z", "to": "2025-02-02T00:00:00Z"}
    )
    assert before["opening"] == before["closing"] == "0"
    for one in (whole, last, later, before):
        total = sum((D(entry["amount"]) for entry in one["entries"]), D(one["opening"]))
        assert total == D(one["closing"])


def test_statements_meet_although_clocks_disagree(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, who = World(db), sign_in("investor", "ines")
    for hours, amount in ((0, 1), (5, 2), (-1, 4), (3, 8)):  # the third's clock is behind
        world.now = world.now.replace(hour=6 + hours)
        world.pay_in(owner_of("ines"), D(amount), str(amount))
    world.advance(3)
    ends = [f"2026-01-05T{hour:02}:00:00Z" for hour in (5, 7, 10, 11, 12)]
    closing, amounts = "0", []
    for begin, end in pairwise(ends):
        found = get(client, "statement", who, **{"from": begin, "to": end})
        assert found["opening"] == closing
        for entry in found["entries"]:
            assert begin <= entry["createdAt"] < end
        closing = found["closing"]
        amounts += [entry["amount"] for entry in found["entries"]]
    assert (closing, amounts) == ("15", ["1", "2", "4", "8"])


def test_a_statement_of_everything_adds_up_account_by_account(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, _ = settled(db, sign_in)
    world.advance()
    who, period = sign_in("investor", "ines"), {"from": "2026-01-01T00:00:00Z"}
    whole = get(client, "statement", who, accounts="all", **period)
    kinds = [one["kind"] for one in whole["accounts"]]
    assert (kinds.count("wallet"), kinds.count("reserved")) == (1, 1)
    assert {"scope", "position"} <= set(kinds)
    for account in whole["accounts"]:
        entries = [e for e in whole["entries"] if e["accountId"] == account["accountId"]]
        total = sum((D(entry["amount"]) for entry in entries), D(account["opening"]))
        assert total == D(account["closing"])
        assert entries[0]["balanceBefore"] == account["opening"]
        assert entries[-1]["balanceAfter"] == account["closing"]
        assert {entry["type"] is not None for entry in entries} == {account["kind"] == "wallet"}
    total = sum((D(entry["amount"]) for entry in whole["entries"]), D(whole["opening"]))
    assert total == D(whole["closing"])
    assert [one["symbol"] for one in whole["accounts"] if one["kind"] == "position"] == ["AAAUSDT"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_of_a_statement_make_the_whole(
    client: TestClient, db: Database, sign_in: SignIn, limit: int
) -> None:
    world, _ = settled(db, sign_in)
    world.advance()
    who = sign_in("investor", "ines")
    params: dict[str, Any] = {"from": "2026-01-01T00:00:00Z", "accounts": "all"}
    whole = get(client, "statement", who, **params)
    assert whole["nextCursor"] is None
    entries, accounts, params["limit"] = [], [], limit
    while True:
        page = get(client, "statement", who, **params)
        assert len(page["entries"]) <= limit
        assert len(page["accounts"]) <= limit
        assert (page["opening"], page["closing"]) == (whole["opening"], whole["closing"])
        assert (page["from"], page["to"]) == (whole["from"], whole["to"])
        entries += page["entries"]
        accounts += page["accounts"]
        if page["nextCursor"] is None:
            break
        world.advance()  # `to` is not given: the cursor carries the period of the first page
        params["cursor"] = page["nextCursor"]
    assert (entries, accounts) == (whole["entries"], whole["accounts"])


def test_a_statement_ends_now_at_the_latest_and_what_comes_meanwhile_is_in_none(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, who = World(db), sign_in("investor", "ines")
    for number in range(1, 4):
        world.pay_in(owner_of("ines"), D(number), str(number))
    world.advance()
    params: dict[str, Any] = {"to": "9999-12-31T23:59:59Z", "from": START.isoformat(), "limit": 2}
    page = get(client, "statement", who, **params)
    assert page["to"] == "2026-01-05T01:00:00Z", "the end that counts"
    amounts = []
    while True:
        assert (page["opening"], page["closing"], page["to"]) == ("0", "6", "2026-01-05T01:00:00Z")
        amounts += [D(one["amount"]) for one in page["entries"]]
        if page["nextCursor"] is None:
            break
        world.pay_in(owner_of("ines"), D(100), "meanwhile")
        world.advance()
        page = get(client, "statement", who, cursor=page["nextCursor"], limit=2)
    assert amounts == [1, 2, 3]


def test_what_is_posted_while_a_page_is_read_is_not_half_on_it(
    client: TestClient, db: Database, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, who = World(db), sign_in("investor", "ines")
    world.pay_in(owner_of("ines"), D(1), "1")
    early = world.now
    world.advance()

    def meanwhile(*of: Any) -> Any:
        world.now = early  # a posting that was begun before the statement and ends within it
        world.pay_in(owner_of("ines"), D(100), "late")
        return sections(*of)

    monkeypatch.setattr(statements, "sections", meanwhile)
    page = get(client, "statement", who)
    assert (page["closing"], [one["amount"] for one in page["entries"]]) == ("1", ["1"])


def test_random_statements_add_up(client: TestClient, db: Database, sign_in: SignIn) -> None:
    """Opening + amounts = closing, and the amounts are those that were posted in the period."""
    world, who = World(db), sign_in("investor", "ines")
    draw = random.Random(7)
    posted: list[tuple[datetime, D]] = []
    for number in range(60):
        amount = D(draw.randint(1, 10**12)) / D(10**8)
        world.pay_in(owner_of("ines"), amount, str(number))
        posted.append((world.now, amount))
        world.advance(draw.choice([0, 0, 1, 1, 2, 30]))
    world.advance(400)
    hours = [draw.randint(0, 400) for _ in range(40)]
    for begin, end in zip(hours[::2], hours[1::2], strict=True):
        since, until = (START + timedelta(hours=n) for n in sorted((begin, end)))
        params = {"from": since.isoformat(), "to": until.isoformat(), "limit": 1000}
        found = get(client, "statement", who, **params)
        inside = [amount for at, amount in posted if since <= at < until]
        assert [D(entry["amount"]) for entry in found["entries"]] == inside
        before = sum((amount for at, amount in posted if at < since), D(0))
        assert D(found["opening"]) == before
        assert D(found["closing"]) == before + sum(inside, D(0))


def test_a_statement_comes_as_a_table(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world, _ = settled(db, sign_in)
    world.advance()
    answer = client.get(
        "/api/v1/wallet/statement",
        params={"from": "2026-01-01T00:00:00Z", "format": "csv"},
        headers=sign_in("investor", "ines"),
    )
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["type"] for row in rows] == [
        "opening",
        "recharge",
        "contract",
        "contract",
        "closing",
    ]
    total = sum((D(row["amount"]) for row in rows[1:-1]), D(rows[0]["balanceAfter"]))
    assert total == D(rows[-1]["balanceAfter"]) == world.wallet(owner_of("ines"))


def test_a_table_of_everything_names_each_account(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, _ = settled(db, sign_in)
    world.advance()
    params = {"from": "2026-01-01T00:00:00Z", "format": "csv", "accounts": "all"}
    who = sign_in("investor", "ines")
    answer = client.get("/api/v1/wallet/statement", params=params, headers=who)
    assert answer.headers["cache-control"] == "no-store"
    accounts: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(answer.text)):
        accounts.setdefault(row["accountId"], []).append(row)
    assert len(accounts) >= 4
    for rows in accounts.values():
        assert [rows[0]["type"], rows[-1]["type"]] == ["opening", "closing"]
        total = sum((D(row["amount"]) for row in rows[1:-1]), D(rows[0]["balanceAfter"]))
        assert total == D(rows[-1]["balanceAfter"])


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        (
            "en",
            ("Account statement", "Opening balance", "Deposit", "Wallet", "allocation of fills"),
        ),
        ("zh", ("账户对账单", "期初余额", "充值", "钱包", "成交分配")),
    ],
)
def test_a_statement_comes_as_a_page_to_print(
    client: TestClient, db: Database, sign_in: SignIn, lang: str, words: tuple[str, ...]
) -> None:
    world, subscription = settled(db, sign_in)
    world.advance()
    answer = client.get(
        "/api/v1/wallet/statement",
        params={
            "from": "2026-01-01T00:00:00Z",
            "format": "html",
            "accounts": "all",
            "lang": lang,
        },
        headers=sign_in("investor", "ines"),
    )
    assert answer.headers["content-type"].startswith("text/html")
    page = answer.text
    assert all(word in page for word in words)
    assert f"settle:{subscription}" in page
    closing = world.wallet(owner_of("ines"))
    assert f"{closing:,.8f}" in page
    assert not re.search(r"https?://|<script|<link|<img|@import|url\(", page)
    policy = answer.headers["content-security-policy"]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    parser = Balanced()
    parser.feed(page)
    assert (parser.open, parser.wrong) == ([], [])


class Balanced(HTMLParser):
    """Every element that begins ends, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_what_strangers_wrote_is_text_on_the_page(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    who = sign_in("investor", "<script>alert(1)</script>")
    owner = owner_of("<script>alert(1)</script>")
    world.pay_in(owner, D(1), "<img src=x onerror='alert(2)'>")
    world.advance()
    page = client.get("/api/v1/wallet/statement", params={"format": "html"}, headers=who).text
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=&#x27;alert(2)&#x27;&gt;" in page


@pytest.mark.parametrize(("form", "pieces"), [("csv", 3), ("html", 9)])
def test_a_long_statement_is_read_in_batches_and_keeps_no_connection(
    db: Database, form: str, pieces: int
) -> None:
    world = World(db)
    ines = owner_of("ines")
    with db.transaction() as tx:
        register_users(tx, [(ines.id, "ines")], "investor", world.now)
        external, wallet = open_accounts(
            tx, [AccountKey("external", Owner.platform(), ASSET), AccountKey("wallet", ines, ASSET)]
        )
        post_batch(
            tx,
            world.author,
            [
                Journal(
                    f"deposit:{n}",
                    "deposit",
                    ids.derive("deposit", n),
                    [Line(external, D(-1)), Line(wallet, D(1))],
                )
                for n in range(3 * BATCH + 7)
            ],
        )
    world.advance()
    reads, held = [], []

    class Watched(Database):
        """Notes each read, and for how long it has a connection."""

        @contextmanager
        def read(self) -> Iterator[Any]:
            with db.read() as tx:
                reads.append(tx)
                held.append(tx)
                yield tx
                held.remove(tx)

    with db.transaction() as tx:
        wanted = StatementWanted(ines.id, ASSET, START, world.now)
        statement = draw_up(Watched("", "", None), tx, wanted, world.now)  # type: ignore[arg-type]
    written = csv_text(statement) if form == "csv" else html_text(statement, Language.EN)
    sent = [next(written) for _ in range(pieces)]
    assert len(reads) == 1, "the first batch, and no other before it is needed"
    assert held == [], "a reader who pauses keeps no connection"
    written.close()  # type: ignore[attr-defined]  # the client is gone
    assert (len(reads), held) == (1, [])
    with db.transaction() as tx:
        statement = draw_up(Watched("", "", None), tx, wanted, world.now)  # type: ignore[arg-type]
    reads.clear()
    written = csv_text(statement) if form == "csv" else html_text(statement, Language.EN)
    text = "".join(written)
    assert text.startswith("".join(sent))
    assert text.count("deposit:") == 3 * BATCH + 7
    assert (len(reads), held) == (4, [])


def test_an_owner_reads_their_own_holds_and_no_names(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, who, other = World(db), sign_in("investor", "ines"), sign_in("investor", "jon")
    world.pay_in(owner_of("ines"), D(20_000), "one")
    order = {"direction": "withdrawal", "amount": "15000"}
    client.post("/api/v1/participation/funding", json=order, headers=who)
    (hold,) = get(client, "holds", who)["items"]
    assert (hold["amount"], hold["status"], hold["purpose"]) == ("15000", "held", "withdrawal")
    assert (hold["actor"], hold["resolvedBy"]) == (None, None)
    assert get(client, "holds", who, status="captured")["items"] == []
    assert get(client, "holds", other)["items"] == []


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("asset-log", {"cursor": "nonsense"}, 422, "bad_cursor"),
        ("asset-log", {"asset": "DOGE"}, 404, "unknown_asset"),
        ("asset-log", {"type": "gift"}, 422, "invalid_request"),
        ("asset-log", {"from": "2026-01-05T00:00:00"}, 422, "invalid_request"),
        ("asset-log", {"from": "0001-01-01T00:00:00+14:00"}, 422, "invalid_request"),
        ("asset-log", {"from": "2026"}, 422, "invalid_request"),
        (
            "asset-log",
            {"from": "2026-01-06T00:00:00Z", "to": "2026-01-05T00:00:00Z"},
            422,
            "bad_period",
        ),
        ("asset-log", {"limit": "0"}, 422, "invalid_request"),
        (
            "statement",
            {"to": "0001-01-02T00:00:00Z", "from": "0001-01-03T00:00:00Z"},
            422,
            "bad_period",
        ),
        ("statement", {"from": "2024-01-01T00:00:00Z"}, 422, "bad_period"),
        ("statement", {"from": "2026-02-01T00:00:00Z"}, 422, "bad_period"),
        ("statement", {"from": "9999-12-31T23:59:59Z"}, 422, "bad_period"),
        ("statement", {"cursor": "nonsense"}, 422, "bad_cursor"),
        ("statement", {"cursor": encode_cursor(["x", "y", 1, 1])}, 422, "bad_cursor"),
        ("statement", {"limit": "1001"}, 422, "invalid_request"),
        ("statement", {"accounts": "mine"}, 422, "invalid_request"),
        ("statement", {"format": "html", "lang": "fr"}, 422, "invalid_request"),
        ("statement", {"format": "csv", "asset": "DOGE"}, 404, "unknown_asset"),
        ("holds", {"status": "gone"}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_read_is_refused(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    path: str,
    params: dict[str, str],
    status: int,
    code: str,
) -> None:
    World(db)
    who = sign_in("investor", "ines")
    answer = client.get(f"/api/v1/wallet/{path}", params=params, headers=who)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_stranger_reads_only_an_empty_wallet(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    settled(db, sign_in)
    jon = sign_in("investor", "jon")
    assert get(client, "balances", jon) == []
    assert get(client, "asset-log", jon) == {"items": [], "nextCursor": None}
    assert get(client, "statement", jon)["closing"] == "0"
    assert client.get("/api/v1/wallet/balances").status_code == 401
    assert client.get("/api/v1/wallet/balances", headers=sign_in("risk")).status_code == 403


def test_a_referrer_sees_the_tree_and_what_it_earned(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world, subscription = settled(db, sign_in)
    path = "/api/v1/referrals/mine"
    sign_in("investor", "jon")
    person(world, "jon", 100, owner_of("ines"))
    mine = client.get(path, headers=sign_in("investor", "rita")).json()
    assert [(one["level"], one["username"]) for one in mine["tree"]] == [(1, "ines"), (2, "jon")]
    (earned,) = mine["commissions"]
    assert earned["settlementId"] == str(subscription)
    assert (earned["level"], earned["status"]) == (1, "pending")
    assert D(earned["amount"]) == world.one("SELECT to_referrers FROM settlements")
    world.now += HOLD
    with db.transaction() as tx:
        release_due(tx, world.author)
    (earned,) = client.get(path, headers=sign_in("investor", "rita")).json()["commissions"]
    assert earned["status"] == "released"
    nobody = client.get(path, headers=sign_in("investor", "karl")).json()
    assert nobody == {"tree": [], "commissions": [], "nextCursor": None}
    assert client.get(path, headers=sign_in("auditor")).status_code == 403
