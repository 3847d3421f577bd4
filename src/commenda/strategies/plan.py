"""A backtest before it is run: the strategy, the data and the terms, and nothing else.

Whatever a run's result depends on stands in a `Plan`, and `inputs` writes it down as plain JSON:
what a stored run is repeated from, and what tells two runs apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from commenda.kernel import (
    Costs,
    FeeTier,
    L2Rules,
    Latency,
    MaintenanceTier,
    Margin,
    QueueModel,
    Terms,
    source_digest,
)
from commenda.kit.errors import CommendaError
from commenda.kit.times import iso
from commenda.strategies.backtest import Backtest, backtest
from commenda.strategies.data import BarData, DataSource, FundingData, SampledBook
from commenda.strategies.sdk import Declared, Strategy

Row = dict[str, Any]
"""Plain JSON data with names in camelCase."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One run. Money is in quote currency.

    `funding` None charges none. `size` None: a target is a fraction of equity; else a target of 1
    is `size` units. `seed` is of whatever the run draws; None where it draws nothing. `terms` are
    the venue's beyond its costs; `finer` bars resolve those whose inside order is unknown.
    Takers walk the sampled `book`, on top of the slippage of `costs`.
    `periods_per_year` annualises; None goes by the calendar of the data.
    """

    strategy: Strategy
    params: Mapping[str, object]
    data: BarData
    funding: FundingData | None
    costs: Costs = field(default_factory=Costs)
    cash: float = 10_000.0
    size: float | None = None
    seed: int | None = None
    terms: Terms = field(default_factory=Terms)
    finer: BarData | None = None
    book: SampledBook | None = None
    periods_per_year: float | None = None

    def __post_init__(self) -> None:
        refuse_amount("cash", self.cash)
        object.__setattr__(self, "terms", terms_at(self.terms, spot=self.data.source.spot))
        if self.size is not None:
            refuse_amount("size", self.size)
        for option, given in (("--finer", self.finer), ("--book", self.book)):
            if given is not None and not self.strategy.compiled:
                raise CommendaError(
                    "step_not_compiled", f"A plain Python step runs without {option}"
                ).at("strategy", self.strategy.name, f"leave out python=True or {option}")

    def run(self) -> Backtest:
        """The run; codes of `backtest`."""
        return backtest(
            self.strategy,
            self.params,
            self.data.bars,
            interval=self.data.source.interval,
            funding=self.funding.funding if self.funding else None,
            funding_every=self.funding.every if self.funding else None,
            costs=self.costs,
            cash=self.cash,
            size=self.size,
            terms=self.terms,
            finer=self.finer.bars if self.finer else None,
            samples=self.book.samples if self.book else None,
            periods_per_year=self.periods_per_year,
        )

    def inputs(self) -> Row:
        """Everything the result depends on, as plain JSON."""
        return {
            "strategy": plain_strategy(self.strategy, self.strategy.resolve(self.params)),
            "data": plain_source(self.data.source),
            "funding": None if self.funding is None else plain_funding(self.funding),
            "finer": None if self.finer is None else plain_source(self.finer.source),
            "book": None if self.book is None else plain_book(self.book),
            "costs": plain(self.costs),
            "terms": plain(self.terms),
            "cash": self.cash,
            "size": self.size,
            "seed": self.seed,
            "periodsPerYear": self.periods_per_year,
            "engineHash": source_digest(),
        }


def digest_of_inputs(inputs: Row) -> str:
    """SHA-256 of a run's inputs: runs of equal digests are the same run.

    What a source is called, and how its times were read, does not count: its values are hashed.
    """
    counted = json.loads(json.dumps(inputs))
    for part in (counted, *counted.get("legs", ())):
        for source in ("data", "funding", "finer", "book"):
            for said in ("name", "zone"):
                (part.get(source) or {}).pop(said, None)
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()


def terms_at(terms: Terms, *, spot: bool) -> Terms:
    """The terms on which what the bars are of is traded; code `no_leverage_at_spot`."""
    if not spot:
        return terms
    if terms.margin is not None:
        raise CommendaError("no_leverage_at_spot", "Nothing is lent at spot").at(
            "leverage", terms.margin.leverage, "leave it out, or take bars of a perpetual"
        )
    return replace(terms, spot=True)


def plain_strategy(strategy: Declared, params: Mapping[str, float]) -> Row:
    return {
        "name": strategy.name,
        "version": strategy.version,
        "codeHash": strategy.source_hash,
        "params": params,
    }


def plain_source(source: DataSource) -> Row:
    row = asdict(source)
    del row["spot"]  # the terms say so
    seconds = int(row.pop("interval").total_seconds())
    ends = {"first": iso(source.first), "last": iso(source.last)}
    return row | {"intervalSeconds": seconds} | ends


def plain_funding(funding: FundingData) -> Row:
    return {
        "name": funding.name,
        "sha256": funding.sha256,
        "stamps": int(funding.funding.ts.size),
        "estimated": funding.funding.estimated,
    }


def plain_book(book: SampledBook) -> Row:
    return {
        "name": book.name,
        "sha256": book.sha256,
        "everySeconds": book.every.total_seconds(),
        "levels": book.levels,
    }


def plain(terms: Costs | Terms | L2Rules) -> Row:
    """Costs, terms or rules by field, in camelCase; a span of time in seconds."""
    row: Row = json.loads(json.dumps(asdict(terms), default=_seconds))
    if not row.get("spot"):  # those of before are the same terms
        row.pop("spot", None)
    return _in_camel_case(row)


def costs_of(row: Row) -> Costs:
    """Costs out of `plain`; a field that was not known then has its default."""
    known = _known(Costs, row)
    return Costs(**known | {"tiers": tuple(FeeTier(*tier) for tier in known.get("tiers", ()))})


def terms_of(row: Row) -> Terms:
    """Terms out of `plain`; a field that was not known then has its default."""
    known = _known(Terms, row)
    spans = {name: timedelta(seconds=value) for name, value in known.pop("latency", {}).items()}
    margin = known.pop("margin", None)
    if margin is not None:
        tiers = tuple(MaintenanceTier(*tier) for tier in margin["tiers"])
        known["margin"] = Margin(**_known(Margin, margin) | {"tiers": tiers})
    return Terms(latency=Latency(**spans), **known)


def rules_of(row: Row) -> L2Rules:
    """Rules of a replay out of `plain`; a field that was not known then has its default."""
    known = _known(L2Rules, row)
    return L2Rules(**known | {"queue": QueueModel(known["queue"])})


def _known(kind: type[Costs | Terms | Margin | L2Rules], row: Row) -> Row:
    names = {camel_case(one.name): one.name for one in fields(kind)}
    return {names[key]: value for key, value in row.items() if key in names}


def _seconds(value: object) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"{value!r} is not written as JSON")


def _in_camel_case(row: Row) -> Row:
    return {
        camel_case(name): _in_camel_case(value) if isinstance(value, dict) else value
        for name, value in row.items()
    }


def camel_case(name: str) -> str:
    """`fee_bps` as `feeBps`."""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def refuse_amount(name: str, value: float) -> None:
    if not 0.0 < value < float("inf"):
        raise CommendaError("bad_amount", f"{name} is not a positive amount").at(
            name, value, "give a positive number"
        )
