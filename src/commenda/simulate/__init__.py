"""The business backtest: a whole operation replayed over candles.

`simulate` sets a scenario's business up (creators with strategies, products, a population of
investors), replays every candle through the actions of production under the replayed clock, and
reports who would have earned what. It runs on a database of its own, in one thread; the durable
workflows of a living operation call the same actions.
"""

from commenda.simulate.business import costs_of, found, venue_of
from commenda.simulate.compare import compare
from commenda.simulate.people import arrive, knock, renew
from commenda.simulate.population import Investor, population, product_id
from commenda.simulate.report import report
from commenda.simulate.run import simulate
from commenda.simulate.scenario import ASSET, Scenario, load_scenario

__all__ = [
    "ASSET",
    "Investor",
    "Scenario",
    "arrive",
    "compare",
    "costs_of",
    "found",
    "knock",
    "load_scenario",
    "population",
    "product_id",
    "renew",
    "report",
    "simulate",
    "venue_of",
]
