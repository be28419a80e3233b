"""The wrappers of stacks and pairs: they change nothing, and tell what moves between levels."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.bases import new_base
from model.bufferevent import SUSPEND_FILT_READ
from model.choices import Choices
from model.content import content
from model.filters import FILTERS
from model.subject import BEV_FINISHED, EV_WRITE
from model.trace import Record, Trace, decode_record, encode_trace
from model.traced import TracedBase
from sim.world import SimWorld
from tests.model.rig import RW
from tests.model.stacks import CLOSE, DEFER, KINDS


def played(
    kinds: list[str], sizes: list[int], options: int, traced: bool
) -> tuple[list[Any], list[Record]]:
    """A pair with a stack at each end: what both applications saw, and the records."""
    world = SimWorld("epoll", Choices(()))
    trace = Trace(world.now_ns)
    seen: list[Any] = []

    def main() -> None:
        base: Any = new_base(world)
        names: dict[str, Any] = {}
        if traced:
            base = TracedBase(base, trace)
            names = {"names": ("c0/0", "s0/0")}
        ends = []
        for side, bev in zip("cs", base.bufferevent_pair_new(options, **names), strict=True):
            top = bev
            for level, kind in enumerate(kinds, 1):
                name = {"name": f"{side}0/{level}"} if traced else {}
                top = base.bufferevent_filter_new(top, FILTERS[kind](), options, **name)
            ends.append(top)
        for side, top in zip("cs", ends, strict=True):

            def read(bev: Any, side: str = side) -> None:
                seen.append((side, "read", bev.read(1 << 30)))

            def wrote(bev: Any, side: str = side) -> None:
                seen.append((side, "write", bev.output_length()))

            def event(bev: Any, what: int, side: str = side) -> None:
                seen.append((side, "event", what))

            top.setcb(read, wrote, event)
            top.enable(RW)
        for number, size in enumerate(sizes):
            ends[number % 2].write(content(number % 2, 0, size))
            base.loop()
        ends[0].flush(EV_WRITE, BEV_FINISHED)
        base.loop()
        for top in ends:
            top.free()
        base.loop()
        assert base.free() == 0

    world.run(main)
    return seen, trace.records


@settings(max_examples=40)
@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
    options=st.sampled_from((CLOSE, DEFER)),
)
def test_the_wrappers_change_nothing(kinds: list[str], sizes: list[int], options: int) -> None:
    with_trace, records = played(kinds, sizes, options, traced=True)
    assert with_trace == played(kinds, sizes, options, traced=False)[0]
    lines = encode_trace(records)
    assert encode_trace([decode_record(json.loads(line)) for line in lines]) == lines


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    sizes=st.lists(st.integers(1, 5_000), min_size=1, max_size=4),
)
def test_the_records_add_up(kinds: list[str], sizes: list[int]) -> None:
    """At every level what came and what left by `buffer`, `write` and `read` records is what the
    callbacks' lengths say."""
    _, records = played(kinds, sizes, CLOSE, traced=True)
    length: dict[tuple[str, str], int] = {}

    def change(name: str, which: str, size: int) -> None:
        length[name, which] = length.get((name, which), 0) + size

    for record in records:
        kind, name = record[1:3]
        if kind == "buffer":
            change(name, record[3], record[4] - record[5])
        elif kind == "write":
            change(name, "output", len(record[3]))
        elif kind == "read":
            change(name, "input", -len(record[4]))
        elif kind == "cb":
            told = length.get((name, "input"), 0), length.get((name, "output"), 0)
            assert told == record[6:8], record


def test_suspension_is_told_by_level() -> None:
    _, records = played(["copy", "copy"], [10], CLOSE, traced=True)
    told = [record[2:] for record in records if record[1] == "suspend"]
    assert told[:4] == [
        ("c0/0", "read", SUSPEND_FILT_READ),
        ("c0/1", "read", SUSPEND_FILT_READ),
        ("s0/0", "read", SUSPEND_FILT_READ),
        ("s0/1", "read", SUSPEND_FILT_READ),
    ]
    assert ("c0/0", "read", 0) in told
