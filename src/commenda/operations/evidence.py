"""Evidence of a period as one archive: everything that an auditor takes away, and what proves it.

It is written while it is sent: however long a period is, memory stays flat. The manifest comes
last, with the lines and the SHA-256 of every other file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from commenda.audit import Wanted, csv_header, csv_rows, export_events, ndjson, record
from commenda.kit import ids
from commenda.kit.clock import business_now, require_period
from commenda.kit.db import Database, Tx
from commenda.kit.times import iso
from commenda.kit.wire import as_json, wire
from commenda.ledger import (
    Author,
    StatementWanted,
    closed_periods,
    csv_text,
    draw_up,
    export_journals,
    statement_period,
    trial_balance_at,
)
from commenda.operations.chains import anchor_text, ends_of
from commenda.operations.proofs import proof_runs
from commenda.operations.reconciliation import reconcile_all

_MOST_PERIODS = 10_000


@dataclass(frozen=True, slots=True)
class EvidenceWanted:
    """Which evidence: what was posted and recorded in [since, until), and an owner's statements."""

    since: datetime | None = None
    until: datetime | None = None
    owner: UUID | None = None


def evidence(database: Database, author: Author, wanted: EvidenceWanted) -> Iterator[bytes]:
    """The archive, part by part; that it was taken is recorded before the first.

    Codes `bad_period`, `bad_moment`, `unknown_owner`.
    """
    require_period("from", wanted.since, wanted.until)
    with database.transaction() as tx:
        now = business_now(tx)
        until = None if wanted.until is None else min(wanted.until, now)
        statements = _statements(database, tx, wanted, now)
    with database.transaction() as tx:
        reconciled = json.dumps(wire(reconcile_all(tx, until)))
        trial = json.dumps(wire(trial_balance_at(tx, until)))
        anchors = anchor_text(ends_of(tx))
        periods = [wire(one) for one in closed_periods(tx, None, _MOST_PERIODS)]
        latest = next(iter(proof_runs(tx, None, 1)), None)
    said = as_json(asdict(wanted))
    with database.transaction() as tx:
        subject = ids.derive("evidence", author.actor, iso(now))
        record(tx, [author.event("evidence.exported", subject, subject, "exported", said)])
    archive, files = _Archive(), []
    texts: dict[str, Iterable[str]] = {
        "trial-balance.json": [trial],
        "reconciliation.json": [reconciled],
        "chain-ends.json": [anchors],
        "proof.json": [json.dumps(None if latest is None else wire(latest))],
        "periods.json": [json.dumps(periods)],
        "journals.ndjson": _journals(database, wanted),
        "events.ndjson": map(ndjson, _events(database, wanted)),
        "events.csv": _table(database, wanted),
        **statements,
    }
    for name, lines in texts.items():
        digest = hashlib.sha256()
        count = 0
        for part, written in archive.add(name, lines):
            digest.update(written)
            count += written.count(b"\n")
            yield part
        files.append({"name": name, "lines": count, "sha256": digest.hexdigest()})
    manifest = {"asOf": iso(until or now), "exportedBy": author.actor, "exportedAt": iso(now)}
    told = json.dumps(manifest | {"wanted": said, "files": files}, indent=2)
    yield from (part for part, _ in archive.add("manifest.json", [told]))
    yield archive.end()


def _statements(
    database: Database, tx: Tx, wanted: EvidenceWanted, now: datetime
) -> dict[str, Iterable[str]]:
    if wanted.owner is None:
        return {}
    period = statement_period(wanted.since, wanted.until, now)
    rows = tx.execute("SELECT DISTINCT asset FROM accounts WHERE owner_id = %s", (wanted.owner,))
    assets = sorted(row[0] for row in rows) or ["USDT"]
    return {
        f"statement-{asset}.csv": csv_text(
            draw_up(database, tx, StatementWanted(wanted.owner, asset, *period, whole=True))
        )
        for asset in assets
    }


def _journals(database: Database, wanted: EvidenceWanted) -> Iterator[str]:
    with database.transaction() as tx:
        for journal in export_journals(tx, wanted.since, wanted.until):
            yield journal + "\n"


def _events(database: Database, wanted: EvidenceWanted) -> Iterator[Any]:
    return export_events(database, Wanted(begin=wanted.since, end=wanted.until))


def _table(database: Database, wanted: EvidenceWanted) -> Iterator[str]:
    yield csv_header()
    yield from map(csv_rows, _events(database, wanted))


class _Archive(io.RawIOBase):
    """A zip archive that is handed on while it grows: it cannot be sought."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._zip = zipfile.ZipFile(self, "w", zipfile.ZIP_DEFLATED)

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def add(self, name: str, texts: Iterable[str]) -> Iterator[tuple[bytes, bytes]]:
        """Write one file; what the archive grew by, beside what of the file is in it."""
        with self._zip.open(name, "w", force_zip64=True) as target:
            for text in texts:
                written = text.encode()
                target.write(written)
                yield self._taken(), written

    def end(self) -> bytes:
        self._zip.close()
        return self._taken()

    def _taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
