"""The way of given bytes, from the write to the callback that tells of them and to the read.

Which bytes: those asked for, or those that the verdict names: the byte that its message counts, or
what the record moves at which the property broke, or what its end moved last before that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.explain.explanation import Bytes, Passage, Way
from harness.explain.flow import Call, Flow, Moved, Stage
from harness.scenario import CONNECTIONS_MAX
from harness.words import describe
from model.errors import UsageError
from model.properties import Violation
from model.trace import Record

_ASKED = re.compile(r"([cs])?(\d{1,3}):(\d{1,12})\.\.(\d{1,12})")
_LEVEL = re.compile(r"\b([cs]\d+)(/\d+)?\b")
_BYTE = re.compile(r"\bbyte (\d{1,12})\b")
PASSAGES_MAX = 200  # of one way


def asked(text: str) -> list[Bytes]:
    """`c0:16..32`: what c0 sends; `0:16..32`: both directions. Raises `UsageError`."""
    found = _ASKED.fullmatch(text)
    if found is None or int(found[3]) >= int(found[4]) or int(found[2]) >= CONNECTIONS_MAX:
        raise UsageError(
            f"--bytes is {text[:40]!r}: give CONNECTION:START..END, such as c0:0..16 for what c0"
            " sends or 0:0..16 for both directions"
        )
    sides = (found[1],) if found[1] else ("c", "s")
    return [Bytes(f"{side}{found[2]}", int(found[3]), int(found[4])) for side in sides]


def partner(end: str) -> str:
    """The other end of its connection."""
    return ("s" if end[0] == "c" else "c") + end[1:]


def way(flow: Flow, records: Sequence[Record], wanted: Bytes) -> Way:
    """Where the bytes pass."""
    receiver = partner(wanted.sender)
    spans = _spans(flow, wanted, receiver)
    passed = [each for each in flow.moves if _overlaps(each, spans)]
    told = {each.record: _passage(records, each) for each in passed}
    callbacks = [
        index
        for index, record in enumerate(records)
        if record[1] == "cb" and record[2] == receiver and record[3] == "read"
    ]
    for each in passed:
        if each.stage == ("in", receiver):
            after = next((index for index in callbacks if index > each.record), None)
            if after is not None:
                told.setdefault(after, Passage(after, records[after][0], describe(records[after])))
    passages = tuple([told[index] for index in sorted(told)][:PASSAGES_MAX])
    direction = f"{wanted.sender} to {receiver}"
    return Way(wanted.sender[1:], direction, wanted.start, wanted.end, passages)


def _spans(flow: Flow, wanted: Bytes, receiver: str) -> dict[Stage, tuple[int, int]]:
    """Which bytes of each stage stand for the wanted ones."""
    span: tuple[int, int] | None = (wanted.start, wanted.end)
    spans: dict[Stage, tuple[int, int]] = {}
    down = _levels(flow, wanted.sender)
    for level in down:
        if span is None:
            return spans
        spans["out", level] = span
        if level != down[-1]:
            span = _through(flow.calls["out", level], span)
    if span is None:
        return spans
    spans["left", down[-1]] = span
    up = _levels(flow, receiver)[::-1]
    for level in up:
        spans["in", level] = span
        if level != up[-1]:
            further = _through(flow.calls["in", level], span)
            if further is None:
                return spans
            span = further
    spans["app", receiver] = span
    return spans


def _levels(flow: Flow, end: str) -> list[str]:
    """The end and what it sits on, from the top."""
    levels = [end]
    while levels[-1] in flow.below:
        levels.append(flow.below[levels[-1]])
    return levels


def _through(calls: Sequence[Call], span: tuple[int, int]) -> tuple[int, int] | None:
    """What a layer gave for these bytes; None: it still holds them. What a call takes and does
    not give at once, the next one that gives has with it."""
    given: list[tuple[int, int]] = []
    held = False
    for call in calls:
        held = held or (call.taken[0] < span[1] and span[0] < call.taken[1])
        if held and call.given[0] < call.given[1]:
            given.append(call.given)
            held = False
    return (given[0][0], given[-1][1]) if given else None


def _overlaps(each: Moved, spans: dict[Stage, tuple[int, int]]) -> bool:
    span = spans.get(each.stage)
    return span is not None and each.start < span[1] and span[0] < each.end


def _passage(records: Sequence[Record], each: Moved) -> Passage:
    record = records[each.record]
    what, level = describe(record), each.stage[1]
    whose = "" if what.startswith(level) else f"{level}: "  # the kernel's know descriptors only
    return Passage(each.record, record[0], f"{whose}{what} [{each.start}..{each.end}]")


def named_bytes(violation: Violation, flow: Flow) -> list[Bytes]:
    """The bytes that a verdict is about; none if it is about none."""
    level = _LEVEL.search(violation.message)
    if level is None:
        return []
    end = level[1]
    counted = _BYTE.search(violation.message)
    if counted is not None:  # of what it received
        return [Bytes(partner(end), int(counted[1]), int(counted[1]) + 1)]
    stop = violation.record if violation.record >= 0 else 1 << 60
    moves = [each for each in flow.moves if each.record <= stop]
    sent = [each for each in moves if each.stage in (("out", end), ("left", end))]
    received = [each for each in moves if each.stage in (("in", end), ("app", end))]
    last = max([*sent[-1:], *received[-1:]], default=None)
    if last is None:
        return []
    sender = end if last in sent else partner(end)
    return [Bytes(sender, last.start, last.end)]
