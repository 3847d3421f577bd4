"""What a Parquet file claims of itself, checked before a reader believes it.

Readers allocate what the file says its parts come to, and a false claim ends the process instead
of raising an error. So the footer and the pages' headers are walked here first: their structure
(Thrift's compact protocol), and that every part lies in the file and within the bounds.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from commenda.kit.outside import bounds

_MAGIC = b"PAR1"
_DEEPEST = 24
_LARGEST_FOOTER = 64 * 2**20
_LARGEST_HEADER = 2**20

# Fields of the format's structures by their numbers (parquet.thrift).
_ROWS, _GROUPS = 3, 4
_COLUMNS, _GROUP_ROWS = 1, 3
_META = 3
_VALUES, _UNPACKED, _PACKED, _DATA_AT, _DICTIONARY_AT = 5, 6, 7, 9, 11
_PAGE_UNPACKED, _PAGE_PACKED = 2, 3
_DATA_HEADERS = (5, 8)  # of pages of data, in version 1 and 2


class FalseClaim(ValueError):
    """What a file says of itself that cannot be."""


def claimed_rows(file: Path) -> int:
    """How many rows a Parquet file holds, once its claims are checked; FalseClaim."""
    size = file.stat().st_size
    with file.open("rb") as content:
        if size < 12 or content.read(4) != _MAGIC:
            raise FalseClaim("it does not begin as Parquet")
        content.seek(size - 8)
        length, magic = struct.unpack("<I4s", content.read(8))
        end = size - 8 - length
        if magic != _MAGIC or end < 4 or length > _LARGEST_FOOTER:
            raise FalseClaim("it does not end as Parquet")
        content.seek(end)
        footer = _Thrift(content.read(length)).structure()
        rows = _count(footer, _ROWS)
        groups = _list(footer, _GROUPS)
        if sum(_count(group, _GROUP_ROWS) for group in groups) != rows:
            raise FalseClaim("its row groups have not as many rows as the whole")
        if rows > bounds().rows:
            return rows  # more than is read: refused for that
        unpacked = 0
        for group in groups:
            for column in _list(group, _COLUMNS):
                meta = _structure(column, _META)
                unpacked += _count(meta, _UNPACKED)
                if unpacked > bounds().bytes:
                    raise FalseClaim(f"it unpacks to more than {bounds().bytes:,} bytes")
                _check_pages(content, meta, end)
    return rows


def _check_pages(content: BinaryIO, meta: dict[int, Any], end: int) -> None:
    """The pages of a column lie one after the other in the file, none larger than the column."""
    packed, unpacked = _count(meta, _PACKED), _count(meta, _UNPACKED)
    starts = [meta[at] for at in (_DICTIONARY_AT, _DATA_AT) if meta.get(at)]
    at = min(starts, default=0)
    until = at + packed
    if not all(isinstance(one, int) and 4 <= one < end for one in starts) or until > end:
        raise FalseClaim("a column lies outside of it")
    values = 0
    while starts and at < until:
        content.seek(at)
        reader = _Thrift(content.read(min(_LARGEST_HEADER, end - at)))
        page = reader.structure()
        size = _count(page, _PAGE_PACKED)
        at += reader.at + size
        if at > until or _count(page, _PAGE_UNPACKED) > unpacked:
            raise FalseClaim("a page is larger than its column")
        values += sum(_count(_structure(page, one), 1) for one in _DATA_HEADERS if one in page)
    if values != _count(meta, _VALUES):
        raise FalseClaim("the pages of a column have not as many values as the whole")


def _count(fields: dict[int, Any], number: int) -> int:
    found = fields.get(number)
    if not isinstance(found, int) or found < 0:
        raise FalseClaim("a count of it is no count")
    return found


def _structure(fields: dict[int, Any], number: int) -> dict[int, Any]:
    found = fields.get(number)
    if not isinstance(found, dict):
        raise FalseClaim("a part of its description is missing")
    return found


def _list(fields: dict[int, Any], number: int) -> list[dict[int, Any]]:
    found = fields.get(number, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise FalseClaim("a list of its description is none")
    return found


class _Thrift:
    """A reader of Thrift's compact protocol that takes no length on trust."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """The fields by number; of one that comes twice, the last."""
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            step = kind >> 4
            number = number + step if step else self._signed()
            fields[number] = self._value(kind & 15, depth + 1, in_list=False)
        return fields

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if depth > _DEEPEST:
            raise FalseClaim("its description is nested too deeply")
        if kind in (1, 2):
            return self._byte() == 1 if in_list else kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._take(8)
        if kind == 8:
            return self._take(self._varint())
        if kind in (9, 10):
            head = self._byte()
            length = head >> 4 if head >> 4 < 15 else self._varint()
            self._refuse_beyond(length)
            return [self._value(head & 15, depth + 1, in_list=True) for _ in range(length)]
        if kind == 12:
            return self.structure(depth)
        raise FalseClaim("its description is of an unknown kind")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, length: int) -> bytes:
        self._refuse_beyond(length)
        self.at += length
        return self._data[self.at - length : self.at]

    def _refuse_beyond(self, length: int) -> None:
        if length > len(self._data) - self.at:
            raise FalseClaim("its description ends too early")

    def _varint(self) -> int:
        found = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
        raise FalseClaim("a number of it does not end")

    def _signed(self) -> int:
        found = self._varint()
        return (found >> 1) ^ -(found & 1)
