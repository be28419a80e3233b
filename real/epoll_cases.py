"""The operations of the epoll cases, on a running Linux.

The same vocabulary as in `sim.epoll_cases`, operation by operation. epoll is called through ctypes
and not through `select.epoll`, because an event must bring back its label also when its descriptor
number has gone to another file.

A thread of a case waits in the kernel before `start_wait` returns: the name of the kernel function
that it sleeps in (/proc/.../wchan, proc(5)) says so. `signal` sends it a signal whose handler is a
function of the C library that does nothing, so that it works from any thread and Python's own
handlers stay as they are; epoll_wait(2) and poll(2) are never restarted (signal(7)).

Nothing waits without a bound: what would gives "BLOCKED". When a case is over, or fails, its
threads are woken by signals and joined, and everything is closed.
"""

from __future__ import annotations

import ctypes
import platform
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from ctypes import c_int, c_uint32, c_uint64, c_void_p
from typing import Any

from model.errors import SimulatorError, UsageError
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLIN,
    mask_name,
    mask_of,
)
from real import epoll_case_bytes, epoll_case_files

assert sys.platform == "linux", "real.epoll_cases needs Linux (duopoll worlds)"

function, plain = epoll_case_files.function, epoll_case_files.plain

BAD_OPERATION = 42  # no operation of epoll_ctl
ENDLESS_MS = 1_000  # for a wait without a timeout
BEGIN_S = 1.0  # until a thread waits
THREAD_S = 0.05  # until a thread that was woken has its events
BLOCKED = "BLOCKED"
_SIGNAL = signal.SIGUSR2


