"""A scenario: one TOML file that describes a whole business.

Every value is checked when it is read; an error names the field, what it says and what would
mend it. Rates and money are written as strings, so that no binary float comes near them.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from commenda.automation import Mode, ability_named
from commenda.kit.errors import CommendaError
from commenda.kit.money import number
from commenda.kit.times import iso
from commenda.managed import ExpectedReturn, FeeTerms, HurdleKind, Profile, require_adjacent
from commenda.market import parse_interval
from commenda.portfolios import PortfolioRules

T = TypeVar("T")

ASSET = "USDT"


@dataclass(frozen=True, slots=True)
class MarketPart:
    """Where prices come from: Parquet files of a folder, or a simulated market."""

    simulated: bool
    symbols: tuple[str, ...]
    folder: Path | None


@dataclass(frozen=True, slots=True)
class OutagePart:
    """The venue refuses orders for `hours` from `day` (counted from the start) on."""

    day: Decimal
    hours: Decimal
    symbol: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class VenuePart:
    slippage: Decimal
    participation: Decimal
    outages: tuple[OutagePart, ...]


@dataclass(frozen=True, slots=True)
class FlowPart:
    """One creator: a strategy with parameters on one instrument, offered to one profile."""

    creator: str
    profile: Profile
    strategy: str
    symbol: str
    params: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TierPart:
    name: str
    minimum: Decimal
    maximum: Decimal


@dataclass(frozen=True, slots=True)
class ProductsPart:
    terms: tuple[int, ...]
    tiers: tuple[TierPart, ...]
    fees: FeeTerms
    expected: Mapping[Profile, ExpectedReturn]


@dataclass(frozen=True, slots=True)
class InvestorsPart:
    """The population. Shares are probabilities in [0, 1]; everything is drawn from the seed.

    Deposits are log-uniform between `least` and `most`. `second` is the share that puts its money
    into two subscriptions, `referred` the share brought by an earlier investor, `again` the share
    of settled subscriptions that are renewed, `by_investor` and `by_operator` the shares of
    liquidations asked for through those doors (the sweep asks for the rest).
    """

    count: int
    least: Decimal
    most: Decimal
    arrival_days: int
    second: float
    referred: float
    referral_depth: int
    again: float
    by_investor: float
    by_operator: float


@dataclass(frozen=True, slots=True)
class PortfolioPart:
    """A portfolio that divides `capital` among creators' flows, and that the machine may rebalance.

    `rules` are those of a portfolio over HTTP.
    """

    name: str
    capital: Decimal
    creators: tuple[str, ...]
    rules: PortfolioRules


@dataclass(frozen=True, slots=True)
class Scenario:
    """A business to replay."""

    title: str
    seed: int
    start: datetime
    days: int
    interval: int
    market: MarketPart
    venue: VenuePart
    creator_capital: Decimal
    flows: tuple[FlowPart, ...]
    products: ProductsPart
    investors: InvestorsPart
    abilities: Mapping[str, Mode]
    """How far each ability goes by itself; those that are not named are off."""
    portfolios: tuple[PortfolioPart, ...]
    digest: str
    """SHA-256 of the text: a run is resumed only with the scenario that began it."""

    @property
    def end(self) -> datetime:
        return self.start + timedelta(days=self.days)

    @property
    def secret(self) -> bytes:
        """What stands in for the platform's secret, so that a replay is reproducible."""
        return hashlib.sha256(f"scenario {self.seed}".encode()).digest()


