"""Pages of long lists: an opaque cursor says after which row the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from commenda.kit.errors import CommendaError

T = TypeVar("T")
Key = str | int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows and, where there are more, the cursor of the next page."""

    items: list[T]
    next_cursor: str | None


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Sequence[Key]]) -> Page[T]:
    """The first `limit` of rows that were read with `LIMIT limit + 1`."""
    items = list(rows[:limit])
    more = len(rows) > limit
    return Page(items, encode_cursor(key(items[-1])) if more else None)


def encode_cursor(key: Sequence[Key]) -> str:
    """A cursor after the row with this sort key."""
    return base64.urlsafe_b64encode(json.dumps(list(key)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, kinds: Sequence[type[Key]]) -> tuple[Key, ...]:
    """The sort key in a cursor; code `bad_cursor` for a text that is none of this list."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if [type(part) for part in key] == list(kinds) and all(map(_storable, key)):
            return tuple(key)
    except (binascii.Error, ValueError, TypeError):
        pass
    raise _bad(cursor)


def _storable(part: Key) -> bool:
    """Whether PostgreSQL takes it: no NUL, nothing that is not UTF-8, no number beyond bigint."""
    if isinstance(part, int):
        return abs(part) < 2**63
    return "\x00" not in part and part.isprintable()


def number_cursor(cursor: str | None) -> int | None:
    """The number in a cursor of a list that is ordered by one."""
    return None if cursor is None else int(decode_cursor(cursor, [int])[0])


def time_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """The (time, id) in a cursor of a list that is ordered by them."""
    found = time_key_cursor(cursor)
    if found is None:
        return None
    try:
        return found[0], UUID(found[1])
    except ValueError:
        raise _bad(str(cursor)) from None


def time_key_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """The (time, text) in a cursor of a list that is ordered by them."""
    if cursor is None:
        return None
    at, last = decode_cursor(cursor, [str, str])
    try:
        return datetime.fromisoformat(str(at)).astimezone(UTC), str(last)
    except (ValueError, OverflowError):
        raise _bad(cursor) from None


def _bad(cursor: str) -> CommendaError:
    return CommendaError(
        "bad_cursor",
        "Not a cursor of this list",
        field="cursor",
        value=cursor,
        mend="pass nextCursor of the page before, or none for the first page",
    )
