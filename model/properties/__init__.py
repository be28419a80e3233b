"""The property catalogue, and the check of one trace against it.

A trace is read once, record by record. `view` keeps what is known of each bufferevent;
`application_records`, `byte_records` and `kernel_records` bring it up to date, a function a kind;
the families (`stream` B, `callbacks` C, `events` E, `order` O, `watermarks` W, `timeouts` T,
`rates` R, `liveness` L, `layers` M, `threads` K, `resources` S) state their properties and judge.
`cross` (X) compares several runs.

The checker knows nothing but the records, so it is the same for a simulated kernel and a real one,
for our subject and for libevent. Where the contract leaves freedom, or where threads write records
a little out of order, it looks away rather than raise a false alarm; each property says where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from model.properties import (
    application_records,
    callbacks,
    cross,
    events,
    kernel_records,
    layer_records,
    layers,
    liveness,
    order,
    rates,
    resources,
    stream,
    threads,
    timeouts,
    tls,
    watermarks,
)
from model.properties.catalogue import Property, Verdicts, Violation
from model.properties.cross import compare_runs
from model.properties.view import Handler, Run
from model.trace import Record

PROPERTIES: tuple[Property, ...] = (
    stream.PROPERTIES
    + callbacks.PROPERTIES
    + threads.PROPERTIES
    + events.PROPERTIES
    + order.PROPERTIES
    + watermarks.PROPERTIES
    + timeouts.PROPERTIES
    + rates.PROPERTIES
    + liveness.PROPERTIES
    + layers.PROPERTIES
    + resources.PROPERTIES
    + cross.PROPERTIES
)
PROPERTY: dict[str, Property] = {each.id: each for each in PROPERTIES}


class _Handlers(dict[str, Handler]):
    """Of kinds of records; most of those that have none are the harness's and the threads'."""

    def __missing__(self, kind: str) -> Handler:
        return _pass_over


def _pass_over(run: Run, index: int, record: Record) -> None:
    """A record that nothing is judged by here."""


_ALWAYS = kernel_records.HANDLERS | layer_records.HANDLERS | tls.HANDLERS
_HANDLERS = _Handlers(_ALWAYS | application_records.HANDLERS)
_TEARDOWN_HANDLERS = _Handlers(_ALWAYS | application_records.TEARDOWN_HANDLERS)
#: what the waits of a busy loop take in virtual time (`sim.epoll`), with some to spare
WAKE_NS = 100_000
_NONE_CHECKED = dict.fromkeys(PROPERTY, 0)

#: what a record raises whose fields are not of the types that its kind has
_DAMAGED = (TypeError, ValueError, IndexError, KeyError, AttributeError)


def check(
    records: Sequence[Record],
    *,
    completion: bool,
    simulated: bool,
    close_tolerance_ns: int,
    foreign: bool = False,
) -> Verdicts:
    """Judges one run by its trace: one pass, a microsecond a record or less.

    `completion` says which kernel kind it was; `simulated` that time is virtual and that the
    network carries all it can before the run is quiet; `close_tolerance_ns` is what a real clock
    and scheduler may add to a timeout; `foreign` that the subject reads the clock once a pass, and
    asks the kernel how much there is before it reads, as libevent does. Never raises, whatever the
    records.
    """
    run = Run(records, completion, simulated, close_tolerance_ns, foreign)
    run.checked = _NONE_CHECKED.copy()
    unreadable: list[int] = []
    numbered = enumerate(records)
    while not _walk(run, numbered, _TEARDOWN_HANDLERS if run.over else _HANDLERS, unreadable):
        pass  # over an unreadable record, or into the teardown
    stream.judge(run)
    if records:
        resources.judge(run)
    checked = run.checked
    if run.threaded:
        _judge_threads(run, unreadable)
    checked["L-5"] = run.callbacks
    checked["C-2"] = checked["W-2"] = run.data_callbacks
    return Verdicts(tuple(run.violations), checked, tuple(unreadable))


def _judge_threads(run: Run, unreadable: list[int]) -> None:
    verdicts = threads.check_threads(run.records, run.tolerance + WAKE_NS)
    run.violations.extend(verdicts.violations)
    run.checked |= verdicts.checked
    unreadable.extend(index for index in verdicts.unreadable if index not in unreadable)


def _walk(
    run: Run,
    numbered: Iterator[tuple[int, Record]],
    handlers: dict[str, Handler],
    unreadable: list[int],
) -> bool:
    """Takes records until they end (true), or until it must be called again."""
    index = -1
    try:
        for index, record in numbered:
            if handlers[record[1]](run, index, record):
                run.over = True
                return False
    except _DAMAGED:
        unreadable.append(index)
        return False
    return True


__all__ = [
    "PROPERTIES",
    "PROPERTY",
    "Property",
    "Verdicts",
    "Violation",
    "check",
    "compare_runs",
]
