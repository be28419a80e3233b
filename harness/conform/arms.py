"""Arms: what can play the steps of a case. One for each kernel, simulated and real.

An arm is an object with `perform(operation, args) -> result` for as long as one case lasts: the
machines of `sim.iocp_cases`, `real.iocp_cases` and their like. Cases are played whole, because the
simulated ones run inside a scheduler and the real completion kernel is in another process on Linux
(`harness.worker`). Results are plain JSON values, so that they compare across processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from harness.conform.cases import Step
from harness.worlds import check_available, is_remote
from model.choices import Choices
from model.errors import UsageError

Steps = Sequence[Step]

TOGETHER = 24  # cases in one job of a worker: one that hangs is given up the sooner


class Arm(Protocol):
    """What the names of one case stand for on one kernel."""

    def perform(self, operation: str, args: Sequence[Any]) -> Any:
        """Does one operation and gives its result. Raises `UsageError` for an unknown name."""


class Kernel(NamedTuple):
    """One kernel: modules with a function `play` for each arm, the real world's name, profiles,
    and the modules of its random programs and of what they may differ in.

    A simulated `play` takes steps, `choices`, `before` (told each step's number) and, where there
    is more than one, a `profile`; a real one takes steps and the pace.
    """

    simulated: str
    real: str
    world: str
    profiles: tuple[str, ...]
    programs: str
    looseness: str


KERNELS = {
    "epoll": Kernel(
        "sim.epoll_cases",
        "real.epoll_cases",
        "epoll",
        ("linux",),
        "harness.conform.epoll_programs",
        "harness.conform.epoll_looseness",
    ),
    "iocp": Kernel(
        "sim.iocp_cases",
        "real.iocp_cases",
        "iocp",
        ("nt", "wine-8"),
        "harness.conform.iocp_programs",
        "harness.conform.iocp_looseness",
    ),
}


def play_simulated(
    kernel: str,
    steps: Steps,
    profile: str,
    choices: Choices | None = None,
    before: Callable[[int], object] | None = None,
) -> list[Any]:
    """The results of `steps` on the simulated kernel, as JSON has them."""
    play: Callable[..., list[Any]] = import_module(KERNELS[kernel].simulated).play
    profiles = {"profile": profile} if len(KERNELS[kernel].profiles) > 1 else {}
    return _as_json(play(steps, choices=choices, before=before, **profiles))


def play_here(kernel: str, steps: Steps, pace: float) -> list[Any]:
    """The results of `steps` on the real kernel of this process."""
    play: Callable[..., list[Any]] = import_module(KERNELS[kernel].real).play
    return _as_json(play(steps, pace))


def play_real(kernel: str, batch: Sequence[Steps], pace: float = 1.0) -> list[list[Any]]:
    """The results of several cases on the real kernel.

    Raises `WorldUnavailable` where it does not run; `UsageError` for a name that nothing has.
    """
    world = KERNELS[kernel].world
    if is_remote(world):
        from harness.worker import remote_cases  # sockets and processes: only where needed

        starts = range(0, len(batch), TOGETHER)
        parts = [remote_cases(kernel, batch[at : at + TOGETHER], pace) for at in starts]
        return [results for part in parts for results in part]
    check_available(world)
    return [play_here(kernel, steps, pace) for steps in batch]


def real_profile(kernel: str) -> str:
    """The profile of the real kernel that runs here: that of Wine is not that of Windows."""
    return "wine-8" if is_remote(KERNELS[kernel].world) else KERNELS[kernel].profiles[0]


def check_profile(kernel: str, profile: str) -> None:
    """Raises `UsageError` unless the kernel has that profile."""
    if profile not in KERNELS[kernel].profiles:
        known = ", ".join(KERNELS[kernel].profiles)
        raise UsageError(
            f"profile {profile[:40]!r} of {kernel} does not exist: name one of {known}"
        )


def _as_json(results: list[Any]) -> list[Any]:
    plain: list[Any] = json.loads(json.dumps(results))
    return plain
