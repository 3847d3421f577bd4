"""What is drawn for the ledger and its auditor, and how both are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import strategies as st

from auditor import Auditor
from commenda.kit.db import Tx
from commenda.ledger import (
    AccountKey,
    Owner,
    OwnerKind,
)
from extent import up_to

STEPS = up_to(2_500, 10_000)
START = datetime(2026, 1, 5, tzinfo=UTC)
LARGEST = Decimal(10) ** 20
STRIPES = 3
WALLETS = 3


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def key_of(number: int) -> AccountKey:
    """Three stripes of one account outside, then wallets and reservations, a scope and a venue."""
    person = Owner(OwnerKind.INVESTOR, UUID(int=number + 1))
    if number < STRIPES:
        return AccountKey("external", Owner.platform(), "USDT", stripe=number)
    match number % 4:
        case 0:
            return AccountKey("scope", person, "USDT", UUID(int=number), UUID(int=number))
        case 1:
            return AccountKey("reserved", person, "USDT")
        case _:
            return AccountKey("wallet", person, "USDT")


# --- What is drawn ---------------------------------------------------------------------------

number = st.integers(0, 11)
amount = st.integers(1, 150)
transfers = st.lists(st.tuples(number, number, amount), min_size=1, max_size=3)


class Plan(NamedTuple):
    """A journal to come: of transfers, or of what it captures."""

    again: bool
    """Under a key, or with a group of holds, that was used before."""
    which: int
    transfers: Sequence[tuple[int, int, int]]
    back: int
    """How long before it is posted it is effective; below 0 it lies in the future."""
    takes: Sequence[int] | None
    """For a capture: of each hold nothing, half, all, or more."""


plans = st.builds(
    Plan,
    again=st.sampled_from([False, False, False, True]),
    which=number,
    transfers=transfers,
    back=st.sampled_from([0, 0, 0, 0, 0, 1, 5, 30, 90, -2]),
    takes=st.sampled_from([None, None, None, None, None, (2,), (1, 2)]),
)
captures = st.builds(
    Plan,
    again=st.sampled_from([False, False, False, False, False, True]),
    which=number,
    transfers=st.just(()),
    back=st.just(0),
    takes=st.lists(st.sampled_from([2, 2, 1, 0, 3]), min_size=1, max_size=2),
)
batches = st.lists(plans, min_size=1, max_size=4)
late = st.sampled_from([0, 0, 0, 1, 4])
"""By how many minutes a session's clock is behind."""
groups = st.lists(
    st.tuples(
        st.sampled_from([False, False, False, True]),  # again
        st.dictionaries(number, st.integers(1, 60), min_size=1, max_size=3),
        st.sampled_from([None] * 6 + [1, 1, 2, 3, 5, 8, 13, 20, 40, -1]),  # expires after
    ),
    min_size=1,
    max_size=3,
)
some = st.lists(number, min_size=1, max_size=3)

writes = st.one_of(
    st.tuples(st.just("posting"), batches, late),
    st.tuples(st.just("posting"), st.lists(captures, min_size=1, max_size=2), late),
    st.tuples(st.just("placing"), groups, late),
    st.tuples(st.just("voiding"), some),
    st.tuples(st.just("expiring"), late),
    st.tuples(st.just("reversing"), number, late),
    st.tuples(st.just("closing"), st.integers(0, 25)),
)


class Readings:
    """What the ledger holds, and what the auditor expects there, in the same words."""

    unit: Decimal
    accounts: list[int]
    auditor: Auditor

    def _state(self, tx: Tx) -> list[tuple[int | Decimal, ...]]:
        rows = tx.execute(
            "SELECT balance / %s, held / %s, version,"
            " coalesce(extract(epoch FROM last_posted_at - %s) / 60, -1)"
            " FROM accounts ORDER BY id",
            (self.unit, self.unit, START),
        )
        return rows.fetchall()

    @staticmethod
    def _expected_state(auditor: Auditor) -> list[tuple[int, ...]]:
        return [
            (a.balance, a.held, len(a.entries), -1 if a.posted_at is None else a.posted_at)
            for a in auditor.accounts
        ]

    def _entries(self, tx: Tx) -> list[list[tuple[Any, ...]]]:
        found: dict[int, list[tuple[Any, ...]]] = {one: [] for one in self.accounts}
        for account, *entry in tx.execute(
            "SELECT e.account_id, j.key, e.amount / %(unit)s, e.balance_after / %(unit)s,"
            "  extract(epoch FROM j.posted_at - %(start)s) / 60,"
            "  extract(epoch FROM j.effective_at - %(start)s) / 60"
            " FROM entries e JOIN journals j ON j.id = e.journal_id"
            " ORDER BY e.account_id, e.version",
            {"unit": self.unit, "start": START},
        ):
            found[account].append(tuple(entry))
        return [found[one] for one in self.accounts]

    def _holds(self, tx: Tx) -> set[tuple[Any, ...]]:
        rows = tx.execute(
            "SELECT h.group_key, h.account_id, h.amount / %s, h.status, h.captured / %s, j.key"
            " FROM holds h LEFT JOIN journals j ON j.id = h.journal_id",
            (self.unit, self.unit),
        )
        return set(rows)

    def _expected_holds(self) -> set[tuple[Any, ...]]:
        return {
            (
                key,
                self.accounts[n],
                amount,
                group.status,
                dict(group.captured).get(n, 0),
                group.journal,
            )
            for key, group in self.auditor.groups.items()
            for n, amount in group.amounts.items()
        }

    # --- Small things ------------------------------------------------------------------------
