"""A timer that several threads use knows whether what the loop has picked is still to be run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.locked import LockedTimer
from model.subject import EV_TIMEOUT
from tests.model.fake_poller import FakePoller


@given(st.lists(st.sampled_from(("start", "stop", "pick")), max_size=9))
def test_what_was_picked_is_due_until_it_is_started_again_or_stopped(acts: list[str]) -> None:
    """bufferevent.c: bufferevent_generic_read_timeout_cb takes the lock first: who started the
    timer anew, or stopped it, while the loop waited for that lock, hears of no old timeout."""
    base = FakePoller().base
    timer = LockedTimer(base, lambda: None)
    due = False
    for act in acts:
        if act == "start":
            timer.start(1_000)
            due = False
        elif act == "stop":
            timer.stop()
            due = False
        else:
            timer.result = EV_TIMEOUT
            due = timer.claim() is not None
        assert timer.due == due
