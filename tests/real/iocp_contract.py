"""The contract of `CompletionKernel`, for the Windows interpreter: `python -m` this prints JSON.

Each check gets a world of its own. Where Wine 8 is known to answer otherwise than Windows (and
is not wrong about it on its own terms) both answers are accepted, and the comment says so.
`test_iocp` runs this once and reports each check as a test.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from time import perf_counter_ns
from typing import TypeAlias

from model.errors import NtStatus, Win32Error
from model.kernel import Completion, CompletionKernel
from tests.real.iocp_workers import check_workers_take_each_packet_once

SOON_NS = 3_000_000_000
SHORT_NS = 30_000_000
PENDING = Win32Error.WSA_IO_PENDING
RECV, SEND, ACCEPT, CONNECT = 101, 102, 103, 104  # overlapped numbers


def number(result: int | Win32Error) -> int:
    assert isinstance(result, int), result
    return result


class Pair:
    """A port, and a connection made by AcceptEx and ConnectEx with both ends tied to it."""

    def __init__(self, kernel: CompletionKernel, *, skip: bool = True) -> None:
        self.kernel = kernel
        self.port = number(kernel.create_port(1))
        self.listener = number(kernel.socket())
        self.tcp_port = number(kernel.bind(self.listener, 0))
        assert kernel.listen(self.listener, 5) is None
        assert kernel.associate(self.listener, self.port, 1) is None
        self.server = number(kernel.socket())
        self.client = number(kernel.socket())
        assert kernel.accept_ex(self.listener, self.server, ACCEPT) is PENDING
        number(kernel.bind(self.client, 0))
        assert kernel.associate(self.client, self.port, 2) is None
        assert kernel.connect_ex(self.client, self.tcp_port, CONNECT) is PENDING
        packets = sorted(self.take(2))
        assert packets == [
            Completion(1, ACCEPT, 0, NtStatus.SUCCESS),
            Completion(2, CONNECT, 0, NtStatus.SUCCESS),
        ], packets
        assert kernel.update_accept_context(self.server, self.listener) is None
        assert kernel.update_connect_context(self.client) is None
        assert kernel.associate(self.server, self.port, 3) is None
        if skip:
            assert kernel.set_skip_on_success(self.client) is None
            assert kernel.set_skip_on_success(self.server) is None

    def take(self, count: int) -> list[Completion]:
        """The next `count` packets."""
        packets: list[Completion] = []
        while len(packets) < count:
            more = self.kernel.get_queued_completion_status(self.port, 8, SOON_NS)
            assert isinstance(more, list), (more, packets)
            packets += more
        assert len(packets) == count, packets
        return packets

    def nothing(self) -> None:
        """No packet is queued."""
        answer = self.kernel.get_queued_completion_status(self.port, 8, SHORT_NS)
        assert answer is Win32Error.WAIT_TIMEOUT, answer

    def receive(self, handle: int, size: int) -> bytes:
        """Exactly `size` bytes, by as many receives as it takes."""
        whole = b""
        while len(whole) < size:
            buffer = bytearray(1 << 16)
            done = self.kernel.wsa_recv(handle, RECV, memoryview(buffer))
            if done is PENDING:
                packet = self.take(1)[0]
                assert packet.overlapped == RECV, packet
                done = packet.nbytes
            assert isinstance(done, int), done
            assert done > 0, "end of file"
            whole += buffer[:done]
        return whole


Check: TypeAlias = Callable[[CompletionKernel], None]


def check_ports_of_both_ends(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    assert kernel.getpeername(pair.server) == kernel.getsockname(pair.client)
    assert kernel.getpeername(pair.client) == pair.tcp_port


def check_a_receive_pends_until_data_comes(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    buffer = bytearray(100)
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) is PENDING
    pair.nothing()
    assert kernel.wsa_send(pair.client, SEND, [b"hello"]) == 5
    assert pair.take(1) == [Completion(3, RECV, 5, NtStatus.SUCCESS)]
    assert bytes(buffer[:5]) == b"hello"
    pair.nothing()  # the send was skipped


def check_success_at_once_is_skipped(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    assert (
        kernel.wsa_send(pair.client, SEND, [b"a", bytearray(b"bc"), memoryview(b"xdef")[1:]]) == 6
    )
    assert pair.receive(pair.server, 6) == b"abcdef"
    pair.nothing()


def check_success_at_once_is_queued_without_skipping(kernel: CompletionKernel) -> None:
    pair = Pair(kernel, skip=False)
    assert kernel.wsa_send(pair.client, SEND, [b"abc"]) == 3
    assert pair.take(1) == [Completion(2, SEND, 3, NtStatus.SUCCESS)]
    pair.nothing()


def check_a_zero_byte_receive_consumes_nothing(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    assert kernel.wsa_recv(pair.server, RECV, memoryview(bytearray())) is PENDING
    assert kernel.wsa_send(pair.client, SEND, [b"abc"]) == 3
    assert pair.take(1) == [Completion(3, RECV, 0, NtStatus.SUCCESS)]
    assert pair.receive(pair.server, 3) == b"abc"


def check_a_large_send_is_whole(kernel: CompletionKernel) -> None:
    """Also while the other end reads slowly: full length, never less, and the bytes are right."""
    pair = Pair(kernel)
    data = bytes(range(256)) * (1 << 14)  # 4 MiB
    done = kernel.wsa_send(pair.client, SEND, [data])
    got = bytearray()
    sent = done if isinstance(done, int) else None
    assert done is PENDING or sent == len(data), done
    receiving = False
    while len(got) < len(data) or sent is None:
        if not receiving and len(got) < len(data):
            buffer = bytearray(1 << 16)
            done = kernel.wsa_recv(pair.server, RECV, memoryview(buffer))
            if isinstance(done, int):
                got += buffer[:done]
                continue
            assert done is PENDING, done
            receiving = True
        for packet in pair.take(1):
            assert packet.status is NtStatus.SUCCESS, packet
            if packet.overlapped == SEND:
                sent = packet.nbytes
            else:
                receiving = False
                got += buffer[: packet.nbytes]
    assert sent == len(data)
    assert got == data


def check_end_of_file_is_a_success_of_no_bytes(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    buffer = bytearray(10)
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) is PENDING
    assert kernel.shutdown(pair.client, "WR") is None
    assert pair.take(1) == [Completion(3, RECV, 0, NtStatus.SUCCESS)]
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) == 0
    assert kernel.wsa_send(pair.client, SEND, [b"x"]) is Win32Error.WSAESHUTDOWN
    assert kernel.wsa_send(pair.server, SEND, [b"yes"]) == 3
    assert pair.receive(pair.client, 3) == b"yes"


def check_cancel_is_one_aborted_packet(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    buffer = bytearray(10)
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) is PENDING
    assert kernel.cancel_io_ex(pair.server, RECV) is None
    assert pair.take(1) == [Completion(3, RECV, 0, NtStatus.CANCELLED)]
    assert kernel.cancel_io_ex(pair.server, RECV) is Win32Error.ERROR_NOT_FOUND
    assert kernel.wsa_send(pair.client, SEND, [b"later"]) == 5
    assert pair.receive(pair.server, 5) == b"later", "a cancelled receive lost data"


def check_a_close_still_owes_one_packet_an_operation(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    buffer = bytearray(10)
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) is PENDING
    assert kernel.closesocket(pair.server) is None
    packet = pair.take(1)[0]
    assert packet[:2] == (3, RECV), packet
    # Windows: CONNECTION_ABORTED, or CANCELLED; Wine 8: HANDLES_CLOSED
    assert packet.status in {
        NtStatus.CONNECTION_ABORTED,
        NtStatus.CANCELLED,
        NtStatus.HANDLES_CLOSED,
    }, packet
    buffer.extend(b"no longer pinned")  # raises BufferError otherwise
    pair.nothing()
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) is Win32Error.WSAENOTSOCK


def check_a_pending_buffer_is_pinned(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    buffer = bytearray(10)
    assert kernel.wsa_recv(pair.server, RECV, memoryview(buffer)) is PENDING
    try:
        buffer.extend(b"x")
    except BufferError:
        return
    raise AssertionError("a buffer that the kernel owns was resized")


def check_a_refused_connect(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    assert kernel.closesocket(pair.listener) is None
    fresh = number(kernel.socket())
    number(kernel.bind(fresh, 0))
    assert kernel.associate(fresh, pair.port, 9) is None
    assert kernel.connect_ex(fresh, pair.tcp_port, CONNECT) is PENDING
    assert pair.take(1) == [Completion(9, CONNECT, 0, NtStatus.CONNECTION_REFUSED)]


def check_connect_ex_needs_a_bound_socket(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    fresh = number(kernel.socket())
    assert kernel.associate(fresh, pair.port, 9) is None
    assert kernel.connect_ex(fresh, pair.tcp_port, CONNECT) is Win32Error.WSAEINVAL
    pair.nothing()
    assert kernel.wsa_recv(fresh, RECV, memoryview(bytearray(4))) is Win32Error.WSAENOTCONN
    pair.nothing()


def check_a_second_association_is_refused(kernel: CompletionKernel) -> None:
    pair = Pair(kernel)
    assert kernel.associate(pair.client, pair.port, 7) is Win32Error.ERROR_INVALID_PARAMETER


def check_posted_packets_come_in_order(kernel: CompletionKernel) -> None:
    port = number(kernel.create_port(1))
    assert kernel.post_queued_completion_status(port, 11, 5, None) is None
    assert kernel.post_queued_completion_status(port, 12, 6, 77) is None
    assert kernel.post_queued_completion_status(port, 13, 7, None) is None
    assert kernel.get_queued_completion_status(port, 2, SOON_NS) == [
        Completion(5, None, 11, NtStatus.SUCCESS),
        Completion(6, 77, 12, NtStatus.SUCCESS),
    ]
    assert kernel.get_queued_completion_status(port, 8, None) == [
        Completion(7, None, 13, NtStatus.SUCCESS)
    ]
    assert kernel.close_port(port) is None
    gone = kernel.get_queued_completion_status(port, 8, 0)
    assert gone is Win32Error.ERROR_INVALID_HANDLE, gone


def check_one_packet_at_a_time_loses_none(kernel: CompletionKernel) -> None:
    """After a dequeue of one the adapter asks for one: the others must come, in order."""
    port = number(kernel.create_port(1))
    seen: list[int] = []
    posted = 0
    for count in (1, 1, 5, 1, 30, 2):
        for _ in range(count):
            assert kernel.post_queued_completion_status(port, 0, posted, None) is None
            posted += 1
        while len(seen) < posted:
            packets = kernel.get_queued_completion_status(port, 8, 0)
            assert isinstance(packets, list), packets
            assert 1 <= len(packets) <= 8
            seen += [packet.key for packet in packets]
    assert seen == list(range(posted))


def check_a_wait_never_ends_early(kernel: CompletionKernel) -> None:
    port = number(kernel.create_port(1))
    for timeout_ns in (0, 1, 1_000_001, 7_300_000, 20_000_000):
        start = perf_counter_ns()
        answer = kernel.get_queued_completion_status(port, 8, timeout_ns)
        took = perf_counter_ns() - start
        assert answer is Win32Error.WAIT_TIMEOUT, answer
        assert timeout_ns <= took < timeout_ns + 2_000_000_000, (timeout_ns, took)


def check_many_receives_at_once(kernel: CompletionKernel) -> None:
    """Submission order is the order of the bytes; slots of the pool are not mixed up."""
    pair = Pair(kernel)
    buffers = [bytearray(4) for _ in range(8)]
    for index, buffer in enumerate(buffers):
        assert kernel.wsa_recv(pair.server, index, memoryview(buffer)) is PENDING
    for index in range(8):
        assert kernel.wsa_send(pair.client, SEND, [b"%04d" % index]) == 4
        packet = pair.take(1)[0]
        assert packet == Completion(3, index, 4, NtStatus.SUCCESS), packet
    assert [bytes(buffer) for buffer in buffers] == [b"%04d" % index for index in range(8)]


def check_send_buffer(kernel: CompletionKernel) -> None:
    """SO_SNDBUF 0: a large send pends, and ends with its full length when the peer has read."""
    pair = Pair(kernel)
    assert kernel.set_send_buffer(pair.client, 0) is None
    size = 8_000_000
    assert kernel.wsa_send(pair.client, SEND, [bytes(size)]) is PENDING
    buffer = memoryview(bytearray(1 << 20))
    received = 0
    sent: list[Completion] = []
    while received < size:
        result = kernel.wsa_recv(pair.server, RECV, buffer)
        while result is PENDING:
            packet = pair.take(1)[0]
            if packet.overlapped == RECV:
                result = packet.nbytes
            else:
                sent.append(packet)
        received += number(result)
    sent += pair.take(1 - len(sent))
    assert sent == [Completion(2, SEND, size, NtStatus.SUCCESS)], sent
    assert kernel.closesocket(pair.client) is None
    assert kernel.set_send_buffer(pair.client, 0) is Win32Error.WSAENOTSOCK


def check_the_world_plays_and_releases(_: CompletionKernel) -> None:
    from real.world import RealWorld

    world = RealWorld("iocp")
    said: list[object] = []
    listener = world.raw_listen(2)

    def peer() -> None:
        accepted = listener.accept()
        assert not isinstance(accepted, Win32Error | int | bytes)
        assert not hasattr(accepted, "name"), accepted
        said.append(accepted.recv(10))
        said.append(accepted.recv(10))  # until the end

    def main() -> None:
        kernel = world.completion
        assert kernel is not None
        port = number(kernel.create_port(1))
        handle = number(kernel.socket())
        number(kernel.bind(handle, 0))
        assert kernel.associate(handle, port, 1) is None
        world.spawn("peer", peer)
        assert kernel.connect_ex(handle, listener.port, CONNECT) is PENDING
        assert isinstance(kernel.get_queued_completion_status(port, 8, SOON_NS), list)
        assert kernel.wsa_send(handle, SEND, [b"abc"]) == 3
        assert kernel.wsa_recv(handle, RECV, memoryview(bytearray(9))) is PENDING  # left behind
        world.sleep(100_000_000)

    world.run(main)
    assert world.kernel_version.startswith(("Wine ", "Windows ")), world.kernel_version
    assert str(said) == "[b'abc', <Errno.ECONNABORTED: 103>]", said


CHECKS: dict[str, Check] = {
    name.removeprefix("check_"): check
    for name, check in sorted(globals().items())
    if name.startswith("check_")
} | {"workers_take_each_packet_once": check_workers_take_each_packet_once}


def run_all() -> dict[str, str | None]:
    """Check -> None, or how it failed."""
    from real.world import RealWorld

    results: dict[str, str | None] = {}
    for name, check in CHECKS.items():
        world = RealWorld("iocp")
        kernel = world.completion
        assert kernel is not None
        try:
            world.run(lambda: check(kernel))  # noqa: B023 - called at once
            results[name] = None
        except Exception:  # told to the test of this name
            results[name] = traceback.format_exc(limit=-4)
    return results


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(run_all()) + "\n")
