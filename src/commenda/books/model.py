"""Isolated books, their parts, and what a product adds to their life."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from commenda.kit.db import Tx
from commenda.ledger import AccountKey, Author, Owner


class Leg(NamedTuple):
    """One creator's part of a scope."""

    id: UUID
    scope_id: UUID
    creator_id: UUID
    account_id: int
    capital: Decimal
    venue: str
    """The account at a venue where it trades and has its cash."""


class NewLeg(NamedTuple):
    id: UUID
    creator_id: UUID
    capital: Decimal
    venue: str


@dataclass(frozen=True, slots=True)
class Scope:
    """One isolated book: a subscription's or a creator's own."""

    id: UUID
    kind: str
    owner: Owner
    asset: str
    correlation_id: UUID


class Trigger(StrEnum):
    """Who asked for a book to be closed. All of them lead to the same path and the same journal."""

    INVESTOR = "investor"
    SWEEP = "sweep"
    OPERATOR = "operator"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class ClosedBook:
    """A book whose last position was really closed, and what each leg has left in cash."""

    scope: Scope
    subject: UUID
    """What its events are about: a subscription."""
    closed_at: datetime
    legs: tuple[Leg, ...]
    cash: tuple[Decimal, ...]

    @property
    def equity(self) -> Decimal:
        return sum(self.cash, Decimal(0))


@dataclass(frozen=True, slots=True)
class OpenBook:
    """A book that goes on, and what its legs are worth at the marks of a moment.

    `equities` are cash and positions, rounded down to the asset's scale; `gross` is the value of
    the positions, whichever their side. `unlent`: which of the legs hold what they bought at spot,
    where nobody lends them anything.
    """

    scope: Scope
    legs: tuple[Leg, ...]
    cash: tuple[Decimal, ...]
    equities: tuple[Decimal, ...]
    gross: tuple[Decimal, ...]
    unlent: tuple[bool, ...]

    def would_borrow(self, taken: Sequence[Decimal]) -> bool:
        """Whether so much of each leg is more than its cash where nothing is lent."""
        rows = zip(self.unlent, taken, self.cash, strict=True)
        return any(unlent and amount > cash for unlent, amount, cash in rows)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a book whose closing is done: `amount` is to be paid out of the book."""

    id: UUID
    subject: UUID
    amount: Decimal
    book: OpenBook


Detail = TypeVar("Detail")


@dataclass(frozen=True, slots=True)
class Payout(Generic[Detail]):
    """Who gets what of a closed book: amounts that add up to its equity, and what they rest on."""

    lines: Sequence[tuple[AccountKey, Decimal]]
    detail: Detail


@dataclass(frozen=True, slots=True)
class Paid(Generic[Detail]):
    """A book that was paid out. `journal_id` is None where nothing was left to post."""

    book: ClosedBook
    detail: Detail
    journal_id: int | None


@dataclass(frozen=True, slots=True)
class Taking(Generic[Detail]):
    """What leaves a book that goes on: from each leg, and to whom; both add up to the same.

    It becomes one journal under the natural key `key`.
    """

    key: str
    journal: str
    taken: Sequence[Decimal]
    lines: Sequence[tuple[AccountKey, Decimal]]
    detail: Detail


@dataclass(frozen=True, slots=True)
class Taken(Generic[Detail]):
    """What has left a book. `journal_id` is None where nothing was to be posted."""

    book: OpenBook
    taking: Taking[Detail]
    journal_id: int | None


def _not_told(tx: Tx, author: Author, told: Sequence[object]) -> None:
    """Most products do nothing more when a book of theirs moves on."""


@dataclass(frozen=True)
class Product(Generic[Detail]):
    """Terms and a payout: all that a product adds to the life of a book.

    `payout` divides what closed books have left; its lines become one journal of the kind `journal`
    for each book, under the natural key `key:<scope>`, by `actor` and under `rules`. The last three
    are told, in the same transaction, of the scopes that are asked to close, of those that are
    closed, and of what was paid out; `parted` of what was taken out of a book that goes on.
    """

    kinds: tuple[str, ...]
    """The kinds of its scopes."""
    journal: str
    key: str
    actor: str
    rules: str
    payout: Callable[[Tx, Sequence[ClosedBook]], Sequence[Payout[Detail]]]
    asked: Callable[[Tx, Author, Sequence[UUID]], None] = _not_told
    closed: Callable[[Tx, Author, Sequence[UUID]], None] = _not_told
    paid: Callable[[Tx, Author, Sequence[Paid[Detail]]], None] = _not_told
    part: Callable[[Tx, Author, Part], Taking[Any] | str] | None = None
    """What leaves a book with a part of it, or why that cannot be; None: only whole books do."""
    parted: Callable[[Tx, Author, Sequence[Taken[Any]]], None] = _not_told
    margined: bool = True
    """Whether a book is closed when its equity falls below maintenance."""
