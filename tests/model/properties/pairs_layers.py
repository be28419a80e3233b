"""Traces that keep and that break the promises about stacks and pairs (see `pairs`).

Levels are short here: c0 is a filter on c0/0, or c0 and s0 are the ends of a pair.
"""

from __future__ import annotations

from model.content import content
from model.subject import EV_READ
from tests.model.properties.traces import RW, Builder, Tape


class Stack(Tape):
    """A filter `c0` on `c0/0`, an end of a pair: no kernel is in the way."""

    def __init__(self, read_high: int = 0, write_high: int = 0, mask: int = RW) -> None:
        super().__init__(name="c0")
        self.add("new", "c0/0", "pair", 1, None)
        if read_high:
            self.add("op", "c0/0", "setwatermark", (EV_READ, 0, read_high))
        if write_high:
            self.add("op", "c0/0", "setwatermark", (4, 0, write_high))
        self.add("new", "c0", "filter", 1, None).add("layer", "c0", "c0/0")
        self.add("op", "c0/0", "setcb", (1, 1, 1)).add("op", "c0/0", "enable", (RW,))
        self.op("setcb", 1, 1, 1)
        if mask:
            self.enabled |= mask
            self.op("enable", mask)

    def gives(self, size: int, below: int | None = None) -> Stack:
        """`write` of the application, handed down: `below` bytes come to the output of c0/0."""
        self.write(size)
        return self.hands_down(size, size if below is None else below)

    def hands_down(self, size: int, below: int) -> Stack:
        self.output -= size
        self.add("buffer", "c0", "output", 0, size)
        if below:
            self.add("buffer", "c0/0", "output", below, 0)
        self.add("filter", "c0", "write", 0, size, size, 0)
        return self

    def gets(self, size: int) -> Stack:
        """Bytes come to the input of c0/0, which tells the filter."""
        self.add("buffer", "c0/0", "input", size, 0)
        self.add("cb", "c0/0", "read", 0, None, size, 0, RW).add("cb_end", "c0/0", "read", size, 0)
        return self

    def takes(self, size: int, result: int = 0) -> Stack:
        """The filter takes them, as many as it is given."""
        if size:
            self.input += size
            self.add("buffer", "c0/0", "input", 0, size).add("buffer", "c0", "input", size, 0)
        self.add("filter", "c0", "read", 0, size, size, result)
        return self

    def told_below(self, what: int) -> Stack:
        self.add("cb", "c0/0", "event", what, None, 0, 0, RW)
        return self


def o5_good() -> Tape:
    return Stack().gives(64).write_callback()


def o5_not_there() -> Tape:
    return Stack().gives(64, below=10).write_callback()


def l3_good() -> Tape:
    return Stack().gets(64).takes(64).read_callback().add("quiet")


def l3_below() -> Tape:
    return Stack().gets(64).takes(10).read_callback().add("quiet")


def l3_above() -> Tape:
    stack = Stack().gives(64).write_callback()
    return stack.write(100).add("quiet")


def l3_needs_more() -> Tape:
    return Stack().gets(64).takes(10).takes(0, result=1).read_callback().add("quiet")


def l3_full_below() -> Tape:
    return Stack(write_high=50).gives(64).write_callback().write(100).add("quiet")


def l3_overrun() -> Tape:
    """The callback takes some, the input stays above its high watermark, and no other comes."""
    tape = Tape().accepted().wait().arrive(64).op("setwatermark", EV_READ, 0, 10)
    return tape.callback("read").read(20).end("read").add("quiet")


def pair() -> Tape:
    tape = Tape(name="c0")
    for name in ("c0", "s0"):
        tape.add("new", name, "pair", 1, None).add("op", name, "setcb", (1, 1, 1))
    tape.add("op", "s0", "enable", (RW,))
    return tape


def l3_pair_rests() -> Tape:
    tape = pair().write(64).add("buffer", "c0", "output", 0, 10).add("buffer", "s0", "input", 10, 0)
    return tape.add("cb", "s0", "read", 0, None, 10, 0, RW).add("quiet")


def b1_top_good() -> Tape:
    tape = pair().write(64).add("buffer", "c0", "output", 0, 64).add("buffer", "s0", "input", 64, 0)
    return tape.add("read", "s0", 64, content(1, 0, 64))


def b1_top_bad() -> Tape:
    tape = pair().write(64).add("buffer", "c0", "output", 0, 64).add("buffer", "s0", "input", 64, 0)
    return tape.add("read", "s0", 64, content(1, 1, 64))


def b1_top_invented() -> Tape:
    return pair().write(64).add("buffer", "s0", "input", 65, 0)


def o2_below() -> Tape:
    stack = Stack().gets(64)
    return stack.told_below(0x11).event(0x11)


def e3_pair_no_flush() -> Tape:
    return pair().add("cb", "s0", "event", 0x11, None, 0, 0, RW)


def _full(size: int, *, flush: bool = False) -> Tape:
    stack = Stack(read_high=100, write_high=100)
    stack.op("setwatermark", EV_READ, 0, 50)
    if flush:
        stack.op("flush", 4, 1).add("ret", "c0", "flush", 0)
    return stack.add("memory", "c0", size, size, 0)


def m1_good() -> Tape:
    return _full(250)


def m1_bad() -> Tape:
    return _full(250 + 1_024 + 64 + 1)


def m1_flushed() -> Tape:
    return _full(1_000_000, flush=True)


#: id -> (traces that keep it and where it is counted, traces that break it)
PAIRS: dict[str, tuple[list[Builder], list[Builder]]] = {
    "O-5": ([o5_good], [o5_not_there]),
    "L-3": (
        [l3_good, l3_needs_more, l3_full_below],
        [l3_below, l3_above, l3_overrun, l3_pair_rests],
    ),
    "M-1": ([m1_good], [m1_bad]),
}
#: of properties that other modules pair too
MORE: dict[str, tuple[list[Builder], list[Builder]]] = {
    "B-1": ([b1_top_good], [b1_top_bad, b1_top_invented]),
    "O-2": ([], [o2_below]),
    "E-3": ([], [e3_pair_no_flush]),
}
