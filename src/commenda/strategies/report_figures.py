"""The charts of a backtest's report."""

from __future__ import annotations

from datetime import UTC, datetime

from commenda.charts import (
    HALF,
    TALL,
    WIDE,
    Column,
    Marker,
    Run,
    Step,
    Words,
    caption,
    columns,
    empty,
    figure,
    gain,
    lines,
    minute,
    moment,
    money,
    percent,
    rate,
    ticks,
    tone,
    waterfall,
    whole,
)
from commenda.kit.markup import Markup
from commenda.strategies.plan import Row

STOPS = frozenset(
    {"stop", "trailing", "equity_curve", "account", "time", "liquidation", "stop_order"}
)
"""Kinds of fills that no target asked for."""


def moments(series: Row) -> list[datetime]:
    return [datetime.fromtimestamp(ts, UTC) for ts in series["ts"]]


def amount(value: float) -> str:
    """A mark on an axis of money or prices: whole where it is large, else as short as it can be."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:,.6g}"


def price(value: float) -> str:
    """A price to eight significant digits."""
    return f"{value:,.8g}" if abs(value) < 1e7 else f"{value:,.0f}"


def basis(words: Words, series: Row, unit: str) -> str:
    begin, *_, end = moments(series)
    closes = words.say("closes", begin=f"{begin:%Y-%m-%d %H:%M}", end=f"{end:%Y-%m-%d %H:%M}")
    return f"{closes} · {words.say(unit)}"


def price_and_fills(words: Words, report: Row) -> Markup:
    series = report["series"]["price"]
    marks = report["markers"]
    sides = {side: sum(m["fills"] for m in marks if m["side"] == side) for side in ("buy", "sell")}
    summary = words.say(
        "price_summary",
        fills=f"{report['execution']['fills']:,}",
        buys=f"{sides['buy']:,}",
        sells=f"{sides['sell']:,}",
        first=price(series["close"][0]),
        last=price(series["close"][-1]),
    )
    drawing = lines(
        caption(words, "price", summary),
        (WIDE, TALL + 100),
        moments(series),
        [Run("", series["close"], "price")],
        amount,
        price,
        [_marker(words, one) for one in marks],
    )
    return figure(words, "price", drawing, summary, basis(words, series, "quote"), True)


def _marker(words: Words, one: Row) -> Marker:
    begin, end = minute(one["at"]), minute(one["until"])
    buys = one["side"] == "buy"
    hint = words.say(
        "marker",
        side=words.name(one["side"]),
        quantity=f"{one['quantity']:,.6g}",
        price=price(one["price"]),
        when=begin if begin == end else f"{begin} – {end}",
        kind=words.name(one["kind"]),
        fills=one["fills"],
    )
    kind = "warn" if one["kind"] in STOPS else "s1" if buys else "s0"
    return Marker(moment(one["at"]), one["price"], buys, kind, hint)


def equity(words: Words, report: Row) -> Markup:
    series = report["series"]["equity"]
    name = f"{words.say('benchmark_line')} {report['benchmark']['name']}"
    summary = words.say(
        "equity_summary",
        strategy=money(report["metrics"]["finalEquity"]),
        benchmark=money(report["benchmark"]["finalEquity"]),
    )
    runs = [
        Run(words.say("benchmark_line"), series["benchmark"], "thin"),
        Run(words.say("strategy_line"), series["strategy"], "main"),
    ]
    drawing = lines(
        caption(words, "equity", summary), (WIDE, TALL + 40), moments(series), runs, amount
    )
    text = f"{basis(words, series, 'quote')} · {name}"
    return figure(words, "equity", drawing, summary, text, True)


def drawdown(words: Words, report: Row) -> Markup:
    series, metrics = report["series"]["drawdown"], report["metrics"]
    summary = words.say("drawdown_none")
    if metrics["drawdownFrom"] is not None:
        again = metrics["recoveredAt"]
        summary = words.say(
            "drawdown_summary",
            deepest=percent(-metrics["maxDrawdown"]),
            begin=minute(metrics["drawdownFrom"]),
            end=minute(metrics["drawdownTo"]),
            recovered=words.say("recovered", when=minute(again))
            if again
            else words.say("not_recovered"),
        )
    drawing = lines(
        caption(words, "drawdown", summary),
        (HALF, TALL),
        moments(series),
        [Run("", series["drawdown"], "loss", filled=True)],
        rate,
        percent,
    )
    return figure(words, "drawdown", drawing, summary, basis(words, series, "percent"), False)


def exposure(words: Words, report: Row) -> Markup:
    series, metrics = report["series"]["exposure"], report["metrics"]
    summary = words.say(
        "exposure_summary",
        share=percent(metrics["timeInMarket"], signed=False),
        average=percent(metrics["averageExposure"]),
        greatest=percent(metrics["greatestExposure"], signed=False),
    )
    drawing = lines(
        caption(words, "exposure", summary),
        (HALF, TALL),
        moments(series),
        [Run("", series["exposure"], "main", filled=True)],
        rate,
        percent,
    )
    return figure(words, "exposure", drawing, summary, basis(words, series, "percent"), False)


def profits(words: Words, report: Row) -> Markup:
    found, metrics = report["tradeProfits"], report["metrics"]
    if not found:
        return empty(words, "profits", "no_trades")
    summary = words.say(
        "profits_summary",
        count=metrics["trades"],
        worst=gain(metrics["worstTrade"]),
        average=gain(metrics["averageTrade"]),
        best=gain(metrics["bestTrade"]),
    )
    bars = [
        Column(
            one["from"],
            one["to"],
            [("up" if one["from"] >= 0.0 else "down", one["count"])],
            words.say(
                "class_hint",
                begin=amount(one["from"]),
                end=amount(one["to"]),
                count=one["count"],
            ),
        )
        for one in found
    ]
    low, high = bars[0].begin, bars[-1].end
    below = [(at, amount(at)) for at in ticks(low, high, 6) if low <= at <= high]
    drawing = columns(caption(words, "profits", summary), (HALF, TALL), bars, below, whole)
    return figure(words, "profits", drawing, summary, words.say("quote"), False)


def costs(words: Words, report: Row) -> Markup:
    found = report["costs"]
    lent = found.get("shortfall", 0.0)  # not told apart in runs kept before it was
    summary = words.say(
        "cost_summary",
        gross=gain(found["gross"]),
        costs=money(found["gross"] - found["net"] + lent),
        lent=words.say("cost_lent", lent=money(lent)) if lent else "",
        net=gain(found["net"]),
    )
    charged = found["funding"] is not None
    steps = [
        _step(words.say("gross"), found["gross"], total=True),
        _step(words.say("fees"), -found["fees"]),
        _step(words.say("slippage"), -found["slippage"]),
        _step(
            words.say("funding" if charged else "funding_left_out"),
            -found["funding"] if charged else 0.0,
        ),
        *([_step(words.say("shortfall"), lent)] if lent else []),
        _step(words.say("net"), found["net"], total=True),
    ]
    drawing = waterfall(caption(words, "cost", summary), HALF, steps, amount)
    return figure(words, "cost", drawing, summary, words.say("quote"), False)


def _step(name: str, value: float, *, total: bool = False) -> Step:
    value = value or 0.0  # not -0.0, which is written with its sign
    return Step(name, value, gain(value), tone(value), total)


def curves(words: Words, runs: list[tuple[str, Row]]) -> Markup:
    """Equity of several runs as multiples of their cash, each over its own moments."""
    drawn = []
    for place, (name, one) in enumerate(runs):
        series, cash = one["series"]["equity"], one["inputs"]["cash"]
        multiples = [value / cash for value in series["strategy"]]
        kind = "main" if place == 0 else f"s{(place - 1) % 3}"
        drawn.append(Run(name, multiples, kind, moments=moments(series)))
    ends = sorted(at for run in drawn for at in (run.moments or ())[:: max(len(run.values) - 1, 1)])
    summary = words.say("curves_summary", count=len(runs))
    drawing = lines(
        caption(words, "curves", summary),
        (WIDE, TALL + 100),
        ends,
        drawn,
        lambda value: f"{value:.6g}",
        lambda value: f"{value:.4f}",
    )
    return figure(words, "curves", drawing, summary, words.say("multiple"), True)
