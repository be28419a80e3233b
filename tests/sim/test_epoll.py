"""The simulated epoll against a model so simple that it is plainly right, and its own rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.choices import Choices
from model.errors import Errno
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLET,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDHUP,
    mask_name,
)
from sim.epoll import BUSY_NS, BUSY_WAITS, SimEpoll
from sim.network import Network
from sim.scheduler import Scheduler
from sim.world import SimWorld

WATCHED = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP
SETTLED = 10**9  # ns; longer than any latency that a short tape can add up
tapes = st.lists(st.integers(0, 9), max_size=40)


def in_kernel(body: Callable[[SimEpoll, Scheduler], None], tape: Sequence[int] = ()) -> None:
    """Runs `body` as main on a kernel of its own."""
    scheduler = Scheduler(Choices(tape))
    kernel = SimEpoll(scheduler, Network(scheduler))
    scheduler.run(lambda: body(kernel, scheduler))


def some(result: Any) -> Any:
    """A result that is not an errno."""
    assert not isinstance(result, Errno), result
    return result


def fill(kernel: SimEpoll, fd: int) -> int:
    """Sends until there is no space: the number of bytes taken."""
    taken = 0
    while isinstance(sent := kernel.send(fd, (bytes(1_000_000),)), int):
        taken += sent
    return taken


def make_pair(kernel: SimEpoll, scheduler: Scheduler) -> tuple[int, int]:
    """A connected pair: the connecting and the accepted descriptor."""
    listener, client = some(kernel.socket()), some(kernel.socket())
    kernel.connect(client, some(kernel.listen(listener, 0, 5)))
    while isinstance(accepted := kernel.accept(listener), Errno):
        scheduler.park(1_000_000)
    kernel.close(listener)
    return client, accepted.fd


# -- state -> mask, one row a state (spec of tcp_poll) ------------------------------------------

State = Callable[[SimEpoll, int, int, Scheduler], object]
STATES: dict[str, tuple[State, str]] = {
    "idle": (lambda k, s, p, w: None, "OUT"),
    "data": (lambda k, s, p, w: k.send(p, (b"x",)), "IN|OUT"),
    "peer shut": (lambda k, s, p, w: k.shutdown(p, "WR"), "IN|OUT|RDHUP"),
    "peer closed": (lambda k, s, p, w: k.close(p), "IN|OUT|RDHUP"),
    "own WR": (lambda k, s, p, w: k.shutdown(s, "WR"), "OUT"),
    "own RD": (lambda k, s, p, w: k.shutdown(s, "RD"), "IN|OUT|RDHUP"),
    "own RDWR": (lambda k, s, p, w: k.shutdown(s, "RDWR"), "IN|OUT|HUP|RDHUP"),
    "both WR": (
        lambda k, s, p, w: (k.shutdown(s, "WR"), k.shutdown(p, "WR")),
        "IN|OUT|HUP|RDHUP",
    ),
    "reset": (
        lambda k, s, p, w: (k.send(s, (b"x",)), k.close(p)),
        "IN|OUT|ERR|HUP|RDHUP",
    ),
    "reset, error read": (
        lambda k, s, p, w: (k.send(s, (b"x",)), k.close(p), k.so_error(s)),
        "IN|OUT|HUP|RDHUP",
    ),
    "fin, then reset by our send": (
        lambda k, s, p, w: (k.close(p), k.send(s, (b"x",))),
        "IN|OUT|ERR|HUP|RDHUP",
    ),
    "full": (lambda k, s, p, w: fill(k, s), "0"),
    "full, with data": (
        lambda k, s, p, w: (fill(k, s), k.send(p, (b"x",))),
        "IN",
    ),
    "full, own WR": (
        lambda k, s, p, w: (fill(k, s), k.shutdown(s, "WR")),
        "OUT",
    ),
    "full, then reset": (
        lambda k, s, p, w: (fill(k, s), k.close(p)),
        "IN|OUT|ERR|HUP|RDHUP",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_mask_of_a_state(name: str) -> None:
    act, expected = STATES[name]

    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        own, peer = make_pair(kernel, scheduler)
        epfd = some(kernel.epoll_create())
        act(kernel, own, peer, scheduler)
        kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, own, WATCHED)
        events = some(kernel.epoll_wait(epfd, 8, 0))
        assert [(fd, mask_name(mask)) for fd, mask in events] == (
            [(own, expected)] if expected != "0" else []
        )

    in_kernel(body)


# -- level and edge, against the current state ------------------------------------------------

operations = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 5), st.integers(1, 300_000)),
    st.tuples(st.just("recv"), st.integers(0, 5), st.integers(1, 300_000)),
    st.tuples(st.just("shut"), st.integers(0, 5), st.sampled_from(["RD", "WR", "RDWR"])),
    st.tuples(st.just("ctl"), st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 6), st.just(0)),
    st.tuples(st.just("error"), st.integers(0, 5), st.just(0)),
)
INTERESTS = (EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLRDHUP, EPOLLIN | EPOLLRDHUP)


def act(kernel: SimEpoll, fds: list[int], operation: tuple[str, int, Any]) -> None:
    """One operation on one socket; its own result is of no interest here."""
    what, number, argument = operation
    fd = fds[number % len(fds)]
    if what == "send":
        kernel.send(fd, (bytes(argument),))
    elif what == "recv":
        kernel.recv(fd, argument)
    elif what == "shut":
        kernel.shutdown(fd, argument)
    elif what == "error":
        kernel.so_error(fd)


@given(program=st.lists(operations, max_size=40), tape=tapes)
def test_level_triggered_reports_exactly_what_is_ready(
    program: list[tuple[str, int, Any]], tape: list[int]
) -> None:
    """A wait with room for all reports every ready descriptor once, and nothing else."""

    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        fds = [fd for _ in range(3) for fd in make_pair(kernel, scheduler)]
        level, probe = some(kernel.epoll_create()), some(kernel.epoll_create())
        interest = dict.fromkeys(fds, EPOLLIN)
        for fd in fds:
            kernel.epoll_ctl(level, EPOLL_CTL_ADD, fd, EPOLLIN)
        for operation in program:
            act(kernel, fds, operation)
            if operation[0] == "ctl":
                fd = fds[operation[1]]
                interest[fd] = INTERESTS[operation[2]]
                kernel.epoll_ctl(level, EPOLL_CTL_MOD, fd, interest[fd])
            if operation[0] == "wait":
                some(kernel.epoll_wait(level, operation[1], 0))  # a partial harvest changes nothing
            scheduler.park(SETTLED)
            ready = {}
            for fd in fds:  # a fresh registration reports the state as it is
                kernel.epoll_ctl(probe, EPOLL_CTL_ADD, fd, interest[fd])
                ready.update(some(kernel.epoll_wait(probe, 1, 0)))
                kernel.epoll_ctl(probe, EPOLL_CTL_DEL, fd, 0)
            events = some(kernel.epoll_wait(level, 16, 0))
            assert dict(events) == ready
            assert len(events) == len(ready)
            for fd, mask in events:
                assert mask & ~(interest[fd] | EPOLLERR | EPOLLHUP) == 0

    in_kernel(body, tape)


@given(program=st.lists(operations, max_size=40), tape=tapes, flag=st.sampled_from([0, 1]))
def test_an_edge_reports_only_what_is_true_and_never_without_a_cause(
    program: list[tuple[str, int, Any]], tape: list[int], flag: int
) -> None:
    """Edge: a second wait with nothing in between is empty. One-shot: silent until MOD."""
    mask = WATCHED | (EPOLLET, EPOLLONESHOT)[flag]

    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        fds = [fd for _ in range(3) for fd in make_pair(kernel, scheduler)]
        edge, level = some(kernel.epoll_create()), some(kernel.epoll_create())
        armed = set(fds)
        for fd in fds:
            kernel.epoll_ctl(edge, EPOLL_CTL_ADD, fd, mask)
            kernel.epoll_ctl(level, EPOLL_CTL_ADD, fd, WATCHED)
        for operation in program:
            act(kernel, fds, operation)
            if operation[0] == "ctl":
                kernel.epoll_ctl(edge, EPOLL_CTL_MOD, fds[operation[1]], mask)
                armed.add(fds[operation[1]])
            scheduler.park(SETTLED)
            events = some(kernel.epoll_wait(edge, 16, 0))
            truth = dict(some(kernel.epoll_wait(level, 16, 0)))
            assert len({fd for fd, _ in events}) == len(events)
            for fd, seen in events:
                assert truth[fd] == seen
                assert fd in armed
                if flag:
                    armed.discard(fd)
            assert kernel.epoll_wait(edge, 16, 0) == []

    in_kernel(body, tape)


@given(count=st.integers(1, 8), room=st.integers(1, 8), waits=st.integers(1, 12))
def test_ready_descriptors_take_turns(count: int, room: int, waits: int) -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        fds = [make_pair(kernel, scheduler)[0] for _ in range(count)]
        epfd = some(kernel.epoll_create())
        for fd in fds:
            kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLOUT)
        seen = [fd for _ in range(waits) for fd, _ in some(kernel.epoll_wait(epfd, room, 0))]
        assert seen == [fds[place % count] for place in range(len(seen))]
        assert len(seen) == waits * min(room, count)

    in_kernel(body)


# -- waiting ------------------------------------------------------------------------------------


@given(timeout=st.integers(1, 10**10), tape=tapes)
def test_a_timeout_is_never_early(timeout: int, tape: list[int]) -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        epfd = some(kernel.epoll_create())
        before = scheduler.now
        assert kernel.epoll_wait(epfd, 8, timeout) == []
        passed = scheduler.now - before
        assert passed == timeout if not tape else passed >= timeout

    in_kernel(body, tape)


def test_a_program_that_never_blocks_still_meets_its_timers() -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        own, _peer = make_pair(kernel, scheduler)
        epfd = some(kernel.epoll_create())
        kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, own, EPOLLOUT)
        other: list[int] = []
        scheduler.spawn("other", lambda: other.append(scheduler.now))
        for _ in range(10 * BUSY_WAITS):
            assert kernel.epoll_wait(epfd, 8, None) == [(own, EPOLLOUT)]
        assert other == [0]
        assert 8 * BUSY_NS <= scheduler.now <= 10 * BUSY_NS

    in_kernel(body)


def test_a_signal_ends_a_wait_only_when_nothing_is_ready() -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        own, peer = make_pair(kernel, scheduler)
        epfd = some(kernel.epoll_create())
        kernel.epoll_ctl(epfd, EPOLL_CTL_ADD, own, EPOLLIN)
        results: list[Any] = []

        def waiter() -> None:
            results.extend(kernel.epoll_wait(epfd, 8, None) for _ in range(2))

        task = scheduler.spawn("waiter", waiter)
        scheduler.park(1)
        scheduler.interrupt(task)
        scheduler.park(1)
        kernel.send(peer, (b"x",))
        scheduler.interrupt(task)
        scheduler.park(1)
        assert results == [Errno.EINTR, [(own, EPOLLIN)]]

    in_kernel(body)


# -- descriptors --------------------------------------------------------------------------------


def test_descriptors_are_the_lowest_free_numbers() -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        fds = [some(kernel.socket()) for _ in range(4)]
        assert fds == [3, 4, 5, 6]
        kernel.close(5)
        kernel.close(4)
        assert kernel.close(4) is Errno.EBADF
        assert [kernel.socket(), kernel.socket(), kernel.socket()] == [4, 5, 7]

    in_kernel(body)


def test_calls_on_what_is_not_there() -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        epfd, gone = some(kernel.epoll_create()), 77
        calls: list[Callable[[int], Any]] = [
            lambda fd: kernel.connect(fd, 1),
            lambda fd: kernel.listen(fd, 0, 1),
            kernel.accept,
            lambda fd: kernel.recv(fd, 1),
            lambda fd: kernel.send(fd, (b"x",)),
            kernel.so_error,
            kernel.getsockname,
            kernel.getpeername,
            lambda fd: kernel.shutdown(fd, "WR"),
        ]
        for call in calls:
            assert call(gone) is Errno.EBADF
            assert call(epfd) is Errno.ENOTSOCK

    in_kernel(body)


def test_the_limit_of_descriptors() -> None:
    def body(kernel: SimEpoll, scheduler: Scheduler) -> None:
        listener, client = some(kernel.socket()), some(kernel.socket())
        kernel.connect(client, some(kernel.listen(listener, 0, 1)))
        kernel.fd_limit = 2
        assert kernel.socket() is Errno.EMFILE
        assert kernel.epoll_create() is Errno.EMFILE
        assert kernel.accept(listener) is Errno.EMFILE
        kernel.fd_limit = None
        assert some(kernel.accept(listener)).peer_port == some(kernel.getsockname(client))

    in_kernel(body)


def test_the_kernel_of_a_world_is_this_one() -> None:
    assert isinstance(SimWorld("epoll").readiness, SimEpoll)
    assert SimWorld("epoll").completion is None
