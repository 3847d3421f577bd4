"""Ability 9: the lines of a flow's stops follow its market and its own curve (002-14).

How far they lie in a usual market is the base: the last stops that somebody else set. From it
`risk.stop_lines` moves them by the average range, the deviation, the slope of the flow's equity and
the regime. Each move is a version of the flow's terms; what a position is protected by never moves
away from the price, unless `loosen` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.automation.model import Ability, Decision, Done, Evidence, Proposal, Seen, Terms
from commenda.automation.protecting import check, measure, require_version, undo
from commenda.automation.running import RANGE, Running, average_range, bars_of, running, stops_in
from commenda.copying import change_terms, versions_of
from commenda.kit.db import Tx
from commenda.kit.wire import Real
from commenda.ledger import Author
from commenda.risk import (
    Conditions,
    Trend,
    Volatility,
    factors,
    regimes,
    slope_t,
    stop_lines,
    stops_of,
)

NAME = "slide"
BARS = 300
"""Of the flow's own length, from which a regime is told: the long memory is warm by far."""
DAYS = 20
"""Of the leading book, for the slope of its curve."""


class SlideTerms(Terms):
    cooldown_hours: Annotated[Real, Field(ge=0, le=24 * 365)] = Field(
        default=1.0, description="Between two decisions about the same thing."
    )
    step: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.1, description="The part by which a line has to be elsewhere to be moved."
    )
    loosen: bool = Field(
        default=False,
        description="Whether the stop of a position that is held may move away from its price.",
    )


def look(tx: Tx, now: datetime, terms: Callable[[str | None], Terms | None]) -> Iterable[Seen]:
    for one, _ in running(tx, terms):
        bars = bars_of(tx, one.flow, now, BARS)
        width = average_range(bars, RANGE)
        if width is None or not one.stops:
            continue
        last = regimes([bar.close for bar in bars])[-1]
        evidence = {
            "version": one.terms.version,
            "stops": one.stops,
            "base": _base(tx, one),
            "price": bars[-1].close,
            "range": width,
            "deviation": last.deviation,
            "volatility": last.volatility,
            "trend": last.trend,
            "slope": slope_t(one.units[-DAYS:]),
            "side": (one.target > 0) - (one.target < 0),
        }
        yield Seen(
            "flow",
            str(one.flow.id),
            one.flow.title,
            one.flow.strategy,
            evidence,
            f"{one.terms.version}:{now.isoformat()}",
        )


def _base(tx: Tx, one: Running) -> Mapping[str, Any]:
    """The last stops that this ability did not set."""
    versions = versions_of(tx, one.flow.id)
    own = {
        row[0]
        for row in tx.execute(
            "SELECT id FROM decisions WHERE ability = %s AND id = ANY (%s)",
            (NAME, [version.cause for version in versions if version.cause is not None]),
        )
    }
    base = next(version for version in versions if version.cause not in own)
    return stops_in(one.flow, base)


def decide(evidence: Evidence, terms: SlideTerms) -> Proposal | None:
    """Move the lines where the nearest would be `step` elsewhere; nothing where none would."""
    now = _conditions(evidence)
    lines = stop_lines(evidence["base"], now)
    stand = evidence["stops"]
    far = max(
        (abs(lines[name] / stand[name] - 1.0) for name in lines if stand.get(name)), default=0.0
    )
    if far < terms.step:
        return None
    because = [
        {"code": "line_moved_by", "what": what, "times": times}
        for what, times in factors(now).items()
        if times != 1.0
    ]
    change = {"stops": lines, "version": evidence["version"], "loosen": terms.loosen}
    return Proposal("stops", change, because or [{"code": "back_to_base"}])


def _conditions(evidence: Evidence) -> Conditions:
    told = {each.name: evidence[each.name] for each in fields(Conditions)}
    states = {"volatility": Volatility(told["volatility"]), "trend": Trend(told["trend"])}
    return Conditions(**told | states)


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    flow_id, told = UUID(decision.target), decision.change
    require_version(tx, flow_id, told["version"])
    version = change_terms(
        tx,
        author,
        flow_id,
        stops=stops_of(told["stops"]),
        reason=decision.ability,
        cause=decision.id,
        loosen=told["loosen"],
    )
    return Done([("flow_terms", f"{flow_id}:{version}")], {"version": version})


SLIDE = Ability(
    name=NAME,
    number=9,
    about="Move the lines of stops with the market's regime and the flow's own curve.",
    rule="slide/1",
    cron="*/15 * * * *",
    look=look,
    decide=decide,
    check=check,
    act=act,
    undo=undo,
    measure=measure,
    terms=SlideTerms,
    after=timedelta(days=1),
    budget=500,
    opens=False,
)
