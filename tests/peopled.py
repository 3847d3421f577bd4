"""`commenda`, with as many investors in its demo as COMMENDA_TEST_PEOPLE says, over so many days:
"1000 6"."""

from __future__ import annotations

import os
from dataclasses import replace

import commenda.demo
from commenda.demo import founding
from commenda.simulate import Scenario

found_scenario = founding.demo_scenario


def peopled() -> Scenario:
    count, days = map(int, os.environ["COMMENDA_TEST_PEOPLE"].split())
    scenario = found_scenario()
    people = replace(scenario.investors, count=count, arrival_days=days)
    return replace(scenario, investors=people)


if __name__ == "__main__":
    founding.demo_scenario = commenda.demo.demo_scenario = peopled
    from commenda.cli import main

    main()
