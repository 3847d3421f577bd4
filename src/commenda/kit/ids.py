"""Ids come from what a thing is, never from the clock or the machine.

A domain object's id is derived from its natural key, so a step that is repeated after a crash
names the same object again. Rows nobody refers to from outside take a database sequence.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from uuid import UUID


def derive(kind: str, *parts: object) -> UUID:
    """The id of the one `kind` whose natural key is `parts`; the same parts give the same id."""
    digest = bytearray(hashlib.sha256("\x1f".join([kind, *map(str, parts)]).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80  # RFC 9562: version 8 is for custom, hashed ids
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


def tie_break(secret: bytes, *parts: object) -> bytes:
    """A fair, reproducible order: HMAC-SHA256 over what is tied.

    Ties broken by id favour the same subscriptions for ever; keyed by the signal as well, every
    subscription is first equally often, and nobody outside can predict or choose its place.
    """
    return hmac.digest(secret, "\x1f".join(map(str, parts)).encode(), "sha256")


def keyed(secret: bytes) -> Callable[[bytes], bytes]:
    """`tie_break` of many texts under one secret: the key is put in once, a third of the time."""
    begun = hmac.new(secret, digestmod="sha256")

    def digest(text: bytes) -> bytes:
        one = begun.copy()
        one.update(text)
        return one.digest()

    return digest


def uniform(seed: bytes, *parts: object) -> float:
    """A reproducible draw from (0, 1), a function of the seed and what is drawn for."""
    return fraction(tie_break(seed, *parts))


def fraction(digest: bytes) -> float:
    """A digest as a number in (0, 1)."""
    return (int.from_bytes(digest[:8], "big") + 0.5) / 2**64
