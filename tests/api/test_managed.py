"""Managed wealth over HTTP: the loop from a product to a trace."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from commenda.books import record_nav
from commenda.kit import ids
from commenda.kit.db import Database
from commenda.ledger import Owner, OwnerKind
from commenda.managed import ExpectedReturn, Offer, Profile, publish_offer
from world import ASSET, EXPECTED, TERMS, D, World, in_threads, steps

API = "/api/v1"
SUBSCRIPTIONS = f"{API}/managed-subscriptions"
SignIn = Callable[..., dict[str, str]]
RISING = {"AAAUSDT": steps((0, 100.0), (30, 120.0)), "BBBUSDT": steps((0, 50.0))}


def owner_of(name: str) -> Owner:
    return Owner(OwnerKind.INVESTOR, ids.derive("test-user", "investor", name))


def rich(client: TestClient, sign_in: SignIn, name: str, amount: int = 20_000) -> dict[str, str]:
    """A signed-in investor with money and an authorisation, both by HTTP."""
    who = sign_in("investor", name)
    body = {"amount": str(amount)}
    assert client.post(f"{API}/participation/funding", json=body, headers=who).status_code == 201
    limit = {"asset": ASSET, "limit": str(amount)}
    answer = client.post(f"{API}/participation/custody-auth", json=limit, headers=who)
    assert answer.status_code == 200
    return who


def order(
    client: TestClient,
    who: dict[str, str],
    product: UUID,
    amount: str = "10000",
    key: str | None = None,
) -> Any:
    headers = who if key is None else who | {"Idempotency-Key": key}
    body = {"productId": str(product), "amount": amount}
    return client.post(SUBSCRIPTIONS, json=body, headers=headers)


def approve(client: TestClient, who: dict[str, str], asked: Any) -> Any:
    assert asked.status_code == 202, asked.text
    answer = client.post(f"{API}/approvals/{asked.json()['approvalId']}/approve", headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def get(client: TestClient, path: str, who: dict[str, str], **params: Any) -> Any:
    answer = client.get(f"{API}/{path}", params=params, headers=who)
    assert answer.status_code == 200, answer.text
    return answer.json()


def market(db: Database, **changes: Any) -> World:
    world = World(db, RISING, **changes)
    for name in "abcdefgh":
        world.creator(name)
    return world


def mark(world: World, symbol: str, price: int) -> None:
    with world.database.transaction() as tx:
        tx.execute(
            "INSERT INTO market_marks SELECT id, %s, %s, 'test' FROM instruments WHERE symbol = %s"
            " ON CONFLICT (instrument_id) DO UPDATE SET price = excluded.price",
            (price, world.now, symbol),
        )


def test_the_loop_from_a_deposit_to_the_trace(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db, RISING)
    flow = world.creator("anna")
    ines = rich(client, sign_in, "ines")
    made = order(client, ines, world.product(days=10))
    assert made.status_code == 201
    scope = made.json()["subscriptionId"]
    assert made.json()["executionScopeId"] == scope
    assert made.json()["status"] == "RESERVED"
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert detail["reservation"] == {
        "status": "reserved",
        "reservedAmount": "10000",
        "releasedAmount": "0",
    }
    assert detail["performance"]["deviationLevel"] == "INSUFFICIENT"

    world.activate()
    world.signal(flow, "0.5")
    world.advance(24 * 8)
    mark(world, "AAAUSDT", 120)
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert (detail["status"], detail["maturesAt"][:10]) == (
        "ACTIVE",
        "2026-01-15",
    )
    (trader,) = detail["allocation"]["traders"]
    assert (trader["title"], trader["weight"]) == ("anna", "1")
    assert detail["allocation"]["version"] == "allocation-1"
    (leg,) = world.legs(UUID(scope))
    value = world.cash(leg) + world.quantity(leg) * 120
    performance = detail["performance"]
    assert D(performance["currentValue"]) == value
    assert D(performance["profit"]) == value - 10_000 > 0
    expected = (D(10_000) * EXPECTED.annual_return * 8 / 365).quantize(D("0.00000001"))
    assert (performance["daysHeld"], D(performance["expectedGain"])) == (8, expected)
    rate = (value - 10_000 - expected) / expected * 100
    assert D(performance["deviationRate"]) == rate.quantize(D("0.0001"))
    assert (performance["deviationLevel"], performance["advice"]) == ("ALERT", "check")
    with db.transaction() as tx:
        record_nav(tx, world.now, world.broker.marks(world.now))

    world.advance(24 * 3).mature()
    out = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=ines)
    assert (out.status_code, out.json()["status"]) == (202, "LIQUIDATING")
    world.script.refusal = "maintenance"
    world.liquidate()
    liquidation = get(client, f"managed-subscriptions/{scope}", ines)["liquidation"]
    assert (liquidation["door"], liquidation["attempts"]) == ("investor", 1)
    assert "maintenance" in liquidation["reason"]
    retry = (world.now + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    assert liquidation["nextRetryAt"] == retry
    world.script.refusal = None
    world.advance().liquidate()

    run = client.post(
        f"{API}/managed-settlement/run",
        json={"subscriptionIds": [scope]},
        headers=sign_in("operator", "olga"),
    )
    done = approve(client, sign_in("operator", "otto"), run)
    assert done["outcome"] == {"states": {scope: "SETTLED"}}
    world.move_cash()
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    settlement = detail["settlement"]
    assert detail["status"] == "SETTLED"
    assert detail["performance"]["currentValue"] == settlement["toWallet"]
    level = world.one("SELECT deviation_level FROM settlements")
    assert detail["performance"]["deviationLevel"] == level
    assert detail["reservation"]["status"] == "released"
    assert world.wallet(owner_of("ines")) == 10_000 + D(settlement["toWallet"])
    log = get(client, "wallet/asset-log", ines)["items"]
    assert (log[0]["refNo"], log[0]["amount"]) == (f"settle:{scope}", settlement["toWallet"])

    chain = get(client, f"managed-subscriptions/{scope}/trace", ines)
    assert list(chain) == [
        "subscription",
        "allocation",
        "executions",
        "nav",
        "liquidation",
        "crystallisations",
        "settlement",
        "referral",
        "journals",
        "events",
    ]
    assert chain["settlement"][0]["toWallet"] == settlement["toWallet"]
    assert [one["outcome"] for one in chain["liquidation"]] == ["LIQUIDATING", "LIQUIDATED"]
    assert [one["kind"] for one in chain["events"]] == [
        "subscription.reserved",
        "liquidation.requested",
        "liquidation.failed",
        "liquidation.concluded",
        "subscription.settled",
    ]
    kinds = {one["kind"] for one in chain["journals"]}
    assert kinds == {"reserve", "activate", "transfer", "settlement"}
    assert get(client, f"managed-subscriptions/{scope}/trace", sign_in("auditor")) == chain
    nav = get(client, f"managed-subscriptions/{scope}/nav", ines)
    (point,) = nav["points"]
    assert nav["method"] == "TWR"
    assert D(point["return"]) == (D(point["nav"]) / 10_000 - 1).quantize(D("0.00000001"))
    snapshot = get(client, f"managed-subscriptions/{scope}/allocation", ines)["snapshot"]
    assert snapshot["seed"] == detail["allocation"]["seed"]
    world.assert_sound()


def test_fifty_copies_of_one_subscription_at_once_have_one_effect(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    product, ines = world.product(), rich(client, sign_in, "ines")
    answers = in_threads(*[partial(order, client, ines, product, "1000", "one")] * 50)
    assert {answer.status_code for answer in answers} == {201}
    first = answers[0].json()
    assert all(answer.json() == first for answer in answers)
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 49
    other = order(client, ines, product, "1001", "one")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert order(client, ines, product, "1000.00", "one").status_code == 201, "the same amount"
    assert world.balance("reserved", owner_of("ines")) == 1000
    world.assert_sound()


def test_without_a_key_every_order_counts(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    product, ines = world.product(), rich(client, sign_in, "ines")
    made = {order(client, ines, product, "1000").json()["subscriptionId"] for _ in range(2)}
    assert len(made) == 2
    assert world.balance("reserved", owner_of("ines")) == 2000


def test_a_refusal_is_kept_under_its_key(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world = market(db)
    product, ines = world.product(), rich(client, sign_in, "ines", 500)
    first = order(client, ines, product, "1000", "one")
    assert (first.status_code, first.json()["code"]) == (409, "insufficient_custody")
    rich(client, sign_in, "ines", 5000)
    again = order(client, ines, product, "1000", "one")
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (409, "true")
    assert order(client, ines, product, "1000", "two").status_code == 201
    world.assert_sound()


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ("5", 422, "amount_outside_tier"),
        ("0", 422, "invalid_request"),
        ("100.000000001", 422, "excess_scale"),
    ],
)
def test_an_amount_that_the_product_does_not_take_is_refused(
    client: TestClient, db: Database, sign_in: SignIn, amount: str, status: int, code: str
) -> None:
    world = market(db)
    answer = order(client, rich(client, sign_in, "ines"), world.product(), amount)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_without_creators_there_is_nobody_to_entrust_money_to(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    answer = order(client, rich(client, sign_in, "ines"), world.product())
    assert (answer.status_code, answer.json()["code"]) == (409, "no_eligible_creator")
    unknown = order(client, sign_in("investor", "ines"), uuid4())
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_product")


def test_a_reserved_subscription_is_cancelled_and_its_principal_comes_back(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    scope = order(client, ines, world.product()).json()["subscriptionId"]
    out = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=ines)
    assert (out.status_code, out.json()["status"]) == (202, "CANCELLED")
    assert world.wallet(owner_of("ines")) == 20_000
    again = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=ines)
    assert (again.status_code, again.json()["status"]) == (202, "CANCELLED")
    assert world.wallet(owner_of("ines")) == 20_000
    kinds = [
        one["kind"] for one in get(client, f"managed-subscriptions/{scope}/trace", ines)["events"]
    ]
    assert kinds == ["subscription.reserved", "subscription.cancelled"]
    world.assert_sound()


def test_a_product_that_is_held_to_maturity_cannot_be_left_early(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    kept = order(client, ines, world.product(early_exit=False), "1000").json()["subscriptionId"]
    free = order(client, ines, world.product(early_exit=True), "1000").json()["subscriptionId"]
    world.activate()
    keyed = ines | {"Idempotency-Key": "out"}
    refused = client.post(f"{SUBSCRIPTIONS}/{kept}/withdraw", headers=keyed)
    assert (refused.status_code, refused.json()["code"]) == (409, "early_exit_not_allowed")
    again = client.post(f"{SUBSCRIPTIONS}/{kept}/withdraw", headers=keyed)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert client.post(f"{SUBSCRIPTIONS}/{free}/withdraw", headers=ines).status_code == 202
    assert (world.status(UUID(kept)), world.status(UUID(free))) == ("ACTIVE", "LIQUIDATING")


def test_a_part_is_withdrawn_by_its_owner_and_the_rest_goes_on(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    scope = order(client, ines, world.product(early_exit=True)).json()["subscriptionId"]
    path = f"{SUBSCRIPTIONS}/{scope}/withdraw"
    early = client.post(path, json={"amount": "100"}, headers=ines)
    assert (early.status_code, early.json()["code"]) == (409, "not_active")
    world.activate()
    keyed = ines | {"Idempotency-Key": "part"}
    asked = client.post(path, json={"amount": "2500.00"}, headers=keyed)
    assert asked.status_code == 202
    assert asked.json() == {
        "subscriptionId": scope,
        "status": "ACTIVE",
        "withdrawalId": asked.json()["withdrawalId"],
        "amount": "2500",
    }
    again = client.post(path, json={"amount": "2500"}, headers=keyed)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == asked.json()
    for body in ({"amount": "2501"}, None):
        other = client.post(path, json=body, headers=keyed)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    for amount, status, code in (
        ("10", 409, "closing_open"),
        ("10000", 422, "not_a_partial_withdrawal"),
        ("0", 422, "invalid_request"),
    ):
        refused = client.post(path, json={"amount": amount}, headers=ines)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    (waiting,) = get(client, f"managed-subscriptions/{scope}/withdrawals", ines)
    assert (waiting["id"], waiting["status"]) == (asked.json()["withdrawalId"], "closing")
    assert world.liquidate() == 1
    assert world.pay_parts() == 1
    (paid,) = get(client, f"managed-subscriptions/{scope}/withdrawals", sign_in("operator"))
    assert (paid["status"], paid["amount"], paid["profitShare"]) == ("paid", "2500", "0")
    assert world.wallet(owner_of("ines")) == 12_500
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert detail["performance"]["currentValue"] == "7500"
    assert detail["performance"]["profit"] == "0"
    assert detail["reservation"]["releasedAmount"] == "2500"
    custody = get(client, "participation/custody-auth", ines)
    assert (custody["inUse"], custody["available"]) == ("7500", "12500")
    whole = client.post(path, headers=ines)
    assert (whole.status_code, whole.json()) == (
        202,
        {"subscriptionId": scope, "status": "LIQUIDATING"},
    )
    world.liquidate()
    world.settle(UUID(scope))
    detail = get(client, f"managed-subscriptions/{scope}", ines)
    assert detail["performance"]["profit"] == "0"
    assert world.wallet(owner_of("ines")) == 20_000
    world.move_cash()
    world.assert_sound()


def test_anothers_subscription_is_unknown(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    scope = order(client, rich(client, sign_in, "ines"), world.product()).json()["subscriptionId"]
    jon = sign_in("investor", "jon")
    for path in ("", "/nav", "/trace", "/allocation", "/withdrawals"):
        theirs = client.get(f"{SUBSCRIPTIONS}/{scope}{path}", headers=jon)
        nobodys = client.get(f"{SUBSCRIPTIONS}/{uuid4()}{path}", headers=jon)
        assert (theirs.status_code, theirs.json()["code"]) == (404, "unknown_subscription")
        assert nobodys.json()["code"] == "unknown_subscription"
        for role in ("operator", "risk", "auditor", "admin"):
            staff = client.get(f"{SUBSCRIPTIONS}/{scope}{path}", headers=sign_in(role))
            assert staff.status_code == 200
    out = client.post(f"{SUBSCRIPTIONS}/{scope}/withdraw", headers=jon)
    assert (out.status_code, out.json()["code"]) == (404, "unknown_subscription")
    assert get(client, "managed-subscriptions", jon)["items"] == []
    assert len(get(client, "managed-subscriptions", sign_in("risk"))["items"]) == 1
    assert world.status(UUID(scope)) == "RESERVED"


def test_subscriptions_are_listed_newest_first_by_status(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines, product = rich(client, sign_in, "ines"), world.product()
    made = []
    for _ in range(5):
        made.append(order(client, ines, product, "1000").json()["subscriptionId"])
        world.advance()
    client.post(f"{SUBSCRIPTIONS}/{made[2]}/withdraw", headers=ines)
    seen: list[str] = []
    params: dict[str, Any] = {"limit": 2}
    while True:
        page = get(client, "managed-subscriptions", ines, **params)
        seen += [one["subscriptionId"] for one in page["items"]]
        if page["nextCursor"] is None:
            break
        params["cursor"] = page["nextCursor"]
    assert seen == made[::-1]
    (gone,) = get(client, "managed-subscriptions", ines, status="CANCELLED")["items"]
    assert gone["subscriptionId"] == made[2]
    bad = client.get(SUBSCRIPTIONS, params={"cursor": "WyJhIiwiYiJd"}, headers=ines)
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


def test_products_say_what_they_ask_and_what_is_expected_of_them(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    product = world.product()
    (offer,) = get(client, "managed/products", sign_in("investor"))
    assert offer["productId"] == str(product)
    assert offer["fees"] == {
        "managementFee": "0.01",
        "hurdle": "0.02",
        "profitShare": "0.2",
        "platformCut": "0.3",
        "referralRates": ["0.2", "0.1"],
        "crystalliseDays": None,
        "hurdleKind": "hard",
    }
    assert offer["expectedReturn"]["annualReturn"] == "0.12"
    assert (offer["minimum"], offer["maximum"], offer["earlyExit"]) == ("10", "1000000", False)


def change(client: TestClient, who: dict[str, str], product: UUID, **fields: str) -> Any:
    body = {
        "productId": str(product),
        "annualReturn": "0.30",
        "warningPercent": "3",
        "alertPercent": "9",
        "validFrom": "2026-01-05T02:00:00Z",
    }
    return client.put(f"{API}/managed/return-matrix", json=body | fields, headers=who)


def test_a_subscription_is_graded_against_the_matrix_it_was_made_under(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines, product = rich(client, sign_in, "ines"), world.product(days=8)
    olga, otto = sign_in("operator", "olga"), sign_in("operator", "otto")
    before = order(client, ines, product, "5000").json()["subscriptionId"]
    asked = change(client, olga, product)
    own = client.post(f"{API}/approvals/{asked.json()['approvalId']}/approve", headers=olga)
    assert (own.status_code, own.json()["code"]) == (409, "same_person")
    (cell,) = get(client, "managed/return-matrix", ines, at="2026-01-06T00:00:00Z")
    assert cell["annualReturn"] == "0.12", "nothing changes until it is approved"
    approve(client, otto, asked)
    (now,) = get(client, "managed/return-matrix", ines)
    (later,) = get(client, "managed/return-matrix", ines, at="2026-01-06T00:00:00Z")
    assert (now["annualReturn"], later["annualReturn"]) == ("0.12", "0.3")
    assert (later["warningPercent"], later["alertPercent"]) == ("3", "9")
    world.advance(2)
    after = order(client, ines, product, "5000").json()["subscriptionId"]
    world.activate()
    world.advance(24 * 8).mature()
    for scope in (before, after):
        world.ask(UUID(scope))
    world.liquidate()
    world.settle(UUID(before), UUID(after))
    world.move_cash()
    gains = dict(world.rows("SELECT subscription_id::text, expected_gain FROM settlements"))
    for scope, rate in ((before, D("0.12")), (after, D("0.30"))):
        assert gains[scope] == (5000 * rate * 8 / 365).quantize(D("0.00000001"))
        shown = get(client, f"managed-subscriptions/{scope}", ines)["performance"]
        assert D(shown["expectedGain"]) == gains[scope]
    world.assert_sound()


def test_a_change_that_is_approved_late_holds_from_the_approval_on(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    product = world.product()
    asked = change(client, sign_in("operator", "olga"), product)
    world.advance(5)
    done = approve(client, sign_in("operator", "otto"), asked)
    assert done["outcome"]["validFrom"].startswith("2026-01-05T05:00:00")
    (cell,) = get(client, "managed/return-matrix", sign_in("investor"), at="2026-01-05T04:00:00Z")
    assert cell["annualReturn"] == "0.12"
    rules = world.one("SELECT rule_version FROM audit_events WHERE kind = 'matrix.changed'")
    assert rules == "managed/1"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"validFrom": "2026-01-04T23:59:59Z"}, 422, "valid_from_past"),
        ({"warningPercent": "10"}, 422, "thresholds_out_of_order"),
        ({"annualReturn": "-2"}, 422, "invalid_request"),
        ({"productId": "00000000-0000-8000-8000-000000000000"}, 404, "unknown_product"),
    ],
)
def test_a_matrix_that_makes_no_sense_is_refused(
    client: TestClient,
    db: Database,
    sign_in: SignIn,
    fields: dict[str, str],
    status: int,
    code: str,
) -> None:
    world = World(db)
    answer = change(client, sign_in("operator"), world.product(), **fields)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_batch_liquidates_what_matured_and_settles_what_is_liquidated(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = market(db)
    ines = rich(client, sign_in, "ines")
    short, long = world.product(days=3), world.product(days=30)
    over = order(client, ines, short, "1000").json()["subscriptionId"]
    flat = order(client, ines, short, "1000").json()["subscriptionId"]
    running = order(client, ines, long, "1000").json()["subscriptionId"]
    world.activate()
    world.advance(72).mature()
    world.ask(UUID(flat))
    world.liquidate()
    olga, otto = sign_in("operator", "olga"), sign_in("operator", "otto")
    everything = client.post(f"{API}/managed-settlement/run", headers=olga)
    assert world.status(UUID(over)) == "MATURED", "asked for is not done"
    done = approve(client, otto, everything)
    assert done["outcome"]["states"] == {over: "LIQUIDATING", flat: "SETTLED"}
    listed = client.post(
        f"{API}/managed-settlement/run",
        json={"subscriptionIds": [over, flat, running]},
        headers=olga,
    )
    world.advance().liquidate()
    done = approve(client, otto, listed)
    assert done["outcome"]["states"] == {over: "SETTLED", flat: "SETTLED", running: "ACTIVE"}
    doors = world.rows("SELECT trigger FROM closings WHERE id = %s", over)
    assert doors == [("operator",)]
    events = world.rows(
        "SELECT e.actor, e.rule_version, a.kind FROM audit_events e JOIN approvals a"
        " ON a.correlation_id = e.correlation_id WHERE e.kind = 'settlement.batch'"
    )
    otto_id = ids.derive("test-user", "operator", "otto")
    assert events == [(f"operator:{otto_id}", "managed/1", "managed.settle_batch")] * 2
    world.move_cash()
    world.assert_sound()


def test_only_an_operator_may_ask_for_a_batch_or_a_matrix(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    product = world.product()
    run = f"{API}/managed-settlement/run"
    for role in ("investor", "creator", "risk", "auditor", "admin"):
        assert client.post(run, headers=sign_in(role)).status_code == 403
        assert change(client, sign_in(role), product).status_code == 403
    unproven = sign_in("operator", second_factor=False)
    answer = client.post(run, headers=unproven)
    assert (answer.status_code, answer.json()["code"]) == (403, "second_factor_required")
    unknown = client.post(
        run, json={"subscriptionIds": [str(uuid4())]}, headers=sign_in("operator")
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_subscription")


def test_a_tier_is_told_by_its_term_and_profile(
    client: TestClient, db: Database, sign_in: SignIn
) -> None:
    world = World(db)
    with db.transaction() as tx:
        for days, rate in ((90, "0.10"), (30, "0.08")):
            offer = Offer(
                ids.derive("gold", days),
                Profile.AGGRESSIVE,
                days,
                "gold",
                ASSET,
                D(100),
                D(1000),
                True,
                TERMS,
                ExpectedReturn(D(rate), D(2), D(5)),
                world.now,
            )
            publish_offer(tx, offer)
    cells = get(client, "managed/return-matrix", sign_in("creator"))
    assert [(one["profile"], one["termDays"], one["annualReturn"]) for one in cells] == [
        ("aggressive", 30, "0.08"),
        ("aggressive", 90, "0.1"),
    ]
