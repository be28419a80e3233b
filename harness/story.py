"""What happened, for people: a failing run in at most ten plain lines.

Which promise broke and in what; who was connected to whom; which bytes went where; then the few
records that decided it, counted back from the one at which the property broke, of the ends that
it concerns; and what broke. Records that are left out are counted, never silently dropped.

With the scenario as a program and the command that replays it, the story makes the three blocks
that every failure prints.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.failure import FailureFile
from harness.lanes import lanes, thread_names
from harness.program import program
from harness.scenario import Connection, PeerEnd, ends
from harness.words import count, describe, milliseconds, moved, named, owners, plain
from model.properties import PROPERTY
from model.trace import Record

LINES_MAX = 10
LINE_WIDTH = 200
_CONNECTIONS_TOLD = 3
_END = re.compile(r"\b[csl]\d+\b")

#: kinds that tell what an application or its peer did or was told; the kernel's own calls say
#: how, and are told only where none of these is
_TELLING = frozenset(("new", "op", "ret", "write", "read", "echo", "cb", "peer", "crash", "budget"))


def story(failure: FailureFile) -> list[str]:
    """The run in at most ten lines of printable ASCII."""
    lines = [_title(failure), _who(failure), _traffic(failure.records), _tape(failure)]
    if len(thread_names(failure.records)) > 1:
        del lines[2]  # what hangs or races moves few bytes, and the table takes its line
    lines = [line for line in lines if line]
    lines += _deciding(failure, LINES_MAX - len(lines) - 3)  # two elisions and what broke
    violation = failure.violation
    if violation is not None:
        more = len(failure.violations) - 1
        also = f" (and {count(more, 'violation')} more)" if more else ""
        lines.append(f"Broken: {violation.message}{also}")
    return [plain(line, LINE_WIDTH) for line in lines]


def three_blocks(failure: FailureFile, path: str | Path) -> str:
    """The story, the scenario as a program, and the command that replays the file at `path`."""
    blocks = ("\n".join(story(failure)), program(failure).rstrip(), replay_command(path))
    return "\n\n".join(blocks) + "\n"


def replay_command(path: str | Path) -> str:
    """The command line that replays the file, quoted for the shell of this system."""
    if sys.platform == "win32":
        return "duopoll replay " + subprocess.list2cmdline([str(path)])
    return "duopoll replay " + shlex.quote(str(path))


def _title(failure: FailureFile) -> str:
    subject = f"{failure.subject} {failure.subject_version}"
    if failure.mutant is not None:
        subject += f" with mutant {failure.mutant}"
    where = f"{failure.world} ({failure.kernel_version})"
    if failure.broken is None:
        return f"In {where}, {subject} kept every promise."
    known = PROPERTY.get(failure.broken)
    statement = f": {known.statement}" if known is not None else ""
    return f"In {where}, {subject} broke {failure.broken}{statement}"


def _who(failure: FailureFile) -> str:
    kinds = dict(ends(failure.scenario))
    told = []
    for index in range(min(len(failure.scenario.connections), _CONNECTIONS_TOLD)):
        client, server = kinds[f"c{index}"], kinds[f"s{index}"]
        times = getattr(client, "connects", 1)
        made = f" {times} times" if times > 1 else ""
        deaf = "" if getattr(server, "listens", True) else ", where nobody listens"
        connection = failure.scenario.connections[index]
        if connection.transport == "pair":
            told.append(f"c{index} and s{index} are a bufferevent pair{_layers(connection)}")
            continue
        told.append(
            f"c{index} ({_kind(client)}) connects{made} to s{index} ({_kind(server)}){deaf}"
            f"{_layers(connection)}"
        )
    rest = len(failure.scenario.connections) - len(told)
    if rest:
        told.append(f"{count(rest, 'connection')} more")
    return "; ".join(told) + "."


def _layers(connection: Connection) -> str:
    kinds = ", ".join(layer.kind for layer in connection.layers)
    return f" through {kinds}" if kinds else ""


def _kind(end: object) -> str:
    return "raw peer" if isinstance(end, PeerEnd) else "bufferevent"


def _traffic(records: Sequence[Record]) -> str:
    """How much each end put in and took out."""
    totals: dict[str, list[int]] = {}
    for record in records:
        for layer, direction, size in moved(record[1], named(record)):
            if layer == "application":
                total = totals.setdefault(str(record[2]), [0, 0])
                total[direction == "in"] += size
    told = [
        f"{end} sent {sent} and received {received}"
        for end, (sent, received) in sorted(totals.items())
        if sent or received
    ]
    if not told:
        return "No end sent a byte."
    more = "" if len(told) <= 4 else f"; {len(told) - 4} more ends"
    return "Bytes: " + "; ".join(told[:4]) + more + "."


def _tape(failure: FailureFile) -> str:
    """The decisions that were not dull."""
    sharp = [decision for decision in failure.decisions if decision.value]
    if not failure.decisions:
        return ""
    if not sharp:
        return f"All {len(failure.decisions)} decisions of the simulator were dull."
    told = ", ".join(f"{each.name} {each.value} of {each.bound}" for each in sharp[:4])
    more = "" if len(sharp) <= 4 else f" and {len(sharp) - 4} more"
    return f"Decisions that mattered: {told}{more}."


def _deciding(failure: FailureFile, most: int) -> list[str]:
    """The last telling records up to the violation, and how many stand before and after them."""
    records = failure.records
    if not records:
        return []
    stop = _stop(failure)
    if len(thread_names(records)) > 1:
        return _turns(records, stop, most)
    message = "" if failure.violation is None else failure.violation.message
    named_end = _END.search(message)
    concerned = "" if named_end is None else _connection(named_end[0])
    chosen = _choose(records, stop, most, concerned)
    lines = []
    told = 0
    if chosen[0] > 0:
        lines.append(f"... {count(chosen[0], 'record')} ...")
    for index in chosen:
        lines.append(f"{index:>5}  {milliseconds(records[index][0])}  {describe(records[index])}")
        told += 1
    between = stop - chosen[0] + 1 - told
    after = len(records) - stop - 1
    if between or after:
        parts = [f"{count(between, 'record')} between them"] if between else []
        parts += [f"{count(after, 'record')} after them"] if after else []
        lines.append(f"... {' and '.join(parts)} ...")
    return lines


def _turns(records: Sequence[Record], stop: int, most: int) -> list[str]:
    """Of a run with threads: the same as a table, a column a thread."""
    hang = records[stop][1] == "hang"
    near = _taken(records, stop) if hang else _telling(records, stop)
    chosen = [*near[-(most - 1) :], max(stop, 0)]
    before, after = chosen[0], len(records) - stop - 1
    between = stop - before + 1 - len(chosen)
    told = [
        f"{count(number, 'record')} {where} them"
        for number, where in ((before, "before"), (between, "between"), (after, "after"))
        if number
    ]
    more = [f"... {', '.join(told)} ..."] if told else []
    return [*lanes(records, (), chosen, elide=False), *more]


def _telling(records: Sequence[Record], stop: int) -> list[int]:
    return [index for index in range(stop) if records[index][1] in _TELLING]


def _taken(records: Sequence[Record], hang: int) -> list[int]:
    """Where the threads that hang took what they hold, which the records behind it say."""
    holds = {
        (lock, record[2])
        for record in records[hang + 1 :]
        if record[1] == "blocked"
        for lock in str(record[3]).split(", ")
    }
    taken: dict[tuple[str, str], int] = {}
    for index in range(hang):
        record = records[index]
        if record[1] == "lock" and record[3] in {"acquire", "try"}:
            taken[record[2], record[4]] = index
    return sorted(index for key, index in taken.items() if key in holds)


def _stop(failure: FailureFile) -> int:
    """The record at which the property broke; of a whole run, the last before the clean-up."""
    if failure.violation is not None and failure.violation.record >= 0:
        return min(failure.violation.record, len(failure.records) - 1)
    kinds = [record[1] for record in failure.records]
    return (kinds.index("teardown") if "teardown" in kinds else len(kinds)) - 1


def _connection(end: str) -> str:
    """The number of an end's connection: 3 of c3, l3, s3.1 and c3/0."""
    return end[1:].split("/", maxsplit=1)[0].split(".", maxsplit=1)[0]


def _choose(records: Sequence[Record], stop: int, most: int, concerned: str) -> list[int]:
    """At most `most` records that end with `stop`, of its connection or of the one concerned."""
    whose = owners(records[: stop + 1])
    connection = _connection(whose[stop]) if stop >= 0 and whose[stop] else concerned
    near = [
        index
        for index in range(stop)
        if records[index][1] in _TELLING
        and (not connection or _connection(whose[index]) == connection)
    ]
    return [*near[-(most - 1) :], max(stop, 0)]
