"""libevent's regress_bufferevent.c: the cases about sockets, under their names."""

from __future__ import annotations

from tests.upstream import bodies_bufferevent as bodies
from tests.upstream.worlds import READINESS, in_worlds

test_bufferevent = in_worlds(bodies.bufferevent)
test_bufferevent_flush_normal = in_worlds(bodies.bufferevent_flush_normal)
test_bufferevent_flush_flush = in_worlds(bodies.bufferevent_flush_flush)
test_bufferevent_flush_finished = in_worlds(bodies.bufferevent_flush_finished)
test_bufferevent_watermarks = in_worlds(bodies.bufferevent_watermarks)
test_bufferevent_connect = in_worlds(bodies.bufferevent_connect)
test_bufferevent_connect_defer = in_worlds(bodies.bufferevent_connect_defer)
test_bufferevent_connect_lock = in_worlds(bodies.bufferevent_connect_lock)
test_bufferevent_connect_lock_defer = in_worlds(bodies.bufferevent_connect_lock_defer)
test_bufferevent_connect_unlocked_cbs = in_worlds(bodies.bufferevent_connect_unlocked_cbs)
test_bufferevent_connect_fail = in_worlds(bodies.bufferevent_connect_fail)
test_bufferevent_connect_fail_eventcb = in_worlds(bodies.bufferevent_connect_fail_eventcb)
test_bufferevent_connect_fail_eventcb_defer = in_worlds(
    bodies.bufferevent_connect_fail_eventcb_defer
)
test_bufferevent_timeout = in_worlds(bodies.bufferevent_timeout, READINESS)
test_bufferevent_trigger = in_worlds(bodies.bufferevent_trigger)
test_bufferevent_trigger_defer = in_worlds(bodies.bufferevent_trigger_defer)
test_bufferevent_trigger_postpone = in_worlds(bodies.bufferevent_trigger_postpone)
test_bufferevent_trigger_defer_postpone = in_worlds(bodies.bufferevent_trigger_defer_postpone)
test_bufferevent_read_failed = in_worlds(bodies.bufferevent_read_failed)
