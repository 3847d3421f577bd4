"""A portfolio: one book over several flows, rebalanced by plan, rolled back, closed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest

from commenda.audit import run_checks
from commenda.books import close_due, pay_out_due
from commenda.copying import planned
from commenda.kit.db import Database
from commenda.kit.errors import CommendaError
from commenda.portfolios import (
    CHECKS,
    PORTFOLIOS,
    Portfolio,
    PortfolioChange,
    PortfolioDraft,
    PortfolioRules,
    RebalancePlan,
    change_portfolio,
    found_portfolio,
    portfolio_of,
    rebalance,
    rebalances_of,
    request_close,
    watch_drift,
)
from commenda.risk import LimitOrder, limits_in_force, tighten
from commenda.risk.held import readings
from portfolio_desk import Desk
from scripted import D


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def weights(one: RebalancePlan | Portfolio) -> list[Decimal]:
    rows = one.moves if isinstance(one, RebalancePlan) else one.parts
    return [row.weight for row in rows]


def refused(act: Any) -> str:
    with pytest.raises(CommendaError) as error:
        act()
    return error.value.code


def test_a_portfolio_is_founded_divided_and_keeps_its_cash(desk: Desk) -> None:
    portfolio = desk.found(total=0.8)
    found = desk.shown(portfolio)
    # 10,000: 4,000 for each of two flows, and 2,000 kept.
    assert [(one.title, one.equity) for one in found.parts] == [
        ("anna", D(4_000)), ("bert", D(4_000)), (None, D(2_000)),
    ]  # fmt: skip
    assert (found.status, found.equity, found.paid_in, found.rebalances) == (
        "active", D(10_000), D(10_000), 1,
    )  # fmt: skip
    assert desk.world.wallet(desk.owner) == D(2_000)
    desk.world.advance()
    desk.signal("1", "-0.5")
    assert desk.held(portfolio) == [D(40), D(-40)]
    desk.world.assert_sound()


def test_a_rebalance_moves_cash_between_flows_and_their_next_signals_trade_for_it(
    desk: Desk,
) -> None:
    portfolio = desk.found()
    desk.world.advance()
    desk.signal("1", "1")
    assert desk.held(portfolio) == [D(50), D(100)]
    desk.world.advance(6)
    # Worth 5,500 and 4,500 now; half of 10,000 each is 500 from the one to the other.
    drifted = desk.shown(portfolio)
    assert weights(drifted) == [D("0.55"), D("0.45"), D(0)]
    assert drifted.drift == D("0.05")
    done = desk.rebalance(portfolio)
    assert [(one.moved, one.trade, one.why) for one in done.moves] == [
        (D(-500), D(-500), "target"), (D(500), D(500), "target"), (D(0), D(0), "kept"),
    ]  # fmt: skip
    assert (done.number, done.cause, done.turnover) == (2, "rebalance", D("0.1"))
    assert desk.shown(portfolio).drift == 0
    # The flows are asked to repeat their targets, and whoever stands there is left alone.
    waiting = "SELECT pending_target FROM shared_flows ORDER BY title"
    assert desk.world.rows(waiting) == [(D(1),), (D(1),)]
    desk.signal("1", "1")
    # 5,000 at 110 and at 45, in lots of 0.001.
    assert desk.held(portfolio) == [D("45.454"), D("111.111")]
    desk.world.move_cash()
    assert sum(desk.world.unexplained().values()) == 0
    desk.world.assert_sound()


def test_a_dry_run_says_the_same_and_does_nothing(desk: Desk) -> None:
    portfolio = desk.found()
    desk.world.advance()
    desk.signal("1", "1")
    desk.world.advance(6)
    said = desk.rebalance(portfolio, dry_run=True)
    assert said.number is None
    assert desk.shown(portfolio).rebalances == 1
    done = desk.rebalance(portfolio)
    assert said.moves == done.moves


def test_weights_move_by_steps_and_not_within_the_band(desk: Desk) -> None:
    portfolio = desk.found(step=0.02)
    desk.world.advance()
    desk.signal("1", "1")
    desk.world.advance(6)
    eased = desk.rebalance(portfolio)
    assert weights(eased)[:2] == [D("0.53"), D("0.47")]
    assert [one.why for one in eased.moves] == ["eased", "eased", "kept"]
    with desk.db.transaction() as tx:
        change = PortfolioChange(rules=PortfolioRules(method="equal", band=0.1))
        change_portfolio(tx, desk.world.author, portfolio, desk.owner.id, change)
    kept = desk.rebalance(portfolio)
    assert [one.why for one in kept.moves] == ["kept"] * 3
    assert (kept.rules_version, kept.turnover) == (2, 0)
    desk.world.assert_sound()


def test_a_rollback_goes_back_to_the_weights_of_an_earlier_rebalance(desk: Desk) -> None:
    portfolio = desk.found(total=0.6)
    with desk.db.transaction() as tx:
        change = PortfolioChange(rules=PortfolioRules(method="equal"))
        change_portfolio(tx, desk.world.author, portfolio, desk.owner.id, change)
    assert weights(desk.rebalance(portfolio)) == [D("0.5"), D("0.5"), D(0)]
    back = desk.rebalance(portfolio, back_to=1)
    assert weights(back) == [D("0.3"), D("0.3"), D("0.4")]
    assert (back.cause, back.back_to, back.number) == ("rollback", 1, 3)
    with desk.db.transaction() as tx:
        told = rebalances_of(tx, portfolio, None, 10)
        assert [(one.number, one.cause) for one in told] == [
            (3, "rollback"), (2, "rebalance"), (1, "founding"),
        ]  # fmt: skip
        assert told[0] == back
        assert [one.number for one in rebalances_of(tx, portfolio, 3, 1)] == [2]
    assert refused(lambda: desk.rebalance(portfolio, back_to=9)) == "unknown_rebalance"
    desk.world.assert_sound()


def test_a_leg_keeps_the_margin_of_what_it_holds_until_that_is_traded(desk: Desk) -> None:
    portfolio = desk.found()
    desk.world.advance()
    desk.signal("1", "1")
    with desk.db.transaction() as tx:
        rules = PortfolioRules(method="equal", cap=1, floor=0, total=0.001)
        change = PortfolioChange(rules=rules)
        change_portfolio(tx, desk.world.author, portfolio, desk.owner.id, change)
    done = desk.rebalance(portfolio)
    # 5 each are wanted; positions of 5,000 need a tenth of that as margin.
    assert [one.weight for one in done.moves] == [D("0.05"), D("0.05"), D("0.9")]
    desk.signal("1", "1")
    again = desk.rebalance(portfolio)
    assert [one.weight for one in again.moves] == [D("0.005"), D("0.005"), D("0.99")]
    desk.world.assert_sound()


def test_a_closed_portfolio_pays_its_owner_all_that_it_was_worth(desk: Desk) -> None:
    portfolio = desk.found(total=0.8)
    desk.world.advance()
    desk.signal("1", "1")
    desk.world.advance(6)
    with desk.db.transaction() as tx:
        assert request_close(tx, desk.world.author, portfolio, desk.owner.id)
        assert not request_close(tx, desk.world.author, portfolio, desk.owner.id)
    assert desk.shown(portfolio).status == "closing"
    assert refused(lambda: desk.rebalance(portfolio)) == "portfolio_closing"
    assert close_due(desk.db, desk.world.broker, desk.world.author, [PORTFOLIOS], planned) == 1
    with desk.db.transaction() as tx:
        assert pay_out_due(tx, PORTFOLIOS, desk.world.now) == 1
    desk.world.move_cash()
    # 40 · 10 won and 80 · 5 lost.
    assert desk.world.wallet(desk.owner) == D(12_000)
    assert desk.shown(portfolio).status == "closed"
    assert sum(desk.world.unexplained().values()) == 0
    desk.world.assert_sound()


def test_a_portfolio_that_is_being_traded_is_not_divided(desk: Desk) -> None:
    portfolio = desk.found()
    desk.world.advance()
    signal = desk.world.publish(desk.flow(0), "1")
    with desk.db.transaction() as tx:
        desk.mark(tx)
    from commenda.copying.actions import plan

    with desk.db.transaction() as tx:
        plan(tx, desk.world.broker, signal, desk.world.now)
    assert refused(lambda: desk.rebalance(portfolio)) == "portfolio_trading"
    desk.world.copy(signal)
    desk.rebalance(portfolio)


def test_what_cannot_be_founded_leaves_the_wallet_as_it_was(desk: Desk) -> None:
    def found(**given: Any) -> None:
        body = {"name": "x", "flows": [one.id for one in desk.flows], "amount": "100"} | given
        draft = PortfolioDraft.model_validate({"rules": {"method": "equal"}} | body)
        with desk.db.transaction() as tx:
            found_portfolio(tx, desk.world.author, desk.owner, draft, "k")

    twice = [desk.flow(0).id] * 2
    assert refused(lambda: found(flows=twice)) == "duplicate_flow"
    assert refused(lambda: found(flows=[desk.owner.id])) == "unknown_flow"
    assert refused(lambda: found(amount="0")) == "not_positive"
    assert refused(lambda: found(amount="12001")) == "insufficient_balance"
    budgets = {"budgets": {str(desk.owner.id): 1}}
    assert refused(lambda: found(rules=budgets)) == "unknown_budget"
    # There is no record of the flows yet.
    assert refused(lambda: found(rules={"method": "risk_budget"})) == "short_record"
    desk.world.execute("UPDATE shared_flows SET status = 'paused' WHERE id = %s", desk.flow(1).id)
    assert refused(found) == "flow_not_active"
    desk.world.execute(
        "UPDATE shared_flows SET status = 'active', venue = 'paper:second' WHERE id = %s",
        desk.flow(1).id,
    )
    assert refused(found) == "venues_differ"
    assert desk.world.wallet(desk.owner) == D(12_000)


def test_a_flow_counts_a_portfolio_among_the_followers_it_takes(desk: Desk) -> None:
    desk.world.execute("UPDATE shared_flows SET max_followers = 1 WHERE id = %s", desk.flow(1).id)
    desk.found()
    assert refused(desk.found) == "flow_is_full"


def test_anothers_portfolio_is_unknown(desk: Desk) -> None:
    portfolio = desk.found()
    other = desk.world.investor("otto", 10)
    with desk.db.transaction() as tx:
        for act in (
            lambda: rebalance(tx, desk.world.author, portfolio, other.id, reason="x"),
            lambda: request_close(tx, desk.world.author, portfolio, other.id),
            lambda: portfolio_of(tx, portfolio, other.id, desk.world.now),
            lambda: change_portfolio(
                tx, desk.world.author, portfolio, other.id, PortfolioChange(name="mine")
            ),
        ):
            assert refused(act) == "unknown_portfolio"


def test_the_staff_is_told_of_a_portfolio_far_from_its_weights_until_it_is_not(desk: Desk) -> None:
    portfolio = desk.found()
    desk.world.advance()
    desk.signal("5", "5")
    desk.world.advance(6)
    # Half as much again in the one, half lost in the other: 7,500 and 2,500.
    assert desk.shown(portfolio).drift == D("0.25")

    def watch() -> list[UUID]:
        with desk.db.transaction() as tx:
            return watch_drift(tx, desk.world.author)

    opened = "SELECT subject, closed_at IS NULL FROM alerts WHERE kind = 'alert.portfolio_drifted'"
    assert watch() == watch() == [portfolio]
    assert desk.world.rows(opened) == [(str(portfolio), True)]
    with desk.db.transaction() as tx:
        change = PortfolioChange(rules=PortfolioRules(method="equal", total=0.9))
        change_portfolio(tx, desk.world.author, portfolio, desk.owner.id, change)
    desk.rebalance(portfolio)
    assert watch() == []
    assert desk.world.rows(opened) == [(str(portfolio), False)]


def test_a_move_that_was_not_posted_is_found(desk: Desk) -> None:
    desk.found()

    def broken(*statements: LiteralString) -> set[str]:
        """The rules that do not hold after the owner of the tables has written into them."""
        with psycopg.connect(desk.db.owner_url) as owner:
            for statement in statements:
                owner.execute(statement)
        with desk.db.transaction() as tx:
            return {one.rule for one in run_checks(tx, CHECKS)}

    assert broken() == set()
    more = "UPDATE portfolio_moves SET moved = moved + 1 WHERE moved < 0"
    assert broken(more) == {CHECKS[0].rule, CHECKS[1].rule}
    back = "UPDATE portfolio_moves SET moved = moved - 1 WHERE moved < 0"
    second = "UPDATE portfolio_rebalances SET number = 2"
    assert broken(back, second) == {CHECKS[1].rule, CHECKS[2].rule}
    another = "UPDATE portfolios SET owner_id = (SELECT id FROM users WHERE id <> owner_id LIMIT 1)"
    assert CHECKS[3].rule in broken(another)


def test_a_rebalance_is_no_loss_and_hides_none(desk: Desk) -> None:
    """Bert's flow loses a tenth of his 10,000 and of the portfolio's 5,000; then 500 come to it
    from anna's, which has gained as much: 1,500 are lost of 15,500. The portfolio has lost none."""
    portfolio = desk.found()
    desk.signal("1", "1")
    desk.world.value_books()
    for measure in ("daily_loss", "drawdown"):
        for level, subject in (("flow", "*"), ("scope", str(portfolio))):
            order = LimitOrder.model_validate(
                {"level": level, "subject": subject, "measure": measure, "amount": "0.9"}
                | {"effect": "no_entries", "reason": "a test"}
            )
            with desk.db.transaction() as tx:
                tighten(tx, desk.world.author, order)

    def lost() -> list[Any]:
        with desk.db.transaction() as tx:
            desk.mark(tx)
            found = readings(tx, limits_in_force(tx), desk.world.now)
        return [(one.key, one.value) for one in found if one.value]

    desk.world.advance(5)
    bert = str(desk.flow(1).id)
    assert lost() == [(bert, D("0.1"))] * 2
    desk.rebalance(portfolio)
    assert lost() == [(bert, D("0.096774193548"))] * 2
    desk.world.value_books()
    desk.rebalance(portfolio)
    assert lost() == [(bert, D("0.096774193548"))], "of the day nothing is lost; from its best is"


def test_rules_with_a_budget_of_no_flow_of_it_are_refused_whenever_they_are_given(
    desk: Desk,
) -> None:
    portfolio = desk.found()
    other = desk.world.creator("cora").id
    rules = PortfolioRules.model_validate({"method": "risk_budget", "budgets": {str(other): 1}})
    with desk.db.transaction() as tx, pytest.raises(CommendaError) as error:
        change_portfolio(
            tx, desk.world.author, portfolio, desk.owner.id, PortfolioChange(rules=rules)
        )
    assert error.value.code == "unknown_budget"
