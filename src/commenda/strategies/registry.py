"""Strategies in the database: named, versioned, with revisions of parameter sets.

What is registered is what ran: a version has the hash of its source, its declared ranges and the
text of its file, and is never changed. The same version with another source is refused. The shipped
catalogue is registered when the API starts; doing it again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from commenda.audit import Event, record
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.kit.rows import put
from commenda.strategies import queries
from commenda.strategies.plugins import source_file
from commenda.strategies.queries import ParameterSet, Status, StrategySummary, Version
from commenda.strategies.sdk import Param, Strategy
from commenda.strategies.shipped import CATALOGUE, catalogue, reference_to

RULES = "strategies-1"
PLATFORM = "platform"

_log = logging.getLogger(__name__)


ONWARD: Mapping[Status, frozenset[Status]] = {
    Status.DRAFT: frozenset({Status.PUBLISHED, Status.RETIRED}),
    Status.PUBLISHED: frozenset({Status.RETIRED}),
    Status.RETIRED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Registrar:
    """Who registers, when, and for whom: None is the platform."""

    actor: str
    now: datetime
    owner_id: UUID | None = None


def register(tx: Tx, by: Registrar, strategy: Strategy) -> Version:
    """Register a version of `strategy`; one that is registered already is returned as it is.

    Codes `strategy_name_taken` where the name is another owner's, and `strategy_version_taken`
    where this version was registered with another source or other ranges.
    """
    strategy_id = ids.derive("strategy", strategy.name)
    made = {"created_by": by.actor, "created_at": by.now}
    named = {"id": strategy_id, "name": strategy.name, "owner_id": by.owner_id}
    put(tx, "INSERT INTO strategies", named | made)
    known = queries.strategy_named(tx, strategy.name)
    if known.owner_id != by.owner_id:
        raise conflict(
            "strategy_name_taken", f"A strategy called {strategy.name} belongs to somebody else"
        ).at("name", strategy.name, "give yours another name")
    declared = declaration_of(strategy)
    file = source_file(strategy)
    version = {
        "id": ids.derive("strategy-version", strategy.name, strategy.version),
        "strategy_id": known.id,
        "version": strategy.version,
        "source_hash": strategy.source_hash,
        "declaration": Jsonb(declared),
        "reference": reference_to(strategy) or strategy.name,
        "code": file.read_text("utf-8") if file else "",
    }
    added = put(tx, "INSERT INTO strategy_versions", version | made)
    kept = queries.version_of(tx, known, strategy.version)
    if kept.source_hash != strategy.source_hash or kept.declaration != declared:
        raise conflict(
            "strategy_version_taken",
            f"{strategy.name} {strategy.version} is registered with source"
            f" {kept.source_hash[:16]}…, and this is {strategy.source_hash[:16]}…",
        ).at(
            "version",
            strategy.version,
            "raise the version in @strategy: what ran under a version stays what it was",
        )
    if added:
        details = {"version": strategy.version, "sourceHash": strategy.source_hash}
        _tell(tx, by, known.id, known.name, "registered", details)
    return kept


def register_catalogue(tx: Tx, now: datetime) -> tuple[CommendaError, ...]:
    """Register and publish what is shipped; returned is what could not be, and it is logged.

    A shipped strategy that was edited without a new version is no reason not to start.
    """
    by = Registrar(PLATFORM, now)
    refused = []
    for strategy in CATALOGUE:
        try:
            with tx.transaction():
                register(tx, by, strategy)
                if queries.strategy_named(tx, strategy.name).status == Status.DRAFT:
                    move(tx, by, strategy.name, Status.PUBLISHED)
        except CommendaError as error:
            _log.error("a shipped strategy cannot be registered: %s", error)
            refused.append(error)
    return tuple(refused)


def move(tx: Tx, by: Registrar, name: str, to: Status) -> StrategySummary:
    """Publish or retire a strategy of the registrar's owner.

    Codes `unknown_strategy` and `strategy_is_final`: a published one is only ever retired, and a
    retired one stays so.
    """
    known = queries.strategy_named(tx, name, lock=True)
    if known.owner_id != by.owner_id:
        raise queries.unknown_strategy(name)
    if to not in ONWARD[Status(known.status)]:
        raise conflict("strategy_is_final", f"{name} is {known.status}, and cannot become {to}").at(
            "status", to.value, "register it under another name"
        )
    tx.execute("UPDATE strategies SET status = %s WHERE id = %s", (to, known.id))
    _tell(tx, by, known.id, name, to.value, {"was": known.status})
    return queries.strategy_named(tx, name)


def keep_params(
    tx: Tx,
    by: Registrar,
    strategy: str,
    name: str,
    params: Mapping[str, object],
    *,
    version: str | None = None,
    note: str = "",
) -> ParameterSet:
    """Keep `params` as the next revision of the owner's set `name`, for a version or the latest.

    They are checked as `Strategy.resolve` does. Codes `unknown_strategy`, `unknown_parameter` and
    `bad_parameter`; `strategy_is_final` for a retired strategy.
    """
    known = queries.strategy_named(tx, strategy, lock=True)  # revisions are numbered one by one
    if not readable(known, by.owner_id):
        raise queries.unknown_strategy(strategy)
    if known.status == Status.RETIRED:
        raise conflict("strategy_is_final", f"{strategy} is retired").at(
            "strategy", strategy, "use a strategy that is not"
        )
    of = queries.version_of(tx, known, version)
    values = resolved(known, of, params)
    revision = queries.last_revision(tx, of.id, by.owner_id, name) + 1
    found = ParameterSet(
        id=ids.derive("strategy-params", of.id, by.owner_id or PLATFORM, name, revision),
        version=of.version,
        owner_id=by.owner_id,
        name=name,
        revision=revision,
        params=values,
        note=note,
        created_by=by.actor,
        created_at=by.now,
    )
    queries.add_params(tx, of.id, found)
    details = {"version": of.version, "name": name, "revision": revision}
    _tell(tx, by, known.id, f"{strategy} {name}", "params_kept", details)
    return found


def readable(strategy: StrategySummary, owner_id: UUID | None) -> bool:
    """Whether somebody may see it: theirs, or the platform's once it is no draft."""
    if strategy.owner_id is not None:
        return strategy.owner_id == owner_id
    return owner_id is None or strategy.status != Status.DRAFT


