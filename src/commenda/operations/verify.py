"""Every invariant of every domain, run together: `commenda verify`."""

from __future__ import annotations

from collections.abc import Iterator

from commenda import (
    books,
    copying,
    execution,
    funding,
    identity,
    income,
    ledger,
    managed,
    referrals,
    strategies,
)
from commenda.audit import Finding, run_checks
from commenda.kit.db import Tx
from commenda.operations.checks import CHECKS as RECORDED

CHECKS = (
    *ledger.CHECKS,
    *execution.CHECKS,
    *books.CHECKS,
    *copying.CHECKS,
    *referrals.CHECKS,
    *funding.CHECKS,
    *income.CHECKS,
    *managed.CHECKS,
    *strategies.CHECKS,
    *identity.CHECKS,
    *RECORDED,
)


def verify(tx: Tx) -> Iterator[Finding]:
    """Whatever breaks an invariant, on one snapshot; nothing in a sound system."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    tx.execute("SET LOCAL work_mem = '128MB'")  # each check sorts or hashes whole tables
    yield from run_checks(tx, CHECKS)
