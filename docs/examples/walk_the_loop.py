"""The whole loop over HTTP, with nothing but Python's standard library.

    register -> second factor -> deposit -> authorise custody -> subscribe -> matured, liquidated,
    settled -> the wallet's statement -> what was earned -> the trace; and beside it a pool
    product, held for a day

Start a demo (`make demo`, or `commenda up --demo`), then: python walk_the_loop.py http://localhost:8080
Outside a demo a deposit waits until an operator has confirmed it, and a term takes its days.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import struct
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any


class Client:
    """One user's calls. Every POST carries an Idempotency-Key: repeated, it changes nothing."""

    def __init__(self, address: str) -> None:
        self.address = f"{address.rstrip('/')}/api/v1"
        self.token: str | None = None
        self.proof: str | None = None

    def get(self, path: str) -> Any:
        return self._call("GET", path, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._call("POST", path, body or {})

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        request = urllib.request.Request(self.address + path, method=method)
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        if self.proof is not None:
            request.add_header("X-Proof", self.proof)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
            request.add_header("Idempotency-Key", secrets.token_hex(16))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            problem = json.load(error)
            said = f"{method} {path}: {error.code} {problem['code']}: {problem['detail']}"
            raise SystemExit(f"{said} {problem.get('mend', '')} {problem}") from None


def one_time_code(secret: str, at: float) -> str:
    """The code that an authenticator app shows (RFC 6238: HMAC-SHA1, 30 seconds, 6 digits)."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.digest(key, struct.pack(">Q", int(at) // 30), hashlib.sha1)
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def put_aside(client: Client, amount: str) -> str:
    """Subscribe to a pool product that is paid back at any time; the holding's id."""
    pools = client.get("/pools/products?onlyOpen=true")["items"]
    pool = next(one for one in pools if one["type"] == "flexible")
    would = client.get(f"/pools/products/{pool['id']}/estimate?amount={amount}")
    holding = client.post(f"/pools/products/{pool['id']}/subscribe", {"amount": amount})
    print(
        f"{amount} USDT in the pool product {pool['name']!r}: earns from {holding['startAt']},"
        f" {would['daily']} USDT a day (APR {would['apr']}, APY {would['apy']})"
    )
    return str(holding["id"])


def take_back(client: Client, holding_id: str) -> None:
    """Redeem a holding once it has earned something."""
    while not Decimal(client.get(f"/pools/holdings/{holding_id}")["totalIncome"]):
        time.sleep(0.2)
    paid = client.post(f"/pools/holdings/{holding_id}/redeem")
    earned = paid["holding"]["totalIncome"]
    print(f"redeemed: {paid['principal']} USDT; earned: {earned}, whole days: {paid['days']}")


def main(address: str) -> None:
    client = Client(address)
    name = f"walker-{secrets.token_hex(4)}"
    password = secrets.token_urlsafe(16)

    client.post("/auth/register", {"username": name, "password": password})
    signed_in = client.post("/auth/login", {"username": name, "password": password})
    client.token = signed_in["accessToken"]
    print(f"registered and signed in as {name}")

    # The confirmation takes the present code; signing in again takes the next one, since a code is
    # good for one use. Authenticators of the neighbouring half minute are allowed for.
    # A token alone may not set one up: the password proves who asks.
    client.proof = client.post("/auth/proof", {"password": password})["proof"]
    secret = client.post("/auth/totp")["secret"]
    now = time.time()
    client.post("/auth/totp/confirm", {"code": one_time_code(secret, now)})
    credentials = {"username": name, "password": password}
    credentials["totpCode"] = one_time_code(secret, now + 30)
    client.token = client.post("/auth/login", credentials)["accessToken"]
    print("second factor: set up, and used to sign in")

    funding = client.post("/participation/funding", {"amount": "12000", "asset": "USDT"})
    print(f"deposit of 12000 USDT: {funding['status']}")
    custody = client.post("/participation/custody-auth", {"asset": "USDT", "limit": "10000"})
    print(f"custody authorised up to {custody['limit']} {custody['asset']}")

    holding_id = put_aside(client, "1000")

    products = client.get("/managed/products")
    product = min(products, key=lambda one: (one["termDays"], Decimal(one["minimum"])))
    wanted = {"productId": product["productId"], "amount": "5000"}
    subscription = client.post("/managed-subscriptions", wanted)
    subscription_id = subscription["subscriptionId"]
    print(
        f"subscribed 5000 USDT: {product['profile']}, {product['termDays']} days,"
        f" {product['tier']}: {subscription['status']}"
    )

    seen = subscription["status"]
    path = f"/managed-subscriptions/{subscription_id}"
    while seen != "SETTLED":
        time.sleep(0.2)
        state = client.get(path)
        if state["status"] != seen:
            seen = state["status"]
            creators = len(state["allocation"]["traders"])
            print(f"  {seen} (with {creators} creators)")
    settlement = client.get(path)["settlement"]
    print(f"settled: {settlement['toWallet']} USDT to the wallet")

    take_back(client, holding_id)

    statement = client.get("/wallet/statement")
    total = Decimal(statement["opening"])
    for entry in statement["entries"]:
        total += Decimal(entry["amount"])
        at, kind, amount = entry["createdAt"], entry["type"], entry["amount"]
        print(f"  {at}  {kind:<9} {amount:>16}  {entry['remark']}")
    print(f"statement: closing {statement['closing']} USDT")
    assert total == Decimal(statement["closing"]), "opening and entries make the closing balance"

    earned = client.get("/wallet/earnings")
    fees, income = earned["fees"], earned["income"]
    print(
        f"earned: {earned['gain']} USDT = {earned['gainBeforeFees']} before fees - {fees['total']}"
        f" (trading {fees['trading']}, management {fees['management']}, profit share"
        f" {fees['profitShare']}) + {income['total']} income; TWR {earned['twr']}"
    )
    gained = Decimal(earned["closing"]["total"]) - Decimal(earned["paidIn"])
    assert gained == Decimal(earned["gain"]), "what is there beyond what was paid in was earned"

    trace = client.get(f"{path}/trace")
    links = ("allocation", "executions", "nav", "liquidation", "settlement", "journals", "events")
    print("trace:", ", ".join(f"{len(trace[link])} {link}" for link in links))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
