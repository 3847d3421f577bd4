"""A strategy on one account over several instruments, or over both sides of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from commenda.kernel import (
    MOST_LEGS,
    Array,
    Costs,
    Funding,
    Leg,
    LegResult,
    LegsResult,
    Terms,
    run_legs,
    source_digest,
)
from commenda.kernel.bars import Stamps
from commenda.kit.errors import CommendaError
from commenda.returns import year_of
from commenda.strategies.backtest import Metrics, Trade, count_missing, measured, round_trips
from commenda.strategies.data import BarData, FundingData
from commenda.strategies.faults import watch
from commenda.strategies.plan import (
    Row,
    plain,
    plain_funding,
    plain_source,
    plain_strategy,
    refuse_amount,
    terms_at,
)
from commenda.strategies.sdk import Strategy

OWN = ("share", "size", "lot", "side")
"""What each leg has beside its parameters and its data."""


@dataclass(frozen=True, slots=True, eq=False)
class LegPlan:
    """One instrument of a run, or one side of it: `side` is 1 or -1 in hedge mode, else 0.

    A target of 1 means `share` of the account's equity, or `size` units where that is given.
    Quantities are multiples of `lot`. `finer` bars resolve those whose inside order is unknown;
    they are of one interval for all legs.
    """

    params: Mapping[str, object]
    data: BarData
    funding: FundingData | None
    share: float = 1.0
    size: float | None = None
    lot: float = 0.0
    side: int = 0
    finer: BarData | None = None

    @property
    def name(self) -> str:
        """The instrument, and in hedge mode the side."""
        source = self.data.source
        return f"{source.symbol or source.name}{('', ' long', ' short')[self.side]}"


@dataclass(frozen=True, slots=True, eq=False)
class LegsPlan:
    """One run of several legs on one account. Costs and terms hold for all; money is in quote
    currency.
    """

    strategy: Strategy
    legs: tuple[LegPlan, ...]
    costs: Costs = field(default_factory=Costs)
    cash: float = 10_000.0
    seed: int | None = None
    terms: Terms = field(default_factory=Terms)
    periods_per_year: float | None = None

    def __post_init__(self) -> None:
        refuse_amount("cash", self.cash)
        for leg in self.legs:
            refuse_amount("share", leg.share)
            if leg.size is not None:
                refuse_amount("size", leg.size)
            terms_at(self.terms, spot=leg.data.source.spot)
            if leg.data.source.spot and leg.side < 0:
                raise CommendaError("no_short_at_spot", "At spot nothing is sold short").at(
                    "--hedge", leg.name, "leave it out, or take bars of a perpetual"
                )
        if not self.strategy.compiled:
            raise CommendaError(
                "step_not_compiled", "A plain Python step runs on one instrument at a time"
            ).at(
                "strategy",
                self.strategy.name,
                "leave out python=True, or run each instrument on an account of its own",
            )
        if len(self.legs) > MOST_LEGS:
            raise CommendaError("too_many_legs", f"An account has {MOST_LEGS} legs at most").at(
                "--data", len(self.legs), "run fewer instruments on one account"
            )
        for option, data in (("--data", self._given("data")), ("--finer", self._given("finer"))):
            steps = {one.source.interval for one in data}
            if len(steps) > 1:
                raise CommendaError(
                    "intervals_differ", "Legs of one account trade bars of one interval"
                ).at(option, ", ".join(sorted(map(str, steps))), "give files of the same interval")
        seen: dict[object, BarData] = {}
        for leg in self.legs:
            source = leg.data.source
            instrument = (source.venue, source.symbol) if source.symbol else source.sha256
            if seen.setdefault(instrument, leg.data) is not leg.data:
                raise CommendaError(
                    "instrument_twice",
                    "An account holds one position of an instrument, or one of each side",
                ).at(
                    "--data",
                    source.name,
                    "give each instrument once, with --hedge for both of its sides",
                )

    @property
    def sources(self) -> tuple[LegPlan, ...]:
        """The first leg of each instrument."""
        return tuple({id(leg.data): leg for leg in reversed(self.legs)}.values())[::-1]

    def _given(self, name: str) -> list[BarData]:
        """The `data` of each instrument, or its `finer` bars where it has some."""
        return [found for leg in self.sources if (found := getattr(leg, name)) is not None]

    @property
    def interval(self) -> timedelta:
        return self.legs[0].data.source.interval

    def run(self) -> LegsBacktest:
        """The run; codes of `backtest`."""
        missing = sum(count_missing(leg.data.bars, self.interval) for leg in self.sources)
        legs = [self._leg(leg) for leg in self.legs]

        def stamps() -> Stamps:
            return np.unique(np.concatenate([leg.bars.ts for leg in legs]))

        def over(count: int | None) -> LegsResult:
            given = legs
            if count is not None:
                ends = [np.searchsorted(leg.bars.ts, stamps()[count - 1], "right") for leg in legs]
                cut = zip(legs, map(int, ends), strict=True)
                given = [replace(leg, bars=leg.bars.between(0, end)) for leg, end in cut if end]
            return run_legs(given, cash=self.cash)

        result = watch(self.strategy.step, self.strategy.identity, over, stamps)
        trades = [round_trips(leg.fills) for leg in result.legs]
        return LegsBacktest(
            interval=self.interval,
            cash=self.cash,
            ts=result.ts,
            equity=result.equity,
            legs=tuple(map(LegRun, result.legs, trades)),
            metrics=measured(
                np.concatenate(([self.cash], result.equity)),
                [trade for each in trades for trade in each],
                year_of(result.ts, self.interval, self.periods_per_year),
                target_changes=sum(leg.target_changes for leg in result.legs),
                fees=sum(leg.fees for leg in result.legs),
                slippage=sum(leg.slippage for leg in result.legs),
                funding=sum(leg.funding for leg in result.legs),
            ),
            funding_charged=self.legs[0].funding is not None,
            funding_estimated=sum(
                leg.funding.funding.estimated for leg in self.sources if leg.funding
            ),
            missing_bars=missing,
            ruined_at=result.ruined_at,
        )

    def _leg(self, leg: LegPlan) -> Leg:
        return Leg(
            self.strategy.bind(**leg.params),
            leg.data.bars,
            leg.funding.funding if leg.funding else Funding.none(),
            costs=self.costs,
            terms=terms_at(replace(self.terms, lot=leg.lot), spot=leg.data.source.spot),
            share=leg.share,
            side=leg.side,
            size=leg.size,
            finer=leg.finer.bars if leg.finer else None,
        )

    def inputs(self) -> Row:
        """Everything the result depends on, as plain JSON: the legs, and what they have in all."""
        values = [self.strategy.resolve(leg.params) for leg in self.legs]
        params = values[0]
        if any(each != params for each in values):
            params = {
                f"{leg.name} {name}": value
                for leg, each in zip(self.legs, values, strict=True)
                for name, value in each.items()
            }
        sizes, lots = ({getattr(leg, name) for leg in self.legs} for name in ("size", "lot"))
        terms = replace(self.terms, lot=lots.pop() if len(lots) == 1 else 0.0)
        return {
            "strategy": plain_strategy(self.strategy, params),
            "data": _together(self._given("data")),
            "funding": _paid(self.sources),
            "finer": _together(self._given("finer")),
            "costs": plain(self.costs),
            "terms": plain(terms),
            "cash": self.cash,
            "size": sizes.pop() if len(sizes) == 1 else None,
            "seed": self.seed,
            "periodsPerYear": self.periods_per_year,
            "engineHash": source_digest(),
            "legs": [
                {
                    "name": leg.name,
                    "params": each,
                    "data": plain_source(leg.data.source),
                    "funding": None if leg.funding is None else plain_funding(leg.funding),
                    "finer": None if leg.finer is None else plain_source(leg.finer.source),
                    **{name: getattr(leg, name) for name in OWN},
                }
                for leg, each in zip(self.legs, values, strict=True)
            ],
        }


class LegRun(NamedTuple):
    """What one leg came to."""

    result: LegResult
    trades: tuple[Trade, ...]


@dataclass(frozen=True, slots=True, eq=False)
class LegsBacktest:
    """One run of several legs: as `Backtest`, with the fills and trades of each leg.

    `equity` has one value for each moment of `ts`, at which a bar of any leg opens; fills and
    trades count the leg's own bars. `ruined_at` is the moment that took all of it, or None.
    """

    interval: timedelta
    cash: float
    ts: Stamps
    equity: Array
    legs: tuple[LegRun, ...]
    metrics: Metrics
    funding_charged: bool
    funding_estimated: int
    missing_bars: int
    ruined_at: int | None


def _together(found: Sequence[BarData]) -> Row | None:
    """Several sources in the form of one."""
    sources = [plain_source(one.source) for one in found]
    if len(sources) < 2:
        return sources[0] if sources else None
    symbols = [source["symbol"] for source in sources]
    venues = {source["venue"] for source in sources}
    return {
        "name": ", ".join(source["name"] for source in sources),
        "venue": venues.pop() if len(venues) == 1 else None,
        "symbol": " + ".join(symbols) if all(symbols) else None,
        "intervalSeconds": sources[0]["intervalSeconds"],
        "first": min(source["first"] for source in sources),
        "last": max(source["last"] for source in sources),
        "bars": sum(source["bars"] for source in sources),
        "missing": sum(source["missing"] for source in sources),
        "sha256": _hash_of(sources),
    }


def _paid(legs: Sequence[LegPlan]) -> Row | None:
    charged = [plain_funding(leg.funding) for leg in legs if leg.funding]
    if len(charged) < 2:
        return charged[0] if charged else None
    return {
        "name": ", ".join(one["name"] for one in charged),
        "sha256": _hash_of(charged),
        "stamps": sum(one["stamps"] for one in charged),
        "estimated": sum(one["estimated"] for one in charged),
    }


def _hash_of(rows: Sequence[Row]) -> str:
    return hashlib.sha256("".join(row["sha256"] for row in rows).encode()).hexdigest()
