"""The simulated completion kernel: what its cases do not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest

from model.choices import Choices
from model.errors import NtStatus, Win32Error
from model.kernel import Completion
from sim.iocp import SimIocp
from sim.iocp_port import Port
from sim.iocp_profile import NT, WINE_8, Profile, switches
from sim.network import Network
from sim.scheduler import Deadlock, Scheduler

PENDING = Win32Error.WSA_IO_PENDING
MS = 1_000_000


class Scene:
    """A kernel with a port and one connection: `client` has key 1, `server` key 2."""

    def __init__(self, tape: list[int] | None = None, profile: Profile = NT) -> None:
        self.scheduler = Scheduler(Choices())
        self.kernel = SimIocp(self.scheduler, Network(self.scheduler), profile)
        self.tape = tape

    def run(self, body: Callable[[], None]) -> None:
        def main() -> None:
            self.connect()
            if self.tape is not None:
                self.scheduler.choices.tape = self.tape
                self.kernel.network.live = True
            body()

        self.scheduler.run(main)

    def connect(self) -> None:
        kernel = self.kernel
        self.port = kernel.create_port(0)
        listener, self.client, self.server = kernel.socket(), kernel.socket(), kernel.socket()
        address = kernel.bind(listener, 0)
        assert isinstance(address, int)
        kernel.listen(listener, 1)
        assert kernel.accept_ex(listener, self.server, 1) is PENDING
        kernel.bind(self.client, 0)
        assert kernel.connect_ex(self.client, address, 2) is PENDING
        kernel.update_accept_context(self.server, listener)
        kernel.update_connect_context(self.client)
        assert kernel.getpeername(self.client) == address
        assert kernel.getpeername(self.server) == kernel.getsockname(self.client)
        kernel.closesocket(listener)
        kernel.associate(self.client, self.port, 1)
        kernel.associate(self.server, self.port, 2)

    def recv(self, overlapped: int, size: int = 8) -> int | Win32Error:
        self.buffer = bytearray(size)
        return self.kernel.wsa_recv(self.server, overlapped, memoryview(self.buffer))

    def send(self, overlapped: int, data: bytes = b"abc") -> int | Win32Error:
        return self.kernel.wsa_send(self.client, overlapped, [data])

    def get(self, timeout_ns: int | None = 0) -> list[Completion] | Win32Error:
        return self.kernel.get_queued_completion_status(self.port, 8, timeout_ns)


def decisions(scene: Scene) -> list[tuple[str, int]]:
    """Names and values of the decisions that were asked for."""
    return [(each.name, each.value) for each in scene.scheduler.choices.decisions]


def test_the_packet_of_a_send_comes_before_what_it_causes() -> None:
    scene = Scene()

    def body() -> None:
        assert scene.recv(10) is PENDING
        assert scene.send(11) == 3
        assert scene.get() == [
            Completion(1, 11, 3, NtStatus.SUCCESS),
            Completion(2, 10, 3, NtStatus.SUCCESS),
        ]
        assert scene.buffer[:3] == b"abc"

    scene.run(body)


def test_a_drawn_sync_makes_a_send_pending_and_its_packet_late() -> None:
    scene = Scene([1, 0, 0, 0, 3])  # pending; segment, latency and ack dull; 1 ms

    def body() -> None:
        assert scene.send(11) is PENDING
        assert scene.get() is Win32Error.WAIT_TIMEOUT
        assert scene.recv(10) == 3, "the bytes are there before the sender's packet"
        assert scene.get() == [Completion(2, 10, 3, NtStatus.SUCCESS)]
        assert scene.get(10 * MS) == [Completion(1, 11, 3, NtStatus.SUCCESS)]
        assert scene.scheduler.now == MS

    scene.run(body)
    assert decisions(scene)[0] == ("iocp.sync", 1)
    assert decisions(scene)[-1] == ("iocp.completion_delay", 3)


@pytest.mark.parametrize("loses", [0, 1])
def test_a_cancel_races_with_data_that_is_there(loses: int) -> None:
    scene = Scene([0, 0, 0, 4, 0, loses, 0])  # the receive takes 40 ms to end

    def body() -> None:
        assert scene.recv(10) is PENDING
        scene.send(11)
        scene.get()
        assert scene.kernel.cancel_io_ex(scene.server, 10) is None
        got = scene.get(100 * MS)
        if loses:
            assert got == [Completion(2, 10, 3, NtStatus.SUCCESS)]
        else:
            assert got == [Completion(2, 10, 0, NtStatus.CANCELLED)]
            assert not any(scene.buffer)
            assert scene.recv(12) == 3, "a cancelled receive loses no data"

    scene.run(body)
    assert ("iocp.cancel_loses", loses) in decisions(scene)


def test_a_marked_receive_may_still_end_in_data() -> None:
    scene = Scene([4])  # the cancel takes 40 ms

    def body() -> None:
        assert scene.recv(10) is PENDING
        assert scene.kernel.cancel_io_ex(scene.server, 10) is None
        scene.send(11)
        got = scene.get(MS)
        assert isinstance(got, list)
        assert Completion(2, 10, 3, NtStatus.SUCCESS) in got
        assert scene.get(100 * MS) is Win32Error.WAIT_TIMEOUT

    scene.run(body)


def test_a_new_receive_does_not_overtake_one_that_is_late() -> None:
    scene = Scene([0, 0, 0, 4, 0])  # the receive takes 40 ms to end, its data are there

    def body() -> None:
        assert scene.recv(10, 2) is PENDING
        scene.send(11)
        scene.get()
        assert scene.recv(12) is PENDING
        assert scene.get(100 * MS) == [
            Completion(2, 10, 2, NtStatus.SUCCESS),
            Completion(2, 12, 1, NtStatus.SUCCESS),
        ]
        assert scene.buffer[:1] == b"c"

    scene.run(body)


def test_a_packet_overtakes_only_the_last_one() -> None:
    scene = Scene([1])
    port = Port(scene.scheduler, scene.kernel.network, NT, 0)
    scene.kernel.network.live = True
    first, second, third = (Completion(0, each, 0, NtStatus.SUCCESS) for each in (1, 2, 3))
    port.add(first)
    scene.scheduler.choices.tape = [1]
    port.add_drawn(second, "one")
    port.add_drawn(third, "another")
    assert list(port.packets) == [first, third, second]


@pytest.mark.parametrize(
    ("moved", "order"), [(0, [9, 1, 2, 3]), (1, [9, 1, 3, 2]), (2, [9, 3, 1, 2])]
)
def test_where_threads_complete_apart_a_packet_overtakes_back_to_its_owners(
    moved: int, order: list[int]
) -> None:
    """Wine 8: s2 is closed (1) and s1 hears of it (2); a third thread completes its own (3)."""
    scene = Scene([1])
    port = Port(scene.scheduler, scene.kernel.network, WINE_8, 0)
    scene.kernel.network.live = True
    own, *packets = (Completion(0, each, 0, NtStatus.SUCCESS) for each in (9, 1, 2, 3))
    scene.scheduler.choices.tape = [0, 0, moved]
    for packet, owner in zip([own, *packets], ("third", "s2", "s1", "third"), strict=True):
        port.add_drawn(packet, owner)
    assert [packet.overlapped for packet in port.packets] == order
    assert [one.bound for one in scene.scheduler.choices.decisions] == [2, 3, 3]


@pytest.mark.parametrize("blocks", [True, False])
def test_a_thread_that_blocks_or_ends_makes_room_for_another(blocks: bool) -> None:
    scene = Scene()
    kernel, scheduler = scene.kernel, scene.scheduler
    port = kernel.create_port(1)
    seen: list[tuple[str, int]] = []

    def thread(name: str) -> None:
        got = kernel.get_queued_completion_status(port, 1, None)
        assert isinstance(got, list)
        seen.append((name, got[0].key))
        scheduler.pass_turn()
        if blocks:
            scheduler.park(50 * MS)

    def body() -> None:
        for name in ("older", "newer"):
            scheduler.spawn(name, partial(thread, name))
            scheduler.park(MS)
        for key in (1, 2):
            kernel.post_queued_completion_status(port, 0, key, None)
        assert not seen
        scheduler.park(MS)
        assert seen == [("newer", 1), ("older", 2)]

    scene.run(body)


def test_packets_come_after_the_handle_was_reused() -> None:
    scene = Scene([3, 0, 0, 1])  # the packet takes 1 ms, the FIN and its ACK none; same number

    def body() -> None:
        assert scene.recv(10) is PENDING
        old = scene.server
        assert scene.kernel.closesocket(old) is None
        assert scene.kernel.socket() == old
        assert scene.kernel.closesocket(old) is None
        assert scene.get(10 * MS) == [Completion(2, 10, 0, NtStatus.CONNECTION_ABORTED)]

    scene.run(body)
    assert decisions(scene)[0] == ("iocp.completion_delay", 3)
    assert decisions(scene)[-1] == ("iocp.handle_reuse", 1)


def test_names_that_nobody_has() -> None:
    kernel = Scene().kernel
    notsock, invalid = Win32Error.WSAENOTSOCK, Win32Error.ERROR_INVALID_HANDLE
    port = kernel.create_port(0)
    assert kernel.closesocket(port) is notsock
    assert kernel.bind(1, 0) is notsock
    assert kernel.listen(1, 0) is notsock
    assert kernel.wsa_recv(1, 1, memoryview(bytearray(1))) is notsock
    assert kernel.wsa_send(1, 1, [b"x"]) is notsock
    assert kernel.connect_ex(1, 1, 1) is notsock
    assert kernel.cancel_io_ex(1, None) is invalid
    assert kernel.associate(1, port, 0) is invalid
    assert kernel.close_port(1) is invalid
    assert kernel.post_queued_completion_status(1, 0, 0, None) is invalid
    assert kernel.get_queued_completion_status(1, 1, 0) is invalid


def test_waiting_for_ever_for_nothing_is_told() -> None:
    scene = Scene()
    with pytest.raises(Deadlock):
        scene.run(lambda: print(scene.get(None)))


def test_a_packet_that_finds_a_waiter_goes_to_nobody_else() -> None:
    scene = Scene()
    got: list[object] = []

    def body() -> None:
        scene.scheduler.spawn("waiter", lambda: got.append(scene.get(None)))
        scene.scheduler.park(MS)
        scene.send(11)
        assert scene.get() is Win32Error.WAIT_TIMEOUT
        scene.scheduler.park(MS)

    scene.run(body)
    assert got == [[Completion(1, 11, 3, NtStatus.SUCCESS)]]


def test_the_dull_tape_draws_nothing() -> None:
    scene = Scene()

    def body() -> None:
        for overlapped in range(10, 90, 2):
            scene.recv(overlapped)
            scene.send(overlapped + 1)
            scene.get()

    scene.run(body)
    assert not scene.scheduler.choices.decisions


def test_every_switch_has_a_source_and_two_answers() -> None:
    table = switches()
    assert len(table) == len(fields(Profile)) - 1
    for switch in table:
        assert switch.source
        assert switch.nt != switch.wine_8, f"{switch.name} makes no difference"


def test_every_switch_is_asked() -> None:
    folder = Path(__file__).parents[2] / "sim"
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("iocp*.py"))
        if path.name != "iocp_profile.py"
    )
    unasked = [switch.name for switch in switches() if f"profile.{switch.name}" not in code]
    assert not unasked


def test_the_network_follows_the_profile() -> None:
    for profile, nt in ((NT, True), (WINE_8, False)):
        assert Scene(profile=profile).kernel.network.nt is nt
