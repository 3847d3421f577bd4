"""Where a live flow and its backtest part: every cause once, with figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.modes.model import Cause
from commenda.modes.rules import (
    NOTHING,
    Asked,
    Event,
    Stamp,
    Terms,
    Traded,
    agree,
    cause_of,
    result,
    totals,
    walk,
)

D = Decimal
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
TERMS = Terms(D("0.0005"), D("0.0002"), tick=D("0.01"), lot=D("0.001"), unit=D("0.00000001"))
STAKE = D(10_000)
FREE = replace(TERMS, fee=D(0), slippage=D(0))


def at(hour: int) -> datetime:
    return BEGIN + timedelta(hours=hour)


def trade(quantity: str, price: str, terms: Terms = FREE) -> Traded:
    """What is paid for a quantity at a price, with the backtest's fee."""
    notional = D(quantity) * D(price)
    return Traded(D(quantity), notional, abs(notional) * terms.fee)


def ask(target: str, reference: str, cash: str, requested: str, **why: Cause) -> Asked:
    return Asked(D(target), D(reference), D(cash), D(requested), **why)


def causes(moments: list[Event | Stamp], last: str, terms: Terms = FREE) -> dict[Cause, Decimal]:
    """What each cause made; they add up to the difference of the two results, computed apart."""
    events = [one for one in moments if isinstance(one, Event)]
    stamps = [one for one in moments if isinstance(one, Stamp)]
    held, paid = D(0), []
    for one in moments:
        if isinstance(one, Event):
            held += one.backtest.quantity
        else:
            paid.append(-held * one.mark * one.rate)
    live = result([one.live for one in events], [one.received for one in stamps], D(last))
    other = result([one.backtest for one in events], paid, D(last))
    found = {
        cause: amount for cause, amount in totals(walk(moments, terms, D(last))).items() if amount
    }
    assert sum(found.values(), D(0)) == live - other
    return found


def both(quantity: str = "50", **other: object) -> Event:
    """Half of 10,000 at 100, bought by both."""
    asked = ask("0.5", "100", "10000", "50")
    return replace(
        Event(at(0), "target", D(100), trade(quantity, "100"), trade(quantity, "100"), asked),
        **other,  # type: ignore[arg-type]
    )


def test_the_same_trades_differ_by_nothing() -> None:
    assert causes([both()], "110") == {}


def test_a_fill_away_from_the_market_is_the_price() -> None:
    """50 at 100.30 instead of 100: 15 less, of which slippage of 0.02 % was assumed: 1."""
    terms = replace(FREE, slippage=D("0.0002"))
    one = both(backtest=trade("50", "100.02"), live=trade("50", "100.30"))
    assert causes([one], "110", terms) == {Cause.PRICE: D("-14")}


def test_a_fill_within_a_tick_is_rounding() -> None:
    one = both(live=trade("50", "100.009"))
    assert causes([one], "110") == {Cause.ROUNDING: D("-0.45")}


def test_a_late_order_is_latency_and_what_it_sizes_too() -> None:
    """At 101 half of 10,000 is 49.504 whole lots. They cost a unit more each: −49.504. The
    49.50495… that it was come to −0.49504950… less than 50, the lot to −0.00095049…; at 110 they
    miss ten of gain each."""
    one = both(
        live=trade("49.504", "101"), asked=ask("0.5", "101", "10000", "49.504"), reference=D(101)
    )
    size = D(5_000) / D(101)
    found = causes([one], "110")
    assert found.keys() == {Cause.LATENCY, Cause.ROUNDING}
    assert found[Cause.LATENCY] == pytest.approx(-D("49.504") + 10 * (size - 50))
    assert found[Cause.ROUNDING] == pytest.approx(10 * (D("49.504") - size))


def test_another_rate_is_the_fee() -> None:
    """0.1 % of 5,000 are 5, and 2.5 were assumed."""
    terms = replace(FREE, fee=D("0.0005"))
    one = both(backtest=Traded(D(50), D(5_000), D("2.5")), live=Traded(D(50), D(5_000), D(5)))
    assert causes([one], "110", terms) == {Cause.FEE: D("-2.5")}


