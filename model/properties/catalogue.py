"""What a property is, and what comes of checking one.

A property is a named promise about a bufferevent, judged on a trace after the run. Its id is that
of its family (B bytes, C callbacks, E events, O order, W watermarks, T timeouts, R rates,
L liveness, S safety of resources, X across kernels) and a number. Most are implications: where the
left side never held in a run, the run says nothing about the property, and `Verdicts.checked` says
0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Kernel: TypeAlias = Literal["readiness", "completion"]
BOTH: tuple[Kernel, ...] = ("readiness", "completion")


@dataclass(frozen=True, slots=True)
class Property:
    """One promise.

    `source` is where libevent (a man page, a header) makes it; `kernels` are the kernel kinds it
    holds on; `checked_by` is "trace" (`check`), "runs" (`compare_runs`: several traces) or "tests"
    (no trace can show it); `how` says what the checker looks at, and where it looks away.
    """

    id: str
    statement: str
    source: str
    how: str
    needs_simulator: bool = False
    kernels: tuple[Kernel, ...] = BOTH
    checked_by: Literal["trace", "runs", "tests"] = "trace"


class Violation(NamedTuple):
    """A broken promise: `record` is an index into the records, -1 the whole run."""

    property: str
    record: int
    message: str


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The outcome of a check.

    `checked` counts, for every property of the catalogue, how often its antecedent held: 0 means
    that this run says nothing about it. `unreadable` are indices of records whose fields are not
    what their kind has; they were left out, so that a damaged trace does not stop the check.
    """

    violations: tuple[Violation, ...]
    checked: dict[str, int] = field(default_factory=dict)
    unreadable: tuple[int, ...] = ()
