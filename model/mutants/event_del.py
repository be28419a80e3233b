"""Bugs of event_del where the loop is in the event's callback in another thread."""

from __future__ import annotations

from model.locked import LockedReadEvent, LockedTimer
from model.mutants.mutant import BOTH, Mutant
from model.threaded_base import ThreadedBase
from model.threaded_timer import ThreadedTimer


def stop_at_once(self: ThreadedTimer) -> None:
    """event_del does not wait for the callback that the loop is in."""
    self.stop_noblock()


def remove_and_wait(self: LockedReadEvent) -> None:
    """Without EV_FINALIZE: waits, with the bufferevent's lock, for the callback that wants it."""
    base = self.base
    assert isinstance(base, ThreadedBase)
    with base.guard:
        super(LockedReadEvent, self).remove()
        base.wait_until_over(self)


def stop_and_wait(self: LockedTimer) -> None:
    """The same for the timers of a bufferevent."""
    self.due = False
    base = self.base
    assert isinstance(base, ThreadedBase)
    super(LockedTimer, self)._stop()
    base.wait_until_over(self)


EVENT_DEL: tuple[Mutant, ...] = (
    Mutant(
        "del-does-not-wait",
        "event_del returns while the callback runs",
        "K-2",
        BOTH,
        ((ThreadedTimer, "stop", stop_at_once),),
        threads=True,
        focus="timers",
    ),
    Mutant(
        "del-waits-locked",
        "a bufferevent's events lack EV_FINALIZE, so deleting one waits for its callback",
        "K-3",
        BOTH,
        (
            (LockedReadEvent, "remove", remove_and_wait),
            (LockedTimer, "_stop", stop_and_wait),
        ),
        threads=True,
    ),
)
