"""What the options of `commenda backtest` mean: data, parameters, costs and terms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import typer

from commenda.cli.options import warn
from commenda.kernel import Costs, Margin, Terms
from commenda.kit.errors import CommendaError
from commenda.kit.money import real
from commenda.market import parse_interval
from commenda.strategies import (
    BarData,
    Files,
    FundingData,
    LegPlan,
    SampledBook,
    read_bars,
    read_funding,
    sample_book,
)

BASIS_POINTS = 10_000
NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
MICROSECOND, DAY = NANOSECONDS["us"], 86_400 * NANOSECONDS["s"]
T = TypeVar("T")

AnyStrategy = Annotated[
    str, typer.Argument(help="A strategy of the catalogue, an installed one, or FILE.py:name.")
]
Interval = Annotated[
    str | None, typer.Option(help="Of the bars, as 5m, where the file's name does not say it.")
]
Fee = Annotated[float, typer.Option(help="Taker's fee, as a fraction of the notional.")]
Maker = Annotated[
    float | None, typer.Option(help="Maker's fee, a rebate if negative; by default the taker's.")
]
Participation = Annotated[
    float | None, typer.Option(help="Most of a bar's volume that fills take; by default any.")
]
LOT = "Quantities are multiples of it; by default any."
Leverage = Annotated[
    float | None,
    typer.Option(help="Greatest leverage, liquidated at 0.5 % margin; by default no margin."),
]
CheckBounds = Annotated[
    bool,
    typer.Option(
        "--check-bounds",
        help="Run the step interpreted first, and name the line of an index out of bounds.",
    ),
]
PeriodsPerYear = Annotated[
    float | None,
    typer.Option(
        help="What ratios are annualised by; by the calendar of the data if left out: 365 days, or"
        " 252 sessions where it has no Saturdays."
    ),
]
Cash = Annotated[float, typer.Option(help="To begin with, in quote currency.")]


def each(option: str, values: Sequence[T], count: int, *, shared: bool = True) -> list[T | None]:
    """What is given for each of `count` instruments, in order: as many, none, or one for all where
    that may be `shared`; code `wrong_count`.
    """
    if not values:
        return [None] * count
    if shared and len(values) == 1:
        return [values[0]] * count
    if len(values) != count:
        raise CommendaError("wrong_count", f"{count} instruments are given by --data").at(
            option,
            ", ".join(map(str, values)),
            f"give {option} once for each of them, in the same order"
            + (", or once for all" if shared else ""),
        )
    return list(values)


class Sources(NamedTuple):
    """What is read of one instrument."""

    data: BarData
    funding: FundingData | None
    finer: BarData | None


def data_of(
    files: Files,
    no_funding: bool,
    period: tuple[datetime | None, datetime | None],
    interval: str | None,
    zone: str | None = None,
) -> list[Sources]:
    """What is read of each instrument's files; what was assumed of a file, and found in it, is said
    on standard error.

    Codes of `read_bars` and `read_funding`, `funding_or_none`, `marks_without_funding`,
    `bad_finer` and `wrong_count`.
    """
    data, funding, marks, inside, *_ = files
    if funding and no_funding:
        raise CommendaError("funding_or_none", "Funding is either charged or not").at(
            "--no-funding", funding[0], "leave out --no-funding or --funding"
        )
    require_rates(next(iter(funding), None), next(iter(marks), None))
    step = timedelta(seconds=parse_interval(interval)) if interval else None
    rates = each("--funding", funding, len(data), shared=False)
    prices = each("--marks", marks, len(data), shared=False)
    finer = each("--finer", inside, len(data), shared=False)
    found = []
    for file, paid, priced, resolving in zip(data, rates, prices, finer, strict=True):
        source = read_bars(file, interval=step, zone=zone, since=period[0], until=period[1])
        warn(*(f"{file.name}: {note}" for note in source.notes))
        charged = None if paid is None else read_funding(source.bars, paid, priced, zone)
        finest = finer_of(resolving, source) if resolving else None
        found.append(Sources(source, charged, finest))
    return found


def require_rates(funding: Path | None, marks: Path | None) -> None:
    """Mark prices alone price nothing; code `marks_without_funding`."""
    if marks is not None and funding is None:
        raise CommendaError(
            "marks_without_funding", "Mark prices price funding, and no rates are given"
        ).at("--marks", marks, "give --funding too, or leave out --marks")


def duration_of(option: str, text: str) -> int:
    """`250us`, `5ms` or `1s` in nanoseconds; code `bad_duration`."""
    found = re.fullmatch(r"([0-9]+)(ns|us|ms|s)", text.strip())
    if found is None:
        raise CommendaError("bad_duration", "Not a span of time").at(
            option, text, "give a whole number and its unit, such as 250us, 5ms or 1s"
        )
    return int(found[1]) * NANOSECONDS[found[2]]


def params_of(text: str) -> dict[str, object]:
    """`fast=50,slow=200` by name; code `bad_params`."""
    found: dict[str, object] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = (one.strip() for one in part.partition("="))
        try:
            number = real(value)
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
    end = last + source.source.interval
    found = read_bars(file, zone=source.source.zone, since=first, until=end)
    if source.source.interval % found.source.interval or (
        source.source.interval == found.source.interval
    ):
        raise CommendaError("bad_finer", "Finer bars are a whole part of the others").at(
            "--finer", found.source.interval, f"give bars that divide {source.source.interval}"
        )
    return found


def book_of(file: Path | None, data: BarData, every: str, levels: int) -> SampledBook | None:
    """The book that takers walk; codes of `sample_book`, and `bad_duration`."""
    if file is None:
        return None
    often = duration_of("--book-every", every)
    if not MICROSECOND <= often <= DAY:
        raise CommendaError("bad_duration", "Books are a microsecond to a day apart").at(
            "--book-every", every, "give a time in between, such as 1s"
        )
    return sample_book(file, data.bars, timedelta(microseconds=often / MICROSECOND), levels)


def legs_of(
    found: Sequence[Sources],
    params: Sequence[Mapping[str, object] | None],
    shares: Sequence[float | None],
    sizes: Sequence[float | None],
    lots: Sequence[float | None],
    hedge: bool,
) -> tuple[LegPlan, ...]:
    """A leg for each instrument, or in hedge mode its long and its short one.

    Where no share is given, each instrument has an equal one.
    """
    equal = 1.0 / len(found)
    return tuple(
        LegPlan(
            given or {},
            **sources._asdict(),
            share=1.0 if size is not None else equal if share is None else share,
            size=size,
            lot=lot or 0.0,
            side=side,
        )
        for sources, given, share, size, lot in zip(found, params, shares, sizes, lots, strict=True)
        for side in ((1, -1) if hedge else (0,))
    )


def refuse_of_one_account(
    shares: Sequence[float], sizes: Sequence[float], several: bool, book: Path | None
) -> None:
    """Options that go with several legs only, or not with them; codes `share_of_one`,
    `share_or_size` and `book_of_one`.
    """
    if several and book is not None:
        raise CommendaError("book_of_one", "A book is of one instrument, for one leg").at(
            "--book", book, "leave out --book, or run one instrument without --hedge"
        )
    if shares and not several:
        raise CommendaError("share_of_one", "A single instrument has the whole account").at(
            "--share", shares[0], "leave out --share, or give several instruments by --data"
        )
    if shares and sizes:
        raise CommendaError(
            "share_or_size", "A target means a share of the equity or a number of units"
        ).at("--share", shares[0], "leave out --share or --size")
