"""When two accounts are two people: who may decide what another asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final, Literal, NamedTuple
from uuid import UUID

TieKind = Literal["made", "invited", "reset", "changed", "approved"]
CONTROL: Final = frozenset({"made", "invited", "reset"})
"""Whoever did one of these held the other's credentials, or the link to set them."""


class Tie(NamedTuple):
    """What somebody did to another's account."""

    user_id: UUID
    by_id: UUID
    kind: str


def hands_behind(user: UUID, ties: Iterable[Tie]) -> frozenset[UUID]:
    """Every account whose owner may hold a user's credentials: their own; that of whoever made,
    invited or reset it; and, of each of these, likewise."""
    above = defaultdict(list)
    for tie in ties:
        if tie.kind in CONTROL:
            above[tie.user_id].append(tie.by_id)
    found, look = {user}, [user]
    while look:
        new = [one for one in above[look.pop()] if one not in found]
        found.update(new)
        look += new
    return frozenset(found)


def tied(one: UUID, other: UUID, ties: Collection[Tie]) -> bool:
    """Whether two accounts may be one person, or one has let the other in.

    They are two people where no hand may stand behind both (an administrator who made two operators
    could play both of them), and neither has approved or changed the other's account. Approving
    shows no secret, so it ties two accounts and nobody behind them. Symmetric; everybody is tied to
    themselves.
    """
    if hands_behind(one, ties) & hands_behind(other, ties):
        return True
    return any({tie.user_id, tie.by_id} == {one, other} for tie in ties)
