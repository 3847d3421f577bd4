"""The ledger against an independent auditor, one step after the other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from auditor import Account, Auditor, Event, Fault, Group, Verdict
from commenda.audit import run_checks
from commenda.kit import ids
from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.ledger import (
    CHECKS,
    AsOf,
    Author,
    Hold,
    Journal,
    Line,
    balance_of,
    balances_as_of,
    close_period,
    expire_holds,
    note_balances,
    open_accounts,
    place_holds,
    post_batch,
    reverse,
    totals_by_asset,
    void_holds,
)
from ledger_plans import (
    LARGEST,
    STRIPES,
    Plan,
    Readings,
    at,
    batches,
    captures,
    groups,
    key_of,
    late,
    number,
    plans,
    some,
    writes,
)

# --- One operation, for the ledger and for the auditor ---------------------------------------


class Step(NamedTuple):
    """What is done, and the same for the auditor; both answer in the auditor's words."""

    said: str
    run: Callable[[Tx], Any]
    judge: Callable[[Auditor], Any]


class LedgerMachine(Readings, RuleBasedStateMachine):
    """A history of one ledger; `database` and `counts` are the test's."""

    database: Database
    threads: ThreadPoolExecutor
    counts: Counter[str]

    @initialize(unit=st.sampled_from([Decimal("0.01"), Decimal("1e-18"), Decimal("2e17")]))
    def begin(self, unit: Decimal) -> None:
        _forget_everything(self.database)
        self.unit = unit
        self.minute = 100
        self.accounts: list[int] = []
        self.auditor = Auditor(limit=int(LARGEST / unit))
        self.events: list[Event] = []
        self.placed: list[tuple[str, Group]] = []
        self.journal_ids: dict[str, int] = {}
        self._open(8)
        fill = [
            Event(f"fill{n}", [(n % STRIPES, -200), (n, 200)])
            for n, one in enumerate(self.auditor.accounts)
            if one.floored
        ]
        self._do(self._post(fill, self.minute))

    # --- Rules -------------------------------------------------------------------------------

    @rule()
    def open_an_account(self) -> None:
        if len(self.accounts) < 12:
            self._open(1)
            self._count("open")

    @rule(minutes=st.integers(1, 30))
    def time_passes(self, minutes: int) -> None:
        self.minute += minutes

    @rule(batch=batches, lag=late)
    def post(self, batch: Sequence[Plan], lag: int) -> None:
        self._do(self.posting(batch, lag))

    @rule(batch=batches, lag=late)
    def post_again(self, batch: Sequence[Plan], lag: int) -> None:
        """Other journals under keys that stand already: they are replays."""
        known = list(self.auditor.journals) or ["first"]
        events = [
            event._replace(key=known[plan.which % len(known)])
            for event, plan in zip(self._events(batch, lag), batch, strict=True)
        ]
        self._do(self._post(events, self.minute - lag))

    @rule(wanted=groups, lag=late)
    def place(self, wanted: Sequence[tuple[bool, dict[int, int], int | None]], lag: int) -> None:
        self._do(self.placing(wanted, lag))

    @rule(plan=captures, others=st.lists(plans, max_size=2), lag=late)
    def capture(self, plan: Plan, others: Sequence[Plan], lag: int) -> None:
        self._do(self.posting([*others[:1], plan, *others[1:]], lag))

    @rule(which=some)
    def void(self, which: Sequence[int]) -> None:
        self._do(self.voiding(which))

    @rule(lag=late)
    def expire(self, lag: int) -> None:
        self._do(self.expiring(lag))

    @rule(which=number, lag=late)
    def reverse(self, which: int, lag: int) -> None:
        self._do(self.reversing(which, lag))

    @rule(before=st.integers(0, 25))
    def close(self, before: int) -> None:
        self._do(self.closing(before))

    @rule(limit=st.integers(1, 8))
    def note_balances_of_a_closed_period(self, limit: int) -> None:
        with self.database.transaction() as tx:
            note_balances(tx, limit)
        self._count("note")

    @rule(moment=st.integers(-40, 200), by=st.sampled_from(AsOf))
    def read_as_of(self, moment: int, by: AsOf) -> None:
        moment = self.minute - moment
        with self.database.read() as tx:
            found = balances_as_of(tx, self.accounts, at(moment), by)
        told = self.auditor.posted_by if by is AsOf.POSTED else self.auditor.effective_by
        expected = [told(n, moment) for n in range(len(self.accounts))]
        assert [found[one] / self.unit for one in self.accounts] == expected
        self._count("read")

    @rule(wanted=st.lists(writes, min_size=2, max_size=4), slow=st.booleans())
    def at_the_same_time(self, wanted: Sequence[tuple[Any, ...]], slow: bool) -> None:
        """Several sessions: what they got is what some order of them gives."""
        steps = [getattr(self, name)(*drawn) for name, *drawn in wanted]
        self._do(*steps, pause=0.003 if slow else 0.0)

    def teardown(self) -> None:
        """The whole history is the auditor's, and the ledger's own checks find nothing."""
        if not hasattr(self, "auditor"):
            return
        with self.database.transaction() as tx:
            assert self._entries(tx) == [one.entries for one in self.auditor.accounts]
            assert self._holds(tx) == self._expected_holds()
            assert set(totals_by_asset(tx).values()) <= {Decimal(0)}
            outside = sum(one.balance for one in self.auditor.accounts[:STRIPES])
            assert balance_of(tx, key_of(1)) == outside * self.unit
            assert [str(finding) for finding in run_checks(tx, CHECKS)] == []
        self.counts.update(f"group {one.status}" for one in self.auditor.groups.values())

    # --- What is done, twice -----------------------------------------------------------------

    def posting(self, batch: Sequence[Plan], lag: int) -> Step:
        return self._post(self._events(batch, lag), self.minute - lag)

    def _events(self, batch: Sequence[Plan], lag: int) -> list[Event]:
        events = []
        for plan in batch:
            if plan.again and plan.transfers and self.events:
                event = self.events[plan.which % len(self.events)]
            else:
                event = self._event(plan, self.minute - lag)
            self.events.append(event)
            events.append(event)
        return events

    def _event(self, plan: Plan, now: int) -> Event:
        key = f"j{len(self.events)}"
        effective = now - plan.back if plan.back else None
        if plan.takes is None:
            lines = [
                line
                for giver, taker, amount in plan.transfers
                for line in ((self._account(giver), -amount), (self._account(taker), amount))
            ]
            return Event(key, lines, effective)
        known = [*self.auditor.groups.items()] if plan.again else self._open_groups()
        name, group = known[plan.which % len(known)] if known else (f"no-{key}", None)
        lines = []
        for (account, held), take in zip(
            group.amounts.items() if group else (), plan.takes * 3, strict=False
        ):
            taken = (0, held // 2, held, held + 1)[take]
            lines += [(account, -taken), (self._account(plan.which), taken)]
        if not any(amount for _, amount in lines):
            lines = [(0, -1), (1, 1)]
        return Event(key, lines, effective, captures=name)

    def _post(self, events: Sequence[Event], now: int) -> Step:
        journals = [
            Journal(
                event.key,
                "test",
                ids.derive("test", event.key),
                [Line(self.accounts[n], amount * self.unit) for n, amount in event.lines],
                None if event.effective_at is None else at(event.effective_at),
                captures=event.captures,
            )
            for event in events
        ]

        def run(tx: Tx) -> list[Verdict]:
            posted = post_batch(tx, self._author(now), journals)
            for journal, one in zip(journals, posted, strict=True):
                self._same_id(journal.key, one.journal_id)
            return [self._verdict(one.outcome, one.refused_account, one.reason) for one in posted]

        return Step(f"post at {now}: {events}", run, lambda auditor: auditor.post(now, events))

    def placing(self, wanted: Sequence[tuple[bool, dict[int, int], int | None]], lag: int) -> Step:
        now = self.minute - lag
        chosen: dict[str, Group] = {}
        for again, amounts, after in wanted:
            mine = Counter[int]()
            for n, amount in amounts.items():
                mine[self._holdable(n)] += amount
            group = Group(dict(sorted(mine.items())), None if after is None else now + after)
            key = f"g{len(self.placed)}"
            if again and self.placed:
                key = self.placed[-1][0]
            self.placed.append((key, group))
            chosen.setdefault(key, group)
        holds = [
            Hold(
                key, self.accounts[n], a * self.unit, "test", ids.derive("test", key), key, expires
            )
            for key, group in chosen.items()
            for expires in [None if group.expires_at is None else at(group.expires_at)]
            for n, a in group.amounts.items()
        ]

        def run(tx: Tx) -> list[Verdict]:
            placed = place_holds(tx, self._author(now), holds)
            return [self._verdict(one.outcome, one.refused_account, None) for one in placed]

        said = f"place at {now}: {chosen}"
        return Step(said, run, lambda auditor: auditor.place(now, list(chosen.items())))

    def voiding(self, which: Sequence[int]) -> Step:
        known = [key for key, _ in self._open_groups()] + [key for key, _ in self.placed[-3:]]
        keys = [known[n % len(known)] for n in which if known]
        now = self.minute
        return Step(
            f"void {keys}",
            lambda tx: set(void_holds(tx, self._author(now), [*keys, "unknown"])),
            lambda auditor: auditor.void(keys),
        )

    def expiring(self, lag: int) -> Step:
        now = self.minute - lag
        return Step(
            f"expire at {now}",
            lambda tx: expire_holds(tx, self._author(now)),
            lambda auditor: auditor.expire(now),
        )

    def reversing(self, which: int, lag: int) -> Step:
        now = self.minute - lag
        known = list(self.journal_ids)
        key = known[-1 - which % len(known)] if known and which < 11 else "unknown"

        def run(tx: Tx) -> Verdict:
            one = reverse(tx, self._author(now), self.journal_ids.get(key, 0))
            self._same_id(f"reverse:{key}", one.journal_id)
            return self._verdict(one.outcome, one.refused_account, one.reason)

        return Step(f"reverse {key} at {now}", run, lambda auditor: auditor.reverse(now, key))

    def closing(self, before: int) -> Step:
        now, until = self.minute, self.minute + 1 - before * 3
        return Step(
            f"close before {until} at {now}",
            lambda tx: close_period(tx, self._author(now), at(until)),
            lambda auditor: auditor.close(now, until),
        )

    # --- Holding one against the other -------------------------------------------------------

    def _do(self, *steps: Step, pause: float = 0.0) -> None:
        """Do it, each step in a session of its own; what comes of it is what one order gives."""
        if len(steps) == 1:
            got = [self._perform(steps[0])]
        else:
            got = list(self.threads.map(partial(self._perform, pause=pause), steps))
        for step, one in zip(steps, got, strict=True):
            self._count(step.said.split()[0], one)
        with self.database.read() as tx:
            state = self._state(tx)
            entries = self._entries(tx) if len(steps) > 1 else None
        tried = []
        for order in permutations(range(len(steps))):
            told, after = self._judge(steps, order)
            right = told == got and state == self._expected_state(after)
            if right and entries in (None, [one.entries for one in after.accounts]):
                self.auditor = after
                return
            tried.append((order, told, self._expected_state(after)))
        lines = [step.said for step in steps] + [f"got {got}", f"and {state}"]
        lines += [f"in order {order}: {told}, and {then}" for order, told, then in tried]
        del self.auditor  # there is nothing left to hold the history against
        raise AssertionError("\n".join(lines))

    def _perform(self, step: Step, pause: float = 0.0) -> Any:
        try:
            with self.database.transaction() as tx:
                result = step.run(tx)
                if pause:
                    time.sleep(pause)
                return result
        except CommendaError as error:
            return error.code

    def _judge(self, steps: Sequence[Step], order: Sequence[int]) -> tuple[list[Any], Auditor]:
        told: list[Any] = [None] * len(steps)
        auditor = self.auditor
        for n in order:
            trial = auditor.copy()
            try:
                told[n] = steps[n].judge(trial)
                auditor = trial
            except Fault as fault:
                told[n] = fault.code
        return told, auditor

    def _open(self, more: int) -> None:
        keys = [key_of(len(self.accounts) + n) for n in range(more)]
        with self.database.transaction() as tx:
            # One after the other: their ids are in the auditor's order.
            opened = [account for key in keys for account in open_accounts(tx, [key])]
            assert open_accounts(tx, [*keys, *keys]) == opened * 2
        self.accounts += opened
        self.auditor.accounts += [Account(floored=k.kind in ("wallet", "reserved")) for k in keys]

    def _account(self, drawn: int) -> int:
        return drawn % len(self.accounts)

    def _holdable(self, drawn: int) -> int:
        """One that has a floor; the last number drawn is a mistake."""
        floored = [n for n, one in enumerate(self.auditor.accounts) if one.floored]
        return 0 if drawn == 11 else floored[drawn % len(floored)]

    def _open_groups(self) -> list[tuple[str, Group]]:
        return [(key, one) for key, one in self.auditor.groups.items() if one.status == "held"]

    def _author(self, minute: int) -> Author:
        return Author("test", "test/1", at(minute))

    def _verdict(self, outcome: str, account: int | None, reason: str | None) -> Verdict:
        return Verdict(outcome, None if account is None else self.accounts.index(account), reason)

    def _same_id(self, key: str, journal_id: int | None) -> None:
        if journal_id is not None:
            assert self.journal_ids.setdefault(key, journal_id) == journal_id

    def _count(self, kind: str, result: object = "") -> None:
        self.counts["steps"] += 1
        self.counts[kind] += 1
        for one in result if isinstance(result, list) else [result]:
            found = one.reason or one.outcome if isinstance(one, Verdict) else one
            if isinstance(found, str) and found:
                self.counts[f"{kind} {found}"] += 1


def _forget_everything(database: Database) -> None:
    """Faster than truncating a hundred tables."""
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(
            "DELETE FROM period_balances; DELETE FROM ledger_periods; DELETE FROM holds;"
            " DELETE FROM entries; DELETE FROM journals; DELETE FROM accounts"
        )
    database.forget()
