"""What a run has been through, as a set of keys: a run with a key that none had before is new.

Keys come out of the trace and the verdicts alone, so they are the same for every world and subject:

* `pair`: the kinds of two records, one behind the other;
* a kind of record with what it was (an operation's name, an event's bits) or the error it gave;
* `state`: how a bufferevent stood when a callback of its began: which callback, what was enabled,
  whether its buffers were empty;
* `property`: a property had something to judge; how often, by powers of four;
* `choice`: a decision of the world that was not the dull one; `fault`: a fault that happened.

What is seldom is worth more than what is new once: `harness.bulk.corpus` counts how many runs had a
key, and prefers cases whose keys are rare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from harness.run import Outcome
from harness.worlds import is_completion
from model.errors import Errno, NtStatus, Win32Error
from model.properties import PROPERTIES
from model.tls import TlsResult

Key: TypeAlias = tuple[Any, ...]

_ERRORS = frozenset({Errno, NtStatus, Win32Error, TlsResult})
_NAMED = frozenset({"op", "ret", "peer", "tls"})  # their second field tells them apart


def keys_of(outcome: Outcome) -> set[Key]:
    """The keys of one run."""
    side = "c" if is_completion(outcome.world) else "r"
    records = outcome.records
    kinds = [record[1] for record in records]
    found: set[Key] = {(side, "pair", *pair) for pair in set(pairwise(kinds))}
    add = found.add
    for record in records:
        kind = record[1]
        if kind == "cb":
            which = record[3]
            add((side, "state", which, record[8], record[6] > 0, record[7] > 0))
            if which == "event":
                add((side, "event", record[4]))
        elif kind in _NAMED:
            add((side, kind, record[3]))
        elif kind == "fault":
            add((side, kind, record[2]))
        else:
            last = record[-1]
            if type(last) in _ERRORS:
                add((side, kind, last.name))
    for name, times in outcome.verdicts.checked.items():
        if times:
            add((side, "property", name, times.bit_length() + 1 >> 1))
    found.update({(side, "choice", each.name) for each in outcome.decisions if each.value})
    return found


def text_of(key: Key) -> str:
    """A key as one word of text, for files and people."""
    return " ".join([_word(part) for part in key])


def _word(part: object) -> str:
    if isinstance(part, tuple):
        return ":".join(map(str, part))
    return str(int(part)) if isinstance(part, bool) else str(part)


def never_exercised(checked: Iterable[str], worlds: Sequence[str]) -> list[str]:
    """The properties that runs in these worlds could have been judged by, and never were.

    Those of threads are left out: few drawn scenarios have any.
    """
    sides = {"completion" if is_completion(world) else "readiness" for world in worlds}
    judges = ("trace", "runs") if len(worlds) > 1 else ("trace",)
    said = set(checked)
    return [
        each.id
        for each in PROPERTIES
        if each.id not in said
        and sides.intersection(each.kernels)
        and each.checked_by in judges
        and not each.id.startswith("K-")
    ]
