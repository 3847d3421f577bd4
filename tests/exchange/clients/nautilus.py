"""NautilusTrader trades on the exchange of the address that is given, with a key and its secret: of
HMAC, or an Ed25519 key's PEM; prints JSON."""

import asyncio
import json
import sys
from decimal import Decimal

from nautilus_trader.adapters.binance import (
    BINANCE,
    BinanceAccountType,
    BinanceDataClientConfig,
    BinanceExecClientConfig,
    BinanceInstrumentProviderConfig,
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.adapters.binance.common.symbol import BinanceSymbol
from nautilus_trader.adapters.binance.futures.enums import BinanceFuturesMarginType
from nautilus_trader.config import LiveExecEngineConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

address, key, secret = sys.argv[1:]
seen = {"events": [], "fills": [], "positions": [], "trades": 0, "quotes": 0}


class OpensAndCloses(Strategy):
    """Buys at the market, rests a limit and a stop, cancels both, and sells what it bought."""

    def on_start(self):
        self.id_of = InstrumentId.from_str("BTCUSDT-PERP.BINANCE")
        self.instrument = self.cache.instrument(self.id_of)
        seen["step"] = str(self.instrument.price_increment)
        seen["fee"] = str(self.instrument.taker_fee)
        self.subscribe_quote_ticks(self.id_of)
        self.subscribe_trade_ticks(self.id_of)
        self.entry = self.resting = self.waiting = None

    def on_trade_tick(self, tick):
        seen["trades"] += 1

    def on_quote_tick(self, tick):
        seen["quotes"] += 1
        if self.entry is None:
            self.bid = tick.bid_price.as_decimal()
            self.entry = self._market(OrderSide.BUY)

    def _quantity(self):
        return self.instrument.make_qty(Decimal("0.02"))

    def _market(self, side, reduce_only=False):
        order = self.order_factory.market(
            self.id_of, side, self._quantity(), reduce_only=reduce_only
        )
        self.submit_order(order)
        return order.client_order_id

    def _price(self, part):
        return self.instrument.make_price(self.bid * Decimal(part))

    def on_order_event(self, event):
        seen["events"].append(type(event).__name__)

    def on_order_filled(self, event):
        seen["fills"].append([event.order_side.name, str(event.last_qty), str(event.commission)])
        if event.client_order_id == self.entry and self.cache.order(self.entry).is_closed:
            limit = self.order_factory.limit(
                self.id_of, OrderSide.BUY, self._quantity(), self._price("0.98"), post_only=True
            )
            self.resting = limit.client_order_id
            self.submit_order(limit)
        elif self.cache.order(event.client_order_id).is_closed:
            asyncio.get_running_loop().call_later(2, node.stop)

    def on_order_accepted(self, event):
        if event.client_order_id == self.resting:
            self.modify_order(self.cache.order(self.resting), price=self._price("0.97"))
        elif event.client_order_id == self.waiting:
            self.cancel_order(self.cache.order(self.waiting))

    def on_order_updated(self, event):
        seen["moved"] = str(event.price)
        self.cancel_order(self.cache.order(self.resting))

    def on_order_canceled(self, event):
        if event.client_order_id == self.resting:
            stop = self.order_factory.stop_market(
                self.id_of, OrderSide.SELL, self._quantity(), self._price("0.9"), reduce_only=True
            )
            self.waiting = stop.client_order_id
            self.submit_order(stop)
        else:
            self._market(OrderSide.SELL, reduce_only=True)

    def on_order_rejected(self, event):
        seen["rejected"] = event.reason

    def on_position_opened(self, event):
        seen["positions"].append(["opened", str(event.quantity)])

    def on_position_closed(self, event):
        seen["positions"].append(["closed", str(event.realized_pnl)])


provider = BinanceInstrumentProviderConfig(load_all=True, query_commission_rates=True)
both = {
    "api_key": key,
    "api_secret": secret,
    "account_type": BinanceAccountType.USDT_FUTURES,
    "base_url_http": f"http://{address}",
    "instrument_provider": provider,
}
symbol = BinanceSymbol("BTCUSDT")
node = TradingNode(
    TradingNodeConfig(
        trader_id=TraderId("TRADER-001"),
        logging=LoggingConfig(log_level="WARNING"),
        exec_engine=LiveExecEngineConfig(reconciliation=True),
        data_clients={BINANCE: BinanceDataClientConfig(base_url_ws=f"ws://{address}", **both)},
        exec_clients={
            BINANCE: BinanceExecClientConfig(
                base_url_ws=f"ws://{address}/ws-fapi/v1",
                base_url_ws_stream=f"ws://{address}",
                futures_leverages={symbol: 10},
                futures_margin_types={symbol: BinanceFuturesMarginType.CROSS},
                **both,
            )
        },
    )
)
node.trader.add_strategy(OpensAndCloses())
node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
node.build()
try:
    node.run()
    account = node.cache.accounts()[0]
    seen["account"] = [str(one) for one in account.balances_total().values()]
    seen["open"] = len(node.cache.positions_open())
finally:
    node.dispose()
print(json.dumps(seen))
