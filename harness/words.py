"""Plain words for records: who acted, and what happened, for the story and the views.

A record of the kernel names a descriptor and not an end; `Owners` follows `new`, `attach` and
`close` records to say whose it is. Text that came from a file is never printed as it is: `plain`
escapes everything that a terminal could take for a command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from model.bufferevent import (
    SUSPEND_BW,
    SUSPEND_BW_GROUP,
    SUSPEND_FILT_READ,
    SUSPEND_LOOKUP,
)
from model.errors import Errno, NtStatus, Win32Error
from model.kernel import EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, mask_name
from model.subject import (
    BEV_TRIG_DEFER_CALLBACKS,
    BEV_TRIG_IGNORE_WATERMARKS,
    EVENT_NAMES,
    OPTION_BITS,
    event_name,
)
from model.trace import FIELDS, Record

DIRECTIONS = {0x02: "R", 0x04: "W"}  # EV_READ, EV_WRITE
TRIGGER_BITS = {
    "IGNORE_WATERMARKS": BEV_TRIG_IGNORE_WATERMARKS,
    "DEFER_CALLBACKS": BEV_TRIG_DEFER_CALLBACKS,
}
SUSPEND_BITS = {
    "BW": SUSPEND_BW,
    "BW_GROUP": SUSPEND_BW_GROUP,
    "LOOKUP": SUSPEND_LOOKUP,
    "FILT_READ": SUSPEND_FILT_READ,
}
_WITH_MASK = ("enable", "disable", "disable_hard", "setwatermark", "trigger", "flush")
_MODES = ("NORMAL", "FLUSH", "FINISHED")
_FILTER_RESULTS = ("OK", "NEED_MORE", "ERROR")
CTL = {EPOLL_CTL_ADD: "ADD", EPOLL_CTL_DEL: "DEL", EPOLL_CTL_MOD: "MOD"}


def plain(text: object, limit: int = 200) -> str:
    """Printable ASCII only, on one line, cut after `limit` characters with `...`."""
    raw = str(text)
    shown = "".join(c if " " <= c <= "~" else _escape(c) for c in raw[:limit])
    return shown if len(shown) <= limit >= len(raw) else shown[:limit] + "..."


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def named(fields: Record) -> dict[str, Any]:
    """A record's fields by name, without its time and kind."""
    return dict(zip(FIELDS[fields[1]], fields[2:], strict=True))


def milliseconds(t_ns: int) -> str:
    """A time for people: `1.250 ms`."""
    return f"{t_ns / 1e6:.3f} ms"


def count(number: int, noun: str) -> str:
    """`1 byte`, `2 bytes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def outcome_text(value: Any) -> str:
    """A result in words: an outcome's name, a number of bytes, `ok` for nothing to tell."""
    if value is None:
        return "ok"
    if isinstance(value, (Errno, Win32Error, NtStatus)):
        return value.name
    if isinstance(value, bytes):
        return count(len(value), "byte") if value else "end of file"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(outcome_text(item) for item in value) + "]"
    return plain(value, 60)


def mask_text(mask: Any) -> str:
    """Directions of a bufferevent: 6 as `RW`."""
    if not isinstance(mask, int):
        return plain(mask, 20)
    return "".join(name for bit, name in DIRECTIONS.items() if mask & bit) or "none"


def options_text(options: Any) -> str:
    """Bits of BEV_OPT_*: 5 as `CLOSE_ON_FREE|DEFER_CALLBACKS`."""
    return bits_text(options, OPTION_BITS)


def bits_text(value: Any, names: dict[str, int]) -> str:
    """A number's bits by name; anything else as it is."""
    if not isinstance(value, int):
        return plain(value, 60)
    return "|".join(name for name, bit in names.items() if value & bit) or "0"


def what_text(what: Any) -> str:
    """Event bits: 0x11 as `READING|EOF`."""
    known = sum(EVENT_NAMES)
    if isinstance(what, int) and 0 <= what <= known:
        return event_name(what)
    return plain(what, 20)


def epoll_text(mask: Any) -> str:
    """Bits of epoll(7): 5 as `IN|OUT`."""
    return mask_name(mask) if isinstance(mask, int) and mask >= 0 else plain(mask, 20)


def ready_text(ready: Sequence[Any]) -> str:
    """What epoll_wait gave: `3:IN|OUT 4:IN`."""
    pairs = [pair for pair in ready if isinstance(pair, (list, tuple)) and len(pair) == 2]
    return " ".join(f"{plain(fd, 20)}:{epoll_text(mask)}" for fd, mask in pairs)


