"""The living demo: a simulated market that never ends, creators, and people who come and go.

`open_demo` founds it, or finds it as it was left; `people` is what its investors do at each tick.
Everything else is the operation's own work, as with real money.
"""

from commenda.demo.founding import Demo, open_demo
from commenda.demo.people import people
from commenda.demo.sign_ins import SIGN_INS, SignIn

__all__ = ["SIGN_INS", "Demo", "SignIn", "open_demo", "people"]
