"""The strategies that come with Commenda, and finding any strategy by its name or file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from commenda.kit.errors import not_found
from commenda.strategies import plugins
from commenda.strategies.depth_sdk import DepthStrategy
from commenda.strategies.sdk import Strategy
from commenda.strategies.shipped.donchian_breakout import donchian_breakout
from commenda.strategies.shipped.ema_trend import ema_trend
from commenda.strategies.shipped.sma_cross import sma_cross
from commenda.strategies.shipped.zscore_reversion import zscore_reversion

CATALOGUE: tuple[Strategy, ...] = (ema_trend, zscore_reversion, donchian_breakout, sma_cross)

_BY_NAME = MappingProxyType({each.name: each for each in CATALOGUE})


def catalogue() -> Mapping[str, Strategy]:
    """The strategies that come with Commenda, by name; read-only."""
    return _BY_NAME


def installed_plugins() -> tuple[plugins.Plugin, ...]:
    """The strategies that installed packages offer; a broken one has its error."""
    return plugins.installed(_BY_NAME)


def find_strategy(named: str) -> Strategy:
    """The strategy of that name, of the catalogue or installed, or of `path/to/file.py[:name]`.

    A file runs with all rights of this process. Code `unknown_strategy`, and those of
    `plugins.load_file` and `plugins.load_installed`.
    """
    if plugins.is_file(named):
        return plugins.load_file(named, _BY_NAME, Strategy)
    found = _BY_NAME.get(named) or plugins.load_installed(named, _BY_NAME)
    if found is None:
        raise not_found("unknown_strategy", f"There is no strategy {named}").at(
            "strategy",
            named,
            f"use one of {', '.join(_BY_NAME)}, an installed one, or path/to/file.py",
        )
    return found


def find_depth_strategy(named: str) -> DepthStrategy:
    """The strategy of the order book in `path/to/file.py[:name]`; codes of `find_strategy`."""
    if plugins.is_file(named):
        return plugins.load_file(named, _BY_NAME, DepthStrategy)
    raise not_found("unknown_strategy", f"There is no strategy {named} of the order book").at(
        "strategy", named, "name a file, path/to/file.py or path/to/file.py:name"
    )


def find_installed(named: str) -> Strategy:
    """The strategy of that name, of the catalogue or installed. A file is run by its owner only.

    Code `unknown_strategy`, and those of `plugins.load_installed`.
    """
    if plugins.is_file(named):
        raise not_found("unknown_strategy", "Files are not run over HTTP").at(
            "strategy", named, f"use one of {', '.join(_BY_NAME)}, or the command line"
        )
    return find_strategy(named)


def reference_to(strategy: Strategy) -> str | None:
    """What `find_strategy` finds `strategy` by, in this process or another; None if by nothing."""
    if _BY_NAME.get(strategy.name) == strategy:
        return strategy.name
    for plugin in installed_plugins():
        if plugin.strategy == strategy:
            return plugin.name
    file = plugins.source_file(strategy)
    return None if file is None else f"{file}:{strategy.name}"
