"""What a client's key was answered with is there: `verify` looks for it in the books."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from commenda.audit import run_checks
from commenda.kit.db import Database
from commenda.operations.checks import CHECKS
from people import user_of
from world import World

SignIn = Callable[..., dict[str, str]]

MADE_FROM = {
    "funding": "funding_requests",
    "custody-auth": "custody_authorisations",
    "subscribe": "managed_subscriptions",
    "withdraw": "managed_subscriptions",
    "pool-subscribe": "pool_holdings",
    "pool-redeem": "pool_holdings",
    "return-matrix": "approvals",
    "settlement-run": "approvals",
    "pool-product": "approvals",
    "pool-rate": "approvals",
    "pool-close": "approvals",
    "reversal": "approvals",
    "close-period": "approvals",
    "approve": "approval_votes",
    "cancel-funding": "funding_requests",
    "reject": "approvals",
    "co-trading.flow": "shared_flows",
    "co-trading.subscribe": "flow_subscriptions",
    "hold": "holds",
    "void-hold": "holds",
}


@pytest.fixture
def answered(client: TestClient, db: Database, sign_in: SignIn) -> World:
    """A business in which every operation that is answered once was asked for, with a key."""
    world = World(db)
    flows = [world.creator(name) for name in "abcdef"]
    product = world.product(early_exit=True)
    people = {role: sign_in(role) for role in ("investor", "operator", "risk", "creator")}

    def ask(who: str, path: str, body: dict[str, Any] | None = None, method: str = "POST") -> Any:
        headers = people[who] | {"Idempotency-Key": f"{who} {path}"}
        answer = client.request(method, f"/api/v1/{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    for who in ("investor", "creator"):
        ask(who, "participation/funding", {"amount": "20000"})
    ask("investor", "participation/custody-auth", {"limit": "5000"})
    made = ask("investor", "managed-subscriptions", {"productId": str(product), "amount": "1000"})
    ask("investor", f"managed-subscriptions/{made['subscriptionId']}/withdraw")
    ask(
        "investor",
        "co-trading/subscribe",
        {"flowId": str(flows[0].id), "investmentAmount": "1000"},
    )
    ask(
        "creator",
        "co-trading/flows",
        {"title": "mine", "strategy": "ema_trend", "symbol": "AAAUSDT", "investmentAmount": "500"},
    )
    batch = ask("operator", "managed-settlement/run", {})
    matrix = ask(
        "operator",
        "managed/return-matrix",
        {
            "productId": str(product),
            "annualReturn": "0.1",
            "warningPercent": "2",
            "alertPercent": "5",
            "validFrom": world.now.isoformat(),
        },
        "PUT",
    )
    ask("risk", f"approvals/{batch['approvalId']}/approve")
    ask("risk", f"approvals/{matrix['approvalId']}/reject", {"reason": "no"})
    pool = {
        "name": "Savings",
        "type": "flexible",
        "cadence": "daily",
        "totalQuota": "1000",
        "minimum": "10",
        "dailyRate": "0.0002",
    }
    asked = ask("operator", "pools/products", pool)
    ask("risk", f"approvals/{asked['approvalId']}/approve")
    pool_id = world.one("SELECT id FROM pool_products")
    held = ask("investor", f"pools/products/{pool_id}/subscribe", {"amount": "100"})
    ask("investor", f"pools/holdings/{held['id']}/redeem")
    rate = {"fromDay": "2026-03-01", "dailyRate": "0.0001"}
    ask("operator", f"pools/products/{pool_id}/rates", rate)
    ask("operator", f"pools/products/{pool_id}/close")
    ask("operator", "ledger/journals/1/reversal", {"reason": "in error"})
    ask("operator", "ledger/periods", {"until": world.now.isoformat()})
    frozen = {"userId": str(user_of("investor")), "amount": "10", "reason": "dispute"}
    group = ask("risk", "ledger/holds", frozen)["group"]
    ask("operator", f"ledger/holds/{group}/void")
    out = {"direction": "withdrawal", "amount": "5", "address": "DE1-IBAN"}
    waits = ask("investor", "participation/funding?again", out)
    ask("investor", f"participation/funding/{waits['id']}/cancel")
    return world


def test_whatever_is_answered_once_is_found_again(answered: World) -> None:
    assert set(answered.column("SELECT DISTINCT operation FROM idempotency")) == set(MADE_FROM)
    answered.assert_sound()


def test_an_answer_that_names_nothing_is_found(answered: World) -> None:
    with psycopg.connect(answered.database.owner_url) as owner:
        assert list(run_checks(owner, CHECKS)) == []
        for table in set(MADE_FROM.values()):
            owner.execute(f"ALTER TABLE {table} RENAME TO was_{table}")
            owner.execute(f"CREATE TABLE {table} AS SELECT * FROM was_{table} WHERE false")
        found = [finding.subject.split(" ")[0] for finding in run_checks(owner, CHECKS)]
        owner.rollback()
    kept = answered.column("SELECT operation FROM idempotency")
    assert sorted(found) == sorted(kept)


def test_what_belongs_to_somebody_else_was_not_answered_to_this_one(answered: World) -> None:
    with psycopg.connect(answered.database.owner_url) as owner:
        owner.execute("UPDATE idempotency SET principal = gen_random_uuid()::text")
        found = [finding.subject.split(" ")[0] for finding in run_checks(owner, CHECKS)]
        owner.rollback()
    assert set(found) == set(MADE_FROM)


def test_a_refusal_names_nothing(client: TestClient, db: Database, sign_in: SignIn) -> None:
    world = World(db)
    product = world.product()
    who = sign_in("investor") | {"Idempotency-Key": "one"}
    for path, body in (
        ("participation/funding", {"direction": "withdrawal", "amount": "10"}),
        ("managed-subscriptions", {"productId": str(product), "amount": "100"}),
    ):
        assert client.post(f"/api/v1/{path}", json=body, headers=who).status_code == 409
    assert world.one("SELECT count(*) FROM idempotency WHERE outcome IS NOT NULL") == 2
    world.assert_sound()
