"""How requests come and answers go: Binance's manner, and Bybit's for what lies below `/v5`.

Source for Bybit: "API documentation v5", "Integration guidance" and "Error codes".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from commenda.exchange.calls import Params
from commenda.exchange.refusals import Refused
from commenda.exchange.signing import WINDOW, Key, check_signature


class Manner(Protocol):
    """Of one exchange."""

    key: str
    """The header that names the API key."""

    def read(self, query: str, body: str) -> dict[str, str]:
        """The parameters."""

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: tuple[str, str]
    ) -> tuple[int, int]:
        """The request's stamp and window, once its signature over query and body is checked."""

    def told(self, what: Any, now: int) -> Any: ...
    def refused(self, refused: Refused) -> tuple[Any, int]:
        """A body, and the status of the answer."""


class Binance:
    key = "X-MBX-APIKEY"

    def read(self, query: str, body: str) -> dict[str, str]:
        return dict(parse_qsl(query)) | dict(parse_qsl(body))

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: tuple[str, str]
    ) -> tuple[int, int]:
        check_signature(key, *sent)
        params = Params(values)
        return params.whole("timestamp"), params.whole("recvWindow", WINDOW)

    def told(self, what: Any, now: int) -> Any:
        return what

    def refused(self, refused: Refused) -> tuple[Any, int]:
        return refused.told(), refused.status


BINANCE = Binance()

IN_BYBIT = {
    -1000: 10016, -1001: 10016, -1003: 10006, -1007: 10000, -1008: 10016, -1015: 10006,
    -1021: 10002, -1022: 10004, -2011: 110001, -2013: 110001, -2014: 10003, -2015: 10003,
    -2018: 131212, -2019: 110007, -2021: 110092, -2022: 110017, -2027: 110016, -2028: 110013,
    -4016: 110003, -4024: 110003, -4028: 110013, -4045: 110009, -4047: 110028, -4048: 110024,
    -4059: 110025, -4061: 10001, -4067: 110028, -4068: 110024, -4111: 131214, -4116: 110072,
    -4140: 110023, -4164: 110094,
}  # fmt: skip
"""Its number for what the engine refuses; 10001, a wrong parameter, for everything else."""


class Bybit:
    """It answers 200 to what it refuses, too."""

    key = "X-BAPI-API-KEY"

    def read(self, query: str, body: str) -> dict[str, str]:
        try:
            told = json.loads(body) if body else {}
        except ValueError:
            raise Refused(-1130, name="body") from None
        spelt = {
            name: one if isinstance(one, str) else json.dumps(one) for name, one in told.items()
        }
        return dict(parse_qsl(query)) | spelt

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: tuple[str, str]
    ) -> tuple[int, int]:
        params = Params(headers)
        stamp, window = params.text("X-BAPI-TIMESTAMP"), params.text("X-BAPI-RECV-WINDOW", "5000")
        if not key.signed(f"{stamp}{key.key}{window}{''.join(sent)}", params.text("X-BAPI-SIGN")):
            raise Refused(-1022)
        return params.whole("X-BAPI-TIMESTAMP"), params.whole("X-BAPI-RECV-WINDOW", WINDOW)

    def told(self, what: Any, now: int) -> Any:
        return {"retCode": 0, "retMsg": "OK", "result": what, "retExtInfo": {}, "time": now}

    def refused(self, refused: Refused) -> tuple[Any, int]:
        code = IN_BYBIT.get(refused.code, 10001)
        return {"retCode": code, "retMsg": refused.words, "result": {}, "retExtInfo": {}}, 200


BYBIT = Bybit()


def manner_of(path: str) -> Manner:
    return BYBIT if path.startswith("/v5/") else BINANCE
