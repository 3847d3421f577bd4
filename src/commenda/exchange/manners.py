"""How requests come and answers go: Binance's manner, Bybit's for what lies below `/v5`, and OKX's
below `/api/v5`.

Source for Bybit: "API documentation v5", "Integration guidance" and "Error codes"; for OKX: "API
documentation v5", "REST Authentication" and "Error Code".
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl

from commenda.exchange.calls import Params
from commenda.exchange.refusals import Refused
from commenda.exchange.signing import WINDOW, Key, check_signature


class Sent(NamedTuple):
    """A request as it came."""

    query: str
    body: str
    method: str = ""
    path: str = ""


class Manner(Protocol):
    """Of one exchange."""

    key: str
    """The header that names the API key."""

    def read(self, query: str, body: str) -> dict[str, str]:
        """The parameters."""

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: Sent
    ) -> tuple[int, int]:
        """The request's stamp and window, once its signature over what was sent is checked."""

    def told(self, what: Any, now: int) -> Any: ...
    def refused(self, refused: Refused) -> tuple[Any, int]:
        """A body, and the status of the answer."""


class Binance:
    key = "X-MBX-APIKEY"

    def read(self, query: str, body: str) -> dict[str, str]:
        return dict(parse_qsl(query)) | dict(parse_qsl(body))

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: Sent
    ) -> tuple[int, int]:
        check_signature(key, sent.query, sent.body)
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
        return dict(parse_qsl(query)) | spelt(told)

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: Sent
    ) -> tuple[int, int]:
        params = Params(headers)
        stamp, window = params.text("X-BAPI-TIMESTAMP"), params.text("X-BAPI-RECV-WINDOW", "5000")
        if not key.signed(
            f"{stamp}{key.key}{window}{sent.query}{sent.body}", params.text("X-BAPI-SIGN")
        ):
            raise Refused(-1022)
        return params.whole("X-BAPI-TIMESTAMP"), params.whole("X-BAPI-RECV-WINDOW", WINDOW)

    def told(self, what: Any, now: int) -> Any:
        return {"retCode": 0, "retMsg": "OK", "result": what, "retExtInfo": {}, "time": now}

    def refused(self, refused: Refused) -> tuple[Any, int]:
        code = IN_BYBIT.get(refused.code, 10001)
        return {"retCode": code, "retMsg": refused.words, "result": {}, "retExtInfo": {}}, 200


BYBIT = Bybit()


IN_OKX = {
    -1000: 50001, -1001: 50013, -1003: 50011, -1007: 50004, -1008: 50013, -1015: 50061,
    -1021: 50102, -1022: 50113, -1102: 50014, -1111: 51121, -1121: 51001, -1122: 51022,
    -2011: 51400, -2013: 51603, -2014: 50103, -2015: 50111, -2018: 58116, -2019: 51008,
    -2021: 51280, -2022: 51169, -2027: 51004, -2028: 59103, -4003: 51020, -4005: 51101,
    -4013: 51122, -4016: 51006, -4023: 51121, -4024: 51006, -4028: 59102, -4045: 51261,
    -4047: 59000, -4048: 59000, -4067: 59000, -4068: 59000, -4111: 58124, -4116: 51016,
    -4118: 51112, -4131: 51109, -4140: 51022, -4164: 51020, -5022: 51511, -5027: 52000,
}  # fmt: skip
"""Its number for what the engine refuses; 51000, a wrong parameter, for everything else."""
OKX_STATUS = {
    50001: 503, 50004: 400, 50011: 429, 50013: 429, 50014: 400, 50102: 401, 50103: 401,
    50105: 401, 50111: 401, 50113: 401, 51000: 400,
}  # fmt: skip
"""Of the answer; 200 for what is not here."""
_OF_ORDERS = range(51001, 51600)
"""What is wrong with one order of those that were asked for: the answer has it at the order."""


class _WrongPassphrase(Refused):
    """Of a key that is known, and a signature that is right."""


class Okx:
    key = "OK-ACCESS-KEY"

    def read(self, query: str, body: str) -> dict[str, str]:
        """A list of orders is one parameter."""
        try:
            told = json.loads(body) if body else {}
        except ValueError:
            raise Refused(-1130, name="body") from None
        if isinstance(told, list):
            told = {"list": body}
        return dict(parse_qsl(query)) | spelt(told)

    def signed(
        self, key: Key, headers: Mapping[str, str], values: Mapping[str, str], sent: Sent
    ) -> tuple[int, int]:
        params = Params(headers)
        stamp, phrase = (params.text(f"OK-ACCESS-{one}") for one in ("TIMESTAMP", "PASSPHRASE"))
        query = f"?{sent.query}" if sent.query else ""
        try:
            mark = b64decode(params.text("OK-ACCESS-SIGN"), validate=True).hex()
            at = datetime.fromisoformat(stamp)
        except ValueError:
            raise Refused(-1022) from None
        if not key.signed(f"{stamp}{sent.method}{sent.path}{query}{sent.body}", mark):
            raise Refused(-1022)
        if not key.passphrase or phrase != key.passphrase:
            raise _WrongPassphrase(-2015)
        return round(at.timestamp() * 1000), 30_000

    def told(self, what: Any, now: int) -> Any:
        """Of several orders some may have failed, or all."""
        failed = sum(one.get("sCode", "0") != "0" for one in what if isinstance(one, dict))
        code = "0" if not failed else "1" if failed == len(what) else "2"
        return {"code": code, "msg": "", "data": what}

    def refused(self, refused: Refused) -> tuple[Any, int]:
        is_phrase = isinstance(refused, _WrongPassphrase)
        code = 50105 if is_phrase else IN_OKX.get(refused.code, 51000)
        if code in _OF_ORDERS:
            item = {"ordId": "", "clOrdId": "", "sCode": str(code), "sMsg": refused.words}
            return {"code": "1", "data": [item], "msg": "All operations failed"}, 200
        told = {"code": str(code), "data": [], "msg": refused.words}
        return told, OKX_STATUS.get(code, 200)


OKX = Okx()


def spelt(told: Any) -> dict[str, str]:
    """Parameters of JSON as text; code −1130 for what is no object."""
    if not isinstance(told, dict):
        raise Refused(-1130, name="body")
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in told.items()}


def manner_of(path: str) -> Manner:
    if path.startswith("/api/v5/"):
        return OKX
    return BYBIT if path.startswith("/v5/") else BINANCE
