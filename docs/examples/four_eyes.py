"""Two people decide, over HTTP, with nothing but Python's standard library.

Start a demo (`make demo`, or `commenda up --demo`), then: python four_eyes.py http://localhost:8080
One operator gives a word for a deposit that a customer asked for, and is refused a second one; the
other operator gives that. Outside of a demo both sign in with a second factor besides.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from walk_the_loop import Client

PASSWORD = "commenda-demo"


def signed_in(address: str, name: str) -> Client:
    """Somebody of the staff who has just given their password: whoever decides sends that proof."""
    client = Client(address)
    credentials = {"username": name, "password": PASSWORD}
    client.token = client.post("/auth/login", credentials)["accessToken"]
    client.proof = client.post("/auth/proof", {"password": PASSWORD})["proof"]
    return client


def without_a_word(client: Client) -> dict[str, Any]:
    """A deposit that nobody has said anything about; a new demo has one within a day of its own."""
    while True:
        for one in client.get("/approvals?status=requested&limit=100")["items"]:
            if one["kind"] == "funding.deposit" and not one["approvedBy"]:
                return dict(one)
        time.sleep(0.5)


def main(address: str) -> None:
    first, second = (signed_in(address, name) for name in ("demo-operator", "demo-operator-2"))
    bare = without_a_word(first)
    about = bare["payload"]
    asked = f"{about['amount']} {about['asset']}, {about['reference']!r}"
    print(f"a deposit of {asked} takes {bare['needed']} words")
    path = f"/approvals/{bare['id']}/approve"
    print("demo-operator:", first.post(path)["status"])
    try:
        first.post(path)
    except SystemExit as refused:
        print("demo-operator, again:", str(refused).partition("{")[0])
    decided = second.post(path)
    print(f"demo-operator-2: {decided['status']}, {decided['outcome']}")
    entries = first.get("/bank/entries?limit=5")["items"]
    for one in entries:
        print(f"bank: {one['bookedOn']} {one['amount']} {one['currency']} {one['status']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
