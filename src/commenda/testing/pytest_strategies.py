"""The conformance suite as pytest's tests, one for each check. Needs pytest.

from commenda.testing.pytest_strategies import StrategyConformance

class TestMine(StrategyConformance):
    @pytest.fixture(params=[{}, {"fast": 5, "slow": 20}])
    def subject(self, request):
        return subject_of(my_strategy, params=request.param)
"""

from __future__ import annotations

import pytest

from commenda.testing.checks import CHECKS
from commenda.testing.subject import Subject
from commenda.testing.verdict import Check, Verdict, found


class StrategyConformance:
    """Derive from it and say in a fixture `subject` what is examined."""

    @pytest.fixture
    def subject(self) -> Subject:
        """What is examined: see `subject_of`."""
        raise NotImplementedError

    @pytest.mark.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])
    def test_promise(self, subject: Subject, check: Check) -> None:
        """The strategy keeps this promise."""
        finding = found(check, subject)
        if finding.verdict is Verdict.UNCHECKED:
            pytest.skip(finding.said)
        assert finding.verdict is Verdict.PASSED, f"{check.proves}: {finding.said}"
