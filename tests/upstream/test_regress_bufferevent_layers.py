"""regress_bufferevent.c: pairs, filters and compression, with upstream's numbers.

Rows over sockets run on both simulated kernels; a pair asks no kernel, so its rows run once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from model import filters
from model.content import content
from model.evbuffer import Evbuffer
from model.filters import Deflate, Failing, Inflate
from model.layer import FilterResult, Filters
from model.subject import (
    BEV_FINISHED,
    BEV_FLUSH,
    BEV_NORMAL,
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    EV_WRITE,
)
from tests.model.rig import MS, RW, Rig, Spy, in_worlds, play
from tests.upstream.cases_regress_bufferevent_layers import CASES

TEXT = content(0, 0, 8_333)
Ends = Callable[[Rig], tuple[Spy, Spy]]


def _sockets(rig: Rig) -> tuple[Spy, Spy]:
    return rig.pair()


def _pair(rig: Rig) -> tuple[Spy, Spy]:
    return rig.inner_pair()


def test_every_ported_row_is_here() -> None:
    for case in CASES:
        if case.status == "ported":
            assert case.where.partition("::")[2] in globals(), case.name
        else:
            assert case.why, case.name


def _all_is_read(rig: Rig, first: Spy, second: Spy) -> None:
    """What most rows do: 8,333 bytes; the reader disables reading at the last of them."""

    def reading(spy: Spy) -> None:
        spy.take()
        if len(spy.data) == len(TEXT):
            spy.bev.disable(EV_READ)

    second.on_read = reading
    first.bev.disable(EV_READ)
    second.bev.enable(EV_READ)
    first.bev.write(TEXT)
    assert rig.base.loop() == 1, "the loop ends by itself"
    assert bytes(second.data) == TEXT
    assert second.bev.get_enabled() == EV_WRITE
    assert first.bev.output_length() == 0
    assert first.count("write") >= 1


@in_worlds("epoll")
def test_bufferevent_pair(rig: Rig) -> None:
    first, second = _pair(rig)
    assert first.bev.getfd() is None
    assert first.bev.get_underlying() is None
    assert first.bev.get_partner() is second.bev
    assert second.bev.get_partner() is first.bev
    _all_is_read(rig, first, second)
    assert first.events() == second.events() == []
    first.free()
    assert second.bev.get_partner() is None


@pytest.mark.parametrize("mode", [BEV_NORMAL, BEV_FLUSH, BEV_FINISHED])
def test_bufferevent_pair_flush_mode(mode: int) -> None:
    """FINISHED tells the partner an event, the others tell nothing; no reference is left."""

    def body(rig: Rig) -> None:
        first, second = _pair(rig)
        second.bev.enable(EV_READ)
        first.bev.write(TEXT)
        assert first.bev.flush(EV_WRITE, mode) >= 0
        rig.settle()
        assert bytes(second.data) == TEXT
        assert second.events() == (["READING|EOF"] if mode == BEV_FINISHED else [])
        assert first.events() == []
        assert rig.base.bufferevents == 2

    play("epoll", body)


@in_worlds("epoll")
def test_bufferevent_pair_flush(rig: Rig) -> None:
    first, second = _pair(rig)
    second.bev.enable(EV_READ)
    assert first.bev.flush(EV_WRITE, BEV_FINISHED) == 0
    rig.settle()
    assert second.events() == ["READING|EOF"]


@in_worlds("epoll")
def test_bufferevent_pair_watermarks(rig: Rig) -> None:
    """65,000 bytes; the reader's watermarks are (10, 20), the writer's (100, 2000)."""
    first, second = _pair(rig)
    first.bev.setwatermark(EV_WRITE, 100, 2_000)
    second.bev.setwatermark(EV_READ, 10, 20)
    second.bev.enable(EV_READ)
    first.bev.write(content(0, 0, 65_000))
    rig.settle(10 * MS)
    assert bytes(second.data) == content(0, 0, 65_000)
    lengths = [int(length) for which, length in second.seen if which == "read"]
    assert 10 <= min(lengths) <= max(lengths) <= 20
    assert all(int(length) <= 100 for which, length in first.seen if which == "write")


def _filtered(rig: Rig, ends: Ends) -> None:
    """The writer doubles, the reader strips. An ERROR on the second call does no harm."""
    writer, reader = ends(rig)
    fd = writer.bev.getfd()
    below = writer.bev
    top = rig.filter(writer, Filters(None, Failing(filters.double, 2)))
    assert top.bev.getfd() == fd
    assert id(top.bev.get_underlying()) == id(below)
    _all_is_read(rig, top, rig.filter(reader, Filters(filters.strip, None)))


@in_worlds()
def test_bufferevent_filters(rig: Rig) -> None:
    _filtered(rig, _sockets)


@in_worlds("epoll")
def test_bufferevent_pair_filters(rig: Rig) -> None:
    _filtered(rig, _pair)


def _filters_disable(rig: Rig, ends: Ends) -> None:
    """An output function writes to its own filter: it is not called for that write inside it."""
    writer, reader = ends(rig)
    calls: list[int] = []
    running: list[bool] = []

    def output(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
        assert not running
        running.append(True)
        if not calls:
            top.bev.write(TEXT)
        calls.append(source.length)
        result = filters.copy(source, destination, limit, mode)
        running.clear()
        return result

    top = rig.filter(writer, Filters(None, output))
    reader.bev.enable(EV_READ)
    top.bev.write(TEXT)
    rig.settle(10 * MS)
    assert calls == [2 * len(TEXT)]
    assert bytes(reader.data) == TEXT + TEXT


@in_worlds()
def test_bufferevent_filters_disable(rig: Rig) -> None:
    _filters_disable(rig, _sockets)


@in_worlds("epoll")
def test_bufferevent_pair_filters_disable(rig: Rig) -> None:
    _filters_disable(rig, _pair)


def _timeouts(rig: Rig, first: Spy, second: Spy) -> None:
    """The first has a read timeout of 150 ms, a write timeout of 100 ms and 7 bytes; the second
    writes nothing, its write timeout is 200 ms. 350 ms pass."""
    second.bev.disable(EV_READ)
    first.bev.set_timeouts(150 * MS, 100 * MS)
    first.bev.write(b"ABCDEFG")
    first.bev.enable(RW)
    second.bev.set_timeouts(100 * MS, 200 * MS)
    second.bev.enable(EV_WRITE)
    started = rig.world.now_ns()
    times: list[int] = []
    first.on_event = lambda _: times.append((rig.world.now_ns() - started) // MS)
    rig.settle(350 * MS)
    events = first.events()
    assert times == [100 if event == "WRITING|TIMEOUT" else 150 for event in events]


@in_worlds("epoll")
def test_bufferevent_timeout_pair(rig: Rig) -> None:
    first, second = _pair(rig)
    _timeouts(rig, first, second)
    assert first.events() == ["WRITING|TIMEOUT", "READING|TIMEOUT"]
    assert second.events() == []


def _filtered_timeouts(rig: Rig, ends: Ends) -> None:
    first, second = [rig.filter(end, Filters()) for end in ends(rig)]
    _timeouts(rig, first, second)
    assert first.events() == ["READING|TIMEOUT"], "its 7 bytes were handed down at once"
    assert second.events() == []


@in_worlds()
def test_bufferevent_timeout_filter(rig: Rig) -> None:
    _filtered_timeouts(rig, _sockets)


@in_worlds("epoll")
def test_bufferevent_timeout_filter_pair(rig: Rig) -> None:
    _filtered_timeouts(rig, _pair)


@in_worlds("epoll")
def test_bufferevent_zlib(rig: Rig) -> None:
    """Deflate at one end of a pair, inflate at the other; both are finished and released."""
    writer, reader = _pair(rig)
    released: list[str] = []
    inflate, deflate = Inflate(), Deflate()
    top = rig.filter(writer, Filters(None, deflate, lambda: released.append("deflate")))
    other = rig.filter(reader, Filters(inflate, None, lambda: released.append("inflate")))
    other.bev.enable(EV_READ)
    top.bev.write(TEXT)
    top.bev.flush(EV_WRITE, BEV_FINISHED)
    other.bev.flush(EV_READ, BEV_FINISHED)
    rig.settle()
    assert bytes(other.data) == TEXT
    assert other.events() == ["READING|EOF"]
    top.free()
    other.free()
    rig.settle()
    assert sorted(released) == ["deflate", "inflate"]


@in_worlds()
def test_bufferevent_socket_filter_inactive(rig: Rig) -> None:
    """A filter over no descriptor is made and freed."""
    top = rig.filter(rig.new(), Filters())
    assert top.bev.getfd() is None
    top.free()


@in_worlds("epoll")
def test_bufferevent_filter_data_stuck(rig: Rig) -> None:
    """High watermarks of 4,096 everywhere, and an input function that puts 20 bytes in front:
    4,116 bytes are read, though they never fit."""
    options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS
    writer, reader = rig.inner_pair(options)
    fresh = [True]

    def prepend(source: Evbuffer, destination: Evbuffer, limit: int, mode: int) -> FilterResult:
        if fresh:
            fresh.clear()
            destination.append_frozen(b"h" * 20)
            limit -= 20
        return filters.copy(source, destination, limit, mode)

    for end in (writer, reader):
        end.bev.setwatermark(RW, 0, 4_096)
    top = rig.filter(reader, Filters(prepend, None), options)
    top.bev.setwatermark(RW, 0, 4_096)
    top.bev.enable(EV_READ)
    writer.bev.write(content(0, 0, 4_096))
    rig.settle()
    assert bytes(top.data) == b"h" * 20 + content(0, 0, 4_096)
