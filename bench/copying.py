"""How fast a signal reaches 10,000 books: an entry and an exit, from plan to finish.

Beside each stands what PostgreSQL takes to write the same rows by hand (`bare_copy`).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from bench.bare_copy import copy_tables, write_again
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
from commenda.copying import actions as copying_actions
from commenda.copying import copy_signal
from commenda.execution import actions as execution_actions
from commenda.kit.db import Database
from commenda.operations import verify

FOLLOWERS = 10_000
SIGNALS = 3
AIM = 12_000
STEPS = {
    "plan": (copying_actions, "plan"),
    "intend": (copying_actions, "intend_parents"),
    "submit": (execution_actions, "submit"),
    "observe": (execution_actions, "observe"),
    "allocate": (execution_actions, "allocate_chunk"),
    "finish": (copying_actions, "finish"),
}


@contextmanager
def steps_timed() -> Iterator[dict[str, float]]:
    """Seconds inside each step of `copy_signal`, which itself runs as it is."""
    seconds: dict[str, float] = defaultdict(float)

    def timed(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return step(*args, **kwargs)
            finally:
                seconds[name] += time.perf_counter() - begun

        return run

    with ExitStack() as patches:
        for name, (module, attribute) in STEPS.items():
            step = timed(name, getattr(module, attribute))
            patches.enter_context(patch.object(module, attribute, step))
        yield seconds


def main() -> None:
    """Print executions a second for entries and exits, and where the seconds go."""
    with fresh_database() as database:
        amounts = [Decimal(1_000 + number % 4_001) for number in range(FOLLOWERS)]
        runs = _measure(database, amounts)
        with database.transaction() as tx:
            findings = list(verify(tx))
        note = machine(database)
    figures = []
    for kind, measured in runs.items():
        speeds = [FOLLOWERS / total for total, _, _ in measured]
        floors = [FOLLOWERS / floor for _, _, floor in measured if floor]
        rate = median(speeds)
        ratio = ""
        if floors:
            ratio = f"{rate / median(floors):.2f} of bare"
            name = f"baseline: its rows by hand ({spread(floors)})"
            figures.append(Figure(name, median(floors), "executions/s"))
        aim = f">= {AIM:,}" if kind != "first entry" else ""
        figures.append(Figure(f"{kind} ({spread(speeds)})", rate, "executions/s", ratio, aim))
        total = median([seconds for seconds, _, _ in measured])
        named = {step: median([each[step] for _, each, _ in measured]) for step in STEPS}
        rest = [seconds - sum(each.values()) for seconds, each, _ in measured]
        named["commits and the rest"] = median(rest)
        for step, seconds in named.items():
            figures.append(Figure(f"    {step}", seconds, "s", f"{seconds / total:.0%}"))
    show(
        f"copying: one signal to {FOLLOWERS:,} followers, median of {SIGNALS} signals",
        figures,
        "first entry: opens the position accounts; it is the warm-up of the entries",
        f"verify: {'clean' if not findings else findings[:3]}; {durability(durable=False)}",
        note,
    )


def _measure(
    database: Database, amounts: list[Decimal]
) -> dict[str, list[tuple[float, dict[str, float], float]]]:
    """(seconds, seconds by step, seconds by hand) of each entry and exit; the first entry, which
    no hand writes, apart."""
    broker = open_broker(database, ["BTCUSDT"], 2 * SIGNALS + 8)
    with database.transaction() as tx:
        flow = open_flow(tx, "creator", broker.feed.instruments[0])
        investors = fund_investors(tx, amounts)
        follow_all(tx, broker, flow, investors, amounts)
    carry_out_transfers(database, broker, author())
    vacuum(database)
    runs: dict[str, list[tuple[float, dict[str, float], float]]] = {
        "first entry": [],
        "entry": [],
        "exit": [],
    }
    now = START
    for lap in range(SIGNALS + 1):
        for kind, target in (("entry", Decimal("0.5")), ("exit", Decimal(0))):
            now += HOUR
            signal_id = publish(database, broker, flow, target, now)
            with steps_timed() as seconds:
                begun = time.perf_counter()
                copy_signal(database, broker, signal_id, now)
                total = time.perf_counter() - begun
            if lap:
                runs[kind].append((total, dict(seconds), write_again(database, signal_id)))
            elif kind == "entry":
                runs["first entry"].append((total, dict(seconds), 0.0))
                copy_tables(database)
    _require_all_executed(database)
    return runs


def _require_all_executed(database: Database) -> None:
    with database.transaction() as tx:
        row = tx.execute(
            "SELECT count(*), count(*) FILTER (WHERE status = 'completed') FROM signal_executions"
        ).fetchone()
    assert row == ((SIGNALS + 1) * 2 * FOLLOWERS,) * 2, f"executions, completed: {row}"


if __name__ == "__main__":
    main()
