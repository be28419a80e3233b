"""K, threads: locks in one order, no unsynchronised access, no hang, no lost wakeup. And C-3.

Judged on records alone, in one pass. A record is the thread's that the last `on` named. What
happened before what is kept in vector clocks (Lamport; Flanagan and Freund, FastTrack, PLDI 2009):
a lock's release comes before its next acquire, a spawn before the thread, its end before the join,
a submission or a post before its completion, a write of an eventfd before its read. Where a packet
cannot be told apart from others the edges of all of them are taken: a doubt is never a violation.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.properties.accesses import Access, race
from model.properties.catalogue import Property, Verdicts, Violation
from model.properties.lock_order import Clock, Edge, circles
from model.properties.thread_callbacks import ThreadCallbacks
from model.properties.thread_views import ThreadView, merge
from model.threads import BASE_ACTIVE, MAIN
from model.trace import Record

_new_tuple = tuple.__new__  # a NamedTuple's own takes twice as long

PROPERTIES = (
    Property(
        "C-3",
        "Two callbacks of one bufferevent never run at the same time in two threads.",
        "bufferevent.h: BEV_OPT_THREADSAFE; bufferevent.c: the lock is held, or one deferred runs",
        "cb and cb_end records by thread; nesting in one thread is C-2's",
    ),
    Property(
        "K-1",
        "Locks are taken in one order: no circle in which threads could wait for each other.",
        "evthread.c, evthread_debug; event-internal.h and bufferevent-internal.h on lock order",
        "what each thread held when it took a lock, hang or not; a try blocks nobody",
    ),
    Property(
        "K-2",
        "State that threads share is never accessed by two of them, one writing, without order.",
        "event2/thread.h: locking makes base, buffers and bufferevents safe",
        "touch records by vector clocks through locks, spawn, join, submissions and posts",
    ),
    Property(
        "K-3",
        "The threads of a run get somewhere: no deadlock and no livelock.",
        "event2/thread.h",
        "hang records, which the world writes",
    ),
    Property(
        "K-4",
        "A wakeup is not lost: who waits for ever was not notified before it began to wait, and a"
        " loop that waits goes on when another thread gives it something to do.",
        "pthread_cond_signal(3p); event.c:evthread_notify_base",
        "a thread in a condition's wait when the run hangs, and a notify that woke nobody; a wait"
        " of the loop that ends later than another thread's touch of base.active allows",
    ),
    Property(
        "K-5",
        "A thread that ends has given back every lock.",
        "pthread_mutex_unlock(3p)",
        "lock records against the thread's end",
    ),
    Property(
        "K-6",
        "A callback of a bufferevent with UNLOCK_CALLBACKS runs without its lock.",
        "bufferevent.c:bufferevent_run_deferred_callbacks_unlocked",
        "locks held at cb records, but for the one that holds record and state together",
    ),
)


class _Judge:
    """One pass over the records of a run."""

    def __init__(self, tolerance_ns: int, turn_ns: int) -> None:
        self.violations: list[Violation] = []
        self.checked = {each.id: 0 for each in PROPERTIES}
        self.threads: dict[str, ThreadView] = {}
        self.current = self.thread(MAIN)
        self.locks: dict[str, tuple[str, Clock]] = {}  # who gave it back last, and its clock
        self.edges: dict[tuple[str, str], list[Edge]] = {}
        self.known: set[tuple[str, str, tuple[str, ...]]] = set()  # edges since the last fork, join
        self.writes: dict[str, Access] = {}
        self.reads: dict[str, dict[str, Access]] = {}
        self.raced: set[str] = set()
        self.flights: dict[int, Clock] = {}
        self.posts: Clock = {}  # of packets without an overlapped
        self.eventfds: dict[int, Clock] = {}
        self.notified: dict[str, int] = {}  # condition -> the last notify that woke nobody
        self.callbacks = ThreadCallbacks(self.checked)
        self.asked: tuple[str, int, int] | None = None  # what the loop is to do: by whom, when
        self.asking = False  # it is still about to ask
        self.looper = MAIN  # whose loop waits
        self.tolerance = tolerance_ns
        self.turn = turn_ns
        self.hung: int | None = None
        self.blocked: list[str] = []

    def thread(self, name: str) -> ThreadView:
        known = self.threads.get(name)
        if known is None:
            known = self.threads[name] = ThreadView(name, {}, {})
        return known

    def violate(self, property_id: str, index: int, message: str) -> None:
        self.violations.append(Violation(property_id, index, message))

    # -- threads and locks ----------------------------------------------------------------------

    def on(self, index: int, record: Record) -> None:
        self.current = self.thread(record[2])

    def thread_record(self, index: int, record: Record) -> None:
        name, operation = record[2], record[3]
        mine = self.current
        self.known.clear()
        if operation == "spawn":
            self.threads[name] = ThreadView(name, mine.clock, mine.forks)
            self._tick(mine)
            mine.forks[mine.name] += 1
            self.checked["K-3"] = 1
        elif operation == "join":
            ended = self.thread(name)
            merge(mine.clock, ended.clock)
            merge(mine.forks, ended.forks)
        elif operation == "end":
            held = self.thread(name).held
            self.checked["K-5"] += 1
            if held:
                self.violate("K-5", index, f"{name} ends and still has {', '.join(held)}")

    def lock(self, index: int, record: Record) -> None:
        _, _, lock, operation, thread = record
        if type(lock) is not str:
            lock = str(lock)  # whatever a damaged trace has there
        mine = self.current
        if thread != mine.name:
            mine = self.thread(thread)
        depth = mine.depths.get(lock, 0)
        if operation in {"acquire", "try"}:
            if not depth:
                self._take(mine, lock, index, 1, operation == "acquire")
            else:
                mine.depths[lock] = depth + 1
        elif operation == "release":
            if depth == 1:
                self._give(mine, lock)
                if lock == "base" and self.asking and self.asked and self.asked[0] == thread:
                    # Until now it was at it: the wakeup itself is made under the base's lock.
                    self.asked, self.asking = (thread, record[0], self.asked[2]), False
            elif depth:
                mine.depths[lock] = depth - 1

    def _take(self, mine: ThreadView, lock: str, index: int, depth: int, blocking: bool) -> None:
        if blocking and mine.held:
            self.checked["K-1"] += len(mine.held)
            known = (mine.name, lock, tuple(mine.held))
            if known not in self.known:
                self.known.add(known)
                for held in mine.held:
                    self._edge(mine, held, lock, index)
        mine.depths[lock] = depth
        mine.held.append(lock)
        released = self.locks.get(lock)
        if released is not None:
            last, clock = released
            if mine.clock.get(last, 0) < clock[last]:  # who knows of that moment knows the rest
                merge(mine.clock, clock)

    def _edge(self, mine: ThreadView, held: str, lock: str, index: int) -> None:
        edges = self.edges.setdefault((held, lock), [])
        gates = frozenset(mine.held) - {held}
        forks = mine.forks
        for each in edges:
            if each.thread == mine.name and each.gates == gates and each.forks == forks:
                return
        edges.append(Edge(mine.name, index, gates, dict(forks)))

    def _give(self, mine: ThreadView, lock: str) -> None:
        mine.depths[lock] = 0
        if lock in mine.held:
            mine.held.remove(lock)
        clock, name = mine.clock, mine.name
        self.locks[lock] = (name, clock.copy())
        clock[name] += 1

    @staticmethod
    def _tick(thread: ThreadView) -> None:
        thread.clock[thread.name] += 1

    def condition(self, index: int, record: Record) -> None:
        _, _, name, lock, operation, thread, woken = record
        lock = str(lock)
        mine = self.thread(thread)
        if operation == "wait":
            self.checked["K-4"] += 1
            mine.waiting = (name, index, mine.depths.get(lock, 1))
            self._give(mine, lock)
        elif operation in {"woken", "timeout"}:
            depth = mine.waiting[2] if mine.waiting is not None else 1
            mine.waiting = None
            self._take(mine, lock, index, depth, True)
        elif not woken:
            self.notified[name] = index
        else:
            self.notified.pop(name, None)

    # -- shared state and queues ------------------------------------------------------------------

    def touch(self, index: int, record: Record) -> None:
        name, operation = record[2], record[3]
        mine = self.current
        if name == BASE_ACTIVE and self.asked is None and mine.name != self.looper:
            self.asked, self.asking = (mine.name, record[0], index), True
        self.checked["K-2"] += 1
        clock, thread = mine.clock, mine.name
        access = _new_tuple(Access, (thread, clock[thread], index, tuple(mine.held)))
        written = self.writes.get(name)
        if written is not None and clock.get(written.thread, 0) < written.moment:
            self._race(name, operation, access, written)
        if operation == "write":
            for read in self.reads.pop(name).values() if name in self.reads else ():
                if clock.get(read.thread, 0) < read.moment:
                    self._race(name, operation, access, read)
            self.writes[name] = access
        else:
            self.reads.setdefault(name, {})[thread] = access

    def _race(self, name: str, operation: str, access: Access, other: Access) -> None:
        """Once for each name."""
        if name not in self.raced:
            self.raced.add(name)
            self.violate("K-2", access.record, race(name, operation, access, other))

    def submission(self, index: int, record: Record) -> None:
        """wsa_recv, wsa_send, accept_ex, connect_ex, post: what comes of it comes later."""
        mine = self.current
        overlapped = record[-3] if record[1] in {"wsa_recv", "wsa_send"} else record[-2]
        if overlapped is None:
            merge(self.posts, mine.clock)
        else:
            self.flights[overlapped] = dict(mine.clock)
        self._tick(mine)

    def completion(self, index: int, record: Record) -> None:
        overlapped = record[3]
        clock = self.posts if overlapped is None else self.flights.pop(overlapped, None)
        if clock is not None:
            merge(self.current.clock, clock)
            return
        for other in self.threads.values():  # told before the record of its submission
            merge(self.current.clock, other.clock)

    def loop(self, index: int, record: Record) -> None:
        self.looper = self.current.name

    def wait(self, index: int, record: Record) -> None:
        """A loop's wait has ended: it may not have slept on what another thread gave it."""
        if self.asked is None or self.current.name != self.looper:
            return
        thread, since, asked = self.asked
        self.asked = None
        self.checked["K-4"] += 1
        if record[0] > since + self.tolerance + self.turn * len(self.threads):
            self.violate(
                "K-4",
                index,
                f"{self.current.name} was not woken: {thread} gave it something to do in record"
                f" {asked}, and its wait went on for {record[0] - since} ns",
            )

    def eventfd_write(self, index: int, record: Record) -> None:
        merge(self.eventfds.setdefault(record[2], {}), self.current.clock)
        self._tick(self.current)

    def eventfd_read(self, index: int, record: Record) -> None:
        merge(self.current.clock, self.eventfds.get(record[2], {}))

    # -- callbacks and hangs ----------------------------------------------------------------------

    def callback(self, index: int, record: Record) -> None:
        threads = len(self.threads)
        broken = self.callbacks.begin(self.current, threads, index, str(record[2]), record[3])
        for property_id, message in broken:
            self.violate(property_id, index, message)

    def new(self, index: int, record: Record) -> None:
        self.callbacks.new(record[2], record[3], record[4])

    def layer(self, index: int, record: Record) -> None:
        self.callbacks.layer(record[2], str(record[3]))

    def callback_end(self, index: int, record: Record) -> None:
        self.callbacks.end(self.current.name, record[2])

    def hang(self, index: int, record: Record) -> None:
        self.checked["K-3"] = 1
        self.hung = index
        self.violate("K-3", index, str(record[2]))

    def hung_thread(self, index: int, record: Record) -> None:
        _, _, thread, holds, where, last, position = record
        waits = f"waits for {where}" if where else "can run"
        told = f"{thread} {waits}, holds {holds or 'no lock'}, at record {position} ({last})"
        self.blocked.append(told)

    # -- the end ----------------------------------------------------------------------------------

    def end(self) -> Verdicts:
        """What can only be said when all records have been seen."""
        for number, each in enumerate(self.violations):
            if each.property == "K-3":
                told = "; ".join([each.message, *self.blocked])
                self.violations[number] = each._replace(message=told)
        for thread in self.threads.values():
            if self.hung is not None and thread.waiting is not None:
                self._lost(thread.name, thread.waiting[0], thread.waiting[1])
        for message, record in circles(self.edges):
            self.violate("K-1", record, message)
        return Verdicts(tuple(self.violations), self.checked)

    def _lost(self, thread: str, condition: str, since: int) -> None:
        notify = self.notified.get(condition)
        if notify is not None and notify < since:
            self.violate(
                "K-4",
                since,
                f"{thread} waits for {condition} for ever: the notify of record {notify} came"
                " before it and woke nobody",
            )


