"""What a mutant is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

#: a class, the name of one of its methods, and what takes its place
Patch: TypeAlias = tuple[type, str, Callable[..., Any]]

BOTH = ("readiness", "completion")


@dataclass(frozen=True)
class Mutant:
    """One planted bug.

    `breaks` is the id of the property that must find it; `kernels` where it lives: readiness,
    completion or both; `threads` that it takes application threads,
    `focus` what scenarios use its code (`harness.noise.FOCUSES`; empty: most of them),
    `pool` that it takes completion workers as well.
    """

    name: str
    title: str
    breaks: str
    kernels: tuple[str, ...]
    patches: tuple[Patch, ...]
    threads: bool = False
    focus: str = ""
    pool: bool = False


def planted(
    name: str, title: str, breaks: str, kernels: tuple[str, ...], *patches: Patch
) -> Mutant:
    """A bug of our own making."""
    return Mutant(name, title, breaks, kernels, patches)
