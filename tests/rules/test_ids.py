"""Ids come from what a thing is; ties are fair and draws reproducible."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.ids import derive, tie_break, uniform

parts = st.lists(st.one_of(st.text(), st.integers(), st.uuids()), max_size=5)


@given(st.text(), parts)
def test_the_same_thing_has_the_same_id(kind: str, key: list[object]) -> None:
    assert derive(kind, *key) == derive(kind, *key)
    assert derive(kind, *key) == derive(kind, *map(str, key))


@given(st.text(), parts)
def test_an_id_is_a_valid_uuid_of_version_eight(kind: str, key: list[object]) -> None:
    found = derive(kind, *key)
    assert found.version == 8
    assert found.variant == "specified in RFC 4122"


def test_an_id_is_the_hash_it_says_it_is() -> None:
    """Recomputed with nothing but SHA-256; bits of version and variant aside."""
    digest = hashlib.sha256(b"order\x1fsignal\x1f7").hexdigest()[:32]
    found = derive("order", "signal", 7).hex
    assert (found[:12], found[13:16], found[17:]) == (digest[:12], digest[13:16], digest[17:])
    assert (found[12], found[16] in "89ab") == ("8", True)


def test_parts_are_kept_apart() -> None:
    assert derive("a", "bc") != derive("ab", "c")
    assert derive("a", "b", "c") != derive("a", "bc")
    assert derive("a") != derive("a", "")
    assert len({derive(f"kind-{n}", n) for n in range(1000)}) == 1000


def test_a_tie_is_broken_by_the_hmac() -> None:
    """RFC 2104 by the standard library's other door."""
    expected = hmac.new(b"secret", b"order-1\x1fleg-2", hashlib.sha256).digest()
    assert tie_break(b"secret", "order-1", "leg-2") == expected


def test_every_leg_is_first_equally_often() -> None:
    """2,000 orders over 8 legs: 250 each; five standard deviations are 74."""
    legs = [UUID(int=n) for n in range(8)]
    firsts = Counter(
        min(legs, key=lambda leg, order=order: tie_break(b"s", order, leg))  # type: ignore[misc]
        for order in range(2000)
    )
    assert all(abs(firsts[leg] - 250) <= 74 for leg in legs), firsts


def test_another_secret_gives_another_order() -> None:
    orders = {
        tuple(sorted(range(6), key=lambda leg, key=key: tie_break(key, leg)))  # type: ignore[misc]
        for key in (bytes([n]) for n in range(50))
    }
    assert len(orders) > 40


@given(st.binary(), parts)
def test_a_draw_lies_strictly_between_zero_and_one(seed: bytes, key: list[object]) -> None:
    assert 0 < uniform(seed, *key) < 1
    assert uniform(seed, *key) == uniform(seed, *key)


@pytest.mark.parametrize("seed", [b"1", b"2", b"3"])
def test_draws_are_uniform(seed: bytes) -> None:
    """Kolmogorov and Smirnov: the greatest gap is below 1.63 / √n at 99 %."""
    count = 4000
    drawn = sorted(uniform(seed, n) for n in range(count))
    gap = max(
        max((rank + 1) / count - value, value - rank / count) for rank, value in enumerate(drawn)
    )
    assert gap < 1.63 / count**0.5
