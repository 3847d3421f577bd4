"""How much a follower trades, and what it gets of a parent's fills."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from commenda.copying import CopyMode
from commenda.copying.rules import (
    DEAD_BAND,
    order_quantity,
    percentage_quantity,
    proportional_cost,
    signal_type,
)
from commenda.execution import allocate
from commenda.kit.errors import CommendaError
from commenda.venues import Fill, Side

D = Decimal
LOT = D("0.001")

equities = st.decimals("0.01", "1000000", places=8)
prices = st.decimals("0.01", "100000", places=2)
targets = st.decimals("-3", "3", places=4)
held_lots = st.integers(-(10**7), 10**7)


def test_proportional_copy_spends_the_same_part_of_the_followers_equity() -> None:
    """Vector CP2. Source: Binance copy trading rules 30f1e3a2835345e0b8ffc87f261a8256: the leader
    spends 500 of 1,000, the follower with 500 spends 250."""
    assert proportional_cost(D(500), D(500), D(1000)) == D(250)


def test_the_percentage_mode_copies_that_vector() -> None:
    """CP2 as a signal: from nothing to 0.5 of equity; 250 at a price of 10 are 25 units."""
    assert percentage_quantity(D(500), D(0), D(10), D(0), D("0.5"), LOT) == D(25)


@given(equities, prices, targets, held_lots)
def test_the_target_mode_ends_within_a_lot_of_the_target_or_within_the_dead_band(
    equity: Decimal, price: Decimal, target: Decimal, lots: int
) -> None:
    held = lots * LOT
    quantity, reason = decide(CopyMode.TARGET, equity, held, price, target)
    after = (held + quantity) * price
    off = abs(target * equity - after)
    assert off < LOT * price or (quantity == 0 and off < LOT * price + DEAD_BAND * equity)
    assert abs(after) <= abs(target * equity) or quantity == 0, "never more than the target"
    assert (quantity == 0) == (reason is not None)


@given(equities, prices, targets, held_lots)
def test_a_second_time_the_target_mode_does_nothing(
    equity: Decimal, price: Decimal, target: Decimal, lots: int
) -> None:
    held = lots * LOT
    quantity, _ = decide(CopyMode.TARGET, equity, held, price, target)
    assert decide(CopyMode.TARGET, equity, held + quantity, price, target)[0] == 0


@pytest.mark.parametrize("mode", list(CopyMode))
@given(equities, prices, held_lots, targets)
def test_every_quantity_is_a_whole_number_of_lots(
    mode: CopyMode, equity: Decimal, price: Decimal, lots: int, target: Decimal
) -> None:
    quantity, _ = decide(mode, equity, lots * LOT, price, target, previous=D("0.5"))
    assert quantity % LOT == 0


@pytest.mark.parametrize("mode", list(CopyMode))
@given(st.decimals("-1000", "1000", places=8), prices, held_lots, targets)
def test_an_exit_closes_exactly_what_is_held(
    mode: CopyMode, equity: Decimal, price: Decimal, lots: int, target: Decimal
) -> None:
    held = lots * LOT
    assert decide(mode, equity, held, price, D(0), previous=D("0.3"))[0] == -held
    if equity <= 0:
        assert decide(mode, equity, held, price, target, previous=D("0.3"))[0] == -held


@given(equities, prices, targets, targets, held_lots)
@example(D(1), D(1), D("0.0411"), D("0.0365"), 411)
def test_the_percentage_mode_moves_the_way_the_leader_moved(
    equity: Decimal, price: Decimal, previous: Decimal, target: Decimal, lots: int
) -> None:
    """A reduction never turns a position and an increase never reduces it."""
    assume(previous != 0)
    held = abs(lots) * LOT * (1 if previous > 0 else -1)
    quantity = percentage_quantity(equity, held, price, previous, target, LOT)
    if previous * target < 0:
        assert (held + quantity) * target >= 0, "turned"
    elif abs(target) < abs(previous):
        assert quantity * held <= 0
        assert abs(held + quantity) <= abs(held)
        kept = held * target / previous
        assert abs(held + quantity - kept) < LOT
    else:
        assert quantity * target >= 0


@given(targets, targets)
def test_a_signal_is_named_after_its_direction(previous: Decimal, target: Decimal) -> None:
    assume(previous != target)
    assert signal_type(previous, target) == ("buy" if target > previous else "sell")


@pytest.mark.parametrize(
    ("held", "target", "reason"),
    [
        ("0", "0", "nothing to close"),
        ("0", "0.00001", "below one lot"),
        ("5", "0.5", "already at the target"),
        ("5", "0.5049", "within the dead-band"),
        ("5", "0.505", None),
        ("5", "0.495", None),
    ],
)
def test_nothing_is_skipped_without_its_reason(held: str, target: str, reason: str | None) -> None:
    """Equity 1,000 at 100: the dead-band is 5, which is 0.05 units or 0.005 of the target."""
    assert decide(CopyMode.TARGET, D(1000), D(held), D(100), D(target))[1] == reason


def decide(
    mode: CopyMode,
    equity: Decimal,
    held: Decimal,
    price: Decimal,
    target: Decimal,
    previous: Decimal | int = 0,
) -> tuple[Decimal, str | None]:
    return order_quantity(
        mode,
        equity=equity,
        held=held,
        price=price,
        previous_target=D(previous),
        target=target,
        lot=LOT,
    )


# --- a parent's fills ------------------------------------------------------------------------


@st.composite
def parents(draw: st.DrawFn) -> tuple[Side, list[tuple[UUID, Decimal]], list[Fill]]:
    """Requests in lots, and fills of no more than they ask for at several prices."""
    side = draw(st.sampled_from(Side))
    asked = draw(st.lists(st.integers(1, 5000), min_size=1, max_size=12))
    requests = [
        (UUID(int=draw(st.integers(0, 2**128 - 1))), side.sign * lots * LOT) for lots in asked
    ]
    assume(len({leg for leg, _ in requests}) == len(requests))
    left = draw(st.integers(0, sum(asked)))
    fills = []
    while left and len(fills) < 4:
        lots = draw(st.integers(1, left))
        price, fee = draw(prices), draw(st.decimals("0", "10", places=8))
        fills.append(Fill(f"f{len(fills)}", lots * LOT, price, fee))
        left -= lots
    return side, requests, fills


@given(parents(), st.binary(min_size=1, max_size=8))
def test_shares_add_up_to_the_fills_exactly_and_fairly(
    parent: tuple[Side, list[tuple[UUID, Decimal]], list[Fill]], secret: bytes
) -> None:
    side, requests, fills = parent
    order = UUID(int=1)
    shares = allocate(side, requests, fills, step=LOT, scale=8, secret=secret, order_id=order)
    filled = sum((fill.quantity for fill in fills), D(0))
    notional = sum((fill.quantity * fill.price for fill in fills), D(0))
    fee = sum((fill.fee for fill in fills), D(0))
    assert sum((s.quantity for s in shares), D(0)) == side.sign * filled
    assert sum((s.notional for s in shares), D(0)) == side.sign * notional
    assert sum((s.fee for s in shares), D(0)) == fee
    asked = sum(abs(quantity) for _, quantity in requests)
    for share, (leg, request) in zip(shares, requests, strict=True):
        assert share.leg_id == leg
        assert share.quantity * side.sign >= 0
        assert abs(share.quantity) <= abs(request)
        assert abs(share.quantity - request * filled / asked) < LOT
        if filled:
            due = notional * abs(share.quantity) / filled
            assert abs(abs(share.notional) - due) < D("0.00000001")
            assert abs(share.fee - fee * abs(share.quantity) / filled) < D("0.00000001")


@given(parents())
def test_shares_do_not_depend_on_the_order_of_the_requests(
    parent: tuple[Side, list[tuple[UUID, Decimal]], list[Fill]],
) -> None:
    side, requests, fills = parent
    rules = {"step": LOT, "scale": 8, "secret": b"s", "order_id": UUID(int=1)}
    shares = allocate(side, requests, fills, **rules)  # type: ignore[arg-type]
    turned = allocate(side, requests[::-1], fills, **rules)  # type: ignore[arg-type]
    assert shares == turned[::-1]


@pytest.mark.parametrize(
    ("requests", "fill", "code"),
    [([D(1)], D("1.001"), "overfilled"), ([D("0.0005")], D(0), "off_lot")],
)
def test_what_cannot_be_shared_out_is_refused(
    requests: list[Decimal], fill: Decimal, code: str
) -> None:
    with pytest.raises(CommendaError) as caught:
        allocate(
            Side.BUY,
            [(UUID(int=n), quantity) for n, quantity in enumerate(requests)],
            [Fill("f", fill, D(1), D(0))],
            step=LOT,
            scale=8,
            secret=b"s",
            order_id=UUID(int=1),
        )
    assert caught.value.code == code
