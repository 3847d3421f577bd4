"""The data directory: its owner's alone, and refused where nothing can be written to it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from commenda.kit.errors import CommendaError

_OTHERS = 0o067
"""What the group and others must not have; the group may pass, where the database has a user."""


def private_folder(path: Path) -> Path:
    """`path`, made if it is missing, closed to other users, and written to once to see that it can.

    Code `data_unwritable` where it cannot: read-only, full, somebody else's, no directory.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
        if mode & _OTHERS:
            path.chmod(mode & 0o777 & ~_OTHERS)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0" * 8192)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise CommendaError(
            "data_unwritable", f"The data directory cannot be written to: {error.strerror}"
        ).at(
            "COMMENDA_DATA",
            path,
            "free space on its disk, let this user write to it, or name another with --data",
        ) from error
    return path
