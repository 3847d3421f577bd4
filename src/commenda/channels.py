"""What can be listened to, and who may: each channel is a row and an address.

What is told is in `operations.live`, how a socket is told it in `sockets`.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

from fastapi import APIRouter, WebSocket

from commenda.alerts import topic_of as alerts_of
from commenda.identity import Permission
from commenda.kit.bus import CHANGES
from commenda.kit.db import Tx
from commenda.market import now_names, topic_of, traded_as
from commenda.operations.live import latest_alerts, latest_bars, latest_signals
from commenda.sockets import Channel, serve

router = APIRouter()


@router.websocket("/ws/market/{symbol}")
async def market(websocket: WebSocket, symbol: str, venue: str | None = None) -> None:
    """Bars of an instrument, as they close; its last trades, book and funding, as they are.

    Which one it is where several venues have the symbol is asked once: see `traded_as`.
    """

    def found(tx: Tx) -> Channel:
        one = traded_as(tx, symbol, venue)
        latest = partial(latest_bars, instrument=one)
        return Channel(topic_of(one), Permission.MARKET, latest, now=now_names(one))

    await serve(websocket, Channel(symbol, Permission.MARKET, found=found))


@router.websocket("/ws/strategy/{flow_id}")
async def strategy(websocket: WebSocket, flow_id: str) -> None:
    """Signals of a flow and the daily value of its creator's own book, for whoever follows it."""
    try:
        flow = UUID(flow_id)
    except ValueError:
        flow = UUID(int=0)  # which no flow has
    latest = partial(latest_signals, flow_id=flow)
    await serve(websocket, Channel(f"strategy:{flow}", Permission.FLOWS, latest, flow))


@router.websocket("/ws/alerts")
async def alerts(websocket: WebSocket) -> None:
    """Whatever somebody of the staff should look at."""
    staff = Permission.OVERVIEW
    await serve(websocket, Channel(alerts_of(staff), staff, latest_alerts))


@router.websocket("/ws/changes")
async def changes(websocket: WebSocket) -> None:
    """Which topics have news for whoever is signed in: what is theirs, and what they may see.

    Never the news itself: that is read where it always is, by whoever may. There is nothing to
    begin with, so the snapshot is empty; it and each `gap` say that anything may have changed.
    """
    await serve(websocket, Channel(CHANGES, Permission.ACCOUNT, personal=True))
