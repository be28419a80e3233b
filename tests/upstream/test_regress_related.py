"""Cases of libevent's regress.c, regress_finalize.c, regress_thread.c and test-fdleak.c that a
bufferevent depends on."""

from __future__ import annotations

from tests.upstream import bodies_base as bodies
from tests.upstream.worlds import in_worlds

test_cb_invoked = in_worlds(bodies.cb_invoked)
test_free_finalize = in_worlds(bodies.free_finalize)
test_within_cb = in_worlds(bodies.within_cb)
test_deferred_cb_skew = in_worlds(bodies.deferred_cb_skew)
test_event_timeout_lost = in_worlds(bodies.event_timeout_lost)
test_active_later = in_worlds(bodies.active_later)
test_persistent_active_timeout = in_worlds(bodies.persistent_active_timeout)
test_priorities1 = in_worlds(bodies.priorities1)
test_priorities2 = in_worlds(bodies.priorities2)
test_priorities3 = in_worlds(bodies.priorities3)
test_priority_active_inversion = in_worlds(bodies.priority_active_inversion)
test_multiple_events_for_same_fd = in_worlds(bodies.multiple_events_for_same_fd)
test_loopexit = in_worlds(bodies.loopexit)
test_loopexit_multiple = in_worlds(bodies.loopexit_multiple)
test_loopexit_runs_the_pass = in_worlds(bodies.loopexit_runs_the_pass)
test_loopbreak = in_worlds(bodies.loopbreak)
test_loopcontinue = in_worlds(bodies.loopcontinue)
test_loop_flags = in_worlds(bodies.loop_flags)
test_fdleak = in_worlds(bodies.fdleak)
