"""The simulated completion kernel's memory: what is locked, what is copied, and where it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.choices import Choices
from model.errors import Win32Error
from model.faults import PAGE
from sim.iocp_pool import Pool, PooledIocp, pages
from sim.iocp_profile import NT, WINE_8, Profile
from sim.network import Network
from sim.scheduler import Scheduler

PENDING, NOBUFS = Win32Error.WSA_IO_PENDING, Win32Error.WSAENOBUFS
SETTLE_NS = 1_000_000_000

sizes = st.sampled_from((0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE, 40_000))
steps = st.lists(
    st.tuples(
        st.sampled_from(("recv", "send", "cancel", "buffer", "settle")), st.booleans(), sizes
    ),
    max_size=30,
)
tapes = st.lists(st.integers(0, 250), max_size=60)


@dataclass
class Pair:
    """A connected pair on a port, and what was submitted on it."""

    kernel: PooledIocp
    scheduler: Scheduler
    port: int
    ends: tuple[int, int]
    submitted: list[int] = field(default_factory=list)  # overlapped that owe a packet

    def do(self, what: str, second: bool, size: int) -> int | Win32Error | None:
        """One step; what it gave."""
        kernel, end = self.kernel, self.ends[second]
        if what == "settle":
            self.scheduler.park(SETTLE_NS)
            return None
        if what == "cancel":
            return kernel.cancel_io_ex(end, None)
        if what == "buffer":
            return kernel.set_send_buffer(end, size)
        overlapped = 100 + len(self.submitted)
        outcome = (
            kernel.wsa_recv(end, overlapped, memoryview(bytearray(size)))
            if what == "recv"
            else kernel.wsa_send(end, overlapped, [bytes(size)])
        )
        if isinstance(outcome, int) or outcome is PENDING:
            self.submitted.append(overlapped)
        return outcome

    def packets(self) -> list[int | None]:
        """The overlapped of every packet that is queued."""
        got = self.kernel.get_queued_completion_status(self.port, 1_000, 0)
        return [] if isinstance(got, Win32Error) else [each.overlapped for each in got]


def paired(tape: list[int], profile: Profile = NT) -> Pair:
    """A pair that is not connected yet."""
    scheduler = Scheduler(Choices(tape))
    kernel = PooledIocp(scheduler, Network(scheduler, rcvbuf=4_096), profile)
    return Pair(kernel, scheduler, kernel.create_port(0), (kernel.socket(), kernel.socket()))


def connect(pair: Pair, size: int) -> None:
    """Connects the pair; from then on the pool has `size` pages. Call it in a task."""
    kernel = pair.kernel
    listener = kernel.socket()
    address = kernel.bind(listener, 0)
    assert isinstance(address, int)
    kernel.listen(listener, 1)
    client, server = pair.ends
    kernel.bind(client, 0)
    kernel.accept_ex(listener, server, 1)
    kernel.connect_ex(client, address, 2)
    pair.scheduler.park(SETTLE_NS)
    kernel.update_accept_context(server, listener)
    kernel.update_connect_context(client)
    kernel.closesocket(listener)
    for end in pair.ends:
        kernel.associate(end, pair.port, end)
    kernel.limit(size)


@given(steps, tapes, st.integers(0, 12))
def test_the_pool_is_never_overdrawn_and_all_comes_back(
    program: list[tuple[str, bool, int]], tape: list[int], size: int
) -> None:
    pair = paired(tape)

    def main() -> None:
        connect(pair, size)
        pool = pair.kernel.pool
        assert pool is not None
        for step in program:
            before = pool.held
            outcome = pair.do(*step)
            assert 0 <= pool.held <= pool.high <= size or pool.held <= before
            assert pool.high <= size
            assert outcome is not NOBUFS or pool.held <= before
        for end in pair.ends:
            pair.kernel.closesocket(end)
        pair.scheduler.park(100 * SETTLE_NS)
        assert sorted(map(str, pair.packets())) == sorted(map(str, pair.submitted))
        assert pool.locked == 0

    pair.scheduler.run(main)


@given(steps, tapes)
def test_a_pool_without_pages_allows_what_needs_none(
    program: list[tuple[str, bool, int]], tape: list[int]
) -> None:
    pair = paired(tape)

    def main() -> None:
        connect(pair, 0)
        for what, second, size in program:
            outcome = pair.do(what, second, size)
            if not size:
                assert outcome is not NOBUFS
            elif what == "send":
                assert outcome is NOBUFS

    pair.scheduler.run(main)


@pytest.mark.parametrize(
    ("size", "count"), [(0, 0), (1, 1), (PAGE - 1, 1), (PAGE, 1), (PAGE + 1, 2), (10 * PAGE, 10)]
)
def test_pages(size: int, count: int) -> None:
    assert pages(size) == count


def test_a_copy_stays_until_it_is_acknowledged_and_a_lock_until_the_send_ends() -> None:
    """The peer's window takes one page of five; SO_SNDBUF 0 saves the copy, not the lock."""
    for buffer, ends_at_once in ((131_072, True), (0, False)):
        pair = paired([])

        def main(
            pair: Pair = pair, buffer: int = buffer, ends_at_once: bool = ends_at_once
        ) -> None:
            connect(pair, 8)
            pool = pair.kernel.pool
            assert pool is not None
            client, server = pair.ends
            assert pair.kernel.set_send_buffer(client, buffer) is None
            outcome = pair.do("send", False, 5 * PAGE)
            assert outcome == 5 * PAGE if ends_at_once else outcome is PENDING
            assert bool(pair.packets()) == ends_at_once
            assert pool.held == (4 if ends_at_once else 5)
            assert pair.do("send", False, 5 * PAGE) is NOBUFS
            assert pair.kernel.wsa_recv(server, 99, memoryview(bytearray(5 * PAGE))) == PAGE
            pair.scheduler.park(SETTLE_NS)
            assert 99 in pair.packets()
            for _ in range(4):
                pair.kernel.wsa_recv(server, 99, memoryview(bytearray(5 * PAGE)))
            assert pool.held == 0
            assert pool.high == 5

        pair.scheduler.run(main)


def test_whoever_asks_is_told_what_did_not_fit() -> None:
    told: list[int] = []
    pool = Pool(2, told.append)
    assert pool.admits(2, 7)
    pool.lock(1, 2)
    assert not pool.admits(1, 8)
    assert told == [8]
    assert (pool.held, pool.high) == (2, 2)
    pool.unlock(1)
    pool.unlock(1)
    assert pool.held == 0


def test_wine_has_no_such_end() -> None:
    pair = paired([], WINE_8)

    def main() -> None:
        connect(pair, 0)
        assert pair.kernel.pool is None
        assert pair.do("recv", True, 5 * PAGE) is PENDING

    pair.scheduler.run(main)


def test_the_send_buffer_of_a_closed_socket() -> None:
    pair = paired([])
    pair.kernel.closesocket(pair.ends[0])
    assert pair.kernel.set_send_buffer(pair.ends[0], 0) is Win32Error.WSAENOTSOCK
    assert pair.kernel.set_send_buffer(pair.ends[1], 0) is None
