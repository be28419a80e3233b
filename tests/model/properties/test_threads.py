"""Each property of threads: a trace that breaks it, and the nearest one that does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.schedule_command import PROGRAMS
from harness.thread_run import run_threads
from model.choices import Choices
from model.errors import NtStatus
from model.properties.threads import PROPERTIES, check_threads
from model.trace import FIELDS, Record

Line = tuple[Any, ...]  # a thread, and a record without its time

SPAWNED: list[Line] = [
    ("main", "thread", "a", "spawn"),
    ("a", "thread", "a", "begin"),
    ("main", "thread", "b", "spawn"),
    ("b", "thread", "b", "begin"),
]


def trace(lines: Sequence[Line]) -> list[Record]:
    """Records, with an `on` wherever the thread changes."""
    records: list[Record] = []
    current = "main"
    for thread, *fields in lines:
        if thread != current:
            current = thread
            records.append((len(records), "on", thread))
        records.append((len(records), *fields))
    return records


def lock(thread: str, *operations: str) -> list[Line]:
    """`+x` takes x, `?x` tries it, `-x` releases it, `w:y` and `r:y` touch y."""
    lines: list[Line] = []
    words = {"+": "acquire", "?": "try", "-": "release"}
    for each in operations:
        if each[0] in words:
            lines.append((thread, "lock", each[1:], words[each[0]], thread))
        else:
            lines.append((thread, "touch", each[2:], {"w": "write", "r": "read"}[each[0]]))
    return lines


def wait(thread: str, operation: str, woken: int | None = None) -> Line:
    return (thread, "condition", "c", "x", operation, thread, woken)


def callback(thread: str, bev: str = "c0") -> Line:
    return (thread, "cb", bev, "read", None, None, 1, 0, 6)


def callback_end(thread: str, bev: str = "c0") -> Line:
    return (thread, "cb_end", bev, "read", 0, 0)


HANG: list[Line] = [
    ("main", "hang", "deadlock"),
    ("main", "blocked", "a", "x", "lock y, held by b", "y", 7),
]
COMPLETED = (None, 5, "recv", NtStatus.SUCCESS, b"x")

#: property -> (lines that break it, lines that do not) after SPAWNED
PAIRS: list[tuple[str, list[Line], list[Line]]] = [
    (
        "C-3",
        [callback("a"), callback("b"), callback_end("b"), callback_end("a")],
        [callback("a"), callback_end("a"), callback("b"), callback_end("b")],
    ),
    (
        "C-3",
        [callback("a"), callback("a", "s0"), callback("b")],
        [callback("a"), callback("b", "s0"), callback_end("b", "s0"), callback_end("a")],
    ),
    (
        "K-1",
        lock("a", "+x", "+y", "-y", "-x") + lock("b", "+y", "+x", "-x", "-y"),
        lock("a", "+x", "+y", "-y", "-x") + lock("b", "+x", "+y", "-y", "-x"),
    ),
    (  # a try waits for nobody
        "K-1",
        lock("a", "+x", "+y", "-y", "-x") + lock("b", "?y", "+x", "-x", "-y"),
        lock("a", "+x", "+y", "-y", "-x") + lock("b", "+y", "?x", "-x", "-y"),
    ),
    (  # a gate that both hold
        "K-1",
        lock("a", "+x", "+y", "-y", "-x") + lock("b", "+g", "+y", "+x", "-x", "-y", "-g"),
        lock("a", "+g", "+x", "+y", "-y", "-x", "-g")
        + lock("b", "+g", "+y", "+x", "-x", "-y", "-g"),
    ),
    (  # one thread's two orders hang nobody
        "K-1",
        lock("a", "+x", "+y", "-y", "-x") + lock("main", "+y", "+x", "-x", "-y"),
        lock("a", "+x", "+y", "-y", "-x") + lock("a", "+y", "+x", "-x", "-y"),
    ),
    (  # what ended before the other began
        "K-1",
        lock("a", "+x", "+y", "-y", "-x") + lock("main", "+y", "+x"),
        lock("a", "+x", "+y", "-y", "-x")
        + [("a", "thread", "a", "end"), ("main", "thread", "a", "join")]
        + lock("main", "+y", "+x"),
    ),
    (  # three threads, three locks
        "K-1",
        lock("a", "+x", "+y", "-y", "-x")
        + lock("b", "+y", "+z", "-z", "-y")
        + lock("main", "+z", "+x"),
        lock("a", "+x", "+y", "-y", "-x")
        + lock("b", "+y", "+z", "-z", "-y")
        + lock("main", "+x", "+z"),
    ),
    (  # a wait takes its lock again, under what else is held
        "K-1",
        lock("a", "+x", "+y") + [wait("a", "wait"), wait("a", "woken")] + lock("b", "+x", "+y"),
        lock("a", "+x") + [wait("a", "wait"), wait("a", "woken")] + lock("b", "+y", "+x"),
    ),
    (  # the loop sleeps on; it goes on at once, for which records of `trace` have no time
        "K-4",
        [*lock("a", "w:base.active"), ("main", "epoll_wait", 3, None, [])],
        [*lock("a", "w:base.active"), *lock("main", "+x"), ("main", "epoll_wait", 3, None, [])],
    ),
    (
        "K-6",
        [("main", "new", "c0", "socket", 14, 5), *lock("a", "+c0", "+c0"), callback("a")],
        [("main", "new", "c0", "socket", 14, 5), *lock("a", "+c0"), callback("a")],
    ),
    ("K-2", lock("a", "w:n") + lock("b", "w:n"), lock("a", "r:n") + lock("b", "r:n")),
    ("K-2", lock("a", "r:n") + lock("b", "w:n"), lock("a", "w:n") + lock("b", "w:m")),
    (
        "K-2",
        lock("a", "+x", "w:n", "-x") + lock("b", "+y", "r:n", "-y"),
        lock("a", "+x", "w:n", "-x") + lock("b", "+x", "r:n", "-x"),
    ),
    (  # after the release nobody is ordered
        "K-2",
        lock("a", "+x", "-x", "w:n") + lock("b", "+x", "r:n", "-x"),
        lock("a", "w:n", "+x", "-x") + lock("b", "+x", "-x", "r:n"),
    ),
    (  # the inner release of a lock taken twice gives nothing away
        "K-2",
        lock("a", "+x", "+x", "-x", "-x", "w:n") + lock("b", "+x", "r:n"),
        lock("a", "+x", "+x", "-x", "w:n", "-x") + lock("b", "+x", "r:n"),
    ),
    (
        "K-2",
        [*lock("a", "w:n"), ("a", "thread", "a", "end"), *lock("main", "r:n")],
        [
            *lock("a", "w:n"),
            ("a", "thread", "a", "end"),
            ("main", "thread", "a", "join"),
            *lock("main", "r:n"),
        ],
    ),
    (
        "K-2",
        [
            ("a", "wsa_recv", 3, 5, 10, 0),
            *lock("a", "w:n"),
            ("b", "completion", *COMPLETED),
            *lock("b", "w:n"),
        ],
        [
            *lock("a", "w:n"),
            ("a", "wsa_recv", 3, 5, 10, 0),
            ("b", "completion", *COMPLETED),
            *lock("b", "w:n"),
        ],
    ),
    (
        "K-2",
        [
            ("a", "post", 1, 0, None, None),
            *lock("a", "w:n"),
            ("b", "completion", None, None, "post", NtStatus.SUCCESS, None),
            *lock("b", "w:n"),
        ],
        [
            *lock("a", "w:n"),
            ("a", "post", 1, 0, None, None),
            ("b", "completion", None, None, "post", NtStatus.SUCCESS, None),
            *lock("b", "w:n"),
        ],
    ),
    (
        "K-2",
        [
            ("a", "eventfd_write", 3, None),
            *lock("a", "w:n"),
            ("b", "eventfd_read", 3, 1),
            *lock("b", "w:n"),
        ],
        [
            *lock("a", "w:n"),
            ("a", "eventfd_write", 3, None),
            ("b", "eventfd_read", 3, 1),
            *lock("b", "w:n"),
        ],
    ),
    ("K-3", HANG, lock("a", "+x", "-x")),
    (
        "K-4",
        lock("b", "+x") + [wait("b", "notify", 0)] + lock("b", "-x")
        + lock("a", "+x") + [wait("a", "wait")] + HANG,
        lock("a", "+x") + [wait("a", "wait")]
        + lock("b", "+x") + [wait("b", "notify", 1)] + lock("b", "-x") + HANG,
    ),
    (
        "K-5",
        [*lock("a", "+x"), ("a", "thread", "a", "end")],
        [*lock("a", "+x", "-x"), ("a", "thread", "a", "end")],
    ),
]  # fmt: skip


def broken(lines: Sequence[Line]) -> set[str]:
    verdicts = check_threads(trace([*SPAWNED, *lines]))
    assert not verdicts.unreadable
    for violation in verdicts.violations:
        assert verdicts.checked[violation.property], "broken, but never checked"
    return {each.property for each in verdicts.violations}


@pytest.mark.parametrize(("property_id", "bad", "good"), PAIRS)
def test_the_bad_trace_breaks_it_and_the_good_one_does_not(
    property_id: str, bad: list[Line], good: list[Line]
) -> None:
    assert property_id in broken(bad)
    assert property_id not in broken(good)


def test_every_property_has_a_pair() -> None:
    assert {each.id for each in PROPERTIES} == {property_id for property_id, _, _ in PAIRS}


def test_a_violation_says_who_and_where() -> None:
    bad = lock("a", "+x", "w:n", "-x") + lock("b", "w:n")
    (violation,) = check_threads(trace([*SPAWNED, *bad])).violations
    assert violation.message == (
        "n is accessed by a (record 9, with x) and by b (record 12, with no lock)"
        " without order, the second a write"
    )
    assert violation.record == 12
    (hang,) = check_threads(trace([*SPAWNED, *HANG])).violations
    assert "a waits for lock y, held by b, holds x, at record 7" in hang.message


def test_what_is_told_before_its_submission_orders_what_came_before_it_and_no_more() -> None:
    """K-2: who is told so knows what others have done until then, not what they do later."""
    begun = [*lock("a", "+z", "-z"), *lock("b", "+z", "-z"), *lock("c", "+z", "-z")]
    untold = ("completion", *COMPLETED)
    handed_on = [
        ("c", *untold),
        *lock("a", "+y", "-y"),
        ("b", *untold),
        *lock("a", "+x", "w:n", "-x"),
        *lock("b", "+x", "-x"),
        *lock("c", "+x", "w:n", "-x"),
    ]
    assert "K-2" not in broken([*begun, *handed_on])
    assert "K-2" not in broken([*begun, *lock("a", "w:n"), ("b", *untold), *lock("b", "w:n")])
    assert "K-2" in broken([*begun, ("b", *untold), *lock("a", "w:n"), *lock("b", "w:n")])


def test_one_thread_says_nothing_about_threads() -> None:
    alone = trace(lock("main", "+x", "w:n", "-x") + [callback("main"), callback_end("main")])
    verdicts = check_threads(alone)
    assert not verdicts.violations
    assert {name for name, count in verdicts.checked.items() if count} == {"K-2"}


@pytest.mark.parametrize("each", PROGRAMS, ids=lambda each: str(each.name))
def test_the_right_twins_of_planted_bugs_break_nothing(each: Any) -> None:
    for seed in range(30):
        tape = [(seed * 7 + place * place) % 5 for place in range(40)]
        assert run_threads(each.fixed, Choices(tape), each.kind).failure is None


ANYTHING = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.booleans())


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(FIELDS)), st.lists(ANYTHING, max_size=6)), max_size=30
    )
)
def test_no_record_stops_the_check(damaged: list[tuple[str, list[Any]]]) -> None:
    records: list[Record] = [(0, kind, *fields) for kind, fields in damaged]
    verdicts = check_threads(records)
    assert set(verdicts.checked) == {each.id for each in PROPERTIES}
    assert all(0 <= index < len(records) for index in verdicts.unreadable)
