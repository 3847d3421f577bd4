"""A small scenario, and what a run of it comes to."""

from __future__ import annotations

DAYS = 6
FLOWS = [
    ("ema_trend", "BTCUSDT", "fast = 6, slow = 24, band = 0.0005, exposure = 0.8, stop = 0.02"),
    ("ema_trend", "ETHUSDT", "fast = 4, slow = 16, band = 0.0005, exposure = 1.2, stop = 0.02"),
    ("ema_trend", "SOLUSDT", "fast = 8, slow = 32, band = 0.001, exposure = 0.8, stop = 0.03"),
    ("zscore_reversion", "BTCUSDT", "window = 24, entry = 1.5, exit = 0.0, exposure = 0.8"),
    ("zscore_reversion", "ETHUSDT", "window = 36, entry = 2.0, exit = 0.5, exposure = 1.0"),
    ("zscore_reversion", "SOLUSDT", "window = 20, entry = 2.0, exit = 0.0, stop = 0.02"),
    ("donchian_breakout", "BTCUSDT", "enter = 24, leave = 12, exposure = 0.8, stop = 0.02"),
    ("donchian_breakout", "ETHUSDT", "enter = 16, leave = 8, exposure = 0.8, stop = 0.02"),
    ("donchian_breakout", "SOLUSDT", "enter = 32, leave = 12, exposure = 0.8, stop = 0.02"),
]
SCENARIO = f"""
title = "A small business"
seed = 41
start = 2026-01-05T00:00:00Z
days = {DAYS}
interval = "1h"

[market]
source = "simulated"
symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]

[venue]
slippage = "0.0002"
participation = "0.2"

[[venue.outages]]
day = "2.5"
hours = "20"
symbol = "ETHUSDT"
reason = "maintenance"

[products]
terms = [1, 2, 3]

[[products.tiers]]
name = "silver"
minimum = "1000"
maximum = "20000"

[products.fees]
management_fee = "0.01"
hurdle = "0.02"
profit_share = "0.20"
platform_cut = "0.30"
referral_rates = ["0.20", "0.10"]

[products.expected]
conservative = "0.06"
balanced = "0.12"
aggressive = "0.25"
warning_percent = "2"
alert_percent = "5"

[investors]
count = 14
least = "2000"
most = "20000"
arrival_days = 2
second = "0.3"
referred = "0.6"
referral_depth = 3
again = "0.6"
by_investor = "0.3"
by_operator = "0.2"

[creators]
capital = "20000"
""" + "".join(
    f'\n[[creators.flows]]\ncreator = "c{n}"\nprofile = "balanced"\nstrategy = "{strategy}"\n'
    f'symbol = "{symbol}"\nparams = {{ {params} }}\n'
    for n, (strategy, symbol, params) in enumerate(FLOWS)
)
