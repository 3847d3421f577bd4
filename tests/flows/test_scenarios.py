"""Scenarios that are not sound are refused with field, value and what mends them."""

from __future__ import annotations

from pathlib import Path

import pytest

from commenda.kit.errors import CommendaError
from commenda.simulate import load_scenario, simulate
from scenario_runs import DAYS, SCENARIO

BAD = [
    ('participation = "0.2"', 'participation = "2"', "venue.participation", "2"),
    ('participation = "0.2"', 'participation = "NaN"', "venue.participation", "NaN"),
    ('participation = "0.2"', 'participation = "a lot"', "venue.participation", "a lot"),
    ('slippage = "0.0002"\n', "", "venue.slippage", None),
    ('slippage = "0.0002"', "slippage = 0.0002", "venue.slippage", 0.0002),
    (f"days = {DAYS}", 'days = "six"', "days", "six"),
    (f"days = {DAYS}", "days = -1", "days", -1),
    ("seed = 41", "seed = true", "seed", True),
    ("terms = [1, 2, 3]", "terms = []", "products.terms", []),
    ("terms = [1, 2, 3]", "terms = [0]", "products.terms", [0]),
    ('least = "2000"', 'least = "0"', "investors.least", "0"),
    ('least = "2000"', 'least = "30000"', "investors.least", "30000"),
    ('by_investor = "0.3"', 'by_investor = "0.9"', "investors.by_investor", "0.9"),
    ("start = 2026-01-05T00:00:00Z", "start = 2026-01-05T00:00:00", "start", None),
    ("start = 2026-01-05T00:00:00Z", "start = 2026-01-05T00:10:00Z", "start", None),
    ('source = "simulated"', 'source = "guessed"', "market.source", "guessed"),
    ('profile = "balanced"', 'profile = "bold"', "creators.flows[0].profile", "bold"),
    ('creator = "c1"', 'creator = "c0"', "creators.flows.creator", None),
    ('symbol = "ETHUSDT"\nparams', 'symbol = "DOGEUSDT"\nparams', "creators.flows.symbol", None),
    ("[creators]", "[people]", "people", None),
    ("[investors]", "[[investors]]", "investors", None),
    ('["0.20", "0.10"]', '["0.20", "much"]', "products.fees.referral_rates", "much"),
    ("terms = [1, 2, 3]", "terms = [1, true]", "products.terms", [1, True]),
    (
        "params = { window = 24, entry = 1.5, exit = 0.0, exposure = 0.8 }",
        "params = 3",
        "creators.flows[3].params",
        3,
    ),
    ('minimum = "1000"', 'minimum = "0"', "products.tiers.minimum", "0"),
    ('maximum = "20000"', 'maximum = "10"', "products.tiers.minimum", "1000"),
    (f"days = {DAYS}", "days = 0", "days", 0),
    ('symbol = "ETHUSDT"\nreason', 'symbol = "DOGE"\nreason', "venue.outages.symbol", "DOGE"),
    ("[products.fees]", "[products.prices]", "products.prices", None),
    ('management_fee = "0.01"\n', "", "products.fees.management_fee", None),
    ('capital = "20000"\n', "", "creators.capital", None),
    ('hurdle = "0.02"', 'hurdel = "0.02"', "products.fees.hurdel", None),
    ("title =", "title ==", "scenario", None),
]


@pytest.mark.parametrize(("old", "new", "field", "value"), BAD, ids=[f"{b[2]}-{b[1]}" for b in BAD])
def test_a_bad_scenario_names_field_value_and_mend(
    tmp_path: Path, old: str, new: str, field: str, value: object
) -> None:
    assert old in SCENARIO
    path = tmp_path / "bad.toml"
    path.write_text(SCENARIO.replace(old, new))
    with pytest.raises(CommendaError) as caught:
        load_scenario(path)
    assert caught.value.code == "bad_scenario"
    assert caught.value.field == field
    if value is not None:
        assert caught.value.value == value
    assert caught.value.hint


def test_a_scenario_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CommendaError, match="cannot be read") as caught:
        load_scenario(tmp_path / "missing.toml")
    assert caught.value.code == "bad_scenario"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('interval = "1h"', 'interval = "half an hour"', "bad_interval"),
        ('strategy = "ema_trend"', 'strategy = "crystal_ball"', "unknown_strategy"),
        ("fast = 6,", "fast = -6,", "bad_parameter"),
        ('["0.20", "0.10"]', '["0.40", "0.20"]', "referral_above_cap"),
    ],
)
def test_other_faults_of_a_scenario_are_refused_with_a_code(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    assert old in SCENARIO
    path = tmp_path / "bad.toml"
    path.write_text(SCENARIO.replace(old, new))
    with pytest.raises(CommendaError) as caught:
        simulate(load_scenario(path), tmp_path / "data")
    assert caught.value.code == code
