"""Limits are set tighter by one person and at once, looser by two; what was in force is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from commenda.identity import Principal, approval_by_id
from commenda.identity.model import PERMISSIONS, Role
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.operations.approvals import (
    approve_and_carry_out,
    reject_and_give_back,
    with_changes,
)
from commenda.risk import LimitAnswer, LimitOrder, limits_in_force, limits_where, order_limit
from people import signed_in, user_of
from scripted import D
from world import World


def principal(db: Database, role: str) -> Principal:
    signed_in(db, role)
    kind = Role(role)
    return Principal(user_of(role), kind, PERMISSIONS[kind], None, second_factor=True)


class Desk:
    """A risk officer and an operator, on a small business."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.world = World(db)
        self.flow = self.world.creator("anna")
        self.officer, self.operator = principal(db, "risk"), principal(db, "operator")

    def order(self, amount: str | None, **more: Any) -> LimitAnswer:
        said = {"level": "flow", "subject": str(self.flow.id), "measure": "gross_notional"}
        order = LimitOrder.model_validate(said | {"amount": amount, "reason": "a test"} | more)
        with self.db.transaction() as tx:
            return order_limit(tx, self.officer, order, self.world.now)

    def approve(self, approval: UUID) -> Any:
        with self.db.transaction() as tx:
            return approve_and_carry_out(tx, approval, self.operator, self.world.now)

    def amounts(self) -> list[Any]:
        with self.db.read() as tx:
            return [(one.measure, one.amount) for one in limits_in_force(tx)]


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def test_a_new_limit_and_a_tighter_one_act_at_once(desk: Desk) -> None:
    first = desk.order("1000")
    assert (first.status, first.approval_id) == ("in_force", None)
    assert first.limit is not None
    assert (first.limit.amount, first.limit.asset, first.limit.version) == (1000, "USDT", 1)
    desk.world.advance()
    second = desk.order("400")
    assert second.limit is not None
    assert (second.limit.amount, second.limit.version) == (400, 2)
    assert desk.amounts() == [("gross_notional", 400)]
    with desk.db.read() as tx:
        (past,) = limits_where(tx, "past", None, 10)
    assert (past.id, past.ended_at, past.amount) == (first.limit.id, desk.world.now, 1000)
    assert desk.world.column(
        "SELECT details -> 'before' ->> 'amount' FROM audit_events"
        " WHERE kind = 'risk.limit_set' ORDER BY id"
    ) == [None, "1000"]


def test_the_same_again_changes_nothing(desk: Desk) -> None:
    first, again = desk.order("1000"), desk.order("1000")
    assert again == first
    assert desk.world.one("SELECT count(*) FROM risk_limits") == 1


@pytest.mark.parametrize("amount", ["1500", None])
def test_a_looser_limit_waits_for_a_second_person(desk: Desk, amount: str | None) -> None:
    first = desk.order("1000")
    asked = desk.order(amount)
    assert (asked.status, asked.limit) == ("requested", first.limit)
    assert desk.amounts() == [("gross_notional", 1000)], "nothing happens until then"
    assert asked.approval_id is not None
    with desk.db.read() as tx:
        shown = with_changes(tx, approval_by_id(tx, asked.approval_id))
    (change,) = shown.changes
    assert change.called["subject"] == "anna"
    assert change.before == {"amount": "1000"}
    assert change.after == {"amount": amount}

    with pytest.raises(CommendaError) as alone, desk.db.transaction() as tx:
        approve_and_carry_out(tx, asked.approval_id, desk.officer, desk.world.now)
    assert alone.value.code == "same_person"
    desk.world.advance()
    desk.approve(asked.approval_id)
    assert desk.amounts() == ([] if amount is None else [("gross_notional", 1500)])
    ended = desk.world.rows("SELECT end_approval_id, approval_id FROM risk_limits ORDER BY version")
    of = asked.approval_id
    assert ended == ([(of, None)] if amount is None else [(None, None), (None, of)])
    if amount is None:
        assert desk.order("700").limit.version == 2, "it is set anew"  # type: ignore[union-attr]


def test_a_rejected_request_leaves_the_limit(desk: Desk) -> None:
    desk.order("1000")
    asked = desk.order("1500")
    assert asked.approval_id is not None
    with desk.db.transaction() as tx:
        reject_and_give_back(tx, asked.approval_id, desk.operator, desk.world.now, "too much")
    assert desk.amounts() == [("gross_notional", 1000)]


def test_what_was_tightened_meanwhile_is_not_loosened(desk: Desk) -> None:
    desk.order("1000")
    asked = desk.order("1500")
    assert asked.approval_id is not None
    with pytest.raises(CommendaError) as twice:
        desk.order("1200")
    assert (twice.value.code, twice.value.value) == ("limit_asked_for", str(asked.approval_id))
    desk.world.advance()
    desk.order("200")
    with pytest.raises(CommendaError) as late:
        desk.approve(asked.approval_id)
    assert late.value.code == "limit_changed"
    assert desk.amounts() == [("gross_notional", 200)]


