"""Market data: what can be traded, what it cost when, and how far the record can be trusted.

An **instrument** has a venue, a symbol and its terms: tick, lot, least notional, fees. The ones
known beforehand stand in `catalogue.toml`; another catalogue can be passed to an import.

A **dataset** is one series of an instrument: candles of one interval, funding rates, or mark
prices. `import_files` reads Parquet or CSV, judges it (`quality` says what is fatal and what only
warns), and keeps the series under the data directory with its digest in the database;
`fetch_series` gets one from an exchange, for `import_source` to keep in the same way. Nothing is
invented: a gap stays a gap, and no price is filled in. A run over a file reads and judges it in the
same way (`read_recorded`).

A **`CandleFeed`** holds series in memory for the replay, the paper venue, the steppers and the
backtests. A bar is named by its open and known at its close; `mark_at` is the one dated source of
marks, and each mark says whether it is the venue's mark price or a candle's close. Funding that was
due and is not recorded is an error, never zero.

A **depth record** (`read_depth`) is the other kind of data: every update of an order book with the
trades between them, in one checked sequence, for the kernel's L2 replay.

A **simulated market** (`simulate_market`) serves where no record is wanted. It is drawn from a
seed, lives at the venue `simulated`, and its instruments are flagged, so that it cannot be taken
for a record.
"""

from commenda.market.actions import Imported, Outcome, import_file, import_files, import_source
from commenda.market.candles import traded_as
from commenda.market.coverage import BARS_LATE
from commenda.market.depth import (
    DepthQuality,
    DepthRecord,
    clock_offset,
    depth_record,
    read_depth,
    read_frames,
)
from commenda.market.due import DueFunding, due_after, missing_funding_stamps
from commenda.market.endless import EndlessFeed
from commenda.market.feed import CandleFeed, SeriesFiles
from commenda.market.feeds import (
    FEED_SILENCE,
    TRUST_PATIENCE,
    Untrusted,
    count_feeds,
    untrusted,
)
from commenda.market.fetch import (
    Connection,
    Span,
    connect_exchange,
    fetch_series,
    instrument_at,
    series_offered,
)
from commenda.market.files import judge, read_parquet
from commenda.market.grid import interval_name, missing_between, other_interval, parse_interval
from commenda.market.instruments import (
    Catalogue,
    ensure_instrument,
    find_instrument,
    instruments,
    listed,
    load_catalogue,
)
from commenda.market.live import (
    bar_message,
    latest_marks,
    now_names,
    supersedes,
    tell_bar,
    topic_of,
    write_bars,
    write_funding,
    write_marks,
)
from commenda.market.model import (
    SYMBOL,
    VENUE,
    Dataset,
    FindingKind,
    Funding,
    Instrument,
    Kind,
    Mark,
    Series,
    parse_moment,
)
from commenda.market.names import Labels, SourceName, is_csv
from commenda.market.queries import count_findings, datasets, findings_of
from commenda.market.recorded import Recorded, imported_series, read_recorded
from commenda.market.simulated import (
    REGIMES,
    SimulatedAsset,
    SimulatedSeries,
    simulate_market,
    simulated_assets,
)
from commenda.market.sources import Source, group_files
from commenda.market.stored import StoredFeed, length_stored, stored_bars
from commenda.market.track import Bar, BarArrays, Observations, composed

__all__ = [
    "BARS_LATE",
    "FEED_SILENCE",
    "REGIMES",
    "SYMBOL",
    "TRUST_PATIENCE",
    "VENUE",
    "Bar",
    "BarArrays",
    "CandleFeed",
    "Catalogue",
    "Connection",
    "Dataset",
    "DepthQuality",
    "DepthRecord",
    "DueFunding",
    "EndlessFeed",
    "FindingKind",
    "Funding",
    "Imported",
    "Instrument",
    "Kind",
    "Labels",
    "Mark",
    "Observations",
    "Outcome",
    "Recorded",
    "Series",
    "SeriesFiles",
    "SimulatedAsset",
    "SimulatedSeries",
    "Source",
    "SourceName",
    "Span",
    "StoredFeed",
    "Untrusted",
    "bar_message",
    "clock_offset",
    "composed",
    "connect_exchange",
    "count_feeds",
    "count_findings",
    "datasets",
    "depth_record",
    "due_after",
    "ensure_instrument",
    "fetch_series",
    "find_instrument",
    "findings_of",
    "group_files",
    "import_file",
    "import_files",
    "import_source",
    "imported_series",
    "instrument_at",
    "instruments",
    "interval_name",
    "is_csv",
    "judge",
    "latest_marks",
    "length_stored",
    "listed",
    "load_catalogue",
    "missing_between",
    "missing_funding_stamps",
    "now_names",
    "other_interval",
    "parse_interval",
    "parse_moment",
    "read_depth",
    "read_frames",
    "read_parquet",
    "read_recorded",
    "series_offered",
    "simulate_market",
    "simulated_assets",
    "stored_bars",
    "supersedes",
    "tell_bar",
    "topic_of",
    "traded_as",
    "untrusted",
    "write_bars",
    "write_funding",
    "write_marks",
]
