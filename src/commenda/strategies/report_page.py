"""A backtest's report as one HTML page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from commenda.charts import (
    LANGUAGES,
    Cell,
    Words,
    buttons,
    change,
    coloured,
    fact,
    headings,
    html_page,
    minute,
    money,
    percent,
    section,
    table,
    tone,
)
from commenda.kit.errors import CommendaError
from commenda.kit.markup import Markup, tag
from commenda.market import interval_name
from commenda.returns import Calendar
from commenda.strategies import report_figures as figures
from commenda.strategies.plan import Row
from commenda.strategies.report_texts import words_in


def render(report: Row) -> str:
    """The page of one run over bars, in both languages; see `refuse_depth`."""
    refuse_depth(report)
    title = (
        f"{report['inputs']['strategy']['name']} · {report['inputs']['data']['name']} · Commenda"
    )
    return html_page(title, (_main(words_in(language), report) for language in LANGUAGES))


def refuse_depth(report: Row) -> None:
    """Code `no_page` for a run in an order book: the pages are of bars."""
    if "depth" in report["inputs"]:
        raise CommendaError("no_page", "A run in an order book has no page").at(
            "id", hint="read its figures, or choose a run over bars"
        )


def _main(words: Words, report: Row) -> Markup:
    return tag(
        "main",
        _header(words, report),
        section(words, "key_figures", tag("dl", *_key_figures(words, report))),
        section(
            words,
            "growth",
            *([figures.price_and_fills(words, report)] if "price" in report["series"] else []),
            figures.equity(words, report),
            figures.drawdown(words, report),
            figures.exposure(words, report),
        ),
        section(
            words,
            "results",
            figures.profits(words, report),
            figures.costs(words, report),
            _months(words, report),
        ),
        section(words, "execution", _execution(words, report), _inside_bars(words, report)),
        section(words, "reproduction", _inputs(words, report)),
        lang=words.language,
    )


# --- the head --------------------------------------------------------------------------------


def _header(words: Words, report: Row) -> Markup:
    data, metrics = report["inputs"]["data"], report["metrics"]
    strategy = report["inputs"]["strategy"]
    name = f"{strategy['name']} {strategy['version']}"
    notes = [words.say("warning")]
    ruined = metrics.get("ruinedAt")  # not said of runs kept before it was
    if ruined:
        owed = money(report["execution"]["shortfall"])
        notes.insert(0, words.say("ruined", when=minute(ruined), owed=owed))
    if not metrics["fundingCharged"]:
        notes.append(words.say("no_funding"))
    if metrics["fundingEstimated"]:
        notes.append(words.say("estimated_marks", count=metrics["fundingEstimated"]))
    if metrics["missingBars"]:
        notes.append(words.say("missing_bars", count=metrics["missingBars"]))
    if metrics.get("undecided"):
        notes.append(words.say("undecided", **metrics["undecided"]))
    end = figures.moments(report["series"]["equity"])[-1]
    return tag(
        "header",
        tag("div", tag("h1", words.say("title", strategy=name)), buttons(words), class_="top"),
        tag("p", _facts(words, data), class_="facts"),
        tag(
            "p",
            tag("span", words.say("simulated"), class_="badge warn"),
            *([tag("span", words.say("is_ruined"), class_="badge warn")] if ruined else []),
            class_="badges",
        ),
        *(tag("p", note, class_="warning", role="note") for note in notes),
        tag("p", words.say("basis", when=f"{end:%Y-%m-%d %H:%M}"), class_="note"),
    )


def _facts(words: Words, data: Row) -> str:
    return words.say(
        "facts",
        data=data["symbol"] or data["name"],
        begin=minute(data["first"]),
        end=minute(data["last"]),
        bars=f"{data['bars']:,}",
        interval=interval_name(data["intervalSeconds"]),
    )


# --- key figures -----------------------------------------------------------------------------


def _key_figures(words: Words, report: Row) -> list[Markup]:
    return [*_returns(words, report), *_risk(words, report), *_trades(words, report)]


def _returns(words: Words, report: Row) -> list[Markup]:
    metrics, held = report["metrics"], report["benchmark"]
    yearly = metrics["annualReturn"]
    funding = words.say("with_funding") if metrics["fundingCharged"] else ""
    return [
        fact(
            words.say("final_equity"),
            money(metrics["finalEquity"]),
            words.say("final_equity_note", cash=money(report["inputs"]["cash"])),
        ),
        fact(
            words.say("total_return"),
            change(metrics["totalReturn"]),
            words.say("total_return_note", days=f"{metrics['days']:.1f}"),
            tone(metrics["totalReturn"]),
        ),
        fact(
            words.say("annual_return"),
            change(yearly),
            words.say("under_a_year" if yearly is None else "annual_return_note"),
            tone(yearly),
        ),
        fact(
            words.say("benchmark_return", name=held["name"]),
            change(held["totalReturn"]),
            words.say(
                "benchmark_return_note",
                funding=funding,
                drawdown=percent(-held["maxDrawdown"]),
            ),
            tone(held["totalReturn"]),
        ),
    ]


def _risk(words: Words, report: Row) -> list[Markup]:
    metrics = report["metrics"]
    interval = interval_name(report["inputs"]["data"]["intervalSeconds"])
    short = words.say("short_record", days=f"{metrics['days']:.1f}")
    short = short if metrics["days"] < 365 else ""
    calendar = metrics.get("calendar", Calendar.EVERY_DAY)  # as runs kept before it was said
    year = words.say(calendar)
    bars = f"{metrics['barsPerYear']:,.0f}"
    method = words.say("sharpe_note", interval=interval, bars=bars, year=year)
    return [
        fact(
            words.say("max_drawdown"),
            percent(-metrics["maxDrawdown"]),
            words.say("max_drawdown_note"),
        ),
        fact(words.say("sharpe"), _ratio(words, metrics["sharpe"]), method + short),
        fact(words.say("sortino"), _ratio(words, metrics["sortino"]), words.say("sortino_note")),
    ]


def _trades(words: Words, report: Row) -> list[Markup]:
    metrics = report["metrics"]
    held, turnover = metrics["averageBarsHeld"], metrics["turnoverOfEquity"]
    return [
        fact(
            words.say("trades"),
            f"{metrics['trades']:,}",
            words.say(
                "trades_note",
                open=metrics["openTrades"],
                bars="-" if held is None else f"{held:,.1f}",
            ),
        ),
        fact(
            words.say("win_rate"),
            percent(metrics["winRate"], signed=False),
            words.say("win_rate_note"),
        ),
        fact(
            words.say("profit_factor"),
            _ratio(words, metrics["profitFactor"]),
            words.say(
                "profit_factor_note",
                gain=money(metrics["averageGain"]),
                loss=money(metrics["averageLoss"]),
            ),
        ),
        fact(
            words.say("time_in_market"),
            percent(metrics["timeInMarket"], signed=False),
            words.say(
                "time_in_market_note", turnover="-" if turnover is None else f"{turnover:,.1f}"
            ),
        ),
    ]


def _ratio(words: Words, value: float | None) -> str:
    return words.say("undefined") if value is None else f"{value:.2f}"


# --- tables ----------------------------------------------------------------------------------


def _months(words: Words, report: Row) -> Markup:
    """A row for each year, a column for each month."""
    found = {one["month"]: one for one in report["months"]}
    heads = [(words.say("year"), False), *((f"{month:02d}", True) for month in range(1, 13))]
    heads.append((words.say("whole_year"), True))
    rows: list[list[Cell]] = []
    for year in sorted({month[:4] for month in found}):
        of_year = [found.get(f"{year}-{month:02d}") for month in range(1, 13)]
        rows.append([year, *map(_month, of_year), _compounded(of_year)])
    note = words.say("months_note")
    return table(words.say("months"), heads, rows, note=note)


def _month(one: Row | None) -> Cell:
    if one is None or one["return"] is None:
        return ""
    star = "*" if one["partial"] else ""
    return coloured(one["return"], f"{percent(one['return'])}{star}")


def _compounded(months: Sequence[Row | None]) -> Cell:
    growth = 1.0
    for one in months:
        if one is not None:
            if one["return"] is None:
                return ""
            growth *= 1.0 + one["return"]
    return coloured(growth - 1.0, change(growth - 1.0))


def _execution(words: Words, report: Row) -> Markup:
    found, metrics = report["execution"], report["metrics"]
    rows: list[list[Cell]] = [
        [words.say("target_changes"), f"{metrics['targetChanges']:,}"],
        [words.say("fills"), f"{found['fills']:,}"],
        [words.say("maker_fills"), f"{found['makerFills']:,}"],
    ]
    for kind, count in sorted(found["byKind"].items()):
        rows.append([words.say("fills_of", kind=words.name(kind)), f"{count:,}"])
    rows += [
        [words.say("greatest_share"), _share(found["greatestShareOfVolume"])],
        [words.say("mean_share"), _share(found["meanShareOfVolume"])],
        [words.say("no_volume"), f"{found['barsWithoutVolume']:,}"],
    ]
    heads = headings(words, "fact", "figure")
    note = words.say("liquidity_note")
    return table(words.say("fills_and_liquidity"), heads, rows, note=note, wide=False)


def _inside_bars(words: Words, report: Row) -> Markup:
    """What bars cannot tell, and what the venue's terms cut short."""
    found = report["execution"]
    keys = {
        "ambiguous": "ambiguousBars",
        "refined": "refinedBars",
        "short_filled": "shortFilled",
        "clamped": "clamped",
        "refused": "refused",
    }
    rows: list[list[Cell]] = [[words.say(key), f"{found[name]:,}"] for key, name in keys.items()]
    rows.append([words.say("shortfall"), money(found["shortfall"])])
    heads = headings(words, "fact", "figure")
    note = words.say("inside_bars_note")
    return table(words.say("inside_bars"), heads, rows, note=note, wide=False)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.4g}%"


