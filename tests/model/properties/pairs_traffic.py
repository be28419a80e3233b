"""Traces that keep and that break the promises about bytes and callbacks (see `pairs`)."""

from __future__ import annotations

from model.kernel import EPOLLIN
from model.subject import EV_READ, EV_WRITE
from tests.model.properties.traces import FD, LISTENER_FD, Builder, Tape


def served(size: int = 64) -> Tape:
    """A connection over which the peer sent something that has arrived."""
    return Tape().accepted().peer_sends(size).wait((FD, EPOLLIN)).arrive(size)


def b1_good() -> Tape:
    return served().read_callback()


def b1_wrong_content() -> Tape:
    return served().callback("read").read(64, b"?" * 64).end("read")


def b1_wrong_length() -> Tape:
    tape = served()
    tape.input -= 1
    return tape.callback("read").end("read")


def b1_foreign() -> Tape:
    return Tape().accepted().peer_sends(64).wait().arrive(64, b"?" * 64).callback("read")


def b2_good() -> Tape:
    return Tape().accepted().write(64).wait().leave(64).write_callback().peer_receives(64)


def b2_wrong_content() -> Tape:
    tape = Tape().accepted().write(64).wait().leave(64).write_callback()
    return tape.peer("recv", 64, b"?" * 64)


def b2_wrong_length() -> Tape:
    tape = Tape().accepted().write(64).wait().leave(32)
    tape.output = 0
    return tape.write_callback()


def b2_all() -> Tape:
    return b2_good().peer("recv", 64, b"")


def b2_not_all() -> Tape:
    tape = Tape().accepted().write(64).wait().leave(64).write_callback()
    return tape.peer_receives(32).peer("recv", 64, b"")


def b3_good() -> Tape:
    """Refused while there is a descriptor, accepted once setfd has taken it away."""
    tape = Tape().accepted().write(64).add("drain", "s0", -1).op("disable_hard", 6)
    return tape.add("close", FD, None).op("setfd", None).add("drain", "s0", 0)


def b3_taken_from_the_library() -> Tape:
    return Tape().accepted().write(64).add("drain", "s0", 0)


def b3_frozen_for_ever() -> Tape:
    return Tape().accepted().add("close", FD, None).op("setfd", None).add("drain", "s0", -1)


def c1_good() -> Tape:
    return Tape().accepted().disable(EV_READ).enable(EV_READ).wait().arrive(64).read_callback()


def c1_bad() -> Tape:
    return Tape().accepted().disable(EV_READ).wait().arrive(64).read_callback()


def c1_async_in_flight() -> Tape:
    tape = Tape(completion=True).accepted().disable(EV_READ)
    return tape.wait().arrive(64).read_callback()


def c1_async_bad() -> Tape:
    tape = Tape(completion=True).accepted(0).disable(EV_READ).ask()
    return tape.wait().arrive(64).read_callback()


def listener() -> Tape:
    tape = Tape(name="l0").add("new", "l0", "listener", 0, None).wait()
    return tape.add("accept", LISTENER_FD, 9, 40_001)


def c1_accept_good() -> Tape:
    return listener().add("op", "l0", "disable", ()).callback("accept", 9)


def c1_accept_bad() -> Tape:
    tape = listener().callback("accept", 9).add("op", "l0", "disable", ())
    return tape.end("accept").add("accept", LISTENER_FD, 10, 40_002).callback("accept", 10)


def c2_read_bad() -> Tape:
    return b1_good().wait().read_callback()


def c2_triggered() -> Tape:
    return b1_good().op("trigger", EV_READ, 0).read_callback()


def c2_write_good() -> Tape:
    return Tape().accepted().wait().write_callback()


def c2_write_bad() -> Tape:
    return c2_write_good().wait().write_callback()


def c2_nested() -> Tape:
    return served().callback("read").callback("event", 0x80)


def c2_nested_trigger() -> Tape:
    return served().callback("read").op("trigger", EV_WRITE, 0).write_callback()


def c2_inside_connect() -> Tape:
    tape = Tape(name="c0").add("new", "c0", "socket", 1, None).op("connect", 40_000)
    return tape.add("socket", FD).add("connect", FD, 40_000, None).callback("write")


def c4_good() -> Tape:
    return b1_good().op("free").add("teardown")


def c4_bad() -> Tape:
    return b1_good().op("free").callback("event", 0x11)


def c4_teardown() -> Tape:
    return b1_good().add("teardown").op("free").callback("read")


PAIRS: dict[str, tuple[tuple[Builder, ...], tuple[Builder, ...]]] = {
    "B-1": ((b1_good,), (b1_wrong_content, b1_wrong_length, b1_foreign)),
    "B-2": ((b2_good, b2_all), (b2_wrong_content, b2_wrong_length, b2_not_all)),
    "B-3": ((b3_good,), (b3_taken_from_the_library, b3_frozen_for_ever)),
    "C-1": (
        (c1_good, c1_async_in_flight, c1_accept_good),
        (c1_bad, c1_async_bad, c1_accept_bad),
    ),
    "C-2": (
        (b1_good, c2_triggered, c2_write_good, c2_nested_trigger),
        (c2_read_bad, c2_write_bad, c2_nested, c2_inside_connect),
    ),
    "C-4": ((c4_good,), (c4_bad, c4_teardown)),
}
