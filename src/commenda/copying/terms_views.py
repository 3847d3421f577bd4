"""A flow's terms as people see them: which it trades by, which before, and where its stops lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.copying.model import INPUTS
from commenda.copying.queries import find_flow, unknown_flow
from commenda.copying.runner import load_runner
from commenda.copying.terms import versions_of
from commenda.kernel import LAYERS, Costs, StopLine, layer_lines, stop_line
from commenda.kit.db import Tx
from commenda.kit.wire import Amount, Real, on_wire, one_of
from commenda.risk import StopSet
from commenda.strategies import costs_of

Layer = Annotated[str, one_of(LAYERS[1:])]


@on_wire
@dataclass(frozen=True, slots=True)
class Stop:
    """One protective stop: its rule, where its price lies, and out of what."""

    layer: Layer
    level: Annotated[Amount | None, Field(description="Null: it has no price, as of bars held.")]
    inputs: Annotated[
        dict[str, Amount],
        Field(examples=[{"extreme": "106", "atr": "1"}], description="What the level is made of."),
    ]


@on_wire
@dataclass(frozen=True, slots=True)
class FlowTermsVersion:
    """A version of what a flow trades by. Null stops are those that the strategy declares."""

    version: int
    params: dict[str, Real]
    stops: StopSet | None
    template: Annotated[
        str | None, Field(description="The template and version they are of.", examples=["usual/1"])
    ]
    loosen: bool
    since: datetime
    began_at: Annotated[
        datetime | None,
        Field(description="When the first bar closed that was taken under it; null: none was."),
    ]
    set_by: str
    reason: str
    cause: Annotated[UUID | None, Field(description="The automatic decision that led to it.")]


@on_wire
@dataclass(frozen=True, slots=True)
class FlowTermsNow:
    """What a flow trades by, and where its own account's stops lie for the next bar."""

    flow_id: UUID
    strategy: str
    version: int
    as_of: Annotated[datetime | None, Field(description="When the last bar closed that it took.")]
    quantity: Annotated[Amount, Field(description="Of its own account: 0 is out of the market.")]
    entry: Amount | None
    tightest: Annotated[Stop | None, Field(description="Which the next bar would meet first.")]
    lines: Annotated[list[Stop], Field(description="Each rule's, while something is held.")]
    versions: Annotated[list[FlowTermsVersion], Field(description="The latest first.")]


def terms_now(tx: Tx, flow_id: UUID, creator: UUID | None = None) -> FlowTermsNow:
    """A flow's terms, of a `creator`'s where one is named; code `unknown_flow`."""
    flow = find_flow(tx, flow_id)
    if creator not in (None, flow.creator_id):
        raise unknown_flow(flow_id)
    row = tx.execute(
        "SELECT f.runner_costs, f.last_bar_at + make_interval(secs => coalesce(f.interval_seconds,"
        "  (SELECT interval_seconds FROM market_bars WHERE instrument_id = f.instrument_id"
        "   ORDER BY ts DESC LIMIT 1), 0)) FROM shared_flows f WHERE f.id = %s",
        (flow_id,),
    ).fetchone()
    assert row is not None, "it was just found"
    costs = Costs() if row[0] is None else costs_of(dict(row[0]))
    stepper = load_runner(tx, flow, costs).stepper
    tightest = stop_line(stepper)
    held = stepper.quantity
    versions = versions_of(tx, flow_id)
    return FlowTermsNow(
        flow_id,
        flow.strategy,
        versions[0].version,
        row[1],
        _exact(held),
        _exact(stepper.entry_price) if held else None,
        None if tightest is None else _stop(tightest),
        [_stop(one) for one in layer_lines(stepper)],
        [
            FlowTermsVersion(
                one.version,
                dict(one.params),
                None if one.stops is None else dict(one.stops),
                one.template,
                one.loosen,
                one.since,
                one.began_at,
                one.set_by,
                one.reason,
                one.cause,
            )
            for one in versions
        ],
    )


def stop_of(said: dict[str, Any] | None) -> Stop | None:
    """A stop as it is kept with a signal."""
    if said is None:
        return None
    level = said["level"]
    inputs = {name: Decimal(value) for name, value in said["inputs"].items()}
    return Stop(said["layer"], None if level is None else Decimal(level), inputs)


def _stop(line: StopLine) -> Stop:
    inputs = zip(INPUTS[line.layer], (line.first, line.second), strict=True)
    known = {name: _exact(value) for name, value in inputs if value == value}
    return Stop(line.layer, _exact(line.price) if line.price == line.price else None, known)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
