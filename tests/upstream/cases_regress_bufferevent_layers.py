"""libevent's regress_bufferevent.c: its rows about pairs, filters and compression."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

_FILE = "tests/upstream/test_regress_bufferevent_layers.py"
_SOURCE = "regress_bufferevent.c"


def _ported(name: str, where: str = "", why: str = "", source: str = _SOURCE) -> UpstreamCase:
    return UpstreamCase(source, name, "ported", f"{_FILE}::test_{where or name}", why)


_TIMEOUT_WHY = (
    "the write timer of a filter runs while it holds output that it may hand down; upstream also"
    " starts it with nothing to write, and so expects write timeouts that nobody asked for"
)

CASES = (
    _ported("bufferevent_pair"),
    _ported("bufferevent_pair_flush_normal", "bufferevent_pair_flush_mode"),
    _ported("bufferevent_pair_flush_flush", "bufferevent_pair_flush_mode"),
    _ported("bufferevent_pair_flush_finished", "bufferevent_pair_flush_mode"),
    _ported("bufferevent_pair_watermarks"),
    _ported("bufferevent_filters"),
    _ported("bufferevent_pair_filters"),
    _ported("bufferevent_filters_disable"),
    _ported("bufferevent_pair_filters_disable"),
    _ported("bufferevent_timeout_pair"),
    _ported("bufferevent_timeout_filter", why=_TIMEOUT_WHY),
    _ported("bufferevent_timeout_filter_pair", why=_TIMEOUT_WHY),
    _ported("bufferevent_zlib"),
    _ported("bufferevent_socket_filter_inactive"),
    _ported("bufferevent_pair_flush"),
    _ported("bufferevent_filter_data_stuck"),
    _ported("bufferevent_filters", source=f"{_SOURCE}/iocp"),
    _ported("bufferevent_filters_disable", source=f"{_SOURCE}/iocp"),
    UpstreamCase(
        _SOURCE,
        "bufferevent_pair_release_lock",
        "not applicable",
        why="it counts the locks of a pair; the model has none: one thread runs its loop",
    ),
)
