"""What was stored before a migration is taken along, and back where that is possible."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from commenda.identity import Principal, Role, register_users
from commenda.kit import clock, ids
from commenda.kit.db import Database
from commenda.kit.migrate import migrate
from commenda.operations import approve_and_carry_out, reject_and_give_back, verify
from commenda.settings import Settings
from migrated import (
    NAMES,
    applied,
    objects,
    scratch,  # noqa: F401 - fixtures
)
from scripted import START, D

HELD = NAMES.index("0019_withdrawals_are_held")
INES, JON = uuid.UUID(int=1), uuid.UUID(int=2)
OUTSIDE = ("external", ids.derive("platform"))


def ask_as_before(owner: psycopg.Connection, user: uuid.UUID, amount: str, number: int) -> None:
    """A large withdrawal as it was asked for until then: its money moved to `withdrawing`."""
    request, approval = uuid.UUID(int=100 + number), uuid.UUID(int=200 + number)
    at = "2026-01-05 12:00:00+00"
    owner.execute(
        "INSERT INTO approvals (id, kind, subject, payload, correlation_id, requested_by,"
        " requested_at, expires_at) VALUES (%s, 'funding.withdrawal', %s, '{}', %s, %s, %s,"
        " '2026-01-08 12:00:00+00')",
        (approval, str(request), request, user, at),
    )
    owner.execute(
        "INSERT INTO funding_requests (id, user_id, asset, direction, amount, status,"
        " approval_id, created_at) VALUES (%s, %s, 'USDT', 'withdrawal', %s, 'pending', %s, %s)",
        (request, user, amount, approval, at),
    )
    owner.execute(
        "INSERT INTO audit_events (happened_at, kind, actor, subject, correlation_id, result,"
        " details) VALUES (%(at)s, 'funding.withdrawal', 'test', %(request)s, %(request)s,"
        " 'pending', jsonb_build_object('userId', %(user)s::text, 'amount', %(amount)s::text,"
        " 'asset', 'USDT')), (%(at)s, 'approval.requested', 'test', %(approval)s, %(request)s,"
        " 'requested', '{}')",
        {"at": at, "request": request, "user": user, "amount": amount, "approval": approval},
    )
    move(owner, f"withdrawal_request:{request}", ("wallet", user), ("withdrawing", user), amount)


def move(
    owner: psycopg.Connection,
    key: str,
    source: tuple[str, uuid.UUID],
    target: tuple[str, uuid.UUID],
    amount: str,
    at: str = "2026-01-05 12:00:00+00",
) -> None:
    for kind, of in (source, target):
        owner.execute(
            "INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            " VALUES (%s, 'investor', %s, 'USDT') ON CONFLICT DO NOTHING",
            (kind, of),
        )
    row = owner.execute(
        "SELECT outcome FROM post_journals(ARRAY[%s], ARRAY[split_part(%s, ':', 1)],"
        " ARRAY[gen_random_uuid()], ARRAY[%s::timestamptz], 'test', 'test/1',"
        " %s::timestamptz, ARRAY[1, 1], ARRAY["
        "  (SELECT id FROM accounts WHERE kind = %s AND owner_id = %s),"
        "  (SELECT id FROM accounts WHERE kind = %s AND owner_id = %s)],"
        " ARRAY[-%s::numeric, %s::numeric])",
        (key, key, at, at, *source, *target, amount, amount),
    ).fetchone()
    assert row == ("posted",)


@pytest.fixture
def waiting(scratch: str) -> str:
    """A database of the version before, in which three large withdrawals wait."""
    migrate(scratch, to=HELD)
    with psycopg.connect(scratch) as owner:
        owner.execute("INSERT INTO business_clock (now_at) VALUES ('2026-01-06 12:00:00+00')")
        for user, name in ((INES, "ines"), (JON, "jon")):
            owner.execute(
                "INSERT INTO users (id, username, role, created_at)"
                " VALUES (%s, %s, 'investor', '2026-01-05 00:00:00+00')",
                (user, name),
            )
            move(owner, f"deposit:{name}", OUTSIDE, ("wallet", user), "50000")
        ask_as_before(owner, INES, "10000", 1)
        ask_as_before(owner, INES, "12000.5", 2)
        ask_as_before(owner, JON, "50000", 3)
    return scratch


def decide(database: Database, number: int, *, approved: bool) -> None:
    asked = uuid.UUID(int=200 + number)
    one, other = (Principal(uuid.UUID(int=n), Role.RISK, frozenset(), None, True) for n in (9, 8))
    with database.transaction() as tx:
        register_users(tx, [(one.user_id, "one"), (other.user_id, "other")], "risk", START)
        now = clock.business_now(tx)
        if approved:
            approve_and_carry_out(tx, asked, one, now)
            approve_and_carry_out(tx, asked, other, now)
        else:
            reject_and_give_back(tx, asked, one, now, "no")


def wallets(url: str) -> list[tuple[Decimal, Decimal]]:
    with psycopg.connect(url) as owner:
        return owner.execute(
            "SELECT balance, held FROM accounts WHERE kind = 'wallet' ORDER BY owner_id"
        ).fetchall()


def test_withdrawals_that_wait_become_holds_and_are_decided_afterwards(
    waiting: str, tmp_path: Path
) -> None:
    assert wallets(waiting) == [(D("27999.5"), 0), (0, 0)]
    migrate(waiting, to=HELD + 1)
    assert wallets(waiting) == [(50_000, D("22000.5")), (50_000, 50_000)]
    settings = Settings(data=tmp_path, database_url=waiting)
    with Database.open(settings) as database:
        with database.transaction() as tx:
            assert list(verify(tx)) == []
        decide(database, 1, approved=True)
        decide(database, 3, approved=False)
        assert wallets(waiting) == [(40_000, D("12000.5")), (50_000, 0)]
        with database.transaction() as tx:
            assert list(verify(tx)) == []
            paid = tx.execute(
                "SELECT amount, created_at FROM asset_log WHERE remark = 'withdrawal'"
            ).fetchall()
    assert paid == [(D(-10_000), datetime(2026, 1, 6, 12, tzinfo=UTC))]


def test_the_way_back_from_holds_is_refused_while_withdrawals_wait(
    waiting: str, tmp_path: Path
) -> None:
    migrate(waiting, to=HELD + 1)
    with pytest.raises(psycopg.errors.RaiseException, match="withdrawals wait for a decision"):
        migrate(waiting, to=HELD)
    assert applied(waiting) == NAMES[: HELD + 1]
    with Database.open(Settings(data=tmp_path, database_url=waiting)) as database:
        for number in (1, 2, 3):
            decide(database, number, approved=number == 2)
    assert migrate(waiting, to=HELD) == NAMES[HELD:][::-1]
    assert wallets(waiting) == [(D("37999.5"), 0), (50_000, 0)]
    assert migrate(waiting) == NAMES[HELD:]


def test_money_that_nobody_asked_for_keeps_withdrawals_from_becoming_holds(waiting: str) -> None:
    with psycopg.connect(waiting) as owner:
        owner.execute("DELETE FROM funding_requests WHERE user_id = %s", (JON,))
    with pytest.raises(psycopg.errors.RaiseException, match="not what waits for a decision"):
        migrate(waiting)
    assert applied(waiting) == NAMES[:HELD]
    assert wallets(waiting) == [(D("27999.5"), 0), (0, 0)]


PROVED = NAMES.index("0015_ledger_proof")


def test_times_that_went_back_along_an_account_do_so_no_more(scratch: str, tmp_path: Path) -> None:
    """Until then a posting had its author's time, and two could commit in the other order."""
    migrate(scratch, to=PROVED)
    ines, jon, kim = (("wallet", uuid.UUID(int=number)) for number in (1, 2, 3))
    with psycopg.connect(scratch) as owner:
        for key, source, target, second in (
            ("deposit:1", OUTSIDE, ines, 5),
            ("deposit:2", OUTSIDE, ines, 3),
            ("pass:1", ines, jon, 4),
            ("pass:2", jon, kim, 1),
            ("pass:3", kim, jon, 6),
        ):
            move(owner, key, source, target, "1", f"2026-01-05 12:00:0{second}+00")
    migrate(scratch)
    settings = Settings(data=tmp_path, database_url=scratch)
    with Database.open(settings) as database, database.transaction() as tx:
        assert list(verify(tx)) == []
        posted = tx.execute(
            "SELECT extract(second FROM posted_at)::integer,"
            " extract(second FROM effective_at)::integer FROM journals ORDER BY id"
        ).fetchall()
        held_at_five = tx.execute(
            "SELECT balance_posted(id, '2026-01-05 12:00:05+00') FROM accounts"
            " WHERE kind = 'wallet' ORDER BY owner_id"
        ).fetchall()
    assert posted == [(5, 5), (5, 3), (5, 4), (5, 1), (6, 6)]
    assert held_at_five == [(1,), (0,), (1,)]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (
            "INSERT INTO accounts (kind, owner_kind, owner_id, asset, stripe)"
            " VALUES ('external', 'platform', gen_random_uuid(), 'USDT', 3)",
            "kept in stripes",
        ),
        (
            "WITH wallet AS (INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            "  VALUES ('wallet', 'investor', gen_random_uuid(), 'USDT') RETURNING id)"
            " INSERT INTO holds (group_key, account_id, amount, purpose, actor, rule_version,"
            "  correlation_id, placed_at)"
            " SELECT 'freeze', id, 1, 'freeze', 'test', 'test/1', gen_random_uuid(), now()"
            " FROM wallet",
            "money is on hold",
        ),
        (
            "WITH product AS (INSERT INTO pool_products (id, name, asset, scale, kind, cadence,"
            "   total_quota, minimum, accrued_through, created_at) VALUES (gen_random_uuid(), 'p',"
            "   'USDT', 8, 'flexible', 'daily', 10, 1, '2026-01-05', now()) RETURNING id),"
            " investor AS (INSERT INTO users (id, username, role, created_at)"
            "  VALUES (gen_random_uuid(), 'ines', 'investor', now()) RETURNING id),"
            " account AS (INSERT INTO accounts (kind, owner_kind, owner_id, asset)"
            "  SELECT 'holding', 'investor', id, 'USDT' FROM investor RETURNING id)"
            " INSERT INTO pool_holdings (product_id, id, user_id, account_id, amount,"
            "  accrued_through, start_at, created_at)"
            " SELECT p.id, gen_random_uuid(), i.id, a.id, 1, '2026-01-05', now(), now()"
            " FROM product p, investor i, account a",
            "people hold pool products",
        ),
    ],
)
def test_a_way_back_that_would_lose_something_is_refused_and_changes_nothing(
    scratch: str, made: str, why: str
) -> None:
    migrate(scratch)
    with psycopg.connect(scratch) as owner:
        owner.execute(made)
    before = objects(scratch)
    with pytest.raises(psycopg.errors.RaiseException, match=why):
        migrate(scratch, to=PROVED)
    assert applied(scratch) == NAMES
    assert objects(scratch) == before
