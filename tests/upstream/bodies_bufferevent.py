"""Cases of libevent's regress_bufferevent.c that are about sockets, and of regress_iocp.c.

Sizes and times are upstream's. Its socket pairs are loopback connections here.
"""

from __future__ import annotations

from model.errors import Win32Error
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    BEV_FINISHED,
    BEV_FLUSH,
    BEV_NORMAL,
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_OPT_THREADSAFE,
    BEV_OPT_UNLOCK_CALLBACKS,
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
    Listener,
)
from tests.model.spy import Spy
from tests.upstream.rig import LIMIT_NS, MS, Body, Rig

SIZE = 8333
TEXT = b"Now is the time for all good events to signal for the good of their protocol"
RW = EV_READ | EV_WRITE


def transfer(rig: Rig, flush: int | None) -> None:
    """One end writes, the other takes all at once and stops reading: the loop ends by itself."""
    first, second = rig.pair()
    all_read: list[int] = []

    def take_all(spy: Spy) -> None:
        if spy.bev.input_length() == SIZE:
            spy.bev.disable(EV_READ)
            spy.take()
            all_read.append(SIZE)

    second.on_read = take_all
    callbacks = first.bev.getcb()
    assert all(callbacks)
    first.bev.setcb(*callbacks)
    assert first.bev.getcb() == callbacks
    assert first.bev.get_enabled() == EV_WRITE
    assert first.bev.getfd() is not None
    first.bev.disable(EV_READ)
    second.bev.enable(EV_READ)
    assert second.bev.get_enabled() == RW
    assert first.bev.write(bytes(SIZE)) == 0
    if flush is not None:
        assert first.bev.flush(EV_WRITE, flush) >= 0
    assert rig.dispatch() == 1
    assert all_read == [SIZE]
    assert first.seen == [("write", 0)]
    assert second.count("event") == second.count("write") == 0
    assert second.bev.get_enabled() == EV_WRITE


def bufferevent(rig: Rig) -> None:
    """bufferevent: one all-read, one output-empty callback, no event."""
    transfer(rig, None)


def bufferevent_flush_normal(rig: Rig) -> None:
    """bufferevent_flush_normal: no effect on a socket."""
    transfer(rig, BEV_NORMAL)


def bufferevent_flush_flush(rig: Rig) -> None:
    """bufferevent_flush_flush: no effect on a socket."""
    transfer(rig, BEV_FLUSH)


def bufferevent_flush_finished(rig: Rig) -> None:
    """bufferevent_flush_finished: no effect on a socket."""
    transfer(rig, BEV_FINISHED)


def bufferevent_watermarks(rig: Rig) -> None:
    """bufferevent_watermarks: 65,000 bytes, read 10 to 20 at a time, told at 100 left."""
    first, second = rig.pair()
    total = 65_000
    lengths: list[int] = []

    def take(spy: Spy) -> None:
        lengths.append(spy.bev.input_length())
        spy.take()
        if len(spy.data) == total:
            spy.bev.disable(EV_READ)

    second.on_read = take
    first.bev.disable(EV_READ)
    second.bev.disable(EV_WRITE)
    first.bev.setwatermark(EV_WRITE, 100, 2000)
    second.bev.setwatermark(EV_READ, 10, 20)
    assert second.bev.getwatermark(EV_READ) == (10, 20)
    assert first.bev.getwatermark(EV_WRITE) == (100, 2000)
    assert first.bev.getwatermark(RW) == -1
    first.bev.write(bytes(total))
    second.bev.enable(EV_READ)
    assert rig.dispatch() == 1, "and nothing of the reader's waits to write"
    assert len(second.data) == total
    assert all(10 <= length <= 20 for length in lengths)
    assert first.count("write") >= 1
    assert all(int(seen[1]) <= 100 for seen in first.seen)


def connects(rig: Rig, options: int) -> None:
    """Two clients read what a listener's bufferevent sends before it frees itself."""
    senders: list[Spy] = []

    def accept(_: Listener, fd: int, _port: int) -> None:
        sender = rig.new(fd, options)
        senders.append(sender)
        sender.on_write = free_when_empty
        sender.bev.write(TEXT)

    def free_when_empty(spy: Spy) -> None:
        if spy.bev.output_length() == 0:
            spy.free()

    def done() -> bool:
        return all("READING|EOF" in client.events() for client in clients)

    listener = rig.listen(accept)
    clients = [rig.new(None, options) for _ in range(2)]
    for client in clients:
        client.bev.enable(EV_READ)
        assert client.bev.socket_connect(listener.port) == 0
        assert client.seen == []
    rig.until(done, "two ends of file")
    assert len(senders) == 2
    for client in clients:
        assert client.events() == ["CONNECTED", "READING|EOF"]
        assert client.data == TEXT, "what was flushed before the free has arrived"
        assert client.count("read") >= 1


