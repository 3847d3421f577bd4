"""Ten thousand random steps of the real ledger, each held against an independent auditor.

Hypothesis draws histories of journals, holds, captures, reversals, closed periods and readings, of
one session or of several at once, and shrinks what fails. COMMENDA_TEST_SEED repeats a run.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from commenda.kit.db import Database
from extent import up_to
from ledger_machine import LedgerMachine
from ledger_plans import (
    STEPS,
)


def test_thousands_of_steps_agree_with_the_auditor(db: Database, seed: int) -> None:
    counts = Counter[str]()
    LedgerMachine.database, LedgerMachine.counts = db, counts
    began = time.monotonic()
    runs = 0
    with ThreadPoolExecutor(4) as LedgerMachine.threads:
        while counts["steps"] < STEPS:
            run_state_machine_as_test(
                seeded(seed + runs)(LedgerMachine),
                settings=settings(
                    max_examples=20,
                    stateful_step_count=60,
                    deadline=None,
                    database=None,
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            runs += 1
    print(f"{counts['steps'] / (time.monotonic() - began):.0f} steps a second")
    print("\n".join(f"{n:6} {what}" for what, n in sorted(counts.items())))
    assert counts["steps"] >= STEPS
    missing = [one for one in EACH_HAPPENS if not counts[one]]
    assert len(missing) <= up_to(3, 0), missing  # the rarest come once in 800 steps


EACH_HAPPENS = (
    "post posted",
    "post replayed",
    "post below_floor",
    "post unknown_hold",
    "post hold_resolved",
    "post hold_expired",
    "post beyond_hold",
    "post closed_period",
    "post effective_in_future",
    "post duplicate_journal_key",
    "post duplicate_capture",
    "post amount_overflow",
    "place placed",
    "place replayed",
    "place refused",
    "place expired",
    "place not_holdable",
    "reverse posted",
    "reverse replayed",
    "reverse below_floor",
    "reverse not_reversible",
    "reverse unknown_journal",
    "close bad_period",
    "group captured",
    "group voided",
    "group expired",
    "group held",
)
"""What a full run must have come across to have tried anything."""
