"""Instruments: the catalogue that describes them and the table that numbers them.

An instrument is stored when its first file is imported. Its terms (tick, lot, fees, leverage)
follow the catalogue at every import, and stay where no catalogue describes it; what it is (kind,
assets, simulated or not) never changes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from decimal import Decimal
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, LiteralString, TypeAlias

from psycopg.rows import dict_row

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError, not_found
from commenda.kit.money import number, whole
from commenda.market.model import SYMBOL, VENUE, Instrument, Kind
from commenda.market.names import refuse_inverse

Catalogue: TypeAlias = Mapping[tuple[str, str], Instrument]
"""Instruments by (venue, symbol), none of them stored: their id is 0."""

SIMULATED_VENUE = "simulated"

_DECIMALS = ("tick", "lot", "minimum_notional", "maker_fee", "taker_fee")
_TEXTS = ("venue", "symbol", "base", "quote")
_IDENTITY = ("kind", "base", "quote", "simulated")
_SELECT: LiteralString = (
    "SELECT id, venue, symbol, kind, base, quote, tick, lot, minimum_notional, maker_fee,"
    " taker_fee, maximum_leverage, simulated FROM instruments"
)


def load_catalogue(extra: Path | None = None) -> Catalogue:
    """The instruments the package knows, and those of the TOML file `extra` on top.

    Code `bad_catalogue` where the file cannot be read or an entry is not an instrument.
    """
    known = dict(_packaged())
    if extra is not None:
        try:
            text = extra.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _bad_catalogue(f"It cannot be read: {error}", str(extra)) from error
        known.update(parse_catalogue(text, str(extra)))
    return MappingProxyType(known)


def parse_catalogue(text: str, origin: str) -> Catalogue:
    """The instruments of a catalogue's TOML; `origin` names it in errors."""
    try:
        entries = tomllib.loads(text).get("instrument", [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad_catalogue(str(error), origin) from error
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise _bad_catalogue("Instruments are [[instrument]] tables", origin)
    found = [_instrument_of_entry(entry, origin) for entry in entries]
    return MappingProxyType({(one.venue, one.symbol): one for one in found})


def listed(catalogue: Catalogue, venue: str, symbol: str) -> Instrument:
    """The catalogue's entry; code `unknown_instrument` where it has none."""
    try:
        return catalogue[venue, symbol]
    except KeyError:
        raise not_found("unknown_instrument", f"The catalogue has no {symbol} at {venue}").at(
            "symbol",
            symbol,
            "describe it in a TOML file of [[instrument]] tables passed by --catalogue",
        ) from None


def is_simulated(venue: str) -> bool:
    """Whether no price there was ever traded: the simulated venue's, and its spot market's."""
    return venue.removesuffix("_spot") == SIMULATED_VENUE


def simulated_twin(instrument: Instrument) -> Instrument:
    """The same terms at the venue `simulated`, where no price was ever traded."""
    return replace(instrument, id=0, venue=SIMULATED_VENUE, simulated=True)


def ensure_instrument(tx: Tx, instrument: Instrument) -> Instrument:
    """Store the instrument or bring its terms up to date; returns it with its id.

    Its row stays locked until the transaction ends. Code `instrument_changed` where the stored one
    is of another kind or other assets.
    """
    wanted = {name: getattr(instrument, name) for name in _columns()}
    # Looked up first: a conflicting insert would use up one of 32,767 ids each time.
    stored = stored_instrument(tx, instrument.venue, instrument.symbol, lock=True)
    if stored is None:
        tx.execute(
            "INSERT INTO instruments (venue, symbol, kind, base, quote, tick, lot,"
            " minimum_notional, maker_fee, taker_fee, maximum_leverage, simulated)"
            " VALUES (%(venue)s, %(symbol)s, %(kind)s, %(base)s, %(quote)s, %(tick)s, %(lot)s,"
            " %(minimum_notional)s, %(maker_fee)s, %(taker_fee)s, %(maximum_leverage)s,"
            " %(simulated)s) ON CONFLICT (venue, symbol) DO NOTHING",
            wanted,
        )
        stored = stored_instrument(tx, instrument.venue, instrument.symbol, lock=True)
        assert stored is not None  # just inserted, by this transaction or another
    for name in _IDENTITY:
        if getattr(stored, name) != wanted[name]:
            raise CommendaError(
                "instrument_changed",
                f"{instrument.symbol} at {instrument.venue} is stored with another {name}",
            ).at(
                name, wanted[name], f"keep {name} = {getattr(stored, name)}, or use another symbol"
            )
    current = replace(instrument, id=stored.id)
    if current != stored:
        tx.execute(
            "UPDATE instruments SET tick = %(tick)s, lot = %(lot)s,"
            " minimum_notional = %(minimum_notional)s, maker_fee = %(maker_fee)s,"
            " taker_fee = %(taker_fee)s, maximum_leverage = %(maximum_leverage)s"
            " WHERE id = %(id)s",
            {**wanted, "id": stored.id},
        )
    return current


def find_instrument(tx: Tx, venue: str, symbol: str) -> Instrument:
    """The stored instrument; code `unknown_instrument` where there is none."""
    stored = stored_instrument(tx, venue, symbol)
    if stored is None:
        raise not_found("unknown_instrument", f"No {symbol} at {venue} was imported").at(
            "symbol",
            symbol,
            "import its candles; an instrument that is not in the catalogue is added by a"
            " TOML file passed by --catalogue",
        )
    return stored


def stored_instrument(tx: Tx, venue: str, symbol: str, *, lock: bool = False) -> Instrument | None:
    """The stored instrument, or None; its row locked until the transaction ends on `lock`."""
    where: LiteralString = " WHERE venue = %(venue)s AND symbol = %(symbol)s"
    # Rows that refer to it may be written meanwhile: its key never changes.
    end: LiteralString = " FOR NO KEY UPDATE" if lock else ""
    with tx.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_SELECT + where + end, {"venue": venue, "symbol": symbol}).fetchone()
    return None if row is None else _instrument_of_row(row)


def instruments(tx: Tx) -> list[Instrument]:
    """Every stored instrument, by id."""
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_SELECT + " ORDER BY id").fetchall()
    return [_instrument_of_row(row) for row in rows]


