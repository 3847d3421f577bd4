"""The registered strategies, their versions and parameter sets, as rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found, unknown
from commenda.kit.rows import first, put, records
from commenda.kit.wire import Internal, on_wire, one_of


class Status(StrEnum):
    """Drafts are their owner's; published ones are offered; retired ones are only history."""

    DRAFT = "draft"
    PUBLISHED = "published"
    RETIRED = "retired"


@on_wire
@dataclass(frozen=True, slots=True)
class StrategySummary:
    """A strategy that is known by name. `owner_id` None is the platform."""

    id: Internal[UUID]
    name: Annotated[str, Field(examples=["ema_trend"])]
    owner_id: UUID | None
    status: Annotated[str, one_of(Status)]
    latest_version: Annotated[str | None, Field(examples=["1.0.0"])]
    created_by: str
    created_at: datetime


@on_wire
@dataclass(frozen=True, slots=True)
class Version:
    """One version: its source by hash and text, what it declares, and where it was found."""

    id: Internal[UUID]
    version: Annotated[str, Field(examples=["1.0.0"])]
    source_hash: Annotated[
        str, Field(description="SHA-256 of the step, its stops and all they call.")
    ]
    declaration: Internal[Mapping[str, Any]]
    reference: Internal[str]
    code: Internal[str]
    created_by: str
    created_at: datetime


@on_wire
@dataclass(frozen=True, slots=True)
class ParameterSet:
    """One revision of a named set of parameters for a version; defaults are written out."""

    id: UUID
    version: str
    owner_id: UUID | None
    name: str
    revision: int
    params: Mapping[str, float]
    note: str
    created_by: str
    created_at: datetime


STRATEGY: LiteralString = (
    "SELECT id, name, owner_id, status, created_by, created_at, (SELECT version"
    "  FROM strategy_versions WHERE strategy_id = strategies.id ORDER BY sequence DESC LIMIT 1)"
    "  AS latest_version FROM strategies"
)
VERSION: LiteralString = (
    "SELECT id, version, source_hash, declaration, reference, code, created_by, created_at"
    " FROM strategy_versions"
)


def unknown_strategy(name: str) -> CommendaError:
    """The refusal of a strategy that is not there, or that the caller may not see."""
    return unknown("strategy", name, "strategy", "use one of the list of strategies")


def strategy_named(tx: Tx, name: str, *, lock: bool = False) -> StrategySummary:
    """The strategy of that name; code `unknown_strategy`."""
    query = STRATEGY + " WHERE name = %s" + (" FOR NO KEY UPDATE" if lock else "")
    found = first(tx, StrategySummary, query, (name,))
    if found is None:
        raise unknown_strategy(name)
    return found


def strategy_called(tx: Tx, named: str) -> StrategySummary:
    """A strategy by its id or its name; code `unknown_strategy`."""
    found = first(
        tx, StrategySummary, STRATEGY + " WHERE id::text = %(named)s OR name = %(named)s",
        {"named": named},
    )  # fmt: skip
    if found is None:
        raise unknown("strategy", named, "id", "give the id or the name of a registered one")
    return found


def strategies(tx: Tx) -> list[StrategySummary]:
    """Every strategy, by name."""
    return records(tx, StrategySummary, STRATEGY + " ORDER BY name")


def versions(tx: Tx, strategy: UUID) -> list[Version]:
    """Every version of a strategy, the latest first."""
    return records(
        tx, Version, VERSION + " WHERE strategy_id = %s ORDER BY sequence DESC", (strategy,)
    )


def version_of(tx: Tx, strategy: StrategySummary, version: str | None = None) -> Version:
    """A version, or the latest; code `unknown_version`."""
    found = first(
        tx,
        Version,
        VERSION + " WHERE strategy_id = %(of)s"
        "  AND (%(version)s::text IS NULL OR version = %(version)s)"
        " ORDER BY sequence DESC LIMIT 1",
        {"of": strategy.id, "version": version},
    )
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
    row = asdict(kept) | {"version_id": version, "params": Jsonb(dict(kept.params))}
    del row["version"]
    put(tx, "INSERT INTO strategy_params", row)


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
    return records(
        tx,
        ParameterSet,
        "SELECT p.id, v.version, p.owner_id, p.name, p.revision, p.params, p.note,"
        "  p.created_by, p.created_at"
        " FROM strategy_params p JOIN strategy_versions v ON v.id = p.version_id"
        " WHERE v.strategy_id = %(strategy)s"
        "  AND (%(reader)s::uuid IS NULL OR p.owner_id IS NULL OR p.owner_id = %(reader)s)"
        "  AND (%(version)s::text IS NULL OR v.version = %(version)s)"
        "  AND (%(name)s::text IS NULL OR p.name = %(name)s)"
        " ORDER BY p.created_at DESC, p.revision DESC, p.id LIMIT %(limit)s",
        {"strategy": strategy, "reader": reader, "version": version, "name": name, "limit": limit},
    )
