"""How an ability works, the same for all ten.

    look -> evidence -> decide (pure) -> gate -> check -> act -> measure -> undo

A decision is made in one transaction: what was seen, what the rule said of it, what became of it at
the gate and, where it was let through, what was done. A worker that is killed leaves it finished or
not begun. What a person is asked for is done in the transaction of the answer.

The gate (`rules.gate`): off or recommending, a breaker that stands over what opens, the budget of
actions a day, a person. Then the ability's own `check` asks the limits, and `act` may still refuse:
what refuses is stored with its code and changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from uuid import UUID

from commenda.automation.decisions import (
    carry_on,
    decided_lately,
    decision_by_id,
    id_of,
    last_about,
    link,
    lock_ability,
    put_decision,
    spent_today,
)
from commenda.automation.model import (
    RULES,
    Ability,
    Allowed,
    Decision,
    Done,
    Evidence,
    Mode,
    Proposal,
    Seen,
    State,
    Terms,
)
from commenda.automation.rules import gate
from commenda.automation.settings import allowed_for, terms_of
from commenda.identity import Approval, Changed, Principal, request_approval, user_by_id
from commenda.kit.db import AWAY, Database, Tx
from commenda.kit.errors import CommendaError, conflict
from commenda.kit.wire import as_json
from commenda.ledger import Author
from commenda.risk import all_breakers

ACTION = "automation.action"
"""The kind of the request to do what an ability wants."""
_log = logging.getLogger(__name__)


def run_ability(database: Database, author: Author, ability: Ability) -> list[Decision]:
    """Let an ability look at everything it looks at, and decide; what it decided.

    Each decision has a transaction of its own: one that fails keeps no other from it, and the first
    failure is raised at the end.
    """
    with database.transaction() as tx:
        seen = look_at(tx, author, ability)
    decided, errors = list[Decision](), list[Exception]()
    for one in seen:
        try:
            with database.transaction() as tx:
                if (decision := decide(tx, author, ability, one)) is not None:
                    decided.append(decision)
        except AWAY:
            raise
        except Exception as error:
            _log.exception("%s cannot decide about %s", ability.name, one.target)
            errors.append(error)
    if errors:
        raise errors[0]
    return decided


def look_at(tx: Tx, author: Author, ability: Ability) -> list[Seen]:
    """What an ability sees now, of all that it looks at and is not switched off for."""
    return list(ability.look(tx, author.now, cache(partial(_terms, tx, ability))))


def _terms(tx: Tx, ability: Ability, strategy: str | None) -> Terms | None:
    told = allowed_for(tx, ability, strategy)
    return None if told.mode is Mode.OFF else terms_of(ability, dict(told.terms))


def decide(tx: Tx, author: Author, ability: Ability, seen: Seen) -> Decision | None:
    """Decide about one thing that was seen, and do it where that is let through; None where there
    is nothing to do, or it was decided on before."""
    lock_ability(tx, ability.name)
    told = allowed_for(tx, ability, seen.strategy)
    if told.mode is Mode.OFF:
        return None
    terms = terms_of(ability, dict(told.terms))
    since = author.now - timedelta(hours=terms.cooldown_hours)
    if decided_lately(tx, ability.name, seen.target, since):
        return None
    if tx.execute("SELECT 1 FROM decisions WHERE id = %s", (id_of(ability, seen),)).fetchone():
        return None
    seen = replace(seen, evidence=stored(seen.evidence))
    proposal = proposed(ability, seen.evidence, terms)
    if proposal is None:
        return None
    author = replace(author, rule_version=ability.rule)
    state, why = gate(told, spent_today(tx, ability.name, author.now), _standing(tx, ability, seen))
    _replace(tx, author, ability, seen)
    plain = terms.model_dump(mode="json")
    first = State.RECOMMENDED if state is None or state is State.WAITING else state
    decision = put_decision(tx, author, ability, seen, plain, proposal, first, why)
    if state is None:
        return carry_out(tx, author, ability, decision)
    if state is State.WAITING:
        return _ask(tx, author, ability, decision, told)
    return decision


def _replace(tx: Tx, author: Author, ability: Ability, seen: Seen) -> None:
    """What was recommended about the same thing before is nobody's to accept any more."""
    before = last_about(tx, ability.name, seen.target)
    if before is not None and before.state == State.RECOMMENDED:
        by = {"code": "superseded", "by": str(id_of(ability, seen))}
        carry_on(tx, author, before, State.REJECTED, by)


