"""The chains that are sealed, and their ends as they are kept elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from commenda.audit import EVENTS, Anchor, Chain, anchor
from commenda.kit.db import Tx
from commenda.kit.times import iso
from commenda.ledger import JOURNALS

CHAINS: tuple[Chain, ...] = (EVENTS, JOURNALS)

Ends = Mapping[str, Anchor | None]
"""The end of each chain by its name; None before its first seal."""


def ends_of(tx: Tx) -> Ends:
    """Where each chain ends now."""
    return {chain.name: anchor(tx, chain) for chain in CHAINS}


def anchor_text(ends: Ends) -> str:
    """The ends of the chains as one line of JSON."""
    return json.dumps({name: None if end is None else _named(end) for name, end in ends.items()})


def read_anchors(text: str) -> Ends:
    """What `anchor_text` wrote, or `GET /audit/chain` answered.

    The end of the events' chain alone is read, too: what was kept before journals had one. Raises
    ValueError, KeyError or TypeError for anything else.
    """
    read = json.loads(text)
    if "sequence" in read:
        read = {EVENTS.name: read}
    known = {chain.name for chain in CHAINS}
    if not read or not set(read) <= known:
        raise ValueError(f"no chain but {' and '.join(sorted(known))}")
    return {name: None if end is None else _anchor(end) for name, end in read.items()}


def _named(end: Anchor) -> dict[str, Any]:
    return {
        "sequence": end.sequence,
        "digest": end.digest,
        "sealedAt": iso(end.sealed_at),
    }


def _anchor(read: Mapping[str, Any]) -> Anchor | None:
    if read["sequence"] == 0:  # as the route says it before the first seal
        return None
    return Anchor(
        int(read["sequence"]), str(read["digest"]), datetime.fromisoformat(read["sealedAt"])
    )
