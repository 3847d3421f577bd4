"""Strategies over HTTP: what is registered, its versions, and named sets of parameters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    Answer,
    Body,
    IdempotencyKey,
    Served,
    answer_once,
    or_refused,
    problems,
    wire,
)
from commenda.strategies import queries
from commenda.strategies.queries import ParameterSet, Registered, Version
from commenda.strategies.registry import Registrar, Status, keep_params, readable
from commenda.strategies.shipped import catalogue

router = APIRouter(prefix="/strategies", tags=["strategies"])

Reader = Annotated[Principal, may(Permission.SHARE, Permission.OVERVIEW)]
"""Creators see the platform's and their own; the staff sees all."""
Creator = Annotated[Principal, may(Permission.SHARE)]
Name = Annotated[str, Path(min_length=1, max_length=80, examples=["ema_trend"])]
Text = Annotated[str, Query(min_length=1, max_length=80, pattern=r"^[^\x00]*$")]


class StrategySummary(Body):
    """A strategy that is known by name. `owner` is null for the platform's."""

    name: str = Field(examples=["ema_trend"])
    owner_id: UUID | None
    status: Status
    latest_version: str | None = Field(examples=["1.0.0"])
    created_by: str
    created_at: datetime


class DeclaredParameter(Body):
    """A parameter with its range; `kind` int takes whole numbers only."""

    name: str
    default: float
    low: float
    high: float
    kind: str = Field(examples=["int"])


class StrategyVersion(Body):
    """One version: it never changes."""

    version: str = Field(examples=["1.0.0"])
    source_hash: str = Field(description="SHA-256 of the step, its stops and all they call.")
    doc: str
    params: list[DeclaredParameter]
    stop: str | None = Field(description="The parameter that is its hard stop.")
    orders: int = Field(description="Orders of its own at a time; 0 answers with targets only.")
    compiled: bool = Field(description="A plain Python step runs hundreds of times slower.")
    shipped: bool = Field(description="Whether this installation's own code is this version.")
    created_by: str
    created_at: datetime


class StrategyDetail(StrategySummary):
    """A strategy with its latest version."""

    latest: StrategyVersion | None


class ParameterSetView(Body):
    """A revision of a named set of parameters; every parameter is in it, defaults included."""

    id: UUID
    version: str
    owner_id: UUID | None
    name: str
    revision: int
    params: dict[str, float]
    note: str
    created_by: str
    created_at: datetime


class ParameterSetRequest(Body):
    """Parameters to keep under a name: the next revision of it. Defaults may be left out."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[\w .+-]+$", examples=["calm"])
    params: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(
        max_length=50, examples=[{"fast": 24, "slow": 96}]
    )
    version: str | None = Field(default=None, min_length=1, max_length=40, pattern=r"^[\w.+-]+$")
    note: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")


@router.get("", operation_id="listStrategies", responses=GUARDED)
def list_strategies(service: Served, who: Reader) -> list[StrategySummary]:
    """The strategies that you may use, by name."""
    with service.database.transaction() as tx:
        latest = queries.latest_versions(tx)
        found = [one for one in queries.strategies(tx) if _seen(one, who)]
    return [_summary(one, latest.get(one.id)) for one in found]


@router.get("/{name}", operation_id="getStrategy", responses=GUARDED | problems(404))
def get_strategy(service: Served, who: Reader, name: Name) -> StrategyDetail:
    """One strategy, with what its latest version declares."""
    with service.database.transaction() as tx:
        found = _found(tx, who, name)
        known = queries.versions(tx, found.id)
    latest = _version(found, known[0]) if known else None
    summary = _summary(found, latest.version if latest else None)
    return StrategyDetail(**summary.model_dump(), latest=latest)


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
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[ParameterSetView]:
    """Revisions of parameter sets, the newest first: your own and the platform's."""
    reader = None if who.may(Permission.OVERVIEW) else who.user_id
    with service.database.transaction() as tx:
        found = _found(tx, who, name)
        kept = queries.parameter_sets(
            tx, found.id, reader=reader, version=version, name=named, limit=limit
        )
    return [_set(one) for one in kept]


@router.post(
    "/{name}/params",
    operation_id="keepStrategyParams",
    status_code=201,
    response_model=ParameterSetView,
    responses=GUARDED | problems(404, 409),
)
def keep(
    service: Served,
    who: Creator,
    name: Name,
    body: ParameterSetRequest,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Keep parameters under a name, as your set's next revision; they are checked first."""
    with service.database.transaction() as tx:
        now = business_now(tx)

        def act() -> Answer:
            by = Registrar(who.actor, now, who.user_id)
            kept = keep_params(
                tx, by, name, body.name, body.params, version=body.version, note=body.note
            )
            return Answer(wire(_set(kept)), 201)

        request = [name, wire(body)]
        return answer_once(
            tx, "strategy-params", str(who.user_id), key, request, now, lambda: or_refused(tx, act)
        )


def _seen(strategy: Registered, who: Principal) -> bool:
    return who.may(Permission.OVERVIEW) or readable(strategy, who.user_id)


def _found(tx: Tx, who: Principal, name: str) -> Registered:
    """The strategy, if who asks may see it: another's is as unknown as none."""
    if "\0" in name:
        raise queries.unknown_strategy(name)
    found = queries.strategy_named(tx, name)
    if not _seen(found, who):
        raise queries.unknown_strategy(name)
    return found


def _summary(one: Registered, latest: str | None) -> StrategySummary:
    return StrategySummary(
        name=one.name,
        owner_id=one.owner_id,
        status=Status(one.status),
        latest_version=latest,
        created_by=one.created_by,
        created_at=one.created_at,
    )


def _version(strategy: Registered, one: Version) -> StrategyVersion:
    shipped = catalogue().get(strategy.name)
    return StrategyVersion(
        version=one.version,
        source_hash=one.source_hash,
        doc=one.declaration["doc"],
        params=[DeclaredParameter(**each) for each in one.declaration["params"]],
        stop=one.declaration["stop"],
        orders=one.declaration["orders"],
        compiled=one.declaration["compiled"],
        shipped=shipped is not None and shipped.source_hash == one.source_hash,
        created_by=one.created_by,
        created_at=one.created_at,
    )


def _set(one: ParameterSet) -> ParameterSetView:
    return ParameterSetView.model_validate(one, from_attributes=True)