def bufferevent_connect(rig: Rig) -> None:
    """bufferevent_connect"""
    connects(rig, BEV_OPT_CLOSE_ON_FREE)


def bufferevent_connect_defer(rig: Rig) -> None:
    """bufferevent_connect_defer"""
    connects(rig, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)


def bufferevent_connect_lock(rig: Rig) -> None:
    """bufferevent_connect_lock"""
    connects(rig, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE)


def bufferevent_connect_lock_defer(rig: Rig) -> None:
    """bufferevent_connect_lock_defer"""
    connects(rig, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE | BEV_OPT_DEFER_CALLBACKS)


def bufferevent_connect_unlocked_cbs(rig: Rig) -> None:
    """bufferevent_connect_unlocked_cbs"""
    unlocked = BEV_OPT_THREADSAFE | BEV_OPT_DEFER_CALLBACKS | BEV_OPT_UNLOCK_CALLBACKS
    connects(rig, BEV_OPT_CLOSE_ON_FREE | unlocked)


def refused(rig: Rig, options: int, mask: int) -> None:
    """A port on which nobody listens: one ERROR and nothing else, from the loop."""
    client = rig.new(None, options)
    if mask:
        client.bev.enable(mask)
    result = client.bev.socket_connect(rig.world.raw_unused_port())
    assert client.seen == [], "no callback before the loop runs"
    if result == 0:
        client.on_event = lambda _spy: rig.base.loopexit()
        rig.until(lambda: bool(client.seen), "the outcome")
        rig.rest(20 * MS)
        assert client.seen == [("event", "ERROR")]
    else:
        assert result == -1
        rig.rest(20 * MS)
        assert client.seen == []


def bufferevent_connect_fail(rig: Rig) -> None:
    """bufferevent_connect_fail"""
    refused(rig, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS, 0)


def bufferevent_connect_fail_eventcb(rig: Rig) -> None:
    """bufferevent_connect_fail_eventcb"""
    refused(rig, BEV_OPT_CLOSE_ON_FREE, RW)


def bufferevent_connect_fail_eventcb_defer(rig: Rig) -> None:
    """bufferevent_connect_fail_eventcb_defer"""
    refused(rig, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS, RW)


def bufferevent_timeout(rig: Rig) -> None:
    """bufferevent_timeout: 150 ms without bytes, 100 ms with more output than the peer takes."""
    first, second = rig.pair()
    started = rig.world.now_ns()
    times: dict[str, int] = {}

    def note(spy: Spy) -> None:
        times[str(spy.seen[-1][1])] = rig.world.now_ns() - started

    first.on_event = note
    first.bev.set_timeouts(150 * MS, 100 * MS)
    second.bev.set_timeouts(None, 200 * MS)
    first.bev.enable(EV_READ)
    second.bev.enable(EV_WRITE)
    first.bev.write(bytes(32 << 20))
    rig.rest(350 * MS)
    assert sorted(first.events()) == ["READING|TIMEOUT", "WRITING|TIMEOUT"]
    assert 150 * MS <= times["READING|TIMEOUT"] < 300 * MS
    assert 100 * MS <= times["WRITING|TIMEOUT"] < 300 * MS
    assert first.bev.get_enabled() == 0
    assert second.events() == [], "nothing to write"


def triggers(rig: Rig, options: int, trigger_options: int) -> None:
    """In the first read callback: below the low watermark nothing, unless it is ignored."""
    first, second = rig.pair(BEV_OPT_CLOSE_ON_FREE | options)
    deferred = rig.is_completion or bool((options | trigger_options) & BEV_OPT_DEFER_CALLBACKS)
    everything = BEV_EVENT_READING | BEV_EVENT_WRITING | BEV_EVENT_EOF | BEV_EVENT_ERROR
    everything |= BEV_EVENT_TIMEOUT | BEV_EVENT_CONNECTED
    masks: list[int] = []
    counts: list[int] = []

    def react(spy: Spy) -> None:
        if spy.count("read") > 1:
            return
        bev = spy.bev
        bev.setwatermark(EV_READ, bev.input_length() + 1, 0)
        bev.trigger(EV_READ, trigger_options)
        counts.append(spy.count("read"))
        bev.trigger(EV_READ, trigger_options | BEV_TRIG_IGNORE_WATERMARKS)
        counts.append(spy.count("read"))
        bev.trigger_event(everything, trigger_options)
        counts.append(len(masks))

    def note(_: object, what: int) -> None:
        masks.append(what)

    second.on_read = react
    readcb, writecb, _ = second.bev.getcb()
    second.bev.setcb(readcb, writecb, note)
    second.bev.enable(EV_READ)
    first.bev.write(TEXT)
    rig.until(lambda: bool(masks) and sum(masks) == everything, "all that was triggered")
    assert second.count("read") == 2
    assert counts == ([1, 1, 0] if deferred else [1, 2, 1])


