"""freqtrade trades on the exchange of the address that is given; prints JSON.

The bot itself, live, with nothing but addresses in its configuration; what it keeps of its trade is
read from its database.
"""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ccxt

address, patience = sys.argv[1], 150
places = {
    name: re.sub(r"^https://[^/]+", f"http://{address}", url)
    for name, url in ccxt.binance().urls["api"].items()
    if isinstance(url, str)
}
config = {
    "max_open_trades": 1,
    "stake_currency": "USDT",
    "stake_amount": 500,
    "dry_run": False,
    "trading_mode": "futures",
    "margin_mode": "isolated",
    "timeframe": "1m",
    "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
    "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
    "exchange": {
        "name": "binance",
        "key": "key-a",
        "secret": "secret-a",
        "pair_whitelist": ["BTC/USDT:USDT"],
        "ccxt_config": {
            "urls": {"api": places},
            "options": {"fetchCurrencies": False, "fetchMarkets": {"types": ["linear"]}},
        },
    },
    "pairlists": [{"method": "StaticPairList"}],
    "internals": {"process_throttle_secs": 2},
    "bot_name": "bot",
    "initial_state": "running",
}


def trades(database):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(one) for one in connection.execute("SELECT * FROM trades")], [
            dict(one) for one in connection.execute("SELECT * FROM orders ORDER BY id")
        ]


with tempfile.TemporaryDirectory() as folder:
    home, database = Path(folder), Path(folder) / "trades.sqlite"
    (home / "config.json").write_text(json.dumps(config))
    command = [Path(sys.executable).parent / "freqtrade", "trade", "--userdir", home / "user"]
    command += ["--config", home / "config.json", "--db-url", f"sqlite:///{database}"]
    command += ["--strategy", "OpensAndCloses"]
    command += ["--strategy-path", Path(__file__).parent / "strategies"]
    (home / "user").mkdir()
    with (home / "log").open("w") as log:
        bot = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
        found, orders, until = [], [], time.time() + patience
        while time.time() < until and bot.poll() is None:
            time.sleep(1)
            try:
                found, orders = trades(database)
            except sqlite3.Error:
                continue
            if found and not found[0]["is_open"]:
                break
        bot.send_signal(signal.SIGINT)
        bot.wait(20)
    if not found or found[0]["is_open"]:
        sys.exit((home / "log").read_text()[-6000:])
    (one,) = found
    seen = {"pair": one["pair"], "leverage": one["leverage"], "exit": one["exit_reason"]}
    seen["profit"] = one["close_profit_abs"]
    seen["orders"] = [[each["ft_order_side"], each["status"], each["filled"]] for each in orders]
    print(json.dumps(seen))
