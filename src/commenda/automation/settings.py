"""How far each ability goes by itself: less by one person and at once, more by two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, LiteralString
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import Field, ValidationError

from commenda.audit import record
from commenda.automation.model import RULES, Ability, Allowed, Setting, SettingOrder, Terms
from commenda.automation.rules import allowed, laxer
from commenda.identity import Approval, Changed, Principal, request_approval, waiting_for
from commenda.kit import ids
from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, conflict, unknown
from commenda.kit.rows import first, put, records
from commenda.kit.wire import on_wire, one_of, wire
from commenda.ledger import Author

SETTING = "automation.setting"
"""The kind of the request to let an ability do more by itself."""

_SETTING: LiteralString = (
    "SELECT id, ability, strategy, version, mode, budget, needs_approval, terms, valid_from,"
    " ended_at, set_by, set_by_id, approval_id, reason FROM ability_settings"
)


@on_wire
@dataclass(frozen=True, slots=True)
class SettingAnswer:
    """What came of a setting that was asked for."""

    status: Annotated[
        str,
        one_of(["in_force", "requested"]),
        Field(description="requested: it waits for a second person, and nothing has changed."),
    ]
    setting: Annotated[Setting | None, Field(description="What is in force now.")]
    approval_id: UUID | None = None


def settings_in_force(tx: Tx) -> list[Setting]:
    """Every setting in force, the platform's first."""
    return records(
        tx, Setting, _SETTING + " WHERE ended_at IS NULL ORDER BY ability, strategy, version"
    )


def setting_at(tx: Tx, ability: str, strategy: str) -> Setting | None:
    return first(
        tx,
        Setting,
        _SETTING + " WHERE ability = %s AND strategy = %s AND ended_at IS NULL",
        (ability, strategy),
    )


def settings_of(tx: Tx, ability: str) -> list[Setting]:
    """All that were ever in force for an ability, the latest first."""
    return records(
        tx,
        Setting,
        _SETTING + " WHERE ability = %s ORDER BY valid_from DESC, strategy, version DESC",
        (ability,),
    )


def allowed_for(tx: Tx, ability: Ability, strategy: str | None) -> Allowed:
    """What holds now for an ability and a strategy."""
    whole = setting_at(tx, ability.name, "")
    part = setting_at(tx, ability.name, strategy) if strategy else None
    return allowed(whole, part, ability.default, ability.budget)


def terms_of(ability: Ability, told: dict[str, Any]) -> Terms:
    """An ability's figures with those that differ; code `bad_terms`."""
    try:
        return ability.terms.model_validate(told)
    except ValidationError as error:
        what = error.errors()[0]
        raise CommendaError("bad_terms", what["msg"]).at(
            ".".join(["terms", *map(str, what["loc"])]),
            None if what["type"] == "missing" else str(what["input"]),
            f"the figures of {ability.name} are in the list of abilities",
        ) from None


def order_setting(
    tx: Tx, principal: Principal, ability: Ability, order: SettingOrder, author: Author
) -> SettingAnswer:
    """Say how far an ability may go by itself, or ask a second person where that is further than
    now. Codes `unknown_strategy`, `bad_terms`, `setting_asked_for`."""
    _require_sound(tx, ability, order)
    before = setting_at(tx, ability.name, order.strategy)
    if not laxer(before, order, ability.budget, ability.default):
        setting = put_setting(tx, author, ability, order, principal.user_id)
        return SettingAnswer("in_force", setting)
    named = f"{ability.name}:{order.strategy}"
    if (waits := waiting_for(tx, SETTING, named, author.now)) is not None:
        raise conflict("setting_asked_for", "Another setting of this waits already").at(
            "approvalId", waits.id, "have it decided first"
        )
    payload = wire(order) | {"version": 0 if before is None else before.version}
    correlation = ids.derive("ability", ability.name)
    asked = request_approval(tx, principal, SETTING, named, payload, correlation, author.now)
    return SettingAnswer("requested", before, asked.id)


