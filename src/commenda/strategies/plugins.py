"""Strategies from elsewhere: installed packages, and files.

A package offers a strategy by an entry point that bears the strategy's name:

    [project.entry-points."commenda.strategies"]
    my_trend = "my_package.trend:my_trend"

A file is named by its path, with `:name` where it holds several strategies. Modules beside it can
be imported by it. Both run with all rights of this process: `sandbox.py` is for strangers'.

numba's disk cache notices an edit of the file that a function stands in, but not of the files its
callees stand in. So what a plug-in compiles goes into a cache directory of its own, named by a hash
over the plug-in's sources: the file and the modules beside it that it imports, or all modules of
its package. Constants that it reads from other files are frozen into a compiled step unseen.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from numba import config

from commenda.kernel import CACHE_DIR
from commenda.kit.errors import CommendaError, conflict, not_found
from commenda.strategies.depth_sdk import DepthStrategy
from commenda.strategies.sdk import Declared, Strategy

GROUP = "commenda.strategies"
Kind = TypeVar("Kind", bound=Declared)
_WORDS: Mapping[type[Declared], tuple[str, str, str]] = {
    Strategy: ("strategy", "bars", "one of the order book runs by commenda backtest depth"),
    DepthStrategy: ("depth_strategy", "the order book", "one of bars runs by commenda backtest"),
}
"""How each kind is declared, what it trades on, and where the other kind runs."""

# Loading changes what all of the process shares: the import path, numba's cache directory.
_loading = threading.RLock()
_brought: set[str] = set()
"""Names of the modules that files brought in with them."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed entry point: its strategy, or the error that it could not be loaded for."""

    name: str
    distribution: str
    strategy: Strategy | None
    error: CommendaError | None


def is_file(named: str) -> bool:
    """Whether `named` means a file, with or without a strategy's name behind it."""
    return named.endswith(".py") or ".py:" in named


def absolute(named: str) -> str:
    """`named` so that it means the same file from any directory; a mere name stays."""
    if not is_file(named):
        return named
    path, name = parted(named)
    return f"{path.resolve()}:{name}" if name else str(path.resolve())


def load_file(named: str, shipped: Mapping[str, Strategy], kind: type[Kind]) -> Kind:
    """The strategy of `path/to/file.py:name`, or the only one of its kind of `path/to/file.py`.

    Codes `strategy_file_not_found`, `strategy_file_broken`, `no_strategy`, `several_strategies`,
    `unknown_strategy` and `strategy_name_taken`.
    """
    path, name = parted(named)
    if not path.is_file():
        raise CommendaError("strategy_file_not_found", "There is no such file").at(
            "strategy",
            named,
            "give the path of a Python file, and :name where it holds several strategies",
        )
    with _loading:
        strategy = _chosen(
            named, path, name, _strategies_in(_module_of(path.resolve()), kind), kind
        )
    if strategy.name in shipped:
        raise conflict(
            "strategy_name_taken", f"A strategy called {strategy.name} comes with Commenda"
        ).at("strategy", named, "give it another name in @strategy")
    return strategy


def installed(shipped: Mapping[str, Strategy]) -> tuple[Plugin, ...]:
    """Every plug-in of the packages installed, by name; one that is broken has its error."""
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    return tuple(_loaded(point, points, shipped) for point in points)


def load_installed(name: str, shipped: Mapping[str, Strategy]) -> Strategy | None:
    """The installed plug-in `name`, or None. Codes `strategy_broken`, `strategy_name_taken`."""
    points = list(entry_points(group=GROUP))
    for point in points:
        if point.name == name:
            plugin = _loaded(point, points, shipped)
            if plugin.error is not None:
                raise plugin.error
            return plugin.strategy
    return None


def source_file(strategy: Strategy) -> Path | None:
    """The file that a strategy's step stands in, if it is one."""
    step = getattr(strategy.step, "py_func", strategy.step)
    path = Path(step.__code__.co_filename)
    return path if path.is_file() else None


# Files


def parted(named: str) -> tuple[Path, str | None]:
    path, colon, name = named.rpartition(".py:")
    return (Path(f"{path}.py").expanduser(), name) if colon else (Path(named).expanduser(), None)


def _strategies_in(module: ModuleType, kind: type[Kind]) -> dict[str, Kind]:
    """The strategies that a file declares itself, by variable; not those it imports."""
    return {
        variable: value.hashed()
        for variable, value in vars(module).items()
        if isinstance(value, kind) and value.step.__module__ == module.__name__
    }


def _chosen(
    named: str, path: Path, name: str | None, found: dict[str, Kind], kind: type[Kind]
) -> Kind:
    known = ", ".join(strategy.name for strategy in found.values())
    if not found:
        decorator, of_what, instead = _WORDS[kind]
        raise CommendaError("no_strategy", f"{path.name} declares no strategy of {of_what}").at(
            "strategy",
            named,
            f"declare one: a function under @{decorator}(name=…, version=…, …); {instead}",
        )
    if name is None and len(found) > 1:
        raise CommendaError("several_strategies", f"{path.name} declares {known}").at(
            "strategy", named, f"say which, such as {path}:{next(iter(found.values())).name}"
        )
    for variable, strategy in found.items():
        if name in (None, variable, strategy.name):
            return strategy
    raise not_found("unknown_strategy", f"{path.name} declares no strategy {name}").at(
        "strategy", named, f"it declares {known}"
    )


