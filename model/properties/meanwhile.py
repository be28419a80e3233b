"""What other threads did between two moments of one: looked up when a judgement depends on it.

A thread that moves bytes holds its bufferevent's lock, so what it asks, what it does and what it
is charged are one for everybody who wants that bufferevent. They are not one for a group, whose
lock it takes twice: to ask for its share, and to be charged. Nor is a callback of a bufferevent
with UNLOCK_CALLBACKS: it is picked under the lock, and its record comes when the lock is taken
again. These functions read the records of locks back from a record that would break a property, so
that a run pays for them only where something is in doubt.
"""

from __future__ import annotations

from model.properties.meters import Group
from model.properties.view import Run, View
from model.threads import MAIN

RETRY_NS = 1_000_000  # model.locked_rates tries a member's lock again so soon


def uncharged(run: Run, group: Group, name: str, index: int) -> list[int]:
    """Bytes to read and to write of operations that have a record before `index` but are not yet
    charged to the group: their threads have not taken its lock since."""
    sums = [0, 0]
    for thread, (since, way, size) in group.acts.items():
        if size and taken(run, name, thread, since, index) == index:
            sums[way] += size
    return sums


def crossed(run: Run, group: Group, name: str, index: int) -> bool:
    """Whether something changed the group between the share that the running thread was told and
    its operation, which is record `index`."""
    asked = index
    for asked in range(index - 1, -1, -1):
        record = run.records[asked]
        if record[1] == "lock" and record[2:5] == (name, "acquire", run.thread):
            break
    return any(
        taken(run, name, thread, since, index) > asked
        for thread, (since, _, _) in group.acts.items()
        if thread != run.thread
    )


def taken(run: Run, name: str, thread: str, since: int, until: int) -> int:
    """The record between two others with which a thread first takes a lock; `until`: none."""
    wanted = (name, "acquire", thread)
    for index in range(since + 1, until):
        record = run.records[index]
        if record[1] == "lock" and record[2:5] == wanted:
            return index
    return until


def refused(run: Run, name: str, index: int) -> bool:
    """Whether the lock of `name` was not to be had when a group tried it last, in the two
    milliseconds before record `index`: it has to try again a millisecond later."""
    earliest = run.records[index][0] - 2 * RETRY_NS - run.tolerance
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if record[0] < earliest:
            return False
        if record[1] == "lock" and record[2] == name and record[3] in {"try", "refused"}:
            return bool(record[3] == "refused")
    return False


def submitter(run: Run, view: View, index: int) -> str:
    """The thread that submitted the read whose end is record `index`."""
    found = False
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if found and record[1] == "on":
            return str(record[2])
        found |= record[1] == "wsa_recv" and record[2] == view.fd
    return MAIN


def picked(run: Run, index: int) -> int:
    """The record with which the running thread gave the bufferevent's lock back to call the
    callback that record `index` is of; `index` if it did not. The lock, which may have the name of
    what the bufferevent sits on, or of its partner, is the one that was taken for the record."""
    name = ""
    depth = 0
    inside = True  # the lock, for the record
    for place in range(index - 1, -1, -1):
        record = run.records[place]
        if record[1] != "lock" or record[4] != run.thread:
            continue
        name = name or record[2]
        if record[2] != name:
            continue
        if record[3] == "release":
            if not inside:
                return place
            depth += 1
        elif record[3] in ("acquire", "try"):
            inside = depth > 0
            depth -= 1
    return index
