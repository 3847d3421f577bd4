"""What is said on OKX's private stream, and what is heard there.

Source: OKX, "API documentation v5", "WebSocket". Who subscribes before they are let in is refused,
so what is wanted is said once that was answered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from commenda.venues.dialect import News, Params

STREAMS = "wss://ws.okx.com:8443"
_BY_EVENT = {"extraParams": json.dumps({"updateInterval": "0"})}
"""Not every five seconds, too."""
_HEARD = (
    {"channel": "orders", "instType": "SWAP"},
    {"channel": "account", **_BY_EVENT},
    {"channel": "positions", "instType": "SWAP", **_BY_EVENT},
)


def login(client: Any) -> Params:
    """Who ccxt's client is, at the moment that it takes for now."""
    now = str(int(client.nonce()) // 1000)
    told = f"{now}GET/users/self/verify".encode()
    mark = hmac.new(client.secret.encode(), told, hashlib.sha256).digest()
    who = {"apiKey": client.apiKey, "passphrase": client.password, "timestamp": now}
    return {"op": "login", "args": [who | {"sign": base64.b64encode(mark).decode()}]}


def news_of(told: Mapping[str, Any]) -> News | None:
    event = told.get("event")
    if event == "error":
        return None
    if event == "login":
        return News(then=({"op": "subscribe", "args": list(_HEARD)},))
    begins = event == "subscribe" and told["arg"]["channel"] == _HEARD[-1]["channel"]
    return News(begins, "data" in told and told.get("eventType") != "snapshot")
