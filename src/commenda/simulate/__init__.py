"""The business backtest: a whole operation replayed over candles.

`simulate` sets a scenario's business up (creators with strategies, products, a population of
investors), replays every candle through the actions of production under the replayed clock, and
reports who would have earned what. It runs on a database of its own, in one thread; the durable
workflows of a living operation call the same actions.
"""

from commenda.simulate.report import report
from commenda.simulate.run import simulate
from commenda.simulate.scenario import Scenario, load_scenario

__all__ = ["Scenario", "load_scenario", "report", "simulate"]