def test_a_lot_too_coarse_is_rounding() -> None:
    """Lots of 7: 49 of 50; at 110 one unit missed ten."""
    terms = replace(FREE, lot=D(7))
    one = both(live=trade("49", "100"), asked=ask("0.5", "100", "10000", "49"))
    assert causes([one], "110", terms) == {Cause.ROUNDING: D(-10)}


def test_another_equity_is_the_size() -> None:
    """With 9,000 the half is 45: five units miss ten each."""
    one = both(live=trade("45", "100"), asked=ask("0.5", "100", "9000", "45"))
    assert causes([one], "110") == {Cause.SIZE: D(-50)}


@pytest.mark.parametrize(
    ("words", "status", "cause"),
    [
        ("market_untrusted: nothing is opened …", None, Cause.HALTED),
        ("within the dead-band", None, Cause.DEAD_BAND),
        ("signal_late: it was copied too long …", None, Cause.LATE),
        ("order_late: it was intended …", "refused", Cause.LATE),
        ("below the minimum notional of 5", "refused", Cause.MINIMUM_NOTIONAL),
        ("maintenance", "refused", Cause.REFUSED),
        ("the bar's liquidity was used up", "expired", Cause.PARTIAL),
        ("cancelled", "cancelled", Cause.PARTIAL),
        (None, "filled", Cause.UNEXPLAINED),
    ],
)
def test_what_an_order_says_is_a_cause(words: str | None, status: str | None, cause: Cause) -> None:
    assert cause_of(words, status) is cause


@pytest.mark.parametrize("cause", [Cause.REFUSED, Cause.PARTIAL, Cause.MINIMUM_NOTIONAL])
def test_what_was_not_filled_has_the_orders_cause_and_saves_its_fee(cause: Cause) -> None:
    """30 of 50: twenty units miss ten each, and 0.05 % of 2,000 is not paid."""
    terms = replace(FREE, fee=D("0.0005"))
    one = both(
        backtest=trade("50", "100", terms),
        live=trade("30", "100", terms),
        asked=ask("0.5", "100", "10000", "50", unfilled=cause),
    )
    assert causes([one], "110", terms) == {cause: D(-200) + 1}


@pytest.mark.parametrize("cause", [Cause.HALTED, Cause.DEAD_BAND, Cause.LATE])
def test_what_was_not_asked_has_the_signals_cause(cause: Cause) -> None:
    one = both(live=NOTHING, asked=ask("0.5", "100", "10000", "0", held_back=cause))
    assert causes([one], "90") == {cause: D(500)}


@pytest.mark.parametrize(
    "cause", [Cause.PAUSED, Cause.MISSING_BAR, Cause.OTHER_DATA, Cause.WORKING, Cause.UNEXPLAINED]
)
def test_a_decision_without_a_signal_has_its_reason(cause: Cause) -> None:
    one = both(live=NOTHING, asked=None, why=cause)
    assert causes([one], "90") == {cause: D(500)}


def test_what_differs_is_carried_until_a_signal_sizes_the_book_afresh() -> None:
    """Nothing of the entry was filled: 50 units miss the way from 100 to 104. The exit finds both
    flat, and what comes after is nobody's difference."""
    entry = both(live=NOTHING, asked=ask("0.5", "100", "10000", "50", unfilled=Cause.REFUSED))
    leave = Event(at(2), "target", D(104), trade("-50", "104"), asked=ask("0", "104", "10000", "0"))
    again = replace(both(), at=at(3), price=D(80), backtest=trade("63", "80"))
    again = replace(again, live=trade("62.5", "80"), asked=ask("0.5", "80", "10000", "62.5"))
    assert causes([entry, leave], "150") == {Cause.REFUSED: D(-200)}
    assert causes([entry, leave, again], "90") == {Cause.REFUSED: D(-200), Cause.SIZE: D(-5)}


