"""What the options of `commenda backtest` mean: data, parameters, costs and terms."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from commenda.kernel import Costs, Margin, Terms
from commenda.kit.errors import CommendaError
from commenda.market import parse_interval
from commenda.strategies import BarData, FundingData, read_bars, read_funding

BASIS_POINTS = 10_000


def data_of(
    data: Path,
    funding: Path | None,
    marks: Path | None,
    no_funding: bool,
    period: tuple[datetime | None, datetime | None],
    interval: str | None,
) -> tuple[BarData, FundingData | None]:
    """The bars, and the funding if it is charged; codes of `read_bars` and `read_funding`."""

    if funding is not None and no_funding:
        raise CommendaError("funding_or_none", "Funding is either charged or not").at(
            "--no-funding", funding, "leave out --no-funding or --funding"
        )
    require_rates(funding, marks)
    step = timedelta(seconds=parse_interval(interval)) if interval else None
    source = read_bars(data, interval=step, since=period[0], until=period[1])
    return source, None if funding is None else read_funding(source.bars, funding, marks)


def require_rates(funding: Path | None, marks: Path | None) -> None:
    """Mark prices alone price nothing; code `marks_without_funding`."""
    if marks is not None and funding is None:
        raise CommendaError(
            "marks_without_funding", "Mark prices price funding, and no rates are given"
        ).at("--marks", marks, "give --funding too, or leave out --marks")


def params_of(text: str) -> dict[str, object]:
    """`fast=50,slow=200` by name; code `bad_params`."""
    found: dict[str, object] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = (one.strip() for one in part.partition("="))
        try:
            number = float(value)
        except ValueError:
            number = None
        if not name or not equals or number is None or name in found:
            raise CommendaError("bad_params", "Not a parameter and its number, each once").at(
                "--params", part, "write name=number,name=number, such as fast=50,slow=200"
            )
        found[name] = number
    return found


def costs_of(
    fee: float, maker: float | None, slippage: float, spread: float, impact: float
) -> Costs:
    try:
        return Costs(
            fee_bps=fee * BASIS_POINTS,
            maker_bps=None if maker is None else maker * BASIS_POINTS,
            slippage_bps=slippage * BASIS_POINTS,
            spread_bps=spread * BASIS_POINTS,
            impact_bps=impact * BASIS_POINTS,
        )
    except ValueError as error:
        raise CommendaError("bad_costs", str(error)).at(
            "--fee, --maker, --slippage, --spread, --impact",
            hint="give fractions of the notional, such as 0.0005 for 5 basis points",
        ) from None


def terms_of(participation: float | None, lot: float, leverage: float | None) -> Terms:
    """What is asked of the venue beyond its costs; code `bad_terms`."""
    try:
        margin = None if leverage is None else Margin(leverage)
        return Terms(participation=participation, lot=lot, margin=margin)
    except ValueError as error:
        raise CommendaError("bad_terms", str(error)).at(
            "--participation, --lot, --leverage", hint="give such as 0.1, 0.001 and 5"
        ) from None


def finer_of(file: Path, source: BarData) -> BarData:
    """Finer bars over the same time; code `bad_finer` where they are no part of the others."""
    first, last = source.source.first, source.source.last
    found = read_bars(file, since=first, until=last + source.source.interval)
    if source.source.interval % found.source.interval or (
        source.source.interval == found.source.interval
    ):
        raise CommendaError("bad_finer", "Finer bars are a whole part of the others").at(
            "--finer", found.source.interval, f"give bars that divide {source.source.interval}"
        )
    return found
