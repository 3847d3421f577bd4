"""An exchange of our own, to trade on before trading on one of others.

It speaks Binance's USD-M futures and its spot: REST, streams and the WebSocket API, over recorded
or simulated markets, at any pace, with margin, funding and liquidation, and with faults on purpose.
`matching` is a market as a state machine, of which `engine` is the futures and `spot` what its name
says; `house` puts clock, keys and streams around both, `server` the sockets, `keeping` what
outlives the process. It imports the market and the kit, and nothing of the
platform imports it.
"""

from commenda.exchange.administration import administer
from commenda.exchange.clock import Clock
from commenda.exchange.engine import Exchange
from commenda.exchange.faults import FAULTS
from commenda.exchange.founding import depth_house, simulated_house
from commenda.exchange.house import House
from commenda.exchange.keeping import Keeper
from commenda.exchange.server import Server
from commenda.exchange.signing import Key

__all__ = [
    "FAULTS",
    "Clock",
    "Exchange",
    "House",
    "Keeper",
    "Key",
    "Server",
    "administer",
    "depth_house",
    "simulated_house",
]
