"""Run the benchmarks named on the command line, or all but those that take longest."""

from __future__ import annotations

import sys

from bench import (
    backtests,
    books,
    clients,
    compiling,
    console,
    copying,
    exchange,
    feed,
    feed_alone,
    hints,
    income,
    kernel,
    l2,
    market,
    posting,
    risk,
    scenario,
    service,
    settlement,
    startup,
    tuning,
)

BENCHMARKS = {
    "kernel": kernel.main,
    "backtests": backtests.main,
    "compiling": compiling.main,
    "l2": l2.main,
    "market": market.main,
    "feed": feed.main,
    "feed_alone": feed_alone.main,
    "exchange": exchange.main,
    "hints": hints.main,
    "posting": posting.main,
    "clients": clients.main,
    "income": income.main,
    "books": books.main,
    "copying": copying.main,
    "risk": risk.main,
    "tuning": tuning.main,
    "settlement": settlement.main,
    "service": service.main,
    "startup": startup.main,
    "console": console.main,
    "scenario": scenario.main,
}
BY_NAME_ALONE = ("feed_alone",)
"""Ten minutes and more."""


def main() -> None:
    """Run what was asked for, one after the other."""
    chosen = sys.argv[1:] or [name for name in BENCHMARKS if name not in BY_NAME_ALONE]
    unknown = [name for name in chosen if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    for name in chosen:
        BENCHMARKS[name]()
        print(flush=True)


if __name__ == "__main__":
    main()
