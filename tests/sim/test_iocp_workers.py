"""Workers on one completion port, under every kind of schedule.

What Microsoft's "I/O Completion Ports" promises, judged from outside the port: each packet is
dequeued exactly once; a thread gets a packet only while fewer than the concurrency value run; the
thread that began to wait last is released first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.schedules import PCT, Exhaustive, RandomWalk, Strategy, search
from model.choices import Choices
from model.errors import Win32Error
from model.kernel import CompletionKernel
from model.properties.threads import check_threads
from model.threads import Hang, switching
from model.trace import Trace
from model.traced_kernel import TracedCompletion
from sim.world import SimWorld

STOP = 0  # the key of the packet that ends a worker
WORK = 1


class Setup(NamedTuple):
    """Workers, the port's concurrency value, the packets' overlappeds, packets a call."""

    workers: int
    concurrency: int
    packets: int
    most: int = 1
    rests: bool = False  # a worker blocks after every packet


class Pool:
    """Workers on a port of a simulated world, and what is seen of them."""

    def __init__(self, setup: Setup, choices: Choices, profile: str = "nt") -> None:
        self.setup = setup
        self.world = SimWorld("iocp", choices, profile=profile)
        self.trace = Trace(self.world.now_ns)
        self.threads = self.world.threads
        self.trace.append = self.threads.attributed(self.trace.records)
        self.threads.record_to(self.trace.append, self.trace.now_ns)
        assert self.world.completion is not None
        self.kernel: CompletionKernel = TracedCompletion(
            switching(self.world.completion, self.threads), self.trace
        )
        self.done: list[int | None] = []
        self.running: dict[str, bool] = {}  # worker -> has a packet, and does not rest
        self.most_running = 0

    def main(self) -> None:
        port = self.kernel.create_port(self.setup.concurrency)
        assert isinstance(port, int)
        for number in range(self.setup.workers):
            self.threads.spawn(f"w{number}", lambda: self.work(port))
        for overlapped in range(1, self.setup.packets + 1):
            assert self.kernel.post_queued_completion_status(port, 0, WORK, overlapped) is None
        for _ in range(self.setup.workers):
            assert self.kernel.post_queued_completion_status(port, 0, STOP, None) is None
        self.threads.join()
        assert self.kernel.close_port(port) is None

    def work(self, port: int) -> None:
        me = self.threads.current()
        while True:
            self.running[me] = False
            packets = self.kernel.get_queued_completion_status(port, self.setup.most, None)
            assert not isinstance(packets, Win32Error), packets
            assert packets
            self.running[me] = True
            self.most_running = max(self.most_running, sum(self.running.values()))
            stops = [packet for packet in packets if packet.key == STOP]
            self.done += [packet.overlapped for packet in packets if packet.key == WORK]
            for _ in packets:
                self.threads.point("work")
            if self.setup.rests:
                self.running[me] = False
                self.world.sleep(1_000)
            for _ in stops[1:]:  # they were another's
                self.kernel.post_queued_completion_status(port, 0, STOP, None)
            if stops:
                self.running[me] = False
                return

    def play(self) -> str | None:
        """The first promise that this schedule broke."""
        try:
            self.world.run(self.main)
        except Hang as hang:
            return str(hang)
        if sorted(each or 0 for each in self.done) != list(range(1, self.setup.packets + 1)):
            return f"packets {self.done}"
        limit = self.setup.concurrency
        if limit and not self.setup.rests and self.most_running > limit:
            return f"{self.most_running} ran on a port of {limit}"
        violations = check_threads(self.trace.records).violations
        return violations[0].message if violations else None


setups = st.builds(
    Setup,
    workers=st.integers(1, 5),
    concurrency=st.integers(0, 4),
    packets=st.integers(0, 8),
    most=st.integers(1, 3),
    rests=st.booleans(),
)


@given(setups, st.integers(0, 1 << 40))
def test_each_packet_is_taken_once_and_so_many_run(setup: Setup, seed: int) -> None:
    assert Pool(setup, RandomWalk(seed, noise=0.3).source()).play() is None


@given(setups, st.lists(st.integers(0, 5), max_size=50))
def test_the_same_tape_gives_the_same_records(setup: Setup, tape: list[int]) -> None:
    first, again = Pool(setup, Choices(tape)), Pool(setup, Choices(tape))
    assert first.play() is None
    assert again.play() is None
    assert first.trace.records == again.trace.records


@pytest.mark.parametrize(
    ("setup", "strategy"),
    [
        (Setup(2, 1, 2), Exhaustive(2)),
        (Setup(3, 2, 2), Exhaustive(1)),
        (Setup(4, 2, 6), RandomWalk(1)),
        (Setup(4, 2, 6, rests=True), PCT(1, 3)),
    ],
)
def test_strategies_find_no_schedule_that_breaks_it(setup: Setup, strategy: Strategy) -> None:
    found = search(strategy, lambda choices: Pool(setup, choices).play(), runs_max=1_500)
    assert found.failure is None, found
    assert found.complete or found.runs == 1_500


def test_as_many_run_as_the_value_allows_and_no_more() -> None:
    """The bound is met, not only kept: over many schedules each number of threads is seen."""
    for limit in (1, 2, 3):
        seen = set()
        walk = RandomWalk(limit)
        for _ in range(150):
            pool = Pool(Setup(4, limit, 8), walk.source())
            assert pool.play() is None
            seen.add(pool.most_running)
        assert max(seen) == limit


def test_a_thread_that_blocks_makes_room_for_another() -> None:
    """With value 1 and workers that rest, others get their packets meanwhile: all rest at once."""
    pool = Pool(Setup(4, 1, 4, rests=True), Choices())
    assert pool.play() is None
    times = [record[0] for record in pool.trace.records if record[1] == "completion"]
    assert times[:4] == [0, 0, 0, 0]


def released(workers: int, tape: Sequence[int], profile: str = "nt") -> tuple[list[str], list[str]]:
    """Who waited, oldest first, and in which order one packet after another released them."""
    world = SimWorld("iocp", Choices(tape), profile=profile)
    threads = world.threads
    bare = world.completion
    assert bare is not None
    kernel = switching(bare, threads)
    waits: list[str] = []
    order: list[str] = []

    def main() -> None:
        port = kernel.create_port(workers)
        assert isinstance(port, int)

        def work() -> None:
            threads.point("start")
            waits.append(threads.current())
            packets = bare.get_queued_completion_status(port, 1, None)
            assert not isinstance(packets, Win32Error)
            order.append(threads.current())

        for number in range(workers):
            threads.spawn(f"w{number}", work)
        world.sleep(1_000)
        for _ in range(workers):
            kernel.post_queued_completion_status(port, 0, WORK, None)
            world.sleep(1_000)
        threads.join()

    world.run(main)
    return waits, order


@given(st.integers(1, 6), st.lists(st.integers(0, 5), max_size=40))
def test_who_waited_last_is_released_first(workers: int, tape: list[int]) -> None:
    waits, order = released(workers, tape)
    assert order == waits[::-1]
    assert len(order) == workers


def test_these_judges_tell_a_port_that_does_otherwise() -> None:
    """Wine 8 keeps its waiters in a queue and does not enforce the value: both are seen."""
    waits, order = released(3, [], "wine-8")
    assert order == waits != waits[::-1]
    found = search(
        RandomWalk(1), lambda choices: Pool(Setup(4, 1, 8), choices, "wine-8").play(), runs_max=100
    )
    assert found.failure is not None and "ran on a port of 1" in found.failure
