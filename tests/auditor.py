"""An independent auditor: what a ledger should do, in plain Python that shares nothing with it.

Amounts and times are whole numbers; whoever asks says of what. Accounts are numbered from 0,
journals and groups of holds have their keys. After a `Fault` the auditor is spent: try on a copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Fault(Exception):
    """What only a mistake of the caller can be; nothing happens then."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Event(NamedTuple):
    """A journal that is to be posted: lines of (account, amount)."""

    key: str
    lines: Sequence[tuple[int, int]]
    effective_at: int | None = None
    captures: str | None = None
    reverses: str | None = None


class Verdict(NamedTuple):
    """What becomes of a journal or a hold, and which account stood in its way."""

    outcome: str
    account: int | None = None
    reason: str | None = None


class Entry(NamedTuple):
    """One line as it was posted; its version is its place."""

    journal: str
    amount: int
    after: int
    posted_at: int
    effective_at: int


@dataclass
class Account:
    floored: bool = False
    asset: str = "USDT"
    balance: int = 0
    held: int = 0
    posted_at: int | None = None
    entries: list[Entry] = field(default_factory=list)


class Group(NamedTuple):
    """Holds that are placed and resolved together."""

    amounts: dict[int, int]
    expires_at: int | None
    status: str = "held"
    journal: str | None = None
    captured: tuple[tuple[int, int], ...] = ()


