"""Ability 5: every running flow has stops in every layer, and they agree with each other (002-10).

Four layers watch a position, each wider than the one before: the strategy's own, the trailing one,
the equity curve's, the account's. A flow that lacks some is given those of a shipped or house
template, chosen by how wide its market's bars are; what the flow has stays. Between layers: the
account's stop lies within the tightest limit of drawdown over the flow, so that the book stops
itself before a breaker has to, and the equity curve's lies within the account's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from commenda.automation.flow_terms import return_since, set_stops, take_back
from commenda.automation.model import Ability, Decision, Done, Evidence, Proposal, Seen, Terms
from commenda.automation.running import (
    RANGE,
    average_range,
    bars_of,
    running,
    tightest_fall,
)
from commenda.copying import find_flow, must_be_automatic
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.wire import Real
from commenda.ledger import Author
from commenda.risk import find_template, stop_templates

LAYERS: Final[Mapping[str, tuple[str, ...]]] = {
    "strategy": ("fraction", "atr", "volatility", "bars"),
    "trailing": ("chandelier", "sar_step"),
    "equity_curve": ("curve_drawdown",),
    "account": ("account_loss",),
}
"""The stops of each layer; one of them is enough."""
WITH: Final[Mapping[str, tuple[str, ...]]] = {
    "atr": ("atr_length",),
    "volatility": ("volatility_decay",),
    "chandelier": ("chandelier_length",),
    "sar_step": ("sar_most",),
    "curve_drawdown": ("curve_bars",),
}
"""What belongs to a stop."""
WITHIN = 0.8
"""Of the limit of drawdown and of the account's stop: what lies inside has to come first."""


class ProtectTerms(Terms):
    calm: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.003, description="An average range below it takes the tight template."
    )
    wild: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.01, description="An average range above it takes the wide template."
    )


def look(tx: Tx, now: datetime, terms: Callable[[str | None], Terms | None]) -> Iterable[Seen]:
    templates = {one.name: one.stops for one in stop_templates(tx)}
    for one, _ in running(tx, terms):
        fall = tightest_fall(tx, one.flow)
        evidence = {
            "version": one.terms.version,
            "stops": one.stops,
            "range": average_range(bars_of(tx, one.flow, now, RANGE + 1), RANGE),
            "drawdownLimit": fall and fall.amount,
            "limitId": fall and fall.id,
            "templates": templates,
        }
        yield Seen(
            "flow",
            str(one.flow.id),
            one.flow.title,
            one.flow.strategy,
            evidence,
            f"{one.terms.version}:{now.isoformat()}",
        )


def decide(evidence: Evidence, terms: ProtectTerms) -> Proposal | None:
    """Add what is missing, from the template for this market; nothing where nothing is."""
    stops, width = dict(evidence["stops"]), evidence["range"]
    missing = [
        layer for layer, names in LAYERS.items() if not any(stops.get(name) for name in names)
    ]
    if not missing or width is None:
        return None
    named = "tight" if width < terms.calm else "wide" if width > terms.wild else "usual"
    given = evidence["templates"].get(named)
    if given is None:
        return None
    for layer in missing:
        for name in LAYERS[layer]:
            if given.get(name):
                for part in (name, *WITH.get(name, ())):
                    if part in given:
                        stops[part] = given[part]
    _agree(stops, evidence["drawdownLimit"])
    because = [{"code": "layer_missing", "layer": layer} for layer in missing]
    because.append({"code": "range_of_market", "range": width, "template": named})
    return Proposal(
        "stops",
        {"stops": stops, "template": named, "version": evidence["version"], "layers": missing},
        because,
    )


def _agree(stops: dict[str, Any], limit: str | None) -> None:
    """Let the account's stop lie within the limit, and the equity curve's within the account's."""
    if limit is not None and stops.get("account_loss"):
        stops["account_loss"] = min(stops["account_loss"], round(WITHIN * float(limit), 6))
    if stops.get("account_loss") and stops.get("curve_drawdown"):
        inside = round(WITHIN * stops["account_loss"], 6)
        stops["curve_drawdown"] = min(stops["curve_drawdown"], inside)


def check(tx: Tx, _now: datetime, decision: Decision) -> None:
    """Codes `not_automatic`; `past_limit` where a limit in force now is tighter than the account's
    stop."""
    flow = find_flow(tx, UUID(decision.target))
    must_be_automatic(flow)
    fall = tightest_fall(tx, flow)
    loss = decision.change["stops"].get("account_loss")
    if fall is not None and loss is not None and loss > fall.amount:
        raise CommendaError("past_limit", f"The limit {fall.id} is tighter").at(
            "account_loss", loss, f"at most {fall.amount}: have it decided anew"
        )


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    named = decision.change["template"]
    template = f"{named}/{find_template(tx, named).version}"
    return set_stops(tx, author, decision, template=template)


def undo(tx: Tx, author: Author, decision: Decision) -> Done:
    """Back to the terms that the flow had; the stops of a position that is held may widen."""
    before = int(decision.change["version"])
    return take_back(tx, author, decision, UUID(decision.target), before, loosen=True)


def measure(tx: Tx, _now: datetime, decision: Decision) -> Mapping[str, Any] | None:
    """Which stops have ended positions since, and what became of a unit of the leading book."""
    fired = tx.execute(
        "SELECT coalesce(stop ->> 'layer', 'unnamed'), count(*) FROM trading_signals"
        " WHERE flow_id = %s AND created_at >= %s AND stop IS NOT NULL GROUP BY 1"
        " ORDER BY 1",
        (decision.target, decision.acted_at),
    ).fetchall()
    return {
        "fired": {str(layer): count for layer, count in fired},
        "return": return_since(tx, UUID(decision.target), decision.acted_at),
    }


PROTECT = Ability(
    name="protect",
    number=5,
    about="Give every flow stops in every layer, which agree with each other.",
    rule="protect/1",
    cron="10 * * * *",
    look=look,
    decide=decide,
    check=check,
    act=act,
    undo=undo,
    measure=measure,
    terms=ProtectTerms,
    after=timedelta(days=1),
    budget=100,
    opens=False,
)
