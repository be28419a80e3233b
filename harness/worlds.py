"""The worlds by name: how each is made, and whether it runs here.

| world | kernel | runs |
|---|---|---|
| sim-epoll | simulated epoll(7), under virtual time | everywhere |
| sim-iocp | simulated completion ports, under virtual time | everywhere |
| epoll | Linux's | on Linux |
| iocp | Windows's, or Wine's on Linux (through `harness.worker`) | on Windows; with Wine |
"""

from __future__ import annotations

import sys
from functools import cache

from harness.scenario import Network
from model.choices import Choices
from model.errors import UsageError, WorldUnavailable
from model.faults import NONE, Faults
from model.world import World
from sim.task import Pool
from sim.world import SimWorld

SIMULATED = ("sim-epoll", "sim-iocp")
REAL = ("epoll", "iocp")
WORLDS = SIMULATED + REAL


def is_simulated(name: str) -> bool:
    """Whether the world runs under virtual time, from a tape."""
    return name in SIMULATED


def is_completion(name: str) -> bool:
    """Whether the world's kernel says "it is done" (and not "you may try")."""
    return name.endswith("iocp")


def is_remote(name: str) -> bool:
    """Whether runs of the world go through a worker process."""
    return name == "iocp" and sys.platform != "win32"


def make_world(
    name: str,
    choices: Choices,
    network: Network,
    faults: Faults = NONE,
    pool: Pool | None = None,
) -> World:
    """A fresh world for one run. What is behind `name` is for simulated ones; with a `pool` a run
    is cheaper (`sim.task.Pool`).

    Raises `UsageError` for an unknown name, `WorldUnavailable` for one that cannot run here.
    """
    if name == "sim-epoll":
        return SimWorld("epoll", choices, network.sndbuf, network.rcvbuf, "nt", faults, pool)
    if name == "sim-iocp":
        return SimWorld("iocp", choices, network.sndbuf, network.rcvbuf, "nt", faults, pool)
    check_available(name)
    from real.world import RealWorld  # only real runs need it

    return RealWorld(name)


def check_name(name: str) -> None:
    """Raises `UsageError` unless there is such a world."""
    if name not in WORLDS:
        raise UsageError(f"world {name[:40]!r} does not exist: name one of {', '.join(WORLDS)}")


@cache
def why_not(name: str) -> str | None:
    """None if the world runs here; otherwise one line with the reason and the remedy."""
    check_name(name)
    if name in SIMULATED:
        return None
    from real import world  # only real runs need it

    return world.why_not(name)


def check_available(name: str) -> None:
    """Raises `WorldUnavailable` if the world does not run here."""
    reason = why_not(name)
    if reason is not None:
        raise WorldUnavailable(f"world {name} does not run here: {reason}")
