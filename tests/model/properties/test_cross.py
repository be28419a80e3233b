"""Several runs of one scenario: what must agree, and what may differ."""

from __future__ import annotations

import pytest

from model.content import content
from model.errors import Errno, Win32Error
from model.properties import compare_runs
from model.subject import EV_READ, EV_WRITE
from model.trace import Record
from tests.model.properties.pairs import PAIRS, Builder
from tests.model.properties.traces import Tape


def _echoed(completion: bool = False, sizes: tuple[int, ...] = (64,), eof: bool = True) -> Tape:
    tape = Tape(completion=completion).accepted().peer_sends(sum(sizes))
    for size in sizes:
        tape.wait().arrive(size).read_callback()
    return tape.eof().event(0x11) if eof else tape


def _found(first: Tape, second: Tape, worlds: tuple[str, str]) -> list[str]:
    runs = [(worlds[0], first.records), (worlds[1], second.records)]
    return [violation.property for violation in compare_runs(runs).violations]


KINDS = ("sim-epoll", "sim-iocp")
SAME = ("sim-epoll", "epoll")


def test_segments_do_not_matter() -> None:
    assert _found(_echoed(), _echoed(True, (1, 62, 1)), KINDS) == []


def test_bytes_do() -> None:
    assert _found(_echoed(), _echoed(True, (63,)), KINDS) == ["X-1"]


def test_content_does() -> None:
    other = Tape().accepted().wait().arrive(64).callback("read")
    other.read(64, content(9, 0, 64)).end("read").eof().event(0x11)
    assert _found(_echoed(), other, SAME) == ["X-1"]


def test_the_enabled_mask_after_eof_differs_between_kinds() -> None:
    other = _echoed()
    assert _found(_echoed(), other, SAME) == []
    wrong = _echoed(eof=False)
    wrong.eof()
    wrong.enabled = EV_READ | EV_WRITE
    assert _found(_echoed(), wrong.event(0x11), SAME) == ["X-1"]


def test_a_missing_event() -> None:
    verdicts = compare_runs(
        {"sim-epoll": _echoed().records, "sim-iocp": _echoed(True, eof=False).records}
    )
    (violation,) = verdicts.violations
    assert violation.property == "X-1"
    assert violation.message == (
        "s0 was told READING|EOF with WRITE enabled in sim-epoll, but nothing more in sim-iocp"
    )
    assert verdicts.checked["X-1"] == 2  # both ends


def test_eof_is_not_an_error() -> None:
    other = _echoed(True, eof=False)
    other.event(0x21, Win32Error.WSAETIMEDOUT)
    assert _found(_echoed(), other, KINDS) == ["X-1"]


def test_after_a_reset_either_failure_may_come_first() -> None:
    first = _echoed(eof=False).recv_fails(Errno.ECONNRESET).event(0x21, Errno.ECONNRESET)
    second = _echoed(sizes=(10,), eof=False).add("send", 5, 1, Errno.EPIPE)
    second.event(0x22, Errno.EPIPE).event(0x11)
    assert _found(first, second, SAME) == []


def test_an_idle_write_timeout_ends_the_comparison() -> None:
    other = Tape(completion=True).accepted().wait().event(0x42)
    assert _found(Tape().accepted(), other, KINDS) == []


def test_what_a_dead_bufferevent_writes_may_be_lost_over_completion() -> None:
    def late(completion: bool, sent: bool) -> Tape:
        tape = _echoed(completion).write(8)
        return tape.leave(8).write_callback().peer_receives(8) if sent else tape

    assert _found(late(False, True), late(True, False), KINDS) == []
    assert _found(late(False, True), late(False, False), SAME) == ["X-1"]


def _half_closed() -> Tape:
    return Tape().accepted().peer("shutdown").wait().eof().event(0x11).write(8)


@pytest.mark.parametrize("build", [good for pair in PAIRS.values() for good in pair[0]])
def test_a_run_is_like_itself(build: Builder) -> None:
    assert "X-1" not in _found(build(), build(), SAME)


def _x2(records: list[Record]) -> tuple[list[str], int]:
    verdicts = compare_runs([("sim-epoll", records)])
    return [each.property for each in verdicts.violations], verdicts.checked["X-2"]


def test_half_close_lets_writes_through() -> None:
    good = _half_closed().wait().leave(8).write_callback().peer_receives(8)
    assert _x2(good.records) == ([], 1)


def test_half_close_that_stops_writing() -> None:
    assert _x2(_half_closed().wait().records) == (["X-2"], 1)
    failed = _half_closed().add("send", 5, 8, Errno.EPIPE).event(0x22, Errno.EPIPE)
    assert _x2(failed.records) == (["X-2"], 1)


def test_half_close_says_nothing_where_the_peer_closed_or_nobody_wrote() -> None:
    assert _x2(_half_closed().peer("close").records) == ([], 0)
    assert _x2(Tape().accepted().peer("shutdown").wait().eof().event(0x11).records) == ([], 0)
    stopped = _half_closed().disable(EV_WRITE)
    assert _x2(stopped.records) == ([], 1)


def _limited(completion: bool, sizes: tuple[int, ...], *before: tuple[int, ...]) -> Tape:
    """Bytes that came at once, 100 a tick being allowed; `before` are calls about rates."""
    tape = Tape(completion=completion).accepted(EV_WRITE)
    tape.op("set_rate_limit", 100, 100, 100, 100, 1_000_000)
    for args in before:
        tape.op("set_rate_limit", *args)
    tape.enable(EV_READ).wait()
    for size in sizes:
        tape.arrive(size).read_callback()
    return tape


def _taken(tape: Tape, *times_and_sizes: tuple[int, int]) -> Tape:
    for time, size in times_and_sizes:
        tape.at(time).wait().arrive(size).read_callback()
    return tape


def test_a_rate_limit_binds_in_both_or_in_neither() -> None:
    kept = _taken(_limited(False, (100,)), (1, 100), (2, 100))
    assert _found(kept, _taken(_limited(True, (100, 100)), (9, 100)), KINDS) == []
    assert _found(kept, _limited(True, (100, 100, 100)), KINDS) == ["X-3"]
    assert _found(_limited(False, (300,)), _limited(True, (100, 100, 100)), KINDS) == []


def test_a_rate_limit_that_changed_is_not_compared() -> None:
    kept = _taken(_limited(False, (100,)), (9, 200))
    other = _limited(True, (300,), (900, 900, 900, 900, 1_000_000))
    assert _found(kept, other, KINDS) == []
    verdicts = compare_runs({"sim-epoll": kept.records, "sim-iocp": other.records})
    assert verdicts.checked["X-3"] == 0