#: kind of record -> the method that takes it
_HANDLERS = {
    "on": _Judge.on,
    "thread": _Judge.thread_record,
    "lock": _Judge.lock,
    "condition": _Judge.condition,
    "touch": _Judge.touch,
    **dict.fromkeys(("wsa_recv", "wsa_send", "accept_ex", "connect_ex", "post"), _Judge.submission),
    "completion": _Judge.completion,
    "eventfd_write": _Judge.eventfd_write,
    "eventfd_read": _Judge.eventfd_read,
    "new": _Judge.new,
    "layer": _Judge.layer,
    "loop": _Judge.loop,
    "epoll_wait": _Judge.wait,
    "gqcs": _Judge.wait,
    "cb": _Judge.callback,
    "cb_end": _Judge.callback_end,
    "hang": _Judge.hang,
    "blocked": _Judge.hung_thread,
}


def check_threads(records: Sequence[Record], tolerance_ns: int = 0, turn_ns: int = 0) -> Verdicts:
    """Judges the threads of one run. Never raises, whatever the records. A loop may be woken
    `tolerance_ns` late, and `turn_ns` for each thread that may have its turn before.
    """
    judge = _Judge(tolerance_ns, turn_ns)
    unreadable = []
    handlers = _HANDLERS
    for index, record in enumerate(records):
        kind = record[1]
        handler = handlers.get(kind)
        if judge.asked is not None and judge.current.name == judge.looper:
            if kind != "on" and handler is not _Judge.wait:
                judge.asked = None  # it was not waiting
        if handler is not None:
            try:
                handler(judge, index, record)
            except (TypeError, ValueError, IndexError, KeyError, AttributeError):
                unreadable.append(index)
    verdicts = judge.end()
    return Verdicts(verdicts.violations, verdicts.checked, tuple(unreadable))
