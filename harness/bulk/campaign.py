"""A campaign: batches to the workers, what they find into the folder, the totals on the screen.

One process, this one, decides and writes; the workers behind an executor only compute. A result is
taken in one order: the failures' files, then the totals with them, then the word to whoever
watches. So a failure that anybody was told of is a file. Duplicates are one failure by signature.

With one worker and a bound in runs, a campaign is a function of its seed, also when it was ended
and gone on with in between.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any

from harness.bulk import corpus, state
from harness.bulk.canary import Canary
from harness.bulk.corpus import Entry
from harness.bulk.generator import Case
from harness.bulk.reduce import SHRINK_S, reduced
from harness.bulk.search import Batch, Findings, Found, search_batch
from harness.bulk.state import Known, State
from harness.failure import decode
from harness.failure import save as save_failure
from harness.observe import OBSERVATIONS, Observer
from harness.run import SUBJECTS, check_names, subject_version
from harness.worlds import check_available, is_simulated
from model.errors import DuopollError, UsageError

BATCH_RUNS, CAGED_RUNS, REAL_RUNS = 200, 60, 4  # of one batch: some tenths of a second each
PARENTS = 24  # cases that a batch begins with
PROGRESS_S, SAVE_S = 0.2, 1.0
RESTARTS = 5  # of an executor that broke
FOREVER_S = 1e9


@dataclass(slots=True)
class Report:
    """What the watcher is shown. `started_runs`: the totals before this session."""

    state: State
    canary: Canary
    entries: int = 0
    session_s: float = 0.0
    session_runs: int = 0
    shrinking: int = 0
    interrupted: bool = False
    restarts: int = 0


Progress = Callable[[Report], None]
Tell = Callable[[Found, Path], None]


def open_campaign(
    folder: Path,
    *,
    resume: bool,
    subject: str,
    mutant: str | None,
    worlds: Sequence[str],
    seed: int,
) -> State:
    """The campaign that a folder holds, or a new one. Raises `UsageError`.

    One that is gone on with keeps its seed; subject, mutant and worlds must be the same.
    """
    for world in worlds:
        check_names(world, subject, mutant)
        check_available(world)
    subject_version(subject)
    if not (folder / state.NAME).exists():
        if resume:
            raise UsageError(f"{folder}: holds no campaign to resume: leave --resume out")
        return State(seed, subject, mutant, tuple(worlds))
    found = state.load(folder)
    wanted = (subject, mutant, tuple(worlds))
    if wanted != (found.subject, found.mutant, found.worlds):
        held = f"{found.subject}{f' with {found.mutant}' if found.mutant else ''}"
        raise UsageError(
            f"{folder}: holds a campaign of {held} in {', '.join(found.worlds)}:"
            " give the same --subject, --mutant and --world, or another --dir"
        )
    return found


@dataclass
class Campaign:
    """The process that decides. `width` jobs are under way at once."""

    folder: Path
    state: State
    make_executor: Callable[[], Executor]
    width: int
    canary: Canary
    progress: Progress | None = None
    tell: Tell | None = None
    shrink_s: float = SHRINK_S
    batch_runs: int = 0  # 0: as many as suit the worlds and the subject
    pending: dict[Future[Any], tuple[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.folder / "corpus"
        entries = corpus.load(path) if path.is_dir() else []
        self.entries = [(entry.name, entry) for entry in entries]  # in the order of their names
        self.seen = {key for entry in entries for key in entry.new}
        self.report = Report(self.state, self.canary, len(self.entries))
        self.to_shrink: list[Known] = [
            each for each in self.state.failures.values() if not each.shrunk
        ]
        self.asked_runs = self.state.runs.total()
        self.told_at = self.saved_at = 0.0
        self.before_ms = self.state.elapsed_ms

    def run(self, runs: int | None = None, seconds: float = FOREVER_S) -> Report:
        """Searches until the campaign has `runs` runs in all, or for `seconds`; what is under way
        then is waited for. An interrupt (KeyboardInterrupt out of `progress`) ends it too."""
        self.started = monotonic()
        self.deadline = self.started + seconds
        self.most = 1 << 60 if runs is None else runs
        state.save(self.folder, self.state)
        self.observer = Observer(self.folder / OBSERVATIONS)
        executor = self.make_executor()
        try:
            while self._fill(executor):
                try:
                    self._take_some()
                except BrokenExecutor:
                    executor = self._restarted(executor)
        except KeyboardInterrupt:
            self.report.interrupted = True
        finally:
            executor.shutdown(wait=not self.report.interrupted, cancel_futures=True)
            self.observer.close()
            self._watch(force=True)
        return self.report

    # Asking.

    def _fill(self, executor: Executor) -> bool:
        """Keeps the workers busy; false when there is nothing under way and nothing to ask."""
        while len(self.pending) < self.width:
            job = self._next_job()
            if job is None:
                break
            kind, function, argument = job
            try:
                self.pending[executor.submit(function, *argument)] = kind, argument
            except BrokenExecutor:
                break
        return bool(self.pending)

    def _next_job(self) -> tuple[str, Callable[..., Any], tuple[Any, ...]] | None:
        """The canary first, then shrinking (half of the workers at most), then searching."""
        over = monotonic() >= self.deadline or self.asked_runs >= self.most
        canary = self.canary
        if not canary.over and not any(kind == "canary" for kind, _ in self.pending.values()):
            return "canary", search_batch, (canary.batch(),)
        shrinking = sum(kind == "shrink" for kind, _ in self.pending.values())
        self.report.shrinking = shrinking
        late = monotonic() >= self.deadline
        if self.to_shrink and not late and shrinking < max(1, self.width // 2):
            known = self.to_shrink.pop(0)
            seconds = min(self.shrink_s, max(0.1, (self.deadline - monotonic()) / 3))
            data = (self.folder / "failures" / known.file).read_bytes()
            return "shrink", reduced, (data, known.signature, seconds)
        return None if over else ("search", search_batch, (self._batch(),))

    def _batch(self) -> Batch:
        own = self.state
        runs = min(self.batch_runs or _batch_runs(own), self.most - self.asked_runs)
        self.asked_runs += runs
        random = Random((own.seed << 33) + own.batches)
        parents = tuple([self._parent(random) for _ in range(PARENTS if self.entries else 0)])
        batch = Batch(
            number=own.batches,
            seed=own.seed,
            subject=own.subject,
            mutant=own.mutant,
            worlds=own.worlds,
            runs=runs,
            parents=parents,
            known=frozenset(own.failures),
            seen=frozenset(self.seen),
        )
        own.batches += 1
        return batch

    def _parent(self, random: Random) -> Case:
        """Of three entries the one whose rarest key is the rarest."""
        three = [self.entries[random.randrange(len(self.entries))][1] for _ in range(3)]
        return min(three, key=self._rarity).case

    def _rarity(self, entry: Entry) -> int:
        return min(map(self.state.keys.__getitem__, entry.new), default=1 << 60)

    # Taking.

    def _take_some(self) -> None:
        """Whatever is done by now, in the order in which it was asked for."""
        done, _ = wait(self.pending, PROGRESS_S, FIRST_COMPLETED)
        for future in [each for each in self.pending if each in done]:
            kind, argument = self.pending[future]
            result = future.result()  # raises BrokenExecutor with the job still pending
            del self.pending[future]
            if kind == "canary":
                self.canary.take(result, self.folder)
            elif kind == "shrink":
                self._take_smaller(self.state.failures[argument[1]], result)
            else:
                self._take(argument[0], result)
            self._watch()
        self._watch()

    def _take(self, batch: Batch, findings: Findings) -> None:
        own = self.state
        self._observe(findings)
        new = [each for each in findings.failures if each.signature not in own.failures]
        for found in new:
            self._keep_failure(found)
        for name, times in findings.broken.items():
            own.failures[name].times += times
        for entry in findings.entries:
            self._keep_entry(entry)
        own.runs.update(findings.runs)
        self.asked_runs += findings.runs.total() - batch.runs
        self.report.session_runs += findings.runs.total()
        own.records += findings.records
        own.checked.update(findings.checked)
        own.keys.update(findings.keys)
        if new or monotonic() - self.saved_at >= SAVE_S:
            self._save()
        for found in new:
            if self.tell is not None:
                path = self.folder / "failures" / own.failures[found.signature].file
                self.tell(found, path)

    def _observe(self, findings: Findings) -> None:
        """The sample of the batch's runs, into the file that the campaign notebook reads."""
        elapsed_s = self.before_ms / 1000 + monotonic() - self.started
        for told in findings.observed:
            told["run_start"] = self.observer.run_start
            told["metadata"]["elapsed_s"] = round(elapsed_s, 3)
            self.observer.write(told)
        self.observer.flush()

    def _keep_failure(self, found: Found) -> None:
        """Its file first, then its place in the totals."""
        name = state.file_name(found.signature, found.property)
        save_failure(self.folder / "failures" / name, decode(found.data.split(b"\n")))
        known = Known(found.signature, found.property, found.worlds, name, 0)
        self.state.failures[found.signature] = known
        self.to_shrink.append(known)

    def _take_smaller(self, known: Known, data: bytes) -> None:
        save_failure(self.folder / "failures" / known.file, decode(data.split(b"\n")))
        known.shrunk = True
        self._save()

    def _keep_entry(self, entry: Entry) -> None:
        """Into the corpus, if it is new to the campaign as well."""
        if self.seen.issuperset(entry.new):
            return
        self.seen.update(entry.new)
        corpus.save(self.folder / "corpus", entry)
        place = bisect(self.entries, entry.name, key=itemgetter(0))
        if not place or self.entries[place - 1][0] != entry.name:
            self.entries.insert(place, (entry.name, entry))
        self.report.entries = len(self.entries)
        self.state.keys.update([key for key in entry.new if key.startswith("rule ")])

    def _restarted(self, executor: Executor) -> Executor:
        """A worker died, and its executor with it: what was under way is asked for again."""
        self.report.restarts += 1
        if self.report.restarts > RESTARTS:
            raise DuopollError(f"the workers died {RESTARTS} times: see what ends them")
        executor.shutdown(wait=False, cancel_futures=True)
        again = list(self.pending.values())
        self.pending.clear()
        made = self.make_executor()
        for kind, argument in again:
            function = reduced if kind == "shrink" else search_batch
            self.pending[made.submit(function, *argument)] = kind, argument
        return made

    # Showing.

    def _save(self) -> None:
        self.saved_at = monotonic()
        self.state.elapsed_ms = self.before_ms + int((self.saved_at - self.started) * 1000)
        state.save(self.folder, self.state)

    def _watch(self, force: bool = False) -> None:
        now = monotonic()
        self.report.session_s = now - self.started
        if force:
            self._save()
        if self.progress is not None and (force or now - self.told_at >= PROGRESS_S):
            self.told_at = now
            self.progress(self.report)


def _batch_runs(own: State) -> int:
    """Few where a run takes long, so that results come soon."""
    if not all(map(is_simulated, own.worlds)):
        return REAL_RUNS
    return CAGED_RUNS if SUBJECTS[own.subject].caged else BATCH_RUNS
