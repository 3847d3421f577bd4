"""Abilities 1 and 6: searches for better parameters of the flows that trade (002-06, 002-11).

Ability 1 begins one where a flow's own record is weak, ability 6 by the calendar and where
something happened: another version, another regime, bars after a hole. Both begin the same search:
a study over the market's own stored bars with a walk forward, about the parameters that trade, in a
process of its own that stands behind trading. What it may use is fixed by the decision: the
parameters, the space, the seed, and bars that had closed when it was made. A study changes nothing
that trades; its verdict is the effect, and ability 2 goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from commenda.automation.model import (
    Ability,
    Decision,
    Done,
    Evidence,
    Proposal,
    Seen,
    Terms,
)
from commenda.automation.searches import (
    SearchedFlow,
    daily_closes,
    hole_ended,
    ranges_of,
    record_of,
    running_search,
    searchable_flows,
    stored_span,
    study_begun_by,
)
from commenda.automation.weakness import (
    due_by_calendar,
    regime_changed,
    seed_of,
    space_around,
    weaknesses,
)
from commenda.copying import find_flow, versions_of
from commenda.kernel import Costs
from commenda.kit.db import Tx
from commenda.kit.errors import conflict
from commenda.kit.times import iso
from commenda.kit.wire import Real, Whole
from commenda.ledger import Author
from commenda.strategies import Strategy, costs_of
from commenda.studies import (
    MarketSearch,
    Plan,
    Sampler,
    Study,
    StudyState,
    WalkForward,
    cancel,
    find_study,
    out_of_sample,
    search_market,
)

ASKED_BY = "automation"
"""Who asked for a study, where the machine did."""
LATELY = timedelta(days=2)
"""So long something that happened is a reason to search."""
REGIME_DAYS = 180
"""Of daily closes, from which a regime is told: the long memory is warm by far."""


class SearchTerms(Terms):
    """How a search is made."""

    window_days: Annotated[Real, Field(gt=0, le=3_660)] = Field(
        default=90.0, description="Of stored bars, up to the last that has closed."
    )
    least_bars: Annotated[Whole, Field(ge=100, le=2_000_000)] = Field(
        default=1_000, description="In the window; with fewer nothing is searched."
    )
    trials: Annotated[Whole, Field(ge=1, le=20_000)] = Field(
        default=100, description="Configurations that are tried."
    )
    folds: Annotated[Whole, Field(ge=2, le=50)] = Field(
        default=5, description="Of the rolling walk forward."
    )
    spread: Annotated[Real, Field(gt=1, le=100)] = Field(
        default=2.0,
        description="Each parameter is searched from its value over this to its value times this.",
    )


class OptimiseTerms(SearchTerms):
    days: Annotated[Whole, Field(ge=2, le=3_660)] = Field(
        default=90, description="Of the flow's own daily record that are looked at."
    )
    least_days: Annotated[Whole, Field(ge=2, le=3_660)] = Field(
        default=20, description="Of record, below which nothing is said of it."
    )
    sharpe: Real = Field(default=0.5, description="Annual Sharpe ratio below which it is weak.")
    drawdown: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=0.2, description="Deepest drawdown above which it is weak."
    )
    high_days: Annotated[Whole, Field(ge=1, le=3_660)] = Field(
        default=30, description="Days without a new high from which on it is weak."
    )
    quantile: Annotated[Real, Field(ge=0, le=1)] = Field(
        default=0.05, description="Of its own earlier returns, below which the last one is weak."
    )
    span_days: Annotated[Whole, Field(ge=1, le=366)] = Field(
        default=7, description="Over which these returns are taken."
    )
    daily: bool = Field(
        default=False, description="Whether to search every day, however strong the record is."
    )


class CalendarTerms(SearchTerms):
    cooldown_hours: Annotated[Real, Field(ge=0, le=24 * 365)] = Field(
        default=72.0, description="Between two decisions about the same thing."
    )
    rhythm: Literal["none", "daily", "weekly", "monthly"] = Field(
        default="weekly", description="How often to search, whatever happens: none is never."
    )
    weekday: Annotated[Whole, Field(ge=0, le=6)] = Field(
        default=6, description="Of a weekly search: 0 is Monday."
    )
    events: bool = Field(
        default=True,
        description="Whether to search after another version, another regime, or a hole in bars.",
    )


# --- What is seen ------------------------------------------------------------------------------

TermsFor = Callable[[str | None], Terms | None]


def look(tx: Tx, now: datetime, terms: TermsFor) -> Iterable[Seen]:
    """Every flow that can be searched, with its record."""
    for flow, strategy in searchable_flows(tx):
        told = terms(flow.strategy)
        if isinstance(told, OptimiseTerms) and (base := _evidence(tx, flow, strategy, now, told)):
            _, record = record_of(tx, flow.id, now, told.days)
            yield _seen(flow, base | {"record": record}, f"{now:%Y-%m-%d}")


def look_at_calendar(tx: Tx, now: datetime, terms: TermsFor) -> Iterable[Seen]:
    """Every flow that can be searched, once for each reason: a date, or something that happened."""
    for flow, strategy in searchable_flows(tx):
        told = terms(flow.strategy)
        if not isinstance(told, CalendarTerms):
            continue
        base = _evidence(tx, flow, strategy, now, told)
        for key, event in _events(tx, flow, now, told) if base else ():
            yield _seen(flow, (base or {}) | {"event": event}, key)


def _seen(flow: SearchedFlow, evidence: dict[str, Any], key: str) -> Seen:
    return Seen("flow", str(flow.id), flow.title, flow.strategy, evidence, key)


def _evidence(
    tx: Tx, flow: SearchedFlow, strategy: Strategy, now: datetime, terms: SearchTerms
) -> dict[str, Any] | None:
    """What both rules are told of a flow; None where no bars of it are stored."""
    span = stored_span(tx, flow, now, terms.window_days)
    if span is None:
        return None
    return {
        "flow": flow.id,
        "strategy": flow.strategy,
        "strategyVersion": strategy.version,
        "params": dict(flow.params),
        "termsVersion": flow.terms_version,
        "ranges": ranges_of(strategy),
        "instrument": flow.instrument_id,
        "symbol": flow.symbol,
        "interval": flow.interval,
        "costs": flow.costs,
        "since": iso(span[0]),
        "until": iso(span[1]),
        "bars": span[2],
    }


def _events(
    tx: Tx, flow: SearchedFlow, now: datetime, terms: CalendarTerms
) -> Iterable[tuple[str, dict[str, Any]]]:
    """(what names it, what it is) of each reason to search that there is now."""
    due = due_by_calendar(terms.rhythm, terms.weekday, now)
    if due is not None:
        yield due, {"code": "by_calendar", "rhythm": terms.rhythm, "due": due}
    if not terms.events:
        return
    since, _ = record_of(tx, flow.id, now, 0)
    if since.version > 1 and now - since.since <= LATELY:
        version = since.version
        yield f"version:{version}", {"code": "new_version", "version": version}
    hole = hole_ended(tx, flow, now, LATELY)
    if hole is not None:
        gap = {"code": "bars_after_hole", "from": iso(hole[0]), "until": iso(hole[1])}
        yield f"hole:{gap['until']}", gap
    moved = regime_changed(daily_closes(tx, flow, now, REGIME_DAYS))
    if moved is not None:
        yield f"regime:{now:%Y-%m-%d}", moved


# --- What is decided ---------------------------------------------------------------------------


def decide(evidence: Evidence, terms: OptimiseTerms) -> Proposal | None:
    """Search where the record is weak in any way, or each day where that is wanted."""
    because = list(weaknesses(evidence["record"], terms))
    if terms.daily:
        because.append({"code": "daily"})
    return _search(evidence, terms, because)


def decide_by_calendar(evidence: Evidence, terms: CalendarTerms) -> Proposal | None:
    """Search for whatever is due or happened."""
    return _search(evidence, terms, [dict(evidence["event"])])


def _search(
    evidence: Evidence, terms: SearchTerms, because: list[dict[str, Any]]
) -> Proposal | None:
    if not because or evidence["bars"] < terms.least_bars:
        return None
    params: Mapping[str, float] = evidence["params"]
    space = space_around(evidence["ranges"], params, terms.spread)
    if not space:
        return None
    named = ("strategy", "strategyVersion", "termsVersion", "instrument", "symbol", "interval")
    change = {name: evidence[name] for name in (*named, "costs", "since", "until")}
    change |= {
        "incumbent": dict(params),
        "space": space,
        "fixed": {name: value for name, value in params.items() if name not in space},
        "trials": terms.trials,
        "folds": terms.folds,
        "seed": seed_of(evidence["flow"], evidence["until"]),
    }
    return Proposal("search", change, because)


# --- What is done ------------------------------------------------------------------------------


def check(tx: Tx, _now: datetime, decision: Decision) -> None:
    """Codes `flow_closed`, `terms_changed` (the flow trades by others since then) and
    `search_runs`."""
    # Both abilities may decide about a flow at once, and another version may be given to it.
    tx.execute("SELECT FROM shared_flows WHERE id = %s FOR NO KEY UPDATE", (decision.target,))
    flow = find_flow(tx, UUID(decision.target))
    if flow.status == "closed":
        raise conflict("flow_closed", "This flow was closed for good").at(
            "flowId", flow.id, "share a new one"
        )
    version = versions_of(tx, flow.id)[0].version
    if version != decision.change["termsVersion"]:
        raise conflict("terms_changed", "This flow trades by other terms since then").at(
            "termsVersion", version, "decide anew about the terms that stand"
        )
    running = running_search(tx, decision.target)
    if running is not None:
        raise conflict("search_runs", "This flow's parameters are being searched").at(
            "studyId", running, "wait for its verdict, or cancel it"
        )


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    """Begin the study; a worker runs it in a process of its own."""
    study = search_market(tx, search_of(decision), ASKED_BY, author.now)
    return Done([("study", study.id)], {"studyId": study.id, "bars": study.bars})


def search_of(decision: Decision) -> MarketSearch:
    """The search that a decision fixed."""
    told = decision.change
    plan = Plan(
        sampler=Sampler.TPE,
        trials=told["trials"],
        walk=WalkForward(folds=told["folds"]),
        seed=told["seed"],
        costs=Costs() if told["costs"] is None else costs_of(told["costs"]),
    )
    return MarketSearch(
        strategy=told["strategy"],
        instrument_id=told["instrument"],
        interval=timedelta(seconds=told["interval"]),
        since=datetime.fromisoformat(told["since"]),
        until=datetime.fromisoformat(told["until"]),
        space=told["space"],
        fixed=told["fixed"],
        plan=plan,
    )


def undo(tx: Tx, author: Author, decision: Decision) -> Done:
    """Stop the study after its present batch; code `search_ended` where it does not run any more:
    what it tried stays in the ledger, and it changed nothing."""
    study = _study(tx, decision)
    if not cancel(tx, study.id, author.now, f"taken back by {author.actor}"):
        raise conflict("search_ended", "This study has ended, and changed nothing that trades").at(
            "state", study.state, "there is nothing to take back"
        )
    return Done([], {"studyId": study.id})


def _study(tx: Tx, decision: Decision) -> Study:
    begun = study_begun_by(tx, decision.id)
    study = None if begun is None else find_study(tx, begun)
    assert study is not None, "it was begun with the decision"
    return study


def measure(tx: Tx, _now: datetime, decision: Decision) -> Mapping[str, Any] | None:
    """The verdict of the study, and its choice against the incumbent out of sample; None while it
    runs."""
    study = _study(tx, decision)
    if study.state is StudyState.RUNNING:
        return None
    said = {"studyId": study.id, "state": study.state, "reason": study.reason}
    if study.result is None:
        return said
    result = study.result
    findings = {one["test"]: one["value"] for one in result["findings"]}
    against = out_of_sample(tx, study, decision.change["incumbent"])
    known = None not in (against.chosen, against.incumbent)
    return said | {
        "verdict": result["verdict"],
        "bestParams": result["best"]["params"],
        "deflatedSharpe": findings.get("deflated_sharpe"),
        "overfitting": findings.get("overfitting"),
        "plateau": findings.get("plateau"),
        "efficiency": findings.get("efficiency"),
        "interval": result["evidence"]["interval"],
        "configurations": result["evidence"]["configurations"],
        "outOfSample": against.chosen,
        "incumbent": against.incumbent,
        "difference": (against.chosen or 0.0) - (against.incumbent or 0.0) if known else None,
    }


_SEARCH = partial(
    Ability,
    cron="10 0 * * *",
    act=act,
    measure=measure,
    undo=undo,
    check=check,
    after=timedelta(0),
    budget=5,
    opens=False,
)

OPTIMISE = _SEARCH(
    name="optimise",
    number=1,
    about="Search for better parameters where a flow's record is weak.",
    rule="optimise/1",
    look=look,
    decide=decide,
    terms=OptimiseTerms,
    wakes=("risk.open",),
)

CALENDAR = _SEARCH(
    name="calendar",
    number=6,
    about="Search for better parameters by the calendar, and when something changed.",
    rule="calendar/1",
    look=look_at_calendar,
    decide=decide_by_calendar,
    terms=CalendarTerms,
    wakes=("flow.terms_changed", "market.imported"),
)
