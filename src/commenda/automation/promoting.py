"""Ability 2: what a study found trades for everybody once it has shown that it is better (002-07).

    study -> verdict, risk check -> canary with a part of the capital -> sequential test
          -> all of the capital, or back

Two decisions, the second caused by the first, the first by the search: a canary begins where the
verdict on the study is `promote` and its choice beat the incumbent out of sample; it ends where the
paired returns of both flows say which is better (`sequential`), where it lost too much, or where
its time is over. Only the better takes the incumbent's place, as another version of its terms; that
is taken back by the version before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, LiteralString
from uuid import UUID

from pydantic import Field

from commenda.automation.canaries import (
    Canary,
    begin_canary,
    canary_begun_by,
    end_canary,
    equity_now,
    open_canary,
    paired_returns,
    require_no_canary,
    running_canaries,
    told_of,
)
from commenda.automation.flow_terms import require_version, return_since, take_back
from commenda.automation.model import (
    Ability,
    Decision,
    Done,
    Evidence,
    Proposal,
    Seen,
    Terms,
)
from commenda.automation.running import tightest_fall
from commenda.automation.sequential import Differences, bounds, differences
from commenda.copying import (
    change_terms,
    find_flow,
    must_be_automatic,
    versions_of,
)
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.money import floor_to
from commenda.kit.wire import Real, Whole
from commenda.ledger import Author
from commenda.studies import Grade

LATELY = timedelta(days=14)
"""A study older than that says nothing of the market as it is."""
CENT = Decimal("0.01")
FIGURES = (
    "studyId",
    "verdict",
    "deflatedSharpe",
    "overfitting",
    "plateau",
    "outOfSample",
    "incumbent",
)
"""Of a study's effect, what the rule is told."""
BEGIN, PROMOTE_IT, BACK = "canary", "promote", "back"


class PromoteTerms(Terms):
    cooldown_hours: Annotated[Real, Field(ge=0, le=24 * 365)] = Field(
        default=1.0, description="Between two decisions about the same thing."
    )
    part: Annotated[Real, Field(gt=0, le=0.5)] = Field(
        default=0.1, description="Of the leading book's equity that the canary trades with."
    )
    gain: Annotated[Real, Field(ge=0, le=100)] = Field(
        default=0.0,
        description="Annual Sharpe ratio out of sample that it must have above the incumbent's.",
    )
    error: Annotated[Real, Field(gt=0, lt=0.5)] = Field(
        default=0.05, description="Of the sequential test, on both sides together."
    )
    tightest_at: Annotated[Whole, Field(ge=10, le=100_000)] = Field(
        default=500, description="Bars after which the test tells the smallest difference apart."
    )
    least_bars: Annotated[Whole, Field(ge=10, le=100_000)] = Field(
        default=100, description="Before which the test ends nothing: it is asymptotic."
    )
    most_days: Annotated[Real, Field(gt=0, le=366)] = Field(
        default=30.0, description="After which a canary that has shown nothing ends."
    )
    most_loss: Annotated[Real, Field(gt=0, lt=1)] = Field(
        default=0.1, description="Of its capital, at which a canary ends."
    )


# --- What is seen ------------------------------------------------------------------------------

_FOUND: LiteralString = (
    "SELECT DISTINCT ON (d.target) d.id, d.target, d.called, d.strategy, d.effect"
    " FROM decisions d WHERE d.action = 'search' AND d.state = 'measured' AND d.decided_at > %s"
    " AND d.effect ? 'verdict' ORDER BY d.target, d.sequence DESC"
)


def look(tx: Tx, now: datetime, terms: Callable[[str | None], Terms | None]) -> Iterable[Seen]:
    """Canaries that run, then the latest study of each flow that has none."""
    trying = set[str]()
    for canary in running_canaries(tx):
        flow = find_flow(tx, canary.flow_id)
        trying.add(str(flow.id))
        if terms(flow.strategy) is not None:
            evidence = canary_evidence(tx, canary, now)
            key, cause = now.isoformat(), canary.begun_by
            yield Seen("canary", str(canary.id), flow.title, flow.strategy, evidence, key, cause)
    for decision_id, target, called, strategy, effect in tx.execute(
        _FOUND, (now - LATELY,)
    ).fetchall():
        if target not in trying and terms(strategy) is not None:
            evidence = study_evidence(tx, UUID(target), effect, now)
            key = f"study:{effect['studyId']}"
            yield Seen("flow", target, called, strategy, evidence, key, decision_id)


