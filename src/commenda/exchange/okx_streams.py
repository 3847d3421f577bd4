"""OKX's private stream: who logs in hears of the account's orders, money and positions.

Source: OKX, "API documentation v5", "WebSocket".
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from commenda.exchange import okx, okx_accounts
from commenda.exchange.calls import Params
from commenda.exchange.refusals import Refused
from commenda.exchange.streams import Connection

CHANNELS = ("orders", "account", "positions")
ERRORS = {
    -1021: "60006",
    -1022: "60007",
    -2014: "60005",
    -2015: "60032",
    -1102: "60011",
    -1130: "60012",
}
LATE = 30_000
"""Milliseconds that a login may be late."""


class PrivateConnection(Connection):
    """One socket of it. What Binance's stream would be told, in OKX's words."""

    asked: dict[str, dict[str, Any]]
    """Of each channel what was asked for."""

    def answer(self, text: str) -> None:
        if text == "ping":
            if self.account is not None and self.streams:
                self.server.house.keep_listening(self.account)
            self._out.put_nowait("pong")
            return
        try:
            told = json.loads(text)
            self._do(str(told["op"]), told["args"])
        except (Refused, ValueError, KeyError, TypeError) as error:
            code = error.code if isinstance(error, Refused) else -1130
            self.put({"event": "error", "code": ERRORS.get(code, "60012"), "msg": str(error)})

    def _do(self, op: str, args: list[dict[str, Any]]) -> None:
        house = self.server.house
        if op == "login":
            self._log_in(args[0])
            self.put({"event": "login", "code": "0", "msg": "", "connId": ""})
            return
        if self.account is None:
            raise Refused(-1102, name="login")
        for one in args:
            if op != "subscribe" or one["channel"] not in CHANNELS:
                raise Refused(-1130, name="args")
            self.asked[one["channel"]] = one
            self.join([house.listen_key(self.account)])
            self.put({"event": "subscribe", "arg": one, "connId": ""})
            if one["channel"] != "orders":
                now = self._now(one["channel"])
                self.put(self._message(one["channel"], now, "snapshot"))

    def _log_in(self, who: dict[str, Any]) -> None:
        self.asked = {}
        key, stamp = self.server.house.key_of(who["apiKey"]), who["timestamp"]
        try:
            mark = base64.b64decode(who["sign"], validate=True).hex()
        except binascii.Error:
            mark = ""
        is_known = key.passphrase and key.passphrase == who["passphrase"]
        if not is_known or not key.signed(f"{stamp}GET/users/self/verify", mark):
            raise Refused(-1022)
        self.server.check_window(int(stamp) * 1000, LATE)
        self.account = key.account

    def _now(self, channel: str) -> list[Any]:
        desk = self.server.house
        account = desk.exchange.accounts[self.account or ""]
        tells = okx_accounts.balance if channel == "account" else okx_accounts.positions
        return list(tells(desk, account, Params({})))

    def shaped(self, stream: str, told: dict[str, Any]) -> list[dict[str, Any]]:
        """Messages by channel, of what was asked for."""
        assert self.account is not None
        desk, kind = self.server.house, told["e"]
        found: dict[str, list[Any]] = {}
        if kind == "listenKeyExpired":
            self.end()
        elif kind == "ORDER_TRADE_UPDATE":
            account = desk.exchange.accounts[self.account]
            found["orders"] = okx.all_shown(desk, account, [account.orders[told["o"]["i"]]])
        elif kind == "ACCOUNT_UPDATE":
            found = {one: self._now(one) for one in CHANNELS[1:]}
        return [self._message(name, rows) for name, rows in found.items() if name in self.asked]

    def _message(self, name: str, rows: list[Any], event: str = "event_update") -> dict[str, Any]:
        told = {"arg": self.asked[name], "data": rows}
        return told if name == "orders" else told | {"eventType": event, "curPage": 1}


SOCKETS: dict[str, type[Connection]] = {"/ws/v5/private": PrivateConnection}
