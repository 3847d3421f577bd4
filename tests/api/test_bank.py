"""Bank records and deposits: one of the staff and a record are two; and where withdrawals go.

What is right here follows from the statements, which are written out, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from commenda.app import create_app
from commenda.cli import app as commands
from commenda.funding import pay_waiting
from commenda.kit.db import Database
from commenda.ledger import Author
from house import API, Headers, House, refused, signed
from people import SETTINGS
from world import World

HEADER = "account,entry_reference,booked_on,amount,currency,reference,reversal\n"


@pytest.fixture
def world(db: Database) -> World:
    return World(db)


@pytest.fixture
def house(db: Database, world: World) -> Iterator[House]:
    settings = replace(SETTINGS, paper_funding=False, bank_currencies=("USD=USDT",))
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as client:
        yield House(client, db)
    world.assert_sound()


@pytest.fixture
def staff(house: House) -> dict[str, Headers]:
    return {name: house.at_machine(name, "operator") for name in ("olga", "otto")}


@pytest.fixture
def ines(house: House) -> Headers:
    return house.customer("ines")


def read(house: House, who: Headers, *lines: str) -> Any:
    content = HEADER + "".join(f"DE1,{line}\n" for line in lines)
    body = {"kind": "csv", "content": content}
    return house.client.post(f"{API}/bank/statements", headers=who, json=body)


def counts(answer: Any) -> tuple[int, ...]:
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return tuple(found[name] for name in ("new", "matched", "reversed", "open"))


def alerts(world: World) -> list[str]:
    return world.column("SELECT kind FROM audit_events WHERE kind ^@ 'alert.' ORDER BY id")


def test_one_of_the_staff_and_a_record_are_two(
    house: House, staff: dict[str, Headers], ines: Headers, world: World
) -> None:
    asked = house.fund(ines, amount="700", reference="invoice 7").json()
    found = read(house, staff["olga"], "B-1,2026-01-17,700.00,USD,Invoice  7,")
    assert counts(found) == (1, 1, 0, 0)
    assert house.available(ines) == "0", "a record alone credits nothing"
    assert refused(house.approve(staff["olga"], asked["approvalId"])) == (409, "same_person")
    done = house.approve(staff["otto"], asked["approvalId"])
    assert (done.status_code, done.json()["bankRecord"]) == (200, True)
    assert house.available(ines) == "700"
    (entry,) = house.client.get(f"{API}/bank/entries", headers=staff["otto"]).json()["items"]
    assert (entry["status"], entry["requestId"]) == ("matched", asked["id"])
    assert alerts(world) == []


def test_read_in_at_the_machine_anyone_of_the_staff_suffices(
    house: House,
    staff: dict[str, Headers],
    ines: Headers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COMMENDA_DATABASE_URL", house.database.owner_url)
    asked = house.fund(ines, amount="700").json()
    file = tmp_path / "statement.csv"
    named = asked["paymentReference"]
    spaced = " ".join(named[at : at + 4] for at in range(0, len(named), 4))
    file.write_text(HEADER + f"DE1,B-1,2026-01-17,700,USDT,from ines {spaced.lower()} thanks,\n")
    run = CliRunner().invoke(commands, ["bank", "import", str(file), "--json"])
    assert run.exit_code == 0, run.exception
    assert '"matched": 1' in run.stdout
    listed = CliRunner().invoke(commands, ["bank", "entries", "--status", "matched", "--json"])
    assert asked["id"] in listed.stdout
    assert house.approve(staff["olga"], asked["approvalId"]).status_code == 200
    assert house.available(ines) == "700"


def test_a_record_that_came_first_speaks_for_a_deposit_that_is_asked_for_afterwards(
    house: House, staff: dict[str, Headers], ines: Headers, world: World
) -> None:
    assert counts(read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")) == (1, 0, 0, 1)
    assert alerts(world) == ["alert.bank_unmatched"]
    asked = house.fund(ines, amount="700", reference="SEVEN").json()
    assert house.approve(staff["otto"], asked["approvalId"]).status_code == 200


def test_an_entry_is_read_once_and_speaks_for_one_deposit(
    house: House, staff: dict[str, Headers], ines: Headers
) -> None:
    line = "B-1,2026-01-17,700,USDT,seven,"
    first = house.fund(ines, amount="700", reference="seven").json()
    assert counts(read(house, staff["olga"], line, line)) == (1, 1, 0, 0)
    assert counts(read(house, staff["otto"], line)) == (0, 0, 0, 0)
    jon = house.customer("jon")
    second = house.fund(jon, amount="700", reference="seven").json()
    assert house.approve(staff["otto"], first["approvalId"]).status_code == 200
    assert house.approve(staff["otto"], second["approvalId"]).status_code == 202
    assert (house.available(ines), house.available(jon)) == ("700", "0")


@pytest.mark.parametrize(
    "line",
    [
        "B-1,2026-01-17,700.01,USDT,seven,",  # another amount
        "B-1,2026-01-17,700,EUR,seven,",  # a currency that stands for nothing here
        "B-1,2026-01-17,700,USDT,seventy,",  # another reference
        "B-1,2026-01-17,-700,USDT,seven,",  # money that went out
    ],
)
def test_what_does_not_agree_matches_nothing_and_is_told(
    house: House, staff: dict[str, Headers], ines: Headers, world: World, line: str
) -> None:
    asked = house.fund(ines, amount="700", reference="seven").json()
    assert counts(read(house, staff["olga"], line)) == (1, 0, 0, 1)
    assert alerts(world) == ["alert.bank_unmatched"]
    listed = house.client.get(
        f"{API}/bank/entries", headers=staff["otto"], params={"status": "open"}
    )
    assert [one["entryRef"] for one in listed.json()["items"]] == ["B-1"]
    assert house.approve(staff["otto"], asked["approvalId"]).status_code == 202


def test_a_record_that_may_stand_for_two_stands_for_none(
    house: House, staff: dict[str, Headers], ines: Headers
) -> None:
    jon = house.customer("jon")
    house.fund(ines, amount="700", reference="seven")
    theirs = house.fund(jon, amount="700", reference="seven").json()
    assert counts(read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")) == (1, 0, 0, 1)
    named = f"B-2,2026-01-17,700,USDT,{theirs['paymentReference']},"
    assert counts(read(house, staff["olga"], named)) == (1, 1, 0, 0)


def test_a_customers_maker_reads_in_no_record_for_them(
    house: House, staff: dict[str, Headers]
) -> None:
    ada = house.at_machine("ada")
    ruth = house.at_machine("ruth")
    rita = house.hired(ada, ruth, "rita", "risk")
    body = {"username": "carl", "password": "a fine long passphrase", "role": "investor"}
    assert house.client.post(f"{API}/users", headers=ada, json=body).status_code == 201
    asked = house.fund(signed("carl", "investor"), amount="700", reference="seven").json()
    assert counts(read(house, rita, "B-1,2026-01-17,700,USDT,seven,")) == (1, 1, 0, 0)
    assert house.approve(staff["olga"], asked["approvalId"]).status_code == 202, "one, not two"


def test_a_name_of_the_bank_that_stands_for_another_entry_refuses_the_whole_statement(
    house: House, staff: dict[str, Headers]
) -> None:
    read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")
    answer = read(
        house, staff["olga"], "B-0,2026-01-17,1,USDT,x,", "B-1,2026-01-17,701,USDT,seven,"
    )
    assert refused(answer) == (409, "entry_conflict")
    listed = house.client.get(f"{API}/bank/entries", headers=staff["olga"]).json()["items"]
    assert [one["entryRef"] for one in listed] == ["B-1"]


def test_what_the_bank_takes_back_before_the_decision_speaks_no_more(
    house: House, staff: dict[str, Headers], ines: Headers, world: World
) -> None:
    asked = house.fund(ines, amount="700", reference="seven").json()
    read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")
    back = read(house, staff["olga"], "B-2,2026-01-18,-700,USDT,seven,true")
    assert counts(back) == (1, 0, 1, 0)
    assert house.approve(staff["otto"], asked["approvalId"]).status_code == 202
    assert house.available(ines) == "0"
    assert alerts(world) == []


def test_what_the_bank_takes_back_after_it_was_credited_is_told_loudly(
    house: House, staff: dict[str, Headers], ines: Headers, world: World
) -> None:
    asked = house.fund(ines, amount="700", reference="seven").json()
    read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")
    house.approve(staff["otto"], asked["approvalId"])
    read(house, staff["olga"], "B-2,2026-01-18,-700,USDT,seven,true")
    assert alerts(world) == ["alert.bank_reversed"]
    again = house.fund(ines, amount="700", reference="seven again").json()
    assert house.approve(staff["otto"], again["approvalId"]).status_code == 202


def test_a_reversal_that_comes_first_waits_for_what_it_takes_back(
    house: House, staff: dict[str, Headers], ines: Headers
) -> None:
    house.fund(ines, amount="700", reference="seven")
    early = read(house, staff["olga"], "B-2,2026-01-18,-700,USDT,seven,true")
    assert counts(early) == (1, 0, 0, 1)
    assert counts(read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")) == (1, 0, 1, 0)


def test_a_deposit_that_is_turned_down_gives_its_record_back(
    house: House, staff: dict[str, Headers], ines: Headers
) -> None:
    asked = house.fund(ines, amount="700", reference="seven").json()
    read(house, staff["olga"], "B-1,2026-01-17,700,USDT,seven,")
    path = f"{API}/participation/funding/{asked['id']}/cancel"
    assert house.client.post(path, headers=ines).json()["status"] == "rejected"
    again = house.fund(ines, amount="700", reference="Seven").json()
    assert house.approve(staff["otto"], again["approvalId"]).status_code == 200
    assert house.available(ines) == "700"


def test_who_may_not_reads_no_statement(house: House, ines: Headers) -> None:
    assert read(house, ines).status_code == 403
    assert read(house, house.at_machine("ann", "auditor")).status_code == 403


# --- Where withdrawals go ------------------------------------------------------------------------


@pytest.fixture
def rich(house: House, staff: dict[str, Headers], ines: Headers) -> Headers:
    asked = house.fund(ines, amount="50000").json()["approvalId"]
    for one in staff.values():
        house.approve(one, asked)
    assert house.available(ines) == "50000"
    return ines


def out(house: House, who: Headers, amount: str = "100", address: str | None = "DE1") -> Any:
    address = None if address is None else f"{address}-IBAN"
    return house.fund(who, direction="withdrawal", amount=amount, address=address)


def due(world: World) -> int:
    with world.database.transaction() as tx:
        return pay_waiting(tx, Author("test", "test/1", world.now))


def test_a_new_address_waits_a_day_and_its_owner_is_told(
    house: House, rich: Headers, world: World
) -> None:
    asked = out(house, rich)
    assert (asked.status_code, asked.json()["status"]) == (202, "pending")
    assert asked.json()["approvalId"] is None
    (told,) = house.client.get(f"{API}/auth/notices", headers=rich).json()["items"]
    assert (told["kind"], told["details"]["address"]) == ("funding.new_address", "DE1-IBAN")
    assert out(house, rich, "50").json()["status"] == "pending", "nor sooner by a second request"
    assert house.available(rich) == "49850"
    world.advance(23)
    assert due(world) == 0
    world.advance(1)
    assert due(world) == 2
    assert out(house, rich, "25").json()["status"] == "done", "known by now"
    assert out(house, rich, "25", None).json()["status"] == "done", "to where it came from"
    assert out(house, rich, "25", "DE2").json()["status"] == "pending"
    assert house.available(rich) == "49775"


def test_an_owner_who_did_not_ask_cancels(house: House, rich: Headers, world: World) -> None:
    for amount in ("100", "20000"):
        asked = out(house, rich, amount).json()
        path = f"{API}/participation/funding/{asked['id']}/cancel"
        stranger = house.customer(f"eve{amount}")
        assert house.client.post(path, headers=stranger).status_code == 404
        assert house.client.post(path, headers=rich).json()["status"] == "rejected"
        assert refused(house.client.post(path, headers=rich)) == (409, "already_decided")
    assert house.available(rich) == "50000"
    world.advance(24)
    assert due(world) == 0
    assert out(house, rich).json()["status"] == "pending", "what was cancelled is not known"


def test_a_large_withdrawal_to_a_new_address_takes_two_and_a_day(
    house: House, staff: dict[str, Headers], rich: Headers, world: World
) -> None:
    asked = out(house, rich, "20000").json()
    assert house.approve(staff["olga"], asked["approvalId"]).status_code == 202
    early = house.approve(staff["otto"], asked["approvalId"])
    assert refused(early) == (409, "address_waits")
    world.advance(24 * 3 + 12)
    assert house.approve(staff["otto"], asked["approvalId"]).status_code == 200
    assert house.available(rich) == "30000"


def test_a_deposit_has_no_address_and_a_reference_one(house: House, rich: Headers) -> None:
    deposit = house.fund(rich, amount="5", address="DE1-IBAN")
    assert refused(deposit) == (422, "not_a_withdrawal")
    body = {"direction": "withdrawal", "amount": "5", "reference": "r"}
    assert house.fund(rich, **body, address="DE1-IBAN").status_code == 202
    assert refused(house.fund(rich, **body, address="DE2-IBAN")) == (409, "reference_conflict")


def test_the_wait_can_be_set(db: Database, world: World) -> None:
    settings = replace(SETTINGS, new_address_wait=timedelta(0))
    with TestClient(create_app(settings, db), raise_server_exceptions=False) as client:
        house = House(client, db)
        ines = house.customer("ines")
        house.fund(ines, amount="500")
        assert out(house, ines).json()["status"] == "done"