class Owners:
    """Which end each descriptor belongs to, followed record by record."""

    def __init__(self) -> None:
        self._end_of_fd: dict[int, str] = {}

    def follow(self, record: Record) -> str:
        """The end that `record` concerns (`c0`, `s0`, `l0`, a peer), or an empty name."""
        kind = record[1]
        fields = named(record)
        if kind in {"new", "attach"} and isinstance(fields["fd"], int):
            self._end_of_fd[fields["fd"]] = str(fields["bev"])
        for name in ("bev", "peer"):
            if name in fields:
                return str(fields[name])
        fd = fields.get("fd")
        if not isinstance(fd, int):
            return ""
        if kind == "close":
            return self._end_of_fd.pop(fd, "")
        return self._end_of_fd.get(fd, "")


def owners(records: Sequence[Record]) -> list[str]:
    """The end that each record concerns, in order."""
    following = Owners()
    return [following.follow(record) for record in records]


Fields: TypeAlias = dict[str, Any]


def _callback(f: Fields) -> str:
    text = f"{f['bev']}: {f['which']} callback"
    if f["which"] == "event":
        text += f" {what_text(f['what'])}"
    elif f["which"] == "accept":
        text += f" with descriptor {outcome_text(f['what'])}"
    if f["error"] is not None:
        text += f" ({outcome_text(f['error'])})"
    return text + f", {outcome_text(f['input_length'])} in, {outcome_text(f['output_length'])} out"


def _on_descriptor(fd: Any) -> str:
    return "" if fd is None else f" on descriptor {outcome_text(fd)}"


def _new(f: Fields) -> str:
    made = f"{f['bev']} is made ({f['type']}, {options_text(f['options'])})"
    return made + _on_descriptor(f["fd"])


def _operation(f: Fields) -> str:
    args = list(f["args"]) if isinstance(f["args"], (list, tuple)) else [f["args"]]
    if f["name"] in _WITH_MASK and args:
        args[0] = mask_text(args[0])
    if f["name"] == "trigger_event" and len(args) == 2:
        args = [what_text(args[0]), bits_text(args[1], TRIGGER_BITS)]
    if f["name"] == "trigger" and len(args) == 2:
        args[1] = bits_text(args[1], TRIGGER_BITS)
    if f["name"] == "flush" and len(args) == 2:
        args[1] = _one_of(_MODES, args[1])
    return f"{f['bev']}.{f['name']}({', '.join(plain(argument, 40) for argument in args)})"


def _one_of(names: Sequence[str], value: Any) -> str:
    known = isinstance(value, int) and 0 <= value < len(names)
    return names[value] if known else plain(value, 20)


def _buffer(f: Fields) -> str:
    parts = [
        f"{verb} {count(f[name], 'byte')}"
        for name, verb in (("added", "gains"), ("deleted", "loses"))
        if isinstance(f[name], int) and f[name]
    ]
    return f"{f['bev']}: its {f['which']} {' and '.join(parts) or 'stays'}"


def _filter(f: Fields) -> str:
    which = "input" if f["direction"] == "read" else "output"
    return (
        f"{f['bev']}: its {which} function takes {outcome_text(f['taken'])} and gives"
        f" {outcome_text(f['given'])} bytes: {_one_of(_FILTER_RESULTS, f['result'])}"
    )


def _suspend(f: Fields) -> str:
    reasons = f["reasons"]
    told = f"suspended: {bits_text(reasons, SUSPEND_BITS)}" if reasons else "not suspended"
    return f"{f['bev']}: {f['direction']} is {told}"


def _written(f: Fields) -> str:
    size = len(f["data"]) if isinstance(f["data"], bytes) else 0
    failed = "" if f["result"] in (0, None) else f", refused with {outcome_text(f['result'])}"
    return f"{f['bev']} writes {count(size, 'byte')}{failed}"


def _peer(f: Fields) -> str:
    offered = f" {f['size']}" if isinstance(f["size"], int) and f["size"] else ""
    return f"{f['peer']} (raw peer): {f['operation']}{offered} -> {outcome_text(f['result'])}"


def _waited(f: Fields) -> str:
    ready = f["result"]
    if not isinstance(ready, (list, tuple)):
        return f"epoll_wait -> {outcome_text(ready)}"
    return f"epoll_wait -> {ready_text(ready) or 'nothing'}"