def study_evidence(
    tx: Tx, flow_id: UUID, effect: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """What a study found for a flow, which terms it has, and what its leading book is worth."""
    flow, stands = find_flow(tx, flow_id), versions_of(tx, flow_id)[0]
    fall = tightest_fall(tx, flow)
    return {
        "step": "study",
        **{name: effect.get(name) for name in FIGURES},
        "params": {**stands.params, **effect["bestParams"]},
        "present": dict(stands.params),
        "termsVersion": stands.version,
        "equity": equity_now(tx, flow, now),
        "drawdownLimit": fall and fall.amount,
    }


def canary_evidence(tx: Tx, canary: Canary, now: datetime) -> dict[str, Any]:
    """What both flows did since the canary began, bar by bar."""
    pairs = paired_returns(tx, canary, now)
    told, worth, other = differences(pairs), 1.0, 1.0
    for incumbent, own in pairs:
        other, worth = other * (1.0 + incumbent), worth * (1.0 + own)
    return told_of(canary) | {
        "step": "canary",
        "bars": told.count,
        "mean": told.mean,
        "deviation": told.deviation,
        "days": (now - canary.began_at) / timedelta(days=1),
        "return": worth - 1.0,
        "incumbentReturn": other - 1.0,
        "stands": versions_of(tx, canary.flow_id)[0].version,
    }


# --- What is decided ---------------------------------------------------------------------------


def decide(evidence: Evidence, terms: PromoteTerms) -> Proposal | None:
    """Begin a canary for what a study promotes, and end it once it is known which is better."""
    if evidence["step"] == "study":
        return begins(evidence, terms)
    return ends(evidence, terms)


def begins(evidence: Evidence, terms: PromoteTerms) -> Proposal | None:
    """Try what the verdict promotes and what beat the incumbent where neither was fitted."""
    found, stands = evidence["outOfSample"], evidence["incumbent"]
    if evidence["verdict"] != Grade.PROMOTE or None in (found, stands, evidence["equity"]):
        return None
    if evidence["params"] == evidence["present"] or found - stands <= terms.gain:
        return None
    capital = floor_to(Decimal(evidence["equity"]) * Decimal(str(terms.part)), CENT)
    if capital <= 0:
        return None
    figures = ("deflatedSharpe", "overfitting", "plateau")
    return Proposal(
        BEGIN,
        {name: evidence[name] for name in ("studyId", "params", "termsVersion")}
        | {"capital": capital, "part": terms.part, "mostLoss": terms.most_loss},
        [
            {"code": "verdict_promotes", **{name: evidence[name] for name in figures}},
            {"code": "better_out_of_sample", "outOfSample": found, "incumbent": stands},
        ],
    )


def ends(evidence: Evidence, terms: PromoteTerms) -> Proposal | None:
    """Promote what is better; go back from what is worse, lost too much or took too long, and where
    the incumbent has other terms by now. None while nothing of that is known."""
    told = Differences(evidence["bars"], evidence["mean"], evidence["deviation"])
    known = bounds(told, terms.error, terms.tightest_at)
    test: dict[str, Any] = {"bars": told.count, "mean": told.mean}
    test |= {"low": known and known.low, "high": known and known.high}
    ripe = known is not None and told.count >= terms.least_bars
    why: dict[str, Any] | None = None
    action = BACK
    if evidence["stands"] != evidence["termsVersion"]:
        why = {"code": "incumbent_changed", "version": evidence["stands"]}
    elif evidence["return"] <= -terms.most_loss:
        why = {"code": "lost_too_much", "return": evidence["return"]}
    elif ripe and known is not None and known.low > 0.0:
        action, why = PROMOTE_IT, {"code": "canary_better", **test}
    elif ripe and known is not None and known.high < 0.0:
        why = {"code": "canary_worse", **test}
    elif evidence["days"] >= terms.most_days:
        why = {"code": "canary_undecided", "days": evidence["days"], **test}
    if why is None:
        return None
    named = ("canaryId", "flowId", "studyId", "params", "termsVersion")
    return Proposal(action, {name: evidence[name] for name in named}, [why])


# --- What is done ------------------------------------------------------------------------------


def check(tx: Tx, now: datetime, decision: Decision) -> None:
    """Codes `flow_does_not_trade`, `not_automatic`, `terms_changed`; for a canary `canary_runs` and
    `past_limit`, where the loss that it may make is more than a limit of drawdown lets through;
    of one that is to end `canary_ended`. The way back asks for nothing else."""
    if decision.action != BEGIN:
        open_canary(tx, UUID(decision.target))
    if decision.action == BACK:
        return
    flow_id = UUID(decision.change.get("flowId", decision.target))
    flow = find_flow(tx, flow_id)
    if flow.status != "active":
        raise conflict("flow_does_not_trade", "This flow is paused or closed").at(
            "flowId", flow.id, "resume it first"
        )
    must_be_automatic(flow)
    require_version(tx, flow_id, decision.change["termsVersion"])
    if decision.action == BEGIN:
        require_no_canary(tx, flow_id)
        fall, loss = tightest_fall(tx, flow), decision.change["mostLoss"]
        if fall is not None and loss > fall.amount:
            raise CommendaError("past_limit", f"The limit {fall.id} is tighter").at(
                "mostLoss", loss, f"at most {fall.amount}: have it decided anew"
            )


def act(tx: Tx, author: Author, decision: Decision) -> Done:
    """Begin the canary; or end it, with its parameters for the incumbent where it was better."""
    told = decision.change
    if decision.action == BEGIN:
        flow_id = UUID(decision.target)
        canary = begin_canary(
            tx,
            author,
            find_flow(tx, flow_id),
            versions_of(tx, flow_id)[0],
            told["params"],
            Decimal(told["capital"]),
            UUID(told["studyId"]),
            decision.id,
        )
        return Done([("canary", canary.id), ("flow", canary.canary_flow_id)], told_of(canary))
    canary = open_canary(tx, UUID(decision.target))
    if decision.action == BACK:
        end_canary(tx, author, canary, "back", decision.id)
        return Done([("flow", canary.canary_flow_id)], {"outcome": "back"})
    version = change_terms(
        tx,
        author,
        canary.flow_id,
        params=canary.params,
        reason=f"{decision.ability}: better beside it",
        cause=decision.id,
    )
    end_canary(tx, author, canary, "promoted", decision.id)
    links = [("flow_terms", f"{canary.flow_id}:{version}"), ("flow", canary.flow_id)]
    return Done(links, {"outcome": "promoted", "version": version})


def undo(tx: Tx, author: Author, decision: Decision) -> Done:
    """End the canary, or give the incumbent the terms that it had before; codes `canary_ended`,
    `terms_changed`, and `not_undoable` of the way back, which changed nothing that trades."""
    if decision.action == BEGIN:
        begun = canary_begun_by(tx, decision.id)
        assert begun is not None, "it was begun with the decision"
        canary = open_canary(tx, begun.id)
        end_canary(tx, author, canary, "undone", decision.id)
        return Done([], {"outcome": "undone"})
    if decision.action == BACK:
        raise conflict("not_undoable", "What this ability does is not taken back").at(
            "action", BACK, "the incumbent trades as before: begin another canary"
        )
    flow_id, before = UUID(decision.change["flowId"]), int(decision.change["termsVersion"])
    return take_back(tx, author, decision, flow_id, before)


def measure(tx: Tx, now: datetime, decision: Decision) -> Mapping[str, Any] | None:
    """Of a canary what it did beside the incumbent, once it has ended; of a promotion what became
    of a unit of the leading book since."""
    if decision.action == BEGIN:
        canary = canary_begun_by(tx, decision.id)
        assert canary is not None, "it was begun with the decision"
        if canary.ended_at is None:
            return None
        told = canary_evidence(tx, canary, canary.ended_at)
        named = ("bars", "mean", "deviation", "return", "incumbentReturn")
        return {"outcome": canary.outcome, **{name: told[name] for name in named}}
    return {"return": return_since(tx, UUID(decision.change["flowId"]), decision.acted_at)}


PROMOTE = Ability(
    name="promote",
    number=2,
    about="Try what a study found with a part of the capital, and take what is better.",
    rule="promote/1",
    cron="20 * * * *",
    look=look,
    decide=decide,
    check=check,
    act=act,
    undo=undo,
    measure=measure,
    terms=PromoteTerms,
    after=timedelta(days=1),
    budget=5,
    wakes=("automation.measured",),
)
