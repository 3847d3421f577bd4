"""The report's tables, the long ones folded."""

from __future__ import annotations

from collections.abc import Sequence

from commenda.kit.markup import Markup, join, tag
from commenda.simulate.html_texts import Words
from commenda.simulate.plain import Row
from commenda.simulate.scenario import ASSET
from commenda.simulate.shown import change, gain, minute, money, percent, tone

Cell = str | int | Markup
Head = tuple[str, bool]
"""A column's name, and whether it holds figures."""


def table(
    title: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]], *, wide: bool = True
) -> Markup:
    kind = "card wide" if wide else "card"
    return tag("section", tag("h3", title), _grid(title, heads, rows), class_=kind)


def folded(
    words: Words, title: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]]
) -> Markup:
    count = tag("span", words.say("rows", count=len(rows)), class_="note")
    return tag(
        "details",
        tag("summary", tag("h3", title), count),
        _grid(title, heads, rows),
        class_="card wide",
    )


def coloured(value: str | None, written: str) -> Markup:
    """A gain or a loss in its colour; its sign and arrow are in the text."""
    return tag("span", written, class_=tone(value))


def _grid(title: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]]) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col", class_=_kind(num)) for name, num in heads))
    body = (
        tag(
            "tr",
            *(
                tag("td", cell, class_=_kind(num))
                for cell, (_, num) in zip(row, heads, strict=True)
            ),
        )
        for row in rows
    )
    grid = tag("table", tag("thead", head), tag("tbody", *body))
    return tag("div", grid, class_="scroll", tabindex="0", role="group", aria_label=title)


def _kind(numeric: bool) -> str | None:
    return "num" if numeric else None


def _heads(words: Words, names: str, figures: str) -> list[Head]:
    """Columns of names and, after them, of figures."""
    return [(words.say(key), False) for key in names.split()] + [
        (words.say(key), True) for key in figures.split()
    ]


def quantiles(words: Words, report: Row) -> Markup | None:
    outcomes = report["investors"]["outcomes"]
    if not outcomes["settled"]:
        return None
    names = ("worst", "p10", "p25", "median", "p75", "p90", "best")
    heads = [(words.say(name) if name[1:].isalpha() else name, True) for name in names]
    heads += [(words.say("pooled"), True), (words.say("gained"), True)]
    keys = (*names, "pooledReturn")
    row = [coloured(outcomes[key], change(outcomes[key])) for key in keys]
    share = percent(outcomes["shareWithGain"], signed=False)
    title = f"{words.say('quantiles')} · {words.say('return_note')}"
    return table(title, heads, [[*row, share]])


def products(words: Words, report: Row) -> Markup:
    heads = _heads(
        words, "profile term tier", "settled principal net_return expected_return gained"
    )
    rows: list[list[Cell]] = [
        [
            words.name(row["profile"]),
            words.say("days", days=row["termDays"]),
            row["tier"],
            row["settled"],
            money(row["principal"]),
            coloured(row["netReturn"], change(row["netReturn"])),
            percent(row["expectedReturn"]),
            percent(row["shareWithGain"], signed=False),
        ]
        for row in report["products"]
    ]
    return folded(words, words.say("by_product"), heads, rows)


def deviation(words: Words, report: Row) -> Markup:
    heads = _heads(words, "profile term level", "settled actual_gain expected_gain")
    rows: list[list[Cell]] = [
        [
            words.name(row["profile"]),
            words.say("days", days=row["termDays"]),
            words.name(row["level"]),
            row["subscriptions"],
            coloured(row["actual"], gain(row["actual"])),
            money(row["expected"], signed=True),
        ]
        for row in report["deviation"]
    ]
    return folded(words, words.say("deviation"), heads, rows)


def creators(words: Words, report: Row) -> Markup:
    heads = _heads(
        words,
        "creator profile strategy symbol",
        "own max_drawdown followers earned followed legs signals score",
    )
    ordered = sorted(report["creators"], key=lambda row: (row["profile"], row["creator"]))
    rows: list[list[Cell]] = [
        [
            row["creator"],
            words.name(row["profile"]),
            row["strategy"],
            row["symbol"],
            coloured(row["ownReturnTwr"], change(row["ownReturnTwr"])),
            percent(row["maxDrawdown"], signed=False),
            coloured(row["followersReturn"], change(row["followersReturn"])),
            money(row["profitShare"]),
            money(row["followedCapital"]),
            row["followers"],
            row["signals"],
            money(row["score"], 1),
        ]
        for row in ordered
    ]
    return folded(words, words.say("all_creators"), heads, rows)


def doors(words: Words, report: Row) -> Markup | None:
    found = report["liquidation"]["doors"]
    if not found:
        return None
    heads = _heads(words, "door", "count")
    rows: list[list[Cell]] = [[words.name(row["door"]), row["subscriptions"]] for row in found]
    return table(words.say("doors"), heads, rows, wide=False)


def reconciliation(words: Words, report: Row) -> Markup:
    found = report["reconciliation"]
    heads = _heads(words, "subject", "venue ledger explained difference")
    rows: list[list[Cell]] = [
        [row["subject"], row["venue"], row["ledger"], row["explained"], row["unexplained"]]
        for row in found["lines"]
    ]
    return table(words.say("reconciliation", when=minute(found["asOf"])), heads, rows)


def counts(words: Words, report: Row) -> Markup:
    found = report["counts"]
    names = (
        "signals",
        "executions",
        "orders",
        "fills",
        "journals",
        "entries",
        "accounts",
        "scopes",
    )
    rows: list[list[Cell]] = [[words.say(name), f"{found[name]:,}"] for name in names]
    rows += [
        [f"{words.say('executions')}: {words.name(row['status'])}", f"{row['executions']:,}"]
        for row in found["executionStatus"]
    ]
    return folded(words, words.say("counts"), _heads(words, "kind", "count"), rows)


def balances(words: Words, report: Row) -> Markup:
    heads = _heads(words, "kind owner", "accounts balance")
    rows: list[list[Cell]] = [
        [
            row["kind"],
            row["ownerKind"],
            row["accounts"],
            f"{money(row['balance'], 8)} {row['asset']}",
        ]
        for row in report["ledger"]["balances"]
    ]
    for asset, total in report["ledger"]["totals"].items():
        rows.append([words.say("sum_of_all"), "", "", f"{total} {asset}"])
    return folded(words, f"{words.say('balances')} · {ASSET}", heads, rows)


def digests(words: Words, report: Row) -> Markup:
    rows: list[list[Cell]] = [
        [words.say(key), tag("code", report[key]["digest"])]
        for key in ("scenario", "allocation", "ledger")
    ]
    title = f"{words.say('digests')} · {words.say('digests_note')}"
    return folded(words, title, [(words.say("kind"), False), ("SHA-256", False)], rows)


def findings(words: Words, report: Row) -> Markup | None:
    found = report["verify"]["findings"]
    if not found:
        return None
    items = join(*(tag("li", one) for one in found))
    return tag(
        "section", tag("h3", words.say("findings")), tag("ul", items), class_="card wide bad"
    )
