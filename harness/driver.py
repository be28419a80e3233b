"""The driver: plays a scenario against an event base, the same way in every world.

It runs on the loop thread. Server ends listen, client ends connect, in the order of the
connections; then the application's steps are done, those between two `wait`s at once; the loop runs
during the waits and after the last step until the run is quiet. What is left is then freed, the
loop emptied, the base freed.

Quiet is judged by a timer tick on the loop: for that long no record was written, but for polls that
found nothing, and no peer rests. A tick is longer than every timeout of the scenario, and than an
empty bucket takes to fill, so that a timer that is due comes first. A run that never becomes quiet
is given up after `TICKS_MAX` ticks, and has no `quiet` record.

The driver is an application without bugs of its own: it never touches a bufferevent that it has
freed (steps on it are not done), and closes the descriptors that are its own (without
CLOSE_ON_FREE) only when the loop has let go of them. An exception out of the subject is a `crash`
record, and so is a `SimulatorError`: its record names it, and a run that shows a defect of duopoll
can be kept and shrunk like any other. (`sim.scheduler.Deadlock` is one: a loop that waits for ever
although a timer is armed.) Other errors of duopoll, a strict replay's for one, go up.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, cast

from harness.app_threads import AppThreads, together
from harness.live import ACTS, Live, arguments
from harness.named_base import NamedBase, Stack
from harness.peers import Peer
from harness.scenario import (
    BuffereventEnd,
    Connection,
    PeerEnd,
    Scenario,
    group_limits,
    reconnects,
)
from harness.scenario_needs import needs
from model.errors import DuopollError, Errno, SimulatorError, Win32Error
from model.faults import NONE
from model.rate_limit import token_bucket_cfg_new
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    EV_READ,
    EV_WRITE,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
    Listener,
    NotMade,
    RateLimitGroup,
)
from model.threads import NO_THREADS, Threads
from model.trace import BudgetExceeded, Record, Trace
from model.world import World

BACKLOG = 128
TICKS_MAX = 20
TEARDOWN_BUDGET = 2_000  # records that the clean-up may write
TEARDOWN_PASSES = 40  # passes of the loop in the clean-up, with a growing pause between them
TEARDOWN_PAUSE_NS = 200_000
#: what a loop with nothing to do writes: EVLOOP_ONCE begins it again; where there are threads its
#: own locks and accesses are records, and so is whose they are
_LOOP_ALONE = frozenset({"loop", "loop_end", "lock", "touch", "on"})


class Driver:
    """One run of one scenario. `play` does it all."""

    def __init__(
        self,
        scenario: Scenario,
        world: World,
        base: NamedBase,
        trace: Trace,
        threads: Threads = NO_THREADS,
    ) -> None:
        self.scenario = scenario
        self.world = world
        self.base = base
        self.trace = trace
        self.ends: dict[str, Live] = {}
        self.peers: dict[str, Peer] = {}
        self.listeners: dict[int, Listener] = {}  # by the stream index of their server end
        self.orphans: list[int] = []  # descriptors that are ours to close
        self.ports: list[int] = []  # by connection
        self.needs = needs(scenario)
        self.reconnects = [
            reconnects(scenario, n) if self.needs.reconnects else 0
            for n in range(len(scenario.connections))
        ]
        self.position = 0  # in the application's steps
        self.proceeded = False  # they are done
        self.ticks = 0
        self.quiet = False
        self.over = False  # nothing is to be waited for any more
        self.groups: dict[int, RateLimitGroup] = {}  # by their place in the scenario
        self.threads = AppThreads(self, threads) if threads.active else None
        asked = self.needs
        self.tick_ns = world.quiet_ns + asked.longest_timeout_ns + asked.longest_refill_ns

    def play(self) -> None:
        """The whole run, from the first listener to `base_free`."""
        if self.guarded(self._begin) and self.guarded(self._loop) and self.quiet:
            # No timer of ours is left: does the loop know what it still waits for? (L-6)
            self.guarded(partial(self.base.loop, EVLOOP_NONBLOCK))
        if self.threads is not None:
            self.threads.join()
        self._tear_down()

    def _loop(self) -> None:
        if not self.scenario.loop_once:
            self.base.loop()
        else:
            while not self.over and self.base.loop(EVLOOP_ONCE) == 0:
                pass

    def guarded(self, action: Callable[[], object]) -> bool:
        """Runs what may enter the subject: False, and a record, if it did not come back well."""
        try:
            action()
        except BudgetExceeded:
            return False  # the trace has its record
        except Exception as error:
            if isinstance(error, DuopollError) and not isinstance(error, SimulatorError):
                raise
            message = " ".join(str(error).split())[:200]
            self.trace.emit("crash", type(error).__name__, message, _where(error.__traceback__))
            return False
        return True

    def _begin(self) -> None:
        if self.needs.priorities > 1:
            self.base.priority_init(self.needs.priorities)
        for number, group in enumerate(self.scenario.groups):
            cfg = token_bucket_cfg_new(*group_limits(group))
            with suppress(NotMade):
                if cfg is not None:
                    made = self.groups[number] = self.base.rate_limit_group_new(cfg)
                    made.set_min_share(group.min_share)
        for index, connection in enumerate(self.scenario.connections):
            if connection.transport == "pair":
                self.ports.append(0)
                self._pair(index, connection)
                continue
            port = self._serve(index, connection)
            self.ports.append(port)
            if isinstance(connection.client, PeerEnd):
                self._peer(f"c{index}", 2 * index, connection.client).connect(port)
            else:
                self._connect(index, connection, port)
        self._proceed()
        if self.threads is not None:
            self.threads.start()

    def _pair(self, index: int, connection: Connection) -> None:
        """Both ends at once, on a bufferevent pair; its options are the client's."""
        lives = []
        for side, end in enumerate((connection.client, connection.server)):
            assert isinstance(end, BuffereventEnd)
            name = f"{'cs'[side]}{index}"
            live = Live(self, name, 2 * index + side, end, connection.layers)
            live.accepted = True
            self.ends[name] = live
            lives.append(live)
        names = [f"{live.name}/0" if live.layers else live.name for live in lives]
        try:
            pair = self.base.bufferevent_pair_new(lives[0].options, names=(names[0], names[1]))
        except NotMade:
            return
        for live, bev in zip(lives, pair, strict=True):
            live.begin(bev)

    def _peer(self, name: str, stream: int, end: PeerEnd) -> Peer:
        peer = Peer(name, stream, end, self.world, self.trace)
        self.peers[name] = peer
        return peer

    def accepted_again(self, first: Live, fd: int) -> None:
        """Another connection to a server end: that of a client end that may have reconnected."""
        if self.reconnects[first.index // 2] == 0:
            self.base.close_fd(fd)
            return
        number = 1 + sum(name.startswith(first.name + ".") for name in self.ends)
        end = self.scenario.connections[first.index // 2].server
        assert isinstance(end, BuffereventEnd)
        again = Live(self, f"{first.name}.{number}", first.index, end)
        self.ends[again.name] = again
        again.start(fd)

    def reconnect(self, end: Live) -> None:
        """What evhttp does with a connection that it gives up (http.c:evhttp_connection_reset_),
        and then a new connect. A server end cannot."""
        bev = end.bev
        if bev is None or end.name[0] != "c":
            return
        enabled = bev.get_enabled()
        bev.disable_hard(EV_READ | EV_WRITE)
        fd = bev.getfd()
        if fd is not None:
            self.base.close_fd(fd)
        if bev.input_length():
            bev.read(bev.input_length())
        bev.setfd(None)
        bev.drain_output()
        bev.enable(enabled)
        bev.socket_connect(self.ports[end.index // 2])

    def accepted(self, server: Live) -> None:
        """A server end has its connection: a client peer may make its further ones."""
        caller = self.peers.get(f"c{server.index // 2}")
        if caller is not None:
            caller.connect_again(self.listeners[server.index].port)

    def _serve(self, index: int, connection: Connection) -> int:
        """Makes the server end listen: the port to connect to."""
        end = connection.server
        name, stream = f"s{index}", 2 * index + 1
        if isinstance(end, PeerEnd):
            peer = self._peer(name, stream, end)
            others = [
                self._peer(f"{name}.{number}", stream, end)
                for number in range(1, 1 + self.reconnects[index])
            ]
            return peer.listen(others)
        live = self.ends[name] = Live(self, name, stream, end, connection.layers)
        listener = self.base.listener_new(live.acceptcb, 0, BACKLOG, name=f"l{index}")
        if isinstance(listener, (Errno, Win32Error)):
            if self.scenario.faults == NONE:
                raise DuopollError(f"l{index} cannot listen on a free port: {listener.name}")
            return self.world.raw_unused_port()  # an application that goes on without it
        self.listeners[stream] = listener
        return listener.port

    def _connect(self, index: int, connection: Connection, port: int) -> None:
        name = f"c{index}"
        assert isinstance(connection.client, BuffereventEnd)
        live = self.ends[name] = Live(self, name, 2 * index, connection.client, connection.layers)
        live.start(None)
        together(live, partial(_connect_first, live, port))

    # The application's program.

    def _proceed(self) -> None:
        """Does the steps up to the next wait, or starts to wait for quiet."""
        steps = self.scenario.app
        while self.position < len(steps):
            do, name, args = steps[self.position]
            index = self.position
            self.position += 1
            if name is None:
                self.trace.emit("step", index, do)
                self.base.once(args[0], self._proceed)
                return
            self.step(index, do, name, args)
        self.proceeded = True
        if self.threads is not None:
            self.threads.proceeded()
        self.base.once(self.tick_ns, self._tick)

    def step(self, index: int, do: str, name: str, args: tuple[Any, ...]) -> None:
        end = self.ends.get(name)
        if end is None or end.bev is None:
            self.trace.emit("step", index, f"{do} not done")
            return
        self.trace.emit("step", index, do)
        self._measure()
        ACTS[do](end, *arguments(do, args))

    def _measure(self) -> None:
        """Records what each stack holds. Another thread may make or free an end meanwhile."""
        for end in tuple(self.ends.values()):
            bev = end.bev
            if end.layers and bev is not None:
                cast(Stack, bev).measure()

    # The end of the run.

    def _tick(self) -> None:
        """Ends the run if nothing has happened for `tick_ns`; else waits for the rest of it."""
        self.ticks += 1
        left = self._unquiet_ns()
        if left > 0 and self.ticks < TICKS_MAX:
            self.base.once(left, self._tick)
            return
        if left <= 0:
            self.quiet = True
            for group in self.groups.values():
                group.get_totals()
            self._measure()
            self.trace.emit("quiet")
        self.over = True
        self.base.loopbreak()

    def _unquiet_ns(self) -> int:
        """How much longer nothing must happen."""
        if any(peer.pausing for peer in self.peers.values()):
            return self.tick_ns
        if self.threads is not None and self.threads.busy:
            return self.tick_ns
        last_ns = max([0, *(peer.rested_ns for peer in self.peers.values())])
        for record in reversed(self.trace.records):
            if not _found_nothing(record):
                last_ns = max(last_ns, record[0])
                break
        return last_ns + self.tick_ns - self.world.now_ns()

    def free(self, end: Live) -> None:
        """Frees a bufferevent; without CLOSE_ON_FREE its descriptor is ours from then on."""
        bev = end.bev
        if bev is not None:
            end.bev = None
            fd = None if end.options & BEV_OPT_CLOSE_ON_FREE else bev.getfd()
            bev.free()
            if not end.options & BEV_OPT_CLOSE_ON_FREE:
                for lower in reversed(end.lower):
                    lower.free()  # each is ours too
            if fd is not None:
                self.orphans.append(fd)

    def give_up(self, end: Live) -> None:
        """Frees what there is of a stack whose top could not be made. CLOSE_ON_FREE goes down;
        without it the descriptor is ours."""
        owned = end.options & BEV_OPT_CLOSE_ON_FREE
        fd = None if owned else end.lower[0].getfd()
        for lower in end.lower[-1:] if owned else reversed(end.lower):
            lower.free()
        if fd is not None:
            self.orphans.append(fd)

    def _tear_down(self) -> None:
        self.trace.budget = len(self.trace.records) + TEARDOWN_BUDGET
        self.trace.emit("teardown")
        for end in self.ends.values():
            self.guarded(partial(self.free, end))
        for listener in self.listeners.values():
            self.guarded(listener.free)
        self.guarded(self._empty_loop)
        for group in self.groups.values():
            self.guarded(group.free)
        self.guarded(self.base.free)

    def _empty_loop(self) -> None:
        """Runs the loop until nothing is left in it; waits for what the kernel still owes.

        Descriptors that are ours are closed behind the first pass: the loop has let go of them.
        """
        first = self.base.loop(EVLOOP_NONBLOCK)
        for fd in self.orphans:
            self.base.close_fd(fd)
        if first == 1 and not self.orphans:
            return
        for attempt in range(TEARDOWN_PASSES):
            if self.base.loop(EVLOOP_NONBLOCK) == 1:
                return
            if attempt:
                self.world.sleep(attempt * TEARDOWN_PAUSE_NS)


def _connect_first(end: Live, port: int) -> None:
    """The first connect, unless a reaction to its set-up was a reconnect."""
    if end.bev is not None and end.bev.getfd() is None:
        end.bev.socket_connect(port)


def _found_nothing(record: Record) -> bool:
    """Whether a record only says that the loop waited and nothing happened."""
    kind = record[1]
    if kind in _LOOP_ALONE:
        return True
    if kind == "epoll_wait":
        return bool(record[4] == [])
    return kind == "gqcs" and record[4] is Win32Error.WAIT_TIMEOUT


def _where(traceback: TracebackType | None) -> str:
    """The innermost place of an exception, without paths: the same on every machine."""
    where = "?"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = traceback.tb_frame.f_globals.get("__name__", "?")
        where = f"{module}:{traceback.tb_lineno} {code.co_name}"
        traceback = traceback.tb_next
    return where
