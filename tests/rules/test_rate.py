"""Token buckets: how much is let through, and that inventing names gains nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.rate import Buckets, RateLimit, neighbourhood


class Time:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_full_bucket_holds_a_minutes_worth() -> None:
    buckets = Buckets(3, Time())
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") > 0


def test_a_refusal_says_when_there_is_a_token_again() -> None:
    time = Time()
    buckets = Buckets(6, time)  # one every ten seconds
    for _ in range(6):
        buckets.take("a")
    assert buckets.take("a") == pytest.approx(10)
    time.now += 4
    assert buckets.take("a") == pytest.approx(6)
    time.now += 6
    assert buckets.take("a") == 0
    assert buckets.take("a") == pytest.approx(10)


def test_one_bucket_does_not_empty_another() -> None:
    buckets = Buckets(1, Time())
    assert buckets.take("a") == 0
    assert buckets.take("a") > 0
    assert buckets.take("b") == 0


@given(
    per_minute=st.integers(1, 300),
    pauses=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
)
def test_never_more_than_a_full_bucket_and_what_has_flowed_in(
    per_minute: int, pauses: list[float]
) -> None:
    """In any stretch of time, counted independently: at most capacity + rate x time."""
    time = Time()
    buckets = Buckets(per_minute, time)
    let_through = []
    for pause in pauses:
        time.now += pause
        let_through += [time.now for _ in range(7) if not buckets.take("a")]
    for first, since in enumerate(let_through):
        within = time.now - since
        assert len(let_through) - first <= per_minute + within * per_minute / 60 + 1e-6


def test_memory_is_bounded_and_the_silent_are_forgotten_first() -> None:
    buckets = Buckets(1, Time(), capacity=3)
    for key in "abcad":
        buckets.take(key)
    assert len(buckets) == 3
    assert not buckets.knows("a")
    buckets = Buckets(2, Time(), capacity=3)
    for key in "abcad":  # here `a` is used again before `d` comes
        buckets.take(key)
    assert buckets.knows("a")
    assert not buckets.knows("b")


def test_an_invented_credential_is_charged_to_its_address() -> None:
    limit = RateLimit(Buckets(5, Time()))
    let_through = 0
    for number in range(100):
        credential = f"invented {number}".encode()
        if not limit.wait(credential, "192.0.2.1"):
            let_through += 1
            limit.refused(credential)
    assert let_through == 5


def test_a_refused_credential_that_is_sent_again_is_charged_again() -> None:
    limit = RateLimit(Buckets(5, Time()))
    let_through = 0
    for _ in range(100):
        if not limit.wait(b"wrong", "192.0.2.1"):
            let_through += 1
            limit.refused(b"wrong")
    assert let_through == 5


def test_a_good_credential_is_served_while_its_neighbours_are_not() -> None:
    limit = RateLimit(Buckets(5, Time()))
    assert limit.wait(b"good", "192.0.2.1") == 0
    while not limit.wait(None, "192.0.2.1"):
        pass
    assert limit.wait(b"good", "192.0.2.1") == 0
    assert limit.wait(b"good", "198.51.100.9") == 0  # wherever it comes from
    assert limit.wait(None, "198.51.100.9") == 0


@pytest.mark.parametrize(
    ("address", "party"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_party_is_an_address_or_the_half_of_one(address: str, party: str) -> None:
    assert neighbourhood(address) == party
