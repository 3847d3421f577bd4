"""What /metrics says about a process's sockets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from commenda.sockets import Sockets


@dataclass(frozen=True, slots=True)
class SocketFigures(Collector):
    """What /metrics says about a process's sockets."""

    sockets: Sockets

    def collect(self) -> Iterable[Metric]:
        one = self.sockets
        yield GaugeMetricFamily("commenda_sockets_open", "WebSockets now.", one.open)
        yield CounterMetricFamily("commenda_sockets_opened", "WebSockets so far.", one.opened)
        yield CounterMetricFamily(
            "commenda_socket_messages", "Messages sent to WebSockets.", one.sent
        )
        yield CounterMetricFamily(
            "commenda_socket_values_skipped",
            "Ticks, books and rates that a newer one replaced before a WebSocket could be sent it.",
            one.skipped,
        )
        closed = CounterMetricFamily(
            "commenda_sockets_closed", "WebSockets that the server closed.", labels=["code"]
        )
        for code, count in sorted(one.closed.items()):
            closed.add_metric([str(code)], count)
        yield closed
        yield CounterMetricFamily(
            "commenda_live_gaps", "Moments in which live messages may be missing.", one.bus.gaps
        )
