"""Where configurations run: processes of this machine, or a Ray or Dask cluster, by its name.

joblib divides the work; a cluster's own package is asked for only where it is named.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from typing import Any, TypeVar

from commenda.kernel import Program
from commenda.kit.errors import CommendaError
from commenda.studies.evaluate import Course

R = TypeVar("R")

LEAST_MEMORY = 512
"""MB of data that the compiler, its threads and a short history take: in 256 none starts."""


class Backend(StrEnum):
    """Who does the work."""

    PROCESSES = "processes"
    RAY = "ray"
    DASK = "dask"


PACKAGES = {Backend.RAY: ("ray", "ray"), Backend.DASK: ("distributed", "distributed")}
"""What a cluster's backend imports, and the package that has it."""


class WorkerLost(Exception):
    """A process ended in the middle of its work, and nobody knows why."""


class Workers:
    """Runs a function over parts of a batch and puts the answers in the batch's order."""

    def __init__(self, jobs: int, parallel: Any | None) -> None:
        self.jobs = jobs
        self._parallel = parallel

    def over(
        self,
        work: Callable[..., list[R]],
        course: Course,
        programs: Sequence[Program],
        *rest: object,
    ) -> list[R]:
        """`work(course, part, *rest)` over the parts of `programs`."""
        if not programs:
            return []
        if self._parallel is None:
            return work(course, programs, *rest)
        from joblib import delayed

        share = -(-len(programs) // self.jobs)
        parts = [programs[place : place + share] for place in range(0, len(programs), share)]
        from joblib.externals.loky.process_executor import BrokenProcessPool

        try:
            answers = self._parallel(delayed(work)(course, part, *rest) for part in parts)
        except BrokenProcessPool as error:
            raise WorkerLost(str(error)) from error
        return [one for answer in answers for one in answer]


@contextmanager
def workers(
    backend: Backend = Backend.PROCESSES, jobs: int = 1, address: str | None = None
) -> Iterator[Workers]:
    """Workers for as long as the context lasts; `address` of a cluster, else one started here.

    One job of `processes` is this process itself. Codes `bad_jobs`, `bad_address` and
    `backend_missing`.
    """
    if jobs < 1:
        raise CommendaError("bad_jobs", "No workers").at("jobs", jobs, "1 or more")
    if backend is Backend.PROCESSES:
        if address is not None:
            raise CommendaError("bad_address", "Processes of this machine have no address").at(
                "address", address, f"name the cluster's kind: {Backend.RAY} or {Backend.DASK}"
            )
        if jobs == 1:
            yield Workers(1, None)
            return
    import joblib

    with ExitStack() as stack:
        if backend is Backend.PROCESSES:
            # Large arrays are shared through memory maps; copied where they are written to, because
            # the compiled loop takes none that are read-only.
            parallel = joblib.Parallel(n_jobs=jobs, backend="loky", mmap_mode="c")
        else:
            _connect(backend, jobs, address, stack)
            stack.enter_context(joblib.parallel_config(backend=backend.value))
            parallel = joblib.Parallel(n_jobs=jobs)
        yield Workers(jobs, stack.enter_context(parallel))


def _connect(backend: Backend, jobs: int, address: str | None, stack: ExitStack) -> None:
    module, package = PACKAGES[backend]
    try:
        found = importlib.import_module(module)
    except ImportError:
        raise CommendaError("backend_missing", f"The package {package} is not installed").at(
            "backend", backend, f"pip install {package}, or use {Backend.PROCESSES}"
        ) from None
    if backend is Backend.DASK:
        options = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
        stack.enter_context(found.Client(address) if address else found.Client(**options))
        return
    if not found.is_initialized():
        local = {} if address else {"num_cpus": jobs, "include_dashboard": False}
        found.init(address=address, logging_level="warning", log_to_driver=False, **local)
        stack.callback(found.shutdown)
    importlib.import_module("ray.util.joblib").register_ray()


def be_modest(memory_mb: int | None = None, niceness: int = 10) -> None:
    """Step behind trading: lower this process's priority and bound its memory, and its children's.

    Once done it cannot be undone, so it is for a process of the study's own. A platform that knows
    no such limits is left as it is. Code `bad_memory`.
    """
    if memory_mb is not None and memory_mb < LEAST_MEMORY:
        raise CommendaError("bad_memory", "A study does not start with so little memory").at(
            "memory", memory_mb, f"{LEAST_MEMORY} MB or more, or 0 for no bound"
        )
    if hasattr(os, "nice"):
        os.nice(niceness)
    if memory_mb is None:
        return
    try:
        import resource
    except ImportError:
        return
    limit = memory_mb * 1024 * 1024
    # Data and not address space: a runtime reserves addresses that it never uses.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
