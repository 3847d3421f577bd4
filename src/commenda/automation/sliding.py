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

from pydantic import Field

from commenda.automation.flow_terms import set_stops
from commenda.automation.model import Ability, Decision, Done, Evidence, Proposal, Seen, Terms
from commenda.automation.protecting import check, measure, undo
from commenda.automation.running import (
    RANGE,
    Running,
    average_range,
    bars_of,
    running,
    stops_in,
    target_of,
    units_of,
)
from commenda.kit.db import Tx
from commenda.kit.wire import Real
from commenda.ledger import Author
from commenda.market import Bar
from commenda.risk import (
    Conditions,
    Regime,
    Trend,
    Volatility,
    factors,
    regimes,
    slope_t,
    stop_lines,
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
    seen: dict[tuple[int, int | None], tuple[list[Bar], Regime] | None] = {}
    for one, _ in running(tx, terms):
        if not one.stops:
            continue
        market = one.flow.instrument_id, one.flow.interval_seconds
        if market not in seen:  # many flows trade one
            bars = bars_of(tx, one.flow, now, BARS)
            seen[market] = (bars, regimes([bar.close for bar in bars])[-1]) if bars else None
        found = seen[market]
        width = None if found is None else average_range(found[0], RANGE)
        if found is None or width is None:
            continue
        bars, last = found
        target = target_of(tx, one.flow)
        evidence = {
            "version": one.terms.version,
            "stops": one.stops,
            "base": _base(tx, one),
            "price": bars[-1].close,
            "range": width,
            "deviation": last.deviation,
            "volatility": last.volatility,
            "trend": last.trend,
            "slope": slope_t(units_of(tx, one.flow)[-DAYS:]),
            "side": (target > 0) - (target < 0),
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
    own = {
        row[0]
        for row in tx.execute(
            "SELECT id FROM decisions WHERE ability = %s AND id = ANY (%s)",
            (NAME, [version.cause for version in one.versions if version.cause is not None]),
        )
    }
    base = next(version for version in one.versions if version.cause not in own)
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
    return set_stops(tx, author, decision, loosen=decision.change["loosen"])


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