def test_what_the_venue_or_an_investor_closed_has_their_name() -> None:
    """20 of 50 are closed at 90 and miss the way back to 100."""
    for cause in (Cause.FORCED, Cause.CLOSED):
        closed = Event(at(1), "forced", D(90), live=trade("-20", "90"), why=cause)
        assert causes([both(), closed], "100") == {cause: D(-200)}


def test_funding_is_what_the_same_position_paid_otherwise() -> None:
    """A rate of 0.01 % on 5,000 are 0.5 where nothing differs. Without a position none is paid;
    of a stamp that the backtest does not know all is funding."""
    stamp = Stamp(at(1), D("0.0001"), D(100), D("-0.5"))
    assert causes([both(), stamp], "100") == {}
    assert causes([both(), replace(stamp, received=D("-0.75"))], "100") == {
        Cause.FUNDING: D("-0.25")
    }
    unknown = replace(stamp, rate=D(0), mark=D(0))
    assert causes([both(), unknown], "100") == {Cause.FUNDING: D("-0.5")}
    without = both(live=NOTHING, asked=ask("0.5", "100", "10000", "50", unfilled=Cause.REFUSED))
    assert causes([without, replace(stamp, received=D(0))], "100") == {Cause.REFUSED: D("0.5")}


def test_a_rest_that_is_more_than_a_lot_is_not_called_rounding() -> None:
    one = both(live=trade("40", "100"), asked=ask("0.5", "100", "10000", "40"))
    assert causes([one], "110") == {Cause.UNEXPLAINED: D(-100)}


# --- the whole, whatever there is ---------------------------------------------------------------

amounts = st.decimals("-1000", "1000", places=3)
prices = st.decimals("1", "1000", places=2)


@st.composite
def any_trade(draw: st.DrawFn) -> Traded:
    quantity = draw(amounts)
    fee = draw(st.decimals("0", "10", places=8))
    return Traded(quantity, quantity * draw(prices), fee) if quantity else NOTHING


@st.composite
def any_event(draw: st.DrawFn) -> Event:
    price, reason = draw(prices), st.sampled_from(Cause)
    asked = None
    if draw(st.booleans()):
        asked = Asked(
            draw(st.decimals("-2", "2", places=3)), draw(prices), draw(amounts), draw(amounts),
            draw(reason), draw(reason), draw(reason),
        )  # fmt: skip
    reference = draw(st.none() | prices)
    return Event(
        BEGIN, "any", price, draw(any_trade()), draw(any_trade()), asked, reference, draw(reason)
    )


any_stamp = st.builds(
    Stamp, st.just(BEGIN), st.decimals("-0.01", "0.01", places=6), prices, amounts
)


@given(st.lists(any_event() | any_stamp, max_size=8), prices)
def test_the_causes_add_up_to_the_whole_to_the_last_digit(
    moments: list[Event | Stamp], last: Decimal
) -> None:
    causes(moments, str(last), TERMS)


# --- decisions ----------------------------------------------------------------------------------


def test_decisions_agree_by_bar_kind_and_target() -> None:
    one, two, three = ((at(hour), "target") for hour in (1, 2, 3))
    backtest = {one: D("0.5"), two: D(0), three: D("0.5")}
    live = {one: D("0.5"), two: D("0.2"), (at(3), "stop"): D(0)}
    found = agree(backtest, live, [], [])
    assert found[:3] == (3, 3, 1)
    assert found.apart == {
        two: Cause.UNEXPLAINED,
        three: Cause.UNEXPLAINED,
        (at(3), "stop"): Cause.UNEXPLAINED,
    }


def test_a_bar_that_was_missed_or_is_another_explains_what_comes_from_its_close_on() -> None:
    keys = [(at(hour), "target") for hour in (1, 2, 3)]
    decided = dict.fromkeys(keys, D(1))
    found = agree(decided, {}, missed=[at(3)], changed=[at(2)])
    assert [found.apart[key] for key in keys] == [
        Cause.UNEXPLAINED,
        Cause.OTHER_DATA,
        Cause.MISSING_BAR,
    ]
