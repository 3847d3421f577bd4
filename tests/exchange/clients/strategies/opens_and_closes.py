"""A strategy of freqtrade that buys at once and sells a few seconds later."""

from datetime import datetime, timedelta
from typing import ClassVar

from freqtrade.persistence import Trade
from freqtrade.strategy import IStrategy


class OpensAndCloses(IStrategy):
    timeframe = "1m"
    startup_candle_count = 5
    can_short = False
    minimal_roi: ClassVar = {"0": 10}
    stoploss = -0.2
    order_types: ClassVar = {
        "entry": "market",
        "exit": "market",
        "emergency_exit": "market",
        "stoploss": "market",
        "stoploss_on_exchange": True,
    }
    process_only_new_candles = False

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe

    def custom_exit(self, pair, trade, current_time: datetime, *rest, **more):
        held = current_time - trade.open_date_utc
        return "seen enough" if held > timedelta(seconds=3) and trade.has_open_sl_orders else None

    def leverage(self, *rest, **more):
        return 3.0

    def confirm_trade_entry(self, *rest, **more):
        return Trade.get_trades_query().count() == 0
