"""Which callbacks a pass runs, and when a loop ends."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from model.event_base import Event
from model.subject import EV_READ, EVLOOP_NONBLOCK, EVLOOP_ONCE
from tests.model.fake_poller import FakePoller, Logged


def test_nonblock_goes_on_until_nothing_is_active() -> None:
    """Pass after pass, as long as one leaves something active; it never waits."""
    poller = FakePoller()
    log: list[object] = []
    event = Logged(poller, log, "event")
    event.then = lambda: poller.base.activate_soon(event, 4) if len(log) < 5 else None
    poller.base.once(1, lambda: log.append("later"))
    poller.base.activate(event, 2)
    assert poller.base.loop(EVLOOP_NONBLOCK) == 0
    assert len(log) == 5
    assert set(poller.polls) == {0}
    assert poller.now == 0


def test_once_waits_for_something_that_runs() -> None:
    """An event that was taken back is nothing: the loop goes on to the next."""
    poller = FakePoller()
    log: list[object] = []
    event = Logged(poller, log, "event")
    poller.base.activate(event, EV_READ)
    event.result = 0
    poller.base.once(7, lambda: log.append("timer"))
    assert poller.base.loop(EVLOOP_ONCE) == 0
    assert log == ["timer"]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_the_highest_priority_runs_first(events: list[tuple[int, bool]]) -> None:
    """By priority, first in first out within one; a pass runs one priority. One in two events
    makes another of the highest priority active, which runs next."""
    poller = FakePoller()
    base = poller.base
    assert base.priority_init(4) == 0
    log: list[tuple[int, int, int]] = []

    def note(priority: int, number: int, again: bool) -> None:
        log.append((base.pass_number, priority, number))
        if again:
            base.schedule_finalizer(lambda: note(0, number, again=False), 0)

    for number, (priority, again) in enumerate(events):
        base.schedule_finalizer(partial(note, priority, number, again), priority)
    assert base.loop() == 1
    assert len(log) == len(events) + sum(again for _, again in events)
    for number, (priority, again) in enumerate(events):
        place = [entry[1:] for entry in log].index((priority, number))
        if again and priority:
            assert log[place + 1][1:] == (0, number), "it interrupts"
            assert log[place + 1][0] == log[place][0] + 1, "behind a look at the kernel"
    for priority in range(4):
        own = [
            number for _, each, number in log if each == priority and events[number][0] == priority
        ]
        firsts = list(dict.fromkeys(own))
        assert firsts == sorted(firsts)


def test_priorities_are_set_while_nothing_is_active() -> None:
    poller = FakePoller()
    base = poller.base
    assert base.priority_init(3) == 0
    assert Event(base).priority == 1
    base.activate(Logged(poller, [], "event"), EV_READ)
    assert base.priority_init(2) == -1
    base.loop()
    assert base.priority_init(2) == 0


@given(st.integers(0, 5), st.sampled_from(("break", "continue", "")), st.integers(0, 2))
def test_a_callback_ends_the_pass_at_once(place: int, how: str, priority: int) -> None:
    """event.c: event_process_active_single_queue: what is behind it in the queue runs later, or
    with loopbreak not before another loop; with priorities and without."""
    poller = FakePoller()
    base = poller.base
    if priority:
        assert base.priority_init(3) == 0
    ran: list[int] = []
    passes: list[int] = []
    for number in range(6):
        event = Logged(poller, [], number)

        def then(number: int = number) -> None:
            ran.append(number)
            passes.append(base.pass_number)
            if number == place and how:
                (base.loopbreak if how == "break" else base.loopcontinue)()

        event.then = then
        if priority:
            assert event.priority_set(priority) == 0
        base.activate(event, EV_READ)
    base.loop(EVLOOP_NONBLOCK)
    if how == "break":
        assert ran == list(range(place + 1))
        base.loop(EVLOOP_NONBLOCK)
    assert ran == list(range(6))
    ends = place if how else 5
    assert [each - passes[0] for each in passes] == [int(number > ends) for number in range(6)]
