"""Invariants as plain queries in plain lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import LiteralString

from commenda.kit.db import Tx


@dataclass(frozen=True, slots=True)
class Check:
    """A rule that must hold. `query` returns (subject, expected, found) for whatever breaks it."""

    rule: str
    query: LiteralString


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that breaks a rule."""

    rule: str
    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}: expected {self.expected}, found {self.found}"


def run_checks(tx: Tx, checks: Iterable[Check]) -> Iterator[Finding]:
    """Run each check on the transaction's snapshot and yield what it finds, as it finds it.

    Rows are taken one by one as the server sends them: however much is wrong, memory stays flat.
    """
    for check in checks:
        with tx.cursor() as cursor:
            for subject, expected, found in cursor.stream(check.query):
                yield Finding(check.rule, subject, expected, found)
