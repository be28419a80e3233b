"""Mutants: the model with one bug put in, to prove that a property can fail.

Those named `LE-...` put a bug back that libevent really had (`model/mutants/bugs.json` tells its
trigger, symptom and fix); the others break one promise each that no historical bug reaches here.
A mutant replaces methods while it is active and leaves no trace in the normal path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from model.errors import UsageError

Patch: TypeAlias = tuple[type, str, Callable[..., Any]]


@dataclass(frozen=True)
class Mutant:
    """One planted bug.

    `breaks` is the id of the property that must find it; `kernels` where it lives: readiness,
    completion or both.
    """

    name: str
    title: str
    breaks: str
    kernels: tuple[str, ...]
    patches: tuple[Patch, ...]


BOTH = ("readiness", "completion")


def _catalogue() -> Mapping[str, Mutant]:
    from model.mutants.historical import HISTORICAL
    from model.mutants.planted import PLANTED

    return {mutant.name: mutant for mutant in (*HISTORICAL, *PLANTED)}


def mutants() -> Mapping[str, Mutant]:
    """All mutants by name, the historical ones first."""
    return _catalogue()


def find(name: str) -> Mutant:
    """The mutant of that name. Raises `UsageError` when there is none."""
    catalogue = _catalogue()
    if name not in catalogue:
        raise UsageError(f"no mutant {name!r}: `duopoll mutants` lists {len(catalogue)} names")
    return catalogue[name]


@contextmanager
def active(name: str | None) -> Iterator[None]:
    """The model with that bug, inside the `with`; None changes nothing."""
    if name is None:
        yield
        return
    patches = find(name).patches
    saved = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, replacement in patches:
        setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        for owner, attribute, original in saved:
            setattr(owner, attribute, original)
