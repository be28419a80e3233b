"""Which known bugs of libevent a failure has for its cause, shown by mending them.

The subject `libevent-mended` is libevent with a mend for each finding, and a mutant of it has the
bugs named left in. A failure has one bug for its cause if it fails the same with that bug alone
and not without any; where no single one is enough, the fewest that are together are looked for, by
mending one after the other. What still fails with every mend has a cause that nobody has found, or
it is a false alarm.

A mend may make a call more or less, and then a fault that is the n-th of its kind, or a decision of
the tape, meets another moment: a failure that is gone for that is not explained. So faults and tape
are moved to and fro, and what fails then the same still fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.failure import FailureFile, load
from harness.run import run
from harness.scenario import Scenario
from harness.signature import signature
from model.errors import UsageError

Case = tuple[Scenario, tuple[int, ...]]

SUBJECT = "libevent-mended"
ALL = "all"  # of its mutants: every bug left in
FAULT_SHIFT, TAPE_SHIFT = 6, 2  # by how much a mend may move them


@dataclass(frozen=True)
class Cause:
    """What came of one failure file. `causes` has the bugs of which each alone is enough, or if
    `together` the fewest that are; `still` what breaks with every mend; `shown` is whether it
    fails with no mend."""

    file: Path
    name: str
    causes: tuple[str, ...]
    together: bool
    still: tuple[str, ...]
    shown: bool

    @property
    def explained(self) -> bool:
        """Whether it has a cause, and is no more without it."""
        return bool(self.causes) and not self.still


def files_in(paths: Iterable[str]) -> list[Path]:
    """The failure files named, and those in the folders named. Raises `UsageError`."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += sorted(path.rglob("*.jsonl"))
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path} is neither a failure file nor a folder of such: name one")
    return found


def cause_of(path: Path, bugs: Sequence[str]) -> Cause:
    """Looks for the cause of a failure of libevent among `bugs`. Raises `UsageError` for a file of
    another subject, or without a failure, and `WorldUnavailable`."""
    failure = load(path)
    if not failure.subject.startswith("libevent") or failure.broken is None:
        raise UsageError(f"{path} is no failure of libevent: name one that duopoll fuzz kept")
    first = next(each for each in failure.violations if each.property == failure.broken)
    name = signature(first, failure.records)
    still = _breaks(failure, (failure.scenario, failure.tape), None)
    if _fails(failure, None, name):
        still.add(name)
    shown = _fails(failure, ALL, name)
    causes: Sequence[str] = ()
    together = False
    if shown and name not in still:
        causes = [bug for bug in bugs if _fails(failure, bug, name)]
        if not causes:
            causes, together = _fewest(failure, bugs, name), True
    return Cause(path, name, tuple(causes), together, tuple(sorted(still)), shown)


def _fewest(failure: FailureFile, bugs: Sequence[str], name: str) -> list[str]:
    """Mends what can be mended without an end to the failure: halves, then single ones."""
    left = list(bugs)
    size = len(left) // 2
    while size:
        for at in range(len(left) - size, -1, -size):
            fewer = left[:at] + left[at + size :]
            if fewer and _fails(failure, "+".join(fewer), name):
                left = fewer
        size //= 2
    return left


def _fails(failure: FailureFile, bugs: str | None, name: str) -> bool:
    """Whether it does with these bugs, where it did or a few calls before or behind."""
    return any(name in _breaks(failure, case, bugs) for case in moved_about(failure))


def moved_about(failure: FailureFile) -> Iterator[Case]:
    """Its scenario and tape, and the same with faults and decisions a few calls to and fro."""
    scenario, tape = failure.scenario, failure.tape
    yield scenario, tape
    calls = scenario.faults.calls
    for by in range(-FAULT_SHIFT, FAULT_SHIFT + 1) if calls else ():
        moved = tuple([each._replace(n=each.n + by) for each in calls])
        if by and all(each.n >= 1 for each in moved):
            yield replace(scenario, faults=replace(scenario.faults, calls=moved)), tape
    for by in range(1, TAPE_SHIFT + 1) if tape else ():
        yield scenario, (0,) * by + tape
        yield scenario, tape[by:]


def _breaks(failure: FailureFile, case: Case, bugs: str | None) -> set[str]:
    """What a case breaks with these bugs, by signature."""
    scenario, tape = case
    outcome = run(scenario, failure.world, tape=tape, subject=SUBJECT, mutant=bugs)
    return {signature(each, outcome.records) for each in outcome.verdicts.violations}
