"""The ledger's arithmetic: stripes are the event's own, and what has too many decimals."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.errors import CommendaError
from commenda.ledger import statement_period, stripe_of
from commenda.ledger.rules import SCALE, STRIPES, has_excess_scale


@given(st.sampled_from([*STRIPES, "wallet", "venue"]), st.text(max_size=40))
def test_an_event_always_takes_the_same_stripe_of_those_there_are(kind: str, event: str) -> None:
    stripe = stripe_of(kind, event)
    assert stripe == stripe_of(kind, event)
    assert 0 <= stripe < STRIPES.get(kind, 1)


def test_the_stripe_of_an_event_is_the_same_in_every_process_and_release() -> None:
    """CRC-32 of 123456789 is cbf43926 (the check value of the algorithm), 6 of 8."""
    assert stripe_of("external", "123456789") == 0xCBF43926 % 8 == 6


@pytest.mark.parametrize("kind", list(STRIPES))
def test_events_spread_over_the_stripes(kind: str) -> None:
    """Of 8,000 each of 8 stripes gets 1,000, give or take six standard deviations of 30."""
    share = Counter(stripe_of(kind, f"deposit:{n}") for n in range(1000 * STRIPES[kind]))
    assert set(share) == set(range(STRIPES[kind]))
    assert all(820 < events < 1180 for events in share.values())


@given(st.integers(-(10**37), 10**37), st.integers(0, 30), st.integers(0, 80))
def test_scale_is_in_excess_where_a_digit_would_be_lost(units: int, scale: int, zeros: int) -> None:
    """However many zeros stand behind the last digit."""
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(scale + 1, "0")
    point = len(digits) - scale
    number = Decimal(f"{sign}{digits[:point]}.{digits[point:]}{'0' * zeros}")
    lost = Fraction(units, 10**scale) * 10**SCALE % 1 != 0
    assert has_excess_scale(number) is lost


MOMENTS = st.datetimes(timezones=st.just(UTC))


@given(st.none() | MOMENTS, st.none() | MOMENTS, MOMENTS)
def test_a_statements_period_is_up_to_366_days_that_are_past_or_refused(
    since: datetime | None, until: datetime | None, now: datetime
) -> None:
    """Whatever the calendar has: no year overflows."""
    end = now if until is None or until > now else until
    if since is not None and not since <= end <= _later(since, 366):
        with pytest.raises(CommendaError, match="bad_period"):
            statement_period(since, until, now)
        return
    begin, found = statement_period(since, until, now)
    assert found == end
    assert begin == (since or begin)
    if since is None:
        assert end == _later(begin, 30) or begin == datetime(1, 1, 1, tzinfo=UTC)
    assert begin <= end <= _later(begin, 366)


def _later(moment: datetime, days: int) -> datetime:
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
