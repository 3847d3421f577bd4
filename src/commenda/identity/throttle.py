"""Guessing is made slow: failures of a name, and of an address, cost more and more time.

Where a user has signed in from before, their failures are counted apart from everybody else's, so
that a stranger's wrong passwords keep strangers out, and not the owner.

An attempt is charged before anybody knows how it ends, so a thousand guesses at once are a thousand
failures. Success clears the name; for the address it only takes its own charge back, or one good
sign-in now and then would keep an address guessing for ever. All of it is wall time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from commenda.kit.rate import neighbourhood

LONGEST_BLOCK = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
"""Without another failure. Longer than the longest block, or waiting it out would start afresh."""

# --- The rule --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failures:
    """How many in a row, when the last one was, and until when no attempt is made."""

    count: int
    last_at: datetime
    blocked_until: datetime | None = None

    def wait(self, now: datetime) -> timedelta:
        """How long until the next attempt; zero if it may be made now."""
        if self.blocked_until is None:
            return timedelta(0)
        return max(timedelta(0), self.blocked_until - now)


def block_after(count: int, free: int) -> timedelta:
    """None for the first `free` failures, then 2, 4, 8 … seconds up to 15 minutes."""
    if count <= free:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(count - free, 16)), LONGEST_BLOCK)


def one_more(before: Failures, free: int, now: datetime) -> Failures:
    """What stands after another failure."""
    forgotten = now - before.last_at >= FORGOTTEN_AFTER
    count = 1 if forgotten else before.count + 1
    block = block_after(count, free)
    return Failures(count, now, now + block if block else None)


# --- Who is counted --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Whose failures are counted, by a digest, and how many are free."""

    digest: str
    free: int


def by_name(username: str) -> Subject:
    """Whoever tries this name, from anywhere that its owner has not been."""
    return Subject(_digest("name", username), 5)


def by_name_at(username: str, address: str) -> Subject:
    """Whoever tries this name from where its owner has signed in before."""
    return Subject(_digest("name", f"{username} {neighbourhood(address)}"), 5)


def by_address(address: str) -> Subject:
    """Whatever is tried from this address; an office of many people has one."""
    return Subject(_digest("address", neighbourhood(address)), 20)


def by_user(user_id: UUID) -> Subject:
    """A signed-in user's passwords and codes: a stolen session should not find them out."""
    return Subject(_digest("user", str(user_id)), 5)


def _digest(kind: str, text: str) -> str:
    return f"{kind}:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


# --- The table -------------------------------------------------------------------------------


def charge(tx: Tx, subjects: Sequence[Subject], now: datetime) -> None:
    """Count an attempt as a failure of each subject; code `too_many_requests` while one waits."""
    ordered = sorted(subjects)  # everybody locks them in one order
    rows = tx.execute(
        "INSERT INTO login_throttle AS t (subject, failures, failed_at)"
        " SELECT subject, 0, %s FROM unnest(%s::text[]) AS n (subject)"
        " ON CONFLICT (subject) DO UPDATE SET failures = t.failures"
        " RETURNING failures, failed_at, blocked_until",
        (now, [one.digest for one in ordered]),
    ).fetchall()
    before = [Failures(*row) for row in rows]
    wait = max(failures.wait(now) for failures in before)
    if wait:
        raise CommendaError(
            "too_many_requests", "Too many attempts failed; wait before the next one", status=429
        ).at("retryAfter", ceil(wait.total_seconds()), "try again after as many seconds")
    for subject, failures in zip(ordered, before, strict=True):
        after = one_more(failures, subject.free, now)
        tx.execute(
            "UPDATE login_throttle SET failures = %s, failed_at = %s, blocked_until = %s"
            " WHERE subject = %s",
            (after.count, after.last_at, after.blocked_until, subject.digest),
        )


def take_back(tx: Tx, subjects: Sequence[Subject]) -> None:
    """Undo a charge: this attempt did not fail."""
    for subject in sorted(subjects):
        tx.execute(
            "UPDATE login_throttle SET failures = greatest(failures - 1, 0), blocked_until = NULL"
            " WHERE subject = %s",
            (subject.digest,),
        )


def clear(tx: Tx, subject: Subject) -> None:
    """Forget a subject's failures."""
    tx.execute(
        "UPDATE login_throttle SET failures = 0, blocked_until = NULL WHERE subject = %s",
        (subject.digest,),
    )


def forget_old(tx: Tx, now: datetime) -> int:
    """Remove what no rule looks at any more; how many."""
    return tx.execute(
        "DELETE FROM login_throttle WHERE failed_at <= %s", (now - FORGOTTEN_AFTER,)
    ).rowcount
