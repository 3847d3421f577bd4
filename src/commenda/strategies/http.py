"""Strategies over HTTP: what is registered, its versions, and named sets of parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.db import Tx
from commenda.kit.rows import extended
from commenda.kit.web import (
    GUARDED,
    Body,
    IdempotencyKey,
    Served,
    Whole,
    on_wire,
    problems,
    routes,
    wire,
    write,
)
from commenda.kit.wire import Real
from commenda.strategies import queries
from commenda.strategies.queries import ParameterSet, StrategySummary, Version
from commenda.strategies.registry import Registrar, keep_params, readable
from commenda.strategies.shipped import catalogue

router = routes("strategies", "/strategies")

Reader = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
"""Creators see the platform's and their own; the staff sees all."""
Creator = Annotated[Principal, may(Permission.SHARE)]
Name = Annotated[str, Path(min_length=1, max_length=80, examples=["ema_trend"])]
Text = Annotated[str, Query(min_length=1, max_length=80, pattern=r"^[^\x00]*$")]


@on_wire
@dataclass(frozen=True, slots=True)
class DeclaredParameter:
    """A parameter with its range; `kind` int takes whole numbers only."""

    name: str
    default: float
    low: float
    high: float
    kind: Annotated[str, Field(examples=["int"])]


@on_wire
@dataclass(frozen=True, slots=True)
class StrategyVersion(Version):
    """One version: it never changes."""

    doc: str
    params: list[DeclaredParameter]
    stop: Annotated[str | None, Field(description="The parameter that is its hard stop.")]
    orders: Annotated[
        int, Field(description="Orders of its own at a time; 0 answers with targets only.")
    ]
    compiled: Annotated[
        bool, Field(description="A plain Python step runs hundreds of times slower.")
    ]
    shipped: Annotated[
        bool, Field(description="Whether this installation's own code is this version.")
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class StrategyDetail(StrategySummary):
    """A strategy with its latest version."""

    latest: StrategyVersion | None


class ParameterSetRequest(Body):
    """Parameters to keep under a name: the next revision of it. Defaults may be left out."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[\w .+-]+$", examples=["calm"])
    params: dict[str, Real] = Field(max_length=50, examples=[{"fast": 24, "slow": 96}])
    version: str | None = Field(default=None, min_length=1, max_length=40, pattern=r"^[\w.+-]+$")
    note: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")


@router.get("", operation_id="listStrategies", responses=GUARDED)
def list_strategies(service: Served, who: Reader) -> list[StrategySummary]:
    """The strategies that you may use, by name."""
    with service.database.transaction() as tx:
        return [one for one in queries.strategies(tx) if _seen(one, who)]


@router.get("/{name}", operation_id="getStrategy", responses=GUARDED | problems(404))
def get_strategy(service: Served, who: Reader, name: Name) -> StrategyDetail:
    """One strategy, with what its latest version declares."""
    with service.database.transaction() as tx:
        found = _found(tx, who, name)
        known = queries.versions(tx, found.id)
    return extended(found, StrategyDetail, latest=_version(found, known[0]) if known else None)


@router.get(
    "/{name}/versions", operation_id="listStrategyVersions", responses=GUARDED | problems(404)
)
def list_versions(service: Served, who: Reader, name: Name) -> list[StrategyVersion]:
    """Every version of a strategy, the latest first."""
    with service.database.transaction() as tx:
        found = _found(tx, who, name)
        return [_version(found, one) for one in queries.versions(tx, found.id)]


@router.get("/{name}/params", operation_id="listStrategyParams", responses=GUARDED | problems(404))
def list_params(
    service: Served,
    who: Reader,
    name: Name,
    version: Text | None = None,
    named: Annotated[Text | None, Query(alias="set", description="Only of that set.")] = None,
    limit: Annotated[Whole, Query(ge=1, le=500)] = 100,
) -> list[ParameterSet]:
    """Revisions of parameter sets, the newest first: your own and the platform's."""
    reader = None if who.may(Permission.OVERVIEW) else who.user_id
    with service.database.transaction() as tx:
        found = _found(tx, who, name)
        return queries.parameter_sets(
            tx, found.id, reader=reader, version=version, name=named, limit=limit
        )


@router.post(
    "/{name}/params",
    operation_id="keepStrategyParams",
    status_code=201,
    response_model=ParameterSet,
    responses=GUARDED | problems(404, 409),
)
def keep(
    service: Served,
    who: Creator,
    name: Name,
    body: ParameterSetRequest,
    key: IdempotencyKey = None,
) -> Response:
    """Keep parameters under a name, as your set's next revision; they are checked first."""
    return write(
        service,
        who,
        "strategy-params",
        key,
        [name, wire(body)],
        lambda tx, now: keep_params(
            tx,
            Registrar(who.actor, now, who.user_id),
            name,
            body.name,
            body.params,
            version=body.version,
            note=body.note,
        ),
        status=201,
    )


def _seen(strategy: StrategySummary, who: Principal) -> bool:
    return who.may(Permission.OVERVIEW) or readable(strategy, who.user_id)


def _found(tx: Tx, who: Principal, name: str) -> StrategySummary:
    """The strategy, if who asks may see it: another's is as unknown as none."""
    if "\0" in name:
        raise queries.unknown_strategy(name)
    found = queries.strategy_named(tx, name)
    if not _seen(found, who):
        raise queries.unknown_strategy(name)
    return found


def _version(strategy: StrategySummary, one: Version) -> StrategyVersion:
    installed = catalogue().get(strategy.name)
    shipped = installed is not None and installed.source_hash == one.source_hash
    params = [DeclaredParameter(**each) for each in one.declaration["params"]]
    declared = {**one.declaration, "params": params}
    return extended(one, StrategyVersion, **declared, shipped=shipped)
