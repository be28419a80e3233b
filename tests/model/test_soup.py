"""Any calls in any order, from outside and from callbacks, on every kind of bufferevent.

Whatever the application does: nothing is called back after its free (`Spy`), nothing stays alive
(`play`), what arrives is what was written, in order and without a gap, and limits that are set are
what they were set to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.content import content
from model.errors import Errno, Win32Error
from model.rate_limit import token_bucket_cfg_new
from model.subject import (
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    BEV_OPT_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EV_READ,
    EV_WRITE,
    LEV_OPT_CLOSE_ON_FREE,
    LEV_OPT_DISABLED,
    Bufferevent,
    Listener,
)
from tests.model.rig import MS, RW, Rig, Spy, play
from tests.model.stacks import CLOSE, DEFER, stacked
from tests.model.tls_ends import Tls, over

LINKS = ("socket", "pair", "copy", "zlib", "double", "tls", "tls over tls", "tls over pair")
MASKS = (EV_READ, EV_WRITE, RW)
WHATS = tuple(
    what | direction
    for what in (BEV_EVENT_EOF, BEV_EVENT_ERROR, BEV_EVENT_TIMEOUT)
    for direction in (BEV_EVENT_READING, BEV_EVENT_WRITING)
)
SIZES = (1, 64, 1_000, 5_000, 20_000)
ACTIONS = (
    *("settle", "write", "enable", "disable", "timeouts", "setwatermark", "flush", "trigger"),
    *("trigger_event", "setcb", "single", "rate", "decrement", "reference", "free", "setfd"),
    *("disable_hard", "underlying", "dirty", "shutdown", "read", "engine"),
)
_STEP = st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1), st.integers(0, 255))
#: long ones too: by itself Hypothesis draws lists of five, in which little has had time to happen
STEPS = st.one_of(st.lists(_STEP, max_size=12), st.lists(_STEP, min_size=12, max_size=40))


@dataclass
class Soup:
    """Two ends, what each wrote, and what they still have to do in callbacks."""

    rig: Rig
    ends: tuple[Spy, Spy]
    reactions: list[tuple[str, int, int]]
    written: list[int] = field(default_factory=lambda: [0, 0])

    def act(self, name: str, which: int, n: int, inside: bool = False) -> None:
        if name == "settle":
            if not inside:
                self.rig.settle((1 + n % 40) * MS)
            return
        end = self.ends[which]
        if not end.freed:
            getattr(self, f"_{name}")(end, which, n)

    def take(self, spy: Spy) -> None:
        spy.take()
        self.react(spy)

    def react(self, _: Spy) -> None:
        if self.reactions:
            self.act(*self.reactions.pop(0), inside=True)

    def _write(self, end: Spy, which: int, n: int) -> None:
        size = SIZES[n % len(SIZES)]
        if end.bev.write(content(which, self.written[which], size)) == 0:
            self.written[which] += size

    def _enable(self, end: Spy, _: int, n: int) -> None:
        mask = MASKS[n % 3]
        if end.bev.enable(mask) == 0:
            assert end.bev.get_enabled() & mask == mask or end.events()

    def _disable(self, end: Spy, _: int, n: int) -> None:
        mask = MASKS[n % 3]
        end.bev.disable(mask)
        assert not end.bev.get_enabled() & mask

    def _disable_hard(self, end: Spy, _: int, n: int) -> None:
        end.bev.disable_hard(MASKS[n % 3])

    def _timeouts(self, end: Spy, _: int, n: int) -> None:
        end.bev.set_timeouts((n % 4) * MS or None, (n // 4 % 4) * MS or None)

    def _setwatermark(self, end: Spy, _: int, n: int) -> None:
        low, high = ((0, 0), (0, 100), (64, 0), (10, 1_000))[n % 4]
        mask = MASKS[n // 4 % 3]
        end.bev.setwatermark(mask, low, high)
        for each in (EV_READ, EV_WRITE):
            if mask & each:
                assert end.bev.getwatermark(each) == (low, high)
        assert end.bev.getwatermark(RW) == -1

    def _flush(self, end: Spy, _: int, n: int) -> None:
        assert end.bev.flush(MASKS[n % 3], n // 3 % 2) in (-1, 0, 1)

    def _trigger(self, end: Spy, _: int, n: int) -> None:
        options = (0, BEV_TRIG_IGNORE_WATERMARKS, BEV_OPT_DEFER_CALLBACKS)[n // 3 % 3]
        end.bev.trigger(MASKS[n % 3], options)

    def _trigger_event(self, end: Spy, _: int, n: int) -> None:
        end.bev.trigger_event(WHATS[n % 6], BEV_OPT_DEFER_CALLBACKS * (n // 6 % 2))

    def _setcb(self, end: Spy, _: int, n: int) -> None:
        kept = n % 8
        read, write, event = end._read, end._write, end._event
        end.bev.setcb(
            read if kept & 1 else None, write if kept & 2 else None, event if kept & 4 else None
        )
        assert end.bev.getcb()[2] == (event if kept & 4 else None)

    def _single(self, end: Spy, _: int, n: int) -> None:
        end.bev.set_max_single_read(SIZES[n % 5])
        end.bev.set_max_single_write(SIZES[n // 5 % 5])

    def _rate(self, end: Spy, _: int, n: int) -> None:
        rate = (100, 1_000)[n % 2]
        cfg = token_bucket_cfg_new(rate, 2 * rate, rate, 2 * rate, (1 + n % 3) * MS)
        result = end.bev.set_rate_limit(cfg if n % 5 else None)
        if result == 0 and n % 5:
            assert end.bev.get_read_limit() <= 2 * rate

    def _decrement(self, end: Spy, _: int, n: int) -> None:
        if end.bev.get_read_limit() < 1 << 40:  # it has one
            end.bev.decrement_read_limit(n - 128)
            end.bev.decrement_write_limit(128 - n)

    def _reference(self, end: Spy, _: int, n: int) -> None:
        end.bev.incref()
        end.bev.decref()

    def _free(self, end: Spy, _: int, n: int) -> None:
        if n % 4 == 0:
            end.free()

    def _setfd(self, end: Spy, _: int, n: int) -> None:
        if n % 4 == 0 and end.bev.get_underlying() is None and end.bev.getfd() is not None:
            fd = end.bev.getfd()
            assert fd is not None
            end.bev.disable_hard(RW)
            end.bev.setfd(None)
            assert end.bev.getfd() is None
            self.rig.base.close_fd(fd)

    def _underlying(self, end: Spy, _: int, n: int) -> None:
        below = end.bev.get_underlying()
        if below is not None:
            cast(Bufferevent, below).setwatermark(EV_WRITE, 0, (0, 64, 5_000)[n % 3])

    def _dirty(self, end: Spy, _: int, n: int) -> None:
        if hasattr(end.bev, "tls_shutdown"):
            assert Tls(end).bev.set_allow_dirty_shutdown(n % 2) == 0

    def _shutdown(self, end: Spy, _: int, n: int) -> None:
        if hasattr(end.bev, "tls_shutdown"):
            assert Tls(end).bev.tls_shutdown() in (-1, 0, 1)

    def _engine(self, end: Spy, _: int, n: int) -> None:
        if hasattr(end.bev, "tls_shutdown"):
            Tls(end).bev.set_batch_write(n % 2)

    def _read(self, end: Spy, _: int, n: int) -> None:
        end.data += end.bev.read(SIZES[n % 5])


def linked(rig: Rig, link: str, options: int) -> tuple[Spy, Spy]:
    """Two ends that are joined."""
    lower = rig.inner_pair(options) if "pair" in link else rig.pair(options)
    if link in ("socket", "pair"):
        return lower
    if link.startswith("tls"):
        lower = over(rig, lower, options)
        return over(rig, lower, options) if link == "tls over tls" else lower
    return stacked(rig, lower[0], [link], options), stacked(rig, lower[1], [link], options)


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    link=st.sampled_from(LINKS),
    options=st.sampled_from((CLOSE, DEFER)),
    steps=STEPS,
    reactions=STEPS,
)
@settings(max_examples=400)
def test_whatever_is_called(
    kind: str,
    link: str,
    options: int,
    steps: list[tuple[str, int, int]],
    reactions: list[tuple[str, int, int]],
) -> None:
    def body(rig: Rig) -> None:
        soup = Soup(rig, linked(rig, link, options), list(reactions))
        for end in soup.ends:
            end.bev.enable(RW)
            end.on_write = end.on_event = soup.react
            end.on_read = soup.take
        rig.settle()
        for step in steps:
            soup.act(*step)
        rig.settle(50 * MS)
        for which, end in enumerate(soup.ends):
            wanted = content(1 - which, 0, soup.written[1 - which])
            assert wanted.startswith(bytes(end.data))

    play(kind, body)


@given(
    kind=st.sampled_from(("epoll", "iocp")),
    flags=st.sampled_from((LEV_OPT_CLOSE_ON_FREE, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED)),
    steps=st.lists(st.integers(0, 9), max_size=14),
    inside=st.lists(st.integers(0, 9), max_size=6),
)
@example(kind="iocp", flags=LEV_OPT_CLOSE_ON_FREE, steps=[5, 5, 8, 0], inside=[1, 4])
@settings(max_examples=200)
def test_a_listener_hands_over_each_connection_once(
    kind: str, flags: int, steps: list[int], inside: list[int]
) -> None:
    """Enabled, disabled, without its callback for a while, freed: at any moment, in any order."""

    def body(rig: Rig) -> None:
        accepted: list[int] = []
        enabled = not flags & LEV_OPT_DISABLED
        freed = False
        todo = list(inside)

        def accept(listener: Listener, fd: int, port: int) -> None:
            assert enabled and not freed
            assert port > 0
            accepted.append(fd)
            rig.base.close_fd(fd)
            if todo:
                act(todo.pop(0) % 5)

        listener = rig.base.listener_new(accept, 0, 16, flags)
        assert not isinstance(listener, (Errno, Win32Error))
        rig.listeners.append(listener)
        refused = rig.base.listener_new(accept, listener.port, 16, flags)
        assert not hasattr(refused, "free"), "the port is taken"
        clients = 0

        def act(step: int) -> None:
            nonlocal enabled, freed, clients
            if step == 0:
                enabled = not freed
                wanted = -1 if freed else 0  # now: who is handed what was kept may free it
                assert listener.enable() == wanted
            elif step == 1:
                assert listener.disable() == 0
                enabled = False
            elif step == 2:
                listener.set_cb(None)
            elif step == 3:
                listener.set_cb(None if freed else accept)
            elif step == 4:
                enabled, freed = False, True
                listener.free()
            elif step < 8:
                client = rig.new()
                if client.bev.socket_connect(listener.port) == 0:
                    clients += 1
            else:
                rig.settle((step - 7) * MS)

        for step in steps:
            act(step)
        rig.settle(5 * MS)
        assert len(accepted) <= clients
        if not freed:
            todo.clear()
            enabled = True
            listener.set_cb(accept)
            assert listener.enable() == 0

    play(kind, body)
