"""What became of libevent's regress_listener.c."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

CASES: tuple[UpstreamCase, ...] = (
    UpstreamCase(
        "regress_listener.c",
        "randport",
        "ported",
        "tests/upstream/test_regress_listener.py::test_randport",
    ),
    UpstreamCase(
        "regress_listener.c",
        "randport_ts",
        "ported",
        "tests/upstream/test_regress_listener.py::test_randport_ts",
    ),
    UpstreamCase(
        "regress_listener.c",
        "error_unlock",
        "ported",
        "tests/upstream/test_regress_listener.py::test_error_unlock",
    ),
    UpstreamCase(
        "regress_listener.c",
        "error",
        "ported",
        "tests/upstream/test_regress_listener.py::test_error",
    ),
    UpstreamCase(
        "regress_listener.c",
        "error_ts",
        "ported",
        "tests/upstream/test_regress_listener.py::test_error_ts",
    ),
    UpstreamCase(
        "regress_listener.c",
        "close_accepted_fd",
        "ported",
        "tests/upstream/test_regress_listener.py::test_close_accepted_fd",
    ),
    UpstreamCase(
        "regress_listener.c",
        "immediate_close",
        "ported",
        "tests/upstream/test_regress_listener.py::test_immediate_close",
    ),
    UpstreamCase(
        "regress_listener.c",
        "disable_in_thread",
        "not applicable",
        why="a run has one loop thread, and no other thread may touch its listeners",
    ),
    UpstreamCase(
        "regress_listener.c",
        "disable_in_thread_error",
        "not applicable",
        why="a run has one loop thread, and no other thread may touch its listeners",
    ),
    UpstreamCase(
        "regress_listener.c",
        "reuseport_on_unix_socket",
        "not applicable",
        why="all sockets are TCP on the loopback address",
    ),
    UpstreamCase(
        "regress_listener.c/iocp",
        "randport",
        "ported",
        "tests/upstream/test_regress_listener.py::test_randport",
    ),
    UpstreamCase(
        "regress_listener.c/iocp",
        "error",
        "ported",
        "tests/upstream/test_regress_listener.py::test_error",
        why="simulated only: Wine leaves an AcceptEx on such a socket pending",
    ),
)