class _Event(ctypes.Structure):
    """struct epoll_event: packed on x86 (include/uapi/linux/eventpoll.h)."""

    if platform.machine() in {"x86_64", "AMD64", "i386", "i686"}:
        _pack_ = 1
    _fields_ = (("events", c_uint32), ("data", c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)
_epoll_create1 = function("epoll_create1", c_int)
_epoll_ctl = function("epoll_ctl", c_int, c_int, c_int, c_void_p)
_epoll_wait = function("epoll_wait", c_int, c_void_p, c_int, c_int)
_poll = function("poll", c_void_p, ctypes.c_ulong, c_int)
_nothing = ctypes.cast(_libc.abs, c_void_p)
_libc.signal.argtypes, _libc.signal.restype = (c_int, c_void_p), c_void_p


def bits(mask: str) -> int:
    """The mask that a case writes: `-`, nothing and `0` are no bit."""
    return mask_of(mask) if mask not in {"", "-"} else 0


def mask_text(mask: int) -> str:
    """A mask as the results write it: nothing for no bit."""
    return mask_name(mask) if mask else ""


def poll_one(fd: int, mask: int, timeout_ms: int) -> int | str:
    """poll(2) on one descriptor: the events, or an errno's name."""
    entry = ctypes.create_string_buffer(struct.pack("=iHH", fd, mask & 0xFFFF, 0), 8)
    result = _poll(entry, 1, timeout_ms)
    if isinstance(result, str):
        return result
    events: int = struct.unpack("=iHH", entry.raw)[2] if result else 0
    return "EBADF" if events & select.POLLNVAL else events


class Waiter:
    """A thread of a case that waits once."""

    def __init__(self, wait: Callable[[], Any], timeout_ms: int) -> None:
        self.wait = wait
        self.timeout_ms = timeout_ms
        self.result: Any = BLOCKED
        self.native_id = 0
        self.thread = threading.Thread(target=self.body, daemon=True)
        self.thread.start()

    def body(self) -> None:
        self.native_id = threading.get_native_id()
        self.result = self.wait()

    def sleeps(self) -> bool:
        """Whether the kernel has the thread asleep in epoll_wait or poll."""
        try:
            with open(f"/proc/self/task/{self.native_id}/wchan", encoding="ascii") as place:
                return "poll" in place.read()
        except OSError:
            return False

    def ended(self, within_s: float) -> bool:
        """Whether the thread ends soon, or is seen asleep twice."""
        deadline = time.monotonic() + within_s
        asleep = 0
        while time.monotonic() < deadline and asleep < 3:
            self.thread.join(0.001)
            if not self.thread.is_alive():
                return True
            asleep = asleep + 1 if self.sleeps() else 0
        return not self.thread.is_alive()

    def interrupt(self) -> None:
        """A signal for this thread."""
        ident = self.thread.ident
        if ident is not None and self.thread.is_alive():
            signal.pthread_kill(ident, _SIGNAL)


class Machine(epoll_case_bytes.Bytes):
    """One case's descriptors, labels and threads."""

    def __init__(self, pace: float = 1.0) -> None:
        super().__init__(pace)
        self.labels: list[str] = []  # an event's data is a place in this list
        self.threads: dict[str, Waiter] = {}
        self.waiters: list[Waiter] = []
        self.before = _libc.signal(_SIGNAL, _nothing)

    def perform(self, operation: str, args: Sequence[Any]) -> Any:
        """One operation of the vocabulary. Raises `UsageError` for a thread that nothing made."""
        return OPERATIONS[operation](self, *args)

    def close(self) -> None:
        """Ends the threads, closes the descriptors, puts limits and the signal handler back."""
        self.do_fd_limit_off()
        deadline = time.monotonic() + 10
        for waiter in self.waiters:
            while waiter.thread.is_alive() and time.monotonic() < deadline:
                waiter.interrupt()
                waiter.thread.join(0.01)
        self.close_files()
        if any(waiter.thread.is_alive() for waiter in self.waiters):
            raise SimulatorError("a thread of a case did not end")
        _libc.signal(_SIGNAL, self.before)

    # -- epoll ----------------------------------------------------------------------------------

    def do_epoll_create(self, e: str) -> Any:
        return self.name_it(e, _epoll_create1(0))

    def control(self, op: int, e: str, x: str, mask: str, label: str | None) -> Any:
        """epoll_ctl(2); the label comes back with every event."""
        self.labels.append(x if label is None else label)
        event = _Event(bits(mask), len(self.labels) - 1)
        return plain(_epoll_ctl(self.fd(e), op, self.fd(x), ctypes.byref(event)))

    def do_ctl_add(self, e: str, x: str, mask: str, label: str | None = None) -> Any:
        return self.control(EPOLL_CTL_ADD, e, x, mask, label)

    def do_ctl_mod(self, e: str, x: str, mask: str, label: str | None = None) -> Any:
        return self.control(EPOLL_CTL_MOD, e, x, mask, label)

    def do_ctl_del(self, e: str, x: str, mask: str = "-") -> Any:
        return self.control(EPOLL_CTL_DEL, e, x, mask, None)

    def do_ctl_badop(self, e: str, x: str, mask: str = "-") -> Any:
        return self.control(BAD_OPERATION, e, x, mask, None)

    def do_ctl_nullev(self, e: str, x: str, mask: str = "-") -> Any:
        return plain(_epoll_ctl(self.fd(e), EPOLL_CTL_ADD, self.fd(x), None))

    def wait_on(self, epfd: int, timeout_ms: int, maxevents: int) -> Any:
        """epoll_wait(2); events as `[label, mask]`."""
        events = (_Event * max(min(maxevents, 4096), 1))()
        number = _epoll_wait(epfd, events, max(min(maxevents, 4096), -4096), timeout_ms)
        if isinstance(number, str):
            return number
        found = [(event.data, event.events) for event in events[:number]]
        return [[self.labels[data], mask_text(mask)] for data, mask in found]

    def do_wait(self, e: str, timeout_ms: int = 0, maxevents: int = 16) -> Any:
        if timeout_ms >= 0:
            return self.wait_on(self.fd(e), timeout_ms, maxevents)
        return self.wait_on(self.fd(e), ENDLESS_MS, maxevents) or BLOCKED

    def do_wait_timed(self, e: str, timeout_ms: int) -> Any:
        before = time.monotonic_ns()
        events = self.do_wait(e, timeout_ms)
        early = time.monotonic_ns() - before < timeout_ms * 1_000_000
        return [events, "early" if early else "elapsed>=timeout"]

    def do_wait_count(self, e: str, times: int, maxevents: int) -> Any:
        counts: dict[str, int] = {}
        for _ in range(times):
            events = self.do_wait(e, 0, maxevents)
            if isinstance(events, str):
                return events
            for label, _mask in events:
                counts[label] = counts.get(label, 0) + 1
        return counts

    def do_poll(self, x: str, mask: str) -> Any:
        events = poll_one(self.fd(x), bits(mask), 0)
        return events if isinstance(events, str) else mask_text(events)

    # -- threads --------------------------------------------------------------------------------

    def threads_settle(self) -> None:
        for waiter in self.waiters:
            if waiter.thread.is_alive():
                waiter.ended(THREAD_S * self.pace)

    def do_start_wait(
        self, thread: str, e: str, timeout_ms: int = 0, maxevents: int = 16, via: str = "epoll"
    ) -> Any:
        epfd = self.fd(e)  # the name may be closed while the thread waits

        def through_poll() -> Any:
            events = poll_one(epfd, EPOLLIN, timeout_ms)
            if isinstance(events, str):
                return events
            return self.wait_on(epfd, 0, maxevents) if events else []

        wait = through_poll if via == "poll" else lambda: self.wait_on(epfd, timeout_ms, maxevents)
        waiter = self.threads[thread] = Waiter(wait, timeout_ms)
        self.waiters.append(waiter)
        deadline = time.monotonic() + BEGIN_S * self.pace
        while waiter.thread.is_alive() and not waiter.sleeps() and time.monotonic() < deadline:
            time.sleep(0.000_1)
        return "ok"

    def waiter(self, thread: str) -> Waiter:
        """A thread of the case."""
        if thread not in self.threads:
            raise UsageError(f"there is no thread {thread!r}: no start_wait before made it")
        return self.threads[thread]

    def do_join(self, thread: str) -> Any:
        waiter = self.waiter(thread)
        timeout_ms = waiter.timeout_ms if waiter.timeout_ms >= 0 else 0
        waiter.thread.join((timeout_ms + ENDLESS_MS) / 1000 * self.pace)
        return waiter.result

    def do_join_count(self, *threads: str) -> Any:
        return sum(bool(self.do_join(thread)) for thread in threads)

    def do_blocked(self, thread: str) -> Any:
        return not self.waiter(thread).ended(THREAD_S * self.pace)

    def do_signal(self, thread: str) -> Any:
        self.waiter(thread).interrupt()
        return "ok"


OPERATIONS: dict[str, Callable[..., Any]] = {
    name.removeprefix("do_"): method
    for owner in (epoll_case_files.Files, epoll_case_bytes.Bytes, Machine)
    for name, method in vars(owner).items()
    if name.startswith("do_")
}


def play(steps: Sequence[Sequence[Any]], pace: float = 1.0) -> list[Any]:
    """The results of all steps. `pace` multiplies what is waited for the kernel to settle.

    Raises `UsageError` that names the step.
    """
    machine = Machine(pace)
    results: list[Any] = []
    try:
        for number, (operation, *args) in enumerate(steps):
            try:
                results.append(machine.perform(operation, args))
            except UsageError as error:
                raise UsageError(f"step {number}, {operation}: {error}") from None
    finally:
        machine.close()
    return results
