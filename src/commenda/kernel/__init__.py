"""Bars in, orders and equity out: the accounting core that every mode of a strategy shares.

A strategy is a compiled step for one instrument. `run` drives it over a whole history inside one
compiled loop; `Stepper` drives it one closed bar at a time, as paper and live trading do. Both
call the same functions of `account.py` in the same order, so that decisions and equity agree to
the last bit. Arrays only: no database, no clock, and nothing of the rest of Commenda.

`sweep` takes many programs through that loop in threads, and keeps what each came to.

A run that asks for more than targets filled at the next open (orders of the step's own, stops in
layers, liquidity, latency, margin) works at a desk: `matching.py` has the rules of a bar.
`run_legs` runs several instruments, or both sides of one, on one account.

`run_l2` replays recorded depth and trades instead of bars, event by event, for a step that places
orders in the book: what fills them, and where they stand in the queue, is in `l2_queue.py`.

Why the numba cache is named here, before numba is imported: numba notices an edit of the file in
which a function stands, but not of the files its callees stand in. A step compiled yesterday would
go on using yesterday's indicator. The cache directory is therefore named by a hash of every source
of the kernel and the shipped strategies; an edit anywhere opens a new, empty one. Old directories
may be deleted at any time. COMMENDA_CACHE_DIR moves them; NUMBA_CACHE_DIR is overwritten.
"""
# ruff: noqa: E402 -- numba reads its settings on import, so the cache is named above the imports

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def source_digest(package: Path = PACKAGE) -> str:
    """Sixteen hex digits over every source of the kernel and the shipped strategies."""
    rooms = (package / "kernel", package / "strategies" / "shipped")
    sources = (path for room in rooms for path in room.rglob("*.py"))
    digest = hashlib.sha256()
    for path in sorted(sources):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def user_cache() -> Path:
    """COMMENDA_CACHE_DIR, or this user's cache directory by the custom of the platform."""
    named = os.environ.get("COMMENDA_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "commenda"


def writable(preferred: Path) -> Path:
    """`preferred`, created; where it cannot be written, a directory of this process alone."""
    try:
        preferred.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=preferred):
            return preferred
    except OSError:
        # Never a shared name under /tmp: numba unpickles what it finds in its cache.
        private = tempfile.mkdtemp(prefix="commenda-numba-")
        atexit.register(shutil.rmtree, private, ignore_errors=True)
        return Path(private)


def name_numba_cache() -> Path:
    """Point numba at the cache that belongs to exactly these sources; return it."""
    directory = writable(user_cache() / f"numba-{source_digest()}")
    os.environ["NUMBA_CACHE_DIR"] = str(directory)
    already_imported = sys.modules.get("numba")
    if already_imported is not None:
        already_imported.config.CACHE_DIR = str(directory)
    return directory


CACHE_DIR = name_numba_cache()

from commenda.kernel.account import POSITION_ENTRY
from commenda.kernel.bars import Array, Bars, BookSamples, Funding
from commenda.kernel.bounds import keep_bounds
from commenda.kernel.compiling import compiled, inlined, plain
from commenda.kernel.desk import POSITION_EQUITY, POSITION_QUANTITY, POSITION_SIDE
from commenda.kernel.l2 import (
    FillSource,
    L2Counts,
    L2Fill,
    L2Program,
    L2Result,
    L2Rules,
    QueueModel,
    run_l2,
)
from commenda.kernel.l2_book import L2Events, L2Kind, book_samples, survey_book
from commenda.kernel.l2_orders import (
    L2_BOUGHT,
    L2_CASH,
    L2_CLOCK,
    L2_HELD,
    L2_IOC,
    L2_LAST,
    L2_POST_ONLY,
    L2_SOLD,
    l2_ask,
    l2_ask_lots,
    l2_bid,
    l2_bid_lots,
    l2_cancel,
    l2_limit,
    l2_market,
    l2_open,
    l2_price,
    l2_unfilled,
)
from commenda.kernel.legs import MOST_LEGS, Leg, LegResult, LegsResult, both_sides, run_legs
from commenda.kernel.lines import (
    StopLine,
    bars_at_most,
    closing_stop,
    fired_stop,
    layer_lines,
    stop_line,
    wants,
    with_stops,
)
from commenda.kernel.loop import run
from commenda.kernel.orders import (
    cancel,
    cancel_all,
    limit_order,
    market_order,
    one_cancels_other,
    reduce_only,
    remaining,
    stop_limit_order,
    stop_order,
    trailing_order,
    working,
)
from commenda.kernel.program import Program
from commenda.kernel.results import Counts, Fill, FillKind, Result
from commenda.kernel.stepper import Decision, Stepper
from commenda.kernel.stops import LAYERS, Stops
from commenda.kernel.sweep import SweepResult, sweep
from commenda.kernel.terms import (
    BASIS_POINT,
    Costs,
    FeeTier,
    Latency,
    MaintenanceTier,
    Margin,
    Terms,
)

__all__ = [
    "BASIS_POINT",
    "CACHE_DIR",
    "L2_BOUGHT",
    "L2_CASH",
    "L2_CLOCK",
    "L2_HELD",
    "L2_IOC",
    "L2_LAST",
    "L2_POST_ONLY",
    "L2_SOLD",
    "LAYERS",
    "MOST_LEGS",
    "POSITION_ENTRY",
    "POSITION_EQUITY",
    "POSITION_QUANTITY",
    "POSITION_SIDE",
    "Array",
    "Bars",
    "BookSamples",
    "Costs",
    "Counts",
    "Decision",
    "FeeTier",
    "Fill",
    "FillKind",
    "FillSource",
    "Funding",
    "L2Counts",
    "L2Events",
    "L2Fill",
    "L2Kind",
    "L2Program",
    "L2Result",
    "L2Rules",
    "Latency",
    "Leg",
    "LegResult",
    "LegsResult",
    "MaintenanceTier",
    "Margin",
    "Program",
    "QueueModel",
    "Result",
    "Stepper",
    "StopLine",
    "Stops",
    "SweepResult",
    "Terms",
    "bars_at_most",
    "book_samples",
    "both_sides",
    "cancel",
    "cancel_all",
    "closing_stop",
    "compiled",
    "fired_stop",
    "inlined",
    "keep_bounds",
    "l2_ask",
    "l2_ask_lots",
    "l2_bid",
    "l2_bid_lots",
    "l2_cancel",
    "l2_limit",
    "l2_market",
    "l2_open",
    "l2_price",
    "l2_unfilled",
    "layer_lines",
    "limit_order",
    "market_order",
    "one_cancels_other",
    "plain",
    "reduce_only",
    "remaining",
    "run",
    "run_l2",
    "run_legs",
    "stop_limit_order",
    "stop_line",
    "stop_order",
    "survey_book",
    "sweep",
    "trailing_order",
    "wants",
    "with_stops",
    "working",
]
