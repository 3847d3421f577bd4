"""The registered strategies, their versions and parameter sets, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found, unknown


@dataclass(frozen=True, slots=True)
class Registered:
    """A strategy that is known by name. `owner_id` None is the platform."""

    id: UUID
    name: str
    owner_id: UUID | None
    status: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its source by hash and text, what it declares, and where it was found."""

    id: UUID
    version: str
    source_hash: str
    declaration: Mapping[str, Any]
    reference: str
    code: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """One revision of a named set of parameters for a version."""

    id: UUID
    version: str
    owner_id: UUID | None
    name: str
    revision: int
    params: Mapping[str, float]
    note: str
    created_by: str
    created_at: datetime


STRATEGY = "SELECT id, name, owner_id, status, created_by, created_at FROM strategies"
VERSION = (
    "SELECT id, version, source_hash, declaration, reference, code, created_by, created_at"
    " FROM strategy_versions"
)


def unknown_strategy(name: str) -> CommendaError:
    """The refusal of a strategy that is not there, or that the caller may not see."""
    return unknown("strategy", name, "strategy", "use one of the list of strategies")


def strategy_named(tx: Tx, name: str, *, lock: bool = False) -> Registered:
    """The strategy of that name; code `unknown_strategy`."""
    query = f"{STRATEGY} WHERE name = %s" + (" FOR NO KEY UPDATE" if lock else "")
    with tx.cursor(row_factory=class_row(Registered)) as cursor:
        found = cursor.execute(query, (name,)).fetchone()
    if found is None:
        raise unknown_strategy(name)
    return found


def strategies(tx: Tx) -> list[Registered]:
    with tx.cursor(row_factory=class_row(Registered)) as cursor:
        return cursor.execute(f"{STRATEGY} ORDER BY name").fetchall()


def versions(tx: Tx, strategy: UUID) -> list[Version]:
    """Every version of a strategy, the latest first."""
    with tx.cursor(row_factory=class_row(Version)) as cursor:
        return cursor.execute(
            f"{VERSION} WHERE strategy_id = %s ORDER BY sequence DESC", (strategy,)
        ).fetchall()


def latest_versions(tx: Tx) -> dict[UUID, str]:
    """The latest version's name of each strategy."""
    rows = tx.execute(
        "SELECT DISTINCT ON (strategy_id) strategy_id, version FROM strategy_versions"
        " ORDER BY strategy_id, sequence DESC"
    ).fetchall()
    return dict(rows)


def version_of(tx: Tx, strategy: Registered, version: str | None = None) -> Version:
    """A version, or the latest; code `unknown_version`."""
    with tx.cursor(row_factory=class_row(Version)) as cursor:
        found = cursor.execute(
            f"{VERSION} WHERE strategy_id = %(of)s"
            "  AND (%(version)s::text IS NULL OR version = %(version)s)"
            " ORDER BY sequence DESC LIMIT 1",
            {"of": strategy.id, "version": version},
        ).fetchone()
    if found is None:
        raise not_found("unknown_version", f"{strategy.name} has no such version").at(
            "version", version, "use one of its versions"
        )
    return found


def last_revision(tx: Tx, version: UUID, owner: UUID | None, name: str) -> int:
    """Number of the last revision of a set; 0 where there is none."""
    found = tx.execute(
        "SELECT coalesce(max(revision), 0) FROM strategy_params"
        " WHERE version_id = %s AND owner_id IS NOT DISTINCT FROM %s AND name = %s",
        (version, owner, name),
    ).fetchone()
    assert found is not None
    return int(found[0])


def add_params(tx: Tx, version: UUID, kept: ParameterSet) -> None:
    tx.execute(
        "INSERT INTO strategy_params"
        " (id, version_id, owner_id, name, revision, params, note, created_by, created_at)"
        " VALUES (%(id)s, %(of)s, %(owner_id)s, %(name)s, %(revision)s, %(params)s, %(note)s,"
        " %(created_by)s, %(created_at)s)",
        asdict(kept) | {"of": version, "params": Jsonb(dict(kept.params))},
    )


def parameter_sets(
    tx: Tx,
    strategy: UUID,
    *,
    reader: UUID | None,
    version: str | None = None,
    name: str | None = None,
    limit: int,
) -> list[ParameterSet]:
    """Revisions of a strategy's sets, newest first; for a `reader` their own and the platform's."""
    with tx.cursor(row_factory=class_row(ParameterSet)) as cursor:
        return cursor.execute(
            "SELECT p.id, v.version, p.owner_id, p.name, p.revision, p.params, p.note,"
            "  p.created_by, p.created_at"
            " FROM strategy_params p JOIN strategy_versions v ON v.id = p.version_id"
            " WHERE v.strategy_id = %(strategy)s"
            "  AND (%(reader)s::uuid IS NULL OR p.owner_id IS NULL OR p.owner_id = %(reader)s)"
            "  AND (%(version)s::text IS NULL OR v.version = %(version)s)"
            "  AND (%(name)s::text IS NULL OR p.name = %(name)s)"
            " ORDER BY p.created_at DESC, p.revision DESC, p.id LIMIT %(limit)s",
            {
                "strategy": strategy,
                "reader": reader,
                "version": version,
                "name": name,
                "limit": limit,
            },
        ).fetchall()
