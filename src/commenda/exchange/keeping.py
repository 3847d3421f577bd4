"""What the exchange has outlives its process: a journal of all that came from outside, and now and
then a snapshot of all that came of it.

The exchange is the same again from the same market and calls at the same moments (`engine`). So a
row of each call is written before it is answered, and of each moment up to which the market was
played before anybody is told what happened then; a process that begins takes the snapshot and does
what the journal says after it. What a kill leaves of a row that was being written had no answer.

A folder holds `snapshot-N` and `journal-N`, the rows since then. N + 1 is written whole before N
goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pickle
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from commenda.exchange.administration import administer
from commenda.exchange.house import House
from commenda.kit.errors import CommendaError
from commenda.kit.folder import private_folder

FORM = "commenda-exchange/2"
"""Changes with what is kept, and with what a row means."""
MOST = 10_000
"""Events and rows after which a new snapshot is written: about a second of doing them again."""
_PICKLED = {
    "builtins": ("dict", "set"),
    "collections": ("OrderedDict", "defaultdict", "deque"),
    "decimal": ("Decimal",),
}


def damaged(file: Path, what: str) -> CommendaError:
    return CommendaError("exchange_damaged", f"What the exchange kept cannot be read: {what}").at(
        "--data", file, "put the file back as it was, or begin anew with --fresh"
    )


class _Known(pickle.Unpickler):
    """Makes what an exchange is made of, and nothing else: a file is no program."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("commenda.exchange.") or name in _PICKLED.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name} is none of the exchange's")


@dataclass(slots=True)
class Keeper:
    """Keeps one exchange in a folder, which is this process's alone until `close`.

    Rows are handed to the system, which a killed process does not take with it; with `syncs` each
    is on the disk, too, before anything is answered.
    """

    folder: Path
    syncs: bool = False
    number: int = -1
    """Of the snapshot that stands."""
    founded: dict[str, Any] | None = None
    """What the exchange was founded with; None where the folder is empty."""
    _house: House | None = None
    _journal: IO[bytes] | None = None
    _lock: IO[str] = field(init=False)
    _since: int = 0
    """How much of the market had been played when the snapshot was written."""
    _rows: int = 0

    def __post_init__(self) -> None:
        self._lock = (private_folder(self.folder) / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommendaError("exchange_runs", "An exchange that keeps its state here runs").at(
                "--data", self.folder, "stop it first, or name another folder"
            ) from None
        self._look()

    def _look(self) -> None:
        """Find the newest snapshot; an older one is left of a process that ended between two."""
        numbers = [int(one.name.partition("-")[2]) for one in self.folder.glob("snapshot-*")]
        if numbers:
            self.number = max(numbers)
            self.founded = self._snapshot()[0]["founded"]

    def forget(self) -> None:
        """Begin anew: what is here is another exchange's."""
        for one in [*self.folder.glob("snapshot-*"), *self.folder.glob("journal-*")]:
            one.unlink()
        self.number, self.founded = -1, None

    # --- beginning ------------------------------------------------------------------------------

    def begin(self, house: House, founded: dict[str, Any]) -> None:
        """Keep a new exchange from now on."""
        self.founded, self._house = founded, house
        self._write_snapshot()
        house.keep = self.append

    def go_on(self, house: House) -> None:
        """Bring a house to where the kept one was, and keep it from now on. It is one of the same
        market that nobody has asked anything.

        Code `exchange_damaged`.
        """
        _, body = self._snapshot()
        try:
            house.restore(_Known(BytesIO(body)).load())
        except Exception as error:
            raise damaged(self._file("snapshot"), str(error)) from error
        journal = self._file("journal")
        whole = 0
        for row, end in self._rows_of(journal):
            again(house, row)
            whole = end
        self._house = house
        self._journal = journal.open("ab", buffering=0)
        self._journal.truncate(whole)
        house.keep = self.append
        if house.clock.now() < house.reached:  # it does not run backwards, whatever the wall says
            house.set_clock(house.reached)

    def _file(self, kind: str, number: int | None = None) -> Path:
        return self.folder / f"{kind}-{self.number if number is None else number}"

    def _snapshot(self) -> tuple[dict[str, Any], bytes]:
        """The head of the snapshot and its body, whole."""
        file = self._file("snapshot")
        head, _, body = file.read_bytes().partition(b"\n")
        try:
            told = json.loads(head)
        except ValueError:
            raise damaged(file, "it does not begin as a snapshot does") from None
        if told.get("form") != FORM:
            raise damaged(file, f"it is {told.get('form')}, of another version, and not {FORM}")
        if told["sha256"] != hashlib.sha256(body).hexdigest():
            raise damaged(file, "it is not what was written")
        return told, body

    def _rows_of(self, file: Path) -> Iterator[tuple[list[Any], int]]:
        """The rows of a journal and where each ends; the last may have been cut off."""
        end = 0
        for line in file.read_bytes().split(b"\n")[:-1] if file.exists() else ():
            proof, _, text = line.partition(b" ")
            if proof != _proof(text):
                raise damaged(file, f"row {self._rows + 1} is not what was written")
            self._rows += 1
            end += len(line) + 1
            yield json.loads(text), end

    # --- keeping --------------------------------------------------------------------------------

    def append(self, row: list[Any]) -> None:
        """Keep a row. Where that fails the process ends: what it knows more than its folder must
        not be told to anybody."""
        assert self._journal is not None
        assert self._house is not None
        text = json.dumps(row, separators=(",", ":")).encode()
        line = _proof(text) + b" " + text + b"\n"
        try:
            if self._journal.write(line) != len(line):
                raise OSError("the disk took a part of a row")
            if self.syncs:
                os.fdatasync(self._journal.fileno())
            self._rows += 1
            due = self._rows + self._house.played - self._since >= MOST
            if due and row[0] != "struck":  # that one stands in the middle of a call
                self._write_snapshot()
        except OSError as error:
            self._journal = None
            raise SystemExit(f"the exchange cannot keep what it does, and ends: {error}") from error

    def _write_snapshot(self) -> None:
        assert self._house is not None
        body = pickle.dumps(self._house.kept(), protocol=5)
        head = {"form": FORM, "founded": self.founded, "sha256": hashlib.sha256(body).hexdigest()}
        number, new = self.number + 1, self.folder / "new"
        with new.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        journal = self._file("journal", number).open("wb", buffering=0)
        new.rename(self._file("snapshot", number))
        self._sync_folder()
        for kind in ("snapshot", "journal"):
            for one in self.folder.glob(f"{kind}-*"):
                if one != self._file(kind, number):
                    one.unlink()
        self.number, self._journal = number, journal
        self._since, self._rows = self._house.played, 0

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def close(self) -> None:
        """An orderly end: the next process finds nothing to do again."""
        if self._journal is not None:
            self._write_snapshot()
        self._lock.close()


def _proof(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def again(house: House, row: list[Any]) -> None:
    """Do again what a row says."""
    kind, *told = row
    if kind == "at":
        house.catch_up(told[0])
    elif kind == "struck":
        house.script.count(told[0])
    elif kind == "clock":
        house.clock.go_on(*told)
    else:
        at, method, what, *more = told
        house.catch_up(at)
        with suppress(Exception):  # it was refused then as it is now
            if kind == "call":
                house.do(method, what, house.account_at(what, more[0]), more[1])
            else:
                administer(house, method, what, more[0])
