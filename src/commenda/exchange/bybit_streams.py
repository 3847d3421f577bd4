"""Bybit's private stream: who logs on hears of the account's orders, trades and positions.

Source: Bybit, "API documentation v5", "WebSocket Stream".
"""

from __future__ import annotations

import json
from typing import Any

from commenda.exchange import bybit, bybit_accounts
from commenda.exchange.refusals import Refused
from commenda.exchange.streams import ApiConnection, Connection


class PrivateConnection(Connection):
    """One socket of it. What Binance's stream would be told, in Bybit's words."""

    topics: frozenset[str] = frozenset()

    def answer(self, text: str) -> None:
        try:
            asked = json.loads(text)
            op, args = str(asked["op"]), asked.get("args") or []
            self._do(op, args)
        except (Refused, ValueError, KeyError, TypeError) as error:
            self.put({"success": False, "ret_msg": str(error), "op": "error", "conn_id": ""})
            return
        said = "pong" if op == "ping" else ""
        self.put({"success": True, "ret_msg": said, "op": op, "conn_id": ""})

    def _do(self, op: str, args: list[Any]) -> None:
        house = self.server.house
        if op == "auth":
            name, until, mark = args
            key = house.key_of(name)
            if not key.signed(f"GET/realtime{until}", mark):
                raise Refused(-1022)
            self.account = key.account
        elif self.account is None:
            raise Refused(-2014)
        elif op == "subscribe":
            self.topics |= {str(one) for one in args}
            self.join([house.listen_key(self.account)])
        elif op == "ping" and self.streams:
            house.keep_listening(self.account)

    def shaped(self, stream: str, told: dict[str, Any]) -> list[dict[str, Any]]:
        """Messages by topic, of what was asked for."""
        assert self.account is not None
        desk, kind = self.server.house, told["e"]
        account = desk.exchange.accounts[self.account]
        found: dict[str, list[Any]] = {}
        if kind == "listenKeyExpired":
            self.end()
        elif kind == "ALGO_UPDATE":
            waits = account.conditionals[told["o"]["aid"]]
            sent = account.orders.get(waits.actual or 0)
            found["order"] = [bybit.shown(desk, bybit.Line(waits.id, sent, waits))]
        elif kind == "ORDER_TRADE_UPDATE":
            order = account.orders[told["o"]["i"]]
            from_stop = (one for one in account.conditionals.values() if one.actual == order.id)
            waits_for = next(from_stop, None) if order.trigger is not None else None
            number = order.id if waits_for is None else waits_for.id
            line = bybit.Line(number, order, waits_for)
            found["order"] = [bybit.shown(desk, line)]
            if told["o"]["x"] == "TRADE":
                fills = (one for one in order.fills if one.id == told["o"]["t"])
                found["execution"] = [
                    bybit_accounts.execution(desk, one, {order.id: line}) for one in fills
                ]
        elif kind == "ACCOUNT_UPDATE":
            found["wallet"] = [{"accountType": "UNIFIED", "coin": told["a"]["B"]}]
            found["position"] = [
                {"symbol": one["s"], "size": one["pa"].lstrip("-")} for one in told["a"]["P"]
            ]
        return [
            {
                "id": "",
                "topic": topic,
                "creationTime": desk.exchange.now,
                "data": [{"category": "linear", **one} for one in rows],
            }
            for topic, rows in found.items()
            if rows and topic in self.topics
        ]


SOCKETS: dict[str, type[Connection]] = {
    "/ws-fapi/v1": ApiConnection,
    "/v5/private": PrivateConnection,
}
