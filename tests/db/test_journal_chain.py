"""The ledger's chain: whoever has the database and not the key rewrites no journal unnoticed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import Result

from chained import (
    AUTHOR,
    EXTERNAL,
    KEY,
    deposit,
    findings,
    one_row,
    seal_all,
    superuser,
    waiting,
    wallet,
)
from commenda.audit import EVENTS, Sealed, anchor, record, seal
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.ledger import (
    JOURNALS,
    AccountKey,
    Journal,
    Line,
    Owner,
    OwnerKind,
    open_accounts,
    post,
)
from people import SETTINGS
from scripted import ASSET, D

pytestmark = pytest.mark.usefixtures("alone")

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


def test_the_end_of_the_ledgers_chain_is_not_that_of_the_events(sealed: Database) -> None:
    with sealed.transaction() as tx:
        assert anchor(tx) is None
        end = anchor(tx, JOURNALS)
    assert end is not None
    assert end.sequence == 9


EVERYTHING = "TRUNCATE journals, entries, journal_seals, audit_events, audit_seals CASCADE"


def test_a_ledger_that_was_emptied_with_its_balances_shows_against_a_kept_anchor(
    sealed: Database, verify: Callable[..., Result], tmp_path: Path
) -> None:
    """What is gone without a trace agrees with itself; only what was kept elsewhere tells."""
    author = AUTHOR.event("test.done", "it", ids.derive("it"), "done")
    with sealed.transaction() as tx:
        record(tx, [author])
    with sealed.transaction() as tx:
        assert seal(tx, Keys.of(SETTINGS).derive("audit-chain"), None, EVENTS).rows == 1
    kept = tmp_path / "anchor.json"
    kept.write_text(verify("audit", "anchor").output)
    with superuser(sealed) as tampering:
        tampering.execute(EVERYTHING)
        tampering.execute("UPDATE accounts SET balance = 0, version = 0, last_posted_at = NULL")
    assert verify("verify", "--chain").exit_code == 0, "nothing contradicts it"
    said = verify("verify", "--anchor", kept)
    assert said.exit_code == 1
    assert "passes through the anchor that was kept: seal 9" in said.output
    assert "passes through the anchor that was kept: seal 1" in said.output
    assert said.output.count("a chain that ends at seal 0") == 2


def test_journals_cut_off_with_their_seals_and_balances_show_against_a_kept_anchor(
    sealed: Database, verify: Callable[..., Result], tmp_path: Path
) -> None:
    """The last three of nine, whose wallet was paid 7, 8 and 9."""
    kept = tmp_path / "anchor.json"
    kept.write_text(verify("audit", "anchor").output)
    last = "(SELECT row_id FROM journal_seals WHERE sequence > 6)"
    with superuser(sealed) as tampering:
        tampering.execute(
            "UPDATE accounts a SET balance = e.balance_after, version = e.version FROM"
            " (SELECT DISTINCT ON (account_id) account_id, balance_after, version FROM entries"
            f"  WHERE journal_id NOT IN {last} ORDER BY account_id, version DESC) e"
            " WHERE e.account_id = a.id"
        )
        tampering.execute(
            "UPDATE accounts SET balance = 0, version = 0, last_posted_at = NULL WHERE id NOT IN"
            f" (SELECT account_id FROM entries WHERE journal_id NOT IN {last})"
        )
        for table, column in (("entries", "journal_id"), ("journals", "id")):
            tampering.execute(f"DELETE FROM {table} WHERE {column} IN {last}")  # type: ignore[arg-type]
        tampering.execute("DELETE FROM journal_seals WHERE sequence > 6")
    assert verify("verify", "--chain").exit_code == 0, "nothing contradicts it"
    said = verify("verify", "--anchor", kept)
    assert said.exit_code == 1
    assert "a chain that ends at seal 6" in said.output
