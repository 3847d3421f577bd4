"""Files from outside, read in pieces and within bounds, whatever they unpack to.

What a file says of itself is not believed: bytes and rows are counted as they come. A process is
given its bounds once, by its entry point, out of the settings that a refusal names.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from commenda.kit.errors import CommendaError

PIECE = 4 * 2**20
"""Bytes read at once."""
LONGEST_LINE = 2**20
"""Bytes of a line of text, at most."""
MOST_MEMBERS = 1_000
"""Files in an archive, at most."""
_FREE = 64 * 2**20
"""Bytes that may come of a file however small it is: only beyond does the ratio count."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one file may come to: bytes when unpacked, how many times its own size, and rows.

    A row of candles takes 48 bytes in memory, so rows bound what an import holds.
    """

    bytes: int = 8 * 2**30
    ratio: int = 200
    rows: int = 20_000_000


_bounds = Bounds()


def bounds() -> Bounds:
    """The bounds of this process."""
    return _bounds


def use_bounds(chosen: Bounds) -> None:
    """Give this process its bounds; for entry points."""
    global _bounds
    _bounds = chosen


def pieces(file: Path, ending: str, prefix: str = "file") -> Iterator[bytes]:
    """The content of a file in pieces, unpacked where it is gzipped (`.gz`) or zipped (`.zip`).

    Of a zip it is the one member whose name has the `ending`, such as `.csv`; nothing is written
    to disk. Codes `<prefix>_missing` and `<prefix>_unreadable`, and `file_too_large` where a bound
    is passed.
    """
    if not file.is_file():
        raise CommendaError(f"{prefix}_missing", "No such file").at(
            "file", file, "give the path of a file that is there"
        )
    kind = file.suffix.lower()
    try:
        with ExitStack() as opened:
            packed = opened.enter_context(file.open("rb"))
            if kind == ".zip":
                archive = opened.enter_context(_archive(packed, file))
                source = opened.enter_context(archive.open(_member(archive, ending)))
                yield from _counted(source.read, file, packed=True)
            elif kind == ".gz":
                unzipped = opened.enter_context(gzip.GzipFile(fileobj=packed))
                yield from _counted(unzipped.read, file, packed=True)
            else:
                yield from _counted(packed.read, file, packed=False)
    except _Unfit as error:
        raise _unreadable(prefix, str(error), file, "unpack it yourself, and look at it") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        UnicodeDecodeError,
    ) as error:
        what = f"readable {kind[1:]}" if kind in {".zip", ".gz"} else "readable file"
        raise _unreadable(
            prefix,
            f"Not a {what} ({' '.join(str(error).split())[:100]})",
            file,
            "copy or export it again",
        ) from error


def lines(content: Iterator[bytes], origin: object) -> Iterator[bytes]:
    """The content in pieces of whole lines, each line ended by LF alone, also where the file ends
    them by CR LF or CR; code `file_too_large` for a line that does not end.
    """
    rest = b""
    for piece in content:
        text = rest + piece
        # A CR at the end may be half of a CR LF.
        held = text.endswith(b"\r")
        text = (text[:-1] if held else text).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end]
        rest = text[end:] + (b"\r" if held else b"")
        if len(rest) > LONGEST_LINE:
            raise too_large(
                f"A line is longer than {LONGEST_LINE:,} bytes",
                origin,
                "end each row by a line end",
            )
    if rest:
        yield rest.replace(b"\r", b"\n")


def refuse_rows(rows: int, origin: object) -> None:
    """Refuse a file that has more rows than the bound; code `file_too_large`."""
    if rows > _bounds.rows:
        raise too_large(
            f"The file has more than {_bounds.rows:,} rows",
            origin,
            _raise("ROWS", "import its parts"),
        )


def too_large(message: str, origin: object, hint: str) -> CommendaError:
    return CommendaError("file_too_large", message).at("file", str(origin), hint)


def _unreadable(prefix: str, message: str, file: Path, hint: str) -> CommendaError:
    return CommendaError(f"{prefix}_unreadable", message).at("file", file, hint)


class _Unfit(Exception):
    """Why an archive is not read."""


def _counted(read: Callable[[int], bytes], file: Path, *, packed: bool) -> Iterator[bytes]:
    size, total = file.stat().st_size, 0
    while piece := read(PIECE):
        total += len(piece)
        if total > _bounds.bytes:
            raise too_large(
                f"The file holds more than {_bounds.bytes:,} bytes",
                file,
                _raise("BYTES", "import its parts"),
            )
        if packed and total > max(_FREE, _bounds.ratio * size):
            raise too_large(
                f"The file unpacks to more than {_bounds.ratio} times its {size:,} bytes",
                file,
                _raise("RATIO", "unpack it yourself"),
            )
        yield piece


def _archive(packed: BinaryIO, file: Path) -> zipfile.ZipFile:
    """The archive, if its directory is a small one: it is read whole."""
    size = packed.seek(0, 2)
    packed.seek(max(0, size - 65_557))
    tail = packed.read()
    at = tail.rfind(b"PK\5\6")
    if at >= 0 and len(tail) >= at + 16:
        members, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
        if members > MOST_MEMBERS or directory > 1_000 * MOST_MEMBERS:
            raise too_large(
                f"The zip holds more than {MOST_MEMBERS:,} files", file, "unpack it yourself"
            )
    packed.seek(0)
    return zipfile.ZipFile(packed)


def _member(archive: zipfile.ZipFile, ending: str) -> zipfile.ZipInfo:
    inside = [one for one in archive.infolist() if one.filename.lower().endswith(ending)]
    if len(inside) != 1:
        nested = any(one.filename.lower().endswith((".zip", ".gz")) for one in archive.infolist())
        raise _Unfit(
            f"The zip holds {len(inside)} {ending[1:].upper()} files instead of one"
            + (", and archives of its own" if nested else "")
        )
    (one,) = inside
    path = PurePosixPath(one.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise _Unfit("The zip names a file outside of itself")
    if one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Unfit("The zip is packed by another method than deflate")
    return one


def _raise(bound: str, instead: str) -> str:
    return f"{instead}, or raise the bound: COMMENDA_IMPORT_{bound}"
