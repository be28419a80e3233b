"""Mutants: the model with one bug put in, to prove that a property can fail.

Those named `LE-...` put a bug back that libevent really had (`model/mutants/bugs.json` tells its
trigger, symptom and fix); the others break one promise each that no historical bug reaches here.
A mutant replaces methods while it is active and leaves no trace in the normal path.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from model.errors import UsageError
from model.mutants.event_del import EVENT_DEL
from model.mutants.historical import HISTORICAL
from model.mutants.historical_connections import HISTORICAL_CONNECTIONS
from model.mutants.historical_tls import HISTORICAL_TLS
from model.mutants.mutant import Mutant
from model.mutants.planted_callbacks import CALLBACKS
from model.mutants.planted_evbuffer import EVBUFFER
from model.mutants.planted_layers import LAYERS
from model.mutants.planted_progress import PROGRESS
from model.mutants.planted_tls import TLS
from model.mutants.rates import HISTORICAL_RATES, RATES
from model.mutants.threads import HISTORICAL_THREADS, THREADS

__all__ = ["BUFFER_MUTANTS", "MUTANTS", "Mutant", "active", "find", "patched"]

#: by name, the historical ones first
MUTANTS: Mapping[str, Mutant] = {
    mutant.name: mutant
    for mutant in (
        *sorted(
            (
                *HISTORICAL,
                *HISTORICAL_CONNECTIONS,
                *HISTORICAL_RATES,
                *HISTORICAL_TLS,
                *HISTORICAL_THREADS,
            ),
            key=lambda mutant: mutant.name,
        ),
        *CALLBACKS,
        *PROGRESS,
        *RATES,
        *LAYERS,
        *TLS,
        *THREADS,
        *EVENT_DEL,
    )
}

#: those that the stateful test of the evbuffer finds, and no run
BUFFER_MUTANTS: Mapping[str, Mutant] = {mutant.name: mutant for mutant in EVBUFFER}


def find(name: str) -> Mutant:
    """The mutant of that name. Raises `UsageError` when there is none."""
    if name not in MUTANTS:
        raise UsageError(f"no mutant {name[:40]!r}: `duopoll mutants` lists the {len(MUTANTS)}")
    return MUTANTS[name]


@contextmanager
def active(name: str | None) -> Iterator[None]:
    """The model with that bug, inside the `with`; None changes nothing."""
    if name is None:
        yield
        return
    with patched(find(name)):
        yield


@contextmanager
def patched(mutant: Mutant) -> Iterator[None]:
    """The model with a mutant's bug, inside the `with`."""
    patches = mutant.patches
    saved = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, replacement in patches:
        setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        for owner, attribute, original in saved:
            setattr(owner, attribute, original)