_SENTENCES: dict[str, Callable[[Fields], str]] = {
    "cb": _callback,
    "cb_end": lambda f: f"{f['bev']}: {f['which']} callback ends",
    "new": _new,
    "attach": lambda f: f"{f['bev']} gets descriptor {outcome_text(f['fd'])}",
    "op": _operation,
    "ret": lambda f: f"{f['bev']}.{f['name']} returns {outcome_text(f['result'])}",
    "write": _written,
    "read": lambda f: f"{f['bev']} reads {outcome_text(f['result'])}",
    "drain": lambda f: (
        f"{f['bev']} throws its output away" + (", refused" if f["result"] == -1 else "")
    ),
    "echo": lambda f: f"{f['bev']} moves {outcome_text(f['result'])} bytes from input to output",
    "layer": lambda f: f"{f['bev']} sits on {f['underlying']}",
    "buffer": _buffer,
    "filter": _filter,
    "tls": lambda f: (
        f"{f['bev']}: TLS {f['operation']} {plain(f['size'])} -> {outcome_text(f['result'])}"
    ),
    "suspend": _suspend,
    "memory": lambda f: f"{f['bev']} and what it sits on hold {outcome_text(f['bytes'])} bytes",
    "peer": _peer,
    "epoll_wait": _waited,
    "epoll_ctl": lambda f: (
        f"epoll_ctl({CTL.get(f['op'], plain(f['op']))}, {outcome_text(f['fd'])},"
        f" {epoll_text(f['mask'])}) -> {outcome_text(f['result'])}"
    ),
    "completion": lambda f: (
        f"{f['operation']} on descriptor {outcome_text(f['fd'])} completes:"
        f" {outcome_text(f['status'])}, {outcome_text(f['result'])}"
    ),
    "bucket": lambda f: (
        f"the bucket of {f['bev']} has {outcome_text(f['read_limit'])} bytes to read and"
        f" {outcome_text(f['write_limit'])} to write"
    ),
    "fault": lambda f: f"fault: {f['name']}" + _on_descriptor(f["fd"]),
    "pool": lambda f: (
        f"of {outcome_text(f['size'])} pages of the kernel's memory at most"
        f" {outcome_text(f['high'])} were taken, {outcome_text(f['held'])} are still locked"
    ),
    "log": lambda f: f"the subject logs: {f['message']}",
    "on": lambda f: f"{f['thread']} goes on",
    "thread": lambda f: f"{f['operation']} of thread {f['thread']}",
    "lock": lambda f: f"{f['thread']}: {f['operation']} of lock {f['lock']}",
    "condition": lambda f: (
        f"{f['thread']}: {f['operation']} of condition {f['condition']}"
        + ("" if f["woken"] is None else f", {outcome_text(f['woken'])} woken")
    ),
    "touch": lambda f: f"{f['operation']} of {f['name']}",
    "hang": lambda f: f"{f['how']}: the threads get nowhere",
    "blocked": lambda f: (
        f"{f['thread']} "
        + (f"waits for {f['where']}" if f["where"] else "can run")
        + f", holds {f['holds'] or 'no lock'}, at record {outcome_text(f['record'])}"
    ),
    "step": lambda f: f"the program does step {f['index']}: {f['do']}",
    "quiet": lambda f: "nothing is active and nothing is due",
    "teardown": lambda f: "the harness frees what is left",
    "base_free": lambda f: (
        f"the base is freed, {outcome_text(f['bufferevents'])} bufferevents left"
    ),
    "crash": lambda f: f"{f['error_type']} in {f['where']}: {f['message'] or 'no message'}",
    "budget": lambda f: f"the run was cut after {outcome_text(f['records'])} records",
}


def describe(record: Record) -> str:
    """One record in plain words, on one line."""
    kind = record[1]
    fields = named(record)
    sentence = _SENTENCES.get(kind)
    if sentence is not None:
        return plain(sentence(fields))
    result = fields.pop("result", None)
    told = ", ".join(f"{name} {outcome_text(value)}" for name, value in fields.items())
    return plain(f"{kind}({told}) -> {outcome_text(result)}")


def moved(kind: str, fields: Fields) -> list[tuple[str, str, int]]:
    """What a record moved, as (application or kernel, out or in, bytes); zeros are left in."""
    result = fields.get("result")
    size = len(result) if isinstance(result, bytes) else 0
    if kind == "write" and isinstance(fields["data"], bytes) and not result:
        return [("application", "out", len(fields["data"]))]
    if kind == "read":
        return [("application", "in", size)]
    if kind == "echo" and isinstance(result, int):
        return [("application", "in", result), ("application", "out", result)]
    if kind == "peer" and fields["operation"] in {"send", "recv"}:
        moved = result if isinstance(result, int) else size
        return [("application", "out" if fields["operation"] == "send" else "in", moved)]
    if kind in {"send", "recv"}:
        return [("kernel", "out" if kind == "send" else "in", size)]
    if kind == "completion" and fields["operation"] in {"send", "recv"}:
        return [("kernel", "out" if fields["operation"] == "send" else "in", size)]
    return []
