"""What another thread than the one that is judged has made due, by records of locks.

With completion workers or application threads the record of bytes that moved does not say when the
bufferevent processes them: a worker has still to take the lock. These functions find the record in
which it gave that lock back: from then on the callback that the bytes cause is due. They read the
records back from one that would break a property, so that a run pays for them only in doubt.
"""

from __future__ import annotations

from model.properties.meanwhile import taken
from model.properties.view import UNCOUNTED, Run, View
from model.threads import MAIN
from model.trace import Record

_AT_REST = frozenset({"gqcs", "epoll_wait", "step"})  # where a thread has no bufferevent's lock


def read_was_due(run: Run, view: View, index: int) -> bool:
    """Of bytes that no read callback has offered, with UNLOCK_CALLBACKS: whether they had come when
    the running thread began to tell what was deferred, of which record `index` is a callback."""
    name, since = _turn_of(run, view, index)
    return _processed(run, view, name, _moved(run, view, index, "recv", "input"), since)


def write_was_due(run: Run, view: View, index: int) -> bool:
    """The same of a write callback, for bytes that had left."""
    name, since = _turn_of(run, view, index)
    return _processed(run, view, name, _moved(run, view, index, "send", "output"), since)


def known_to_the_loop(run: Run, view: View, index: int) -> bool:
    """Of bytes that no read callback has offered: whether the loop that has returned before record
    `index` could see, when it looked the last time, that there is one to call. It has its lock
    then; another thread adds to its queue while it has the bufferevent's.

    In a pool's mode `pooled` callbacks are not the loop's, so its return promises nothing. What
    moves into TLS is not looked up.
    """
    if run.pooled or (run.workers and view.tls is not None):
        return False
    since = _moved(run, view, index, "recv", "input")
    thread = thread_of(run, since) if since >= 0 else MAIN
    if thread == MAIN:
        return view.unoffered == 2 and view.fresh_in_pass != UNCOUNTED
    looked = taken(run, "base", MAIN, since, index)
    while looked < index and (later := taken(run, "base", MAIN, looked, index)) < index:
        looked = later
    name = _lock_of(run, view, index)
    return looked < index and _processed(run, view, name, since, looked)


def _lock_of(run: Run, view: View, index: int) -> str:
    """The lock of `view`: it was taken for its last call or callback, and the record of that."""
    place = index - 1
    while place >= 0 and not (
        run.records[place][1] in ("op", "cb") and run.records[place][2] == view.name
    ):
        place -= 1
    thread = thread_of(run, max(place, 0))
    for before in range(place - 1, -1, -1):
        record = run.records[before]
        if record[1] == "lock" and record[4] == thread:
            return str(record[2])
    return ""


def _moved(run: Run, view: View, until: int, operation: str, which: str) -> int:
    """The last record of bytes that came to the input of `view`, or left its output; -1: none."""
    change = 4 if which == "input" else 5
    for place in range(until - 1, -1, -1):
        record = run.records[place]
        if record[1] == "completion":
            if record[2] == view.fd and record[4] == operation and record[6]:
                return place
        elif record[1] == "buffer" and record[2:4] == (view.name, which) and record[change]:
            return place
    return -1


def _processed(run: Run, view: View, name: str, since: int, until: int) -> bool:
    """Whether a thread has given the lock of `name` back before record `until`, behind bytes that
    moved in record `since` and while nothing else happened to `view`: then what they cause is due.

    A worker processes what it took under the lock, which it takes for that; a layer, or an end of
    a pair, has it when its bytes move. What ended at once the loop processes: no record tells when.
    """
    if view.tls is not None or not 0 <= since < until:
        return False
    thread = thread_of(run, since)
    held = _held(run, name, thread, since)
    if run.records[since][1] == "completion" and (held or thread not in run.turns):
        return False
    for place in range(since + 1, until):
        record = run.records[place]
        if record[1] == "lock":
            if record[2] == name and record[4] == thread:
                held += _change(record)
                if not held and record[3] == "release":
                    return True
        elif record[2] == view.name or (record[1] == "completion" and record[2] == view.fd):
            return False
    return False


def _change(record: Record) -> int:
    """How much deeper its lock is held."""
    if record[3] == "release":
        return -1
    return int(record[3] in ("acquire", "try"))


def thread_of(run: Run, index: int) -> str:
    """Who wrote a record."""
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if record[1] == "on":
            return str(record[2])
    return MAIN


def _held(run: Run, name: str, thread: str, index: int) -> int:
    """How often a thread has a lock at record `index`."""
    count = 0
    rest = -1  # the same at a place where it has none, if that turns out to be its own
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        kind = record[1]
        if kind == "lock":
            if record[2] == name and record[4] == thread:
                count += _change(record)
        elif kind in _AT_REST:
            rest = count if rest < 0 else rest
        elif kind == "on":
            if record[2] == thread and rest >= 0:
                return rest
            rest = -1
    return rest if rest >= 0 and thread == MAIN else count


def _turn_of(run: Run, view: View, index: int) -> tuple[str, int]:
    """The lock of a bufferevent with UNLOCK_CALLBACKS, and the record with which the running thread
    took it to call what was deferred, of which record `index` is a callback: what was due then is
    told in this turn, in order. The lock is given back for each, and taken again behind it.
    """
    name, since = "", index
    ending = index  # a callback of the turn
    while True:
        place, name = _taken_to_pick(run, name, ending)
        if place < 0:
            return name, since
        since = place
        before = _callback_before(run, view, name, place)
        if before < 0:
            return name, since
        ending = before


def _taken_to_pick(run: Run, name: str, index: int) -> tuple[int, str]:
    """The record with which the running thread took the lock under which it picked the callback of
    record `index`; the name of that lock. -1: there is none."""
    depth = 1  # the lock is held around the record
    given = False  # that acquire was passed: before it the lock was given back for the callback
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if record[1] != "lock" or record[4] != run.thread:
            continue
        name = name or record[2]
        if record[2] == name:
            depth -= _change(record)
            if not depth:
                if given:
                    return place, name
                given = True
    return -1, name


def _callback_before(run: Run, view: View, name: str, index: int) -> int:
    """The callback behind whose end the running thread took the lock in record `index`, or -1."""
    given = False
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if record[1] == "lock" and record[2] == name and record[4] == run.thread:
            if given or record[3] != "release":
                return -1
            given = True
        elif record[1] == "cb_end" and record[2] == view.name and given:
            return _begin_of(run, view, place)
    return -1


def _begin_of(run: Run, view: View, index: int) -> int:
    """The `cb` of a `cb_end`."""
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if record[1] == "cb" and record[2] == view.name:
            return place
    return -1
