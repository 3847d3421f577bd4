"""Which accounts are two people. The right answers are worked out by hand below, and for drawn
graphs by asking who could hold each account: an account is held by its owner or by whoever holds an
account that made, invited or reset it; two accounts may be one person where one person can hold
both at once."""

from __future__ import annotations

from functools import cache
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.identity.rules import CONTROL, Tie, hands_behind, tied

NAMES = ("root", "ruth", "olga", "otto", "rita", "carl")
IDS = {name: UUID(int=place) for place, name in enumerate(NAMES, 1)}


def graph(*lines: str) -> list[Tie]:
    """Ties written as `root invited olga`."""
    words = [line.split() for line in lines]
    return [Tie(IDS[whom], IDS[who], kind) for who, kind, whom in words]


@pytest.mark.parametrize(
    ("lines", "one", "other", "expected"),
    [
        ((), "root", "root", True),  # nobody is two
        ((), "root", "ruth", False),  # two administrators who were made at the machine
        (("root made olga",), "root", "olga", True),
        (("root invited olga",), "olga", "root", True),  # nor the other way round
        (("root reset olga",), "root", "olga", True),
        (("root changed olga",), "root", "olga", True),
        (("ruth approved olga",), "ruth", "olga", True),
        # One who makes two plays both; so does one whose puppet makes another.
        (("root invited olga", "root invited otto"), "olga", "otto", True),
        (("root invited olga", "olga invited otto"), "root", "otto", True),
        # Two lines: each administrator invites their own, the other approves.
        (("root invited olga", "ruth approved olga"), "olga", "ruth", True),
        (
            (
                "root invited olga",
                "ruth approved olga",
                "ruth invited otto",
                "root approved otto",
            ),
            "olga",
            "otto",
            False,
        ),
        (("root invited olga", "ruth approved olga"), "root", "ruth", False),
        # A reset lets the hand that did it in, without letting out the one before.
        (("root invited olga", "ruth reset olga"), "ruth", "olga", True),
        (("root invited olga", "ruth reset olga", "ruth invited rita"), "olga", "rita", True),
        (("root invited olga", "ruth reset olga"), "root", "ruth", False),
        # What staff do to a customer's account is theirs, too.
        (("olga made carl",), "olga", "carl", True),
        (("root invited olga", "olga made carl"), "root", "carl", True),
        (("olga made carl", "ruth invited otto"), "otto", "carl", False),
        # Each reset the other: one hand may hold both.
        (("root reset ruth", "ruth reset root"), "root", "ruth", True),
    ],
)
def test_who_is_another_person(
    lines: tuple[str, ...], one: str, other: str, expected: bool
) -> None:
    ties = graph(*lines)
    assert tied(IDS[one], IDS[other], ties) is expected
    assert tied(IDS[other], IDS[one], ties) is expected


KINDS = ("made", "invited", "reset", "changed", "approved")
TIES = st.lists(
    st.builds(Tie, *[st.sampled_from(list(IDS.values()))] * 2, st.sampled_from(KINDS)), max_size=9
)


@given(TIES)
def test_two_accounts_are_one_person_where_one_can_hold_both(ties: list[Tie]) -> None:
    @cache
    def may_hold(person: UUID, account: UUID, through: frozenset[UUID]) -> bool:
        """Whether a person can come to hold an account, by a chain that visits none twice."""
        return person == account or any(
            may_hold(person, tie.by_id, through | {account})
            for tie in ties
            if tie.user_id == account and tie.kind in CONTROL and tie.by_id not in through
        )

    people = IDS.values()
    for one in people:
        assert hands_behind(one, ties) == {
            person for person in people if may_hold(person, one, frozenset())
        }
        for other in people:
            both = any(
                may_hold(person, one, frozenset()) and may_hold(person, other, frozenset())
                for person in people
            )
            direct = any({tie.user_id, tie.by_id} == {one, other} for tie in ties)
            assert tied(one, other, ties) is (both or direct)
