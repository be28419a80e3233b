"""libevent's regress_iocp.c, under its names."""

from __future__ import annotations

from tests.upstream import bodies_bufferevent as bodies
from tests.upstream.worlds import COMPLETION, in_worlds

test_port = in_worlds(bodies.port, COMPLETION)
test_evbuffer = in_worlds(bodies.evbuffer)
test_bufferevent_async = in_worlds(bodies.bufferevent_async)
