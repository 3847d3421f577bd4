"""Journals that are sealed, for tests of the chain over them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from click.testing import Result
from psycopg import conninfo
from typer.testing import CliRunner

from commenda.audit import Anchor, Chain, Finding, check_chain, seal, unsealed
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
)
from people import SETTINGS
from scripted import ASSET, D

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


def seal_all(
    db: Database, limit: int | None = None, key: bytes = KEY, chain: Chain = JOURNALS
) -> int:
    total = 0
    while True:
        with db.transaction() as tx:
            rows = seal(tx, key, limit, chain).rows
        total += rows
        if not rows:
            return total


def findings(
    db: Database, kept: Anchor | None = None, key: bytes = KEY, chain: Chain = JOURNALS
) -> list[Finding]:
    with db.transaction() as tx:
        return list(check_chain(tx, key, kept, chain))


def waiting(db: Database, chain: Chain = JOURNALS) -> int:
    with db.transaction() as tx:
        return unsealed(tx, chain)


def superuser(db: Database) -> psycopg.Connection:
    """Someone who may do anything in the database, with triggers and foreign keys switched off."""
    try:
        connection = psycopg.connect(conninfo.make_conninfo(db.owner_url, user="postgres"))
    except psycopg.OperationalError as error:
        pytest.skip(f"only the superuser of the tests' server may do this: {error}")
    connection.execute("SET session_replication_role = replica")
    return connection


def commenda(*arguments: object) -> Result:
    """What the command says, in one line each; `--chain` checks both chains."""
    return CliRunner().invoke(command_line, [str(one) for one in arguments])


def one_row(db: Database, query: str) -> tuple[Any, ...]:
    with db.transaction() as tx:
        row = tx.execute(query).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return tuple(row)
