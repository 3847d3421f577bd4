"""Pool income on a real database: what its tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from commenda.kit.db import Tx
from commenda.kit.errors import CommendaError
from pool import D, Pool

EARLY = {"term_days": 30, "early_exit": True, "early_exit_penalty": D("0.5")}


def refused(act: Callable[[], Any]) -> CommendaError:
    with pytest.raises(CommendaError) as caught:
        act()
    return caught.value


def everything(pool: Pool) -> dict[str, list[tuple[Any, ...]]]:
    """All that a transaction of this domain may change."""
    tables = ("pool_products", "pool_holdings", "accounts", "journals", "entries", "audit_events")
    return {name: pool.rows(f"SELECT t.* FROM {name} t ORDER BY t::text") for name in tables}


@contextmanager
def cut_short(pool: Pool) -> Iterator[Tx]:
    """A transaction that ends before it commits."""
    with pool.database.transaction() as tx:
        yield tx
        raise psycopg.Rollback
