"""Promotion as people see it and ask for it: what is tried beside the flows of a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from commenda.automation.canaries import Canary, canaries_of
from commenda.automation.decisions import decision_by_id, put_decision
from commenda.automation.model import Decision, Reason, Seen, State
from commenda.automation.onboarding import (
    ONBOARD,
    OnboardTerms,
    Stage,
    missing,
    stage_evidence,
    stages_of,
)
from commenda.automation.optimising import effect_of
from commenda.automation.orchestrator import ask_in_name_of, proposed, stored
from commenda.automation.promoting import PROMOTE, PromoteTerms, canary_evidence, study_evidence
from commenda.automation.sequential import Differences, bounds
from commenda.automation.settings import allowed_for, terms_of
from commenda.copying import find_flow
from commenda.identity import Principal
from commenda.kit.db import Tx
from commenda.kit.errors import conflict, unknown
from commenda.kit.wire import Amount, Body, on_wire
from commenda.ledger import Author
from commenda.strategies import strategy_called
from commenda.studies import StudyState, find_study


class PromotionOrder(Body):
    """Parameters that a study found, to be tried beside a flow with a part of its capital."""

    flow_id: UUID
    study_id: UUID
    reason: Reason


@on_wire
@dataclass(frozen=True, slots=True)
class CanaryView:
    """Parameters beside a flow: returns since they began, and the test. `low` and `high` are the
    bounds of the mean difference a bar; above 0 it is promoted, below 0 it goes back."""

    id: UUID
    flow_id: UUID
    canary_flow_id: UUID
    title: str
    study_id: UUID
    params: Mapping[str, float]
    capital: Amount
    began_at: datetime
    ended_at: datetime | None
    outcome: Annotated[str | None, Field(description="promoted, back or undone; null: it runs.")]
    begun_by: UUID
    ended_by: UUID | None
    bars: int
    own_return: float
    incumbent_return: float
    mean: float
    low: float | None
    high: float | None
    least_bars: int
    most_days: float
    most_loss: float


@on_wire
@dataclass(frozen=True, slots=True)
class PromotionLadder:
    """What was and is tried beside the flows of a strategy, the latest first."""

    strategy_id: UUID
    strategy: str
    canaries: list[CanaryView]
    stages: Annotated[
        list[Stage], Field(description="How far its versions have come; none: it was shipped.")
    ]
    missing: Annotated[
        list[Mapping[str, Any]],
        Field(description="What the stage still asks for: a code, what there is, what is wanted."),
    ]


def promotion_ladder(tx: Tx, named: str, now: datetime) -> PromotionLadder:
    """The canaries of a strategy by its id or its name; code `unknown_strategy`."""
    strategy = strategy_called(tx, named)
    name = strategy.name
    rows = tx.execute(
        "SELECT DISTINCT c.flow_id FROM canaries c JOIN shared_flows f ON f.id = c.flow_id"
        " WHERE f.strategy = %s",
        (name,),
    ).fetchall()
    found = [one for (flow,) in rows for one in canaries_of(tx, flow)]
    found.sort(key=lambda one: one.began_at, reverse=True)
    shown, stages = [_view(tx, one, now) for one in found[:50]], stages_of(tx, name)
    return PromotionLadder(strategy.id, name, shown, stages, _missing(tx, name, stages, now))


def _missing(tx: Tx, name: str, stages: list[Stage], now: datetime) -> list[Mapping[str, Any]]:
    stands = next((one for one in stages if one.left_at is None), None)
    if stands is None or stands.stage in ("failed", "full"):
        return []
    terms = terms_of(ONBOARD, dict(allowed_for(tx, ONBOARD, name).terms))
    assert isinstance(terms, OnboardTerms)
    evidence = {"stage": stands.stage, **stage_evidence(tx, name, stands.entered_at, now)}
    return list(missing(evidence, terms))


def _view(tx: Tx, canary: Canary, now: datetime) -> CanaryView:
    flow = find_flow(tx, canary.flow_id)
    begun = decision_by_id(tx, canary.begun_by)
    terms = PromoteTerms.model_validate(dict(begun.terms))
    told = canary_evidence(tx, canary, canary.ended_at or now)
    known = bounds(
        Differences(told["bars"], told["mean"], told["deviation"]), terms.error, terms.tightest_at
    )
    return CanaryView(
        canary.id,
        canary.flow_id,
        canary.canary_flow_id,
        flow.title,
        canary.study_id,
        canary.params,
        canary.capital,
        canary.began_at,
        canary.ended_at,
        canary.outcome,
        canary.begun_by,
        canary.ended_by,
        told["bars"],
        told["return"],
        told["incumbentReturn"],
        told["mean"],
        None if known is None else known.low,
        None if known is None else known.high,
        terms.least_bars,
        terms.most_days,
        terms.most_loss,
    )


def ask_to_promote(
    tx: Tx, who: Principal, named: str, order: PromotionOrder, now: datetime
) -> Decision:
    """Ask another person to let what a study found be tried beside a flow: the ability's own rule,
    check and verb, by a person's word.

    Codes `unknown_strategy`, `unknown_flow` (also of another strategy's), `unknown_study` (the
    same), `study_not_finished`, `not_promotable` and those of the ability's check.
    """
    name = strategy_called(tx, named).name
    flow, study = find_flow(tx, order.flow_id), find_study(tx, order.study_id)
    if flow.strategy != name:
        raise unknown("flow", flow.id, "flowId")
    if study is None or study.strategy != name or _elsewhere(study.data, flow.instrument_id):
        raise unknown("study", order.study_id, "studyId", "give one of this strategy and market")
    if study.state is not StudyState.COMPLETE:
        raise conflict("study_not_finished", "This study has no result").at(
            "studyId", study.state, "wait until it is complete"
        )
    evidence = stored(study_evidence(tx, flow.id, effect_of(tx, study, flow.params), now))
    terms = terms_of(PROMOTE, dict(allowed_for(tx, PROMOTE, name).terms))
    proposal = proposed(PROMOTE, evidence, terms)
    if proposal is None:
        raise conflict("not_promotable", "The verdict does not promote what this study found").at(
            "verdict", evidence["verdict"], "search again, over a longer history or a smaller space"
        )
    key = f"asked:{study.id}:{now.isoformat()}"
    seen = Seen("flow", str(flow.id), flow.title, name, evidence, key)
    author = Author(who.actor, PROMOTE.rule, now)
    plain, said = terms.model_dump(mode="json"), {"reason": order.reason}
    decision = put_decision(tx, author, PROMOTE, seen, plain, proposal, State.RECOMMENDED, said)
    PROMOTE.check(tx, now, decision)
    return ask_in_name_of(tx, author, who, decision)


def _elsewhere(data: Mapping[str, Any], instrument_id: int) -> bool:
    """Whether a study is of another instrument of the live market."""
    return bool(data.get("instrument", instrument_id) != instrument_id)
