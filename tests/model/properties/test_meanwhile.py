"""What other threads did between two records: the look back beside a plain reading of the list."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from model.properties.meanwhile import RETRY_NS, crossed, refused, submitter, uncharged
from model.properties.meters import Group
from model.properties.view import Run, View
from model.threads import MAIN
from model.trace import Record

NAMES = st.sampled_from(("bev1", "g0"))
THREADS = st.sampled_from((MAIN, "t0", "t1"))
HOW = st.sampled_from(("acquire", "release", "try", "refused"))
LOCKS = st.lists(st.tuples(st.integers(0, RETRY_NS), NAMES, HOW, THREADS), max_size=12)
ACTS = st.dictionaries(
    THREADS, st.tuples(st.integers(-1, 11), st.integers(0, 1), st.integers(0, 9)), max_size=3
)


def _run(locks: list[tuple[int, str, str, str]]) -> Run:
    records: list[Record] = []
    now = 0
    for later, name, how, thread in locks:
        now += later
        records.append((now, "lock", name, how, thread))
    records.append((now, "step", 0, "wait"))
    return Run(records, False, True, 0, False)


def _group(acts: dict[str, tuple[int, int, int]]) -> Group:
    group = Group((1, 1, 1, 1, 1), 0)
    group.acts = acts
    return group


def _acquired(run: Run, name: str, thread: str) -> list[int]:
    wanted = ("lock", name, "acquire", thread)
    return [place for place, record in enumerate(run.records) if record[1:5] == wanted]


@given(LOCKS, NAMES)
def test_a_lock_that_was_not_to_be_had(locks: list[tuple[int, str, str, str]], name: str) -> None:
    """Of what a group tried in the last two milliseconds the last counts."""
    run = _run(locks)
    end = len(locks)
    tried = [
        record[3] == "refused"
        for record in run.records[:end]
        if record[2] == name and record[3] in ("try", "refused")
        and record[0] >= run.records[end][0] - 2 * RETRY_NS
    ]  # fmt: skip
    assert refused(run, name, end) == (bool(tried) and tried[-1])


@given(LOCKS, NAMES, ACTS)
def test_what_is_not_yet_charged(
    locks: list[tuple[int, str, str, str]], name: str, acts: dict[str, tuple[int, int, int]]
) -> None:
    """The operations whose threads have not taken the group's lock since."""
    run = _run(locks)
    expected = [0, 0]
    for thread, (since, way, size) in acts.items():
        if not any(place > since for place in _acquired(run, name, thread)):
            expected[way] += size
    assert uncharged(run, _group(acts), name, len(locks)) == expected


@given(LOCKS, NAMES, ACTS, THREADS)
def test_who_changed_a_group_meanwhile(
    locks: list[tuple[int, str, str, str]],
    name: str,
    acts: dict[str, tuple[int, int, int]],
    thread: str,
) -> None:
    """Another thread's operation was charged behind the share that this one was told."""
    run = _run(locks)
    run.thread = thread
    end = len(locks)
    told = (_acquired(run, name, thread) or [0])[-1]
    charged = {
        other: min([each for each in _acquired(run, name, other) if each > since] or [end])
        for other, (since, _, _) in acts.items()
    }
    expected = any(place > told for other, place in charged.items() if other != thread)
    assert crossed(run, _group(acts), name, end) == (expected and end > 0)


@given(
    st.lists(
        st.one_of(
            THREADS.map(lambda thread: ("on", thread)),
            st.sampled_from((5, 6)).map(lambda fd: ("wsa_recv", fd)),
        ),
        max_size=10,
    )
)
def test_who_submitted_a_read(told: list[tuple[str, Any]]) -> None:
    """The thread that was on when the last read of the descriptor was asked for."""
    run = Run([(0, *each) for each in told], True, True, 0, False)
    view = View("s0", True, 0)
    view.fd = 5
    asked = [place for place, each in enumerate(told) if each == ("wsa_recv", 5)]
    before = [each[1] for each in told[: asked[-1]] if each[0] == "on"] if asked else []
    assert submitter(run, view, len(told)) == (before[-1] if before else MAIN)
