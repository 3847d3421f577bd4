"""Market data: what can be traded, what it cost when, and how far the record can be trusted.

An **instrument** has a venue, a symbol and its terms: tick, lot, least notional, fees. The ones
known beforehand stand in `catalogue.toml`; another catalogue can be passed to an import.

A **dataset** is one series of an instrument: candles of one interval, funding rates, or mark
prices. `import_file` reads Parquet, judges it (`quality` says what is fatal and what only warns),
and keeps the series under the data directory with its digest in the database. Nothing is invented:
a gap stays a gap, and no price is filled in.

A **`CandleFeed`** holds series in memory for the replay, the paper venue, the steppers and the
backtests. A bar is named by its open and known at its close; `mark_at` is the one dated source of
marks, and each mark says whether it is the venue's mark price or a candle's close. Funding that was
due and is not recorded is an error, never zero.

A **simulated market** (`simulate_market`) serves where no record is wanted. It is drawn from a
seed, lives at the venue `simulated`, and its instruments are flagged, so that it cannot be taken
for a record.
"""

from commenda.market.actions import Imported, Outcome, import_file
from commenda.market.feed import CandleFeed, SeriesFiles
from commenda.market.instruments import (
    SIMULATED_VENUE,
    Catalogue,
    ensure_instrument,
    find_instrument,
    instruments,
    listed,
    load_catalogue,
    simulated_twin,
)
from commenda.market.model import (
    Dataset,
    Finding,
    FindingKind,
    Funding,
    Instrument,
    Kind,
    Mark,
    Series,
    interval_name,
    parse_interval,
)
from commenda.market.queries import count_findings, datasets, findings_of
from commenda.market.simulated import (
    REGIMES,
    SimulatedAsset,
    SimulatedSeries,
    simulate_market,
    simulated_assets,
)
from commenda.market.track import Bar, BarArrays, Observations

__all__ = [
    "REGIMES",
    "SIMULATED_VENUE",
    "Bar",
    "BarArrays",
    "CandleFeed",
    "Catalogue",
    "Dataset",
    "Finding",
    "FindingKind",
    "Funding",
    "Imported",
    "Instrument",
    "Kind",
    "Mark",
    "Observations",
    "Outcome",
    "Series",
    "SeriesFiles",
    "SimulatedAsset",
    "SimulatedSeries",
    "count_findings",
    "datasets",
    "ensure_instrument",
    "find_instrument",
    "findings_of",
    "import_file",
    "instruments",
    "interval_name",
    "listed",
    "load_catalogue",
    "parse_interval",
    "simulate_market",
    "simulated_assets",
    "simulated_twin",
]
