"""The report's tables, the long ones folded."""

from __future__ import annotations

from commenda.charts import (
    Cell,
    Words,
    change,
    coloured,
    folded,
    gain,
    headings,
    minute,
    money,
    percent,
    table,
)
from commenda.kit.markup import Markup, join, tag
from commenda.simulate.plain import Row
from commenda.simulate.scenario import ASSET


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
    heads = headings(
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
    heads = headings(words, "profile term level", "settled actual_gain expected_gain")
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
    heads = headings(
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
    heads = headings(words, "door", "count")
    rows: list[list[Cell]] = [[words.name(row["door"]), row["subscriptions"]] for row in found]
    return table(words.say("doors"), heads, rows, wide=False)


def reconciliation(words: Words, report: Row) -> Markup:
    found = report["reconciliation"]
    heads = headings(words, "subject", "venue ledger explained difference")
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
    return folded(words, words.say("counts"), headings(words, "kind", "count"), rows)


def balances(words: Words, report: Row) -> Markup:
    heads = headings(words, "kind owner", "accounts balance")
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
