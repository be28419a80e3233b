"""An eventfd wakes another thread's epoll_wait in every schedule; so does a registration."""

from __future__ import annotations

from collections.abc import Callable

from harness.schedules import Exhaustive, search
from harness.thread_run import player
from model.choices import Choices
from model.errors import Errno
from model.kernel import EPOLL_CTL_ADD, EPOLLIN, EPOLLOUT, ReadinessKernel
from model.threads import switching
from model.world import World
from sim.world import SimWorld

Look = Callable[[], bool]


def number(result: int | Errno) -> int:
    assert isinstance(result, int), result
    return result


def loop_and_other(wakes: bool) -> Callable[[World], None]:
    """A loop that sleeps without end until there is work, and a thread that gives it some."""

    def program(world: World) -> None:
        threads = world.threads
        assert world.readiness is not None
        kernel: ReadinessKernel = switching(world.readiness, threads)
        epfd, wakeup = number(kernel.epoll_create()), number(kernel.eventfd())
        assert kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, wakeup, EPOLLIN) is None
        base = threads.lock("base")
        work: list[str] = []

        def loop() -> None:
            while True:
                with base:
                    threads.touch("queue", write=True)
                    if work:
                        return
                ready = kernel.epoll_wait(epfd, 8, None)
                assert ready == [(wakeup, EPOLLIN)], ready
                assert kernel.eventfd_read(wakeup) == 1

        def other() -> None:
            with base:
                threads.touch("queue", write=True)
                work.append("a callback")
            if wakes:
                assert kernel.eventfd_write(wakeup) is None

        threads.spawn("loop", loop)
        threads.spawn("other", other)
        threads.join()

    return program


def test_the_loop_wakes_in_every_schedule() -> None:
    found = search(Exhaustive(None), player(loop_and_other(wakes=True)))
    assert found.failure is None and found.unbounded, found
    asleep = search(Exhaustive(None), player(loop_and_other(wakes=False)))
    assert asleep.failure is not None and "loop waits for epoll_wait" in asleep.failure


def registration(world: World) -> None:
    """A thread waits on an epoll that is empty; another gives it a writable descriptor."""
    threads = world.threads
    assert world.readiness is not None
    kernel: ReadinessKernel = switching(world.readiness, threads)
    epfd, fd = number(kernel.epoll_create()), number(kernel.eventfd())

    def waits() -> None:
        assert kernel.epoll_wait(epfd, 8, None) == [(fd, EPOLLOUT)]

    threads.spawn("waits", waits)
    threads.spawn("adds", lambda: assert_none(kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLOUT)))
    threads.join()


def assert_none(result: object) -> None:
    assert result is None


def test_a_registration_wakes_who_waits() -> None:
    found = search(Exhaustive(None), player(registration))
    assert found.failure is None and found.unbounded, found


def test_an_eventfd_counts_and_is_empty_after_a_read() -> None:
    world = SimWorld("epoll", Choices())
    kernel = world.readiness
    assert kernel is not None
    fd = number(kernel.eventfd())
    assert kernel.eventfd_read(fd) is Errno.EAGAIN
    for _ in range(3):
        assert kernel.eventfd_write(fd) is None
    assert kernel.eventfd_read(fd) == 3
    assert kernel.eventfd_read(fd) is Errno.EAGAIN
    assert kernel.close(fd) is None
    assert kernel.eventfd_write(fd) is Errno.EBADF is kernel.eventfd_read(fd)
    sock = number(kernel.socket())
    assert kernel.eventfd_write(sock) is Errno.EINVAL is kernel.eventfd_read(sock)