def bufferevent_trigger(rig: Rig) -> None:
    """bufferevent_trigger"""
    triggers(rig, 0, 0)


def bufferevent_trigger_defer(rig: Rig) -> None:
    """bufferevent_trigger_defer"""
    triggers(rig, BEV_OPT_DEFER_CALLBACKS, 0)


def bufferevent_trigger_postpone(rig: Rig) -> None:
    """bufferevent_trigger_postpone"""
    triggers(rig, 0, BEV_TRIG_DEFER_CALLBACKS)


def bufferevent_trigger_defer_postpone(rig: Rig) -> None:
    """bufferevent_trigger_defer_postpone"""
    triggers(rig, BEV_OPT_DEFER_CALLBACKS, BEV_TRIG_DEFER_CALLBACKS)


def bufferevent_read_failed(rig: Rig) -> None:
    """bufferevent_read_failed: from an input whose head is frozen nothing is read."""
    bev = rig.base.bufferevent_socket_new(None, 0)
    bev.input.append_frozen(TEXT)
    bev.input.freeze(at_front=True)
    assert bev.read(4) == b""
    bev.input.unfreeze(at_front=True)
    assert bev.read(3) == TEXT[:3]
    bev.free()


def port(rig: Rig) -> None:
    """iocp/port: what is posted is taken, each with its key, overlapped and size."""
    kernel = rig.world.completion
    assert kernel is not None
    made = kernel.create_port(1)
    assert isinstance(made, int)
    posted = {
        (key, overlapped, 100 * key + overlapped) for key in (1, 2) for overlapped in range(4)
    }
    for key, overlapped, size in sorted(posted):
        assert kernel.post_queued_completion_status(made, size, key, 1000 + overlapped) is None
    taken: set[tuple[int, int, int]] = set()
    while len(taken) < len(posted):
        packets = kernel.get_queued_completion_status(made, 64, LIMIT_NS)
        assert not isinstance(packets, Win32Error), packets
        taken |= {(each.key, (each.overlapped or 0) - 1000, each.nbytes) for each in packets}
    assert taken == posted
    assert kernel.close_port(made) is None


def evbuffer(rig: Rig) -> None:
    """iocp/evbuffer: what a pending read brings comes to the input, not to where its bytes went."""
    first, second = rig.pair()
    second.on_read = Spy.leave
    second.bev.enable(EV_READ)
    first.bev.write(bytes(1024))
    rig.until(lambda: second.bev.input_length() == 1024, "the first bytes")
    moved = second.bev.write_input()  # evbuffer_add_buffer, while the next read is pending
    assert moved == 1024
    assert second.bev.input_length() == 0
    first.bev.write(b"x" * 512)
    rig.until(lambda: second.bev.input_length() > 0, "the second bytes")
    second.take()
    rig.until(lambda: len(second.data) + second.bev.input_length() == 512, "all of them")
    second.take()
    assert second.data == b"x" * 512


def bufferevent_async(rig: Rig) -> None:
    """iocp/bufferevent_async: the reader disables itself, and the loop ends."""
    first, second = rig.pair()

    def take(spy: Spy) -> None:
        spy.take()
        if len(spy.data) == len(TEXT):
            spy.bev.disable(EV_READ)

    second.on_read = take
    second.bev.enable(EV_READ)
    first.bev.write(TEXT)
    assert rig.dispatch() == 1
    assert second.data == TEXT


_ALL: tuple[Body, ...] = (
    *(bufferevent, bufferevent_flush_normal, bufferevent_flush_flush, bufferevent_flush_finished),
    *(bufferevent_watermarks, bufferevent_connect, bufferevent_connect_defer),
    *(bufferevent_connect_lock, bufferevent_connect_lock_defer, bufferevent_connect_unlocked_cbs),
    *(bufferevent_connect_fail, bufferevent_connect_fail_eventcb),
    *(bufferevent_connect_fail_eventcb_defer, bufferevent_trigger, bufferevent_trigger_defer),
    *(bufferevent_trigger_postpone, bufferevent_trigger_defer_postpone, bufferevent_read_failed),
    *(port, evbuffer, bufferevent_async),
)
#: what runs on the real completion kernel too
CASES: dict[str, Body] = {body.__name__: body for body in _ALL}