def load_scenario(path: Path, seed: int | None = None) -> Scenario:
    """Read a scenario; `seed` replaces the file's. Code `bad_scenario` names what is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except OSError as error:
        raise _bad("scenario", str(path), f"it cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad("scenario", str(path), str(error)) from error
    _refuse_unknown(raw)
    table = _Table(raw, "")
    number = table.integer("seed") if seed is None else seed
    scenario = Scenario(
        title=table.text("title"),
        seed=number,
        start=table.moment("start"),
        days=table.integer("days"),
        interval=parse_interval(table.text("interval")),
        market=_market(table.table("market"), path.parent),
        venue=_venue(table.table("venue")),
        creator_capital=table.table("creators").money("capital"),
        flows=tuple(_flow(one) for one in table.table("creators").tables("flows")),
        products=_products(table.table("products")),
        investors=_plain(InvestorsPart, table.table("investors")),
        abilities=_abilities(table),
        portfolios=tuple(_portfolio(one) for one in table.tables("portfolios")),
        digest=hashlib.sha256(f"{number}\n{text}".encode()).hexdigest(),
    )
    _require_sound(scenario)
    return scenario


def _market(table: _Table, beside: Path) -> MarketPart:
    source = table.choice("source", ("simulated", "files"))
    return MarketPart(
        simulated=source == "simulated",
        symbols=tuple(table.texts("symbols")),
        folder=(beside / table.text("folder")).resolve() if source == "files" else None,
    )


def _venue(table: _Table) -> VenuePart:
    return VenuePart(
        slippage=table.rate("slippage"),
        participation=table.rate("participation"),
        outages=tuple(
            OutagePart(
                one.decimal("day"),
                one.decimal("hours"),
                one.text("symbol") if "symbol" in one.raw else None,
                one.text("reason"),
            )
            for one in table.tables("outages")
        ),
    )


def _flow(table: _Table) -> FlowPart:
    return FlowPart(
        creator=table.text("creator"),
        profile=Profile(table.choice("profile", tuple(Profile))),
        strategy=table.text("strategy"),
        symbol=table.text("symbol"),
        params=table.table("params").raw if "params" in table.raw else {},
    )


def _abilities(table: _Table) -> Mapping[str, Mode]:
    if "abilities" not in table.raw:
        return {}
    told = table.table("abilities")
    modes = {name: Mode(told.choice(name, tuple(Mode))) for name in told.raw}
    for name in modes:
        try:
            ability_named(name)
        except CommendaError as error:
            raise _bad(f"abilities.{name}", modes[name], error.hint or "") from None
    return modes


def _portfolio(table: _Table) -> PortfolioPart:
    rules = table.table("rules").raw if "rules" in table.raw else {}
    try:
        return PortfolioPart(
            name=table.text("name"),
            capital=table.money("capital"),
            creators=tuple(table.texts("creators")),
            rules=PortfolioRules.model_validate({"automatic": True, **rules}),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([table.name, "rules", *map(str, first["loc"])])
        raise _bad(where, first["input"], first["msg"]) from None


def _products(table: _Table) -> ProductsPart:
    fees = table.table("fees")
    expected = table.table("expected")
    warning, alert = expected.decimal("warning_percent"), expected.decimal("alert_percent")
    return ProductsPart(
        terms=tuple(table.integers("terms")),
        tiers=tuple(_plain(TierPart, one) for one in table.tables("tiers")),
        fees=FeeTerms(
            management_fee=fees.rate("management_fee"),
            hurdle=fees.rate("hurdle"),
            profit_share=fees.rate("profit_share"),
            platform_cut=fees.rate("platform_cut"),
            referral_rates=tuple(fees.decimals("referral_rates")),
            crystallise_days=fees.integer("crystallise_days")
            if "crystallise_days" in fees.raw
            else None,
            hurdle_kind=fees.choice("hurdle_kind", tuple(HurdleKind))
            if "hurdle_kind" in fees.raw
            else HurdleKind.HARD,
        ),
        expected={
            profile: ExpectedReturn(expected.decimal(profile), warning, alert)
            for profile in Profile
        },
    )


def _plain(kind: type[T], table: _Table) -> T:
    """A part each of whose values is read as its type says."""
    return kind(**{one.name: _READ[str(one.type)](table, one.name) for one in fields(kind)})  # type: ignore[arg-type]


_KNOWN = {
    "": "title seed start days interval market venue creators products investors abilities"
    " portfolios",
    "market": "source symbols folder",
    "venue": "slippage participation outages",
    "venue.outages": "day hours symbol reason",
    "creators": "capital flows",
    "creators.flows": "creator profile strategy symbol params",
    "products": "terms tiers fees expected",
    "products.tiers": " ".join(one.name for one in fields(TierPart)),
    "products.fees": "management_fee hurdle profit_share platform_cut referral_rates"
    " crystallise_days hurdle_kind",
    "products.expected": "conservative balanced aggressive warning_percent alert_percent",
    "portfolios": "name capital creators rules",
    "investors": " ".join(one.name for one in fields(InvestorsPart)),
}
"""The keys of each table: a key that nobody reads is a slip of the pen."""


def _refuse_unknown(raw: Mapping[str, Any], name: str = "") -> None:
    if name not in _KNOWN:
        return
    known = _KNOWN[name].split()
    for key, value in raw.items():
        path = f"{name}.{key}" if name else key
        if key not in known:
            raise _bad(path, value, f"use one of {', '.join(known)}")
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict):
                _refuse_unknown(part, path)


def _require_sound(scenario: Scenario) -> None:
    listed = set(scenario.market.symbols)
    if not scenario.flows:
        raise _bad("creators.flows", [], "add at least one creator")
    if not scenario.days:
        raise _bad("days", scenario.days, "replay one day or more")
    try:
        require_adjacent([astuple(tier) for tier in scenario.products.tiers])
    except CommendaError as error:
        raise _bad("products.tiers.minimum", error.value, error.hint or "") from None
    for outage in scenario.venue.outages:
        if outage.symbol is not None and outage.symbol not in listed:
            raise _bad("venue.outages.symbol", outage.symbol, "list it under market.symbols")
    for flow in scenario.flows:
        if flow.symbol not in listed:
            raise _bad("creators.flows.symbol", flow.symbol, "list it under market.symbols")
    names = [flow.creator for flow in scenario.flows]
    for one in scenario.portfolios:
        for creator in one.creators:
            if creator not in names:
                raise _bad("portfolios.creators", creator, "name creators of this scenario")
    if len(set(names)) < len(names):
        raise _bad("creators.flows.creator", str(names), "give every creator a name of its own")
    if scenario.start.timestamp() % scenario.interval:
        raise _bad("start", iso(scenario.start), "start where a bar opens")
    people = scenario.investors
    if not 0 < people.least <= people.most:
        raise _bad("investors.least", str(people.least), "0 < least <= most")
    if people.by_investor + people.by_operator > 1:
        raise _bad("investors.by_investor", str(people.by_investor), "shares add up to at most 1")


@dataclass(frozen=True, slots=True)
class _Table:
    """A TOML table that knows its own name, for errors."""

    raw: Mapping[str, Any]
    name: str

    def _path(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key

    def _get(self, key: str, kind: type | tuple[type, ...], wanted: str) -> Any:
        if key not in self.raw:
            raise _bad(self._path(key), None, f"add it: {wanted}")
        value = self.raw[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _bad(self._path(key), value, f"write {wanted}")
        return value

    def text(self, key: str) -> str:
        return str(self._get(key, str, "a text"))

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in allowed:
            raise _bad(self._path(key), value, f"use one of {', '.join(allowed)}")
        return value

    def integer(self, key: str) -> int:
        value = int(self._get(key, int, "a whole number"))
        if value < 0:
            raise _bad(self._path(key), value, "use 0 or more")
        return value

    def decimal(self, key: str) -> Decimal:
        value = self._get(key, (str, int), 'a number in quotes, such as "0.05"')
        try:
            return number(value) if isinstance(value, str) else Decimal(value)
        except ValueError as error:
            raise _bad(self._path(key), value, str(error)) from None

    def decimals(self, key: str) -> list[Decimal]:
        values = self._get(key, list, 'a list of numbers in quotes, such as "0.05"')
        return [_Table({key: value}, self.name).decimal(key) for value in values]

    def rate(self, key: str) -> Decimal:
        number = self.decimal(key)
        if not 0 <= number <= 1:
            raise _bad(self._path(key), str(number), "write a fraction between 0 and 1")
        return number

    def money(self, key: str) -> Decimal:
        number = self.decimal(key)
        if number < 0:
            raise _bad(self._path(key), str(number), "write an amount of 0 or more")
        return number

    def moment(self, key: str) -> datetime:
        value = self._get(key, datetime, "a date and time, such as 2025-03-07T00:00:00Z")
        if value.tzinfo is None:
            raise _bad(self._path(key), iso(value), "add its time zone: …Z")
        return value.astimezone(UTC)  # type: ignore[no-any-return]

    def texts(self, key: str) -> list[str]:
        return [str(one) for one in self._get(key, list, "a list of texts")]

    def integers(self, key: str) -> list[int]:
        values = self._get(key, list, "a list of whole numbers")
        if not values or not all(type(one) is int and one > 0 for one in values):
            raise _bad(self._path(key), values, "list whole numbers above 0")
        return list(values)

    def table(self, key: str) -> _Table:
        return _Table(self._get(key, dict, "a table"), self._path(key))

    def tables(self, key: str) -> list[_Table]:
        if key not in self.raw:
            return []
        rows = self._get(key, list, "tables")
        return [_Table(row, f"{self._path(key)}[{i}]") for i, row in enumerate(rows)]


_READ: Final[Mapping[str, Callable[[_Table, str], object]]] = {
    "int": _Table.integer,
    "str": _Table.text,
    "Decimal": _Table.money,
    "float": lambda table, name: float(table.rate(name)),
}


def _bad(where: str, value: object, hint: str) -> CommendaError:
    return CommendaError("bad_scenario", "The scenario is not sound").at(where, value, hint)
