"""What an auditor does over HTTP: have the books proved, take evidence away."""

from __future__ import annotations

from datetime import datetime
from itertools import chain as one_after_another
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    IdempotencyKey,
    Moment,
    Page,
    Paged,
    Served,
    key_or_new,
    problems,
    routes,
    write,
)
from commenda.ledger import Author
from commenda.operations.evidence import EvidenceWanted, evidence
from commenda.operations.proofs import ProofRun, ask_for_proof, proof_run, proof_runs
from commenda.operations.ticks import RULES

router = routes("audit", "/audit")
Auditor = Annotated[Principal, may(Permission.AUDIT)]


@router.post(
    "/proofs",
    operation_id="requestProof",
    status_code=202,
    response_model=ProofRun,
    responses=GUARDED | problems(409),
)
def request_proof(service: Served, who: Auditor, key: IdempotencyKey = None) -> Response:
    """Have a worker hold every rule against everything and walk both chains: `verify --chain`.

    One at a time; `GET /audit/proofs/{proof_id}` says how far it is.
    """
    named = key_or_new(key)

    def act(tx: Tx, now: datetime) -> ProofRun:
        return ask_for_proof(tx, Author(who.actor, RULES, now), named)

    return write(service, who, "proof", key, {}, act, status=202)


@router.get("/proofs", operation_id="listProofs", responses=GUARDED)
def list_proofs(service: Served, _who: Auditor, asked: Paged) -> Page[ProofRun]:
    """Proofs that were asked for, the latest first."""
    before = asked.after(datetime, UUID)
    with service.database.read() as tx:
        rows = proof_runs(tx, before, asked.rows)
    return asked.page(rows, lambda one: (one.asked_at, one.id))


@router.get("/proofs/{proof_id}", operation_id="getProof", responses=GUARDED | problems(404))
def get_proof(service: Served, _who: Auditor, proof_id: UUID) -> ProofRun:
    """One proof: what is done of it, and what it found."""
    with service.database.read() as tx:
        return proof_run(tx, proof_id)


@router.get(
    "/evidence",
    operation_id="exportEvidence",
    response_class=StreamingResponse,
    responses=GUARDED
    | problems(404)
    | {200: {"description": "A zip archive.", "content": {"application/zip": {}}}},
)
def export_evidence(
    service: Served,
    who: Auditor,
    begin: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Exclusive.")] = None,
    owner_id: Annotated[
        UUID | None, Query(alias="ownerId", description="Whose statements come with it.")
    ] = None,
) -> StreamingResponse:
    """Trial balance, reconciliation, journals, events, chain ends, the latest proof and closed
    periods in one archive, with a manifest of their digests."""
    with service.database.transaction() as tx:
        author = Author(who.actor, RULES, business_now(tx))
    parts = evidence(service.database, author, EvidenceWanted(begin, end, owner_id))
    first = next(parts)  # what may be refused is refused before the answer begins
    return StreamingResponse(
        one_after_another([first], parts),
        media_type="application/zip",
        headers={
            "Content-Disposition": 'attachment; filename="evidence.zip"',
            "Cache-Control": "no-store",
        },
    )
