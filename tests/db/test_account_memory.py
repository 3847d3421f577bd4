"""A connection remembers accounts once they are committed, and none that were rolled back."""

from __future__ import annotations

from contextlib import suppress

import pytest

from commenda.kit import ids
from commenda.kit.db import Database, learn, recall
from commenda.ledger import AccountKey, Owner, OwnerKind, open_accounts


class _Halted(Exception):
    pass


def key(name: str) -> AccountKey:
    return AccountKey("wallet", Owner(OwnerKind.INVESTOR, ids.derive("user", name)), "USDT")


def stored(db: Database, account: int) -> bool:
    with db.transaction() as tx:
        return tx.execute("SELECT 1 FROM accounts WHERE id = %s", (account,)).fetchone() == (1,)


@pytest.mark.parametrize("savepoint", [False, True])
def test_an_account_that_was_rolled_back_is_opened_anew(db: Database, savepoint: bool) -> None:
    with suppress(_Halted), db.transaction() as tx:
        if savepoint:
            with suppress(_Halted), tx.transaction():
                (gone,) = open_accounts(tx, [key("ines")])
                raise _Halted
        else:
            (gone,) = open_accounts(tx, [key("ines")])
            raise _Halted
    for _ in range(3):
        with db.transaction() as tx:
            (account,) = open_accounts(tx, [key("ines")])
    assert account != gone, "numbers are not used twice"
    assert stored(db, account)
    assert not stored(db, gone)


def test_what_is_remembered_costs_no_question(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.read() as tx:  # one connection, two transactions
        with tx.transaction():
            opened = open_accounts(tx, [key("ines"), key("otto"), key("ines")])
        monkeypatch.delattr("commenda.ledger.queries.find_accounts")
        with tx.transaction():
            assert open_accounts(tx, [key("ines"), key("otto"), key("ines")]) == opened


def test_who_empties_tables_has_every_connection_forget(db: Database) -> None:
    with db.read() as out, db.read() as back:  # two connections, and which they are
        for one in (out, back):
            with one.transaction():
                learn(one, {"known": 1})
            assert recall(one, ["known"])
    with db.transaction() as out:
        db.forget()
        learn(out, {"known": 3})  # of rows that are gone, and committed afterwards
    with db.transaction() as one, db.transaction() as other:
        assert recall(one, ["known"]) == recall(other, ["known"]) == {}
