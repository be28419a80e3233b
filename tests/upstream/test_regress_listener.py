"""libevent's regress_listener.c, under its names."""

from __future__ import annotations

from tests.upstream import bodies_listener as bodies
from tests.upstream.worlds import READINESS, in_worlds

NOT_WINE = ("sim-epoll", "sim-iocp", "epoll")

test_randport = in_worlds(bodies.randport)
test_randport_ts = in_worlds(bodies.randport_ts)
test_error = in_worlds(bodies.error, NOT_WINE)
test_error_ts = in_worlds(bodies.error_ts, NOT_WINE)
test_error_unlock = in_worlds(bodies.error_unlock, READINESS)
test_close_accepted_fd = in_worlds(bodies.close_accepted_fd)
test_immediate_close = in_worlds(bodies.immediate_close)
