"""Hold what is measured against the limits that have an effect, and turn the breakers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Final

from commenda.kit.db import Tx
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.ledger import Author
from commenda.risk.breakers import (
    KILL,
    Breaker,
    Standing,
    all_breakers,
    close_breaker,
    is_selling,
    let_half,
    note_calm,
    trip,
)
from commenda.risk.held import readings
from commenda.risk.hysteresis import COOLDOWN, Band, Turn, turn
from commenda.risk.model import Effect, Level, Limit
from commenda.risk.queries import limits_in_force
from commenda.risk.watching import Reading

_CALM: Final = Band(Decimal(0), Decimal(0))


def turn_breakers(tx: Tx, author: Author) -> int:
    """Measure, and open, try or close the breakers that this turns; how many were turned.

    A breaker whose limit is gone, or that nothing is measured of any more, is calm.
    """
    limits = [one for one in limits_in_force(tx) if one.effect is not None]
    standing = {one.place: one for one in all_breakers(tx, standing=True) if one.measure != KILL}
    if not limits and not standing:
        return 0
    worst = _worst(limits, readings(tx, limits, author.now))
    turned = 0
    for place in sorted(worst.keys() | standing.keys()):
        turned += _turn(tx, author, standing.get(place), worst.get(place), place)
    return turned


Place = tuple[str, str, str]


def _worst(limits: list[Limit], found: Iterable[Reading]) -> dict[Place, tuple[Limit, Reading]]:
    """Of what is measured for one place, what is the farthest beyond its limit."""
    known = {one.id: one for one in limits}
    worst: dict[Place, tuple[Limit, Reading]] = {}
    for reading in found:
        limit = known[reading.limit_id]
        place = limit.level, reading.key, limit.measure
        before = worst.get(place)
        if before is None or reading.value / limit.amount > before[1].value / before[0].amount:
            worst[place] = limit, reading
    return worst


def _turn(
    tx: Tx,
    author: Author,
    breaker: Breaker | None,
    found: tuple[Limit, Reading] | None,
    place: Place,
) -> bool:
    state = Standing.CLOSED if breaker is None else Standing(breaker.state)
    band, value = (_CALM, Decimal(0)) if found is None else (band_of(found[0]), found[1].value)
    after = turn(
        state,
        None if breaker is None else breaker.calm_since,
        0 if breaker is None else breaker.relapses,
        value,
        band,
        author.now,
    )
    evidence = _evidence(author, found)
    if after.turn is Turn.TRIP:
        assert found is not None, "what is not measured is calm"
        limit, level = found[0], Level(place[0])
        why = f"{place[2]} is {plain(value)}, above {plain(limit.amount)}"
        effect = Effect(limit.effect or Effect.NO_ENTRIES)
        trip(tx, author, level, place[1], place[2], effect, why, evidence, limit.id)
        return True
    if breaker is None:
        return False
    if after.turn is Turn.HALF and is_selling(tx, breaker.id):
        return False  # a signal would plan with what is being sold
    if after.turn is Turn.HALF:
        let_half(tx, author, breaker, evidence)
    elif after.turn is Turn.CLOSE:
        close_breaker(tx, author, breaker, "it has stayed calm", evidence)
    else:
        note_calm(tx, breaker, after.calm_since)
    return after.turn is not Turn.STAY


def band_of(limit: Limit) -> Band:
    """Between which values of what a limit measures its breaker stays as it is."""
    cooldown = limit.cooldown_seconds
    wait = COOLDOWN if cooldown is None else timedelta(seconds=cooldown)
    return Band(limit.amount, limit.resets_at, wait)


def _evidence(author: Author, found: tuple[Limit, Reading] | None) -> dict[str, object]:
    if found is None:
        return {"measured": iso(author.now), "value": None}
    limit, reading = found
    return {
        "measured": iso(author.now),
        "value": plain(reading.value),
        "amount": plain(limit.amount),
        "resetsAt": None if limit.resets_at is None else plain(limit.resets_at),
        "limit": str(limit.id),
        "version": limit.version,
        "details": dict(reading.details),
    }
