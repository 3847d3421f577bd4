"""Studies asked for over HTTP: a durable workflow that runs each in a process of its own.

The child is `commenda study resume`, which stands behind trading and bounds its memory. A worker
that is killed leaves it to finish; whoever adopts the workflow waits for it, or resumes the study.
"""

from __future__ import annotations

import time
from uuid import UUID

from commenda.kit import durable, outbox
from commenda.kit.children import run_child
from commenda.kit.clock import business_now
from commenda.kit.db import Database, Tx
from commenda.studies import queries
from commenda.studies.model import StudyState

STUDIES = outbox.Queue("studies", concurrency=1, poll_seconds=1.0)
RUN_STUDY = "studies.run_study"

BUSY = "study_is_running"
PATIENCE = 2.0
"""Seconds between two looks at a study that another process runs."""


def workflow_of(study_id: UUID) -> str:
    """The id of the workflow that runs a study."""
    return f"{RUN_STUDY}:{study_id}"


def enqueue_study(tx: Tx, study_id: UUID, home: str = "") -> None:
    """Have a worker run a study once this transaction commits; `home` is the data directory that
    its history lies in, the worker's own where that is the database."""
    outbox.enqueue(
        tx, RUN_STUDY, str(study_id), home, workflow_id=workflow_of(study_id), queue=STUDIES
    )


def run_study_workflow(database: Database) -> durable.Workflow:
    """The workflow that runs one study on this worker's machine."""

    def in_child(study_id: str, home: str) -> str:
        while True:
            with database.transaction() as tx:
                if queries.state_of(tx, UUID(study_id)) is not StudyState.RUNNING:
                    return ""
            said = run_child(database.owner_url, home, ["study", "resume", study_id, "--json"])
            if BUSY not in said:
                return said
            time.sleep(PATIENCE)

    def end(tx: Tx, study_id: str, said: str) -> None:
        reason = said or "its process ended without a word"
        queries.finish_study(tx, UUID(study_id), StudyState.FAILED, business_now(tx), reason=reason)

    def run_study(study_id: str, home: str) -> None:
        said = durable.call(in_child, study_id, home)
        durable.step(end, study_id, said)  # of a study that has ended this changes nothing

    return durable.Workflow(RUN_STUDY, run_study)
