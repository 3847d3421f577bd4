"""Accounts at exchanges over HTTP. What is secret of a key goes in, and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path, Response
from pydantic import Field, SecretStr

from commenda.identity import Permission, Principal
from commenda.identity.access import may
from commenda.kit.clock import business_now
from commenda.kit.db import Tx
from commenda.kit.web import GUARDED, Body, IdempotencyKey, Served, problems, routes, write
from commenda.ledger import Author
from commenda.venues import accounts
from commenda.venues.keys import ACCOUNT, Secret, VenueKey, checked_address, list_keys
from commenda.venues.reach import contracts_of
from commenda.venues.trial import require_sound

router = routes("venues", "/venues")
Staff = Annotated[Principal, may(Permission.OVERVIEW)]
Keeper = Annotated[Principal, may(Permission.VENUES)]
Account = Annotated[str, Path(max_length=80)]
_Credential = Annotated[SecretStr, Field(min_length=1, max_length=4_000)]


class NewVenueKey(Body):
    """A key that an exchange gave out, for an account of ours there."""

    account: Annotated[
        str,
        Field(
            max_length=80,
            pattern=f"^{ACCOUNT}$",
            description="Its name in the books: its venue's, and one of its own.",
            examples=["binance_usdm:desk"],
        ),
    ]
    address: Annotated[
        str | None,
        Field(
            max_length=200,
            description="Where to reach it, such as a simulator; null: the exchange itself.",
            examples=["http://127.0.0.1:8900"],
        ),
    ] = None
    key: _Credential
    secret: _Credential
    passphrase: Annotated[
        _Credential | None,
        Field(description="Where the exchange asks for one, as OKX does."),
    ] = None


@router.get("", operation_id="listVenueKeys", responses=GUARDED)
def list_venue_keys(service: Served, _who: Staff, removed: bool = False) -> list[VenueKey]:
    """The accounts at exchanges that have a key or wait for one, with what was seen last."""
    with service.database.read() as tx:
        return list_keys(tx, removed=removed)


@router.post(
    "",
    operation_id="addVenueKey",
    status_code=202,
    response_model=VenueKey,
    responses=GUARDED | problems(404, 409, 503),
)
def add_venue_key(
    service: Served, who: Keeper, body: NewVenueKey, idempotency: IdempotencyKey = None
) -> Response:
    """Try a key, seal it, and ask for it to count, which another of the staff approves.

    One that the exchange refuses, that cannot trade, or that may take money out is not kept.
    """
    accounts.require_keyed(body.account)
    address = checked_address(body.address)
    parts = (body.key, body.secret, body.passphrase or SecretStr(""))
    secret = Secret(*(one.get_secret_value() for one in parts))
    with service.database.read() as tx:
        contracts = contracts_of(tx, body.account)
    checks = accounts.try_secret(body.account, secret, address, contracts)
    require_sound(checks, address)

    def act(tx: Tx, now: datetime) -> VenueKey:
        author = Author(who.actor, accounts.RULES, now)
        return accounts.add_key(
            tx, service.keys, body.account, address, secret, checks, author, who
        )

    asked = {"account": body.account, "address": address, "key": secret.key}
    return write(service, who, "venue-key", idempotency, asked, act, status=202)


@router.post("/{account}/test", operation_id="testVenueKey", responses=GUARDED | problems(404))
def test_venue_key(service: Served, who: Keeper, account: Account) -> VenueKey:
    """Ask the exchange about an account's key now: what works, and what does not."""
    with service.database.transaction() as tx:
        key, secret, contracts = accounts.opened(tx, service.keys, account)
    checks = accounts.try_secret(account, secret, key.address, contracts)
    with service.database.transaction() as tx:
        author = Author(who.actor, accounts.RULES, business_now(tx))
        return accounts.record_trial(tx, key.id, checks, author)


@router.delete("/{account}", operation_id="removeVenueKey", responses=GUARDED | problems(404, 409))
def remove_venue_key(service: Served, who: Keeper, account: Account) -> VenueKey:
    """Forget the key that waits, or the one that counts where nothing of ours is there."""
    with service.database.transaction() as tx:
        author = Author(who.actor, accounts.RULES, business_now(tx))
        return accounts.remove_account(tx, author, account, who)
