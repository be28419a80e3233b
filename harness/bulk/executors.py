"""Who does the work: an executor of `concurrent.futures`, whichever it is.

A campaign hands functions and plain data to an executor and takes what comes back. There are three:
this process (one job, nothing beside it, hence the same every time), a process for each core, and a
Dask cluster. Processes are spawned, not forked: what a run leaves in a process (greenlets, a
subject's own process, Wine) is not for two. Each ends by itself when the one that made it has gone,
however that went. This is the only module that knows Dask, and only if asked for it; nobody but
this machine is ever spoken to.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from importlib import import_module
from multiprocessing.connection import wait
from typing import Any

from model.errors import UsageError, WorldUnavailable

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_CONNECT_S = 10


class Here(Executor):
    """Does each job at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def processes(jobs: int) -> Executor:
    """This process for one job, else so many others."""
    if jobs == 1:
        return Here()
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=begin_worker)


def begin_worker() -> None:
    """Ctrl-C is the campaign's to handle; and a worker does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)


def dask(address: str) -> tuple[Executor, int]:
    """The executor of the Dask cluster at `address`, and how many jobs it does at once.

    Raises `UsageError` for an address that is not on this machine, `WorldUnavailable` without Dask
    or without a cluster there.
    """
    host = address.rpartition("://")[2].rpartition(":")[0]
    if host not in LOOPBACK:
        raise UsageError(f"--dask {address[:80]!r}: give tcp://127.0.0.1:PORT, of this machine")
    try:
        distributed: Any = import_module("distributed")  # its calls have no types
    except ImportError:
        raise WorldUnavailable(
            "--dask needs Dask, which is not installed: pip install 'duopoll[dask]'"
        ) from None
    try:
        client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise WorldUnavailable(
            f"--dask {address[:80]!r}: no cluster answers ({reason}): start one there"
        ) from None
    jobs = sum(client.nthreads().values())
    if not jobs:
        client.close()
        raise WorldUnavailable(f"--dask {address[:80]!r}: the cluster has no worker: start some")
    return _Cluster(client), jobs


class _Cluster(Executor):
    """A client's executor, which is closed with its client. Every job is a job of its own, even
    if it looks like another."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._executor.shutdown(wait=wait)
        self._client.close()