def proposed(ability: Ability, evidence: Evidence, terms: Terms) -> Proposal | None:
    """What a rule says of stored evidence, as it is stored itself."""
    found = ability.decide(evidence, terms)
    if found is None:
        return None
    return replace(found, change=stored(found.change), because=stored(list(found.because)))


def stored(told: Any) -> Any:
    """As it comes back from the database: a rule is told nothing that is not kept."""
    return json.loads(json.dumps(told, default=as_json))


def _standing(tx: Tx, ability: Ability, seen: Seen) -> str | None:
    """The breaker that stands over the platform or over the target, where the ability opens."""
    if not ability.opens:
        return None
    about = {"", seen.target, *([seen.strategy] if seen.strategy else [])}
    standing = [one for one in all_breakers(tx, standing=True) if one.subject in about]
    return str(standing[0].id) if standing else None


def carry_out(
    tx: Tx, author: Author, ability: Ability, decision: Decision, **details: Any
) -> Decision:
    """Do what was decided; what refuses is stored and changes nothing."""
    try:
        with tx.transaction():
            ability.check(tx, author.now, decision)
            done = ability.act(tx, author, decision)
    except CommendaError as refusal:
        return carry_on(tx, author, decision, State.REFUSED, details | refused(refusal))
    return _made(tx, author, decision, State.DONE, done, details)


def refused(error: CommendaError) -> dict[str, Any]:
    """A refusal as a step says it."""
    said = {"code": error.code, "says": str(error), "field": error.field, "value": error.value}
    kept: dict[str, Any] = stored({name: one for name, one in said.items() if one is not None})
    return kept


def _made(
    tx: Tx,
    author: Author,
    decision: Decision,
    state: State,
    done: Done,
    details: Mapping[str, Any],
) -> Decision:
    link(tx, decision.id, [(decision.target_kind, decision.target), *done.links])
    said = stored({**details, **done.details})
    return carry_on(tx, author, decision, state, said, acted=state is State.DONE)


# --- People ----------------------------------------------------------------------------------


def _ask(tx: Tx, author: Author, ability: Ability, decision: Decision, told: Allowed) -> Decision:
    """Ask, in the name of who let the ability act, whether it may; what a limit forbids is not
    asked for."""
    try:
        with tx.transaction():
            ability.check(tx, author.now, decision)
    except CommendaError as refusal:
        return carry_on(tx, author, decision, State.REFUSED, refused(refusal))
    assert told.asked_of is not None, "the gate asks nobody else"
    user = user_by_id(tx, told.asked_of)
    asker = Principal(user.id, user.role, frozenset(), None, second_factor=False)
    return ask_in_name_of(tx, author, asker, decision)


def ask_in_name_of(tx: Tx, author: Author, asker: Principal, decision: Decision) -> Decision:
    """Ask others than `asker` whether a decision may be carried out."""
    payload = {
        "decisionId": str(decision.id),
        "ability": decision.ability,
        "called": decision.called,
        "action": decision.action,
        "change": dict(decision.change),
    }
    asked = request_approval(
        tx, asker, ACTION, str(decision.id), payload, decision.id, author.now,
        about=[decision.target],
    )  # fmt: skip
    return carry_on(tx, author, decision, State.WAITING, {}, approval_id=asked.id)


def action_changes(_tx: Tx, asked: Approval) -> list[Changed]:
    """What an ability wants to do, as it says it."""
    told = asked.payload
    called = {"ability": told["ability"], "name": told["called"]}
    after = {"action": told["action"], **told["change"]}
    return [Changed("decision", told["decisionId"], called, {}, after)]


def accept(
    tx: Tx, principal: Principal, ability: Ability, decision_id: UUID, now: datetime
) -> Decision:
    """Do what was recommended, by a person's word, or ask a second one where the ability's setting
    wants that; code `not_recommended` of any other decision."""
    lock_ability(tx, ability.name)
    decision = _recommended(tx, decision_id)
    author = Author(principal.actor, ability.rule, now)
    if allowed_for(tx, ability, decision.strategy).needs_approval:
        return ask_in_name_of(tx, author, principal, decision)
    return carry_out(tx, author, ability, decision)


def _recommended(tx: Tx, decision_id: UUID) -> Decision:
    decision = decision_by_id(tx, decision_id, lock=True)
    if decision.state != State.RECOMMENDED:
        raise conflict("not_recommended", "This decision waits for nobody").at(
            "state", decision.state, "only what is recommended is accepted or turned down"
        )
    return decision


def turn_down(tx: Tx, author: Author, decision_id: UUID, reason: str) -> Decision:
    """Say no to what was recommended; code `not_recommended`."""
    return carry_on(tx, author, _recommended(tx, decision_id), State.REJECTED, {"reason": reason})


