"""Whose address counts: the cases are written out, each with who wrote which part of the header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commenda.kit.forwarded import TrustedProxies

EDGE, INNER, CLIENT, LIE = "10.0.0.1", "10.0.0.2", "203.0.113.7", "198.51.100.9"
TRUSTED = ["10.0.0.0/8", "fd00::/8"]


def seen(peer: str, *lines: str, header: str = "x-forwarded-for", trusted: object = TRUSTED) -> str:
    proxies = TrustedProxies.of(trusted, header)  # type: ignore[arg-type]
    return proxies.client(peer, [(header.encode(), line.encode("latin-1")) for line in lines])


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        (CLIENT, (), CLIENT),
        (CLIENT, (LIE,), CLIENT),  # whoever is no proxy of ours is who they are
        ("127.0.0.1", (LIE,), "127.0.0.1"),  # nor is this machine trusted by itself
        (EDGE, (), EDGE),
        (EDGE, (CLIENT,), CLIENT),
        (EDGE, (f"{LIE}, {CLIENT}",), CLIENT),  # the client wrote the left part
        (EDGE, (LIE, CLIENT), CLIENT),  # as a line of its own
        (EDGE, (f"{LIE}, {CLIENT}, {INNER}",), CLIENT),  # two proxies
        (EDGE, (f"{INNER}, {CLIENT}",), CLIENT),  # a client that names a proxy of ours
        (EDGE, (INNER,), INNER),  # a proxy of ours asks by itself
        (EDGE, (f"{CLIENT}, unknown",), EDGE),  # hidden: no more than the proxy is known
        (EDGE, (f"{LIE}, nonsense",), EDGE),
        (EDGE, (f"{CLIENT}:4711",), CLIENT),
        (EDGE, ("[2001:db8::1]:4711",), "2001:db8::1"),
        (EDGE, ("2001:DB8:0::1",), "2001:db8::1"),
        ("fd00::1", (f"::ffff:{CLIENT}",), CLIENT),
        (f"::ffff:{EDGE}", (CLIENT,), CLIENT),
        (EDGE, (", ,",), EDGE),
        (EDGE, (",".join([LIE] * 10_000 + [CLIENT]),), CLIENT),
    ],
)
def test_only_what_a_trusted_proxy_appended_counts(
    peer: str, lines: tuple[str, ...], expected: str
) -> None:
    assert seen(peer, *lines) == expected


def test_without_trusted_proxies_no_header_counts() -> None:
    for peer in (EDGE, "127.0.0.1", "testclient", ""):
        assert seen(peer, LIE, trusted=[]) == peer


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"for={LIE}, For={CLIENT};proto=https;by={EDGE}", CLIENT),
        (f'by={LIE};for="{CLIENT}:4711"', CLIENT),
        ('for="[2001:db8::1]:4711"', "2001:db8::1"),
        (f"for={CLIENT}, for=_hidden", EDGE),
        (f"for={CLIENT}, by={LIE}", EDGE),
        (f"xfor={LIE}", EDGE),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(line: str, expected: str) -> None:
    assert seen(EDGE, line, header="forwarded") == expected


def test_the_header_that_our_proxies_do_not_write_is_the_clients() -> None:
    proxies = TrustedProxies.of(TRUSTED, "x-forwarded-for")
    headers = [(b"forwarded", f"for={LIE}".encode()), (b"x-forwarded-for", CLIENT.encode())]
    assert proxies.client(EDGE, headers) == CLIENT


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_a_client_writes_its_address_stays(lie: str) -> None:
    assert seen(EDGE, lie, CLIENT) == CLIENT
    assert seen(CLIENT, lie) == CLIENT
