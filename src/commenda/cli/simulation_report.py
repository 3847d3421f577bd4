"""The report of a simulation, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]


def show(console: Console, report: Row) -> None:
    """Print a report: who earned what first, then how, then the proof."""
    _headline(console, report)
    _investors(console, report)
    _products(console, report["products"])
    _creators(console, report["creators"])
    _platform(console, report)
    _counts(console, report)
    _proof(console, report)


def _headline(console: Console, report: Row) -> None:
    scenario = report["scenario"]
    label = (
        "[yellow]simulated market[/]" if scenario["market"] == "simulated" else "recorded candles"
    )
    console.print(f"\n[bold]{scenario['title']}[/]")
    console.print(
        f"{scenario['start'][:16]} to {scenario['end'][:16]} UTC · {label} ·"
        f" {', '.join(scenario['symbols'])} · seed {scenario['seed']}\n",
        highlight=False,
    )


def _investors(console: Console, report: Row) -> None:
    people = report["investors"]
    outcomes = people["outcomes"]
    states = ", ".join(f"{row['subscriptions']} {row['status']}" for row in people["states"])
    console.print(
        f"{people['investors']} investors deposited {money(people['deposited'])} USDT;"
        f" {people['subscriptions']} subscriptions: {states}",
        highlight=False,
    )
    if not outcomes["settled"]:
        console.print("Nothing has settled yet.\n")
        return
    table = _table("Settled subscriptions: holding-period return on principal, after all fees")
    for name in ("worst", "p10", "p25", "median", "p75", "p90", "best"):
        table.add_column(name, justify="right")
    table.add_column("pooled", justify="right")
    table.add_column("gained", justify="right")
    table.add_row(
        *(percent(outcomes[k]) for k in ("worst", "p10", "p25", "median", "p75", "p90", "best")),
        percent(outcomes["pooledReturn"]),
        percent(outcomes["shareWithGain"], signed=False),
    )
    console.print(table)
    console.print(
        f"{outcomes['settled']} settled: {money(outcomes['principal'])} in,"
        f" {money(outcomes['returned'])} back,"
        f" net {money(outcomes['netProfit'], signed=True)} USDT\n",
        highlight=False,
    )


def _products(console: Console, products: Sequence[Row]) -> None:
    table = _table("By product (net of fees; expected is the return matrix over the days held)")
    for name in ("profile", "term", "tier"):
        table.add_column(name)
    for name in ("settled", "principal", "net return", "expected", "gained"):
        table.add_column(name, justify="right")
    for row in products:
        table.add_row(
            row["profile"],
            f"{row['termDays']} d",
            row["tier"],
            str(row["settled"]),
            money(row["principal"], decimals=0),
            percent(row["netReturn"]),
            percent(row["expectedReturn"]),
            percent(row["shareWithGain"], signed=False),
        )
    console.print(table)
    console.print()


def _creators(console: Console, creators: Sequence[Row]) -> None:
    table = _table("Creators (own book: TWR; followers: settled legs, before fees)")
    for name in ("creator", "strategy", "symbol"):
        table.add_column(name, no_wrap=True)
    for name in ("own", "followers", "earned", "followed", "signals", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    profile = None
    for row in sorted(creators, key=lambda one: (one["profile"], one["creator"])):
        if row["profile"] != profile:
            profile = row["profile"]
            table.add_row(f"[dim]{profile}[/]")
        table.add_row(
            row["creator"],
            row["strategy"].split("_")[0],
            row["symbol"].removesuffix("USDT"),
            percent(row["ownReturnTwr"]),
            percent(row["followersReturn"]),
            money(row["profitShare"], decimals=0),
            money(row["followedCapital"], decimals=0),
            str(row["signals"]),
            f"{Decimal(row['score']):.1f}",
        )
    console.print(table)
    console.print()


def _platform(console: Console, report: Row) -> None:
    platform, referral, liquidation = report["platform"], report["referral"], report["liquidation"]
    console.print("[bold]Platform[/]")
    console.print(
        f"  management fee {money(platform['managementFee'])} ·"
        f" profit share {money(platform['profitShare'])},"
        f" of it to creators {money(platform['paidToCreators'])},"
        f" kept {money(platform['keptOfCut'])},"
        f" referral {money(platform['referralCost'])}"
        f" · insurance paid {money(platform['insurancePaid'])}",
        highlight=False,
    )
    console.print(
        f"  referral: {referral['commissions']} commissions to {referral['payees']} payees"
        f" ({referral['referredInvestors']} investors were referred; held for 30 days,"
        f" {referral['released']} released)",
        highlight=False,
    )
    slippage = liquidation["slippageBps"]
    shown = "none" if slippage is None else f"{Decimal(slippage):.2f} bp against the mark"
    doors = ", ".join(f"{row['door']} {row['subscriptions']}" for row in liquidation["doors"])
    console.print(
        f"  liquidation: {liquidation['orders']} orders, {money(liquidation['notional'])} USDT,"
        f" slippage {shown}, {liquidation['retried']} tries repeated; asked for by {doors or '-'}",
        highlight=False,
    )
    for row in liquidation["failures"]:
        console.print(f"    {row['attempts']} x {row['reason']}", highlight=False)
    levels: dict[str, int] = {}
    for row in report["deviation"]:
        levels[row["level"]] = levels.get(row["level"], 0) + row["subscriptions"]
    console.print(
        "  deviation from the return matrix: "
        + ", ".join(f"{count} {level}" for level, count in sorted(levels.items())),
        highlight=False,
    )
    console.print()


def _counts(console: Console, report: Row) -> None:
    counts = report["counts"]
    statuses = ", ".join(
        f"{row['executions']:,} {row['status']}" for row in counts["executionStatus"]
    )
    console.print(
        f"[bold]Counts[/] {counts['signals']:,} signals, {counts['executions']:,} executions"
        f" ({statuses}), {counts['orders']:,} parent orders, {counts['fills']:,} fills,"
        f" {counts['journals']:,} journals, {counts['entries']:,} entries",
        highlight=False,
    )
    timings = report["timings"]
    console.print(
        f"[bold]Took[/] {timings['openSeconds'] + timings['replaySeconds']:.1f} s,"
        f" report {timings['reportSeconds']:.1f} s, peak {timings['peakMemoryMiB']} MiB\n",
        highlight=False,
    )


def _proof(console: Console, report: Row) -> None:
    reconciliation, proof = report["reconciliation"], report["verify"]
    table = _table(f"Reconciliation, as of {reconciliation['asOf'][:16]} UTC")
    table.add_column("")
    for name in ("venue", "ledger", "explained", "unexplained"):
        table.add_column(name, justify="right")
    for row in reconciliation["lines"]:
        table.add_row(
            row["subject"], row["venue"], row["ledger"], row["explained"], row["unexplained"]
        )
    console.print(table)
    totals = ", ".join(f"{asset} {total}" for asset, total in report["ledger"]["totals"].items())
    console.print(f"sum of all balances: {totals}", highlight=False)
    for finding in proof["findings"][:20]:
        console.print(f"[red]✗[/] {finding}", highlight=False)
    if proof["clean"]:
        console.print("verify: [green]clean[/]")
    else:
        console.print(f"verify: [red]{len(proof['findings'])} findings[/]")


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def money(value: str | int | None, *, signed: bool = False, decimals: int = 2) -> str:
    """An amount with thousands separators."""
    return "-" if value is None else f"{Decimal(value):{'+' if signed else ''},.{decimals}f}"


def percent(value: str | None, *, signed: bool = True) -> str:
    """A fraction in percent; '-' where there is none."""
    return "-" if value is None else f"{Decimal(value) * 100:{'+' if signed else ''}.2f}%"
