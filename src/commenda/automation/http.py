"""The machine's abilities and decisions over HTTP: what it may do, what it did, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from commenda.automation.abilities import ability_named
from commenda.automation.decisions import (
    DecisionWhole,
    chain_of_order,
    decision_by_id,
    decisions_where,
    whole_of,
)
from commenda.automation.export import export_decisions
from commenda.automation.model import (
    RULES,
    Decision,
    Reason,
    Setting,
    SettingOrder,
    State,
)
from commenda.automation.orchestrator import accept, replays, turn_down, undo
from commenda.automation.settings import (
    SettingAnswer,
    order_setting,
    settings_of,
)
from commenda.automation.views import AbilityView, ability_views
from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import (
    GUARDED,
    Body,
    IdempotencyKey,
    Page,
    Paged,
    Served,
    on_wire,
    problems,
    routes,
    write,
)
from commenda.kit.wire import one_of
from commenda.ledger import Author

router = routes("automation", "/automation")
Reader = Annotated[Principal, may(Permission.OVERVIEW)]
Steering = Annotated[Principal, may(Permission.AUTOMATE)]
OfAbility = Annotated[str | None, Query(max_length=40, pattern="^[a-z-]+$")]
About = Annotated[
    str | None,
    Query(max_length=100, pattern=r"^[^\x00]*$", description="The id of what it is about."),
]
AsFar = Annotated[str | None, one_of(State), Query(max_length=20)]


class Why(Body):
    """Why somebody says so."""

    reason: Reason


@on_wire
@dataclass(frozen=True, slots=True)
class Replayed:
    """A decision made again from its stored evidence, by the rule as it is now."""

    same: bool
    rule: str
    stored_rule: str


@router.get("/abilities", operation_id="listAbilities", responses=GUARDED)
def list_abilities(service: Served, _who: Reader) -> list[AbilityView]:
    """The abilities, with the settings in force and the last decisions of each."""
    with service.database.transaction() as tx:
        return ability_views(tx, business_now(tx))


@router.get(
    "/abilities/{name}/settings",
    operation_id="listAbilitySettings",
    responses=GUARDED | problems(404),
)
def list_settings(service: Served, _who: Reader, name: str) -> list[Setting]:
    """All settings that an ability ever had, the latest first."""
    with service.database.read() as tx:
        return settings_of(tx, ability_named(name, "name").name)


@router.post(
    "/settings",
    operation_id="setAbility",
    response_model=SettingAnswer,
    responses={202: {"model": SettingAnswer}} | GUARDED | problems(404, 409),
)
def set_ability(
    service: Served, who: Steering, body: SettingOrder, key: IdempotencyKey = None
) -> Response:
    """Say how far an ability goes by itself. Less than now acts at once; more waits for a second
    person: 202, and nothing has changed."""

    def act(tx: Tx, now: datetime) -> tuple[SettingAnswer, int]:
        ability = ability_named(body.ability)
        answer = order_setting(tx, who, ability, body, Author(who.actor, RULES, now))
        return answer, 202 if answer.status == "requested" else 200

    return write(service, who, "automation-setting", key, body, act)


@router.get("/decisions", operation_id="listDecisions", responses=GUARDED)
def list_decisions(
    service: Served,
    _who: Reader,
    asked: Paged,
    ability: OfAbility = None,
    target: About = None,
    state: AsFar = None,
) -> Page[Decision]:
    """The machine's decisions, the latest first."""
    with service.database.read() as tx:
        rows = decisions_where(
            tx, asked.after(int), asked.rows, ability=ability, target=target, state=state
        )
    return asked.page(rows, lambda one: one.sequence)


@router.get(
    "/decisions/export",
    operation_id="exportDecisions",
    response_class=StreamingResponse,
    responses=GUARDED
    | {
        200: {
            "description": "One decision for each line.",
            "content": {"application/x-ndjson": {}},
        }
    },
)
def export(
    service: Served,
    _who: Reader,
    ability: OfAbility = None,
    target: About = None,
    state: AsFar = None,
) -> StreamingResponse:
    """Every decision that agrees, the latest first, with its evidence, steps and links."""
    return StreamingResponse(
        export_decisions(service.database, ability=ability, target=target, state=state),
        media_type="application/x-ndjson",
        headers={
            "Content-Disposition": 'attachment; filename="decisions.ndjson"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get("/chain", operation_id="getDecisionChain", responses=GUARDED | problems(404))
def get_chain(
    service: Served, _who: Reader, order_id: Annotated[UUID, Query(alias="orderId")]
) -> list[Decision]:
    """The decisions behind an order: which led to what it trades, the first first."""
    with service.database.transaction() as tx:
        return chain_of_order(tx, order_id)


@router.get(
    "/decisions/{decision_id}", operation_id="getDecision", responses=GUARDED | problems(404)
)
def get_decision(service: Served, _who: Reader, decision_id: UUID) -> DecisionWhole:
    """A decision with its evidence, its steps, what it made, what led to it and what it led to."""
    with service.database.transaction() as tx:
        return whole_of(tx, decision_id)


@router.get(
    "/decisions/{decision_id}/replay",
    operation_id="replayDecision",
    responses=GUARDED | problems(404),
)
def replay(service: Served, _who: Reader, decision_id: UUID) -> Replayed:
    """Decide again from the stored evidence, and say whether it comes to the same."""
    with service.database.read() as tx:
        decision = decision_by_id(tx, decision_id)
    ability = ability_named(decision.ability)
    return Replayed(replays(ability, decision), ability.rule, decision.rule)


@router.post(
    "/decisions/{decision_id}/accept",
    operation_id="acceptDecision",
    response_model=Decision,
    responses=GUARDED | problems(404, 409),
)
def accept_decision(
    service: Served, who: Steering, decision_id: UUID, key: IdempotencyKey = None
) -> Response:
    """Have what was recommended carried out; the answer says whether it was, or why not."""

    def act(tx: Tx, now: datetime) -> Decision:
        ability = ability_named(decision_by_id(tx, decision_id).ability)
        return accept(tx, who, ability, decision_id, now)

    return write(service, who, "automation-accept", key, {"decision": str(decision_id)}, act)


@router.post(
    "/decisions/{decision_id}/reject",
    operation_id="rejectDecision",
    response_model=Decision,
    responses=GUARDED | problems(404, 409),
)
def reject_decision(
    service: Served, who: Steering, decision_id: UUID, body: Why, key: IdempotencyKey = None
) -> Response:
    """Turn down what was recommended."""
    return write(
        service,
        who,
        "automation-reject",
        key,
        {"decision": str(decision_id), "reason": body.reason},
        lambda tx, now: turn_down(tx, Author(who.actor, RULES, now), decision_id, body.reason),
    )


@router.post(
    "/decisions/{decision_id}/undo",
    operation_id="undoDecision",
    response_model=Decision,
    responses=GUARDED | problems(404, 409),
)
def undo_decision(
    service: Served, who: Steering, decision_id: UUID, body: Why, key: IdempotencyKey = None
) -> Response:
    """Take back what was done."""

    def act(tx: Tx, now: datetime) -> Decision:
        ability = ability_named(decision_by_id(tx, decision_id).ability)
        return undo(tx, Author(who.actor, RULES, now), ability, decision_id, body.reason)

    asked = {"decision": str(decision_id), "reason": body.reason}
    return write(service, who, "automation-undo", key, asked, act)
