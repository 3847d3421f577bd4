"""Decisions as evidence for others: one line of JSON for each, with its steps and what it made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from commenda.automation.decisions import decisions_where, whole_of
from commenda.automation.model import Decision
from commenda.kit.db import Database, Tx
from commenda.kit.wire import wire

BATCH = 200


def export_decisions(
    database: Database,
    *,
    ability: str | None = None,
    target: str | None = None,
    state: str | None = None,
) -> Iterator[str]:
    """Lines for the decisions that agree with whatever is given, the latest first.

    Each batch has a transaction of its own: a slow reader keeps no connection and no snapshot.
    """
    before: int | None = None
    while True:
        with database.transaction() as tx:
            found = decisions_where(tx, before, BATCH, ability=ability, target=target, state=state)
            lines = "".join(_line(tx, one) for one in found)
        yield lines
        if len(found) < BATCH:
            return
        before = found[-1].sequence


def _line(tx: Tx, decision: Decision) -> str:
    whole = wire(whole_of(tx, decision.id))
    told: dict[str, Any] = whole["decision"] | {one: whole[one] for one in ("steps", "links")}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n"
