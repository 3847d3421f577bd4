"""The one frozen Settings object: nothing else in the package reads the environment.

Except `kernel`, which names numba's cache and imports nothing of the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from commenda.kit.errors import CommendaError
from commenda.kit.forwarded import HEADERS, TrustedProxies
from commenda.kit.money import number
from commenda.kit.outside import Bounds


@dataclass(frozen=True, slots=True)
class Settings:
    """How one process of Commenda is set up.

    `database_url` names a PostgreSQL 15+ and its owner role; None starts the embedded server
    under `data`. The application logs in as `commenda_app`, with `app_password` if one is needed.
    `durable_commits` off trades the last commits after a *server* crash for speed (never
    consistency): right for a replay that can be resumed, wrong for a living operation.
    """

    data: Path = field(default_factory=lambda: Path(".commenda"))
    database_url: str | None = None
    app_password: str | None = None
    pool_size: int = 12
    durable_commits: bool = True
    master_key: str | None = field(default=None, repr=False)
    """What every other secret is derived from; made and kept under `data` when embedded."""
    redis_url: str | None = None
    """Where live messages are fanned out, in place of PostgreSQL's NOTIFY to each process."""
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) of our own proxies: only what they say of a client's address counts."""
    forwarded_header: str = "x-forwarded-for"
    """The one header in which they say it: that, or `forwarded` (RFC 7239)."""
    requests_per_minute: int = 1200
    """Of one user, key or address at one process; 0 for no limit."""
    paper_funding: bool = False
    """Deposits are credited at once, without an operator's confirmation: never with real money."""
    require_second_factor: bool = True
    """For everything that moves money out, changes terms or decides for others."""
    large_withdrawal: Decimal = Decimal(10_000)
    """From this amount on, a withdrawal waits for a second person; what was paid to the same user
    without one in the 24 hours before is counted with it."""
    import_bounds: Bounds = field(default_factory=Bounds)
    """What one file from outside may come to."""
    new_address_wait: timedelta = timedelta(hours=24)
    """How long a withdrawal to an address waits that its owner has not named before."""
    bank_currencies: tuple[str, ...] = ()
    """Which currency of a bank record stands for which asset at par, as `USD=USDT`; each currency
    stands for the asset of its own name in any case."""
    feed_symbols: tuple[str, ...] = ()
    """What `commenda feed` follows, and `up` with it: Binance's USD-M perpetuals, as BTCUSDT."""
    feed_spot_symbols: tuple[str, ...] = ()
    """What `up` has a second feed follow at the spot market, stored under `feed_spot_venue`."""
    feed_url: str | None = None
    """An exchange that speaks Binance's protocol at another address than Binance's."""
    feed_venue: str = "binance_usdm"
    """What its instruments are stored under; `simulated` for a simulated one."""
    demo: bool = False
    """A living demo: simulated market and people, published sign-ins."""
    demo_exchange: str | None = None
    """Where the demo's own exchange listens, at which it trades; None where it trades on paper."""
    log_level: str = "INFO"
    log_format: str | None = None
    """json or console; None is console on a terminal, json elsewhere."""

    @property
    def feed_spot_venue(self) -> str:
        """A market that is simulated stays so by its name at spot, too."""
        return "simulated_spot" if self.feed_venue == "simulated" else "binance_spot"

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the variables COMMENDA_…, each named like its field."""
        default = cls()
        origins = os.environ.get("COMMENDA_CORS_ORIGINS", "")
        return cls(
            data=Path(os.environ.get("COMMENDA_DATA", ".commenda")),
            database_url=os.environ.get("COMMENDA_DATABASE_URL") or None,
            app_password=os.environ.get("COMMENDA_APP_PASSWORD") or None,
            pool_size=_whole_number("COMMENDA_POOL_SIZE", default.pool_size, least=1),
            master_key=os.environ.get("COMMENDA_MASTER_KEY") or None,
            redis_url=os.environ.get("COMMENDA_REDIS_URL") or None,
            cors_origins=tuple(one.strip() for one in origins.split(",") if one.strip()),
            trusted_proxies=_networks("COMMENDA_TRUSTED_PROXIES"),
            forwarded_header=_one_of("COMMENDA_FORWARDED_HEADER", HEADERS, str.lower)
            or default.forwarded_header,
            requests_per_minute=_whole_number(
                "COMMENDA_REQUESTS_PER_MINUTE", default.requests_per_minute
            ),
            paper_funding=_switch("COMMENDA_PAPER_FUNDING", default.paper_funding),
            require_second_factor=_switch(
                "COMMENDA_REQUIRE_SECOND_FACTOR", default.require_second_factor
            ),
            large_withdrawal=_amount("COMMENDA_LARGE_WITHDRAWAL", default.large_withdrawal),
            import_bounds=Bounds(
                **{
                    name: _whole_number(f"COMMENDA_IMPORT_{name.upper()}", bound, least=1)
                    for name, bound in asdict(default.import_bounds).items()
                }
            ),
            new_address_wait=timedelta(hours=_whole_number("COMMENDA_NEW_ADDRESS_HOURS", 24)),
            bank_currencies=_names(
                "COMMENDA_BANK_CURRENCIES", "[A-Z]{3}=[A-Z0-9]{1,12}", "USD=USDT"
            ),
            feed_symbols=_names("COMMENDA_FEED_SYMBOLS", "[A-Z0-9]{2,30}", "BTCUSDT,ETHUSDT"),
            feed_spot_symbols=_names("COMMENDA_FEED_SPOT_SYMBOLS", "[A-Z0-9]{2,30}", "BTCUSDT"),
            feed_url=os.environ.get("COMMENDA_FEED_URL") or None,
            feed_venue=os.environ.get("COMMENDA_FEED_VENUE") or default.feed_venue,
            demo=_switch("COMMENDA_DEMO", default.demo),
            demo_exchange=os.environ.get("COMMENDA_DEMO_EXCHANGE") or None,
            log_level=_one_of(
                "COMMENDA_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), str.upper
            )
            or default.log_level,
            log_format=_one_of("COMMENDA_LOG_FORMAT", ("json", "console"), str.lower),
        )

    def at(self, data: Path) -> Settings:
        """The same set-up on the embedded server under another data directory."""
        return replace(self, data=data, database_url=None)


def _whole_number(name: str, default: int, least: int = 0) -> int:
    text = os.environ.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise _bad(name, text, f"a whole number from {least} on, such as {default}")
    return int(text)


def _networks(name: str) -> tuple[str, ...]:
    given = os.environ.get(name, "").split(",")
    networks = tuple(one.strip() for one in given if one.strip())
    for one in networks:
        try:
            TrustedProxies.of([one])
        except ValueError:
            raise _bad(name, one, "networks such as 10.0.0.0/8, separated by commas") from None
    return networks


def _names(name: str, form: str, example: str) -> tuple[str, ...]:
    given = os.environ.get(name, "").split(",")
    names = tuple(one.strip() for one in given if one.strip())
    for one in names:
        if not re.fullmatch(form, one):
            raise _bad(name, one, f"one or more such as {example}, separated by commas")
    return names


def _amount(name: str, default: Decimal) -> Decimal:
    text = os.environ.get(name)
    if text is None:
        return default
    try:
        amount = number(text)
    except ValueError:
        amount = Decimal(-1)
    if amount < 0:
        raise _bad(name, text, f"an amount of 0 or more, such as {default}")
    return amount


_SWITCHES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def _switch(name: str, default: bool) -> bool:
    text = os.environ.get(name)
    if text is None:
        return default
    if text.lower() not in _SWITCHES:
        raise _bad(name, text, "true or false")
    return _SWITCHES[text.lower()]


def _one_of(name: str, choices: tuple[str, ...], spelt: Callable[[str], str]) -> str | None:
    text = os.environ.get(name)
    if not text:
        return None
    if spelt(text) not in choices:
        raise _bad(name, text, f"one of {', '.join(choices)}")
    return spelt(text)


def _bad(name: str, value: str, wanted: str) -> CommendaError:
    return CommendaError("bad_setting", f"{name} cannot be read").at(
        name, value, f"set it to {wanted}, or unset it"
    )
