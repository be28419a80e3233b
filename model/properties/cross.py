"""X: the same scenario in several worlds tells the same story.

Only for scenarios without races (the caller decides that). Kernels cut streams differently, so
what is compared is what does not depend on it: the bytes that the application took, as one stream,
and the events of each bufferevent, one cause at a time (deferred callbacks join causes). Where the
contract allows differences, comparing stops:

* Over completion, EOF and ERROR end both directions and leave `enabled` as it is: between kernel
  kinds, nothing after the first of them is compared, nor the mask in it, nor how much was written
  after it.
* After a reset either direction may fail first, with any of the reset's errors; data that was not
  read yet may be lost; Wine shows a reset as an end of file, or the reverse.
* The write timer of a completion bufferevent may run with nothing to write.
* A read that is in flight when reading is disabled may still bring bytes.
* A bufferevent that echoes and also writes mixes the two as they come: the order is not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from model.errors import Errno, NtStatus, Win32Error
from model.properties import cross_rates
from model.properties.catalogue import Property, Verdicts, Violation
from model.properties.cross_rates import compare_rates
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
    event_name,
)
from model.trace import Record

PROPERTIES = (
    Property(
        "X-1",
        "One scenario without races gives the same bytes and the same events in every world.",
        "libevent: bufferevent_sock.c against bufferevent_async.c",
        "pairs of runs: bytes taken by each bufferevent and received by each raw peer, causes of"
        " events in order, the enabled mask in TIMEOUT and (same kernel kind) EOF and ERROR",
        checked_by="runs",
    ),
    Property(
        "X-2",
        "After the peer has only shut down its sending side, writes still reach it.",
        "shutdown(2), tcp(7); libevent: bufferevent_sock.c:bufferevent_readcb",
        "readiness runs: a bufferevent that writes after READING|EOF, while the raw peer is still"
        " there, gets no ERROR, and its bytes leave as far as the peer reads",
        kernels=("readiness",),
        checked_by="runs",
    ),
    *cross_rates.PROPERTIES,
)

_ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR
_RESETS = frozenset(
    {
        Errno.ECONNRESET,
        Errno.EPIPE,
        Errno.ECONNABORTED,
        Win32Error.WSAECONNRESET,
        Win32Error.WSAECONNABORTED,
        Win32Error.ERROR_NETNAME_DELETED,
        Win32Error.ERROR_CONNECTION_ABORTED,
        Win32Error.WSAESHUTDOWN,
        NtStatus.CONNECTION_RESET,
        NtStatus.CONNECTION_ABORTED,
    }
)


class Told(NamedTuple):
    """One cause of one event: `mask` is what was enabled in the callback."""

    cause: int
    mask: int
    idle_write: bool  # a write timeout with nothing to write

    @property
    def ends(self) -> bool:
        return self.cause & _ENDS != 0


class Story:
    """What one end lived through, up to the end of the application's program."""

    __slots__ = ("disables", "echoed", "reset", "taken", "told", "writes")

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.echoed = 0
        self.writes = False
        self.told: list[Told] = []
        self.disables = False  # READ, or it freed itself: how much it takes is a matter of time
        self.reset = False

    @property
    def mixes(self) -> bool:
        """It echoes and writes: in which order is a matter of time."""
        return self.writes and self.echoed > 0

    def tells(self, causes: int) -> bool:
        """Whether an event with one of these causes was told to it."""
        return any(each.cause & causes for each in self.told)


Runs: TypeAlias = Mapping[str, Sequence[Record]] | Sequence[tuple[str, Sequence[Record]]]


def compare_runs(runs: Runs) -> Verdicts:
    """Compares runs of one race-free scenario: world name -> records.

    Each run is held against the first one; the counts are those of ends compared (X-1), of
    half-closed bufferevents that wrote (X-2) and of limited ones (X-3). A violation's `record` is
    -1.
    """
    pairs = list(runs.items()) if isinstance(runs, Mapping) else list(runs)
    told = [(world, _stories(records)) for world, records in pairs]
    violations: list[Violation] = []
    checked = {"X-1": 0, "X-2": 0}
    for (world, stories), (other_world, others) in ((told[0], each) for each in told[1:]):
        for name in sorted(stories.keys() | others.keys()):
            checked["X-1"] += 1
            first, second = stories.get(name, Story()), others.get(name, Story())
            same_kind = _kind(world) == _kind(other_world)
            twin = _twin(name)
            writers = [stories.get(twin, Story()), others.get(twin, Story())]
            loose = not same_kind and (
                any(end.tells(_ENDS) for end in writers)
                or first.tells(BEV_EVENT_ERROR)
                or second.tells(BEV_EVENT_ERROR)
            )
            problem = None
            if not any(end.mixes for end in (first, second, *writers)):
                problem = _bytes_differ(first, second, loose)
            problem = problem or _events_differ(first, second, same_kind)
            if problem:
                message = f"{name} {problem[0]} in {world}, but {problem[1]} in {other_world}"
                violations.append(Violation("X-1", -1, message))
    for (world, _), (_, records) in zip(told, pairs, strict=True):
        if _kind(world) == "readiness":
            _judge_half_close(world, records, checked, violations)
    compare_rates(pairs, checked, violations)
    return Verdicts(tuple(violations), checked)


