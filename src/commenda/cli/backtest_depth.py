"""`commenda backtest depth`: a strategy in a recorded order book, replayed event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commenda.cli.backtest_keeping import Database, Seed, Store, finish
from commenda.cli.backtest_options import BASIS_POINTS, Cash, Fee, Maker, duration_of, params_of
from commenda.cli.options import AsJson, Html, require_report
from commenda.kernel import L2Rules, QueueModel
from commenda.kit.errors import CommendaError
from commenda.strategies import DepthPlan, find_depth_strategy, read_book

EVERY = "100ms"


def depth(
    strategy: Annotated[str, typer.Argument(help="FILE.py, or FILE.py:name.")],
    depth: Annotated[
        Path,
        typer.Option(help="Parquet file of depth messages with a snapshot, or raw frames."),
    ],
    trades: Annotated[
        Path | None, typer.Option(help="Parquet file of the trades; raw frames have them.")
    ] = None,
    params: Annotated[
        str, typer.Option(help="Such as lots=10,most=100; the others have their defaults.")
    ] = "",
    tick: Annotated[
        float | None, typer.Option(help="Step of a price; by the file's name the instrument's.")
    ] = None,
    lot: Annotated[
        float | None, typer.Option(help="Step of a quantity; by the file's name the instrument's.")
    ] = None,
    queue: Annotated[
        QueueModel, typer.Option(help="Where in the queue a cancelled quantity stood.")
    ] = QueueModel.PESSIMISTIC,
    exponent: Annotated[
        float | None, typer.Option(help="Of the power model; 1 is proportional.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(help=f"Time from step to step, such as 250us; {EVERY} by default.")
    ] = None,
    every_events: Annotated[
        int | None, typer.Option(help="Or: a step after so many events seen.")
    ] = None,
    feed_latency: Annotated[str, typer.Option(help="From the exchange to the strategy.")] = "0ms",
    order_latency: Annotated[str, typer.Option(help="From the strategy to the exchange.")] = "0ms",
    response_latency: Annotated[
        str, typer.Option(help="From an order's fate at the exchange to the strategy.")
    ] = "0ms",
    fee: Fee = 0.0005,
    maker: Maker = None,
    cash: Cash = 1_000_000.0,
    seed: Seed = None,
    html: Html = None,
    as_json: AsJson = False,
    store: Store = None,
    database: Database = None,
) -> None:
    """Replay recorded depth and trades with a strategy that quotes into them.

    What fills an order is bounded by what the record offered; own orders never move the market.
    """
    require_report(html)
    found, given = find_depth_strategy(strategy), params_of(params)
    found.resolve(given)
    if every is not None and every_events is not None:
        raise _refused("every_twice", "A step comes by time or by events", "--every", every)
    if exponent is not None and queue is not QueueModel.POWER:
        raise _refused("exponent_unused", "Only --queue power has one", "--exponent", exponent)
    taker_bps = fee * BASIS_POINTS
    try:
        rules = L2Rules(
            interval=duration_of("--every", every or EVERY) if every_events is None else 0,
            every_events=every_events or 0,
            feed_latency=duration_of("--feed-latency", feed_latency),
            order_latency=duration_of("--order-latency", order_latency),
            response_latency=duration_of("--response-latency", response_latency),
            maker_bps=taker_bps if maker is None else maker * BASIS_POINTS,
            taker_bps=taker_bps,
            queue=queue,
            exponent=1.0 if exponent is None else exponent,
        )
    except ValueError as error:
        raise CommendaError("bad_rules", str(error)).at(
            "--every, --every-events, --exponent, --fee, --maker",
            hint="give such as 100ms, 10, 2, 0.0005 and 0.0002",
        ) from None
    plan = DepthPlan(found, given, read_book(depth, trades, tick, lot), rules, cash, seed)
    finish(plan, html=html, as_json=as_json, store=store, database=database)


def _refused(code: str, message: str, option: str, value: object) -> CommendaError:
    return CommendaError(code, message).at(option, value, f"leave out {option}")
