"""What must be true at the end of a life, and what is told of one that failed."""

from __future__ import annotations

import json
from collections import Counter

from commenda.kit.money import plain

from .lived import Life


def check(life: Life) -> None:
    """What must be true, held against the exchange's own books and not through the connector's
    words alone."""
    world = life.world
    ours = {str(one.id) for one in life.orders}
    sent = Counter(one.client_id for one in life.desk.orders.values() if one.client_id in ours)
    waiting = getattr(life.desk, "conditionals", {}).values()
    stops = Counter(one.client_id for one in waiting)
    assert all(count == 1 for count in (*sent.values(), *stops.values())), "sent twice"
    intents = Counter(
        (one.cause_id, one.instrument_id, one.side) for one in life.orders if str(one.id) in sent
    )
    assert all(count == 1 for count in intents.values()), "an intent was sent twice"
    assert not life.desk.open, "something rests there that is over here"
    assert life.waits_there() == [], "a stop is left"
    there = {
        f"{one.symbol}:{one.id}": life.fill_there(one)
        for one in life.desk.trades
        if one.id not in life.before
    }
    here = {
        fill: (quantity, price, fee)
        for fill, quantity, price, fee in world.rows(
            "SELECT fill_id, quantity, price, fee FROM fills WHERE venue = %s", life.name
        )
    }
    assert here == there, "a fill was lost, or counted twice"
    for instrument in world.feed.instruments:
        there_is = life.held_there(instrument.symbol)
        held = world.one(
            "SELECT coalesce(sum(quantity), 0) FROM positions p JOIN legs l ON l.id = p.leg_id"
            " WHERE l.venue = %s AND p.instrument_id = %s",
            life.name,
            instrument.id,
        )
        assert held == there_is, f"{plain(held)} of {instrument.symbol}"
    left = life.unexplained()
    assert left == {}, f"unexplained: {left}"
    paid = life.funded()
    posted = world.one(
        "SELECT coalesce(sum(amount), 0) FROM funding_payments WHERE venue = %s", life.name
    )
    assert posted == paid, f"funding: {posted} of {paid}"


def told(life: Life) -> str:
    """What happened, for whoever reads of a failure."""
    script = life.near.house.script
    rows = life.world.rows(
        "SELECT id, side, kind, quantity, status, reason FROM orders WHERE venue = %s"
        " ORDER BY number",
        life.name,
    )
    lines = [f"struck: {json.dumps(script.struck)}; deaths: {life.deaths}"]
    lines += [" ".join(map(str, row)) for row in rows]
    lines += [f"there: {one}" for one in life.desk.orders.values()]
    lines += [f"paid: {one}" for one in (*life.desk.trades, *getattr(life.desk, "income", ()))]
    journals = life.world.rows(
        "SELECT posted_at, kind, key FROM journals WHERE key LIKE %s ORDER BY id",
        f"%{life.name}:%",
    )
    lines += ["here: " + " ".join(map(str, row)) for row in journals]
    return "\n".join(lines)