def carry_out_action(tx: Tx, author: Author, asked: Approval, ability: Ability) -> dict[str, Any]:
    """Do what a person said yes to; where it is refused now, that is its outcome."""
    lock_ability(tx, ability.name)
    decision = decision_by_id(tx, UUID(asked.payload["decisionId"]), lock=True)
    author = replace(author, rule_version=ability.rule)
    done = carry_out(tx, author, ability, decision, approval=str(asked.id))
    return {"decisionId": str(done.id), "state": done.state}


def give_up_action(tx: Tx, author: Author, asked: Approval) -> None:
    """A person said no, or nobody answered in time."""
    decision = decision_by_id(tx, UUID(asked.payload["decisionId"]), lock=True)
    carry_on(tx, author, decision, State.REJECTED, {"approval": str(asked.id)})


# --- Afterwards ------------------------------------------------------------------------------


def measure_effects(database: Database, author: Author, ability: Ability) -> int:
    """Measure what came of the decisions whose time has come, each in a transaction of its own; how
    many."""
    with database.read() as tx:
        waiting = to_measure(tx, author, ability)
    measured = 0
    for decision_id in waiting:
        with database.transaction() as tx:
            measured += measure(tx, author, ability, decision_id)
    return measured


def to_measure(tx: Tx, author: Author, ability: Ability) -> list[UUID]:
    """The decisions of an ability that were done long enough ago to say what came of them."""
    rows = tx.execute(
        "SELECT id FROM decisions WHERE state = 'done' AND ability = %s AND acted_at <= %s"
        " ORDER BY sequence",
        (ability.name, author.now - ability.after),
    ).fetchall()
    return [row[0] for row in rows]


def measure(tx: Tx, author: Author, ability: Ability, decision_id: UUID) -> bool:
    """Measure what came of a decision; False while it is too early to say."""
    decision = decision_by_id(tx, decision_id, lock=True)
    if decision.state != State.DONE:
        return False
    effect = ability.measure(tx, author.now, decision)
    if effect is not None:
        told = replace(author, rule_version=ability.rule)
        carry_on(tx, told, decision, State.MEASURED, {}, effect=stored(dict(effect)))
    return effect is not None


def undo(tx: Tx, author: Author, ability: Ability, decision_id: UUID, reason: str) -> Decision:
    """Take back what was done; codes `not_done`, `not_undoable`, and the verb's own."""
    lock_ability(tx, ability.name)
    decision = decision_by_id(tx, decision_id, lock=True)
    if decision.state not in (State.DONE, State.MEASURED):
        raise conflict("not_done", "Nothing was done that could be taken back").at(
            "state", decision.state, "only what is done is taken back"
        )
    if ability.undo is None:
        raise conflict("not_undoable", "What this ability does is not taken back").at(
            "ability", ability.name, "decide anew instead"
        )
    done = ability.undo(tx, replace(author, rule_version=RULES), decision)
    return _made(tx, author, decision, State.UNDONE, done, {"reason": reason})


def decided_again(ability: Ability, decision: Decision) -> Proposal | None:
    """What the rule says now of the evidence that was stored then: the same, unless its version is
    another one."""
    return proposed(ability, decision.evidence, terms_of(ability, dict(decision.terms)))


def replays(ability: Ability, decision: Decision) -> bool:
    """Whether the rule decides the same again."""
    again = decided_again(ability, decision)
    return again is not None and (again.action, again.change, again.because) == (
        decision.action,
        decision.change,
        list(decision.because),
    )


def woken(tx: Tx, ability: Ability) -> bool:
    """Whether something happened since the last look that this ability looks at once for.

    Of two transactions the one that began first may commit last, and its event be passed by: the
    ability's own rhythm finds what it was about.
    """
    row = tx.execute("SELECT coalesce(max(id), 0) FROM audit_events").fetchone()
    assert row is not None
    before = tx.execute(
        "SELECT seen FROM ability_wakes WHERE ability = %s FOR UPDATE", (ability.name,)
    ).fetchone()
    tx.execute(
        "INSERT INTO ability_wakes VALUES (%s, %s)"
        " ON CONFLICT (ability) DO UPDATE SET seen = excluded.seen",
        (ability.name, row[0]),
    )
    if before is None or before[0] >= row[0]:
        return False
    found = tx.execute(
        "SELECT 1 FROM audit_events WHERE id > %s AND kind = ANY (%s) LIMIT 1",
        (before[0], list(ability.wakes)),
    ).fetchone()
    return found is not None
