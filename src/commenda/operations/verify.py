"""Every invariant of every domain, run together: `commenda verify`."""

from __future__ import annotations

from collections.abc import Iterator

from commenda import copying, funding, ledger, managed, referrals, trading
from commenda.audit import Finding, run_checks
from commenda.kit.db import Tx

CHECKS = (
    *ledger.CHECKS,
    *trading.CHECKS,
    *copying.CHECKS,
    *referrals.CHECKS,
    *funding.CHECKS,
    *managed.CHECKS,
)


def verify(tx: Tx) -> Iterator[Finding]:
    """Whatever breaks an invariant, on one snapshot; nothing in a sound system."""
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    yield from run_checks(tx, CHECKS)
