"""What became of libevent's regress_iocp.c."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

CASES: tuple[UpstreamCase, ...] = (
    UpstreamCase(
        "regress_iocp.c",
        "port",
        "ported",
        "tests/upstream/test_regress_iocp.py::test_port",
    ),
    UpstreamCase(
        "regress_iocp.c",
        "evbuffer",
        "ported",
        "tests/upstream/test_regress_iocp.py::test_evbuffer",
        why="a pending read has a buffer of its own here, so no chain is pinned",
    ),
    UpstreamCase(
        "regress_iocp.c",
        "bufferevent_async",
        "ported",
        "tests/upstream/test_regress_iocp.py::test_bufferevent_async",
    ),
)
