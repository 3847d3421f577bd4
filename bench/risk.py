"""What limits of risk cost a signal that goes to 10,000 books: entries without any, with one for
each level, and with as many that cut everybody; by turns, on one database.
"""

from __future__ import annotations

import time
from collections import defaultdict
from decimal import Decimal
from uuid import UUID

from bench.copying import FOLLOWERS, steps_timed
from bench.kit import Figure, durability, fresh_database, machine, median, show, spread, vacuum
from bench.population import (
    HOUR,
    START,
    author,
    follow_all,
    fund_investors,
    open_broker,
    open_flow,
    publish,
)
from commenda.books import carry_out_transfers
from commenda.copying import copy_signal
from commenda.kit.db import Database
from commenda.operations import verify
from commenda.risk import Level, LimitOrder, tighten

LAPS = 3
AIM = "<= 1.10 x"
MEASURES = ("gross_notional", "net_notional", "position", "leverage", "daily_loss", "order_rate")
CASES = ("no limits", "a limit at each level", "six measures at each level", "cut by a limit")


def main() -> None:
    """Print how long an entry takes in each case, and what of it goes into judging."""
    with fresh_database() as database:
        runs = _measure(database)
        with database.transaction() as tx:
            # Limits are ended here by hand, which takes two people.
            findings = [one for one in verify(tx) if "lets more through" not in str(one)]
        note = machine(database)
    figures = []
    bare = median(total for total, _ in runs[CASES[0]])
    for case in CASES:
        speeds = [FOLLOWERS / total for total, _ in runs[case]]
        total = median(total for total, _ in runs[case])
        ratio = "" if case == CASES[0] else f"{total / bare:.2f} x"
        aim = AIM if case == CASES[1] else ""
        figures.append(
            Figure(f"{case} ({spread(speeds)})", median(speeds), "executions/s", ratio, aim)
        )
        intend = median(seconds for _, seconds in runs[case])
        figures.append(Figure("    intend", intend, "s", f"{intend / total:.0%}"))
    show(
        f"risk: one entry to {FOLLOWERS:,} followers, median of {LAPS} for each case",
        figures,
        f"verify: {'clean' if not findings else findings[:3]}; {durability(durable=False)}",
        note,
    )


def _measure(database: Database) -> dict[str, list[tuple[float, float]]]:
    """(seconds, of them in intend) of each entry, by case."""
    amounts = [Decimal(1_000 + number % 4_001) for number in range(FOLLOWERS)]
    broker = open_broker(database, ["BTCUSDT"], 2 * len(CASES) * (LAPS + 1) + 8)
    with database.transaction() as tx:
        flow = open_flow(tx, "creator", broker.feed.instruments[0])
        investors = fund_investors(tx, amounts)
        follow_all(tx, broker, flow, investors, amounts)
    carry_out_transfers(database, broker, author())
    vacuum(database)
    named = {
        Level.PLATFORM: "",
        Level.VENUE: "paper",
        Level.INSTRUMENT: str(flow.instrument_id),
        Level.STRATEGY: flow.strategy,
        Level.FLOW: str(flow.id),
        Level.CREATOR: str(flow.creator_id),
        Level.SCOPE: "*",
    }
    runs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    now = START
    for lap in range(LAPS + 1):
        for case in CASES:
            for target in (Decimal(0), Decimal("0.5")):
                now += HOUR
                signal = publish(database, broker, flow, target, now)
                if target and case != CASES[0]:
                    _limit(database, case, named)
                with steps_timed() as seconds:
                    begun = time.perf_counter()
                    copy_signal(database, broker, signal, now)
                    total = time.perf_counter() - begun
                _end_limits(database)
            if lap:
                runs[case].append((total, seconds["intend"]))
                _require(database, signal, case == CASES[3])
    return runs


def _limit(database: Database, case: str, named: dict[Level, str]) -> None:
    """Limits that leave all the room there is, or half of what is asked."""
    measures = MEASURES if case == CASES[2] else MEASURES[:1]
    amount = {
        "gross_notional": "1000000000000",
        "net_notional": "1000000000000",
        "position": "1000000000000",
    }
    with database.transaction() as tx:
        for level, subject in named.items():
            for measure in measures:
                if (level, measure) in {
                    (Level.INSTRUMENT, "leverage"),
                    (Level.INSTRUMENT, "daily_loss"),
                    (Level.SCOPE, "order_rate"),
                }:
                    continue
                most = amount.get(measure, "1")
                if case == CASES[3] and level is Level.FLOW:
                    most = "7500000"
                said = {"level": level, "subject": subject, "measure": measure, "amount": most}
                order = LimitOrder.model_validate(said | {"reason": "measured"})
                tighten(tx, author(), order)


def _end_limits(database: Database) -> None:
    with database.transaction() as tx:
        tx.execute(
            "UPDATE risk_limits SET ended_at = valid_from, ended_by = 'bench'"
            " WHERE ended_at IS NULL"
        )


def _require(database: Database, signal: UUID, cut: bool) -> None:
    with database.transaction() as tx:
        rows = tx.execute(
            "SELECT status, wanted IS NOT NULL, count(*) FROM signal_executions"
            " WHERE signal_id = %s GROUP BY 1, 2",
            (signal,),
        ).fetchall()
    expected = ("partial", True) if cut else ("completed", False)
    assert rows == [(*expected, FOLLOWERS)], f"executions: {rows}"


if __name__ == "__main__":
    main()
