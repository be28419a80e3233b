"""The loop over a poller that is a table, with a virtual clock."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.bases import new_base
from model.errors import SimulatorError
from model.event_base import MAX_DEFERREDS_QUEUED, Event, TimerEvent
from model.subject import (
    EV_READ,
    EV_TIMEOUT,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
)
from tests.model.fake_poller import FakePoller, Logged, Noted


def _note(poller: FakePoller, log: list[tuple[int, int]], index: int) -> None:
    log.append((poller.now, index))


@given(st.lists(st.integers(0, 5), max_size=12))
def test_timers_run_in_order_of_time_then_first_in_first_out(delays: list[int]) -> None:
    poller = FakePoller()
    log: list[tuple[int, int]] = []
    for index, delay in enumerate(delays):
        poller.base.once(delay, partial(_note, poller, log, index))
    assert poller.base.loop() == 1
    assert log == sorted((delay, index) for index, delay in enumerate(delays))


MOVES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(("start", "stop", "pass")), st.integers(0, 9)),
    max_size=40,
)


@given(MOVES)
def test_moved_and_stopped_timers(moves: list[tuple[int, str, int]]) -> None:
    """Five timers, started again and again, nearer and further: each fires when it must, once."""
    poller = FakePoller()
    base = poller.base
    fired: list[tuple[int, int]] = []
    expected: list[tuple[int, int]] = []
    due: dict[int, int] = {}

    def note(index: int) -> None:
        fired.append((poller.now, index))

    timers = [TimerEvent(base, partial(note, index)) for index in range(5)]

    def pass_time(until: int) -> None:
        base.once(until - poller.now, base.loopbreak)
        base.loop()
        for index, deadline in list(due.items()):
            if deadline <= until:
                expected.append((deadline, index))
                del due[index]

    for index, action, amount in moves:
        if action == "start":
            timers[index].start(amount)
            due[index] = poller.now + amount
        elif action == "stop":
            timers[index].stop()
            due.pop(index, None)
        else:
            pass_time(poller.now + amount)
            base.loop(EVLOOP_NONBLOCK)  # what fell due at the very end
        assert base.event_count == sum(timer.added for timer in timers)
    pass_time(poller.now + 100)
    assert base.loop() == 1
    assert sorted(fired) == sorted(expected)
    assert fired == sorted(fired, key=lambda pair: pair[0])


def test_a_deadline_that_moves_away_is_not_pushed_again() -> None:
    """A timer restarted a thousand times holds one place in the heap."""
    poller = FakePoller()
    timer = TimerEvent(poller.base, lambda: None)
    for delay in range(1_000):
        timer.start(delay)
    assert len(poller.base._timers) == 1
    assert poller.base.loop() == 1
    assert poller.now == 999


def test_pass_order() -> None:
    """Put off, then polled, then timers; what is added while running runs in the same pass."""
    poller = FakePoller()
    base = poller.base
    log: list[object] = []
    polled, put_off, added = (Logged(poller, log, name) for name in ("polled", "put off", "added"))
    base.activate_soon(put_off, EV_READ)
    poller.ready.append((0, polled))
    base.once(0, lambda: log.append("timer"))
    polled.then = lambda: base.activate(added, EV_READ)
    assert base.loop(EVLOOP_ONCE) == 0
    assert log == [("put off", 2, 0), ("polled", 2, 0), "timer", ("added", 2, 0)]
    assert poller.polls == [0], "something was active: no waiting"


def test_bits_of_one_activation_are_or_ed() -> None:
    poller = FakePoller()
    log: list[object] = []
    event = Logged(poller, log, "event")
    poller.base.activate(event, 2)
    poller.base.activate(event, 4)
    poller.base.activate_soon(event, 2)
    assert poller.base.loop() == 1
    assert log == [("event", 6, 0)]


def test_soon_is_once_a_pass() -> None:
    """An event that asks for itself again runs in the next pass, so that a pass ends."""
    poller = FakePoller()
    log: list[object] = []
    event = Logged(poller, log, "event")
    event.then = lambda: poller.base.activate_soon(event, 4) if len(log) < 3 else None
    other = Logged(poller, log, "other")
    other.then = lambda: poller.base.activate_soon(event, 4)
    poller.base.activate(other, 2)
    poller.base.loop()
    assert log == [("other", 2, 0), ("event", 4, 0), ("event", 4, 0)]
    assert poller.base.pass_number == 2, "the first `soon` ran in the pass that asked"


def test_timer_due_with_readiness_does_not_win() -> None:
    """T-2: the readiness is served, and the timer starts again."""
    poller = FakePoller()
    log: list[object] = []
    event = Logged(poller, log, "event")
    event.added = True
    poller.base.event_count = 1
    event.timeout_ns = 10
    poller.base.start_timer(event, 10)
    poller.ready.append((10, event))
    event.then = lambda: poller.base.loopbreak() if len(log) == 2 else None
    poller.base.loop()
    assert log == [("event", EV_READ, 10), ("event", EV_TIMEOUT, 20)]


def test_a_timer_that_is_due_can_be_started_again() -> None:
    """event_add on a timer that is active takes it back (event.c:event_add_nolock_)."""
    poller = FakePoller()
    log: list[int] = []
    second = TimerEvent(poller.base, lambda: log.append(poller.now))
    poller.base.once(10, lambda: second.start(5))
    second.start(10)
    poller.base.loop()
    assert log == [15]


def test_a_timer_that_is_due_can_be_stopped() -> None:
    poller = FakePoller()
    second = TimerEvent(poller.base, lambda: pytest.fail("stopped"))
    poller.base.once(10, second.stop)
    second.start(10)
    assert poller.base.loop() == 1


def test_once_restarts_itself() -> None:
    poller = FakePoller()
    times: list[int] = []

    def again() -> None:
        times.append(poller.now)
        if len(times) < 3:
            poller.base.once(7, again)

    poller.base.once(7, again)
    assert poller.base.loop() == 1
    assert times == [7, 14, 21]


def test_timers_start_from_the_clock() -> None:
    """A slow callback does not shorten the timeouts armed after it."""
    poller = FakePoller()
    times: list[int] = []

    def slow() -> None:
        poller.now += 100
        poller.base.once(10, lambda: times.append(poller.now))

    poller.base.once(0, slow)
    poller.base.loop()
    assert times == [110]


def test_loop_flags() -> None:
    poller = FakePoller()
    base = poller.base
    assert base.loop() == 1, "empty"
    assert base.loop(EVLOOP_ONCE) == 1
    assert base.loop(EVLOOP_NONBLOCK) == 1
    assert poller.polls == [], "an empty loop does not poll"
    log: list[int] = []
    base.once(5, lambda: log.append(5))
    base.once(9, lambda: log.append(9))
    assert base.loop(EVLOOP_NONBLOCK) == 0
    assert (log, poller.now) == ([], 0), "NONBLOCK does not wait"
    assert base.loop(EVLOOP_ONCE) == 0
    assert (log, poller.now) == ([5], 5), "ONCE waits for one"
    base.once(20, base.loopbreak)
    assert base.loop(EVLOOP_NO_EXIT_ON_EMPTY) == 0
    assert (log, poller.now) == ([5, 9], 25)


def test_once_runs_the_deferred_callbacks_too() -> None:
    """LE-194: ONCE does not return while something is active."""
    poller = FakePoller()
    log: list[str] = []
    act = Noted(lambda: log.append("deferred"))

    def schedule() -> None:
        for _ in range(40):
            poller.base.schedule_deferred(act)

    poller.base.once(5, schedule)
    assert poller.base.loop(EVLOOP_ONCE) == 0
    assert len(log) == 40


def test_loopbreak_takes_effect_after_the_running_callback() -> None:
    """The rest of the active queue waits for the next loop, and nothing is lost."""
    poller = FakePoller()
    log: list[str] = []

    def leave() -> None:
        log.append("ran")
        poller.base.loopbreak()

    for _ in range(3):
        poller.base.once(1, leave)
    for count in (1, 2, 3):
        assert poller.base.loop() == 0
        assert len(log) == count
    poller.base.loopbreak()
    assert poller.base.loop() == 1, "a break asked for outside the loop is forgotten"


def test_an_exception_loses_only_its_own_callback() -> None:
    poller = FakePoller()
    log: list[str] = []

    def failing() -> None:
        raise RuntimeError("planned")

    poller.base.once(1, failing)
    poller.base.once(1, lambda: log.append("after"))
    with pytest.raises(RuntimeError, match="planned"):
        poller.base.loop()
    assert not poller.base.running
    assert poller.base.loop() == 1
    assert log == ["after"]


@given(st.integers(0, 100))
def test_deferred_limit(count: int) -> None:
    """32 deferreds a pass; the others wait for the next, in order."""
    poller = FakePoller()
    base = poller.base
    ran: list[tuple[int, int]] = []

    def run(index: int) -> None:
        ran.append((base.pass_number, index))

    def schedule() -> None:
        for index in range(count):
            base.schedule_deferred(Noted(partial(run, index)))

    base.once(0, schedule)
    base.loop()
    assert [index for _, index in ran] == list(range(count))
    first = ran[0][0] if ran else 0
    assert sum(number == first for number, _ in ran) == min(count, MAX_DEFERREDS_QUEUED)
    assert all(number - first <= 1 for number, _ in ran)


def test_deferreds_do_not_starve_timers() -> None:
    """A deferred that schedules itself for ever leaves each pass after 32 turns."""
    poller = FakePoller()
    base = poller.base
    turns = [0]

    def act() -> None:
        turns[0] += 1
        base.schedule_deferred(again)

    again = Noted(act)
    base.schedule_deferred(again)
    base.once(0, base.loopbreak)
    assert base.loop() == 0
    assert turns[0] <= 2 * MAX_DEFERREDS_QUEUED


def test_virtual_events_keep_the_loop_alive() -> None:
    poller = FakePoller()
    base = poller.base
    base.virtual_events = 1

    def release() -> None:
        base.virtual_events = 0

    event = Logged(poller, [], "event")
    event.then = release
    poller.ready.append((50, event))
    assert base.loop() == 1
    assert poller.polls == [None]
    assert poller.now == 50


def test_free_runs_what_is_outstanding() -> None:
    poller = FakePoller()
    base = poller.base
    log: list[str] = []
    base.schedule_finalizer(
        lambda: base.schedule_deferred(Noted(lambda: log.append("after"))), priority=0
    )
    base.loopbreak()
    assert base.free() == 0
    assert log == ["after"]
    assert poller.polls == []
    assert poller.closed


def test_a_bare_event_says_what_is_missing() -> None:
    poller = FakePoller()
    poller.base.activate(Event(poller.base), EV_READ)
    with pytest.raises(SimulatorError, match="Event does not say"):
        poller.base.loop()


def test_a_world_without_a_kernel() -> None:
    class Nothing:
        readiness = None
        completion = None

        def now_ns(self) -> int:
            return 0

    with pytest.raises(SimulatorError, match="neither"):
        new_base(Nothing())


@given(st.integers(1, 6), st.data())
def test_what_a_callback_stops_waits_for_the_next_time(count: int, data: st.DataObject) -> None:
    """loopbreak and loopcontinue end the pass behind the callback that runs; loopexit does not."""
    poller = FakePoller()
    log: list[Any] = []
    events = [Logged(poller, log, number) for number in range(count)]
    stops = data.draw(st.integers(0, count - 1))
    how = data.draw(st.sampled_from(("loopbreak", "loopcontinue", "loopexit")))
    events[stops].then = getattr(poller.base, how)
    for event in events:
        poller.base.activate(event, EV_READ)
    poller.base.loop(EVLOOP_NONBLOCK)
    ran = [each[0] for each in log]
    if how == "loopbreak":
        assert ran == list(range(stops + 1))
        poller.base.loop(EVLOOP_NONBLOCK)
        ran = [each[0] for each in log]
    assert ran == list(range(count))


@given(st.integers(2, 6), st.integers(0, 3))
def test_loopcontinue_looks_for_news_at_once(count: int, urgent: int) -> None:
    """A scan after the callback: what a kernel has told meanwhile runs in the same round."""
    poller = FakePoller()
    log: list[object] = []
    events = [Logged(poller, log, number) for number in range(count)]
    events[0].then = poller.base.loopcontinue
    polls = len(poller.polls)
    for event in events:
        poller.base.activate(event, EV_READ)
    poller.base.loop(EVLOOP_NONBLOCK)
    assert len(poller.polls) - polls == 2
