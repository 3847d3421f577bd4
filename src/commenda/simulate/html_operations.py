"""The report's charts of creators, of the money's way, of liquidation and outages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from statistics import median

from commenda.charts import (
    HALF,
    TALL,
    WIDE,
    Bar,
    Column,
    Span,
    Step,
    Words,
    bars,
    caption,
    columns,
    day,
    day_ticks,
    empty,
    figure,
    gain,
    minute,
    moment,
    money,
    percent,
    rate,
    scatter,
    short,
    timeline,
    tone,
    waterfall,
    whole,
)
from commenda.kit.markup import Markup, join, tag
from commenda.simulate.html_figures import now
from commenda.simulate.plain import Row
from commenda.simulate.scenario import ASSET

# --- creators --------------------------------------------------------------------------------


def own_and_followers(words: Words, report: Row) -> Markup:
    found = [row for row in report["creators"] if row["followersReturn"] is not None]
    if not found:
        return empty(words, "own_followers", "nothing_settled")
    gained = [row for row in report["creators"] if Decimal(row["ownReturnTwr"]) > 0]
    both = sum(Decimal(row["followersReturn"] or 0) > 0 for row in gained)
    summary = words.say(
        "own_followers_summary", count=len(report["creators"]), own=len(gained), both=both
    )
    points = [
        (
            float(row["ownReturnTwr"]),
            float(row["followersReturn"]),
            row["creator"],
            tone(row["followersReturn"]),
        )
        for row in found
    ]
    drawing = scatter(
        caption(words, "own_followers", summary),
        (HALF, TALL + 60),
        points,
        (f"{words.say('own')} →", f"↑ {words.say('followers')}"),
        rate,
    )
    return figure(words, "own_followers", drawing, summary, now(words, report, "%"), False)


def own_and_drawdown(words: Words, report: Row) -> Markup:
    creators = report["creators"]
    worst = max(creators, key=lambda row: Decimal(row["maxDrawdown"]))
    summary = words.say(
        "own_drawdown_summary",
        name=worst["creator"],
        deepest=percent(-Decimal(worst["maxDrawdown"])),
        median=percent(-median(Decimal(row["maxDrawdown"]) for row in creators)),
    )
    points = [
        (
            -float(row["maxDrawdown"]),
            float(row["ownReturnTwr"]),
            row["creator"],
            tone(row["ownReturnTwr"]),
        )
        for row in creators
    ]
    drawing = scatter(
        caption(words, "own_drawdown", summary),
        (HALF, TALL + 60),
        points,
        (f"{words.say('max_drawdown')} →", f"↑ {words.say('own')}"),
        rate,
    )
    return figure(words, "own_drawdown", drawing, summary, now(words, report, "%"), False)


# --- money -----------------------------------------------------------------------------------


def flow(words: Words, report: Row) -> Markup:
    profits, platform = report["series"]["profits"], report["platform"]
    outcomes = report["investors"]["outcomes"]
    if not outcomes["settled"]:
        return empty(words, "flow", "nothing_settled")
    summary = words.say(
        "flow_summary",
        gross=money(profits["gross"], signed=True),
        asset=ASSET,
        net=money(outcomes["netProfit"], signed=True),
    )
    taken = [
        ("management_fee", platform["managementFee"]),
        ("creators_share", platform["paidToCreators"]),
        ("platform_share", platform["keptOfCut"]),
        ("referral_share", platform["referralCost"]),
    ]
    paid = Decimal(platform["insurancePaid"])
    steps = [
        _step(words.say("gains", count=profits["gaining"]), profits["gains"]),
        _step(words.say("losses", count=profits["losing"]), profits["losses"]),
        _step(words.say("gross"), profits["gross"], total=True),
        *(_step(words.say(key), -Decimal(amount), "main") for key, amount in taken),
        *([_step(words.say("insurance_paid"), paid, "main")] if paid else []),
        _step(words.say("investors_net"), outcomes["netProfit"], total=True),
    ]
    drawing = waterfall(caption(words, "flow", summary), WIDE, steps, lambda v: money(v, 0))
    return figure(words, "flow", drawing, summary, now(words, report, ASSET), True)


def _step(
    name: str, amount: str | Decimal, kind: str | None = None, *, total: bool = False
) -> Step:
    value = Decimal(amount)
    shown = money(value, signed=True) if kind else gain(value)
    return Step(name, float(value), shown, kind or tone(value), total)


# --- liquidation -----------------------------------------------------------------------------


def tries(words: Words, report: Row) -> Markup:
    days = report["series"]["liquidation"]["days"]
    if not days:
        return empty(words, "tries", "nothing_liquidated")
    summary = words.say(
        "tries_summary",
        attempts=report["liquidation"]["attempts"],
        through=sum(row["through"] for row in days),
        refused=report["liquidation"]["retried"],
        hours=money(report["series"]["liquidation"]["longestHours"], 1),
    )
    found = [
        Column(
            moment(row["at"]).timestamp(),
            (moment(row["at"]) + timedelta(days=1)).timestamp(),
            [("main", row["through"]), ("warn", row["refused"])],
            words.say(
                "tries_hint", day=day(row["at"]), through=row["through"], refused=row["refused"]
            ),
        )
        for row in days
    ]
    first, last = moment(report["scenario"]["start"]), moment(report["scenario"]["end"])
    drawing = columns(
        caption(words, "tries", summary), (HALF, TALL), found, day_ticks(first, last, 8), whole
    )
    key = tag(
        "p",
        tag("span", words.say("through"), class_="key main"),
        tag("span", words.say("refused"), class_="key warn"),
        class_="legend",
    )
    basis = now(words, report, words.say("unit_count"))
    return figure(words, "tries", join(key, drawing), summary, basis, False)


def slippage(words: Words, report: Row) -> Markup:
    symbols = report["series"]["liquidation"]["symbols"]
    liquidation = report["liquidation"]
    if not symbols:
        return empty(words, "slippage", "nothing_liquidated")
    summary = words.say(
        "slippage_summary",
        orders=sum(row["orders"] for row in symbols),
        notional=money(liquidation["notional"]),
        asset=ASSET,
        bps=money(liquidation["slippageBps"]),
    )
    rows = [
        Bar(
            row["symbol"],
            float(row["slippageBps"]),
            words.say("bps", bps=money(row["slippageBps"]), orders=row["orders"]),
            "main",
        )
        for row in symbols
    ]
    drawing = bars(caption(words, "slippage", summary), HALF, rows, lambda v: f"{v:.1f}")
    basis = now(words, report, words.say("unit_bps"))
    return figure(words, "slippage", drawing, summary, basis, False)


def refusals(words: Words, report: Row) -> Markup:
    reasons = report["liquidation"]["failures"]
    if not reasons:
        return empty(words, "refusals", "none_refused")
    summary = words.say("refusals_summary", count=report["liquidation"]["retried"])
    rows = [
        Bar(short(row["reason"] or "-"), row["attempts"], str(row["attempts"]), "warn")
        for row in reasons
    ]
    drawing = bars(caption(words, "refusals", summary), HALF, rows, whole)
    basis = now(words, report, words.say("unit_count"))
    return figure(words, "refusals", drawing, summary, basis, False)


def outages(words: Words, report: Row) -> Markup:
    found, hours = report["series"]["outages"], report["series"]["liquidation"]["refusals"]
    if not found and not hours:
        return empty(words, "timeline", "no_outages")
    lasted = [moment(row["end"]) - moment(row["begin"]) for row in found]
    summary = words.say(
        "timeline_summary",
        count=len(found),
        hours=f"{sum(lasted, timedelta()) / timedelta(hours=1):g}",
        refused=report["liquidation"]["retried"],
    )
    rows: dict[str, list[Span]] = {}
    for row in found:
        name = row["symbol"] or words.say("every_instrument")
        hint = f"{minute(row['begin'])} - {minute(row['end'])} UTC: {row['reason']}"
        rows.setdefault(name, []).append(
            Span(moment(row["begin"]), moment(row["end"]), "warn", hint)
        )
    most = max([row["refused"] for row in hours] + [1])
    rows[words.say("refused_tries")] = [
        Span(
            moment(row["at"]),
            moment(row["at"]) + timedelta(hours=1),
            "main",
            f"{minute(row['at'])} UTC: {row['refused']}",
            row["refused"] / most,
        )
        for row in hours
    ]
    scenario = report["scenario"]
    drawing = timeline(
        caption(words, "timeline", summary),
        WIDE,
        (moment(scenario["start"]), moment(scenario["end"])),
        list(rows.items()),
    )
    basis = now(words, report, words.say("unit_count"))
    return figure(words, "timeline", drawing, summary, basis, True)
