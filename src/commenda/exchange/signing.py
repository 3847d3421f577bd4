"""Who asks: API keys, signatures, and the window in which a request is believed.

Source: Binance, "SIGNED endpoint security": HMAC-SHA256 in hexadecimal, or Ed25519 in base64, over
the query and the body as they were sent, without the signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from commenda.exchange.refusals import Refused

WINDOW = 5_000
AHEAD = 1_000
"""Milliseconds that a timestamp may be late, unless the request says more, or ahead."""
_SIGNATURE = re.compile(r"(?:^|&)signature=([^&]*)")


@dataclass(frozen=True, slots=True)
class Key:
    """An API key: its secret for HMAC, or a public key (PEM) for Ed25519."""

    account: str
    key: str
    secret: str = field(repr=False)
    trades: bool = True
    withdraws: bool = False
    passphrase: str = field(default="", repr=False)
    """Without one it is not let in where OKX's protocol is spoken."""

    @property
    def is_public(self) -> bool:
        return self.secret.startswith("-----BEGIN PUBLIC KEY")

    def signed(self, payload: str, signature: str) -> bool:
        if not self.is_public:
            wanted = hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
            return hmac.compare_digest(wanted.encode(), signature.lower().encode())
        public = load_pem_public_key(self.secret.encode())
        assert isinstance(public, Ed25519PublicKey)
        try:
            public.verify(base64.b64decode(signature, validate=True), payload.encode())
        except (InvalidSignature, binascii.Error):
            return False
        return True


def check_signature(key: Key, query: str, body: str) -> None:
    """Codes −1102 for none, −1022 for a wrong one."""
    found = [m for part in (query, body) if (m := _SIGNATURE.search(part))]
    if not found:
        raise Refused(-1102, name="signature")
    payload = "".join(_SIGNATURE.sub("", part).lstrip("&") for part in (query, body))
    if not key.signed(payload, unquote(found[-1][1])):
        raise Refused(-1022)


def check_window(stamp: int, window: int, clocks: tuple[int, ...]) -> None:
    """Code −1021 for a time that none of the clocks believes."""
    if not any(-AHEAD < now - stamp <= window for now in clocks):
        raise Refused(-1021)
