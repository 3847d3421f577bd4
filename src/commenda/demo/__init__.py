"""The living demo: a simulated market that never ends, creators, and people who come and go.

`open_demo` founds it, or finds it as it was left; `people` is what its investors do at each tick.
Everything else is the operation's own work, as with real money. They trade on paper, or at an
exchange of our own in a process of its own (`exchange`).
"""

from commenda.demo.exchange import keep_time, market_of, secret_of
from commenda.demo.founding import Demo, demo_scenario, open_demo
from commenda.demo.people import people
from commenda.demo.sign_ins import SIGN_INS, SignIn

__all__ = [
    "SIGN_INS",
    "Demo",
    "SignIn",
    "demo_scenario",
    "keep_time",
    "market_of",
    "open_demo",
    "people",
    "secret_of",
]
