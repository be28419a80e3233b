"""The traced wrappers: they change nothing, and write records of the declared shape."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.bases import new_base
from model.choices import Choices
from model.content import content
from model.errors import Errno, Win32Error
from model.subject import (
    BEV_OPT_CLOSE_ON_FREE,
    BEV_OPT_DEFER_CALLBACKS,
    EV_READ,
    Bufferevent,
    Listener,
)
from model.trace import FIELDS, BudgetExceeded, Record, Trace, decode_record, encode_trace
from model.traced import (
    TracedBase,
    TracedBufferevent,
    TracedCompletion,
    TracedReadiness,
)
from model.traced_listener import TracedListener
from model.world import World
from sim.world import SimWorld
from tests.model.rig import KINDS, MS

SIZES = [1, 700, 40_000]


class TracedWorld:
    """A world whose kernel is traced: what `new_base` needs of one."""

    def __init__(self, world: World, trace: Trace) -> None:
        self.readiness = (
            None if world.readiness is None else TracedReadiness(world.readiness, trace)
        )
        self.completion = (
            None if world.completion is None else TracedCompletion(world.completion, trace)
        )
        self.now_ns = world.now_ns


def sim_world(kind: str, tape: list[int]) -> SimWorld:
    return SimWorld("epoll" if kind == "epoll" else "iocp", Choices(tape))


def echo(base: Any, options: int, names: bool) -> list[tuple[Any, ...]]:
    """Two clients write, the server echoes, each reads all and closes: what was called back."""
    seen: list[tuple[Any, ...]] = []

    def named(name: str) -> dict[str, str]:
        return {"name": name} if names else {}

    def watched(bev: Bufferevent, name: str, reading: Any) -> None:
        def read(_: Bufferevent) -> None:
            seen.append((name, "read", bev.input_length()))
            reading(bev)

        bev.setcb(
            read,
            lambda _: seen.append((name, "write", bev.output_length())),
            lambda _, what: seen.append((name, "event", what, bev.socket_error())),
        )

    made: list[Bufferevent] = []

    def accepted(_: Listener, fd: int, __: int) -> None:
        name = f"s{len(made)}"
        server = base.bufferevent_socket_new(fd, options, **named(name))
        made.append(server)
        watched(server, name, lambda bev: bev.write_input())
        server.enable(EV_READ)

    listener = base.listener_new(accepted, 0, 8, **named("l0"))
    assert not isinstance(listener, (Errno, Win32Error))
    clients = []
    for index in range(2):
        name = f"c{index}"
        client = base.bufferevent_socket_new(None, options, **named(name))
        clients.append(client)
        watched(client, name, lambda bev: seen.append(("took", bev.read(1 << 20))))
        client.enable(EV_READ)
        for size in SIZES:
            client.write(content(2 * index, 0, size))
        assert client.socket_connect(listener.port) == 0
    base.once(500 * MS, base.loopbreak)
    base.loop()
    for bev in [*clients, *made]:
        bev.free()
    listener.free()
    base.loop()
    assert base.free() == 0
    return seen


def run_traced(kind: str, tape: list[int], options: int) -> tuple[list[tuple[Any, ...]], Trace]:
    world = sim_world(kind, tape)
    trace = Trace(world.now_ns)
    seen: list[tuple[Any, ...]] = []

    def main() -> None:
        base = TracedBase(new_base(TracedWorld(world, trace)), trace)
        seen.extend(echo(base, options, names=True))

    world.run(main)
    return seen, trace


def run_bare(kind: str, tape: list[int], options: int) -> list[tuple[Any, ...]]:
    world = sim_world(kind, tape)
    seen: list[tuple[Any, ...]] = []
    world.run(lambda: seen.extend(echo(new_base(world), options, names=False)))
    return seen


OPTIONS = st.sampled_from((BEV_OPT_CLOSE_ON_FREE, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS))


@settings(max_examples=25)
@given(st.sampled_from(KINDS), st.lists(st.integers(0, 6), max_size=20), OPTIONS)
def test_tracing_changes_nothing(kind: str, tape: list[int], options: int) -> None:
    """Traced or not: the same callbacks; and the records have their kinds' shapes and survive."""
    seen, trace = run_traced(kind, tape, options)
    assert seen == run_bare(kind, tape, options)
    assert all(len(record) == 2 + len(FIELDS[record[1]]) for record in trace.records)
    times = [record[0] for record in trace.records]
    assert times == sorted(times)
    lines = encode_trace(trace.records)
    again = [decode_record(json.loads(line)) for line in lines]
    assert encode_trace(again) == lines
    assert again == [tuple(record) for record in trace.records]


