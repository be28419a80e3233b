"""Cases of libevent's regress.c, regress_finalize.c, regress_thread.c and test-fdleak.c that a
bufferevent depends on."""

from __future__ import annotations

from functools import partial

from model.event import Event, TimerEvent
from model.subject import EV_READ, EVLOOP_NONBLOCK, EVLOOP_ONCE, Listener
from tests.model.spy import Spy
from tests.upstream.rig import MS, Body, Rig


class Noting(Event):
    """An event that notes what it was activated with, and then may do something."""

    def __init__(self, rig: Rig, log: list[str], name: str) -> None:
        super().__init__(rig.base)
        self.log = log
        self.name = name

    def fire(self, result: int) -> None:
        self.log.append(self.name)


class Deferred:
    """A deferred callback that schedules itself again while it is told to."""

    def __init__(self, rig: Rig, priority: int = 0) -> None:
        self.rig = rig
        self.priority = priority
        self.runs = 0
        self.going = True

    def run(self) -> None:
        self.runs += 1
        self.rig.world.sleep(MS)
        if self.going:
            self.rig.base.schedule_deferred(self)


# regress_finalize.c


def cb_invoked(rig: Rig) -> None:
    """cb_invoked: a timer that is finalised does not call back; its finaliser does, once."""
    log: list[str] = []
    timer = TimerEvent(rig.base, lambda: log.append("timer"))
    other = TimerEvent(rig.base, lambda: log.append("other"))
    timer.start(10 * MS)
    other.start(20 * MS)
    rig.base.finalize(timer, lambda: log.append("finalised"))
    assert log == [], "from the loop, not inside the call"
    assert rig.dispatch() == 1
    assert log == ["finalised", "other"]


def free_finalize(rig: Rig) -> None:
    """free_finalize: an event that is active when it is finalised."""
    log: list[str] = []
    timer = TimerEvent(rig.base, lambda: log.append("timer"))
    timer.start(10 * MS)
    rig.base.activate(timer, EV_READ)
    rig.base.finalize(timer, lambda: log.append("finalised"))
    assert rig.dispatch() == 1
    assert log == ["finalised"]


def within_cb(rig: Rig) -> None:
    """within_cb: finalised inside its own callback, the finaliser runs behind it."""
    log: list[str] = []

    def callback() -> None:
        rig.base.finalize(timer, lambda: log.append("finalised"))
        log.append("callback ends")

    timer = TimerEvent(rig.base, callback)
    timer.start(10 * MS)
    assert rig.dispatch() == 1
    assert log == ["callback ends", "finalised"]


# regress_thread.c


def deferred_cb_skew(rig: Rig) -> None:
    """deferred_cb_skew: deferred callbacks without end do not starve timers."""
    deferred = Deferred(rig)
    started = rig.world.now_ns()
    times: list[int] = []

    def due_now() -> None:
        times.append(rig.world.now_ns() - started)
        deferred.going = len(times) < 3

    for due in (100, 200, 300):
        rig.base.once(due * MS, due_now)
    rig.base.schedule_deferred(deferred)
    assert rig.dispatch() == 1
    assert deferred.runs > 30
    for due, time in zip((100, 200, 300), times, strict=True):
        assert due * MS <= time < (due + 150) * MS, "at most a pass of 32 late"


# regress.c


def event_timeout_lost(rig: Rig) -> None:
    """event_timeout_lost: a timer due in the pass of a readiness does not erase it."""
    first, second = rig.pair()
    second.bev.set_timeouts(20 * MS, None)
    second.bev.enable(EV_READ)
    first.bev.write(b"in time")

    def slow() -> None:
        rig.world.sleep(60 * MS)

    rig.base.once(0, slow)
    rig.until(lambda: bool(second.seen), "what comes first")
    assert second.seen[0] == ("read", 7)
    rig.until(lambda: second.count("event") > 0, "the timeout that is due then")
    assert second.events() == ["READING|TIMEOUT"]


