"""Where a request comes from: the peer, or what trusted proxies say of it, read from the right.

Anybody can write a header. What counts of it is only what a proxy appended that is trusted: the
list is read from its end, and the first address that is no trusted proxy is the client. Whatever
stands to the left of that was written by the client.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
HEADERS = ("x-forwarded-for", "forwarded")
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s]*))\s*(?=;|$)', re.IGNORECASE)
_MOST_HOPS = 32


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks of our own proxies, and the one header that they write."""

    networks: Sequence[Network] = ()
    header: str = HEADERS[0]

    @classmethod
    def of(cls, networks: Iterable[str], header: str = HEADERS[0]) -> TrustedProxies:
        """ValueError for what is no network."""
        return cls([ip_network(one) for one in networks], header)

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The address of whoever asks. `peer` is who holds the connection; without trusted proxies,
        or where it is none, no header counts."""
        if not self.networks or not self._trusts(peer):
            return peer
        name = self.header.encode()
        said = b",".join(value for key, value in headers if key.lower() == name).decode("latin-1")
        hops = said.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:] if said else []
        client = peer
        while hops and self._trusts(client):
            hop = self._address(hops.pop())
            if hop is None:
                break  # unknown or hidden: no more than that it came through this proxy is known
            client = hop
        return client

    def _trusts(self, address: str) -> bool:
        plain = _plain(address)
        if plain is None:
            return False
        known = ip_address(plain)
        return any(known in network for network in self.networks)

    def _address(self, hop: str) -> str | None:
        if self.header == "forwarded":
            found = _FOR.search(hop)
            hop = (found[1] or found[2] or "") if found else ""
        hop = hop.strip()
        if hop.startswith("["):
            hop = hop[1:].partition("]")[0]
        elif hop.count(":") == 1:
            hop = hop.partition(":")[0]
        return _plain(hop)


def _plain(address: str) -> str | None:
    """An address as it is written shortest; None for what is none. IPv4 within IPv6 is itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)
