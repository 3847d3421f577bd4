"""The ledger's chain: whoever has the database and not the key rewrites no journal unnoticed."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from psycopg import conninfo
from typer.testing import CliRunner

from commenda.audit import Finding, Sealed, anchor, begin_era, check_chain, seal, unsealed
from commenda.cli import app as command_line
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import (
    JOURNALS,
    AccountKey,
    Author,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post,
    post_batch,
    reverse,
)
from commenda.operations import CHAINS
from commenda.worker import MaintenanceTask, do_task, maintenance_tasks
from people import SETTINGS
from world import ASSET, D, in_threads

pytestmark = pytest.mark.usefixtures("alone")
KEY = Keys.of(SETTINGS).derive("ledger-chain")
NOW = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
AUTHOR = Author("test", "test/1", NOW)
EXTERNAL = AccountKey("external", Owner.platform(), ASSET)


def wallet(name: str) -> AccountKey:
    return AccountKey("wallet", Owner(OwnerKind.INVESTOR, ids.derive("test", name)), ASSET)


def deposit(db: Database, number: int, *names: str) -> int:
    """One journal, its number as the amount to each wallet; its id."""
    with db.transaction() as tx:
        external, *wallets = open_accounts(tx, [EXTERNAL, *map(wallet, names or ("ines",))])
        lines = [Line(external, D(-number * len(wallets)))]
        lines += [Line(one, D(number)) for one in wallets]
        journal = Journal(f"deposit:{number}", "deposit", ids.derive("deposit", number), lines)
        posted = post(tx, AUTHOR, journal)
    assert posted.journal_id is not None
    return posted.journal_id


def seal_all(db: Database, limit: int | None = None, key: bytes = KEY) -> int:
    total = 0
    while True:
        with db.transaction() as tx:
            rows = seal(tx, key, limit, JOURNALS).rows
        total += rows
        if not rows:
            return total


def findings(db: Database) -> list[Finding]:
    with db.transaction() as tx:
        return list(check_chain(tx, KEY, None, JOURNALS))


def waiting(db: Database) -> int:
    with db.transaction() as tx:
        return unsealed(tx, JOURNALS)


def superuser(db: Database) -> psycopg.Connection:
    """Someone who may do anything in the database, with triggers and foreign keys switched off."""
    try:
        connection = psycopg.connect(conninfo.make_conninfo(db.owner_url, user="postgres"))
    except psycopg.OperationalError as error:
        pytest.skip(f"only the superuser of the tests' server may do this: {error}")
    connection.execute("SET session_replication_role = replica")
    return connection


@pytest.fixture
def sealed(db: Database) -> Database:
    """Nine journals on four accounts, the fifth of three entries, sealed in batches."""
    for number in range(1, 10):
        deposit(db, number, *(("ines", "jon") if number == 5 else ("ines",)))
    assert seal_all(db, limit=6) == 9
    assert findings(db) == []
    return db


@pytest.fixture
def verify(
    sealed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """`commenda verify` on this database, with the key of its installation."""
    monkeypatch.setenv("COMMENDA_DATABASE_URL", sealed.owner_url)
    monkeypatch.setenv("COMMENDA_MASTER_KEY", str(SETTINGS.master_key))
    monkeypatch.setenv("COMMENDA_DATA", str(tmp_path))
    return commenda


def commenda(*arguments: object) -> Result:
    """What the command says, in one line each; `--chain` checks both chains."""
    return CliRunner().invoke(command_line, [str(one) for one in arguments])


# --- what is sealed --------------------------------------------------------------------------


def test_a_digest_is_what_its_description_says(sealed: Database) -> None:
    """Computed again here from the columns, without the code under test."""
    with sealed.transaction() as tx:
        journals = tx.execute(
            "SELECT j.id, j.transaction_id::text, j.correlation_id, j.entry_count, s.digest"
            " FROM journals j JOIN journal_seals s ON s.row_id = j.id ORDER BY s.sequence"
        ).fetchall()
        entries = tx.execute(
            "SELECT e.journal_id, e.account_id, e.version, e.amount, e.balance_before,"
            " e.balance_after, a.kind, a.owner_kind, a.owner_id"
            " FROM entries e JOIN accounts a ON a.id = e.account_id ORDER BY 2, 3"
        ).fetchall()
    digest = bytes(32)
    for number, (journal, transaction, correlation, count, stored) in enumerate(journals, 1):
        mine = [entry[1:] for entry in entries if entry[0] == journal]
        assert len(mine) == count
        lines = "".join(
            f"({account},{version},USDT,{amount:.18f},{before:.18f},{after:.18f},{kind},"
            f"{owner_kind},{owner},USDT,,,,0)"
            for account, version, amount, before, after, kind, owner_kind, owner in mine
        )
        text = json.dumps(
            {
                "actor": "test",
                "correlation_id": str(correlation),
                "effective_at": "2026-01-05T12:30:00.000000+00:00",
                "entries": hashlib.sha256(lines.encode()).hexdigest(),
                "entry_count": count,
                "era": 0,
                "id": journal,
                "key": f"deposit:{number}",
                "kind": "deposit",
                "posted_at": "2026-01-05T12:30:00.000000+00:00",
                "reverses": None,
                "rule_version": "test/1",
                "transaction_id": int(transaction),
            },
            sort_keys=True,
            separators=(",", ":"),
        )
        digest = hmac.new(KEY, digest + text.encode(), hashlib.sha256).digest()
        assert digest == stored


def test_a_batch_of_seals_is_limited_by_entries_and_says_whether_it_is_full(db: Database) -> None:
    for number in range(1, 8):
        deposit(db, number, *(("ines", "jon", "kim") if number == 3 else ("ines",)))

    def one(limit: int) -> Sealed:
        with db.transaction() as tx:
            return seal(tx, KEY, limit, JOURNALS)

    assert one(1) == Sealed(1, full=True), "one at least, however heavy"
    assert one(4) == Sealed(2, full=True), "two entries and four"
    assert one(100) == Sealed(4, full=False)
    assert one(100) == Sealed(0, full=False)
    assert findings(db) == []


def test_journals_that_wait_for_their_seal_are_counted_and_no_finding(sealed: Database) -> None:
    deposit(sealed, 10)
    assert (waiting(sealed), findings(sealed)) == (1, [])
    assert seal_all(sealed) == 1
    assert waiting(sealed) == 0


# --- what is tampered with -------------------------------------------------------------------

FIFTH = "(SELECT id FROM journals WHERE key = 'deposit:5')"
OF_INES = f"account_id = (SELECT id FROM accounts WHERE owner_id = '{wallet('ines').owner.id}')"
ENTRY = f"journal_id = {FIFTH} AND {OF_INES}"


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE entries SET amount = 6, balance_after = balance_before + 6 WHERE {ENTRY}",
        f"UPDATE entries SET account_id = (SELECT max(id) FROM accounts) + 1 WHERE {ENTRY}",
        f"UPDATE entries SET version = 1000 WHERE {ENTRY}",
        "UPDATE entries SET balance_before = balance_before + 1, balance_after = balance_after + 1"
        f" WHERE {ENTRY}",
        f"UPDATE entries SET asset = 'BTC' WHERE {ENTRY}",
        f"DELETE FROM entries WHERE {ENTRY}",
        "INSERT INTO entries (journal_id, account_id, version, asset, amount, balance_before,"
        f" balance_after) VALUES ({FIFTH}, 1, 1000, 'USDT', 1, 0, 1)",
        f"UPDATE journals SET actor = 'somebody else' WHERE id = {FIFTH}",
        f"UPDATE journals SET kind = 'gift' WHERE id = {FIFTH}",
        f"UPDATE journals SET key = 'deposit:55' WHERE id = {FIFTH}",
        f"UPDATE journals SET effective_at = effective_at - interval '1 day' WHERE id = {FIFTH}",
        f"UPDATE journals SET posted_at = posted_at + interval '1 second' WHERE id = {FIFTH}",
        f"UPDATE journals SET rule_version = 'test/2' WHERE id = {FIFTH}",
        f"UPDATE journals SET correlation_id = gen_random_uuid() WHERE id = {FIFTH}",
        f"UPDATE journals SET entry_count = 2 WHERE id = {FIFTH}",
        f"UPDATE journals SET reverses = 1 WHERE id = {FIFTH}",
        f"UPDATE journals SET transaction_id = '3' WHERE id = {FIFTH}",
        f"DELETE FROM journals WHERE id = {FIFTH}",
    ],
)
def test_whatever_is_changed_of_a_sealed_journal_is_found_and_named(
    sealed: Database, verify: Callable[..., Result], change: str
) -> None:
    (journal,) = one_row(sealed, f"SELECT {FIFTH}")
    with superuser(sealed) as tampering:
        assert tampering.execute(change).rowcount == 1
    (found,) = findings(sealed)
    assert found.subject == f"journal {journal} (seal 5)"
    said = verify("verify", "--chain")
    assert said.exit_code == 1
    assert f"a sealed journal stays as it was: journal {journal} (seal 5)" in said.output


@pytest.mark.parametrize(
    "change",
    [
        "owner_id = gen_random_uuid()",
        "owner_kind = 'creator'",
        "kind = 'gift'",
        "asset = 'BTC'",
        "scope_id = gen_random_uuid()",
        "leg_id = gen_random_uuid()",
        "instrument_id = 1",
        "stripe = 7",
    ],
)
def test_an_account_that_changes_hands_is_found_at_each_of_its_journals(
    sealed: Database, verify: Callable[..., Result], change: str
) -> None:
    (journal,) = one_row(sealed, f"SELECT {FIFTH}")
    with superuser(sealed) as tampering:
        tampering.execute("ALTER TABLE accounts DROP CONSTRAINT floored_accounts_have_no_stripes")
        tampering.execute(
            f"UPDATE accounts SET {change} WHERE owner_id = %s",  # type: ignore[arg-type]
            (wallet("jon").owner.id,),
        )
    try:
        (found,) = findings(sealed)
        assert found.subject == f"journal {journal} (seal 5)"
        assert f"journal {journal} (seal 5)" in verify("verify", "--chain").output
    finally:
        with superuser(sealed) as mending:
            mending.execute(
                "UPDATE accounts SET stripe = 0;"
                " ALTER TABLE accounts ADD CONSTRAINT floored_accounts_have_no_stripes"
                " CHECK (NOT floored OR stripe = 0)"
            )


def test_a_scope_and_a_leg_do_not_pass_for_each_other(db: Database) -> None:
    """Columns that may be empty stand at their places: one id in another column is another text."""
    owner, book = Owner(OwnerKind.INVESTOR, ids.derive("test", "ines")), ids.derive("book")
    with db.transaction() as tx:
        external, scope = open_accounts(
            tx, [EXTERNAL, AccountKey("scope", owner, ASSET, scope_id=book)]
        )
        lines = [Line(external, D(-1)), Line(scope, D(1))]
        post(tx, AUTHOR, Journal("a", "follow", ids.derive("a"), lines))
    seal_all(db)
    with superuser(db) as tampering:
        tampering.execute(
            "UPDATE accounts SET scope_id = NULL, leg_id = scope_id WHERE kind = 'scope'"
        )
    assert len(findings(db)) == 1


def test_a_sealed_journal_that_is_deleted_with_its_entries_and_seal_leaves_a_gap(
    sealed: Database, verify: Callable[..., Result]
) -> None:
    with superuser(sealed) as tampering:
        for statement in (
            f"DELETE FROM journal_seals WHERE row_id = {FIFTH}",
            f"DELETE FROM entries WHERE journal_id = {FIFTH}",
            f"DELETE FROM journals WHERE id = {FIFTH}",
        ):
            tampering.execute(statement)  # type: ignore[arg-type]
    (found,) = findings(sealed)
    assert (found.subject, found.found) == ("seal 5", "deleted; the next is 6")
    assert "seals of journals follow one another: seal 5" in verify("verify", "--chain").output


def test_a_journal_inserted_among_the_sealed_ones_is_named(
    sealed: Database, verify: Callable[..., Result]
) -> None:
    """In the transaction of an honest one, and balanced: nothing else tells it from the others."""
    with superuser(sealed) as tampering:
        row = tampering.execute(
            "INSERT INTO journals (key, kind, actor, rule_version, correlation_id, posted_at,"
            "  effective_at, entry_count, transaction_id)"
            " SELECT 'deposit:forged', kind, actor, rule_version, correlation_id, posted_at,"
            "  effective_at, entry_count, transaction_id"
            f" FROM journals WHERE id = {FIFTH} RETURNING id"
        ).fetchone()
    assert row is not None
    (found,) = findings(sealed)
    assert found.subject == f"journal {row[0]}"
    assert f"among the sealed ones: journal {row[0]}" in verify("verify", "--chain").output
    assert seal_all(sealed) == 0, "and the sealer does not make an honest journal of it"
    with superuser(sealed) as tampering:  # nor does a seal of its own
        tampering.execute(
            "INSERT INTO journal_seals SELECT 10, id, era, transaction_id, '\\x00', now()"
            " FROM journals WHERE id = %s",
            row,
        )
    assert f"journal {row[0]} (seal 10)" in {one.subject for one in findings(sealed)}


def test_seals_made_anew_with_another_key_are_found(
    sealed: Database, verify: Callable[..., Result]
) -> None:
    with superuser(sealed) as tampering:
        tampering.execute(f"UPDATE journals SET actor = 'somebody else' WHERE id = {FIFTH}")
        tampering.execute("DELETE FROM journal_seals")
    assert seal_all(sealed, key=b"a key of whoever wants to forge ") == 9
    assert findings(sealed)[0].subject.endswith("(seal 1)")
    said = verify("verify", "--chain")
    assert said.exit_code == 1
    assert "(seal 1)" in said.output


def test_an_end_that_was_cut_off_shows_against_a_kept_anchor(
    sealed: Database, verify: Callable[..., Result], tmp_path: Path
) -> None:
    kept = tmp_path / "anchor.json"
    kept.write_text(verify("audit", "anchor").output)
    assert json.loads(kept.read_text())["journals"]["sequence"] == 9
    sound = verify("verify", "--anchor", kept)
    assert sound.exit_code == 0, sound.output
    assert "0 sealed events, 0 not sealed yet; 9 sealed journals, 0 not sealed" in sound.output
    with superuser(sealed) as tampering:
        tampering.execute("DELETE FROM journal_seals WHERE sequence > 6")
        for table, column in (("entries", "journal_id"), ("journals", "id")):
            tampering.execute(
                f"DELETE FROM {table} WHERE {column}"  # type: ignore[arg-type]
                " NOT IN (SELECT row_id FROM journal_seals)"
            )
    assert findings(sealed) == [], "without the anchor nobody can tell by the chain"
    said = verify("verify", "--anchor", kept)
    assert said.exit_code == 1
    assert "passes through the anchor that was kept: seal 9" in said.output
    deposit(sealed, 99)  # something else in place of the end is not the end
    assert seal_all(sealed) == 1
    assert "a chain that ends at seal 7" in verify("verify", "--anchor", kept).output


@pytest.mark.parametrize("statement", ["UPDATE {} SET era = era", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_cannot_rewrite_seals(sealed: Database, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), sealed.transaction() as tx:
        tx.execute(statement.format("journal_seals"))  # type: ignore[arg-type]


def test_journals_are_exported_with_their_entries_and_seals(
    sealed: Database, verify: Callable[..., Result], tmp_path: Path
) -> None:
    deposit(sealed, 10)
    out = tmp_path / "journals.ndjson"
    assert verify("audit", "export", "--of", "journals", "--out", out).exit_code == 0
    journals = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["sequence"] for one in journals] == [*range(1, 10), None]
    fifth = journals[4]
    assert (fifth["key"], fifth["actor"]) == ("deposit:5", "test")
    assert [entry["amount"] for entry in fifth["entries"]] == ["-10", "5", "5"]
    assert fifth["entries"][2]["ownerId"] == str(wallet("jon").owner.id)
    (digest,) = one_row(sealed, "SELECT digest FROM journal_seals WHERE sequence = 5")
    assert bytes.fromhex(fifth["digest"]) == digest
    later = verify("audit", "export", "--of", "journals", "--from", "2026-01-05T12:30:01Z")
    assert later.output == ""
    table = verify("audit", "export", "--of", "journals", "--format", "csv")
    assert getattr(table.exception, "code", None) == "bad_format"


# --- the sealer and those who post -----------------------------------------------------------


def test_posting_does_not_wait_for_a_sealer_that_stays_open(sealed: Database) -> None:
    first = deposit(sealed, 10)
    with psycopg.connect(sealed.app_url) as sealer:
        assert seal(sealer, KEY, chain=JOURNALS).rows == 1
        # On the same accounts, and the reversal of what is just being sealed.
        with sealed.transaction() as tx:
            tx.execute("SET LOCAL statement_timeout = '20s'")
            assert reverse(tx, AUTHOR, first).journal_id
        deposit(sealed, 11)
        with sealed.transaction() as tx:  # of two sealers one works, and the other does not wait
            assert seal(tx, KEY, chain=JOURNALS) == Sealed(0, full=False)
        sealer.commit()
    assert seal_all(sealed) == 2
    assert findings(sealed) == []


def test_the_sealer_does_not_wait_for_a_posting_that_stays_open(sealed: Database) -> None:
    deposit(sealed, 10)
    with psycopg.connect(sealed.app_url) as poster:
        external, ines = open_accounts(poster, [EXTERNAL, wallet("ines")])
        lines = [Line(external, D(-1)), Line(ines, D(1))]
        post(poster, AUTHOR, Journal("slow", "deposit", ids.derive("slow"), lines))
        jon = deposit_elsewhere(sealed)
        with sealed.transaction() as tx:
            tx.execute("SET LOCAL statement_timeout = '20s'")
            assert seal(tx, KEY, chain=JOURNALS).rows == 1, "what may be followed by nothing new"
        assert waiting(sealed) == 1
        poster.commit()
    assert seal_all(sealed) == 2
    keys = one_row(sealed, "SELECT array_agg(j.key ORDER BY s.sequence) FROM journal_seals s"
                           " JOIN journals j ON j.id = s.row_id WHERE s.sequence > 9")  # fmt: skip
    assert keys == (["deposit:10", "slow", jon],)
    assert findings(sealed) == []


def deposit_elsewhere(db: Database) -> str:
    """On accounts that nobody else holds."""
    with db.transaction() as tx:
        names = [AccountKey("insurance", Owner.platform(), ASSET, stripe=n) for n in (1, 2)]
        one, two = open_accounts(tx, names)
        lines = [Line(one, D(-1)), Line(two, D(1))]
        post(tx, AUTHOR, Journal("elsewhere", "insurance", ids.derive("elsewhere"), lines))
    return "elsewhere"


def test_no_journal_of_concurrent_posters_is_lost_from_the_chain(db: Database) -> None:
    writing = threading.Event()

    def write(writer: int) -> int:
        for turn in range(40):
            number = writer * 1000 + turn + 1
            with db.transaction() as tx:
                accounts = open_accounts(tx, [EXTERNAL, wallet(f"w{writer}")])
                lines = [Line(accounts[0], D(-1)), Line(accounts[1], D(1))]
                for part in "ab":
                    key = f"{number}{part}"
                    post(tx, AUTHOR, Journal(key, "deposit", ids.derive(key), lines))
                if turn % 4 == 3:
                    raise psycopg.Rollback
        return 60

    def seal_meanwhile() -> int:
        rows = 0
        while not writing.is_set():
            with db.transaction() as tx:
                rows += seal(tx, KEY, 17, JOURNALS).rows
        return rows

    def write_all() -> int:
        try:
            return sum(in_threads(*[partial(write, n) for n in range(4)]))
        finally:
            writing.set()

    posted, *early = in_threads(write_all, seal_meanwhile, seal_meanwhile)
    assert posted == 240
    assert sum(early) > 0
    assert sum(early) + seal_all(db) == posted
    assert (waiting(db), findings(db)) == (0, [])


# --- the maintenance task, and other eras ------------------------------------------------------


def sealing_tasks() -> Iterator[MaintenanceTask]:
    return (task for task in maintenance_tasks(Keys.of(SETTINGS)) if task.patience)


def test_the_workers_maintenance_tasks_seal_both_chains_under_their_own_keys(
    sealed: Database, verify: Callable[..., Result]
) -> None:
    deposit(sealed, 10)
    for task in sealing_tasks():
        do_task(sealed, task, until=0)
    assert len(list(sealing_tasks())) == len(CHAINS) == 2
    assert verify("verify", "--chain").exit_code == 0
    assert waiting(sealed) == 0


def test_a_maintenance_task_goes_on_while_batches_are_full_and_for_no_longer_than_it_may(
    db: Database,
) -> None:
    for number in range(1, 11):
        deposit(db, number)
    batches: list[int] = []

    def act(tx: Any) -> bool:
        done = seal(tx, KEY, 4, JOURNALS)
        batches.append(done.rows)
        return done.full

    do_task(db, MaintenanceTask(2.0, act, patience=1.0), until=0)
    assert batches == [2], "its time is over: one batch all the same"
    do_task(db, MaintenanceTask(2.0, act, patience=1.0), until=float("inf"))
    assert batches == [2, 2, 2, 2, 2, 0]


def test_a_restored_ledger_goes_on_in_a_new_era(db: Database) -> None:
    """Another cluster counts transactions from the beginning: its ids are smaller than those kept.

    Transaction ids far ahead of this server's stand for those of the one that was lost.
    """
    deposit(db, 1)
    deposit(db, 2)
    with superuser(db) as owner:
        owner.execute("UPDATE journals SET transaction_id = '900000000000'")
    assert seal_all(db) == 0
    try:
        with psycopg.connect(db.owner_url) as owner:
            assert begin_era(owner, JOURNALS) == 1
        deposit(db, 3)
        assert seal_all(db) == 3
        deposit(db, 4)
        assert seal_all(db) == 1
        assert findings(db) == []
    finally:
        with psycopg.connect(db.owner_url) as owner:
            owner.execute("ALTER TABLE journals ALTER era SET DEFAULT 0")


def test_each_chain_has_a_key_and_a_lock_of_its_own() -> None:
    assert len({chain.purpose for chain in CHAINS}) == 2
    assert len({chain.lock for chain in CHAINS}) == 2


def test_memory_stays_flat_however_long_the_chain_is(db: Database) -> None:
    with db.transaction() as tx:
        external, ines = open_accounts(tx, [EXTERNAL, wallet("ines")])
        lines = [Line(external, D(-1)), Line(ines, D(1))]
        deposits = [
            Journal(f"deposit:{n}", "deposit", ids.derive("deposit", n), lines)
            for n in range(12_000)
        ]
        post_batch(tx, AUTHOR, deposits)
    assert seal_all(db) == 12_000
    tracemalloc.start()
    try:
        assert findings(db) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 5_000_000  # kept, they are some 1,200 bytes each


def one_row(db: Database, query: str) -> tuple[Any, ...]:
    with db.transaction() as tx:
        row = tx.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return tuple(row)


def test_the_end_of_the_ledgers_chain_is_not_that_of_the_events(sealed: Database) -> None:
    with sealed.transaction() as tx:
        assert anchor(tx) is None
        end = anchor(tx, JOURNALS)
    assert end is not None
    assert end.sequence == 9