def active_later(rig: Rig) -> None:
    """active_later: what is put off runs in the next pass, behind a look at the kernel."""
    log: list[str] = []
    base = rig.base
    first, later = Noting(rig, log, "first"), Noting(rig, log, "later")
    base.activate_soon(later, EV_READ)  # the loop is not running
    base.activate(first, EV_READ)
    base.loop(EVLOOP_ONCE)
    assert log == ["first", "later"]
    passes = base.pass_number
    base.activate_soon(later, EV_READ)
    base.loop(EVLOOP_NONBLOCK)
    assert log[2:] == ["later"]
    assert base.pass_number - passes <= 2


def persistent_active_timeout(rig: Rig) -> None:
    """persistent_active_timeout: I/O restarts an event's timeout, from then on."""
    first, second = rig.pair()
    second.bev.set_timeouts(100 * MS, None)
    second.bev.enable(EV_READ)
    started = rig.world.now_ns()

    def send() -> None:
        first.bev.write(b"x")

    for due in (40, 80):
        rig.base.once(due * MS, send)
    rig.until(lambda: second.count("event") > 0, "the timeout")
    assert second.count("read") == 2
    assert second.events() == ["READING|TIMEOUT"]
    assert rig.world.now_ns() - started >= 180 * MS


def ordered(rig: Rig, npriorities: int) -> list[str]:
    """Events of each priority, activated from the least urgent on: in which order they run."""
    assert rig.base.priority_init(npriorities) == 0
    log: list[str] = []
    for priority in reversed(range(npriorities)):
        event = Noting(rig, log, f"p{priority}")
        assert event.priority == npriorities // 2
        assert event.priority_set(priority) == 0
        rig.base.activate(event, EV_READ)
        assert event.priority_set(0) == -1, "it is active"
    rig.base.loop(EVLOOP_NONBLOCK)
    return log


def priorities1(rig: Rig) -> None:
    """priorities: one."""
    assert ordered(rig, 1) == ["p0"]


def priorities2(rig: Rig) -> None:
    """priorities: two."""
    assert ordered(rig, 2) == ["p0", "p1"]


def priorities3(rig: Rig) -> None:
    """priorities: three; a number that cannot be is refused."""
    assert rig.base.priority_init(0) == rig.base.priority_init(256) == -1
    assert ordered(rig, 3) == ["p0", "p1", "p2"]


def priority_active_inversion(rig: Rig) -> None:
    """priority_active_inversion: a higher one that becomes active runs behind the current one."""
    base = rig.base
    assert base.priority_init(3) == 0
    log: list[str] = []

    class Raising(Noting):
        def fire(self, result: int) -> None:
            super().fire(result)
            base.activate(urgent, EV_READ)

    urgent, raising, plain = (
        Noting(rig, log, "urgent"),
        Raising(rig, log, "raising"),
        Noting(rig, log, "plain"),
    )
    assert urgent.priority_set(0) == 0
    base.activate(raising, EV_READ)
    base.activate(plain, EV_READ)
    passes = base.pass_number
    base.loop(EVLOOP_ONCE)
    assert log == ["raising", "urgent", "plain"]
    assert base.pass_number - passes == 3, "the poller was asked before each"


def multiple_events_for_same_fd(rig: Rig) -> None:
    """multiple_events_for_same_fd: of one descriptor's two, the priorities say which is first."""
    assert rig.base.priority_init(2) == 0
    first, second = rig.pair()
    if rig.is_completion:
        assert second.bev.priority_set(0) == -1
        return
    assert second.bev.priority_set(0) == 0
    assert second.bev.priority_set(2) == -1
    second.bev.enable(EV_READ)
    first.bev.write(b"x")
    rig.until(lambda: second.count("read") > 0, "bytes")


def loopexit(rig: Rig) -> None:
    """loopexit: the loop ends then, and what is due later stays."""
    log: list[str] = []
    timer = TimerEvent(rig.base, lambda: log.append("late"))
    timer.start(60_000 * MS)
    started = rig.world.now_ns()
    rig.base.loopexit(100 * MS)
    assert rig.base.loop() == 0
    assert 100 * MS <= rig.world.now_ns() - started < 400 * MS
    assert log == []
    timer.stop()


