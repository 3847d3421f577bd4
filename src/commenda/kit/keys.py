"""The installation's secrets: one master key, and a key derived from it for each purpose.

The master key comes from the environment. With the embedded server, where the data directory is
the installation, it is made on the first start and kept there, readable by its owner only.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commenda.kit.errors import CommendaError
from commenda.kit.folder import private_folder
from commenda.settings import Settings

_NONCE = 12
LEAST_LENGTH = 32
_MAKE = "make one with: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class Keys:
    """Derives keys, and seals what must be stored but not read."""

    _master: bytes = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Keys:
        """The installation's keys.

        Codes `no_master_key` where a server has none of its own, `weak_master_key` for a short one.
        """
        if settings.master_key is not None:
            return cls(_checked(settings.master_key, "COMMENDA_MASTER_KEY", _MAKE).encode())
        if settings.database_url is not None:
            raise CommendaError(
                "no_master_key",
                "A PostgreSQL of your own needs a master key, the same for every process",
            ).at(
                "COMMENDA_MASTER_KEY",
                hint=f"set it to {LEAST_LENGTH} random characters or more; {_MAKE}",
            )
        return cls(_kept(settings.data / "master.key"))

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose; those of another say nothing about them."""
        return hmac.digest(self._master, f"commenda/{purpose}".encode(), hashlib.sha256)

    def seal(self, purpose: str, secret: bytes) -> bytes:
        """Encrypt and authenticate (AES-256-GCM); `open` with the same purpose reads it."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.derive(purpose)).encrypt(nonce, secret, purpose.encode())

    def open(self, purpose: str, sealed: bytes) -> bytes:
        """What was sealed; code `wrong_master_key` when it was not sealed with this one."""
        try:
            return AESGCM(self.derive(purpose)).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], purpose.encode()
            )
        except InvalidTag:
            raise CommendaError(
                "wrong_master_key", "A stored secret was sealed with another master key"
            ).at(
                "COMMENDA_MASTER_KEY", hint="set the key that this database was begun with"
            ) from None


def _checked(text: str, where: str | Path, mend: str) -> str:
    if len(text) < LEAST_LENGTH:
        raise CommendaError(
            "weak_master_key", f"The master key needs {LEAST_LENGTH} characters or more"
        ).at(str(where), f"{len(text)} characters", mend)
    return text


def _kept(file: Path) -> bytes:
    """The key of this data directory. Of two processes that begin at once, one makes it."""
    if not file.exists():
        private_folder(file.parent)
        made = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_hex(32))
            with suppress(FileExistsError):  # another was first; half a key is never shown
                os.link(made, file)
        finally:
            made.unlink(missing_ok=True)
    mend = "put back the key that this directory was begun with: no other opens what it sealed"
    return _checked(file.read_text().strip(), file, mend).encode()
