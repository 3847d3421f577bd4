"""`commenda venue`: accounts at exchanges; what is secret of a key is read and never shown."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.text import Text

from commenda.cli.options import ACTOR, AsJson, Data, fields_of, open_database, settings_of, warn
from commenda.cli.tables import Column, say, show, show_one, texts
from commenda.kit.clock import business_now
from commenda.kit.errors import CommendaError
from commenda.kit.keys import Keys
from commenda.ledger import Author
from commenda.venues import (
    RULES,
    Outcome,
    Secret,
    VenueKey,
    add_key,
    checked_address,
    contracts_of,
    known_venue,
    list_keys,
    opened,
    record_trial,
    remove_account,
    require_keyed,
    require_sound,
    try_secret,
)

app = typer.Typer(help="Accounts at exchanges.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(help="Its name in the books, as binance_usdm:desk.")]
KEYS = (
    *texts("account", "state", "hint"),
    Column("address", lambda one: one["address"] or "the exchange's own"),
    Column("since", "addedAt"),
    Column("tried", "checkedAt"),
    Column("sound", lambda one: "yes" if one["sound"] else "no"),
)
_STYLES = {Outcome.PASSED: "", Outcome.WARNED: "yellow", Outcome.FAILED: "bold red"}
CHECKS = (
    *texts("name"),
    Column("outcome", lambda one: Text(one.outcome, _STYLES[Outcome(one.outcome)])),
    *texts("detail"),
)


@app.command()
def add(
    account: Account,
    address: Annotated[
        str | None, typer.Option(help="Of a simulator, as http://127.0.0.1:8900.")
    ] = None,
    from_stdin: Annotated[
        bool,
        typer.Option(
            "--key-stdin",
            help="Read key, secret and, where there is one, passphrase from standard input, a line"
            " each",
        ),
    ] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Try a key and let it count; the other one of the account is forgotten.

    From here nobody else need approve; the staff are told. One that may take money out is refused.
    """
    require_keyed(account)
    place = checked_address(address)
    secret = _secret(from_stdin, has_passphrase=known_venue(account).passphrase)
    keys = Keys.of(settings_of(data))
    with open_database(data) as database:
        with database.transaction() as tx:
            contracts = contracts_of(tx, account)
        checks = try_secret(account, secret, place, contracts)
        if not as_json:
            show(checks, CHECKS)
        require_sound(checks, place)
        with database.transaction() as tx:
            author = Author(ACTOR, RULES, business_now(tx))
            added = add_key(tx, keys, account, place, secret, checks, author, None)
    if as_json:
        show_one(_shown(added), as_json)
    else:
        say(f"{added.account} trades with the key that ends in {added.hint}")


@app.command("list")
def list_(
    removed: Annotated[bool, typer.Option(help="Also keys that were removed.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List the accounts and their keys, without what is secret of them."""
    with open_database(data) as database, database.transaction() as tx:
        found = list_keys(tx, removed=removed)
    show([_shown(one) for one in found], KEYS, as_json)


@app.command("test")
def try_(account: Account, as_json: AsJson = False, data: Data = None) -> None:
    """Ask the exchange about an account's key; exit code 1 where it cannot trade."""
    keys = Keys.of(settings_of(data))
    with open_database(data) as database:
        with database.transaction() as tx:
            key, secret, contracts = opened(tx, keys, account)
        checks = try_secret(account, secret, key.address, contracts)
        with database.transaction() as tx:
            tried = record_trial(tx, key.id, checks, Author(ACTOR, RULES, business_now(tx)))
    if as_json:
        show_one(_shown(tried), as_json)
    else:
        show(tried.checks, CHECKS)
    if not tried.sound:
        raise typer.Exit(1)


@app.command()
def remove(account: Account, data: Data = None) -> None:
    """Forget an account's key, where nothing of ours is there."""
    with open_database(data) as database, database.transaction() as tx:
        gone = remove_account(tx, Author(ACTOR, RULES, business_now(tx)), account)
    say(f"{gone.account} has the key that ends in {gone.hint} no more")
    warn("delete it at the exchange, too")


def _shown(key: VenueKey) -> dict[str, object]:
    return fields_of(key, sound=key.sound)


def _secret(from_stdin: bool, *, has_passphrase: bool) -> Secret:
    names = ["key", "secret", *(["passphrase"] if has_passphrase else [])]
    told = {
        name: sys.stdin.readline() if from_stdin else _typed(name, hide=name != "key")
        for name in names
    }
    given = {name: one.strip() for name, one in told.items()}
    for name in names:
        if not given[name]:
            raise CommendaError("key_missing", "A key and what belongs to it are needed").at(
                name, hint=f"give {', '.join(names)}, a line each"
            )
    return Secret(**given)


def _typed(name: str, *, hide: bool) -> str:
    return str(typer.prompt(name.capitalize(), hide_input=hide))
