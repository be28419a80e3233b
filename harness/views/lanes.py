"""Lanes: where a record happened. By connection and layer, so that a call stands between who made
it and the network: c0, its layers, its kernel, then the server's kernel, layers and s0. What
threads do with each other has a lane a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.views import flows
from harness.words import plain
from model.threads import MAIN
from model.trace import Record

#: kinds that an application sees or does, on the lane of their bufferevent; `new` names both
_OF_BUFFEREVENTS = frozenset(
    ("new", "attach", "op", "ret", "write", "read", "drain", "echo", "layer", "buffer", "filter")
    + ("tls", "suspend", "memory", "cb", "cb_end", "bucket")
)
CALLBACK, CALL, KERNEL, PEER, LOOP, TROUBLE = "callback", "call", "kernel", "peer", "loop", "bad"
THREAD = "thread"
_TROUBLE = frozenset(("fault", "crash", "hang", "blocked", "budget", "log"))
_THREADS = frozenset(("on", "thread", "lock", "condition", "touch"))


class Lane(NamedTuple):
    """A column: its group (a connection, or the loop), its end and its layer."""

    group: str
    name: str
    layer: str


_LOOP = Lane("", "loop", "")
_OF_THREADS = "threads"  # their group: locks, conditions, accesses


def lanes_of(records: Sequence[Record]) -> tuple[list[Lane], list[int]]:
    """The lanes, left to right, and the lane of each record."""
    placed = []
    thread = MAIN
    for record, end in zip(records, flows.ends(records), strict=True):
        if record[1] == "on":
            thread = plain(record[2], 20)
        of_threads = record[1] in _THREADS
        placed.append(Lane(_OF_THREADS, thread, "thread") if of_threads else _lane(record, end))
    lanes = sorted(set(placed), key=_order)
    number = {lane: index for index, lane in enumerate(lanes)}
    return lanes, [number[lane] for lane in placed]


def class_of(kind: str) -> str:
    """What sort of record a kind is, for its colour."""
    if kind in {"cb", "cb_end"}:
        return CALLBACK
    if kind in _OF_BUFFEREVENTS:
        return CALL
    if kind == "peer":
        return PEER
    if kind in _TROUBLE:
        return TROUBLE
    if kind in _THREADS:
        return THREAD
    if kind in {"loop", "loop_end", "step", "quiet", "teardown", "base_free"}:
        return LOOP
    return KERNEL


def _lane(record: Record, end: str) -> Lane:
    kind = record[1]
    base, _, level = end.partition("/")
    where = flows.place(base.replace("l", "s", 1) if base.startswith("l") else base)
    if where is None:
        return _LOOP
    group, name = f"connection {where[0]}", f"{where[1]}{where[0]}"
    if kind == "peer":
        return Lane(group, name, "raw peer")
    if kind not in _OF_BUFFEREVENTS:
        return Lane(group, name, "kernel")
    return Lane(group, name, f"layer {plain(level, 8)}" if level else "application")


def _order(lane: Lane) -> tuple[int, int, int, str]:
    """From the client's application down to its kernel, up from the server's; the loop first."""
    if lane.group in {_LOOP.group, _OF_THREADS}:
        return (-1, int(lane != _LOOP), int(lane.name != MAIN), lane.name)
    server = lane.name.startswith("s")
    height = {"application": 1_000, "raw peer": 999, "kernel": -1}.get(lane.layer)
    if height is None:
        digits = lane.layer.removeprefix("layer ")
        height = int(digits) if digits.isdecimal() else 0
    index = int(lane.name[1:])
    return (index, int(server), height if server else -height, lane.layer)
