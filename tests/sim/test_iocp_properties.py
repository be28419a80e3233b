"""What holds for the simulated completion kernel under any tape and any sequence of calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.choices import Choices
from model.content import content
from model.errors import NtStatus, Win32Error
from model.kernel import Completion
from sim.iocp_profile import NT, PROFILES, WINE_8, Profile
from sim.iocp_winsock import SimWinsock
from sim.network import Network
from sim.scheduler import Scheduler

PENDING = Win32Error.WSA_IO_PENDING
ENDS = 4  # two connections: 0-1 and 2-3
UNTOUCHED = 0xEE
SIZES = st.sampled_from([0, 1, 2, 7, 64, 1_000, 5_000])
END = st.integers(0, ENDS - 1)
MS = 1_000_000

TRANSFERS = st.one_of(
    st.tuples(st.just("recv"), END, SIZES),
    st.tuples(st.just("send"), END, SIZES),
    st.tuples(st.just("get"), st.integers(1, 4), st.sampled_from([0, 10_000, 2 * MS])),
    st.tuples(st.just("sleep"), st.sampled_from([1_000, 100_000, 50 * MS])),
)
ANYTHING = st.one_of(
    TRANSFERS,
    st.tuples(st.just("cancel"), END, st.integers(0, 3)),
    st.tuples(st.just("cancel_all"), END),
    st.tuples(st.just("shutdown"), END, st.sampled_from(["RD", "WR", "RDWR"])),
    st.tuples(st.just("close"), END),
    st.tuples(st.just("reset"), END),
    st.tuples(st.just("accept")),
    st.tuples(st.just("connect"), st.booleans()),
    st.tuples(st.just("close_listener")),
)
TAPES: st.SearchStrategy[list[int]] = st.one_of(
    st.just([]), st.lists(st.integers(0, 9), min_size=20, max_size=120)
)
PROFILE = st.sampled_from(list(PROFILES.values()))


class Run:
    """A kernel, two connections, a listener, and an account of every submission."""

    def __init__(self, tape: list[int], profile: Profile, skip: bool = False) -> None:
        self.scheduler = Scheduler(Choices(tape))
        network = Network(self.scheduler, sndbuf=2_048, rcvbuf=4_096)
        self.kernel = SimWinsock(self.scheduler, network, profile)
        self.skip = skip
        self.count = 0
        self.due: list[int] = []  # overlappeds of which a packet must come
        self.packets: list[Completion] = []
        self.buffers: dict[int, bytearray] = {}
        self.received: list[list[int]] = [[] for _ in range(ENDS)]  # receives, as submitted
        self.inline: dict[int, int] = {}  # synchronous receives without a packet: bytes
        self.offsets = [0] * ENDS
        self.holes = [False] * ENDS  # a send of this end was cancelled
        self.others: list[int] = []  # sockets of AcceptEx and ConnectEx

    def play(self, steps: list[Any]) -> None:
        """Plays the steps, then closes everything and waits for what is outstanding."""
        self.scheduler.run(lambda: self._main(steps))

    def _main(self, steps: list[Any]) -> None:
        kernel = self.kernel
        self.port = kernel.create_port(0)
        self.listener = kernel.socket()
        address = kernel.bind(self.listener, 0)
        assert isinstance(address, int)
        self.address = address
        kernel.listen(self.listener, 8)
        self.ends: list[int | None] = []
        for _ in range(ENDS // 2):
            client = kernel.socket()
            assert kernel.connect(client, address) is None
            server = kernel.accept(self.listener)
            assert isinstance(server, int)
            self.ends += [client, server]
        for key, end in enumerate(self.ends):
            assert end is not None
            kernel.associate(end, self.port, key)
            if self.skip:
                kernel.set_skip_on_success(end)
        kernel.associate(self.listener, self.port, 99)
        for step in steps:
            getattr(self, step[0])(*step[1:])
            self.check_buffers()
        self.finish()

    def finish(self) -> None:
        """Everything is closed: whatever was pending has to end."""
        for end in range(ENDS):
            self.close(end)
        self.close_listener()
        for handle in self.others:
            self.kernel.closesocket(handle)
        self.scheduler.park(60_000 * MS)
        self.get(10_000, 0)

    def submit(self, outcome: int | Win32Error, overlapped: int, skip: bool = False) -> None:
        """Notes whether a packet is due. Errors have none, nor successes that are skipped."""
        if outcome is PENDING or (isinstance(outcome, int) and not skip):
            self.due.append(overlapped)

    def new(self) -> int:
        """An overlapped."""
        self.count += 1
        return self.count

    # -- steps ----------------------------------------------------------------------------------

    def recv(self, end: int, size: int) -> None:
        handle = self.ends[end]
        if handle is None:
            return
        overlapped = self.new()
        buffer = self.buffers[overlapped] = bytearray([UNTOUCHED]) * size
        outcome = self.kernel.wsa_recv(handle, overlapped, memoryview(buffer))
        self.submit(outcome, overlapped, self.skip)
        if outcome is PENDING or isinstance(outcome, int):
            self.received[end].append(overlapped)
        if self.skip and isinstance(outcome, int):
            self.inline[overlapped] = outcome

    def send(self, end: int, size: int) -> None:
        handle = self.ends[end]
        if handle is None:
            return
        overlapped = self.new()
        data = content(end, self.offsets[end], size)
        outcome = self.kernel.wsa_send(handle, overlapped, (data[:3], data[3:]))
        self.submit(outcome, overlapped, self.skip)
        if outcome is PENDING or isinstance(outcome, int):
            assert outcome in {PENDING, size}, "a send is never partial"
            self.offsets[end] += size

    def get(self, most: int, timeout_ns: int) -> None:
        got = self.kernel.get_queued_completion_status(self.port, most, timeout_ns)
        if isinstance(got, Win32Error):
            assert got is Win32Error.WAIT_TIMEOUT
        else:
            assert 1 <= len(got) <= most
            self.packets += got

    def sleep(self, duration_ns: int) -> None:
        self.scheduler.park(duration_ns)

    def cancel(self, end: int, back: int) -> None:
        handle = self.ends[end]
        if handle is not None and self.count > back:
            self.holes[end] = True
            self.kernel.cancel_io_ex(handle, self.count - back)

    def cancel_all(self, end: int) -> None:
        handle = self.ends[end]
        if handle is not None:
            self.holes[end] = True
            self.kernel.cancel_io_ex(handle, None)

    def shutdown(self, end: int, how: Any) -> None:
        handle = self.ends[end]
        if handle is not None:
            self.kernel.shutdown(handle, how)

    def close(self, end: int) -> None:
        handle, self.ends[end] = self.ends[end], None
        if handle is not None:
            assert self.kernel.closesocket(handle) is None

    def reset(self, end: int) -> None:
        handle, self.ends[end] = self.ends[end], None
        if handle is not None:
            assert self.kernel.close_reset(handle) is None

    def accept(self) -> None:
        acceptor = self.kernel.socket()
        self.others.append(acceptor)
        overlapped = self.new()
        self.submit(self.kernel.accept_ex(self.listener, acceptor, overlapped), overlapped)

    def connect(self, refused: bool) -> None:
        handle = self.kernel.socket()
        self.others.append(handle)
        self.kernel.bind(handle, 0)
        self.kernel.associate(handle, self.port, 98)
        overlapped = self.new()
        address = 1 if refused else self.address
        self.submit(self.kernel.connect_ex(handle, address, overlapped), overlapped)

    def close_listener(self) -> None:
        self.kernel.closesocket(self.listener)
        self.listener = -1

    # -- checks ---------------------------------------------------------------------------------

    def check_buffers(self) -> None:
        """A pending receive's buffer is the kernel's, and nothing is in it yet."""
        for overlapped, buffer in self.buffers.items():
            if self.kernel.internal(overlapped) is NtStatus.PENDING:
                assert buffer.count(UNTOUCHED) == len(buffer)

    def check_packets(self) -> None:
        """Exactly one packet for every accepted submission; none for anything else."""
        assert Counter(packet.overlapped for packet in self.packets) == Counter(self.due)

    def check_streams(self) -> None:
        """What an end received, in order of submission, is what the other end sent."""
        ended = {packet.overlapped: packet for packet in self.packets}
        for end, overlappeds in enumerate(self.received):
            peer = end ^ 1
            data = b""
            for overlapped in overlappeds:
                size = self.inline.get(overlapped)
                if size is None:
                    packet = ended[overlapped]
                    size = packet.nbytes
                    if packet.status is not NtStatus.SUCCESS:
                        assert size == 0
                        assert self.buffers[overlapped].count(UNTOUCHED) == len(
                            self.buffers[overlapped]
                        )
                data += self.buffers[overlapped][:size]
            if not self.holes[peer]:
                assert data == content(peer, 0, len(data))
                assert len(data) <= self.offsets[peer]

    def check_order(self) -> None:
        """Receives and sends of one handle that succeed do so in order of submission."""
        for overlappeds in self.received:
            mine = set(overlappeds)
            order = [
                packet.overlapped
                for packet in self.packets
                if packet.overlapped in mine and packet.status is NtStatus.SUCCESS
            ]
            assert order == sorted(order, key=overlappeds.index)


@settings(max_examples=500, deadline=None)
@given(st.lists(ANYTHING, max_size=40), TAPES, PROFILE, st.booleans())
def test_one_packet_for_every_accepted_submission(
    steps: list[Any], tape: list[int], profile: Profile, skip: bool
) -> None:
    run = Run(tape, profile, skip)
    run.play(steps)
    run.check_packets()
    run.check_streams()
    run.check_order()


@settings(max_examples=200, deadline=None)
@example([("recv", 0, 0), ("send", 0, 7)], [0, 0, 0, 0, 1, 1, *[0] * 12, 1, 0], WINE_8)
@given(st.lists(TRANSFERS, max_size=30), TAPES, PROFILE)
def test_nothing_is_lost_without_cancel_or_close(
    steps: list[Any], tape: list[int], profile: Profile
) -> None:
    run = Run(tape, profile)

    def drain() -> None:
        for end in range(ENDS):
            run.shutdown(end, "WR")
        for _ in range(200):
            for end in range(ENDS):
                run.recv(end, 10_000)
            run.sleep(100 * MS)
            run.get(1_000, 0)

    vars(run)["finish"] = drain
    run.play(steps)
    run.check_streams()
    ended = {packet.overlapped: packet.nbytes for packet in run.packets}
    for end in range(ENDS):
        assert sum(ended[each] for each in run.received[end]) == run.offsets[end ^ 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(ANYTHING, max_size=30), TAPES, PROFILE)
def test_a_run_is_a_function_of_its_tape(
    steps: list[Any], tape: list[int], profile: Profile
) -> None:
    first, second = Run(tape, profile), Run(tape, profile)
    first.play(steps)
    second.play(steps)
    assert first.packets == second.packets
    assert first.scheduler.choices.decisions == second.scheduler.choices.decisions


@pytest.mark.parametrize("profile", [NT, WINE_8], ids=lambda profile: profile.name)
def test_the_dull_tape_keeps_every_promise(profile: Profile) -> None:
    run = Run([], profile)
    run.play(
        [
            ("recv", 0, 64),
            ("recv", 0, 7),
            ("send", 1, 5_000),
            ("send", 1, 5_000),
            ("get", 4, 0),
            ("cancel_all", 0),
            ("accept",),
            ("connect", False),
            ("connect", True),
            ("close", 1),
        ]
    )
    run.check_packets()
    run.check_streams()
