"""Which known bugs of libevent a failure has for its cause, shown by mending them.

The subject `libevent-mended` is libevent with a mend for each finding, and a mutant of it has the
bugs named left in. A failure has one bug for its cause if it fails the same with that bug alone
and not without any; where no single one is enough, the fewest that are together are looked for, by
mending one after the other. What still fails with every mend has a cause that nobody has found, or
it is a false alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.failure import FailureFile, load
from harness.run import Outcome, run
from harness.signature import signature
from model.errors import UsageError

SUBJECT = "libevent-mended"
ALL = "all"  # of its mutants: every bug left in


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
    mended = _run(failure, None)
    still = tuple([signature(each, mended.records) for each in mended.verdicts.violations])
    shown = _fails(failure, ALL, name)
    if name in still or not shown:
        return Cause(path, name, (), False, still, shown)
    alone = [bug for bug in bugs if _fails(failure, bug, name)]
    if alone:
        return Cause(path, name, tuple(alone), False, still, shown)
    return Cause(path, name, tuple(_fewest(failure, bugs, name)), True, still, shown)


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


def _fails(failure: FailureFile, bugs: str, name: str) -> bool:
    outcome = _run(failure, bugs)
    found = outcome.verdicts.violations
    return any(signature(each, outcome.records) == name for each in found)


def _run(failure: FailureFile, bugs: str | None) -> Outcome:
    return run(failure.scenario, failure.world, tape=failure.tape, subject=SUBJECT, mutant=bugs)
