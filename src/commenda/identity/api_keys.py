"""API keys: long-lived credentials of a user for programs, with fewer permissions."""

from __future__ import annotations

from commenda.identity.model import Principal
from commenda.kit.db import Tx


def principal_of_key(tx: Tx, secret: str) -> Principal | None:
    """Whom a key speaks for, if it stands."""
    raise NotImplementedError
