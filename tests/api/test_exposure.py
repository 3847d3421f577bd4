"""What books hold, by hand: a long, a short and a book of both, at prices that have moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from commenda.books import nearest_ends
from commenda.execution import compare
from commenda.kit.db import Database
from commenda.venues.rows import venue_row
from scripted import D, steps
from staff_books import ines
from world import World

SignIn = Callable[..., dict[str, str]]
MOVES = {"AAAUSDT": steps((0, 100.0), (5, 90.0)), "BBBUSDT": steps((0, 50.0), (5, 60.0))}


def get(client: TestClient, who: dict[str, str], path: str = "", **asked: Any) -> Any:
    answer = client.get(f"/api/v1/exposure{path}", params=asked, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def world(db: Database, sign_in: SignIn) -> World:
    """Anna is long three times, Ben short twice. Ines has a managed book with a half of each, Anna
    her own, and Otto copies Ben. Nothing costs a fee; then AAA falls by a tenth and BBB rises by a
    fifth."""
    sign_in("investor", "ines")
    world = World(db, MOVES, fee=0)
    anna, ben = world.creator("anna"), world.creator("ben", "BBBUSDT", capital=0)
    world.pay_in(ines(), D(20_000), "first")
    world.authorise(ines())
    world.subscribe(ines(), world.product(), 10_000)
    otto = world.investor("otto", 2_000)
    world.follow(otto, ben, D(2_000))
    world.activate()
    world.signal(anna, 3)
    world.signal(ben, -2)
    world.advance(5)
    world.mark()
    return world


def test_exposure_is_what_a_hand_works_out(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    # Ines: 5,000 each: 150 AAA at 100 and -200 BBB at 50. Anna: 300 AAA. Otto: -80 BBB.
    # At 90 and 60: AAA is worth 13,500 + 27,000, BBB 12,000 + 4,800; Ines has lost 1,500 and 2,000
    # of 10,000, Anna 3,000 of 10,000, Otto 800 of 2,000.
    found = get(client, sign_in("risk"))
    (total,) = found["totals"]
    assert total | {"oldestMark": None, "nearest": None} == {
        "asset": "USDT",
        "books": 3,
        "long": "40500",
        "short": "16800",
        "gross": "57300",
        "net": "23700",
        "share": "1",
        "marginUsed": "2550",  # a tenth of 25,500: only the managed book is margined
        "equity": "14700",
        "leverage": "3.89795918",
        "concentration": "0.58553768",  # (40,500² + 16,800²) / 57,300²
        "oldestMark": None,
        "nearest": None,
    }
    assert total["oldestMark"] == "2026-01-05T06:00:00Z"
    assert [
        (one["symbol"], one["mark"], one["longQuantity"], one["shortQuantity"], one["netQuantity"])
        for one in found["instruments"]
    ] == [("AAAUSDT", "90", "450", "0", "450"), ("BBBUSDT", "60", "0", "280", "-280")]
    assert [(one["gross"], one["net"], one["share"]) for one in found["instruments"]] == [
        ("40500", "40500", "0.70680628"),
        ("16800", "-16800", "0.29319372"),
    ]
    assert [
        (one["creator"], one["books"], one["net"], one["equity"]) for one in found["creators"]
    ] == [("creator-anna", 2, "40500", "10500"), ("creator-ben", 2, "-16800", "4200")]
    assert [(one["venue"], one["net"], one["equity"]) for one in found["venues"]] == [
        ("paper", "23700", "14700")
    ]


def test_a_book_is_as_far_from_its_end_as_a_hand_works_out(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    risk = sign_in("risk")
    books = get(client, risk, "/books")["items"]
    # The margined one first, then by what is left of equity for what is held: 3.86 against 4 times.
    assert [(one["kind"], one["owner"]) for one in books] == [
        ("managed", "ines"),
        ("copy", "otto"),
        ("vault", "creator-anna"),
    ]
    managed, copy, _ = books
    assert (managed["equity"], managed["gross"], managed["net"]) == ("6500", "25500", "1500")
    assert (managed["maintenance"], managed["marginUsed"], managed["marginFree"]) == (
        "1275",
        "2550",
        "3950",
    )
    assert (managed["leverage"], managed["marginRatio"]) == ("3.92307692", "0.19615385")
    # 6,500 - 25,500 x = 0.05 (25,500 - 1,500 x), so x = 5,225 / 25,425.
    assert managed["distance"] == "0.20550639"
    assert get(client, risk)["totals"][0]["nearest"] == "0.20550639"
    assert (copy["equity"], copy["leverage"]) == ("1200", "4")
    assert (copy["margined"], copy["distance"]) == (False, None)

    # Closed at that distance and not before it: AAA lower and BBB higher by it.
    for x, closed in ((D("0.2055063"), False), (D("0.2055064"), True)):
        value = 150 * 90 * (1 - x) - 200 * 60 * (1 + x)
        gross = 150 * 90 * (1 - x) + 200 * 60 * (1 + x)
        equity = 10_000 - 150 * 100 + 200 * 50 + value
        assert (equity < D("0.05") * gross) is closed


def test_what_is_behind_a_figure_adds_up_to_it(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    risk = sign_in("risk")
    found = get(client, risk)
    everything = get(client, risk, "/books")["items"]
    for name in ("gross", "net", "equity"):
        assert sum(D(one[name]) for one in everything) == D(found["totals"][0][name])
    for one in found["instruments"]:
        books = get(client, risk, "/books", instrumentId=one["instrumentId"])["items"]
        assert len(books) == one["books"] == 2
        assert sum(D(book["quantity"]) for book in books) == D(one["netQuantity"])
        assert sum(D(book["value"]) for book in books) == D(one["net"])
    for one in found["creators"]:
        books = get(client, risk, "/books", creatorId=one["creatorId"])["items"]
        assert len(books) == one["books"]
    assert get(client, risk, "/books", venue="elsewhere")["items"] == []
    paged, cursor = [], None
    while True:
        page = get(client, risk, "/books", limit=1, **({"cursor": cursor} if cursor else {}))
        paged += page["items"]
        if (cursor := page["nextCursor"]) is None:
            break
    assert paged == everything


def test_exposure_is_what_the_venue_holds_and_the_ledger_owes(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    found = get(client, sign_in("risk"))
    row = venue_row("paper")
    assert row is not None
    assert row.books is not None
    with world.database.transaction() as tx:
        marks = world.broker.marks(world.now)
        account = row.books(tx, "paper", marks, None).account()
        lines = compare(
            tx,
            row.books(tx, "paper", marks, None),
            world.feed.instruments,
            marks,
            world.now,
        )
    held = {one["instrumentId"]: D(one["netQuantity"]) for one in found["instruments"]}
    assert account.quantities == held
    (equity,) = (line.ledger for line in lines if line.subject == "USDT")
    assert D(found["totals"][0]["equity"]) == equity
    assert world.unexplained() == {}


def test_a_book_that_is_closed_counts_no_more(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    risk = sign_in("risk")
    (book,) = [one for one in get(client, risk, "/books")["items"] if one["kind"] == "managed"]
    world.script.refusal = "BBBUSDT is halted"
    world.advance(72)
    world.mature()
    world.ask(UUID(book["id"]))
    world.liquidate()
    (closing,) = get(client, risk, "/closings", failed=True)["items"]
    assert (closing["id"], closing["owner"], closing["attempts"]) == (book["id"], "ines", 1)
    assert "BBBUSDT is halted" in closing["reason"]
    assert closing["instruments"] == ["AAAUSDT", "BBBUSDT"]
    assert (closing["ageSeconds"], closing["triedAt"]) == (0, closing["requestedAt"])
    (still,) = [one for one in get(client, risk, "/books")["items"] if one["id"] == book["id"]]
    assert still["closing"] is True

    world.script.refusal = None
    world.advance()
    world.liquidate()
    assert get(client, risk, "/closings")["items"] == []
    assert {one["kind"] for one in get(client, risk, "/books")["items"]} == {"copy", "vault"}


def test_a_short_beyond_its_double_is_counted_without_the_longs(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    """40 AAA at 90 and -60 BBB at 60 on 10,000: equity 9,000, 3,600 each way. When BBB has doubled,
    AAA is worth nothing and no less: 9,000 - 3,600 - 3,600 x = 0.05 · 3,600 (1 + x)."""
    sign_in("investor", "ines")
    world = World(db, MOVES, fee=0)
    anna, ben = world.creator("anna", capital=0), world.creator("ben", "BBBUSDT", capital=0)
    world.pay_in(ines(), D(20_000), "first")
    world.authorise(ines())
    world.subscribe(ines(), world.product(), 10_000)
    world.activate()
    world.signal(anna, "0.8")
    world.signal(ben, "-0.6")
    world.advance(5)
    world.mark()
    (book,) = get(client, sign_in("risk"), "/books")["items"]
    assert (book["equity"], book["gross"], book["net"]) == ("9000", "7200", "0")
    assert book["distance"] == "1.38095238"  # 5,220 / 3,780


@pytest.mark.parametrize(
    ("role", "status"), [("investor", 403), ("creator", 403), ("auditor", 200)]
)
def test_exposure_is_for_the_staff(
    client: TestClient, sign_in: SignIn, role: str, status: int
) -> None:
    for path in ("", "/books", "/closings"):
        answer = client.get(f"/api/v1/exposure{path}", headers=sign_in(role))
        assert answer.status_code == status


def test_an_empty_business_has_no_exposure(client: TestClient, sign_in: SignIn) -> None:
    found = get(client, sign_in("risk"))
    assert (found["totals"], found["instruments"], found["creators"]) == ([], [], [])


def test_each_position_of_a_margined_book_has_its_own_liquidation_price(
    client: TestClient, world: World, sign_in: SignIn
) -> None:
    """Of Ines' book, whose long and short are on cross margin with each other."""
    # 6,500 of equity over 13,500 + 12,000: 1,275 must be kept. From p to P AAA moves it by
    # 150 (P - p), and what must be kept by 7.5 (P - p): 90 - 5,225 / 142.5. BBB by -200 and 10.
    found = get_positions(client, sign_in("risk"))
    assert [
        (one["symbol"], one["mode"], one["quantity"], one["liquidationPrice"], one["distance"])
        for one in found
    ] == [
        ("AAAUSDT", "cross", "150", "53.33333333", "0.40740741"),
        ("BBBUSDT", "cross", "-200", "84.88095238", "0.41468254"),
    ]
    for one in found:
        assert (one["equity"], one["gross"], one["initialMargin"]) == ("6500", "25500", "2550")
        assert (one["maintenanceMargin"], one["marginUse"]) == ("1275", "0.39230769")
        assert (one["owner"], one["venues"]) == ("ines", ["paper"])
    assert get_positions(client, sign_in("risk"), venue="elsewhere") == []
    with world.database.read() as tx:
        assert nearest_ends(tx, ["managed"]) == {("USDT",): 0.20550639}
    first = client.get("/api/v1/risk/exposure", params={"limit": 1}, headers=sign_in("risk")).json()
    assert first["items"] == found[:1]
    assert get_positions(client, sign_in("risk"), cursor=first["nextCursor"]) == found[1:]


def test_a_position_that_is_alone_in_its_book_is_isolated(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    """10,000 hold 500 at 100, at 90 with an equity of 5,000: 475 P = 40,000."""
    sign_in("investor", "ines")
    world = World(db, MOVES, fee=0)
    anna = world.creator("anna", capital=0)
    world.pay_in(ines(), D(10_000), "first")
    world.authorise(ines())
    world.subscribe(ines(), world.product(), 10_000)
    world.activate()
    world.signal(anna, 5)
    world.advance(5)
    world.mark()
    (one,) = get_positions(client, sign_in("risk"))
    assert (one["mode"], one["quantity"], one["equity"]) == ("isolated", "500", "5000")
    assert (one["initialMargin"], one["maintenanceMargin"]) == ("4500", "2250")
    assert (one["marginUse"], one["liquidationPrice"]) == ("0.9", "84.21052632")
    assert one["distance"] == "0.06432749"  # (90 - 84.21052632) / 90


def get_positions(client: TestClient, who: dict[str, str], **asked: Any) -> Any:
    answer = client.get("/api/v1/risk/exposure", params=asked, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]
