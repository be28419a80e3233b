"""What a simulated TCP connection promises, whatever the tape says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.choices import Choices
from model.content import content
from model.errors import Errno
from model.kernel import EPOLLOUT, mask_name
from sim.network import LATENCIES, Network
from sim.scheduler import Scheduler
from sim.tcp import CLOSED, ESTABLISHED, SYN_RETRIES, SYN_RETRY_NS, SYN_SENT, Endpoint

tapes = st.lists(st.integers(0, 9), max_size=80)
sizes = st.one_of(st.integers(1, 300), st.integers(1, 90_000))
LONG = 10 * max(LATENCIES)


def in_world(body: Callable[[Scheduler, Network], None], tape: list[int] | None = None) -> Network:
    """Runs `body` as main."""
    scheduler = Scheduler(Choices(tape or ()))
    network = Network(scheduler)
    scheduler.run(lambda: body(scheduler, network))
    return network


def make_pair(scheduler: Scheduler, network: Network) -> tuple[Endpoint, Endpoint]:
    """The connecting and the accepted end."""
    listener, client = Endpoint(network), Endpoint(network)
    listener.listen(1)
    assert client.connect(listener.local_port) is Errno.EINPROGRESS
    while not listener.accept_queue:
        scheduler.park(1_000_000)
    server = listener.accept()
    assert isinstance(server, Endpoint)
    assert client.connect(listener.local_port) is None
    return client, server


@given(
    tape=tapes,
    writes=st.lists(sizes, max_size=8),
    reads=st.lists(st.integers(1, 70_000), min_size=1, max_size=8),
    buffers=st.tuples(st.integers(1, 300_000), st.integers(1, 300_000)),
)
def test_bytes_arrive_once_in_order_and_then_the_end(
    tape: list[int], writes: list[int], reads: list[int], buffers: tuple[int, int]
) -> None:
    total = sum(writes)
    want = content(3, 0, total)

    def body(scheduler: Scheduler, network: Network) -> None:
        network.sndbuf, network.rcvbuf = (max(size, total // 200 + 1) for size in buffers)
        one, other = make_pair(scheduler, network)
        sent = 0
        received = bytearray()
        ended = False
        turn = 0
        while not ended:
            turn += 1
            assert turn < 2_000
            for size in writes[turn - 1 : turn] or [total - sent]:
                taken = one.send((want[sent : sent + size],)) if size else 0
                if isinstance(taken, int):
                    sent += taken
                else:
                    assert taken is Errno.EAGAIN
                    assert one.queued >= one.sndbuf
            if sent == total and not one.snd_shut:
                assert one.shutdown("WR") is None
            data = other.recv(max(reads[turn % len(reads)], total // 300))
            if isinstance(data, bytes):
                received += data
                ended = data == b""
            else:
                assert data is Errno.EAGAIN
            if data is Errno.EAGAIN or sent < total:  # acknowledgements take their time
                scheduler.park(1_000_000)
            assert one.queued >= 0
            assert other.inbox_size == sum(map(len, other.inbox))
        assert received == want
        assert other.recv(1) == b""
        scheduler.park(LONG)
        assert one.queued == 0

    in_world(body, tape)


@given(tape=tapes, size=st.integers(0, 100_000), linger=st.booleans(), unread=st.booleans())
def test_a_reset_is_seen_once_and_behind_the_data(
    tape: list[int], size: int, linger: bool, unread: bool
) -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        one, other = make_pair(scheduler, network)
        data = content(1, 0, size)
        if size:
            assert isinstance(one.send((data,)), int)
        if unread:
            other.send((b"never read",))
            scheduler.park(LONG)
        reset = linger or unread
        one.close(linger_zero=linger)
        scheduler.park(LONG)
        received = b""
        while (chunk := other.recv(50_000)) and isinstance(chunk, bytes):
            received += chunk
        assert data.startswith(received)
        assert chunk == (Errno.ECONNRESET if reset else b"")
        assert other.recv(1) == b""
        assert other.send((b"x",)) == (Errno.EPIPE if reset else 1)
        scheduler.park(LONG)
        assert other.send((b"x",)) is Errno.EPIPE
        assert other.state is CLOSED

    in_world(body, tape)


@given(tape=tapes, program=st.lists(st.tuples(st.sampled_from("ab"), sizes), max_size=12))
def test_the_same_tape_gives_the_same_run(tape: list[int], program: list[tuple[str, int]]) -> None:
    def play() -> tuple[object, ...]:
        log: list[object] = []

        def body(scheduler: Scheduler, network: Network) -> None:
            ends = dict(zip("ab", make_pair(scheduler, network), strict=True))
            for name, size in program:
                log.append(ends[name].send((bytes(size),)))
                log.append((scheduler.now, ends["a"].poll(), ends["b"].poll()))
                log.append(ends["ba"[name == "b"]].recv(size))
                scheduler.park(1_000)

        network = in_world(body, tape)
        return tuple(log), tuple(network.choices.decisions), network.scheduler.now

    assert play() == play()


def test_without_a_tape_nothing_is_late_and_nothing_is_decided() -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        one, other = make_pair(scheduler, network)
        assert one.send((b"ab", bytearray(b"cd"), memoryview(b"ef"))) == 6
        assert other.recv(100) == b"abcdef"
        data = b"one object"
        one.send((data,))
        assert other.recv(100) is data  # handed over, not copied
        assert scheduler.now == 0

    assert in_world(body).choices.decisions == []


# -- decisions by name --------------------------------------------------------------------------


class Scripted(Choices):
    """Answers the decisions of one name in turn, and 0 to all else."""

    def __init__(self, **answers: list[int]) -> None:
        super().__init__()
        self.answers = {name.replace("__", "."): list(values) for name, values in answers.items()}

    def draw(self, name: str, bound: int) -> int:
        values = self.answers.get(name)
        return values.pop(0) % bound if values else 0


def scripted(body: Callable[[Scheduler, Endpoint, Endpoint], None], **answers: list[int]) -> None:
    """Runs `body` on a connected pair under these decisions."""
    scheduler = Scheduler(Scripted(**answers))
    network = Network(scheduler)
    scheduler.run(lambda: body(scheduler, *make_pair(scheduler, network)))


def test_a_segment_does_not_overtake_the_one_before() -> None:
    def body(scheduler: Scheduler, one: Endpoint, other: Endpoint) -> None:
        one.send((b"slow",))
        one.send((b"quick",))
        scheduler.park(LATENCIES[4] - 1)
        assert other.recv(99) is Errno.EAGAIN
        scheduler.park(1)
        assert other.recv(99) == b"slowquick"

    scripted(body, tcp__latency=[4, 0])


def test_a_short_write_is_followed_by_a_wake_for_space() -> None:
    def body(scheduler: Scheduler, one: Endpoint, other: Endpoint) -> None:
        keys: list[int] = []
        one.watch(keys.append)
        assert one.send((b"abcd",)) == 1
        assert keys == []
        scheduler.park(1_000_000)
        assert [mask_name(key) for key in keys] == ["OUT|WRNORM|WRBAND"]

    scripted(body, tcp__short_write=[1])


def test_a_short_read_is_followed_by_a_wake_for_the_rest() -> None:
    def body(scheduler: Scheduler, one: Endpoint, other: Endpoint) -> None:
        one.send((b"abcd",))
        keys: list[int] = []
        other.watch(keys.append)
        assert other.recv(4) == b"abc"
        assert [mask_name(key) for key in keys] == ["IN|PRI|RDNORM|RDBAND"]

    scripted(body, tcp__short_read=[3])


@pytest.mark.parametrize("carrier", ["data", "fin"])
def test_a_late_ack_of_a_fin_is_carried_by_what_the_peer_sends(carrier: str) -> None:
    def body(scheduler: Scheduler, one: Endpoint, other: Endpoint) -> None:
        keys: list[int] = []
        one.shutdown("WR")
        one.watch(keys.append)
        assert not one.fin_acked
        if carrier == "data":
            other.send((b"x",))
            assert one.fin_acked
            assert keys[0] == 0  # FIN-WAIT-2 is a change of state
        else:
            other.shutdown("WR")
            assert one.state is CLOSED
        scheduler.park(LONG)
        assert len(keys) == 2

    scripted(body, tcp__ack_latency=[4])


# -- EPOLLOUT -----------------------------------------------------------------------------------


def test_space_comes_back_at_two_thirds_and_only_to_who_missed_it() -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        one, other = make_pair(scheduler, network)
        one.sndbuf, other.rcvbuf = 9_000, 1_000
        keys: list[int] = []
        one.watch(keys.append)
        assert one.send((bytes(1_000),)) == 1_000  # straight into the peer's buffer
        assert one.send((bytes(6_000),)) == 6_000
        assert one.writable()
        other.recv(1_000)
        assert keys == []  # nobody had seen a full buffer
        assert one.send((bytes(5_000),)) == 4_000  # a short count
        assert mask_name(one.poll()) == "0"
        assert one.send((b"x",)) is Errno.EAGAIN
        while one.queued > 7_000:
            other.recv(1_000)
        assert one.send((b"x",)) == 1  # room for a send, and still not writable
        assert keys == []
        while one.queued > 6_000:
            assert not one.writable()
            other.recv(1_000)
        assert [mask_name(key) for key in keys] == ["OUT|WRNORM|WRBAND"]

    in_world(body)


def test_a_small_read_does_not_open_the_window() -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        one, other = make_pair(scheduler, network)
        other.rcvbuf = 1_000
        one.send((bytes(2_000),))
        assert (one.queued, other.inbox_size) == (1_000, 1_000)
        other.recv(499)
        assert (one.queued, other.inbox_size) == (1_000, 501)
        other.recv(1)
        assert (one.queued, other.inbox_size) == (500, 1_000)

    in_world(body)


# -- connecting ---------------------------------------------------------------------------------


def test_a_full_backlog_drops_the_syn_until_it_is_sent_again() -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        listener = Endpoint(network)
        listener.listen(1)
        clients = [Endpoint(network) for _ in range(3)]
        for client in clients:
            assert client.connect(listener.local_port) is Errno.EINPROGRESS
        assert [client.state for client in clients] == [ESTABLISHED, ESTABLISHED, SYN_SENT]
        assert clients[2].connect(listener.local_port) is Errno.EALREADY
        listener.accept()
        scheduler.park(SYN_RETRY_NS)
        assert clients[2].state is ESTABLISHED

    in_world(body)


def test_a_syn_that_nobody_answers_times_out() -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        listener, first, late = (Endpoint(network) for _ in range(3))
        listener.listen(0)
        first.connect(listener.local_port)
        late.connect(listener.local_port)
        scheduler.park(SYN_RETRY_NS * (2**SYN_RETRIES - 1) - 1)
        assert late.state is SYN_SENT
        scheduler.park(1)
        assert late.take_error() is Errno.ETIMEDOUT

    in_world(body)


def test_ports_are_never_given_twice() -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        ports = []
        for _ in range(5):
            listener = Endpoint(network)
            listener.listen(0)
            ports.append(listener.local_port)
            listener.close()
        assert ports == [40_000, 40_001, 40_002, 40_003, 40_004]

    in_world(body)


@pytest.mark.parametrize("kernel", ["linux", "nt"])
def test_what_a_reset_does_to_data_nobody_read(kernel: str) -> None:
    def body(scheduler: Scheduler, network: Network) -> None:
        network.nt = kernel == "nt"
        one, other = make_pair(scheduler, network)
        one.send((b"data",))
        one.close(linger_zero=True)
        assert other.reset
        if kernel == "linux":
            assert other.recv(9) == b"data"
        assert other.recv(9) is Errno.ECONNRESET

    in_world(body)


@given(tapes, st.integers(1, 9), st.integers(1, 9), st.lists(st.integers(1, 9), max_size=9))
def test_an_end_that_says_that_it_has_room_takes_a_byte(
    tape: list[int], sndbuf: int, rcvbuf: int, parts: list[int]
) -> None:
    """EPOLLOUT in vain, for ever, would have every event loop spin; whatever the buffers' sizes."""

    def body(scheduler: Scheduler, network: Network) -> None:
        client, server = make_pair(scheduler, network)
        client.sndbuf, server.rcvbuf = sndbuf, rcvbuf
        for size in parts:
            has_room = bool(client.poll() & EPOLLOUT)
            sent = client.send([content(1, 0, size)])
            assert not has_room or (not isinstance(sent, Errno) and sent > 0)

    in_world(body, tape)
