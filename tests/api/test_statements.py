"""Statements over HTTP: they add up, page by page, as JSON and as a table."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from fastapi.testclient import TestClient

from commenda.identity import register_users
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import (
    AccountKey,
    Journal,
    Line,
    Owner,
    StatementWanted,
    csv_text,
    draw_up,
    open_accounts,
    post_batch,
    statements,
)
from commenda.ledger.statements import BATCH, sections
from scripted import ASSET, START, D
from wallets import SignIn, get, owner_of, settled
from world import World


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
    assert (whole["owner"], whole["drawnUpAt"]) == ("ines", whole["to"])
    assert whole["summary"][0]["kind"] == "wallet"
    for row in whole["summary"]:
        of_kind = [one for one in whole["accounts"] if one["kind"] == row["kind"]]
        numbers = {one["accountId"] for one in of_kind}
        moved = [one for one in whole["entries"] if one["accountId"] in numbers]
        assert (row["accounts"], row["entries"]) == (len(of_kind), len(moved))
        assert D(row["opening"]) == sum((D(one["opening"]) for one in of_kind), D(0))
        assert D(row["closing"]) == sum((D(one["closing"]) for one in of_kind), D(0))
    assert {one["kind"] for one in whole["accounts"]} == {one["kind"] for one in whole["summary"]}
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
        assert page["summary"] == whole["summary"]
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


def test_a_long_statement_is_read_in_batches_and_keeps_no_connection(
    db: Database,
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
        statement = draw_up(Watched("", "", None), tx, wanted)  # type: ignore[arg-type]
    written = csv_text(statement)
    sent = [next(written) for _ in range(3)]
    assert len(reads) == 1, "the first batch, and no other before it is needed"
    assert held == [], "a reader who pauses keeps no connection"
    written.close()  # type: ignore[attr-defined]  # the client is gone
    assert (len(reads), held) == (1, [])
    with db.transaction() as tx:
        statement = draw_up(Watched("", "", None), tx, wanted)  # type: ignore[arg-type]
    reads.clear()
    written = csv_text(statement)
    text = "".join(written)
    assert text.startswith("".join(sent))
    assert text.count("deposit:") == 3 * BATCH + 7
    assert (len(reads), held) == (4, [])