def _instrument_of_row(row: Mapping[str, Any]) -> Instrument:
    decimals = {name: _plain(row[name]) for name in _DECIMALS}
    return Instrument(**{**row, **decimals, "kind": Kind(row["kind"])})


def _decimal(value: object) -> Decimal:
    return number(value) if isinstance(value, str) else Decimal(str(value))


def _instrument_of_entry(entry: dict[str, Any], origin: str) -> Instrument:
    missing = [name for name in _columns() if name not in entry and name != "simulated"]
    excess = sorted(set(entry) - set(_columns()))
    name = f"{entry.get('venue')} {entry.get('symbol')}"
    if missing or excess:
        words = f"lacks {', '.join(missing)}" if missing else f"does not know {', '.join(excess)}"
        raise _bad_catalogue(f"The entry {name} {words}", origin)
    try:
        values: dict[str, Any] = {text: str(entry[text]) for text in _TEXTS}
        values |= {name: _decimal(entry[name]) for name in _DECIMALS}
        one = Instrument(
            id=0,
            kind=Kind(entry["kind"]),
            maximum_leverage=whole(str(entry["maximum_leverage"])),
            simulated=is_simulated(entry["venue"]),
            **values,
        )
    except (ValueError, ArithmeticError) as error:
        raise _bad_catalogue(f"The entry {name} is wrong: {error}", origin) from error
    if not _is_tradable(one):
        raise _bad_catalogue(f"The entry {name} has a step, fee or limit out of range", origin)
    if not (re.fullmatch(VENUE, one.venue) and re.fullmatch(SYMBOL, one.symbol)):
        raise _bad_catalogue(f"The entry {name} has a venue or symbol that is no name", origin)
    refuse_inverse(one.venue, one.symbol)
    return one


def _is_tradable(one: Instrument) -> bool:
    """Whether prices, quantities and fees can be computed on these terms."""
    return (
        all(_is_kept_whole(getattr(one, number)) for number in _DECIMALS)
        and one.tick > 0
        and one.lot > 0
        and one.minimum_notional >= 0
        and 1 <= one.maximum_leverage < 2**15
        and all(-1 < fee < 1 for fee in (one.maker_fee, one.taker_fee))
    )


def _is_kept_whole(number: Decimal) -> bool:
    """Whether the database's numeric(38,18) holds it to the last digit."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -18 and abs(number) < 10**19


@cache
def _packaged() -> Catalogue:
    text = resources.files("commenda.market").joinpath("catalogue.toml").read_text("utf-8")
    return parse_catalogue(text, "catalogue.toml")


def _columns() -> list[str]:
    return [field.name for field in fields(Instrument) if field.name != "id"]


def _plain(number: Decimal) -> Decimal:
    """Without the zeros that numeric(38,18) pads: 0.1, and 100 rather than 1E+2."""
    short = number.normalize()
    return short if int(short.as_tuple().exponent) <= 0 else short.quantize(Decimal(1))


def _bad_catalogue(message: str, origin: str) -> CommendaError:
    return CommendaError("bad_catalogue", message).at("catalogue", origin)
