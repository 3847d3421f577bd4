"""The proof of the books as work that somebody asked for: `verify --chain`, with how far it is.

It reads every table whole, so one runs at a time, on a worker. One that is cut short begins again:
it changes nothing but its own row.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal, LiteralString
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.alerts import end_alerts, raise_alerts
from commenda.audit import Finding, record
from commenda.kit import durable, ids, outbox
from commenda.kit.clock import business_now
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.keys import Keys
from commenda.kit.rows import first, records
from commenda.kit.wire import Body, on_wire
from commenda.ledger import Author
from commenda.operations.chains import CHAINS, anchor_text, ends_of
from commenda.operations.ticks import RULES
from commenda.operations.verify import CHECKS, prove

PROOFS = outbox.Queue("proofs", concurrency=1, poll_seconds=0.5)
RUN_PROOF = "operations.run_proof"
BROKEN = "alert.proof_broken"
MOST_FOUND = 100
"""Findings that are kept whole; the others are counted, and `commenda verify` prints all."""


class ProofLine(Body):
    """One rule that was held against everything, or one chain that was walked."""

    rule: str
    findings: int
    seconds: Annotated[float, Field(description="Wall time.")]


class ProofFinding(Body):
    """One thing that breaks a rule."""

    rule: str
    subject: str
    expected: str
    found: str


class ProofEnd(Body):
    """Where a chain ended when it was walked: kept elsewhere, it proves all before it."""

    sequence: int
    digest: str
    sealed_at: Annotated[datetime, Field(alias="sealedAt")]


class ProofCounts(Body):
    """How many rows there were to be held against the rules."""

    journals: int
    entries: int
    accounts: int
    events: int


@on_wire
@dataclass(frozen=True, slots=True)
class ProofRun:
    """A proof that was asked for: how far it is, and what it found."""

    id: UUID
    asked_by: str
    asked_at: datetime
    state: Annotated[
        Literal["running", "clean", "broken", "failed"],
        Field(description="broken: something breaks a rule. failed: it could not be carried out."),
    ]
    steps: Annotated[int, Field(description="Rules and chains in all; `lines` are done.")]
    lines: list[ProofLine]
    found: Annotated[list[ProofFinding], Field(description=f"The first {MOST_FOUND} findings.")]
    findings: int
    rows: ProofCounts | None
    anchors: dict[str, ProofEnd | None] | None
    reason: str | None
    finished_at: datetime | None


_RUN: LiteralString = (
    "SELECT id, asked_by, asked_at, state, steps, lines, found, findings, rows, anchors, reason,"
    " finished_at FROM proof_runs"
)


def _read(one: ProofRun) -> ProofRun:
    """A row as it comes has JSON where the record has models."""
    row: Any = one
    return replace(
        one,
        lines=[ProofLine(**line) for line in row.lines],
        found=[ProofFinding(**finding) for finding in row.found],
        rows=row.rows and ProofCounts(**row.rows),
        anchors=row.anchors
        and {name: end and ProofEnd(**end) for name, end in row.anchors.items()},
    )


def ask_for_proof(tx: Tx, author: Author, key: str) -> ProofRun:
    """Have a worker prove the books once this transaction commits; code `proof_is_running`."""
    run_id = ids.derive("proof", author.actor, key)
    row = tx.execute(
        "INSERT INTO proof_runs (id, asked_by, asked_at, steps) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (run_id, author.actor, author.now, len(CHECKS) + len(CHAINS)),
    ).fetchone()
    if row is None:
        raise conflict("proof_is_running", "A proof is under way: it reads everything").at(
            "proof", hint="wait for it; its result is everybody's"
        )
    outbox.enqueue(tx, RUN_PROOF, str(run_id), workflow_id=f"{RUN_PROOF}:{run_id}", queue=PROOFS)
    record(tx, [author.event("proof.asked", run_id, run_id, "running")])
    return proof_run(tx, run_id)


def proof_run(tx: Tx, run_id: UUID) -> ProofRun:
    """One run; code `unknown_proof`."""
    found = first(tx, ProofRun, _RUN + " WHERE id = %s", (run_id,))
    if found is None:
        raise unknown("proof", run_id, "proofId")
    return _read(found)


def proof_runs(tx: Tx, before: tuple[datetime, UUID] | None, limit: int) -> list[ProofRun]:
    """Runs, the latest first; `before` is where the page before ended."""
    at, last = before or (None, None)
    query: LiteralString = (
        " WHERE %(at)s::timestamptz IS NULL OR (asked_at, id) < (%(at)s, %(id)s::uuid)"
        " ORDER BY asked_at DESC, id DESC LIMIT %(limit)s"
    )
    found = records(tx, ProofRun, _RUN + query, {"at": at, "id": last, "limit": limit})
    return [_read(one) for one in found]


# --- On a worker -----------------------------------------------------------------------------


def run_proof_workflow(database: Database, keys: Keys) -> durable.Workflow:
    """The workflow that carries out one proof."""

    def all_of_it(run_id: str) -> str | None:
        try:
            _carry_out(database, keys, UUID(run_id))
        except (CommendaError, psycopg.Error) as error:
            return str(error)
        return None

    def end(tx: Tx, run_id: str, failed: str | None) -> None:
        now = business_now(tx)
        ended = tx.execute(
            "UPDATE proof_runs SET finished_at = %s, reason = %s, state = CASE"
            "  WHEN %s::text IS NOT NULL THEN 'failed' WHEN findings = 0 THEN 'clean'"
            "  ELSE 'broken' END WHERE id = %s AND state = 'running'"
            " RETURNING state, findings, lines",
            (now, failed, failed, run_id),
        ).fetchone()
        if ended is not None:
            author, told = Author("operation", RULES, now), {"findings": ended[1]}
            record(tx, [author.event("proof.ended", run_id, UUID(run_id), ended[0], told)])
            _tell_of(tx, author, UUID(run_id), [ProofLine(**line) for line in ended[2]])

    def run_proof(run_id: str) -> None:
        durable.step(end, run_id, durable.call(all_of_it, run_id))

    return durable.Workflow(RUN_PROOF, run_proof)


def _tell_of(tx: Tx, author: Author, run_id: UUID, lines: list[ProofLine]) -> None:
    """An alert for each rule that is broken, until it is held again and nothing breaks it.

    A proof that was cut short says nothing of the rules it did not come to.
    """
    whole = [one.rule for one in lines if not one.findings]
    broken = [one for one in lines if one.findings]
    raise_alerts(
        tx,
        [
            author.event(
                BROKEN,
                one.rule,
                ids.derive("proof_broken", one.rule),
                f"{one.findings} findings",
                {"findings": one.findings, "proof": str(run_id)},
            )
            for one in broken
        ],
    )
    end_alerts(tx, BROKEN, author.now, about=whole)


def _carry_out(database: Database, keys: Keys, run_id: UUID) -> None:
    worker = durable.running()
    with database.transaction() as tx:
        counts = tx.execute(
            "SELECT (SELECT count(*) FROM journals), (SELECT count(*) FROM entries),"
            " (SELECT count(*) FROM accounts), (SELECT count(*) FROM audit_events)"
        ).fetchone()
        assert counts is not None
        rows = dict(zip(ProofCounts.model_fields, counts, strict=True))
        tx.execute(
            "UPDATE proof_runs SET lines = '[]', found = '[]', findings = 0, rows = %s,"
            " anchors = %s WHERE id = %s AND state = 'running'",
            (Jsonb(rows), Jsonb(json.loads(anchor_text(ends_of(tx)))), run_id),
        )
    kept = 0
    begun = time.monotonic()
    for rule, findings in prove(database, keys):
        shown, count = _taken(findings, MOST_FOUND - kept)
        kept += len(shown)
        line = {"rule": rule, "findings": count, "seconds": round(time.monotonic() - begun, 3)}
        with database.transaction() as tx:
            tx.execute(
                "UPDATE proof_runs SET lines = lines || %s, found = found || %s,"
                " findings = findings + %s WHERE id = %s AND state = 'running'",
                (Jsonb([line]), Jsonb([asdict(one) for one in shown]), count, run_id),
            )
        if durable.running() is not worker:
            raise InterruptedError("the worker ended before the proof")
        begun = time.monotonic()


def _taken(findings: Iterator[Finding], most: int) -> tuple[list[Finding], int]:
    """The first findings, and how many there are in all."""
    shown = list(islice(findings, max(most, 0)))
    return shown, len(shown) + sum(1 for _ in findings)
