"""Hold what is measured against the limits that have an effect, and turn the breakers."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from commenda.kit.db import Tx
from commenda.kit.money import plain
from commenda.kit.times import iso
from commenda.ledger import Author
from commenda.risk.breakers import (
    BAN,
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
from commenda.risk.hysteresis import Band, Turn, turn
from commenda.risk.model import Effect, Level, Limit
from commenda.risk.queries import limits_in_force
from commenda.risk.rules import cooldown_of, strength
from commenda.risk.watching import Reading

_CALM: Final = Band(Decimal(0), Decimal(0))


def turn_breakers(tx: Tx, author: Author) -> int:
    """Measure, and open, try or close the breakers that this turns; how many were turned.

    A breaker whose limit is gone, or that nothing is measured of any more, is calm.
    """
    limits = [one for one in limits_in_force(tx) if one.effect is not None]
    standing = {
        one.place: one for one in all_breakers(tx, standing=True) if one.measure not in (KILL, BAN)
    }
    if not limits and not standing:
        return 0
    found = _by_place(limits, readings(tx, limits, author.now))
    turned = 0
    for place in sorted(found.keys() | standing.keys()):
        turned += _turn(tx, author, standing.get(place), found.get(place, []), place)
    return turned


Place = tuple[str, str, str]
Found = tuple[Limit, Reading]


def _by_place(limits: list[Limit], found: Iterable[Reading]) -> dict[Place, list[Found]]:
    """What is measured for each place: several limits (each, and one by name) may be of it."""
    known = {one.id: one for one in limits}
    places: dict[Place, list[Found]] = {}
    for reading in found:
        limit = known[reading.limit_id]
        places.setdefault((limit.level, reading.key, limit.measure), []).append((limit, reading))
    return places


def _turn(
    tx: Tx, author: Author, breaker: Breaker | None, found: list[Found], place: Place
) -> bool:
    """The strongest effect of what is breached is had; it is calm once all of it is, and for as
    long as each asks."""
    found = sorted(found, key=_beyond, reverse=True)
    breached = [one for one in found if one[1].value > one[0].amount]
    state = Standing.CLOSED if breaker is None else Standing(breaker.state)
    has = strength(breaker.effect) if breaker and state is Standing.OPEN else 0
    worst = max(breached, key=lambda one: strength(one[0].effect), default=None)
    if worst is not None and strength(worst[0].effect) > has:
        limit, reading = worst
        why = f"{place[2]} is {plain(reading.value)}, above {plain(limit.amount)}"
        effect, evidence = Effect(str(limit.effect)), _evidence(author, worst)
        trip(tx, author, Level(place[0]), place[1], place[2], effect, why, evidence, limit.id)
        return True
    if breaker is None:
        return False
    bands = [(band_of(limit), one.value) for limit, one in found] or [(_CALM, Decimal(0))]
    verdicts = [
        turn(state, breaker.calm_since, breaker.relapses, value, band, author.now)
        for band, value in bands
    ]
    # What is not calm comes before what waits, and that before what is over.
    after = min(verdicts, key=lambda one: (one.turn is not Turn.STAY, one.calm_since is not None))
    if after.turn is Turn.HALF and is_selling(tx, breaker.id):
        return False  # a signal would plan with what is being sold
    evidence = _evidence(author, found[0] if found else None)
    if after.turn is Turn.HALF:
        let_half(tx, author, breaker, evidence)
    elif after.turn is Turn.CLOSE:
        close_breaker(tx, author, breaker, "it has stayed calm", evidence)
    else:
        note_calm(tx, breaker, after.calm_since)
    return after.turn is not Turn.STAY


def _beyond(found: Found) -> Decimal:
    return found[1].value / found[0].amount


def band_of(limit: Limit) -> Band:
    """Between which values of what a limit measures its breaker stays as it is."""
    return Band(limit.amount, limit.resets_at, cooldown_of(limit))


def _evidence(author: Author, found: Found | None) -> dict[str, object]:
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
