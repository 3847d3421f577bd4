"""Make `database.sql.gz` and `expected.json` with the code of the last version, and with no other.

    git worktree add ../last-version 6def891
    python tests/last_version/make.py ../last-version

It needs a checkout of that commit (`story.COMMIT`), whose packages and test helpers it imports, so
it does not run on the code beside it. The business is left in the middle of everything: closings
asked for, intended, worked at the venue and not recorded; signals planned, worked and published; a
tick cut short. Both proofs of that version must find nothing before the rows are written down.
Then the same version goes on with the same database, and what it pays is kept beside them.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import story
from writing import HALF_DONE, dump

HERE = Path(__file__).parent
CHECKOUT = Path(sys.argv[1]).resolve()
head = subprocess.check_output(["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"], text=True)
if not head.startswith(story.COMMIT):
    sys.exit(f"{CHECKOUT} is at {head.strip()}, not at {story.COMMIT}")
sys.path[:0] = [str(CHECKOUT / "src"), str(CHECKOUT / "tests")]

from business import at_a_good_venue, come_to, live

import commenda
from commenda.audit import seal
from commenda.kit import durable
from commenda.kit.db import Database
from commenda.kit.keys import Keys
from commenda.kit.migrate import migrations
from commenda.operations import CHAINS
from commenda.settings import Settings
from world import World

assert commenda.__file__ is not None
assert Path(commenda.__file__).is_relative_to(CHECKOUT), "another version is imported"
assert len(migrations()) == story.MIGRATIONS


def seal_all(database: Database, settings: Settings) -> None:
    for chain in CHAINS:
        key = Keys.of(settings).derive(chain.purpose)
        full = True
        while full:
            with database.transaction() as tx:
                full = seal(tx, key, chain=chain).full


def proved(data: Path) -> None:
    """`commenda verify --chain` and `commenda reconcile`, as that version's command line."""
    environment = os.environ | {
        "PYTHONPATH": str(CHECKOUT / "src"),
        "COMMENDA_MASTER_KEY": story.MASTER_KEY,
    }
    for command in (["verify", "--chain"], ["reconcile"]):
        subprocess.run(
            [sys.executable, "-m", "commenda", *command, "--data", str(data)],
            env=environment,
            check=True,
        )


def what_became(world: World) -> dict[str, object]:
    """What everybody was paid, by name."""
    settled = world.rows(
        "SELECT u.username, t.to_wallet"
        " FROM settlements t JOIN managed_subscriptions s ON s.id = t.subscription_id"
        " JOIN users u ON u.id = s.investor_id ORDER BY 1"
    )
    left = world.rows(
        "SELECT u.username, x.paid FROM copy_exits x JOIN scopes c ON c.id = x.scope_id"
        " JOIN users u ON u.id = c.owner_id WHERE x.closed_at IS NOT NULL ORDER BY 1"
    )
    wallets = world.rows(
        "SELECT u.username, a.balance FROM accounts a JOIN users u ON u.id = a.owner_id"
        " WHERE a.kind = 'wallet' ORDER BY 1"
    )
    held: dict[str, dict[str, str]] = {}
    for name, symbol, quantity in world.rows(
        "SELECT u.username, i.symbol, sum(p.quantity) FROM positions p"
        " JOIN legs l ON l.id = p.leg_id JOIN scopes c ON c.id = l.scope_id"
        " JOIN users u ON u.id = c.owner_id JOIN instruments i ON i.id = p.instrument_id"
        " WHERE p.quantity <> 0 GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        held.setdefault(name, {})[symbol] = plain(quantity)
    return {
        "settled": {name: plain(paid) for name, paid in settled},
        "left": {name: plain(paid) for name, paid in left},
        "wallets": {name: plain(balance) for name, balance in wallets},
        "held": held,
    }


def plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        settings = Settings(data=data, master_key=story.MASTER_KEY, durable_commits=False)
        with Database.open(settings) as database:
            durable.prepare(database.owner_url)
            world = live(database)
            for what, query in HALF_DONE.items():
                print(f"{world.one(query)!s:5} {what}")
            assert all(world.one(query) for query in HALF_DONE.values())
            seal_all(database, settings)
            proved(data)
            written = dump(database.owner_url)
            (HERE / "database.sql.gz").write_bytes(gzip.compress(written.encode(), 9, mtime=0))

            at_a_good_venue(world)
            come_to(world, story.END)
            world.assert_sound()
            seal_all(database, settings)
            proved(data)
            became = json.dumps(what_became(world), indent=1)
            (HERE / "expected.json").write_text(became + "\n")


if __name__ == "__main__":
    main()
