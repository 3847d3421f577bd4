"""The chain: each row is sealed with a keyed digest over itself and the seal before it.

Recording never waits. A sealer comes afterwards and takes the rows in the order of (era,
transaction, id), and only those of transactions older than every one still running: nothing can
be added before them any more. Who can write to the tables but does not know the key cannot
change, remove, add or reorder sealed rows unnoticed. Cutting off the end of the chain shows
against an `Anchor` that was kept elsewhere.

`Chain` says which rows and where their seals are; `EVENTS` is the audit's, the ledger has another.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from commenda.audit.checks import Finding
from commenda.kit.db import Tx

Position = tuple[int, int, int]
"""Where a row stands: (era, transaction, id)."""

GENESIS = bytes(32)
"""What stands before the first seal."""

_BATCH = 2000


@dataclass(frozen=True, slots=True)
class Chain:
    """Append-only rows with `id`, `era` and `transaction_id`, and the table of their seals.

    `content` is what a seal vouches for: every column, read so that its text is exact. `purpose` is
    that of the key (see `kit.keys`), `name` what all the rows are called.
    """

    name: str
    of: str
    purpose: str
    rows: sql.Identifier
    seals: sql.Identifier
    content: sql.SQL
    lock: int
    batch: int
    """How much is sealed in one transaction, in weight: some tenths of a second of work."""
    weight: LiteralString = "1"
    """How much work one row is."""

    def query(self, text: str) -> sql.Composed:
        return sql.SQL(text).format(
            rows=self.rows, seals=self.seals, content=self.content, weight=sql.SQL(self.weight)
        )


EVENTS = Chain(
    "events",
    "audit event",
    "audit-chain",
    sql.Identifier("audit_events"),
    sql.Identifier("audit_seals"),
    sql.SQL(
        "r.id, r.era, r.transaction_id::text::bigint AS transaction_id, r.happened_at, r.kind,"
        " r.actor, r.subject, r.correlation_id, r.result, r.rule_version, r.request_id,"
        " r.details::text AS details"
    ),
    lock=0x636F6D73,  # "coms": one sealer at a time
    batch=5000,
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The end of the chain at one moment. Kept elsewhere, it proves all before it."""

    sequence: int
    digest: str
    sealed_at: datetime


# --- Pure ------------------------------------------------------------------------------------


def canonical(row: Mapping[str, Any]) -> bytes:
    """A row as one text and no other: JSON with sorted names, times in UTC to the microsecond."""
    return json.dumps(row, sort_keys=True, separators=(",", ":"), default=_text).encode()


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a sealed row holds no {type(value).__name__}")


def digest_of(key: bytes, previous: bytes, row: Mapping[str, Any]) -> bytes:
    """HMAC-SHA256 over the digest before (32 bytes) and the row."""
    return hmac.digest(key, previous + canonical(row), "sha256")


# --- Sealing ---------------------------------------------------------------------------------


class Sealed(NamedTuple):
    """How many rows were sealed, and whether they filled the batch: more may be waiting."""

    rows: int
    full: bool


def seal(tx: Tx, key: bytes, limit: int | None = None, chain: Chain = EVENTS) -> Sealed:
    """Seal the next rows that are final, one at least and up to `limit` in weight.

    None when there are none, and when another sealer is at it.
    """
    limit = chain.batch if limit is None else limit
    if tx.execute("SELECT pg_try_advisory_xact_lock(%s)", (chain.lock,)).fetchone() != (True,):
        return Sealed(0, full=False)
    last = tx.execute(
        chain.query(
            "SELECT sequence, digest, era, transaction_id::text, row_id FROM {seals}"
            " ORDER BY sequence DESC LIMIT 1"
        )
    ).fetchone()
    sequence, digest, *position = last or (0, GENESIS, -1, "0", 0)
    cursor = tx.execute(chain.query(_FINAL), (*position, limit, limit))
    names = [column.name for column in cursor.description or ()][1:]
    ids, eras, transactions, digests = [], [], [], []
    weight = 0
    for reached, *values in cursor:
        weight = reached
        row = dict(zip(names, values, strict=True))
        digest = digest_of(key, digest, row)
        ids.append(row["id"])
        eras.append(row["era"])
        transactions.append(str(row["transaction_id"]))
        digests.append(digest)
    if ids:
        tx.execute(
            chain.query(
                "INSERT INTO {seals} (sequence, row_id, era, transaction_id, digest, sealed_at)"
                " SELECT %s + n.place, n.id, n.era, n.transaction_id::xid8, n.digest,"
                "  clock_timestamp()"
                " FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::bytea[])"
                "  WITH ORDINALITY AS n (id, era, transaction_id, digest, place)"
            ),
            (sequence, ids, eras, transactions, digests),
        )
    return Sealed(len(ids), full=weight >= limit)


# Rows of an era that has ended are all final: its transactions ran in another database cluster.
_FINAL = (
    "SELECT r.before + {weight}, {content} FROM (SELECT r.*,"
    "  sum({weight}) OVER (ORDER BY r.era, r.transaction_id, r.id) - {weight} AS before"
    "  FROM {rows} AS r"
    "  WHERE (r.era, r.transaction_id, r.id) > (%s::smallint, %s::xid8, %s::bigint)"
    "  AND (r.transaction_id < pg_snapshot_xmin(pg_current_snapshot())"
    "   OR r.era < (SELECT max(era) FROM {rows}))"
    "  ORDER BY r.era, r.transaction_id, r.id LIMIT %s) AS r"
    " WHERE r.before < %s ORDER BY r.era, r.transaction_id, r.id"
)


