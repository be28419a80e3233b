"""libevent's regress_ssl.c, row by row."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

_FILE = "tests/upstream/test_regress_ssl.py"
_SOURCE = "regress_ssl.c"
_NO_RENEGOTIATION = (
    "TLS 1.3 has no renegotiation (RFC 8446 section 4.1), and the standard library's ssl cannot"
    " start one for TLS 1.2"
)

_PORTED = (
    "bufferevent_socketpair",
    "bufferevent_socketpair_batch_write",
    "bufferevent_socketpair_write_after_connect",
    "bufferevent_filter",
    "bufferevent_filter_write_after_connect",
    "bufferevent_socketpair_startopen",
    "bufferevent_filter_startopen",
    "bufferevent_socketpair_dirty_shutdown",
    "bufferevent_filter_dirty_shutdown",
    "bufferevent_socketpair_startopen_dirty_shutdown",
    "bufferevent_filter_startopen_dirty_shutdown",
    "bufferevent_socketpair_fd",
    "bufferevent_socketpair_freed",
    "bufferevent_socketpair_freed_fd",
    "bufferevent_filter_freed_fd",
    "bufferevent_socketpair_timeout",
    "bufferevent_socketpair_timeout_freed_fd",
    "bufferevent_connect",
    "bufferevent_connect_sleep",
    "bufferevent_wm",
    "bufferevent_wm_filter",
    "bufferevent_wm_defer",
    "bufferevent_wm_filter_defer",
)
_RENEGOTIATING = (
    "bufferevent_renegotiate_socketpair",
    "bufferevent_renegotiate_filter",
    "bufferevent_renegotiate_socketpair_dirty_shutdown",
    "bufferevent_renegotiate_filter_dirty_shutdown",
)

CASES = (
    *(UpstreamCase(_SOURCE, name, "ported", f"{_FILE}::test_{name}") for name in _PORTED),
    *(
        UpstreamCase(_SOURCE, name, "not applicable", why=_NO_RENEGOTIATION)
        for name in _RENEGOTIATING
    ),
)
