"""Every case of harness/cases/epoll*.jsonl on the running Linux, and what a case leaves behind."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
from typing import Any

import pytest

from harness.conform.cases import Case, differences, own_cases
from harness.conform.vocabulary import operations
from model.errors import UsageError

if sys.platform == "linux":
    from real import epoll_cases
    from real.epoll_cases import BLOCKED, play
else:
    pytest.skip("epoll is Linux's", allow_module_level=True)
assert sys.platform == "linux"  # for mypy

CASES = own_cases("epoll")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case) -> None:
    assert not differences(play(case.steps), case.expected(None))


def test_the_whole_vocabulary() -> None:
    assert set(epoll_cases.OPERATIONS) == set(operations("epoll"))


def left_behind() -> tuple[Any, ...]:
    """Descriptors, threads, the limit and the handler of the signal."""
    return (
        sorted(os.listdir("/proc/self/fd")),
        threading.active_count(),
        resource.getrlimit(resource.RLIMIT_NOFILE),
        signal.getsignal(signal.SIGUSR2),
    )


def test_a_case_that_fails_leaves_nothing() -> None:
    before = left_behind()
    steps: list[list[Any]] = [
        ["tcp_pair", "a", "b"],
        ["pipe", "r", "w"],
        ["epoll_create", "e"],
        ["ctl_add", "e", "a", "IN"],
        ["start_wait", "T", "e", -1],
        ["start_wait", "U", "e", -1, 16, "poll"],
        ["fd_limit_here"],
        ["join", "V"],
    ]
    with pytest.raises(UsageError, match="step 7, join: there is no thread 'V'"):
        play(steps)
    assert left_behind() == before


def test_nothing_waits_for_ever() -> None:
    steps: list[list[Any]] = [
        ["epoll_create", "e"],
        ["wait", "e", -1],
        ["start_wait", "T", "e", -1],
        ["join", "T"],
    ]
    assert play(steps) == ["ok", BLOCKED, "ok", BLOCKED]


def test_settle_is_soon_over() -> None:
    """And bounded, where a peer that does not read keeps bytes on their way."""
    small = {"sndbuf": 16_384, "rcvbuf": 16_384}
    began = time.monotonic()
    play([["tcp_pair_opt", "a", "b", small], ["fill", "a"], *[["settle"]] * 10])
    assert time.monotonic() - began < 5


def test_cases_work_on_any_thread() -> None:
    """Signals too, for which Python's own handlers would need the main thread."""
    steps: list[list[Any]] = [
        ["epoll_create", "e"],
        ["start_wait", "T", "e", -1],
        ["signal", "T"],
        ["join", "T"],
    ]
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.extend(play(steps)))
    thread.start()
    thread.join(10)
    assert results == ["ok", "ok", "ok", "EINTR"]