def test_a_weaker_effect_is_looser_too(desk: Desk) -> None:
    desk.order("1000", effect="cancel", resetsAt="900", cooldownSeconds=600)
    for change in (
        {"effect": "no_entries", "resetsAt": "900", "cooldownSeconds": 600},
        {"effect": "cancel", "resetsAt": "950", "cooldownSeconds": 600},
        {"effect": "cancel", "resetsAt": "900", "cooldownSeconds": 60},
    ):
        asked = desk.order("1000", **change)
        assert asked.status == "requested", change
        with desk.db.transaction() as tx:
            assert asked.approval_id is not None
            reject_and_give_back(tx, asked.approval_id, desk.operator, desk.world.now, "no")
    stronger = desk.order("1000", effect="flatten", resetsAt="500", cooldownSeconds=900)
    assert stronger.status == "in_force"


def test_a_limit_that_says_no_cooldown_has_one_and_less_of_it_is_looser(desk: Desk) -> None:
    """A quarter of an hour: half of it takes two people, and twice as much takes one."""
    desk.order("1000", effect="cancel")
    assert desk.order("1000", effect="cancel", cooldownSeconds=1800).status == "in_force"
    assert desk.order("1000", effect="cancel").status == "requested"
    desk.order("1000", effect="cancel", measure="position")
    asked = desk.order("1000", effect="cancel", measure="position", cooldownSeconds=1)
    assert asked.status == "requested"


NOBODY = "0b8e1f0c-5f0e-4a51-9c1d-3f1f6f0a7f10"


@pytest.mark.parametrize(
    ("said", "code", "field"),
    [
        ({"subject": NOBODY}, "unknown_flow", "subject"),
        ({"subject": "anna"}, "unknown_flow", "subject"),
        ({"level": "scope", "subject": NOBODY}, "unknown_scope", "subject"),
        ({"level": "creator", "subject": NOBODY}, "unknown_creator", "subject"),
        ({"level": "instrument", "subject": "99"}, "unknown_instrument", "subject"),
        ({"level": "strategy", "subject": "no_such"}, "unknown_strategy", "subject"),
        ({"level": "venue", "subject": "binance_usdm:none"}, "unknown_venue", "subject"),
        ({"level": "platform"}, "bad_subject", "subject"),
        ({"subject": ""}, "bad_subject", "subject"),
        ({"asset": "XYZ"}, "unknown_asset", "asset"),
        ({"measure": "leverage", "asset": "USDT"}, "bad_asset", "asset"),
        ({"measure": "order_rate", "amount": "1.5"}, "bad_amount", "amount"),
        ({"measure": "daily_loss", "amount": "1.01"}, "bad_amount", "amount"),
        ({"level": "scope", "subject": "*", "measure": "open_orders"}, "bad_measure", "measure"),
        ({"resetsAt": "5"}, "bad_breaker", "resetsAt"),
        ({"effect": "cancel", "resetsAt": "11"}, "bad_breaker", "resetsAt"),
        ({"level": "venue", "subject": "paper", "amount": None}, "unknown_limit", "amount"),
    ],
)
def test_what_cannot_be_a_limit_is_refused_with_its_mend(
    desk: Desk, said: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(CommendaError) as caught:
        desk.order(said.pop("amount", "10"), **said)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.hint
    assert desk.amounts() == []


@pytest.mark.parametrize(
    "said",
    [
        {"level": "galaxy"},
        {"measure": "luck"},
        {"amount": "0"},
        {"amount": "-1"},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"reason": " "},
    ],
)
def test_what_is_no_limit_at_all_does_not_get_that_far(desk: Desk, said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        desk.order(said.pop("amount", "10"), **said)


def test_money_of_which_asset_is_asked_where_there_are_two(desk: Desk) -> None:
    assert desk.order("10", level="flow", subject="*").limit.asset == "USDT"  # type: ignore[union-attr]
    desk.world.execute("UPDATE instruments SET quote = 'USDC' WHERE symbol = 'BBBUSDT'")
    desk.world.creator("bert", "BBBUSDT", capital=0)
    with pytest.raises(CommendaError) as caught:
        desk.order("10", level="platform", subject="")
    assert (caught.value.code, caught.value.hint) == ("asset_needed", "give one: USDC, USDT")
    one = desk.order("10", level="platform", subject="", asset="USDC")
    assert one.limit is not None
    assert one.limit.asset == "USDC"


def test_every_change_is_kept_and_at_most_one_is_in_force(desk: Desk) -> None:
    for amount in ("900", "800", "700"):
        desk.world.advance()
        desk.order(amount)
    rows = desk.world.rows(
        "SELECT version, amount, valid_from, ended_at FROM risk_limits ORDER BY version"
    )
    assert [row[1] for row in rows] == [D(900), D(800), D(700)]
    assert [row[3] for row in rows[:2]] == [row[2] for row in rows[1:]], "no gap and no overlap"
    assert rows[2][3] is None
    assert rows[2][2] > datetime(2026, 1, 5, tzinfo=UTC)
