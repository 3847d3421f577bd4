"""Pages of long lists: an opaque cursor says after which row the next page begins.

Where the specification counts its pages, a list is a `Sheet`: a page by number, with the total.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, overload
from uuid import UUID

from pydantic import Field

from commenda.kit.errors import CommendaError
from commenda.kit.wire import on_wire

T = TypeVar("T")
R = TypeVar("R")
Key = str | int | datetime | UUID
A = TypeVar("A", bound=Key)
B = TypeVar("B", bound=Key)


@on_wire
@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows and, where there are more, the cursor of the next page."""

    items: list[T]
    next_cursor: str | None


@on_wire
@dataclass(frozen=True, slots=True)
class Sheet(Generic[T]):
    """Some rows by page number, and how many there are in all."""

    items: list[T]
    total: Annotated[int, Field(ge=0, examples=[12])]
    page: int
    limit: int

    def each(self, make: Callable[[T], R]) -> Sheet[R]:
        """The page of what is made of each row."""
        return Sheet([make(one) for one in self.items], self.total, self.page, self.limit)


class Numbered(NamedTuple):
    """Which page by number is asked for."""

    page: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Key | Sequence[Key]]) -> Page[T]:
    """The first `limit` of rows that were read with `LIMIT limit + 1`, sorted by `key`."""
    items = list(rows[:limit])
    more = len(rows) > limit
    return Page(items, encode_cursor(key(items[-1])) if more else None)


def encode_cursor(key: Key | Sequence[Key]) -> str:
    """A cursor after the row with this sort key."""
    parts = [key] if isinstance(key, Key) else key
    text = json.dumps([_text(part) for part in parts])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@overload
def key_after(cursor: str | None, kind: type[A], /) -> A | None: ...
@overload
def key_after(cursor: str | None, a: type[A], b: type[B], /) -> tuple[A, B] | None: ...
@overload
def key_after(cursor: str | None, *kinds: type[Key]) -> Any: ...
def key_after(cursor: str | None, *kinds: Any) -> Any:
    """The sort key, of parts of these kinds, after which a page begins; None for the first page.

    A key of one part is that part, any other a tuple. Code `bad_cursor` for a text that is no
    cursor of this list.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        parts = tuple(_part(part, kind) for part, kind in zip(key, kinds, strict=True))
    except (binascii.Error, ValueError, TypeError, OverflowError):
        raise CommendaError("bad_cursor", "Not a cursor of this list").at(
            "cursor", cursor, "pass nextCursor of the page before, or none for the first page"
        ) from None
    return parts[0] if len(parts) == 1 else parts


def _text(part: Key) -> str | int:
    if isinstance(part, datetime):
        return part.isoformat()
    return part if isinstance(part, int) else str(part)


def _part(text: object, kind: type[Key]) -> Key:
    """A part as the kind that it should be, and as PostgreSQL takes it."""
    if kind is int:
        if type(text) is int and abs(text) < 2**63:
            return text
    elif isinstance(text, str) and "\x00" not in text and text.isprintable():
        if kind is datetime:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
            raise ValueError("a time without a zone")
        return UUID(text) if kind is UUID else text
    raise ValueError(text)