def _inputs(words: Words, report: Row) -> Markup:
    inputs = report["inputs"]
    rows: list[list[Cell]] = [
        [words.say(name), show(words, inputs)] for name, show in INPUTS.items()
    ]
    heads = headings(words, "fact figure", "")
    return table(words.say("inputs"), heads, rows, note=words.say("inputs_note"))


def _size(words: Words, inputs: Row) -> str:
    sizes = dict.fromkeys(leg["size"] for leg in inputs.get("legs", [inputs]))
    if None in sizes:
        return words.say("of_equity")
    return words.say("units", count=", ".join(f"{size:g}" for size in sizes))


def _funding(words: Words, inputs: Row, key: str) -> Cell:
    found = inputs["funding"]
    return words.say("not_charged") if found is None else _code(found[key])


def _beside(inputs: Row, key: str) -> Cell:
    found = inputs.get(key)
    return "-" if found is None else _code(f"{found['name']} {found['sha256']}")


def _code(text: str) -> Markup:
    return tag("code", text)


def _pairs(values: Row) -> str:
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, int | float) else f"{name}={value}"
        for name, value in values.items()
    )


def _asked(values: Row) -> str:
    """Only what is asked for: terms that are none are left out."""
    return _pairs({k: v for k, v in values.items() if v not in (None, [], 0.0, {}, NO_LATENCY)})


NO_LATENCY = {"feed": 0.0, "order": 0.0, "response": 0.0}

INPUTS: dict[str, Callable[[Words, Row], Cell]] = {
    "strategy": lambda w, i: f"{i['strategy']['name']} {i['strategy']['version']}",
    "parameters": lambda w, i: _code(_pairs(i["strategy"]["params"])),
    "size": _size,
    "cash": lambda w, i: money(i["cash"]),
    "costs": lambda w, i: _code(_asked(i["costs"]) or "-"),
    "terms": lambda w, i: _code(_asked(i["terms"]) or "-"),
    "finer": lambda w, i: _beside(i, "finer"),
    "book": lambda w, i: _beside(i, "book"),
    "seed": lambda w, i: w.say("nothing_drawn") if i["seed"] is None else str(i["seed"]),
    "data": lambda w, i: _code(i["data"]["name"]),
    "data_hash": lambda w, i: _code(i["data"]["sha256"]),
    "funding": lambda w, i: _funding(w, i, "name"),
    "funding_hash": lambda w, i: _funding(w, i, "sha256"),
    "code": lambda w, i: _code(i["strategy"]["codeHash"]),
    "engine": lambda w, i: _code(i["engineHash"]),
}
"""What a run is repeated from, in the order it is shown."""
