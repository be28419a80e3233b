"""What became of libevent's other test sources that a bufferevent depends on."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

CASES: tuple[UpstreamCase, ...] = (
    UpstreamCase(
        "regress_finalize.c",
        "cb_invoked",
        "ported",
        "tests/upstream/test_regress_related.py::test_cb_invoked",
    ),
    UpstreamCase(
        "regress_finalize.c",
        "free_finalize",
        "ported",
        "tests/upstream/test_regress_related.py::test_free_finalize",
    ),
    UpstreamCase(
        "regress_finalize.c",
        "within_cb",
        "ported",
        "tests/upstream/test_regress_related.py::test_within_cb",
    ),
    UpstreamCase(
        "regress_finalize.c",
        "debug_use_after_free",
        "property",
        "C-4",
        why="no callback after free; S-3: finalised once; here a use after free is an exception",
    ),
    UpstreamCase(
        "regress_thread.c",
        "deferred_cb_skew",
        "ported",
        "tests/upstream/test_regress_related.py::test_deferred_cb_skew",
    ),
    UpstreamCase(
        "regress_thread.c",
        "conditions_simple",
        "not applicable",
        why="a run has one loop thread and one process",
    ),
    UpstreamCase(
        "regress_thread.c",
        "forking",
        "not applicable",
        why="a run has one loop thread and one process",
    ),
    UpstreamCase(
        "regress_thread.c",
        "no_events",
        "not applicable",
        why="a run has one loop thread and one process",
    ),
    UpstreamCase(
        "regress.c",
        "event_timeout_lost",
        "ported",
        "tests/upstream/test_regress_related.py::test_event_timeout_lost",
    ),
    UpstreamCase(
        "regress.c",
        "active_later",
        "ported",
        "tests/upstream/test_regress_related.py::test_active_later",
    ),
    UpstreamCase(
        "regress.c",
        "priorities1",
        "ported",
        "tests/upstream/test_regress_related.py::test_priorities1",
    ),
    UpstreamCase(
        "regress.c",
        "priorities2",
        "ported",
        "tests/upstream/test_regress_related.py::test_priorities2",
    ),
    UpstreamCase(
        "regress.c",
        "priorities3",
        "ported",
        "tests/upstream/test_regress_related.py::test_priorities3",
    ),
    UpstreamCase(
        "regress.c",
        "priority_active_inversion",
        "ported",
        "tests/upstream/test_regress_related.py::test_priority_active_inversion",
    ),
    UpstreamCase(
        "regress.c",
        "multiple_events_for_same_fd",
        "ported",
        "tests/upstream/test_regress_related.py::test_multiple_events_for_same_fd",
    ),
    UpstreamCase(
        "regress.c",
        "loopexit",
        "ported",
        "tests/upstream/test_regress_related.py::test_loopexit",
    ),
    UpstreamCase(
        "regress.c",
        "loopexit_multiple",
        "ported",
        "tests/upstream/test_regress_related.py::test_loopexit_multiple",
    ),
    UpstreamCase(
        "regress.c",
        "loopbreak",
        "ported",
        "tests/upstream/test_regress_related.py::test_loopbreak",
    ),
    UpstreamCase(
        "regress.c",
        "persistent_active_timeout",
        "ported",
        "tests/upstream/test_regress_related.py::test_persistent_active_timeout",
    ),
    UpstreamCase(
        "regress.c",
        "event_base_loopcontinue",
        "ported",
        "tests/upstream/test_regress_related.py::test_loopcontinue",
    ),
    UpstreamCase(
        "regress.c",
        "loop flags (EVLOOP_ONCE, EVLOOP_NONBLOCK)",
        "ported",
        "tests/upstream/test_regress_related.py::test_loop_flags",
    ),
    UpstreamCase(
        "regress.c",
        "del_timeout_notify",
        "not applicable",
        why="it deletes a timer from another thread; a run has one loop thread",
    ),
    UpstreamCase(
        "test-fdleak.c",
        "test-fdleak",
        "ported",
        "tests/upstream/test_regress_related.py::test_fdleak",
        why="60 connections; S-4 holds for every run",
    ),
    UpstreamCase(
        "test-closed.c",
        "test-closed",
        "not applicable",
        why="EV_CLOSED: no bufferevent asks for it; L-2 holds that an end is told",
    ),
)
