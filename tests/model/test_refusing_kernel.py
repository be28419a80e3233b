"""Kernel calls that fail, any of them at any time: nobody is told twice, nothing stays alive."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.choices import Decision, StrictChoices
from model.content import content, decode_content
from model.errors import Divergence, Errno, Win32Error
from model.rate_limit import INT_MAX, MS, SSIZE_MAX, token_bucket_cfg_new
from model.rate_limit_group import RateLimitGroup
from model.subject import BEV_OPT_UNLOCK_CALLBACKS, LEV_OPT_CLOSE_ON_FREE, Listener
from tests.model.fake_poller import FakePoller
from tests.model.rig import RW, Rig, Spy, play

FAILURES: dict[str, tuple[tuple[str, Any], ...]] = {
    "epoll": (
        ("socket", Errno.EMFILE),
        ("listen", Errno.EADDRINUSE),
        ("connect", Errno.ECONNREFUSED),
        ("connect", Errno.ENETUNREACH),
        ("accept", Errno.EMFILE),
        ("accept", Errno.EAGAIN),
        ("recv", Errno.ECONNRESET),
        ("recv", Errno.EINTR),
        ("send", Errno.EPIPE),
        ("send", Errno.ENOBUFS),
        ("so_error", Errno.EINPROGRESS),
        ("so_error", Errno.ETIMEDOUT),
    ),
    "iocp": (
        ("socket", Win32Error.WSAEMFILE),
        ("bind", Win32Error.WSAEADDRINUSE),
        ("listen", Win32Error.WSAEADDRINUSE),
        ("associate", Win32Error.WSAENOBUFS),
        ("connect_ex", Win32Error.WSAEADDRNOTAVAIL),
        ("accept_ex", Win32Error.WSAENOBUFS),
        ("wsa_recv", Win32Error.WSAENOBUFS),
        ("wsa_send", Win32Error.WSAECONNRESET),
        ("update_connect_context", Win32Error.WSAENOTCONN),
        ("update_accept_context", Win32Error.WSAENOTCONN),
    ),
}
_PLANS = st.sampled_from(sorted(FAILURES)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(st.tuples(st.sampled_from(FAILURES[kind]), st.integers(1, 9)), max_size=3),
    )
)


def _refusing(call: Callable[..., Any], outcome: Any, times: range) -> Callable[..., Any]:
    """A call that fails for some of its times."""
    count = itertools.count(1)

    def refusing(*args: Any) -> Any:
        return outcome if next(count) in times else call(*args)

    return refusing


def _refuse(kernel: Any, plan: list[tuple[tuple[str, Any], int]], patches: ExitStack) -> None:
    kind = type(kernel)
    for (name, outcome), first in plan:
        call = _refusing(getattr(kind, name), outcome, range(first, first + 1 + first % 3))
        patches.enter_context(patch.object(kind, name, call))


@given(
    _PLANS,
    st.lists(st.integers(0, 6), max_size=8),
    st.booleans(),
    st.booleans(),
    st.sampled_from((0, LEV_OPT_CLOSE_ON_FREE)),
)
@settings(max_examples=600)
def test_a_refused_call_ends_what_it_was_for(
    plan: tuple[str, list[tuple[tuple[str, Any], int]]],
    steps: list[int],
    hears: bool,
    frees: bool,
    flags: int,
) -> None:
    """Each client that connected is told CONNECTED once at most, ERROR once at most, and gets a
    beginning of what it was sent; an accept error is told to who asked for it."""
    kind, failures = plan
    told: list[object] = []

    def body(rig: Rig) -> None:
        kernel: Any = cast("Any", rig.base.poller).kernel
        with ExitStack() as patches:
            _refuse(kernel, failures, patches)
            _talk(rig, kernel, steps, hears, frees, flags, told)

    play(kind, body)
    refused = {outcome for (_, outcome), _ in failures}
    assert set(told) <= refused | {Errno.ECONNREFUSED}


def _talk(
    rig: Rig,
    kernel: Any,
    steps: list[int],
    hears: bool,
    frees: bool,
    flags: int,
    told: list[object],
) -> None:
    servers: list[Spy] = []

    def accept(_: Listener, fd: int, __: int) -> None:
        servers.append(rig.new(fd))
        servers[-1].bev.enable(RW)
        servers[-1].bev.write(content(1, 0, 3_000))

    listener: Any = rig.base.listener_new(accept, 0, 16, flags)
    if isinstance(listener, (Errno, Win32Error)):
        told.append(listener)
        return
    fd = listener.fd
    listener.set_error_cb((lambda _, error: told.append(error)) if hears else None)
    clients: list[Spy] = []
    for step in steps:
        if step == 0:
            listener.disable()
        elif step == 1:
            listener.enable()
        elif step == 2:
            rig.settle(30 * MS)
        else:
            client = rig.new()
            if step == 5:  # on a socket that was made beforehand
                made = kernel.socket()
                if isinstance(made, int):
                    client.bev.setfd(made)
            client.bev.set_timeouts(20 * MS, 20 * MS if step == 3 else None)
            client.bev.enable(RW)
            port = rig.world.raw_unused_port() if step == 6 else listener.port
            if client.bev.socket_connect(port) == 0:
                clients.append(client)
                client.bev.write(content(0, 0, 1_000))
            else:
                told.append(client.bev.socket_error())
    rig.settle(300 * MS)
    rig.listeners.append(listener)
    if frees:
        listener.free()
        if not flags:
            rig.base.close_fd(fd)
        rig.settle()
    for client in clients:
        events = client.events()
        assert events.count("CONNECTED") <= 1
        assert events.count("ERROR") <= 1
        assert not ("ERROR" in events and "CONNECTED" in events)
        assert content(1, 0, 3_000).startswith(bytes(client.data))
    for server in servers:
        assert content(0, 0, 1_000).startswith(bytes(server.data))


# Refusals of our own.

_NUMBERS = st.one_of(st.integers(-2, 5), st.sampled_from((SSIZE_MAX, SSIZE_MAX + 1)))


@given(_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from((-1, 0, 1, INT_MAX, INT_MAX + 1)))
def test_which_limits_there_are(
    read_rate: int, read_burst: int, write_rate: int, write_burst: int, tick_ms: int
) -> None:
    cfg = token_bucket_cfg_new(read_rate, read_burst, write_rate, write_burst, tick_ms * MS)
    fine = (
        1 <= read_rate <= read_burst <= SSIZE_MAX
        and 1 <= write_rate <= write_burst <= SSIZE_MAX
        and 1 <= tick_ms <= INT_MAX
    )
    assert (cfg is not None) is fine


@given(_NUMBERS.filter(lambda share: share >= 0))
def test_which_shares_there_are(share: int) -> None:
    cfg = token_bucket_cfg_new(100, 100, 100, 100)
    assert cfg is not None
    group = RateLimitGroup(FakePoller().base, cfg)
    before = group.min_share
    assert group.set_min_share(share) == (-1 if share > SSIZE_MAX else 0)
    assert group.min_share == (before if share > SSIZE_MAX else max(1, min(share, 100)))


@given(st.integers(-300, 300))
def test_which_numbers_of_priorities_there_are(count: int) -> None:
    base = FakePoller().base
    before = base.npriorities
    fine = 1 <= count <= 255
    assert base.priority_init(count) == (0 if fine else -1)
    assert base.npriorities == (count if fine else before)


@given(st.integers(0, 15))
def test_which_options_there_are(options: int) -> None:
    poller = FakePoller()
    if options & BEV_OPT_UNLOCK_CALLBACKS and not options & 4:
        with pytest.raises(ValueError, match="needs DEFER_CALLBACKS"):
            poller.bufferevent(None, options)
    else:
        assert poller.bufferevent(None, options).options == options


@given(st.sampled_from(("zeros:", "1@", "0@0+")), st.integers(-(10**9), 10**9))
def test_which_contents_there_are(kind: str, number: int) -> None:
    try:
        data = decode_content(f"{kind}{number}")
    except ValueError:
        return
    assert len(data) == (number if kind == "zeros:" else 1)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(2, 4)), max_size=5),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(2, 4)), max_size=5),
)
def test_a_replay_goes_the_same_way_or_says_where_not(
    recorded: list[tuple[str, int]], asked: list[tuple[str, int]]
) -> None:
    choices = StrictChoices([Decision(name, bound, 1) for name, bound in recorded])
    try:  # whichever it is, the other branch says what it means
        for name, bound in asked:
            choices.draw(name, bound)
        choices.finish()
    except Divergence:
        assert recorded != asked[: len(recorded)]
    else:
        assert recorded == asked[: len(recorded)]