def _twin(name: str) -> str:
    return ("s" if name[:1] == "c" else "c") + name[1:]


def _kind(world: str) -> str:
    return "completion" if world.endswith("iocp") else "readiness"


# --- reading a trace -----------------------------------------------------------------------------


def _program(records: Iterable[Record]) -> Iterable[Record]:
    for record in records:
        if record[1] in ("teardown", "crash", "budget"):
            return
        yield record


def _stories(records: Sequence[Record]) -> dict[str, Story]:
    stories: dict[str, Story] = {}
    owner: dict[Any, Story] = {}
    for record in _program(records):
        kind = record[1]
        if kind == "peer":
            _peer(stories.setdefault(record[2], Story()), record)
        elif kind == "attach" or (kind == "new" and record[3] == "socket"):
            story = owner[record[-1]] = stories.setdefault(record[2], Story())
        elif kind in _APPLICATION:
            story = stories.get(record[2]) or Story()
            _APPLICATION[kind](story, record)
        elif kind in ("recv", "send", "completion") and record[2] in owner:
            outcome = record[5] if kind == "completion" else record[4]
            if not isinstance(outcome, bytes) and outcome in _RESETS:
                owner[record[2]].reset = True
    return stories


def _peer(story: Story, record: Record) -> None:
    _, _, _, operation, _, result = record
    if operation == "recv" and isinstance(result, bytes):
        story.taken.append(result)
    story.reset |= operation == "reset" or (isinstance(result, Errno) and result in _RESETS)


def _read(story: Story, record: Record) -> None:
    story.taken.append(record[4])


def _echo(story: Story, record: Record) -> None:
    story.echoed += record[3]


def _write(story: Story, record: Record) -> None:
    story.writes = True


def _op(story: Story, record: Record) -> None:
    stops = record[3] == "disable" and record[4] and record[4][0] & EV_READ
    story.disables |= bool(stops) or record[3] == "free"


def _cb(story: Story, record: Record) -> None:
    _, _, _, which, what, error, _, output_length, mask = record
    if which != "event":
        return
    story.reset |= error in _RESETS
    if what & BEV_EVENT_CONNECTED:
        story.told.append(Told(BEV_EVENT_CONNECTED, mask, False))
    directions = [bit for bit in (BEV_EVENT_READING, BEV_EVENT_WRITING) if what & bit] or [0]
    for cause in (BEV_EVENT_TIMEOUT, BEV_EVENT_EOF, BEV_EVENT_ERROR):
        if what & cause:
            for bit in directions:
                idle = cause == BEV_EVENT_TIMEOUT and bit == BEV_EVENT_WRITING
                story.told.append(Told(cause | bit, mask, idle and not output_length))


_APPLICATION = {"write": _write, "read": _read, "echo": _echo, "op": _op, "cb": _cb}


# --- comparing -----------------------------------------------------------------------------------


def _bytes_differ(first: Story, second: Story, loose: bool) -> tuple[str, str] | None:
    """What the two took differently, in words for each; None if nothing. `loose`: one may have
    taken more than the other."""
    taken, other = b"".join(first.taken), b"".join(second.taken)
    size = min(len(taken), len(other))
    if taken[:size] != other[:size]:
        at = next(index for index in range(size) if taken[index] != other[index])
        return f"took {len(taken)} bytes", f"took others from byte {at} on"
    loose = loose or first.reset or second.reset or first.disables or second.disables
    if not loose and (len(taken), first.echoed) != (len(other), second.echoed):
        return (
            f"took {len(taken)} bytes and echoed {first.echoed}",
            f"took {len(other)} and echoed {second.echoed}",
        )
    return None


