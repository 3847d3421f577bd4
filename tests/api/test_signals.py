"""Signals and their executions over HTTP, in the specification's shapes."""

from __future__ import annotations

from uuid import UUID

from co_trading import (
    API,
    Market,
    code_of,
    market,  # noqa: F401 - a fixture
)
from commenda.copying import find_flow
from scripted import D


def test_signals_have_the_specifications_shape_and_add_up(market: Market) -> None:
    people = [market.person("investor", name) for name in ("ines", "otto", "paul")]
    for who, amount in zip(people, ("1000", "2000", "50"), strict=True):
        assert market.subscribe(who, amount).status_code == 201
    market.world.move_cash()
    first = market.signal("0.5")
    market.world.advance()
    with market.world.database.transaction() as tx:
        flow = find_flow(tx, UUID(market.flow_id))
    pending = market.world.publish(flow, "-0.25")
    newest, oldest = market.get(people[0], f"signals/{market.flow_id}")["items"]
    assert set(oldest) == {  # 001-03
        *("signalId", "flowId", "creatorId", "creatorVaultAddress", "signalType", "signalData"),
        *("executionStatus", "nodeId", "nodeType", "createdAt", "processedAt"),
        "stop",
    }
    assert oldest["stop"] is None, "no stop made it"
    assert oldest["signalId"] == str(first)
    assert oldest["signalData"] == {
        "fromToken": "USDT",
        "toToken": "AAA",
        "amountInPercentage": "50",
        "amountInHumanReadable": "5 AAA",
        "slippageTolerance": "0.01",
        "chainType": None,
    }
    assert (oldest["signalType"], newest["signalType"]) == ("buy", "sell")
    assert oldest["executionStatus"] == {
        "total": 4,
        "executed": 4,
        "failed": 0,
        "pending": 0,
        "skipped": 0,
    }
    assert newest["signalId"] == str(pending)
    assert (newest["processedAt"], newest["executionStatus"]["total"]) == (None, 0)
    (limited,) = market.get(people[0], f"signals/{market.flow_id}", limit=1)["items"]
    assert limited == newest


def test_counts_of_a_signal_are_the_same_before_and_after_they_are_kept(market: Market) -> None:
    people = [market.person("investor", name) for name in ("ines", "otto", "paul")]
    for who, amount in zip(people, ("1000", "2000", "50"), strict=True):
        market.subscribe(who, amount)
    market.world.move_cash()
    for target, refusal, missing in (
        ("0.5", None, 0),
        ("0.5004", None, 0),
        ("0", "closed", 0),
        ("0", None, 1),
    ):
        market.world.script.refusal = refusal
        market.world.script.share_of = lambda order, _, less=missing: [
            (order.quantity - less, D(100))
        ]
        market.signal(target)
        market.world.advance()
    kept = market.get(market.anna, f"signals/{market.flow_id}")
    market.world.execute(
        "UPDATE trading_signals SET executions_total = NULL,"
        " executions_executed = NULL, executions_failed = NULL,"
        " executions_skipped = NULL"
    )
    assert market.get(market.anna, f"signals/{market.flow_id}") == kept
    counts = [one["executionStatus"] for one in kept["items"]]
    outcomes = ("executed", "failed", "skipped")
    assert [tuple(one[name] for name in outcomes) for one in reversed(counts)] == [
        (4, 0, 0),
        (0, 0, 4),
        (0, 4, 0),
        (4, 0, 0),
    ]
    assert [one["total"] for one in counts] == [4] * 4
    assert [one["pending"] for one in counts] == [0] * 4
    assert market.world.one("SELECT count(*) FROM signal_executions WHERE status = 'partial'") > 0


def test_executions_are_ones_own_and_all_for_the_creator(market: Market) -> None:
    ines, otto = market.person("investor", "ines"), market.person("investor", "otto")
    mine = market.subscribe(ines).json()["subscriptionId"]
    market.subscribe(otto, "3000")
    market.world.move_cash()
    signal = market.signal("0.5")
    (one,) = market.get(ines, f"executions/{signal}")["items"]
    assert set(one) == {  # 001-04
        *("executionId", "signalId", "subscriptionId", "followerId", "followerVaultAddress"),
        *("status", "executedAmount", "executedPrice", "gasCost", "slippage", "txHash"),
        *("blockNumber", "error", "createdAt", "executedAt", "completedAt"),
        *("wanted", "limitId"),  # ours: what a limit of risk left less of
    }
    assert (one["subscriptionId"], one["status"]) == (mine, "completed")
    assert (one["executedAmount"], one["executedPrice"], one["gasCost"]) == ("5", "100", "0.25")
    assert (one["blockNumber"], one["error"]) == (None, None)
    order = market.world.one("SELECT id FROM orders")
    assert one["txHash"] == str(order), "the venue's order, never an invented hash"
    everything = market.get(market.anna, f"executions/{signal}")
    assert everything["total"] == 3
    assert one in everything["items"]
    assert len({each["executionId"] for each in everything["items"]}) == 3
    second = market.get(market.anna, f"executions/{signal}", page=2, limit=2)
    assert (len(second["items"]), second["total"]) == (1, 3)


def test_signals_are_for_followers_until_they_leave(market: Market) -> None:
    ines, otto = market.person("investor", "ines"), market.person("investor", "otto")
    copy = market.subscribe(ines).json()["subscriptionId"]
    market.world.move_cash()
    seen = market.signal("0.5")
    market.world.advance()
    market.client.delete(f"{API}/subscriptions/{copy}", headers=ines)
    market.world.close_copies()
    market.world.advance()
    unseen = market.signal("0")
    signals = market.get(ines, f"signals/{market.flow_id}")["items"]
    assert [one["signalId"] for one in signals] == [str(seen)]
    assert market.get(ines, f"executions/{seen}")["total"] == 1
    for who, path, code in (
        (ines, f"executions/{unseen}", "unknown_signal"),
        (otto, f"executions/{seen}", "unknown_signal"),
        (otto, f"signals/{UUID(int=0)}", "unknown_flow"),
    ):
        assert code_of(market.client.get(f"{API}/{path}", headers=who), 404) == code
    assert market.get(otto, f"signals/{market.flow_id}")["items"] == []
    for role in ("operator", "risk", "auditor"):
        staff = market.sign_in(role)
        shown = market.get(staff, f"signals/{market.flow_id}")["items"]
        assert [one["signalId"] for one in shown] == [str(unseen), str(seen)]
        assert market.get(staff, f"executions/{seen}")["total"] == 2