def of(records: list[Record], kind: str) -> list[Record]:
    return [record for record in records if record[1] == kind]


@pytest.mark.parametrize("kind", KINDS)
def test_the_trace_tells_the_whole_story(kind: str) -> None:
    """Callbacks pair up and nest right; bytes given, sent, received and read agree."""
    seen, trace = run_traced(kind, [], BEV_OPT_CLOSE_ON_FREE)
    records = trace.records
    begun = Counter((record[2], record[3]) for record in of(records, "cb"))
    ended = Counter((record[2], record[3]) for record in of(records, "cb_end"))
    assert begun == ended
    assert sum(count for (_, which), count in begun.items() if which != "accept") == sum(
        entry[0] != "took" for entry in seen
    )
    given_bytes = b"".join(content(0, 0, size) for size in SIZES)
    written = b"".join(record[3] for record in of(records, "write") if record[2] == "c0")
    assert written == given_bytes
    total = 2 * len(given_bytes)
    assert sum(record[3] for record in of(records, "echo")) == total
    assert sum(len(record[4]) for record in of(records, "read")) == total
    if kind == "epoll":
        sent = [record[4] for record in of(records, "send")]
        received = [record[4] for record in of(records, "recv")]
    else:
        completed = of(records, "completion")
        sent = [record[6] for record in completed if record[4] == "send"]
        received = [record[6] for record in completed if record[4] == "recv"]
    for moved in (sent, received):
        assert sum(len(data) for data in moved if isinstance(data, bytes)) == 2 * total
    assert of(records, "new")[0][2] == "l0"
    assert records[-1][1:] == ("base_free", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_free_inside_a_callback_hides_the_lengths(kind: str) -> None:
    world = sim_world(kind, [])
    trace = Trace(world.now_ns)

    def main() -> None:
        base = TracedBase(new_base(TracedWorld(world, trace)), trace)
        bev = base.bufferevent_socket_new(None, BEV_OPT_DEFER_CALLBACKS, name="c0")
        assert isinstance(bev, TracedBufferevent)
        bev.setcb(lambda given: given.free(), None, None)
        bev.trigger(EV_READ, 0)
        base.loop()
        base.free()

    world.run(main)
    assert [record[2:] for record in of(trace.records, "cb_end")] == [("c0", "read", None, None)]
    assert [record[3] for record in of(trace.records, "op")] == ["setcb", "trigger", "free"]


@pytest.mark.parametrize("kind", KINDS)
def test_results_that_are_not_zero_are_written(kind: str) -> None:
    world = sim_world(kind, [])
    trace = Trace(world.now_ns)

    def main() -> None:
        base = TracedBase(new_base(TracedWorld(world, trace)), trace)
        bev = base.bufferevent_socket_new(None, BEV_OPT_CLOSE_ON_FREE, name="c0")
        assert bev.enable(EV_READ) == (0 if kind == "epoll" else -1)
        assert bev.socket_connect(world.raw_unused_port()) == 0
        bev.free()
        base.loop()
        base.free()

    world.run(main)
    ret = [record[2:] for record in of(trace.records, "ret")]
    refused = [("c0", "enable", -1)] if kind == "iocp" else []
    assert ret == [*refused, ("c0", "connect", 0)]
    assert len(of(trace.records, "attach")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_end_is_cut(kind: str) -> None:
    """The budget stops a loop in which nothing but the loop happens, and one of callbacks."""
    world = sim_world(kind, [])
    trace = Trace(world.now_ns, budget=500)
    again: list[int] = []

    def main() -> None:
        base = TracedBase(new_base(TracedWorld(world, trace)), trace)

        def rearm() -> None:
            again.append(1)
            base.once(1, rearm)

        base.once(1, rearm)
        with pytest.raises(BudgetExceeded):
            base.loop()

    world.run(main)
    assert of(trace.records, "budget")
    assert len(trace.records) < 510
    assert again


def test_a_listener_that_cannot_be_made() -> None:
    """The kernel's error comes through, and a failed listener leaves no half object."""
    world = sim_world("epoll", [])
    trace = Trace(world.now_ns)

    def main() -> None:
        base = TracedBase(new_base(TracedWorld(world, trace)), trace)
        first = base.listener_new(None, 0, 8, name="l0")
        assert isinstance(first, TracedListener)
        second = base.listener_new(None, first.port, 8, name="l1")
        assert second is Errno.EADDRINUSE
        first.disable()
        first.enable()
        first.free()
        base.loop()
        base.free()

    world.run(main)
    ops = [record[2:4] for record in of(trace.records, "op")]
    assert ops == [("l0", "disable"), ("l0", "enable"), ("l0", "free")]
