"""What became of libevent's cases about rate limits."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

_TEST = "tests/upstream/test_ratelim.py::"

CASES: tuple[UpstreamCase, ...] = (
    UpstreamCase(
        "regress_bufferevent.c",
        "bufferevent_ratelimit_div_by_zero",
        "ported",
        _TEST + "test_bufferevent_ratelimit_div_by_zero",
    ),
    UpstreamCase(
        "regress_bufferevent.c",
        "bufferevent_ratelimit_overflow",
        "ported",
        _TEST + "test_bufferevent_ratelimit_overflow",
    ),
    UpstreamCase(
        "test-ratelim.c", "group limit", "ported", _TEST + "test_group_limit_no_connection_limit"
    ),
    UpstreamCase(
        "test-ratelim.c",
        "connection limit",
        "ported",
        _TEST + "test_connection_limit_no_group_limit",
    ),
    UpstreamCase(
        "test-ratelim.c", "both limits", "ported", _TEST + "test_connection_limit_and_group_limit"
    ),
    UpstreamCase(
        "test-ratelim.c",
        "both limits with drain",
        "ported",
        _TEST + "test_both_limits_with_an_independent_drain",
    ),
)
