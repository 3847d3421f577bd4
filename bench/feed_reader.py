"""Readers of `/ws/market/<symbol>`, in a process of their own: how late each message comes to them.

`python -m bench.feed_reader PORT TOKEN SYMBOL...` listens until it is told to end by its input, and
prints what it saw: the milliseconds since the exchange's time on each tick and book, and when each
bar came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp

Told = dict[str, Any]


async def read(session: aiohttp.ClientSession, url: str, token: str, seen: Told) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with session.ws_connect(url, headers=headers, max_msg_size=0) as socket:
        async for message in socket:
            at = time.time() * 1000
            told = json.loads(message.data)
            if told["type"] != "update":
                continue
            news = told["data"]
            if news["type"] == "bar":
                seen["bars"].append((news["symbol"], news["ts"], at))
            elif news["type"] in seen:
                seen[news["type"]].append(at - news["at"])
    print(f"closed: {socket.close_code}", file=sys.stderr)


async def main(port: str, token: str, *symbols: str) -> None:
    seen: Told = {"bars": [], "tick": [], "book": []}
    async with aiohttp.ClientSession() as session:
        urls = [f"ws://127.0.0.1:{port}/ws/market/{one}" for one in symbols]
        reading = [asyncio.create_task(read(session, url, token, seen)) for url in urls]
        await asyncio.to_thread(sys.stdin.readline)  # from here on it counts
        for values in seen.values():
            values.clear()
        await asyncio.to_thread(sys.stdin.readline)
        for one in reading:
            one.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