def resolved(
    known: StrategySummary, version: Version, params: Mapping[str, object]
) -> dict[str, float]:
    """Every parameter of a version: those given, checked, and defaults.

    By the shipped code where that is this version, else by the ranges it declared.
    """
    shipped = catalogue().get(known.name)
    if shipped is not None and shipped.source_hash == version.source_hash:
        return shipped.resolve(params)
    kinds: dict[str, type[int] | type[float]] = {"int": int, "float": float}
    declared = {
        each["name"]: Param(**each | {"kind": kinds[each["kind"]]})
        for each in version.declaration["params"]
    }
    for name in params:
        if name not in declared:
            raise not_found(
                "unknown_parameter", f"{known.name} {version.version} has no parameter {name}"
            ).at(name, params[name], f"its parameters are {', '.join(declared)}")
    return {name: each.checked(params.get(name, each.default)) for name, each in declared.items()}


def declaration_of(strategy: Strategy) -> dict[str, Any]:
    """What a strategy declares of itself, as JSON."""
    return {
        "doc": strategy.doc,
        "params": [
            {"name": one.name, "kind": one.kind.__name__}
            | {name: float(getattr(one, name)) for name in ("default", "low", "high")}
            for one in strategy.params
        ],
        "stop": strategy.stop,
        "orders": strategy.orders,
        "compiled": strategy.compiled,
    }


def _tell(
    tx: Tx, by: Registrar, strategy_id: UUID, subject: str, kind: str, details: dict[str, Any]
) -> None:
    what = f"strategy.{kind}"
    record(tx, [Event(what, subject, strategy_id, "done", by.actor, RULES, by.now, details)])
