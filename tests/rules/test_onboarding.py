"""What each stage of a new strategy asks for."""

from __future__ import annotations

from typing import Any

import pytest

from commenda.automation.onboarding import OnboardTerms, decide, missing

TERMS = OnboardTerms()
SHOWN: dict[str, Any] = {
    "stage": "shadow",
    "version": "1",
    "flowId": "f",
    "days": 14.0,
    "trades": 10,
    "drawdown": 0.2,
    "distance": 0.02,
    "copies": 1,
    "copyDistance": 0.01,
}


def test_what_has_shown_all_of_it_goes_on_by_one_stage() -> None:
    for stage, following in (("paper", "shadow"), ("shadow", "canary"), ("canary", "full")):
        found = decide(SHOWN | {"stage": stage}, TERMS)
        assert found is not None
        assert (found.action, found.change["to"]) == ("advance", following)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"days": 13.9}, "days"),
        ({"trades": 9}, "trades"),
        ({"drawdown": 0.21}, "drawdown"),
        ({"drawdown": None}, "drawdown"),
        ({"distance": 0.021}, "distance"),
        ({"distance": None}, "distance"),
        ({"copies": 0, "copyDistance": None}, "copies"),
        ({"copyDistance": 0.011}, "copy_distance"),
        ({"flowId": None}, "no_flow"),
    ],
)
def test_what_is_missing_is_said(told: dict[str, Any], code: str) -> None:
    assert [one["code"] for one in missing(SHOWN | told, TERMS)] == [code]
    assert decide(SHOWN | told, TERMS) is None


def test_paper_asks_for_no_copies() -> None:
    assert missing(SHOWN | {"stage": "paper", "copies": 0, "copyDistance": None}, TERMS) == []


def test_what_does_not_conform_fails() -> None:
    told = {"stage": "conformance", "failed": [{"check": "bounds", "says": "out of them"}]}
    found = decide(told, TERMS)
    assert found is not None
    assert (found.action, found.change["to"]) == ("fail", "failed")
    found = decide(told | {"failed": []}, TERMS)
    assert found is not None
    assert found.change == {"from": "conformance", "to": "paper"}
