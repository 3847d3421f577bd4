"""Commenda: investors entrust capital, strategies trade it, and the profit is shared.

The money first. Whatever happens to money is one journal of the `ledger`, whose entries sum to
zero; PostgreSQL refuses any other. Balances, positions and profits elsewhere are readings of it
or are checked against it.

A creator binds a strategy of `strategies` to an instrument of `market` and shares it as a flow
(`copying`). The strategy is a compiled step that sees closed bars and answers with an exposure;
the `kernel` runs it over a history in one loop, or bar by bar, with the same decisions to the
last bit.

Before it trades, a strategy is run over the past (`strategies.backtest`; what a bar does not tell
counts against it) and checked by `testing`. `studies` search its parameters, count everything that
was ever tried, and say promote, doubtful or overfit.

An investor deposits (`funding`), authorises custody and subscribes to a product of `managed`. The
principal is reserved, and several creators are drawn for it, reproducibly. On activation the
subscription becomes a *scope*, an isolated book, with a *leg* for each creator. Nothing is ever
summed up by owner: two subscriptions of one person do not mix.

When a strategy decides, its flow publishes a signal. `copying` computes what each leg that
follows has to trade; `risk` cuts what that would open beyond its limits; `execution` makes one
parent order for each side of the rest, works the order at one of the `venues`, and shares the fills
out once, at one average price. The creator's own book is a leg among them, so nobody is run ahead
of. While a breaker of `risk` is open nothing that it covers is opened, by whatever door, and what
closes goes on. A *portfolio* (`portfolios`) is one book over several flows, sized by a rule.

When the term is over the subscription is really liquidated: it stays LIQUIDATING until the venue
has closed its last position. Then it is settled, through one path and in one journal: management
fee, hurdle, profit share by leg, the platform's cut, `referrals` out of that cut, the rest to the
investor's wallet.

What an investor earned by all of that, over any period and in one answer, is `earnings`.

`operations.verify` derives balances, positions, reservations, allocations and settlements again
from the entries and the venue's fills, and finds nothing in a sound system. `execution.reconcile`
holds the ledger against the venue, whose books share no code with it.

Below all of this, `kit` has the database, money, time, ids, errors and durable work; `audit`
records who did what, in a chain of digests, and says what a check is; `identity` knows users, what
they may do, and what needs two of them; `returns` is pure mathematics. Above it, `app` serves every
domain over HTTP, `worker` turns the clock of a living operation and copies signals as durable
workflows, `simulate` replays a whole business over candles, and `cli` is the command line. All of
them call the same actions.

Imports run one way, and a domain is imported from its package only; import-linter holds both.
Inside a domain, `rules.py` is pure, `queries.py` is SQL, `actions.py` loads, applies the rules and
writes in one transaction; `managed` is large and names its rooms after what they do. docs/tour.md
follows one subscription through all of it.
"""

from importlib.metadata import version

__version__ = version("commenda")
