"""TLS over other bufferevents: bufferevent_openssl.c, and its rows of the contract."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tls import SslEngine
from model.content import content
from model.errors import Errno, Win32Error
from model.kernel import Buffer
from model.subject import (
    EV_READ,
    EV_WRITE,
)
from model.tls import RECORD_MAX, SslState, TlsResult
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play
from tests.model.tls_ends import (
    CLOSE,
    DEFER,
    Tls,
    engine,
    on,
    over,
    tls_peer,
    tls_sockets,
)

END = TlsResult.SSL_ERROR_EOF
FATAL = TlsResult.SSL_ERROR_SSL


@settings(max_examples=40, deadline=None)
@given(
    bottom=st.sampled_from(("epoll", "iocp", "pair")),
    layers=st.sampled_from(("", "copy", "tls")),
    version=st.sampled_from(("1.3", "1.2")),
    opened=st.booleans(),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=4),
    high=st.sampled_from((0, 1, 100, 5_000)),
    below=st.sampled_from((0, 64, 20_000)),
    take=st.sampled_from((1 << 30, 64, 1_000)),
    options=st.sampled_from((CLOSE, DEFER)),
    batch=st.booleans(),
)
def test_what_goes_in_comes_out(
    bottom: str,
    layers: str,
    version: str,
    opened: bool,
    sizes: list[int],
    high: int,
    below: int,
    take: int,
    options: int,
    batch: bool,
) -> None:
    """B-1, B-2, L-3, W-1: on any transport, whatever the watermarks, also where the handshake is
    left to the first read and write."""

    def body(rig: Rig) -> None:
        lower = rig.inner_pair(options) if bottom == "pair" else rig.pair(options)
        for spy in lower:
            spy.bev.setwatermark(EV_WRITE, 0, below)
        if layers == "tls":
            lower = over(rig, lower, options)
        client, server = over(rig, lower, options, version, opened)
        for end in (client, server):
            Tls(end).bev.set_batch_write(batch)
        told = [] if opened and layers != "tls" else ["CONNECTED"]
        longest = 0

        def read(spy: Spy) -> None:
            nonlocal longest
            longest = max(longest, spy.bev.input_length())
            spy.data.extend(spy.bev.read(take))

        server.on_read = read
        server.bev.setwatermark(EV_READ, 0, high)
        server.bev.enable(EV_READ)
        client.bev.enable(EV_READ)
        offset = 0
        for size in sizes:
            client.bev.write(content(0, offset, size))
            offset += size
        for _ in range(400):
            rig.settle(10 * MS)
            if len(server.data) + server.bev.input_length() == offset:
                break
        assert bytes(server.data) + server.bev.read(1 << 30) == content(0, 0, offset)
        assert longest < (high or 64 * RECORD_MAX) + RECORD_MAX
        assert client.events() == server.events() == told
        assert client.bev.output_length() == 0

    play(bottom if bottom != "pair" else "epoll", body)


@in_worlds()
def test_connected_comes_first_on_both_sides(rig: Rig) -> None:
    for options in (CLOSE, DEFER):
        client, server = tls_sockets(rig, options)
        client.bev.enable(RW)
        server.bev.enable(RW)
        client.bev.write(b"early")
        server.bev.write(b"early too")
        rig.settle()
        for end in (client, server):
            assert end.seen[0] == ("event", "CONNECTED")
            assert sorted(end.seen[1:])[0][0] == "read"
            assert end.count("event") == 1
        assert client.data == b"early too"
        assert server.data == b"early"


@in_worlds()
def test_connect_on_a_tls_bufferevent(rig: Rig) -> None:
    """CONNECTED only when the handshake is done, not when TCP is."""
    accepted: list[int] = []
    listener = rig.listen(lambda _listener, fd, _port: accepted.append(fd))
    client = rig.watch(
        rig.base.bufferevent_ssl_socket_new(None, engine(False), SslState.CONNECTING, CLOSE)
    )
    client.bev.enable(RW)
    assert client.bev.getfd() is None
    assert client.bev.socket_connect(listener.port) == 0
    rig.settle()
    assert accepted
    assert client.seen == []
    server = rig.watch(
        rig.base.bufferevent_ssl_socket_new(accepted[0], engine(True), SslState.ACCEPTING, CLOSE)
    )
    rig.settle()
    assert client.events() == server.events() == ["CONNECTED"]
    assert client.bev.getfd() is not None


@in_worlds()
def test_a_refused_connect_is_an_error_once(rig: Rig) -> None:
    client = rig.watch(
        rig.base.bufferevent_ssl_socket_new(None, engine(False), SslState.CONNECTING, CLOSE)
    )
    client.bev.enable(RW)
    assert client.bev.socket_connect(rig.world.raw_unused_port()) == 0
    rig.settle(10 * MS)
    assert client.events() == ["ERROR"]
    assert client.errors[0] in (Errno.ECONNREFUSED, Win32Error.WSAECONNREFUSED)


@in_worlds()
def test_a_peer_that_speaks_no_tls(rig: Rig) -> None:
    server, peer = tls_peer(rig, server=True)
    server.bev.enable(RW)
    peer.send(b"GET / HTTP/1.1\r\n\r\n")
    rig.settle()
    assert server.events() == ["ERROR"]
    assert server.errors == [FATAL]
    assert 1 <= len(Tls(server).bev.get_openssl_error()) <= 3
    server.bev.write(b"nobody hears")
    server.bev.enable(RW)
    peer.close()
    rig.settle()
    assert server.events() == ["ERROR"]


@in_worlds()
def test_a_transport_that_ends_in_the_handshake(rig: Rig) -> None:
    client, peer = tls_peer(rig, server=False)
    peer.recv(10_000)
    peer.close()
    rig.settle()
    assert client.events() == ["ERROR"]
    assert client.errors == [END]


@in_worlds()
def test_close_notify_ends_one_direction(rig: Rig) -> None:
    client, server = tls_sockets(rig, ready=True)
    client.bev.write(b"last")
    assert Tls(client).bev.tls_shutdown() == 0
    rig.settle()
    assert server.seen == [("read", 4), ("event", "READING|EOF")]
    assert server.bev.get_enabled() == EV_WRITE
    server.bev.write(b"still")
    rig.settle()
    assert client.data == b"still"
    client.bev.write(b"too late")
    rig.settle()
    assert client.events() == ["WRITING|ERROR"]
    assert client.errors[-1] is FATAL
    assert client.bev.get_enabled() == EV_READ
    client.free()
    server.bev.enable(EV_READ)
    rig.settle()
    assert server.events() == ["READING|EOF"]


@pytest.mark.parametrize("allow", [0, 1, 2])
@pytest.mark.parametrize("kind", ["epoll", "iocp"])
def test_an_end_without_close_notify(kind: str, allow: int) -> None:
    """LE-122, LE-149: any value but 0 allows it."""

    def body(rig: Rig) -> None:
        client, server = tls_sockets(rig, ready=True)
        Tls(server).bev.set_allow_dirty_shutdown(allow)
        client.bev.write(b"last")
        rig.settle()
        client.free()
        rig.settle()
        cause = "EOF" if allow else "ERROR"
        assert server.seen == [("read", 4), ("event", f"READING|{cause}")]
        assert server.errors[-1] is (None if allow else END)

    play(kind, body)


@in_worlds()
def test_the_end_waits_for_the_bytes_before_it(rig: Rig) -> None:
    """O-2, L-2: behind a full input, and behind a disabled direction."""
    client, server = tls_sockets(rig, ready=True)
    server.on_read = Spy.leave
    server.bev.setwatermark(EV_READ, 0, 100)
    client.bev.write(bytes(300))
    Tls(client).bev.tls_shutdown()
    rig.settle()
    assert server.seen == [("read", 300)]  # one record, whole
    server.bev.disable(EV_READ)
    server.bev.read(1000)
    rig.settle()
    assert server.count("event") == 0
    server.bev.enable(EV_READ)
    rig.settle()
    assert server.seen == [("read", 300), ("event", "READING|EOF")]


@in_worlds()
def test_an_overrun_is_offered_again(rig: Rig) -> None:
    """LE-100: a callback that drains less than the excess is called again."""
    client, server = tls_sockets(rig, ready=True)
    server.bev.setwatermark(EV_READ, 0, 1000)
    server.on_read = lambda spy: spy.data.extend(spy.bev.read(600))
    client.bev.write(content(0, 0, 5000))
    rig.settle()
    assert server.seen[0] == ("read", 5000)
    assert len(server.data) > 4000


@in_worlds()
def test_a_pass_opens_a_bounded_number_of_records(rig: Rig) -> None:
    """R-6, LE-150: many small records that wait below do not keep the loop."""
    client, server = tls_sockets(rig, ready=True)
    passes: list[int] = []

    def take(spy: Spy) -> None:
        passes.append(spy.bev.input_length())
        spy.take()

    server.on_read = take
    for _ in range(50):
        client.bev.write(b"x")
        rig.base.loop(2)
    rig.settle()
    assert max(passes) <= 4
    assert len(server.data) == 50


@in_worlds()
def test_no_callback_inside_a_call_of_the_application(rig: Rig) -> None:
    """LE-125: enable, write, read and setwatermark only start the work."""
    client, server = tls_sockets(rig, ready=True)
    client.bev.write(bytes(5000))
    server.bev.disable(EV_READ)
    rig.settle()
    before = len(server.seen), len(client.seen)
    server.bev.enable(EV_READ)
    server.bev.setwatermark(EV_READ, 0, 1000)
    server.bev.write(b"x")
    client.bev.write(b"y")
    assert (len(server.seen), len(client.seen)) == before
    rig.settle()
    assert server.data == bytes(5000) + b"y"


@in_worlds()
def test_a_very_fragmented_output(rig: Rig) -> None:
    """LE-187, LE-190: more chains than a round looks at, and none of them empty to the engine."""
    client, server = tls_sockets(rig, ready=True)
    for index in range(100):
        client.bev.write(bytes([index]))
        client.bev.write(b"")
    rig.settle(20 * MS)
    assert server.data == bytes(range(100))


class Counting(SslEngine):
    """An engine that notes the sizes of its writes."""

    def __init__(self) -> None:
        super().__init__(False)
        self.sizes: list[int] = []

    def write(self, data: Buffer) -> int | TlsResult:
        result = super().write(data)
        if isinstance(result, int):
            self.sizes.append(result)
        return result


@pytest.mark.parametrize("batch", [0, 1])
def test_chains_share_a_record_where_that_is_asked_for(batch: int) -> None:
    """BUFFEREVENT_SSL_BATCH_WRITE."""

    def body(rig: Rig) -> None:
        made = Counting()
        below = rig.pair()
        client = on(rig, below[0], made, SslState.CONNECTING, CLOSE)
        server = on(rig, below[1], engine(True), SslState.ACCEPTING, CLOSE)
        server.bev.enable(RW)
        Tls(client).bev.set_batch_write(batch)
        for size in (1, 2, 3, 20_000):
            client.bev.write(bytes(size))
        rig.settle()
        # The second and the third write share a chain (evbuffer_add fills the tail).
        assert made.sizes == ([RECORD_MAX, 3_622] if batch else [1, 5, 16_378, 3_622])
        assert len(server.data) == 20_006

    play("epoll", body)


@in_worlds()
def test_timeouts_come_once_and_disable(rig: Rig) -> None:
    """LE-082, T-4."""
    client, _server = tls_sockets(rig, ready=True)
    client.bev.set_timeouts(20 * MS, None)
    rig.settle(100 * MS)
    assert client.events() == ["READING|TIMEOUT"]
    assert client.bev.get_enabled() == EV_WRITE


@in_worlds()
def test_a_silent_peer_times_out_in_the_handshake(rig: Rig) -> None:
    client, peer = tls_peer(rig, server=False)
    client.bev.set_timeouts(20 * MS, 20 * MS)
    client.bev.enable(RW)
    client.bev.write(b"waiting")
    rig.settle(100 * MS)
    assert client.events() == ["READING|TIMEOUT"]
    assert peer.recv(10_000)


def _write(spy: Spy, data: bytes) -> None:
    spy.bev.write(data)


@in_worlds()
def test_bytes_of_the_same_pass_beat_the_timeout(rig: Rig) -> None:
    """LE-142, T-2."""
    client, server = tls_sockets(rig, ready=True)
    server.bev.set_timeouts(20 * MS, None)
    rig.base.once(20 * MS - 1, lambda: rig.world.sleep(MS))
    rig.base.once(19 * MS, lambda: _write(client, b"in time"))
    rig.settle(30 * MS)
    assert server.seen == [("read", 7)]


@in_worlds()
def test_what_is_disabled_before_the_handshake_does_not_matter_to_it(rig: Rig) -> None:
    """LE-165, LE-166: the handshake goes on, and nothing is read before reading is enabled."""
    client, server = tls_sockets(rig)
    for end in (client, server):
        end.bev.disable(RW)
    rig.settle()
    assert client.events() == server.events() == ["CONNECTED"]
    client.bev.write(b"hello")
    client.bev.enable(EV_WRITE)
    rig.settle()
    assert server.count("read") == 0
    assert server.bev.input_length() == 0
    server.bev.enable(EV_READ)
    rig.settle()
    assert server.data == b"hello"
