"""The shapes of libevent's own bugs of threads, without a bufferevent: locks, a loop, a wakeup.

Each is the smallest program in which the order of two threads makes the bug, and its twin as
libevent has it since. Where the loop sleeps in the kernel it is on a completion port.
"""

from __future__ import annotations

from harness.thread_programs import Planted
from harness.thread_run import Program
from model.errors import Win32Error
from model.kernel import CompletionKernel
from model.threads import switching
from model.world import World


def _free_in_callback(finalizes: bool) -> Program:
    """A thread frees under the object's lock and waits for the callback, which wants the lock.

    event.c:event_del_ waits for a running callback, unless it is to be finalised instead.
    """

    def program(world: World) -> None:
        threads = world.threads
        bufferevent = threads.lock("bufferevent")
        base = threads.lock("base")
        callback_done = threads.condition(base, "current event")
        running: list[bool] = []

        def loop() -> None:
            with base:
                running.append(True)
            with bufferevent:
                threads.touch("bufferevent", write=True)
            with base:
                running.clear()
                callback_done.notify_all()

        def free() -> None:
            with bufferevent, base:
                while running and not finalizes:
                    callback_done.wait()

        threads.spawn("loop", loop)
        threads.spawn("free", free)
        threads.join()

    return program


def _lock_for_unlock(unlocks: bool) -> Program:
    """A getter that takes the lock a second time where it should give it back."""

    def program(world: World) -> None:
        threads = world.threads
        lock = threads.lock("bufferevent")

        def get() -> None:
            lock.acquire()
            threads.touch("error", write=False)
            (lock.release if unlocks else lock.acquire)()

        def other() -> None:
            with lock:
                threads.touch("error", write=True)

        threads.spawn("getter", get)
        threads.spawn("other", other)
        threads.join()

    return program


def _torn_arguments(inside: bool) -> Program:
    """The loop reads an event's fields for its callback after it has let the base's lock go."""

    def program(world: World) -> None:
        threads = world.threads
        base = threads.lock("base")

        def loop() -> None:
            base.acquire()
            if inside:
                threads.touch("event", write=False)
                base.release()
            else:
                base.release()
                threads.touch("event", write=False)

        def activate() -> None:
            with base:
                threads.touch("event", write=True)

        threads.spawn("loop", loop)
        threads.spawn("activate", activate)
        threads.join()

    return program


def _inverted_try(right: bool) -> Program:
    """A group that takes a failed try of its member's lock for a success, and the reverse."""

    def program(world: World) -> None:
        threads = world.threads
        member = threads.lock("member")
        group = threads.lock("group")

        def refill() -> None:
            with group:
                got = member.try_acquire()
                if got == right:
                    threads.touch("member", write=True)
                if got:
                    member.release()

        def write() -> None:
            with member:
                threads.touch("member", write=True)
                with group:
                    threads.touch("bucket", write=True)

        threads.spawn("refill", refill)
        threads.spawn("write", write)
        threads.join()

    return program


def _no_wakeup(wakes: bool) -> Program:
    """The last thing that keeps the loop alive is removed by a worker, and the loop sleeps on."""

    def program(world: World) -> None:
        threads = world.threads
        assert world.completion is not None
        kernel: CompletionKernel = switching(world.completion, threads)
        port = kernel.create_port(1)
        assert not isinstance(port, Win32Error)
        base = threads.lock("base")
        virtual_events = [1]

        def loop() -> None:
            while True:
                with base:
                    if not virtual_events[0]:
                        return
                kernel.get_queued_completion_status(port, 1, None)

        def worker() -> None:
            with base:
                virtual_events[0] -= 1
                if wakes:
                    kernel.post_queued_completion_status(port, 0, 0, None)

        threads.spawn("loop", loop)
        threads.spawn("worker", worker)
        threads.join()

    return program


PATTERNS: tuple[Planted, ...] = (
    Planted(
        "free-in-callback",
        "a free that waits, with the lock, for a callback that wants it",
        _free_in_callback(False),
        _free_in_callback(True),
        ("K-3",),
    ),
    Planted(
        "lock-for-unlock",
        "a getter that locks where it should unlock",
        _lock_for_unlock(False),
        _lock_for_unlock(True),
        ("K-3", "K-5"),
    ),
    Planted(
        "torn-arguments",
        "fields that are read after the lock was let go",
        _torn_arguments(False),
        _torn_arguments(True),
        ("K-2",),
    ),
    Planted(
        "inverted-try",
        "a try of a lock, its answer taken the wrong way round",
        _inverted_try(False),
        _inverted_try(True),
        ("K-2",),
    ),
    Planted(
        "no-wakeup",
        "a loop whose last reason to wait goes, and nobody wakes it",
        _no_wakeup(False),
        _no_wakeup(True),
        ("K-3",),
        kind="iocp",
    ),
)