def begin_era(owner: Tx, chain: Chain = EVENTS) -> int:
    """For the owner, in a database restored from a backup: count transactions anew."""
    row = owner.execute(chain.query("SELECT coalesce(max(era), -1) + 1 FROM {rows}")).fetchone()
    assert row is not None
    owner.execute(
        sql.SQL("ALTER TABLE {rows} ALTER era SET DEFAULT {era}").format(
            rows=chain.rows, era=sql.Literal(row[0])
        )
    )
    return int(row[0])


# --- Reading ---------------------------------------------------------------------------------


def anchor(tx: Tx, chain: Chain = EVENTS) -> Anchor | None:
    """The end of the chain now; None before the first seal."""
    with tx.cursor(row_factory=class_row(Anchor)) as cursor:
        return cursor.execute(
            chain.query(
                "SELECT sequence, encode(digest, 'hex') AS digest, sealed_at FROM {seals}"
                " ORDER BY sequence DESC LIMIT 1"
            )
        ).fetchone()


def unsealed(tx: Tx, chain: Chain = EVENTS) -> int:
    """How many rows wait for their seal."""
    last = tx.execute(
        chain.query(
            "SELECT era, transaction_id::text, row_id FROM {seals} ORDER BY sequence DESC LIMIT 1"
        )
    ).fetchone()
    row = tx.execute(
        chain.query(
            "SELECT count(*) FROM {rows} AS r"
            " WHERE (r.era, r.transaction_id, r.id) > (%s::smallint, %s::xid8, %s::bigint)"
        ),
        last or (-1, "0", 0),
    ).fetchone()
    return int(row[0]) if row else 0


def check_chain(
    tx: Tx, key: bytes, kept: Anchor | None = None, chain: Chain = EVENTS
) -> Iterator[Finding]:
    """Whatever was changed, deleted, added or reordered among the sealed rows, on one snapshot.

    Rows that are not sealed yet are no finding: nothing vouches for them. With an anchor that was
    `kept`, the chain must still pass through it.
    """
    tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    found = _Found(chain.of)
    sequence, before, last = 0, GENESIS, (-1, 0, 0)
    with tx.cursor(f"seals_{chain.lock}") as cursor:  # on the server: memory stays flat
        cursor.itersize = _BATCH
        cursor.execute(chain.query(_SEALED))
        names: list[str] = []
        for number, digest, *values in cursor:
            names = names or [column.name for column in cursor.description or ()][5:]
            position: Position = (values[0], values[1], values[2])
            row = dict(zip(names, values[3:], strict=True))
            gap = number != sequence + 1
            if gap:
                yield found.gap(sequence + 1, number)
            if row["id"] is None:
                yield found.deleted(number, position)
            elif position != (row["era"], row["transaction_id"], row["id"]):
                yield found.moved(number, position)
            # After a gap nobody knows what this row was chained to.
            elif not gap and digest != (computed := digest_of(key, before, row)):
                yield found.changed(number, position, digest, computed)
            if position <= last:
                yield found.reordered(number, position, last)
            if kept is not None and number == kept.sequence and digest.hex() != kept.digest:
                yield found.off_anchor(kept, f"digest {digest.hex()}")
            sequence, before, last = number, digest, max(last, position)
    if kept is not None and sequence < kept.sequence:
        yield found.off_anchor(kept, f"a chain that ends at seal {sequence}")
    era, transaction, row_id = last
    with tx.cursor(f"added_{chain.lock}") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(chain.query(_ADDED), (era, str(transaction), row_id))
        for (added,) in cursor:
            yield found.added(added)


_SEALED = (
    "SELECT s.sequence, s.digest, s.era, s.transaction_id::text::bigint, s.row_id, {content}"
    " FROM {seals} AS s LEFT JOIN {rows} AS r ON r.id = s.row_id ORDER BY s.sequence"
)
_ADDED = (
    "SELECT r.id FROM {rows} AS r"
    " WHERE (r.era, r.transaction_id, r.id) <= (%s::smallint, %s::xid8, %s::bigint)"
    " AND NOT EXISTS (SELECT FROM {seals} AS s WHERE s.row_id = r.id)"
    " ORDER BY r.era, r.transaction_id, r.id"
)


@dataclass(frozen=True, slots=True)
class _Found:
    """The words for what was found."""

    of: str

    def _finding(self, row_id: int, number: int, expected: str, found: str) -> Finding:
        subject = f"{self.of} {row_id} (seal {number})"
        return Finding(f"a sealed {self.of} stays as it was", subject, expected, found)

    def changed(self, number: int, at: Position, sealed: bytes, computed: bytes) -> Finding:
        expected, found = (
            f"digest {sealed.hex()}",
            f"{computed.hex()}: it was changed, or what stood before it was",
        )
        return self._finding(at[2], number, expected, found)

    def deleted(self, number: int, at: Position) -> Finding:
        return self._finding(at[2], number, "to be there", "deleted")

    def moved(self, number: int, at: Position) -> Finding:
        return self._finding(at[2], number, f"to stand at {at}", "another place")

    def reordered(self, number: int, at: Position, last: Position) -> Finding:
        return self._finding(at[2], number, f"to stand after {last}", f"{at}: reordered")

    def gap(self, expected: int, number: int) -> Finding:
        rule, found = f"seals of {self.of}s follow one another", f"deleted; the next is {number}"
        return Finding(rule, f"seal {expected}", "to be there", found)

    def added(self, row_id: int) -> Finding:
        rule, found = (
            f"no {self.of} is added among the sealed ones",
            "none, and later ones have theirs",
        )
        return Finding(rule, f"{self.of} {row_id}", "a seal", found)

    def off_anchor(self, kept: Anchor, found: str) -> Finding:
        rule = "the chain passes through the anchor that was kept"
        return Finding(rule, f"seal {kept.sequence}", f"digest {kept.digest}", found)
