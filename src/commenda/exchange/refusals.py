"""What the exchange answers to what it does not do: Binance's codes with its own words.

Source: Binance, "Error Codes", USD-M futures. A test holds that each code that is raised is here.
"""

from __future__ import annotations

from typing import Any

UNKNOWN, DISCONNECTED, TOO_MANY_REQUESTS, TIMEOUT = -1000, -1001, -1003, -1007
TOO_MANY_ORDERS, CLOCK, SIGNATURE = -1015, -1021, -1022
REJECTED, CANCEL_REJECTED, NO_SUCH_ORDER, KEY_FORMAT, KEY = -2010, -2011, -2013, -2014, -2015
MARGIN, WOULD_TRIGGER, REDUCE_ONLY, MAX_LEVERAGE = -2019, -2021, -2022, -2027

WORDS = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1003: "Too many requests; current limit of IP is {limit} requests per minute.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution"
    " status unknown.",
    -1008: "Request throttled by system-level protection. Reduce-only/close-position orders are"
    " exempt. Please try again.",
    -1015: "Too many new orders; current limit is {limit} orders per {interval}.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1102: "Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    -1104: "Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    -1106: "Parameter '{name}' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1121: "Invalid symbol.",
    -1122: "Invalid symbol status.",
    -1125: "This listenKey does not exist.",
    -1130: "Data sent for parameter '{name}' is not valid.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2018: "Balance is insufficient.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4003: "Quantity less than or equal to zero.",
    -4005: "Quantity greater than max quantity.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid.",
    -4016: "Price is higher than mark price multiplier cap.",
    -4023: "Qty not increased by step size.",
    -4024: "Price is lower than mark price multiplier floor.",
    -4028: "Leverage {leverage} is not valid",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4059: "No need to change position side.",
    -4061: "Order's position side does not match user's setting.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4111: "Duplicated clientTranId",
    -4116: "ClientOrderId is duplicated.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints"
    " instead.",
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    -4140: "Invalid symbol status for opening position.",
    -4164: "Order's notional must be no smaller than {notional} (unless you choose reduce only).",
    -4183: "Price is higher than stop price multiplier cap.",
    -5022: "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    -5027: "No need to modify the order.",
    -5040: "The goodTillDate timestamp must be greater than the current time plus 600 seconds and"
    " smaller than 253402300799000.",
}

_STATUS = {-1003: 429, -1008: 503, -1006: 503, -1007: 408, -2015: 401, -2014: 401}


SPOT = {
    "filter": (-1013, "Filter failure: {name}"),
    "closed": (-1013, "Market is closed."),
    "characters": (
        -1100,
        "Illegal characters found in parameter '{name}'; legal range is '{legal}'.",
    ),
    "combination": (-1128, "Combination of optional parameters invalid."),
    "insufficient": (-2010, "Account has insufficient balance for requested action."),
    "duplicate": (-2010, "Duplicate order sent."),
    "takes": (-2010, "Order would immediately match and take."),
    "triggers": (-2010, "Stop price would trigger immediately."),
    "restricted": (-2011, "Order was not canceled due to cancel restrictions."),
    "replaced_in_part": (-2021, "Order cancel-replace partially failed."),
    "not_replaced": (-2022, "Order cancel-replace failed."),
}
"""What spot says in words of its own; source: Binance, "Error codes" and "Filters", spot."""


class Refused(Exception):
    """A request that was not done; `status` is the answer's, 400 for most, and `data` what came of
    its parts where it had some."""

    def __init__(
        self,
        code: int,
        status: int | None = None,
        *,
        said: str | None = None,
        data: Any = None,
        **words: Any,
    ) -> None:
        self.code, self.data = code, data
        self.status = status or _STATUS.get(code, 400)
        self.words = (said or WORDS[code]).format(**words)
        super().__init__(f"{code} {self.words}")

    def told(self) -> dict[str, Any]:
        """As Binance writes it."""
        found = {"code": self.code, "msg": self.words}
        return found if self.data is None else found | {"data": self.data}


def spot_refusal(why: str, status: int | None = None, data: Any = None, **words: Any) -> Refused:
    """A refusal of spot's, by its name in SPOT."""
    code, said = SPOT[why]
    return Refused(code, status, said=said, data=data, **words)
