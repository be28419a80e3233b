"""TLS that renegotiates: writes that wait for bytes from below, reads that wait for room."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from model.content import content
from model.errors import Errno
from model.subject import EV_READ, EV_WRITE, Bufferevent
from model.tls import SslState, TlsResult
from tests.model.renegotiating import Renegotiating
from tests.model.rig import MS, RW, Rig, Spy, play
from tests.model.tls_ends import CLOSE, DEFER, Tls, engine, on, over

MASKS = (EV_READ, EV_WRITE, RW)
_NUMBERS = st.frozensets(st.integers(0, 6), max_size=3)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("write", "settle", "pass", "enable", "disable", "watermark", "timeouts")),
        st.integers(0, 1),
        st.integers(0, 255),
    ),
    max_size=16,
)
ENDS = ("close_notify", "garbage", "free", "nothing")


def _ends(
    rig: Rig, bottom: str, asks_at: tuple[frozenset[int], frozenset[int]], room: int, options: int
) -> list[Spy]:
    below = rig.inner_pair(options) if bottom == "pair" else rig.pair(options)
    states = SslState.CONNECTING, SslState.ACCEPTING
    ends = []
    for side, spy in enumerate(below):
        spy.bev.setwatermark(EV_WRITE, 0, room)
        made = Renegotiating(bool(side), asks_at[side])
        ends.append(on(rig, spy, made, states[side], options))
    return ends


def _step(rig: Rig, ends: list[Spy], written: list[int], step: tuple[str, int, int]) -> None:
    name, which, n = step
    bev = ends[which].bev
    if name == "write":
        size = (1, 10, 300, 5_000)[n % 4]
        assert bev.write(content(which, written[which], size)) == 0
        written[which] += size
    elif name == "settle":
        rig.settle((1 + n % 30) * MS)
    elif name == "pass":
        rig.base.loop(2)
    elif name == "enable":
        bev.enable(MASKS[n % 3])
    elif name == "disable":
        bev.disable(MASKS[n % 3])
    elif name == "watermark":
        bev.setwatermark(EV_READ, 0, (0, 1, 100)[n % 3])
    else:
        bev.set_timeouts((0, 5, 25)[n % 3] * MS or None, (0, 5, 25)[n // 3 % 3] * MS or None)


@given(
    bottom=st.sampled_from(("epoll", "iocp", "pair")),
    asks=st.tuples(_NUMBERS, _NUMBERS),
    room=st.sampled_from((0, 1, 64, 20_000)),
    options=st.sampled_from((CLOSE, DEFER)),
    batch=st.booleans(),
    steps=_STEPS,
    ending=st.sampled_from(ENDS),
)
@settings(max_examples=400)
def test_what_goes_in_comes_out_through_renegotiations(
    bottom: str,
    asks: tuple[frozenset[int], frozenset[int]],
    room: int,
    options: int,
    batch: bool,
    steps: list[tuple[str, int, int]],
    ending: str,
) -> None:
    """B-1, B-2, L-1, L-3, C-2: at whatever moment, whatever is enabled meanwhile; a write that was
    blocked is repeated unchanged (the engine sees to it). Then one end ends, which is told once."""

    def body(rig: Rig) -> None:
        ends = _ends(rig, bottom, asks, room, options)
        written = [0, 0]
        for end in ends:
            Tls(end).bev.set_batch_write(batch)
            end.bev.enable(RW)
        for step in steps:
            _step(rig, ends, written, step)
            for end in ends:
                assert end.bev.get_enabled() & EV_READ or _is_quiet(rig, end)
        for end in ends:
            end.bev.setwatermark(EV_READ, 0, 0)
            end.bev.set_timeouts(None, None)
            end.bev.enable(RW)
        _until(rig, lambda: all("CONNECTED" in end.events() for end in ends))
        _until(rig, lambda: all(end.bev.output_length() == 0 for end in ends))
        _until(rig, lambda: sum(len(end.data) for end in ends) == sum(written))
        for side, end in enumerate(ends):
            assert end.data == content(1 - side, 0, written[1 - side])
            events = end.events()
            assert events.count("CONNECTED") == 1
            assert {each for each in events if "TIMEOUT" not in each} == {"CONNECTED"}
        _end(rig, ends, "nothing" if (bottom, ending) == ("pair", "free") else ending)

    play("epoll" if bottom == "pair" else bottom, body)


def _is_quiet(rig: Rig, end: Spy) -> bool:
    """Nothing is read while reading is disabled, but what one callback may still be owed."""
    before = end.bev.input_length()
    rig.base.loop(2)
    return end.bev.input_length() == before


def _until(rig: Rig, done: Callable[[], bool]) -> None:
    for _ in range(600):
        if done():
            return
        rig.settle(20 * MS)
    raise AssertionError("it hangs")


def _end(rig: Rig, ends: list[Spy], ending: str) -> None:
    """One end ends its stream: the other is told so, once."""
    client, server = ends
    server.seen.clear()
    server.errors.clear()
    if ending == "close_notify":
        assert Tls(client).bev.tls_shutdown() == 0
    elif ending == "garbage":
        Tls(client).bev.underlying.output.add(b"?\0\0")
    elif ending == "free":
        client.free()
    rig.settle(400 * MS)
    wanted = {
        "close_notify": (["READING|EOF"], [None]),
        "garbage": (["READING|ERROR"], [TlsResult.SSL_ERROR_SSL]),
        "free": (["READING|ERROR"], [TlsResult.SSL_ERROR_EOF]),
        "nothing": ([], []),
    }[ending]
    assert (server.events(), server.errors) == wanted


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    reading=st.sampled_from((None, 5 * MS, 9 * MS)),
    writing=st.sampled_from((None, 7 * MS)),
    options=st.sampled_from((CLOSE, DEFER)),
)
def test_a_timeout_below_is_told_above(
    kind: str, reading: int | None, writing: int | None, options: int
) -> None:
    """be_ssl_eventcb: it passes, and TLS goes on when the one below is enabled again."""

    def body(rig: Rig) -> None:
        client, server = over(rig, rig.pair(options), options)
        for end in (client, server):
            end.bev.enable(RW)
        rig.settle()
        below = cast(Bufferevent, Tls(client).bev.underlying)
        below.set_timeouts(reading, writing)
        rig.settle(50 * MS)
        told = client.events()[1:]
        assert told == ([] if reading is None else ["READING|TIMEOUT"])
        below.set_timeouts(None, None)
        below.enable(RW)
        server.bev.write(b"afterwards")
        client.bev.write(b"as well")
        rig.settle(5 * MS)
        assert client.data == b"afterwards"
        assert server.data == b"as well"

    play(kind, body)


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    failures=st.lists(st.sampled_from(("refused", "no TLS")), max_size=3),
    opened=st.booleans(),
    options=st.sampled_from((CLOSE, DEFER)),
    size=st.sampled_from((1, 5_000)),
)
def test_connects_again_behind_any_failures(
    kind: str, failures: list[str], opened: bool, options: int, size: int
) -> None:
    """E-1: each attempt has one outcome, and the last begins anew (SSL_clear). Without a handshake
    (`opened`) the connect's own outcome is told."""

    def body(rig: Rig) -> None:
        state = SslState.OPEN if opened else SslState.CONNECTING
        made = rig.base.bufferevent_ssl_socket_new(None, engine(False), state, options)
        client = rig.watch(made)
        client.bev.enable(RW)
        outcomes = []
        for failure in failures:
            if failure == "no TLS" and not opened:
                raw = rig.world.raw_listen(4)
                assert client.bev.socket_connect(raw.port) == 0
                peer = raw.accept()
                assert not isinstance(peer, Errno)
                peer.send(b"220 no TLS here\r\n")
            else:
                assert client.bev.socket_connect(rig.world.raw_unused_port()) == 0
            rig.settle(10 * MS)
            outcomes.append("ERROR")
            assert client.events() == outcomes
            fd = client.bev.getfd()
            client.bev.setfd(None)
            if fd is not None:
                rig.base.close_fd(fd)
            rig.settle(2 * MS)
        accepted: list[int] = []
        listener = rig.listen(lambda _listener, fd, _port: accepted.append(fd))
        assert client.bev.socket_connect(listener.port) == 0
        rig.settle(5 * MS)
        if opened:
            assert client.events() == [*outcomes, "CONNECTED"]
            return
        accepting = rig.base.bufferevent_ssl_socket_new(
            accepted[0], engine(True), SslState.ACCEPTING, options
        )
        server = rig.watch(accepting)
        server.bev.enable(RW)
        client.bev.enable(RW)
        client.bev.write(content(0, 0, size))
        rig.settle(20 * MS)
        assert client.events() == [*outcomes, "CONNECTED"]
        assert server.data == content(0, 0, size)

    play(kind, body)