def restrict(tx: Tx, author: Author, ability: Ability, order: SettingOrder) -> Setting:
    """Let an ability do less at the machine, where there is no second person to ask: code
    `takes_two` for more. Codes `unknown_strategy`, `bad_terms`."""
    _require_sound(tx, ability, order)
    before = setting_at(tx, ability.name, order.strategy)
    if laxer(before, order, ability.budget, ability.default):
        raise conflict("takes_two", "This lets the machine do more, which takes two people").at(
            "mode", order.mode, "ask for it in the console, and have somebody else approve it"
        )
    return put_setting(tx, author, ability, order, None)


def put_setting(
    tx: Tx,
    author: Author,
    ability: Ability,
    order: SettingOrder,
    asked_of: UUID | None,
    approval_id: UUID | None = None,
) -> Setting:
    """Put a setting in force in place of the one before it."""
    before = setting_at(tx, ability.name, order.strategy)
    row = tx.execute(
        "UPDATE ability_settings SET ended_at = %s WHERE ability = %s AND strategy = %s"
        " AND ended_at IS NULL RETURNING version",
        (author.now, ability.name, order.strategy),
    ).fetchone()
    version = 1 if row is None else row[0] + 1
    about = ids.derive("ability-setting", ability.name, order.strategy, version)
    budget = ability.budget if order.budget is None else order.budget
    put(
        tx,
        "INSERT INTO ability_settings",
        {"id": about, "ability": ability.name, "strategy": order.strategy, "version": version}
        | {"mode": order.mode, "budget": budget, "needs_approval": order.needs_approval}
        | {"terms": Jsonb(dict(order.terms)), "valid_from": author.now, "ended_at": None}
        | {"set_by": author.actor, "set_by_id": asked_of, "approval_id": approval_id}
        | {"reason": order.reason},
    )
    setting = setting_at(tx, ability.name, order.strategy)
    assert setting is not None, "just put"
    correlation = ids.derive("ability", ability.name)
    said = {"before": _said(before), "after": _said(setting), "reason": order.reason}
    record(tx, [author.event("automation.set", about, correlation, order.mode, said)])
    return setting


def _require_sound(tx: Tx, ability: Ability, order: SettingOrder) -> None:
    terms_of(ability, order.terms)
    known = (
        order.strategy == ""
        or tx.execute(
            "SELECT FROM shared_flows WHERE strategy = %s LIMIT 1", (order.strategy,)
        ).fetchone()
    )
    if known is None:
        raise unknown("strategy", order.strategy, "strategy", "name one that a flow trades")


def _said(setting: Setting | None) -> dict[str, Any]:
    if setting is None:
        return {}
    return {
        "mode": setting.mode,
        "budget": setting.budget,
        "needsApproval": setting.needs_approval,
        "terms": dict(setting.terms),
    }


# --- What two people decide ------------------------------------------------------------------


def setting_changes(tx: Tx, asked: Approval) -> list[Changed]:
    """A setting as it is, and as it would be."""
    order, _ = _asked_for(asked)
    before = _said(setting_at(tx, order.ability, order.strategy))
    after = {
        "mode": order.mode.value,
        "budget": order.budget,
        "needsApproval": order.needs_approval,
        "terms": order.terms,
    }
    called = {"ability": order.ability, "strategy": order.strategy}
    return [Changed("ability", asked.subject, called, before or dict.fromkeys(after), after)]


def carry_out_setting(tx: Tx, author: Author, asked: Approval, ability: Ability) -> dict[str, Any]:
    """Let an ability do more, as somebody asked and somebody else approved; code `setting_changed`
    where another one was put in force meanwhile."""
    order, version = _asked_for(asked)
    before = setting_at(tx, order.ability, order.strategy)
    if version != (0 if before is None else before.version):
        raise conflict("setting_changed", "This was set anew since it was asked for").at(
            "ability", order.ability, "reject this, and ask anew"
        )
    author = replace(author, rule_version=RULES)
    setting = put_setting(tx, author, ability, order, asked.requested_by, asked.id)
    return {"settingId": str(setting.id)}


def _asked_for(asked: Approval) -> tuple[SettingOrder, int]:
    given = dict(asked.payload)
    version = given.pop("version")
    return SettingOrder.model_validate(given), version
