"""Passwords: argon2id hashes, and which ones are refused.

The cost is OWASP's for argon2id with 19 MiB (two passes, one lane): about 40 ms of one core here.
Every attempt costs it, whether there is such a user or not, so that time says nothing.
"""

from __future__ import annotations

import secrets
import unicodedata
from dataclasses import dataclass
from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from commenda.kit.errors import CommendaError

if TYPE_CHECKING:
    from pwdlib.hashers.argon2 import Argon2Hasher

LEAST_LENGTH = 10
MOST_LENGTH = 128

# The most common ones of ten characters and more, as published lists of leaks count them.
_LISTED = """
    0123456789 0987654321 1029384756 1111111111 1122334455 12345678910 1234567890 123123123123
    1234512345 123456789a 1234567891 123456789q 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx3edc 9876543210
    a123456789 abcd123456 abcdefghij administrator asdfghjkl1 asdfghjkl; basketball california
    changeme123 football123 iloveyou123 letmein123 letmein1234 liverpool1 michaeljordan
    p@ssw0rd123 password01 password12 password123 password1234 password12345 password123456
    passw0rd123 princess123 q1w2e3r4t5 q1w2e3r4t5y6 qazwsxedcrfv qwerty1234 qwerty12345
    qwerty123456 qwertyuiop qwertyuiop1 qwertyuiop123 sunshine123 unbelievable welcome123
    zaq12wsxcde3
"""
COMMON = frozenset(_LISTED.split())

# Each computation holds 19 MiB and a core.
_AT_ONCE = BoundedSemaphore(4)


@cache
def hasher() -> Argon2Hasher:
    """Argon2 at the cost that new hashes are made with."""
    from pwdlib.hashers.argon2 import Argon2Hasher  # the command line starts without it

    return Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1)


@cache
def _nobodys() -> str:
    return hasher().hash(secrets.token_bytes(32))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password was right, and its new hash where the old one was made more cheaply."""

    right: bool
    new_hash: str | None = None


def require_good(password: str, username: str) -> None:
    """Code `weak_password`; the password itself is never part of a message."""
    text = unicodedata.normalize("NFKC", password)
    if not LEAST_LENGTH <= len(text) <= MOST_LENGTH:
        raise _weak(f"A password has {LEAST_LENGTH} to {MOST_LENGTH} characters")
    if text.casefold() == username.casefold():
        raise _weak("A password is not the username")
    if text.casefold() in COMMON or len(set(text)) < 3:
        raise _weak("This password is among the first that are tried")


def _weak(message: str) -> CommendaError:
    return CommendaError("weak_password", message).at(
        "password", hint="choose a longer or less common one"
    )


def hash_of(password: str) -> str:
    """What is stored of a password."""
    with _AT_ONCE:
        return hasher().hash(_bytes(password))


def verify(password: str, stored: str | None) -> Verdict:
    """Hold a password against what is stored; None costs the same and is never right."""
    nobodys = _nobodys()
    with _AT_ONCE:
        matches = hasher().verify(_bytes(password), stored or nobodys)
    if not matches or stored is None:
        return Verdict(False)
    outdated = hasher().check_needs_rehash(stored)
    return Verdict(True, hash_of(password) if outdated else None)


def _bytes(password: str) -> bytes:
    # One text has several encodings, and JSON can smuggle in half a character.
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