def _events_differ(first: Story, second: Story, same_kind: bool) -> tuple[str, str] | None:
    reset = first.reset or second.reset
    one, two = _comparable(first, same_kind, reset), _comparable(second, same_kind, reset)
    for index in range(max(len(one), len(two))):
        left = one[index] if index < len(one) else None
        right = two[index] if index < len(two) else None
        if (left and left.idle_write) or (right and right.idle_write):
            return None  # only one of the kernels has this timer
        if left is None or right is None or not _same(left, right, same_kind, reset):
            return f"was told {_tell(left)}", f"{_tell(right)}"
    return None


def _comparable(story: Story, same_kind: bool, reset: bool) -> list[Told]:
    """The events up to where the contract lets kernels differ."""
    told: list[Told] = []
    for each in story.told:
        told.append(each)
        if each.ends and (reset or not same_kind):
            break
    return told


def _same(left: Told, right: Told, same_kind: bool, reset: bool) -> bool:
    if left.ends and right.ends:
        if reset:
            return True
        return left.cause == right.cause and (left.mask == right.mask or not same_kind)
    deferred = left.cause == BEV_EVENT_CONNECTED  # what came meanwhile shows in the mask
    return left.cause == right.cause and (left.mask == right.mask or deferred)


def _tell(told: Told | None) -> str:
    if told is None:
        return "nothing more"
    enabled = [name for bit, name in ((EV_READ, "READ"), (EV_WRITE, "WRITE")) if told.mask & bit]
    return f"{event_name(told.cause)} with {'|'.join(enabled) or 'nothing'} enabled"


# --- half-close ----------------------------------------------------------------------------------


def _judge_half_close(
    world: str,
    records: Sequence[Record],
    checked: dict[str, int],
    violations: list[Violation],
) -> None:
    """X-2: of every bufferevent whose raw peer shut down, and did no more than that."""
    shut, gone = _peers_that_shut(records)
    for name in sorted(shut - gone):
        twin = _twin(name)
        late = _LateWrites(records, twin, name)
        if not late.late:
            continue
        checked["X-2"] += 1
        problem = ""
        if late.failure:
            problem = f"got {late.failure}"
        elif not late.hindered and late.received == late.sent < late.written:
            problem = f"{late.written - late.sent} bytes were never sent"
        if problem:
            message = f"{twin} wrote after {name} had shut down, and {problem} in {world}"
            violations.append(Violation("X-2", -1, message))


def _peers_that_shut(records: Sequence[Record]) -> tuple[set[str], set[str]]:
    shut: set[str] = set()
    gone: set[str] = set()
    for record in _program(records):
        if record[1] == "peer":
            if record[3] == "shutdown":
                shut.add(record[2])
            elif record[3] in ("close", "reset") or isinstance(record[5], Errno):
                gone.add(record[2])
    return shut, gone


class _LateWrites:
    """What became of the bytes that `name` wrote after its READING|EOF."""

    __slots__ = ("ended", "failure", "fds", "hindered", "late", "received", "sent", "written")

    def __init__(self, records: Sequence[Record], name: str, peer: str) -> None:
        self.ended = False
        self.late = self.written = self.sent = self.received = 0
        self.failure = ""
        self.hindered = False  # the application stopped writing itself, or may have timed out
        self.fds: set[Any] = set()
        for record in _program(records):
            if record[1] == "peer" and record[2] == peer and record[3] == "recv":
                self.received += len(record[5])
            elif record[1] == "send" and record[2] in self.fds and isinstance(record[4], bytes):
                self.sent += len(record[4])
            elif record[1] in ("new", "attach", "write", "op", "cb") and record[2] == name:
                self._own(record)

    def _own(self, record: Record) -> None:
        kind = record[1]
        if kind in ("new", "attach"):
            self.fds.add(record[-1])
        elif kind == "write" and record[4] == 0:
            self.written += len(record[3])
            self.late += len(record[3]) if self.ended else 0
        elif kind == "op":
            writing = record[3] == "disable" and record[4][0] & EV_WRITE
            self.hindered |= bool(writing) or record[3] in ("free", "set_timeouts")
        elif kind == "cb" and record[3] == "event":
            what = record[4]
            self.ended |= what & BEV_EVENT_EOF != 0 and what & BEV_EVENT_READING != 0
            if self.ended and what & BEV_EVENT_ERROR and not self.failure:
                self.failure = event_name(what)
