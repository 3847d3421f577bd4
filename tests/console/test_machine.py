"""What two of the staff do with the machine in the console: let an ability act, and read, decide
again, accept and take back what it decided. A real server over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from browsing import visiting
from commenda.automation import RULES, ability_named, run_ability
from commenda.identity import Role, create_user, prepare_password
from commenda.kit.db import Database
from commenda.ledger import Author
from console.test_operators import (
    CHINESE,
    ENGLISH,
    OLGA,
    OTTO,
    PASSWORD,
    House,
    Words,
    decide,
    fill,
    press,
    serving,
    window,
)
from portfolio_desk import Desk


@dataclass(frozen=True)
class Says:
    words: Words
    ability: str
    recommends: str
    acts: str
    change: str
    far: str
    replay: str
    same: str
    accept: str
    done: str
    undo: str
    undone: str
    export: str


SAID = (
    Says(
        ENGLISH,
        ability="Rebalance portfolios",
        recommends="Recommends",
        acts="Acts",
        change="Change",
        far="Far from its weights",
        replay="Decide again",
        same="it comes to the same",
        accept="Accept",
        done="Done",
        undo="Take back",
        undone="Taken back",
        export="Export",
    ),
    Says(
        CHINESE,
        ability="组合再平衡",
        recommends="仅建议",
        acts="自动执行",
        change="更改",
        far="偏离权重",
        replay="重新决策",
        same="结果相同",
        accept="采纳",
        done="已执行",
        undo="撤销",
        undone="已撤销",
        export="导出",
    ),
)


@pytest.fixture
def house(built: Path, browser: Browser, db: Database) -> Iterator[House]:
    """A portfolio a fifth from its weights, about which the machine has just decided."""
    desk = Desk(db)
    desk.found(automatic=True)
    desk.world.advance()
    desk.signal("1", "1")
    desk.world.advance(6)
    with db.transaction() as tx:
        desk.mark(tx)
        for name in (OLGA, OTTO):
            hashed = prepare_password(PASSWORD, name)
            create_user(tx, name, hashed, Role.OPERATOR, desk.world.now, actor="test")
    author = Author("operation", RULES, desk.world.now)
    assert len(run_ability(db, author, ability_named("rebalance"))) == 1
    with serving(db) as address, visiting(browser, address) as visit:
        yield House(desk.world, visit)


def ability(page: Page, name: str) -> Locator:
    """The card of an ability, whose heading begins with its mode."""
    return page.locator("section", has=page.get_by_role("heading", name=name))


@pytest.mark.parametrize("says", SAID, ids=lambda says: says.words.locale)
def test_an_ability_is_let_act_and_its_decision_is_read_accepted_and_taken_back(
    house: House, says: Says
) -> None:
    locale = says.words.locale
    olga, otto = house.sign_in(OLGA, locale), house.sign_in(OTTO, locale)
    olga.goto("/abilities")
    expect(ability(olga, says.ability)).to_contain_text(says.recommends)
    ability(olga, says.ability).get_by_role("button", name=says.change, exact=True).click()
    window(olga).locator("select").select_option("acting")
    fill(olga, "reason", "It has earned it")
    window(olga).locator("[type=submit]").click()
    expect(window(olga).get_by_role("status")).to_be_visible()
    decide(otto, says.words, says.acts)
    olga.reload()
    expect(ability(olga, says.ability)).to_contain_text(says.acts)

    olga.goto("/decisions?ability=rebalance&state=recommended")
    with olga.expect_download() as kept:
        press(olga, says.export)
    assert kept.value.suggested_filename == "decisions.ndjson"
    expect(olga.locator("main table")).to_contain_text(says.far)
    olga.locator("main table a").first.click()
    olga.wait_for_url("**/decisions/*")
    expect(olga.locator("main")).to_contain_text("turnover")
    press(olga, says.replay)
    press(olga, says.replay)
    expect(window(olga).get_by_role("status")).to_contain_text(says.same)
    olga.keyboard.press("Escape")
    press(olga, says.accept)
    press(olga, says.accept)
    expect(olga.locator("header", has=olga.get_by_role("heading", level=1))).to_contain_text(
        says.done
    )
    press(olga, says.undo)
    fill(olga, "reason", "As it was")
    window(olga).locator("[type=submit]").click()
    expect(olga.locator("header", has=olga.get_by_role("heading", level=1))).to_contain_text(
        says.undone
    )
    assert house.world.one("SELECT state FROM decisions") == "undone"
    house.world.assert_sound()
