"""Timers of an application that has threads: deleting one waits for its callback.

event_del from another thread than the loop's returns when the callback is over that the loop is in,
if there is one: then what the callback uses may be freed (event.c:event_del_nolock_). Who holds a
lock that the callback wants must not wait for it. So the events of bufferevents never do; they have
EV_FINALIZE: what the loop has picked looks again under the bufferevent's lock, and memory is given
back by a finaliser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from model.event import TimerEvent

if TYPE_CHECKING:
    from model.threaded_base import ThreadedBase


class ThreadedTimer(TimerEvent):
    """evtimer_new on a base that threads share."""

    __slots__ = ("threaded",)

    def __init__(self, base: ThreadedBase, callback: Callable[[], None]) -> None:
        super().__init__(base, callback)
        self.threaded = base

    def stop(self) -> None:
        """event_del: no callback begins any more, and none runs, unless it is the caller's own."""
        with self.threaded.guard:
            self._stop()
            self.threaded.wait_until_over(self)

    def stop_noblock(self) -> None:
        """event_del_noblock: one may still be running."""
        super().stop()
