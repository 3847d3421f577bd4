"""Who stands behind whose account, as the audit trail has told it; `rules` says what follows."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from commenda.audit import Check
from commenda.identity.rules import Tie, tied
from commenda.kit.db import Tx
from commenda.kit.errors import conflict

CHECKS = (
    Check(
        "who stands behind an account is what the audit trail says",
        "SELECT coalesce(t.user_id, s.user_id) || ' by ' || coalesce(t.by_id, s.by_id),"
        "  coalesce(s.kind || ' ' || s.since, 'nothing'),"
        "  coalesce(t.kind || ' ' || t.since, 'nothing')"
        " FROM ties t FULL JOIN told_ties s USING (user_id, by_id, kind)"
        " WHERE t.since IS DISTINCT FROM s.since",
    ),
)


def ties_of(tx: Tx, users: Collection[UUID]) -> list[Tie]:
    """All that ties these users to others, and those behind them to others again."""
    rows = tx.execute(
        "WITH RECURSIVE behind AS ("
        "  SELECT user_id, by_id, kind FROM ties WHERE user_id = ANY (%s)"
        "  UNION SELECT t.user_id, t.by_id, t.kind FROM ties t JOIN behind b ON t.user_id = b.by_id"
        ") SELECT * FROM behind",
        (list(users),),
    ).fetchall()
    return [Tie(*row) for row in rows]


def require_two_people(tx: Tx, who: UUID, others: Collection[UUID], field: str) -> None:
    """Code `same_person` where one of the others may be the same person, or let the other in."""
    ties = ties_of(tx, [who, *others])
    for other in others:
        if tied(who, other, ties):
            raise conflict(
                "same_person",
                "This takes another person: not who asked or decided already, nor anybody who made,"
                " invited, approved, changed or reset their account",
            ).at(field, other, "have somebody decide whose account came about apart from theirs")
