"""Every invariant of every domain, run together: `commenda verify`."""

from __future__ import annotations

from collections.abc import Iterator

from commenda import (
    automation,
    books,
    copying,
    execution,
    funding,
    identity,
    income,
    ledger,
    managed,
    portfolios,
    referrals,
    risk,
    strategies,
)
from commenda.audit import Finding, check_chain, run_checks
from commenda.kit.db import Database, Tx
from commenda.kit.keys import Keys
from commenda.operations.chains import CHAINS, Ends
from commenda.operations.checks import CHECKS as RECORDED

CHECKS = (
    *ledger.CHECKS,
    *risk.CHECKS,
    *execution.CHECKS,
    *books.CHECKS,
    *copying.CHECKS,
    *referrals.CHECKS,
    *funding.CHECKS,
    *income.CHECKS,
    *managed.CHECKS,
    *portfolios.CHECKS,
    *automation.CHECKS,
    *strategies.CHECKS,
    *identity.CHECKS,
    *RECORDED,
)


def verify(tx: Tx) -> Iterator[Finding]:
    """Whatever breaks an invariant, on one snapshot; nothing in a sound system."""
    for _, findings in _rules(tx):
        yield from findings


def prove(
    database: Database, keys: Keys | None, kept: Ends | None = None
) -> Iterator[tuple[str, Iterator[Finding]]]:
    """Each rule with whatever breaks it, all on one snapshot; with `keys`, each chain after them.

    The chains must pass through the ends that were `kept`.
    """
    with database.transaction() as tx:
        yield from _rules(tx)
    if keys is None:
        return
    for chain in CHAINS:
        with database.transaction() as tx:
            end = (kept or {}).get(chain.name)
            yield chain_step(chain.name), check_chain(tx, keys.derive(chain.purpose), end, chain)


def chain_step(name: str) -> str:
    """What the walk along a chain is called among the rules."""
    return f"the chain of {name} is whole"


def _rules(tx: Tx) -> Iterator[tuple[str, Iterator[Finding]]]:
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    tx.execute("SET LOCAL work_mem = '128MB'")  # each check sorts or hashes whole tables
    for check in CHECKS:
        yield check.rule, run_checks(tx, [check])
