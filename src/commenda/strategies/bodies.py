"""What every run over imported candles is asked by on the wire: a backtest, or all of a study."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, ValidationError

from commenda.kernel import Costs, Margin, Terms
from commenda.kit.wire import Body, Moment, Real, Whole
from commenda.market import SYMBOL, VENUE, interval_name, parse_interval
from commenda.strategies.model import RunInputs
from commenda.strategies.plan import costs_of, terms_of

BASIS_POINTS = 10_000

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_]+$")]
Fraction = Annotated[Real, Field(ge=0, lt=1)]


class RunRequest(Body):
    """A strategy over imported candles, at what costs and on which terms of the venue. Rates are
    fractions of the notional."""

    strategy: str = Field(
        min_length=1, max_length=80, pattern=r"^[^\x00]*$", examples=["sma_cross"]
    )
    params: dict[Name, Real] = Field(
        default_factory=dict,
        max_length=50,
        examples=[{"fast": 50, "slow": 200}],
        description="The others have their defaults; in a study, those that are not searched.",
    )
    venue: str = Field(default="binance_usdm", max_length=40, pattern=f"^{VENUE}$")
    symbol: str = Field(max_length=40, pattern=f"^{SYMBOL}$", examples=["BTCUSDT"])
    interval: str = Field(max_length=6, examples=["5m"])
    start: Moment | None = Field(default=None, description="Bars that open from here on.")
    end: Moment | None = Field(default=None, description="Bars that open before it.")
    funding: bool = Field(default=True, description="Charge the imported funding, or none.")
    fee: Fraction = 0.0005
    slippage: Fraction = 0.0
    cash: Real = Field(default=1_000_000.0, gt=0, le=1e12)
    participation: Real | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Most of a bar's volume that fills take; any where it is left out.",
    )
    lot: Real = Field(default=0.0, ge=0, le=1e12, description="Step of a quantity; 0: any.")
    leverage: Real | None = Field(
        default=None,
        ge=1,
        le=200,
        description="Greatest leverage, liquidated at 0.5 % margin; no margin where left out.",
    )
    periods_per_year: Real | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="What ratios are annualised by; by the calendar of the candles if left out.",
    )

    @property
    def step(self) -> timedelta:
        """Of the candles; the code of `parse_interval`."""
        return timedelta(seconds=parse_interval(self.interval))

    @property
    def costs(self) -> Costs:
        return Costs(fee_bps=self.fee * BASIS_POINTS, slippage_bps=self.slippage * BASIS_POINTS)

    @property
    def terms(self) -> Terms:
        margin = None if self.leverage is None else Margin(self.leverage)
        return Terms(participation=self.participation, lot=self.lot, margin=margin)


class BacktestRequest(RunRequest):
    """A run over imported candles. Rates are fractions of the notional."""

    size: Real | None = Field(
        default=None,
        gt=0,
        le=1e12,
        description="Units that a target of 1 means; the whole equity where it is left out.",
    )
    seed: Whole | None = Field(
        default=None,
        ge=0,
        lt=2**53,
        description="Up to what every reader of JSON has exactly.",
    )


def request_of(inputs: RunInputs) -> BacktestRequest | None:
    """What asks for the same run once more, over what is imported; None where no request does: of
    several legs, an order book, finer bars, or costs and terms that a request cannot name.
    """
    source, costs, terms = inputs["data"], inputs.get("costs"), inputs.get("terms")
    beyond = any(inputs.get(name) for name in ("legs", "depth", "finer", "book"))
    if beyond or costs is None or terms is None or not source["venue"] or not source["symbol"]:
        return None
    known_costs, known_terms = costs_of(dict(costs)), terms_of(dict(terms))
    interval = timedelta(seconds=source["intervalSeconds"])
    try:
        asked = BacktestRequest(
            strategy=inputs["strategy"]["name"],
            params=inputs["strategy"]["params"],
            venue=source["venue"],
            symbol=source["symbol"],
            interval=interval_name(source["intervalSeconds"]),
            start=datetime.fromisoformat(source["first"]),
            end=datetime.fromisoformat(source["last"]) + interval,
            funding=inputs["funding"] is not None,
            fee=_fraction(known_costs.fee_bps),
            slippage=_fraction(known_costs.slippage_bps),
            cash=inputs["cash"],
            participation=known_terms.participation,
            lot=known_terms.lot,
            leverage=None if known_terms.margin is None else known_terms.margin.leverage,
            periods_per_year=inputs.get("periodsPerYear"),
            size=inputs["size"],
            seed=inputs["seed"],
        )
    except ValidationError:  # the command line takes more
        return None
    same = asked.costs == known_costs and asked.terms == replace(known_terms, spot=False)
    return asked if same else None


def _fraction(basis_points: float) -> float:
    """As it was asked for: 7.000000000000001 is what 0.0007 became."""
    return round(basis_points / BASIS_POINTS, 12)
