"""Try an account before anything depends on it: does it answer, and is the key what it must be.

Each check is told with its figures, so that whoever shows it can say it in their own words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from commenda.kit.errors import CommendaError
from commenda.kit.money import plain
from commenda.kit.wire import on_wire, one_of
from commenda.market import Instrument
from commenda.venues.desk import Desk
from commenda.venues.dialect import Filters, Held, Mode, Refusal, Rights, Shown
from commenda.venues.model import VenueUnavailable

APART = 1_000
"""Milliseconds that two clocks may differ without a word; Binance refuses what is ahead by more."""
_NAMED = 5
"""Contracts that a check names; it counts the others."""


class Outcome(StrEnum):
    PASSED = "passed"
    WARNED = "warned"
    """It can trade, and somebody should know this."""
    FAILED = "failed"
    """It cannot trade, or must not."""


LOOKS = (
    "answers",
    "clock",
    "key",
    "withdrawals",
    "trading",
    "addresses",
    "mode",
    "balance",
    "open",
    "terms",
    "fees",
)
"""What is looked at, in this order, `fees` in place of `mode` at spot; it ends where nothing more
can be asked."""


_MODES = {
    Mode("mode", as_wanted=True): "one position for each contract",
    Mode("mode", as_wanted=False): "positions are held in two sides: set to one when it trades",
    Mode("fees", as_wanted=True): "fees are taken of what is traded",
    Mode("fees", as_wanted=False): "fees are taken in BNB: that is switched off when it trades",
}


@on_wire
@dataclass(frozen=True, slots=True)
class VenueCheck:
    """One thing that was looked at."""

    name: Annotated[str, one_of(LOOKS)]
    outcome: Annotated[str, one_of(Outcome)]
    detail: Annotated[str, Field(examples=["its clock and ours differ by 12 ms"])]
    figures: Annotated[
        Mapping[str, str],
        Field(description="The numbers and names in it.", examples=[{"apart": "12"}]),
    ]


def try_account(desk: Desk, instruments: Sequence[Instrument]) -> list[VenueCheck]:
    """Ask the exchange about the account of a key, and set nothing there."""
    found: list[VenueCheck] = []
    try:
        found.extend(_looks(desk, instruments))  # what was seen before it fell silent stays
    except VenueUnavailable as error:
        here = LOOKS[len(found)]
        found.append(_check(here, "failed", "no answer: {why}", why=_short(error)))
    return found


def require_sound(checks: Sequence[VenueCheck], address: str | None) -> None:
    """Refuse an account that cannot trade, or must not; each check has its code.

    `venue_no_answer`, `key_refused`, `key_may_withdraw`, `key_cannot_trade`.
    """
    failed = next((one for one in checks if one.outcome == Outcome.FAILED), None)
    if failed is None:
        return
    if failed.name == "withdrawals":
        raise may_withdraw()
    if failed.name == "trading":
        raise cannot_trade()
    if "why" in failed.figures:
        raise CommendaError("venue_no_answer", "The exchange gives no answer", status=503).at(
            "address", address, f"{failed.figures['why']}; try again once it answers"
        )
    raise CommendaError("key_refused", "The exchange refuses this key").at(
        "key", hint=f"it says {failed.figures['said']}: copy key and secret anew"
    )


def may_withdraw() -> CommendaError:
    return CommendaError("key_may_withdraw", "This key may take money out").at(
        "key", hint="make one that may read and trade, and nothing else"
    )


def cannot_trade() -> CommendaError:
    return CommendaError("key_cannot_trade", "This key may not trade").at(
        "key", hint="allow it futures, or spot for an account at spot, at the exchange"
    )


def _looks(desk: Desk, instruments: Sequence[Instrument]) -> Iterator[VenueCheck]:
    asked = time.time()
    told = desk.dialect.time(desk.ask)
    answered = time.time()
    took = round(1000 * (answered - asked))
    yield _check("answers", "passed", "answered in {took} ms", took=took)
    yield _clock(round(told - 500 * (asked + answered)))
    try:
        wallets, held = desk.dialect.holdings(desk.ask, {one.symbol: one for one in instruments})
        rights = desk.dialect.rights(desk.ask)
        mode = desk.dialect.mode(desk.ask)
        orders = desk.dialect.resting(desk.ask)
    except Refusal as refusal:
        yield _check("key", "failed", "refused: {said}", said=refusal.short)
        return
    yield _check("key", "passed", "the key is taken")
    yield from _rights(rights)
    outcome = "passed" if mode.as_wanted else "warned"
    yield _check(mode.check, outcome, _MODES[mode])
    yield from _holdings(wallets, held, orders)
    yield _terms(desk.dialect.filters(desk.ask), instruments)


def _clock(apart: int) -> VenueCheck:
    words = "its clock and ours differ by {apart} ms"
    if abs(apart) <= APART:
        return _check("clock", "passed", words, apart=apart)
    return _check("clock", "warned", words + ", which is allowed for", apart=apart)


def _rights(rights: Rights) -> Iterator[VenueCheck]:
    if rights.withdraws:
        yield _check("withdrawals", "failed", "the key may take money out")
    else:
        yield _check("withdrawals", "passed", "the key cannot take money out")
    if rights.trades:
        yield _check("trading", "passed", "the key may trade")
    else:
        yield _check("trading", "failed", "the key may not trade")
    if rights.bound:
        yield _check("addresses", "passed", "the key is bound to addresses")
    else:
        yield _check("addresses", "warned", "the key is taken from any address")


def _holdings(
    wallets: Mapping[str, Decimal], held: Mapping[str, Held], orders: Sequence[Shown]
) -> Iterator[VenueCheck]:
    money = [f"{plain(amount)} {asset}" for asset, amount in wallets.items() if amount]
    yield _check("balance", "passed", "holds {held}", held=", ".join(money) or "0")
    positions = [symbol for symbol, one in held.items() if one.quantity]
    outcome = "warned" if positions or orders else "passed"
    words = "{orders} open orders, {positions} positions"
    figures = {"orders": len(orders), "positions": len(positions)}
    yield _check("open", outcome, words, **figures)


def _terms(filters: Mapping[str, Filters], instruments: Sequence[Instrument]) -> VenueCheck:
    """Whether the exchange trades our contracts in the steps that we know."""
    known = [one for one in instruments if one.symbol in filters]
    other = [one.symbol for one in known if filters[one.symbol][:2] != (one.tick, one.lot)]
    if other:
        named = ", ".join(other[:_NAMED])
        words = "{other} of {known} contracts have other steps there: {named}"
        return _check("terms", "warned", words, other=len(other), known=len(known), named=named)
    return _check("terms", "passed", "{known} contracts have the same steps", known=len(known))


def _check(name: str, outcome: str, words: str, **figures: object) -> VenueCheck:
    shown = {key: str(value) for key, value in figures.items()}
    return VenueCheck(name, outcome, words.format(**shown), shown)


def _short(error: Exception) -> str:
    """What happened, without the request that it happened to."""
    return type(error.__cause__ or error).__name__
