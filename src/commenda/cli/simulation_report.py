"""The report of a simulation, for the terminal."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from commenda.cli.tables import Column, numbers, say, show

Row = dict[str, Any]


def money(value: str | int | None, *, sign: str = "", decimals: int = 2) -> str:
    """An amount with thousands separators; '-' where there is none."""
    return "-" if value is None else f"{Decimal(value):{sign},.{decimals}f}"


def _percent(heading: str, name: str, sign: str = "+") -> Column:
    """Fractions in percent; '-' where there is none."""

    def percent(row: Row) -> str:
        return "-" if row[name] is None else f"{Decimal(row[name]) * 100:{sign}.2f}%"

    return Column(heading, percent, number=True)


def _whole(heading: str, name: str) -> Column:
    return Column(heading, lambda row: money(row[name], decimals=0), number=True)


RETURNS = (
    *(_percent(name, name) for name in ("worst", "p10", "p25", "median", "p75", "p90", "best")),
    _percent("pooled", "pooledReturn"),
    _percent("gained", "shareWithGain", sign=""),
)
PRODUCTS = (
    Column("profile"),
    Column("term", lambda row: f"{row['termDays']} d"),
    Column("tier"),
    Column("settled", number=True),
    _whole("principal", "principal"),
    _percent("net return", "netReturn"),
    _percent("expected", "expectedReturn"),
    _percent("gained", "shareWithGain", sign=""),
)
CREATORS = (
    Column("creator"),
    Column("strategy", lambda row: row["strategy"].split("_")[0]),
    Column("symbol", lambda row: row["symbol"].removesuffix("USDT")),
    _percent("own", "ownReturnTwr"),
    _percent("followers", "followersReturn"),
    _whole("earned", "profitShare"),
    _whole("followed", "followedCapital"),
    Column("signals", number=True),
    Column("score", lambda row: f"{Decimal(row['score']):.1f}", number=True),
)
RECONCILED = (
    Column("", "subject"),
    *numbers("venue", "ledger", "explained", "unexplained"),
)


def show_report(report: Row) -> None:
    """Print a report: who earned what first, then how, then the proof."""
    scenario = report["scenario"]
    simulated = scenario["market"] == "simulated"
    say((f"\n{scenario['title']}", "bold"))
    say(
        f"{scenario['start'][:16]} to {scenario['end'][:16]} UTC · ",
        ("simulated market", "yellow") if simulated else "recorded candles",
        f" · {', '.join(scenario['symbols'])} · seed {scenario['seed']}\n",
    )
    _investors(report["investors"])
    show(
        report["products"],
        PRODUCTS,
        title="By product (net of fees; expected is the return matrix over the days held)",
    )
    for profile in sorted({row["profile"] for row in report["creators"]}):
        rows = [row for row in report["creators"] if row["profile"] == profile]
        title = f"Creators, {profile} (own book: TWR; followers: settled legs, before fees)"
        show(sorted(rows, key=lambda row: row["creator"]), CREATORS, title=title)
    _platform(report)
    _proof(report)


def _investors(people: Row) -> None:
    outcomes = people["outcomes"]
    states = ", ".join(f"{row['subscriptions']} {row['status']}" for row in people["states"])
    say(
        f"{people['investors']} investors deposited {money(people['deposited'])} USDT;"
        f" {people['subscriptions']} subscriptions: {states}"
    )
    if not outcomes["settled"]:
        say("Nothing has settled yet.\n")
        return
    title = "Settled subscriptions: holding-period return on principal, after all fees"
    show([outcomes], RETURNS, title=title)
    say(
        f"{outcomes['settled']} settled: {money(outcomes['principal'])} in,"
        f" {money(outcomes['returned'])} back, net {money(outcomes['netProfit'], sign='+')} USDT\n"
    )


def _platform(report: Row) -> None:
    platform, referral, liquidation = report["platform"], report["referral"], report["liquidation"]
    say(("Platform", "bold"))
    say(
        f"  management fee {money(platform['managementFee'])}"
        f" · profit share {money(platform['profitShare'])},"
        f" of it to creators {money(platform['paidToCreators'])},"
        f" kept {money(platform['keptOfCut'])}, referral {money(platform['referralCost'])}"
        f" · insurance paid {money(platform['insurancePaid'])}"
    )
    say(
        f"  referral: {referral['commissions']} commissions to {referral['payees']} payees"
        f" ({referral['referredInvestors']} investors were referred; held for 30 days,"
        f" {referral['released']} released)"
    )
    slippage = liquidation["slippageBps"]
    shown = "none" if slippage is None else f"{Decimal(slippage):.2f} bp against the mark"
    doors = ", ".join(f"{row['door']} {row['subscriptions']}" for row in liquidation["doors"])
    say(
        f"  liquidation: {liquidation['orders']} orders, {money(liquidation['notional'])} USDT,"
        f" slippage {shown}, {liquidation['retried']} tries repeated; asked for by {doors or '-'}"
    )
    for row in liquidation["failures"]:
        say(f"    {row['attempts']} x {row['reason']}")
    levels: Counter[str] = Counter()
    for row in report["deviation"]:
        levels[row["level"]] += row["subscriptions"]
    alerts = ", ".join(f"{count} {level}" for level, count in sorted(levels.items()))
    say(f"  deviation from the return matrix: {alerts}\n")


def _proof(report: Row) -> None:
    counts, timings, findings = report["counts"], report["timings"], report["verify"]["findings"]
    statuses = ", ".join(
        f"{row['executions']:,} {row['status']}" for row in counts["executionStatus"]
    )
    say(
        ("Counts", "bold"),
        f" {counts['signals']:,} signals, {counts['executions']:,} executions ({statuses}),"
        f" {counts['orders']:,} parent orders, {counts['fills']:,} fills,"
        f" {counts['journals']:,} journals, {counts['entries']:,} entries",
    )
    say(
        ("Took", "bold"),
        f" {timings['openSeconds'] + timings['replaySeconds']:.1f} s,"
        f" report {timings['reportSeconds']:.1f} s, peak {timings['peakMemoryMiB']} MiB\n",
    )
    reconciliation = report["reconciliation"]
    title = f"Reconciliation, as of {reconciliation['asOf'][:16]} UTC"
    show(reconciliation["lines"], RECONCILED, title=title)
    totals = ", ".join(f"{asset} {total}" for asset, total in report["ledger"]["totals"].items())
    say(f"sum of all balances: {totals}")
    for finding in findings[:20]:
        say(("✗", "red"), f" {finding}")
    clean = report["verify"]["clean"]
    say("verify: ", ("clean", "green") if clean else (f"{len(findings)} findings", "red"))