def loopexit_multiple(rig: Rig) -> None:
    """loopexit_multiple: the earlier one ends the loop, the later one the next."""
    rig.base.loopexit(0)
    rig.base.loopexit(50 * MS)
    started = rig.world.now_ns()
    assert rig.base.loop() == 0
    assert rig.world.now_ns() - started < 50 * MS
    assert rig.base.loop() == 0
    assert rig.world.now_ns() - started >= 50 * MS


def loopbreak(rig: Rig) -> None:
    """loopbreak: what is active behind the callback waits for the next loop."""
    log: list[str] = []

    class Breaking(Noting):
        def fire(self, result: int) -> None:
            super().fire(result)
            rig.base.loopbreak()

    rig.base.activate(Breaking(rig, log, "break"), EV_READ)
    rig.base.activate(Noting(rig, log, "behind"), EV_READ)
    assert rig.base.loop() == 0
    assert log == ["break"]
    assert rig.base.loop() == 1
    assert log == ["break", "behind"]


def loopexit_runs_the_pass(rig: Rig) -> None:
    """loopexit: what is active in that pass still runs."""
    log: list[str] = []
    rig.base.loopexit()
    rig.base.once(0, lambda: log.append("behind"))
    assert rig.base.loop() == 0
    assert log == ["behind"]


def loopcontinue(rig: Rig) -> None:
    """event_base_loopcontinue: the poller is asked before the rest runs."""
    log: list[str] = []
    base = rig.base

    class Continuing(Noting):
        def fire(self, result: int) -> None:
            super().fire(result)
            self.log.append(f"pass {base.pass_number}")
            base.loopcontinue()

    class Behind(Noting):
        def fire(self, result: int) -> None:
            self.log.append(f"pass {base.pass_number}")

    base.activate(Continuing(rig, log, "continue"), EV_READ)
    base.activate(Behind(rig, log, "behind"), EV_READ)
    assert base.loop() == 1
    assert log == ["continue", "pass 1", "pass 2"]


def loop_flags(rig: Rig) -> None:
    """EVLOOP_ONCE and EVLOOP_NONBLOCK (event_base_loop): waits for one; never waits."""
    log: list[str] = []
    base = rig.base
    started = rig.world.now_ns()
    base.once(50 * MS, lambda: log.append("first"))
    base.once(90 * MS, lambda: log.append("second"))
    assert base.loop(EVLOOP_NONBLOCK) == 0
    assert log == []
    assert base.loop(EVLOOP_ONCE) == 0
    assert log == ["first"]
    assert rig.world.now_ns() - started >= 50 * MS
    assert base.loop(EVLOOP_ONCE) == 0
    assert base.loop(EVLOOP_ONCE) == 1


# test-fdleak.c


def _has_ended(client: Spy) -> bool:
    return "READING|EOF" in client.events()


def fdleak(rig: Rig) -> None:
    """test-fdleak: connections one after the other, each closed by the server; numbers recur."""
    total = 60
    numbers: set[int] = set()
    servers: list[Spy] = []

    def accept(_: Listener, fd: int, _port: int) -> None:
        numbers.add(fd)
        server = rig.new(fd)
        servers.append(server)
        server.on_write = Spy.free
        server.bev.write(b"hello")

    listener = rig.listen(accept)
    for count in range(1, total + 1):
        client = rig.new()
        client.bev.enable(EV_READ)
        assert client.bev.socket_connect(listener.port) == 0
        rig.until(partial(_has_ended, client), "the end")
        assert client.data == b"hello"
        fd = client.bev.getfd()
        assert fd is not None
        numbers.add(fd)
        client.free()
        rig.base.loop(EVLOOP_NONBLOCK)
        assert len(servers) == count
    if not rig.is_completion:  # handles need not recur
        assert len(numbers) < 20, f"{len(numbers)} different descriptors"


_ALL: tuple[Body, ...] = (
    *(cb_invoked, free_finalize, within_cb, deferred_cb_skew, event_timeout_lost, active_later),
    *(persistent_active_timeout, priorities1, priorities2, priorities3),
    *(priority_active_inversion, multiple_events_for_same_fd, loopexit, loopexit_multiple),
    *(loopbreak, loopexit_runs_the_pass, loopcontinue, loop_flags, fdleak),
)
#: what runs on the real completion kernel too
CASES: dict[str, Body] = {body.__name__: body for body in _ALL}