def _module_of(path: Path) -> ModuleType:
    """The module of a file as it and the modules beside it are now."""
    sources = sources_of(path)
    digest = digest_of(path.parent, sources)
    name = f"commenda_plugin_{path.stem}_{digest}"
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"{path} is no Python file")
    module = module_from_spec(spec)
    with _importing_beside(path, sources), _compiling_into(digest):
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            raise _broken(path, sources, error) from error
    return module


def sources_of(path: Path) -> tuple[Path, ...]:
    """A file and the modules and packages beside it that it imports, directly or through them."""
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        source = waiting.pop()
        if source not in found:
            found.add(source)
            for name in _imports_of(source):
                module, package = path.parent / f"{name}.py", path.parent / name
                waiting += [module] if module.is_file() else []
                waiting += package.rglob("*.py")
    return tuple(sorted(found))


def _imports_of(source: Path) -> Iterator[str]:
    """First names of what a source imports; nothing where it is no Python: importing it says so."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def digest_of(root: Path, sources: Iterable[Path]) -> str:
    """What a file's module and its compiled cache are named by: place and text of its sources."""
    digest = hashlib.sha256(str(root).encode())
    for source in sources:
        digest.update(source.relative_to(root).as_posix().encode() + b"\0")
        digest.update(source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@contextmanager
def _importing_beside(path: Path, sources: Iterable[Path]) -> Iterator[None]:
    """Let a file import the modules beside it, as they are now and not as another file left them.

    They stay in sys.modules, for numba imports them by name when it reads its cache; but a module
    that did not come with a plug-in gets its name back.
    """
    beside = (source for source in sources if source != path)
    tops = {source.relative_to(path.parent).parts[0].removesuffix(".py") for source in beside}
    tops -= sys.stdlib_module_names | {"commenda", "numba", "numpy", "polars"}
    shadowed = {
        name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops
    }
    for name in shadowed:
        del sys.modules[name]
    known = set(sys.modules)
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = writes
        _brought.update(name for name in set(sys.modules) - known if name.partition(".")[0] in tops)
        sys.modules.update({k: v for k, v in shadowed.items() if k not in _brought})


@contextmanager
def _compiling_into(digest: str) -> Iterator[None]:
    """Have numba keep what is decorated meanwhile in the cache of exactly these sources."""
    numba: Any = config  # its settings are set as attributes on import, which no type says
    before = numba.CACHE_DIR
    numba.CACHE_DIR = str(CACHE_DIR / f"plugin-{digest}")
    try:
        yield
    finally:
        numba.CACHE_DIR = before


def _broken(path: Path, sources: Iterable[Path], error: BaseException) -> CommendaError:
    known = {str(source): source.name for source in sources}
    place = path.name
    if isinstance(error, SyntaxError) and error.filename in known:
        place = f"{known[error.filename]}, line {error.lineno}"
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename in known:
                place = f"{known[frame.filename]}, line {frame.lineno}"
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return CommendaError("strategy_file_broken", f"{place}: {type(error).__name__}: {said}").at(
        "strategy", path, "mend that line: the file is imported as a module"
    )


# Packages


def _loaded(
    point: EntryPoint, points: Iterable[EntryPoint], shipped: Mapping[str, Strategy]
) -> Plugin:
    distribution = point.dist.name if point.dist else "?"
    error: CommendaError | None = None
    strategy: object = None
    others = [each for each in points if each.name == point.name and each != point]
    if point.name in shipped or others:
        rivals = ["Commenda"] if point.name in shipped else []
        rivals += [each.dist.name for each in others if each.dist]
        error = conflict(
            "strategy_name_taken",
            f"{distribution} and {', '.join(rivals)} have a strategy of that name",
        ).at("strategy", point.name, "uninstall one of them, or have its author rename it")
    else:
        try:
            with _loading, _compiling_into(_package_digest(point.module)):
                strategy = point.load()
        except (Exception, SystemExit) as cause:
            error = _unusable(point, distribution, f"{type(cause).__name__}: {cause}")
        else:
            if not isinstance(strategy, Strategy):
                error = _unusable(point, distribution, f"{point.value} is no strategy")
            elif strategy.name != point.name:
                error = _unusable(point, distribution, f"its strategy is called {strategy.name}")
    return Plugin(
        point.name, distribution, strategy if isinstance(strategy, Strategy) else None, error
    )


def _package_digest(module: str) -> str:
    """Over every source of the package that `module` belongs to."""
    spec = find_spec(module.partition(".")[0])
    if spec is None:
        return "missing"
    roots = [Path(place) for place in spec.submodule_search_locations or ()]
    sources = [source for root in roots for source in sorted(root.rglob("*.py"))]
    if not roots and spec.origin:
        sources = [Path(spec.origin)]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(str(source).encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _unusable(point: EntryPoint, distribution: str, why: str) -> CommendaError:
    return CommendaError(
        "strategy_broken", f"The strategy that {distribution} offers cannot be used: {why}"
    ).at("strategy", point.name, f"have the author of {distribution} mend it, or uninstall it")