class Auditor:
    """Balances, holds, journals and closed periods, one operation after the other."""

    def __init__(self, accounts: Iterable[Account] = (), limit: int | None = None) -> None:
        self.accounts = list(accounts)
        self.limit = limit
        """No balance may reach it, up or down."""
        self.journals: dict[str, Event] = {}
        self.groups: dict[str, Group] = {}
        self.closed: int | None = None

    def copy(self) -> Auditor:
        other = Auditor((replace(one, entries=one.entries[:]) for one in self.accounts), self.limit)
        other.journals = dict(self.journals)
        other.groups = dict(self.groups)
        other.closed = self.closed
        return other

    # --- Journals ----------------------------------------------------------------------------

    def post(self, now: int, events: Sequence[Event]) -> list[Verdict]:
        """Each journal whole or not at all, in the order given."""
        if len({event.key for event in events}) < len(events):
            raise Fault("duplicate_journal_key")
        for event in events:
            self._require_sound(event.lines)
        if max(Counter(e.captures for e in events if e.captures).values(), default=0) > 1:
            raise Fault("duplicate_capture")
        touched = {account for event in events for account, amount in event.lines if amount}
        times = (self.accounts[one].posted_at for one in touched)
        latest = max([now, *(one for one in (*times, self.closed) if one is not None)])
        for event in events:
            effective = latest if event.effective_at is None else event.effective_at
            if event.key in self.journals:
                continue
            if effective > latest:
                raise Fault("effective_in_future")
            if self.closed is not None and effective < self.closed:
                raise Fault("closed_period")
        return [self._post(now, latest, event) for event in events]

    def _require_sound(self, lines: Sequence[tuple[int, int]]) -> None:
        totals: Counter[str] = Counter()
        for account, amount in lines:
            if account >= len(self.accounts):
                raise Fault("unknown_account")
            totals[self.accounts[account].asset] += amount
        if sum(1 for _, amount in lines if amount) < 2:
            raise Fault("empty_journal")
        if any(totals.values()):
            raise Fault("unbalanced_journal")

    def _post(self, now: int, latest: int, event: Event) -> Verdict:
        if event.key in self.journals:
            return Verdict("replayed")
        lines = [line for line in event.lines if line[1]]
        freed: dict[int, int] = {}
        if event.captures is not None:
            group = self.groups.get(event.captures)
            why = self._why_not(group, lines, latest)
            if why is not None:
                return Verdict("refused", min(group.amounts) if group else None, why)
            assert group is not None
            freed = group.amounts
        after = {account: self.accounts[account].balance for account in {one for one, _ in lines}}
        for account, amount in lines:
            after[account] += amount
            book = self.accounts[account]
            if book.floored and after[account] < book.held - freed.get(account, 0):
                return Verdict("refused", account, "below_floor")
        for account, amount in freed.items():
            self.accounts[account].held -= amount
        for account, amount in lines:
            book = self.accounts[account]
            book.balance += amount
            book.posted_at = latest
            effective = latest if event.effective_at is None else event.effective_at
            book.entries.append(Entry(event.key, amount, book.balance, latest, effective))
            if self.limit is not None and abs(book.balance) >= self.limit:
                raise Fault("amount_overflow")
        self.journals[event.key] = event
        if event.captures is not None:
            taken = Counter(dict.fromkeys(freed, 0))
            for account, amount in lines:
                taken[account] -= amount
            self.groups[event.captures] = self.groups[event.captures]._replace(
                status="captured",
                journal=event.key,
                captured=tuple((account, max(0, taken[account])) for account in freed),
            )
        return Verdict("posted")

    @staticmethod
    def _why_not(group: Group | None, lines: Sequence[tuple[int, int]], latest: int) -> str | None:
        if group is None:
            return "unknown_hold"
        if group.status != "held":
            return "hold_resolved"
        if group.expires_at is not None and group.expires_at <= latest:
            return "hold_expired"
        taken: Counter[int] = Counter()
        for account, amount in lines:
            taken[account] -= amount
        if any(taken[account] > held for account, held in group.amounts.items()):
            return "beyond_hold"
        return None

    def reverse(self, now: int, key: str) -> Verdict:
        """Undo a journal account by account, each from its last line back."""
        event = self.journals.get(key)
        if event is None:
            raise Fault("unknown_journal")
        if event.reverses is not None or event.captures is not None:
            raise Fault("not_reversible")
        undone = [(account, -amount) for account, amount in reversed(event.lines)]
        undone.sort(key=lambda line: line[0])
        return self.post(now, [Event(f"reverse:{key}", undone, reverses=key)])[0]

    # --- Holds -------------------------------------------------------------------------------

    def place(self, now: int, groups: Sequence[tuple[str, Group]]) -> list[Verdict]:
        """One verdict for each hold; a group whole or not at all."""
        for _, group in groups:
            if any(amount <= 0 for amount in group.amounts.values()):
                raise Fault("not_positive")
            if group.expires_at is not None and group.expires_at <= now:
                raise Fault("expired")
        for _, group in groups:
            if not all(self.accounts[account].floored for account in group.amounts):
                raise Fault("not_holdable")
        verdicts: list[Verdict] = []
        known = set(self.groups)
        for key, group in groups:
            verdicts += [self._place(key, group, known)] * len(group.amounts)
        return verdicts

    def _place(self, key: str, group: Group, known: set[str]) -> Verdict:
        if key in known:
            return Verdict("replayed")
        for account, amount in group.amounts.items():
            if self.accounts[account].balance - self.accounts[account].held < amount:
                return Verdict("refused", account)
        for account, amount in group.amounts.items():
            self.accounts[account].held += amount
        self.groups[key] = group
        return Verdict("placed")

    def void(self, keys: Iterable[str]) -> set[str]:
        """Which groups it set free."""
        return self._release(keys, "voided")

    def expire(self, now: int) -> int:
        """How many groups were past their time."""
        due = [
            key
            for key, group in self.groups.items()
            if group.expires_at is not None and group.expires_at <= now
        ]
        return len(self._release(due, "expired"))

    def _release(self, keys: Iterable[str], status: str) -> set[str]:
        freed = {key for key in keys if key in self.groups and self.groups[key].status == "held"}
        for key in freed:
            for account, amount in self.groups[key].amounts.items():
                self.accounts[account].held -= amount
            self.groups[key] = self.groups[key]._replace(status=status)
        return freed

    # --- Time --------------------------------------------------------------------------------

    def close(self, now: int, until: int) -> bool:
        """Whether the books were open up to then."""
        if until > now:
            raise Fault("bad_period")
        if self.closed is not None and until <= self.closed:
            return False
        self.closed = until
        return True

    def posted_by(self, account: int, moment: int) -> int:
        """The balance as it was known at a moment."""
        return sum(e.amount for e in self.accounts[account].entries if e.posted_at <= moment)

    def effective_by(self, account: int, moment: int) -> int:
        """The balance of what counts at a moment, as it is known now."""
        return sum(e.amount for e in self.accounts[account].entries if e.effective_at <= moment)
