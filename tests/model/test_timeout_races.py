"""Timeouts against what they wait for, when the loop comes late to both."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from model.content import content
from model.subject import EV_READ, EV_WRITE
from tests.model.rig import MS, RW, Rig, Spy, play
from tests.model.stacks import CLOSE, DEFER
from tests.model.test_soup import linked

LINKS = ("socket", "pair", "copy", "tls", "tls over pair")
LIMIT = 20 * MS


def _ready(rig: Rig, link: str, options: int) -> tuple[Spy, Spy]:
    """Both ends enabled; what was told so far is forgotten."""
    ends = linked(rig, link, options)
    for end in ends:
        end.bev.enable(RW)
    rig.settle(2 * MS)
    for end in ends:
        end.seen.clear()
    return ends


def _at(rig: Rig, moment: int, busy: int) -> None:
    """The loop is busy from that moment on."""
    rig.base.once(moment, lambda: rig.world.sleep(busy))


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    link=st.sampled_from(LINKS),
    options=st.sampled_from((CLOSE, DEFER)),
    sent=st.integers(1, 40 * MS),
    begins=st.integers(0, LIMIT),
    busy=st.integers(0, 30 * MS),
    size=st.sampled_from((1, 100, 70_000)),
)
@settings(max_examples=200)
def test_what_came_in_time_is_no_timeout(
    kind: str, link: str, options: int, sent: int, begins: int, busy: int, size: int
) -> None:
    """T-1, T-2: bytes that were there before the timeout was due are read, however late the loop
    comes to them; and without any the timeout comes, once."""

    def body(rig: Rig) -> None:
        client, server = _ready(rig, link, options)
        server.bev.set_timeouts(LIMIT, None)
        _at(rig, begins, busy)
        rig.base.once(sent, lambda: _write(client, size))
        rig.settle(200 * MS)
        end = begins + busy
        late = max(sent, end) if begins <= sent else sent  # the busy loop writes late, too
        assert server.events() == ["READING|TIMEOUT"]
        assert not server.bev.get_enabled() & EV_READ
        if late < LIMIT:
            assert server.data == content(0, 0, size)
            assert server.seen[-1] == ("event", "READING|TIMEOUT")
        elif begins >= LIMIT or end <= LIMIT < sent:
            assert not server.data
        assert content(0, 0, size).startswith(bytes(server.data))

    play(kind, body)


def _write(spy: Spy, size: int) -> None:
    spy.bev.write(content(0, 0, size))


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    link=st.sampled_from(LINKS),
    options=st.sampled_from((CLOSE, DEFER)),
    opens=st.integers(1, 40 * MS),
    begins=st.integers(0, LIMIT),
    busy=st.integers(0, 30 * MS),
)
@settings(max_examples=200)
def test_room_that_came_in_time_is_no_timeout(
    kind: str, link: str, options: int, opens: int, begins: int, busy: int
) -> None:
    """The same of writing: the other end reads at last, or it does not."""
    size = 400_000

    def body(rig: Rig) -> None:
        client, server = _ready(rig, link, options)
        server.bev.disable(EV_READ)
        client.bev.write(content(0, 0, size))
        rig.settle(5 * MS)
        client.seen.clear()
        client.bev.set_timeouts(None, LIMIT)
        _at(rig, begins, busy)
        rig.base.once(opens, lambda: _enable(server))
        rig.settle(300 * MS)
        timed_out = client.events() == ["WRITING|TIMEOUT"]
        assert timed_out or client.events() == []
        assert timed_out != bool(client.bev.get_enabled() & EV_WRITE)
        if timed_out:
            assert client.bev.output_length()
            client.bev.enable(EV_WRITE)
            rig.settle(300 * MS)
        else:
            assert max(opens, begins + busy) >= LIMIT or not client.bev.output_length()
        assert server.data == content(0, 0, size)
        assert opens >= LIMIT or begins + busy >= LIMIT or not timed_out

    play(kind, body)


def _enable(spy: Spy) -> None:
    spy.bev.enable(EV_READ)


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    link=st.sampled_from(LINKS),
    options=st.sampled_from((CLOSE, DEFER)),
    moments=st.lists(st.integers(0, 30 * MS), max_size=5),
    news=st.sampled_from((None, 5 * MS, LIMIT)),
    busy=st.integers(0, 5 * MS),
)
@settings(max_examples=200)
def test_a_timeout_counts_from_the_last_call(
    kind: str,
    link: str,
    options: int,
    moments: list[int],
    news: int | None,
    busy: int,
) -> None:
    """T-1: set_timeouts begins it anew, also when the old one is due already and has not run;
    None takes it away."""
    told: list[int] = []

    def body(rig: Rig) -> None:
        _, server = _ready(rig, link, options)
        started = rig.world.now_ns()
        server.on_event = lambda _: told.append(rig.world.now_ns() - started)
        server.bev.set_timeouts(LIMIT, None)
        calls: list[int] = []

        def again() -> None:
            rig.world.sleep(busy)
            if not told:
                calls.append(rig.world.now_ns() - started)
                server.bev.set_timeouts(news, None)

        for moment in moments:
            rig.base.once(moment, again)
        rig.settle(120 * MS)
        due = LIMIT if not calls else None if news is None else calls[-1] + news
        if due is None:
            assert told == []
        else:
            assert len(told) == 1
            assert due <= told[0] <= due + 5 * busy + MS
        assert server.events() == ["READING|TIMEOUT"] * len(told)

    play(kind, body)


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    link=st.sampled_from(LINKS),
    options=st.sampled_from((CLOSE, DEFER)),
    sent=st.integers(1, LIMIT - 1),
    busy=st.integers(0, 60 * MS),
    size=st.sampled_from((1, 100, 70_000)),
)
@settings(max_examples=200)
def test_what_waits_while_the_loop_is_busy_came_in_time(
    kind: str, link: str, options: int, sent: int, busy: int, size: int
) -> None:
    """T-2: bytes are at their reader, and their writer keeps the loop until the timeout is due. (A
    layer's write callback says that they were handed down, and they may still be under way.)"""

    def body(rig: Rig) -> None:
        client, server = _ready(rig, link, options)
        server.bev.set_timeouts(LIMIT, None)
        left = [busy]
        client.on_write = lambda _: rig.world.sleep(left.pop() if left else 0)
        rig.base.once(sent, lambda: _write(client, size))
        rig.settle(200 * MS)
        assert server.events() == ["READING|TIMEOUT"]
        assert server.seen[-1] == ("event", "READING|TIMEOUT")
        if link in ("socket", "pair"):
            assert server.data == content(0, 0, size)
        assert content(0, 0, size).startswith(bytes(server.data))

    play(kind, body)
