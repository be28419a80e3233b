"""A run as a Chrome trace: lanes as tracks, callbacks as slices, arrows from writes to callbacks.

Source: Trace Event Format (the document that Perfetto's and Chrome's JSON importers refer to):
events `M` name processes and threads, `X` is a slice, `s` and `f` begin and end an arrow, `C` is a
counter. A time there is microseconds: a run's nanoseconds are three digits behind the point, which
readers that keep microseconds only lose; above 2**53 ns (104 days) the last of them are rounded.

Virtual time stands still while the simulator works, so that many slices begin at one moment. With
`by_record` the clock is the record's number instead, one microsecond each: order, not time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.views.lanes import CALLBACK, class_of, lanes_of
from harness.views.pipes import READ, RECEIVED, SENT, TOLD, WRITTEN, Move, Traffic, traffic
from harness.words import describe, plain
from model.trace import Record

_RUN = 1  # the process of the loop; a connection's is its number from 2
_LEAST_NS = 1  # a slice of no length is not drawn


def perfetto(records: Sequence[Record], title: str, by_record: bool = False) -> str:
    """The JSON object format, one event a line."""
    events = _Events(records, by_record).made()
    lines = ",\n".join(json.dumps(event, separators=(",", ":")) for event in events)
    clock = "number of the record" if by_record else "ns / 1000 since the run began"
    about = json.dumps({"run": plain(title), "clock": clock})
    return f'{{"displayTimeUnit":"ns","otherData":{about},"traceEvents":[\n{lines}\n]}}\n'


class _Events:
    def __init__(self, records: Sequence[Record], by_record: bool) -> None:
        self.records = records
        self.by_record = by_record
        self.lanes, self.lane_of = lanes_of(records)
        groups = list(dict.fromkeys(lane.group for lane in self.lanes if lane.group))
        self.process = {"": _RUN} | {group: number for number, group in enumerate(groups, 2)}

    def made(self) -> list[dict[str, Any]]:
        seen = traffic(self.records)
        return [*self._names(), *self._slices(), *self._arrows(seen), *self._counters(seen)]

    def _at(self, record: int) -> float:
        return float(record) if self.by_record else self.records[record][0] / 1000

    def _track(self, record: int) -> dict[str, Any]:
        lane = self.lane_of[record]
        return {"pid": self.process[self.lanes[lane].group], "tid": lane + 1}

    def _names(self) -> list[dict[str, Any]]:
        events = []
        for group, pid in self.process.items():
            name = {"name": group or "loop"}
            events.append({"ph": "M", "name": "process_name", "pid": pid, "args": name})
        for number, lane in enumerate(self.lanes, 1):
            track = {"pid": self.process[lane.group], "tid": number}
            name = {"name": f"{lane.name} {lane.layer}".strip()}
            events.append({"ph": "M", "name": "thread_name", **track, "args": name})
            order = {"sort_index": number}
            events.append({"ph": "M", "name": "thread_sort_index", **track, "args": order})
        return events

    def _slices(self) -> list[dict[str, Any]]:
        """A slice a record; a callback's lasts until it ends, and what it did lies in it."""
        ends = self._ends()
        events = []
        for index, record in enumerate(self.records):
            if record[1] == "cb_end":
                continue
            begin = self._at(index)
            least = 0.5 if self.by_record else _LEAST_NS / 1000
            length = max(self._at(ends[index]) - begin, least) if index in ends else least
            events.append(
                {
                    "ph": "X",
                    "name": plain(f"{record[3]} callback" if record[1] == "cb" else record[1]),
                    "cat": class_of(record[1]),
                    "ts": begin,
                    "dur": length,
                    **self._track(index),
                    "args": {"record": index, "told": describe(record), "ns": record[0]},
                }
            )
        return events

    def _ends(self) -> dict[int, int]:
        """Record of a callback's begin -> record of its end."""
        running: dict[tuple[Any, ...], list[int]] = {}
        ends = {}
        for index, record in enumerate(self.records):
            if class_of(record[1]) == CALLBACK:
                open_ones = running.setdefault(record[2:4], [])
                if record[1] == "cb":
                    open_ones.append(index)
                elif open_ones:
                    ends[open_ones.pop()] = index
        return ends

    def _arrows(self, seen: Traffic) -> list[dict[str, Any]]:
        """From each write to the first later callback, else read, that has some of its bytes."""
        events = []
        arrivals = [move for move in seen.moves if move.stage in {TOLD, READ} and move.end > 0]
        for number, move in enumerate(seen.moves, 1):
            to = _arrival(move, arrivals) if move.stage == WRITTEN else None
            if to is None:
                continue
            flow = {"cat": "bytes", "name": "bytes", "id": number}
            begin, end = move.record, to.record
            events.append({"ph": "s", **flow, "ts": self._at(begin), **self._track(begin)})
            # bp e: the arrow ends at the slice that encloses it, not at the next one
            events.append({"ph": "f", "bp": "e", **flow, "ts": self._at(end), **self._track(end)})
        return events

    def _counters(self, seen: Traffic) -> list[dict[str, Any]]:
        """Bytes in flight, of each direction."""
        events = []
        flying = [0] * len(seen.pipes)
        for move in seen.moves:
            if move.stage not in {SENT, RECEIVED}:
                continue
            size = move.end - move.start
            flying[move.pipe] += size if move.stage == SENT else -size
            pipe = seen.pipes[move.pipe]
            name = f"in flight {pipe.source} to {pipe.target}"
            track = {"pid": self._track(move.record)["pid"]}
            value = {"bytes": max(0, flying[move.pipe])}
            ts = self._at(move.record)
            events.append({"ph": "C", "name": name, "ts": ts, **track, "args": value})
        return events


def _arrival(written: Move, arrivals: Sequence[Move]) -> Move | None:
    for move in arrivals:
        same = move.pipe == written.pipe and move.record > written.record
        if same and move.start < written.end and written.start < move.end:
            return move
    return None
