"""Whoever dies within a decision leaves it made once or not begun."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from commenda.automation import Mode, decide, look_at
from commenda.kit.db import Database
from portfolio_machine import REBALANCE, Machine

WRITTEN = (
    "decisions",
    "decision_steps",
    "decision_links",
    "portfolio_rebalances",
    "journals",
    "entries",
    "orders",
    "audit_events",
)


class Died(BaseException):
    """As a kill: nothing in between may take it for a refusal."""


class Mortal:
    """Counts the statements of a decision, and dies before one of them."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.patch = machine, monkeypatch
        self.begun = 0

    def decides(self, dies_at: int | None) -> None:
        """Decide; with 0 it dies after the last statement, before it is committed."""
        execute, self.begun = psycopg.Connection.execute, 0

        def counted(tx: Any, *told: Any, **more: Any) -> Any:
            self.begun += 1
            if self.begun == dies_at:
                raise Died
            return execute(tx, *told, **more)

        with self.machine.db.transaction() as tx:
            (seen,) = look_at(tx, self.machine.author, REBALANCE)
        with self.patch.context() as patch, self.machine.db.transaction() as tx:
            patch.setattr(psycopg.Connection, "execute", counted)
            decide(tx, self.machine.author, REBALANCE, seen)
            if dies_at == 0:
                raise Died

    def written(self) -> dict[str, Any]:
        return {name: self.machine.world.one(f"SELECT count(*) FROM {name}") for name in WRITTEN}


def test_cut_short_at_any_statement_a_decision_is_made_once_or_not_begun(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(db)
    machine.let(Mode.ACTING)
    mortal = Mortal(machine, monkeypatch)
    with machine.db.transaction() as tx:
        machine.mark(tx)
    before = mortal.written()
    with pytest.raises(Died):
        mortal.decides(0)
    statements = mortal.begun
    assert statements > 30
    assert mortal.written() == before
    for one in range(1, statements + 1, 1 + statements // 40):
        with pytest.raises(Died):
            mortal.decides(one)
        assert mortal.written() == before
    mortal.decides(None)
    after = mortal.written()
    assert after["decisions"] == before["decisions"] + 1
    assert machine.last().state == "done"
    mortal.decides(None)  # whoever takes it up again
    assert mortal.written() == after
    machine.sound()
