"""What the records of the harness say: the program, the loop, the run's end.

A handler that returns true ends the judging of all but resources and bytes: the program is over.
"""

from __future__ import annotations

from model.errors import Errno
from model.properties import liveness, rates, resources
from model.properties.view import UNCOUNTED, Handler, Run
from model.subject import EVLOOP_ONCE
from model.threads import MAIN
from model.trace import Record

STRIDE = 1_000  # records; a bufferevent that spins needs some four for a round


def step(run: Run, index: int, record: Record) -> None:
    """`step`: the application's program goes on."""
    run.idle_waits = 0


def fault(run: Run, index: int, record: Record) -> None:
    """`fault`: of an allocation any bufferevent may tell."""
    if record[2].startswith("malloc"):
        for view in run.views.values():
            view.errors.append(Errno.ENOMEM)


def loop(run: Run, index: int, record: Record) -> None:
    """`loop`: it begins. Two in a row with EVLOOP_ONCE: nobody broke off the first."""
    if record[2] & run.loop_flags & EVLOOP_ONCE:
        liveness.judge_once(run, index)
    run.loop_flags = record[2]


def loop_end(run: Run, index: int, record: Record) -> None:
    """`loop_end`: 1 means that no events were left."""
    liveness.loop_ended(run, index, record[2])


def quiet(run: Run, index: int, record: Record) -> None:
    """`quiet`: liveness is judged."""
    liveness.judge(run, index, record[0])
    if run.rates is not None:
        rates.waited(run, index, record[0], last=True)


def teardown(run: Run, index: int, record: Record) -> bool:
    """`teardown`: the program is over; watermarks bind no more."""
    for view in run.views.values():
        view.high = view.read_high = 0
    return True


def base_free(run: Run, index: int, record: Record) -> None:
    """`base_free`: all bufferevents must be gone."""
    run.base_freed = True
    if run.cut:
        return
    run.checked["S-3"] += 1
    if record[2]:
        run.violate(
            "S-3", "", index, f"{record[2]} bufferevents were still alive when the base was freed"
        )


def crash(run: Run, index: int, record: Record) -> bool:
    """`crash`: an exception out of the subject."""
    run.cut = True
    resources.crash(run, index, record)
    return True


def budget(run: Run, index: int, record: Record) -> bool:
    """`budget`: the run was cut. One in which bytes moved to its last is only a long one."""
    run.cut = True
    run.checked["L-5"] += 1
    if not any(map(_moves, run.records[max(0, index - STRIDE) : index])):
        count = record[2]
        run.violate("L-5", "", index, f"the run was cut after {count} records: it does not end")
    return True


def _moves(record: Record) -> bool:
    """Whether bytes moved: they are in the record, or between layers they are counted."""
    if record[1] == "buffer":
        return bool(record[4] or record[5])
    return any(isinstance(field, bytes) and field for field in record)


def on(run: Run, index: int, record: Record) -> None:
    """`on`: another thread writes."""
    run.thread = record[2]
    run.pass_mark = run.passes if run.thread == MAIN else UNCOUNTED


def thread(run: Run, index: int, record: Record) -> None:
    """`thread`: there are several."""
    run.threaded = True


def hang(run: Run, index: int, record: Record) -> bool:
    """`hang`: nobody goes on; the run was cut."""
    run.cut = True
    return True


HANDLERS: dict[str, Handler] = {
    "step": step,
    "fault": fault,
    "loop": loop,
    "loop_end": loop_end,
    "quiet": quiet,
    "teardown": teardown,
    "base_free": base_free,
    "crash": crash,
    "budget": budget,
    "on": on,
    "thread": thread,
    "hang": hang,
}
