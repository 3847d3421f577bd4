"""The fault panel over HTTP: what goes wrong, on purpose, at the exchange that a demo trades at.

There only while the site runs on one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from commenda.audit import record
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit import ids
from commenda.kit.clock import business_now
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.web import GUARDED, Body, Served, Service, problems, routes
from commenda.kit.wire import on_wire
from commenda.ledger import Author
from commenda.venues import RULES, Simulator, VenueUnavailable

router = routes("simulator", "/simulator")
Staff = Annotated[Principal, may(Permission.OVERVIEW)]
Keeper = Annotated[Principal, may(Permission.VENUES)]
_CAUSE = "simulator"


class SimulatedFault(Body):
    """One row of the script of what goes wrong."""

    kind: Annotated[str, Field(max_length=40, examples=["lost_answer"])]
    matches: Annotated[
        str,
        Field(
            max_length=100,
            description="Of a request's method and path, or of a stream's name; empty: all.",
            examples=["POST /fapi/v1/order"],
        ),
    ] = ""
    chance: Annotated[float, Field(gt=0, le=1)] = 1.0
    times: Annotated[
        int | None, Field(ge=0, le=1_000_000, description="How often it is still to strike.")
    ] = None
    milliseconds: Annotated[int, Field(ge=0, le=600_000)] = 0


class SimulatedFaults(Body):
    """What is to go wrong from now on, in place of what did."""

    faults: Annotated[list[SimulatedFault], Field(max_length=50)]


@on_wire
@dataclass(frozen=True, slots=True)
class FaultKind:
    """A fault that there is."""

    kind: str
    does: Annotated[str, Field(examples=["answer 503 to everything"])]
    struck: int
    """How often it did so far."""


@on_wire
@dataclass(frozen=True, slots=True)
class SimulatedPosition:
    symbol: str
    side: str
    quantity: Decimal
    mark: Decimal
    unrealised: Decimal


@on_wire
@dataclass(frozen=True, slots=True)
class SimulatedAccount:
    name: str
    wallet: Decimal
    open: int
    """Orders that rest."""
    positions: list[SimulatedPosition]


@on_wire
@dataclass(frozen=True, slots=True)
class SimulatorView:
    """The exchange as it sees itself."""

    now: datetime
    """By its own clock."""
    fund: Decimal
    """Its insurance fund."""
    accounts: list[SimulatedAccount]
    kinds: list[FaultKind]
    faults: list[SimulatedFault]


@router.get("", operation_id="getSimulator", responses=GUARDED | problems(404, 503))
def get_simulator(service: Served, _who: Staff) -> SimulatorView:
    """What goes wrong at the exchange of this site, how often it struck, and what it has."""
    exchange = _simulator(service)
    return _view(_asked(exchange, "GET", "view"), _asked(exchange, "GET", "faults"))


@router.put("/faults", operation_id="setFaults", responses=GUARDED | problems(404, 422, 503))
def set_faults(service: Served, who: Keeper, body: SimulatedFaults) -> SimulatorView:
    """Let these faults strike from now on, and no others."""
    exchange = _simulator(service)
    rows = [one.model_dump() for one in body.faults]
    told = _asked(exchange, "PUT", "faults", {"faults": rows})
    with service.database.transaction() as tx:
        author = Author(who.actor, RULES, business_now(tx))
        cause = ids.derive(_CAUSE, exchange.address)
        event = author.event("simulator.faults", _CAUSE, cause, "set", {"faults": rows})
        record(tx, [event])
    return _view(_asked(exchange, "GET", "view"), told)


def _simulator(service: Service) -> Simulator:
    address = service.settings.demo_exchange
    if address is None:
        raise not_found("no_simulator", "This site trades at no exchange of its own").at(
            "simulator", hint="start the demo with --venue exchange"
        )
    return Simulator.of(address, service.keys)


def _asked(exchange: Simulator, method: str, what: str, told: Any = None) -> Any:
    try:
        return exchange.ask(method, what, told)
    except VenueUnavailable as error:
        raise CommendaError("simulator_away", str(error), status=503).at(
            "simulator", exchange.address, "it is being started again: try in a few seconds"
        ) from error


def _view(seen: Any, script: Any) -> SimulatorView:
    struck = script["struck"]
    return SimulatorView(
        datetime.fromtimestamp(seen["now"] / 1000, UTC),
        Decimal(seen["fund"]),
        [_account(one) for one in seen["accounts"]],
        [FaultKind(kind, does, struck.get(kind, 0)) for kind, does in script["known"].items()],
        [SimulatedFault(**one) for one in script["faults"]],
    )


def _account(told: Any) -> SimulatedAccount:
    held = [
        SimulatedPosition(
            one["symbol"],
            one["side"],
            *(Decimal(one[name]) for name in ("quantity", "mark", "unrealised")),
        )
        for one in told["positions"]
    ]
    return SimulatedAccount(told["name"], Decimal(told["wallet"]), told["open"], held)
