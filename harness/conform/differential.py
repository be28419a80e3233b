"""Random programs on a simulated kernel and on the real one: do they give the same results?

Hypothesis draws programs (`harness.conform.<kernel>_programs`). Where the results differ, the
difference may have an explanation, looked for in this order:

* the simulated kernel gives the real results when some of its free decisions are taken otherwise
  (`explained`): what the real kernel did is one of those things that it may do, by name in
  `harness.conform.<kernel>_looseness`;
* the real kernel gives other results when it is given more time to settle (`late`).

What is left is a difference. Hypothesis shrinks it, then steps are taken out as long as it stays;
the smallest is a case in the format of `harness.conform.cases`, which expects what the real kernel
gave. Both are bounded in programs drawn and plays of them, which do not depend on how fast the
machine is; a bound in seconds is for who waits for the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import dropwhile
from math import inf
from time import monotonic
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Flaky, HypothesisException

from harness.conform.arms import KERNELS, play_real, play_simulated, real_profile
from harness.conform.blame import Run
from harness.conform.cases import OVERRIDES, Case, Step
from harness.conform.explain import explain
from harness.conform.rules import watching
from model.choices import Choices, Decision
from model.errors import UsageError

PACES = (0.5, 4.0)  # how long the real kernel may settle, at first and in doubt
SHRINK_PLAYS = 2_000  # for Hypothesis, and again for taking steps out
SHRINK_S = 30.0  # the same, for who waits


@dataclass
class Report:
    """What the comparison did. `found` is the smallest program that differs, as a case."""

    kernel: str
    profile: str
    seed: int
    runs: int = 0
    operations: int = 0
    explained: dict[str, int] = field(default_factory=dict)  # by what it is that is free
    decisions: Counter[Decision] = field(default_factory=Counter)  # those of the explanations
    late: int = 0
    lost: int = 0  # plays that the real kernel's process did not survive
    tried: list[Run] = field(default_factory=list)  # the rules of each program
    found: Case | None = None
    step: int = 0
    simulated: Any = None
    real: Any = None
    applied: tuple[str, ...] = ()  # rules of the simulated kernel, in the step that differs
    seconds: float = 0.0


class _Stop(BaseException):
    """Ends Hypothesis from inside; no Exception, so that it lets it pass."""


class _Differs(Exception):
    """Tells Hypothesis that the program gives different results."""


def compare(
    kernel: str,
    runs: int,
    seed: int,
    profile: str | None = None,
    *,
    shrink_plays: int = SHRINK_PLAYS,
    shrink_s: float | None = None,
) -> Report:
    """Plays `runs` random programs on both kernels. `profile`: that of the simulated one.

    `shrink_plays` bounds each of the two ways of shrinking: programs drawn, and plays of them,
    simulated and real. `shrink_s`, in seconds, is another bound, with which the found case
    depends on the machine.
    Raises `WorldUnavailable` where the real kernel does not run.
    """
    effort = _Effort(shrink_plays, shrink_s)
    comparison = _Comparison(kernel, profile or real_profile(kernel), seed, effort)
    started = monotonic()
    if runs:
        comparison.search(runs)
    comparison.report.seconds = monotonic() - started
    return comparison.report


class _Effort:
    """What shrinking may cost: `most` programs drawn and plays, and perhaps seconds."""

    def __init__(self, most: int, seconds: float | None) -> None:
        self.most = most
        self.seconds = inf if seconds is None else seconds
        self.start()

    def start(self) -> None:
        """All of it is left again."""
        self.left = self.most
        self.deadline = monotonic() + self.seconds

    @property
    def spent(self) -> bool:
        return self.left <= 0 or monotonic() > self.deadline


class _Comparison:
    def __init__(self, kernel: str, profile: str, seed: int, effort: _Effort) -> None:
        self.kernel = kernel
        self.report = Report(kernel, profile, seed)
        programs = import_module(KERNELS[kernel].programs)
        self.program: Callable[[Callable[[int], int]], list[Step]] = programs.program
        self.needed: frozenset[str] = getattr(programs, "NEEDED", frozenset())
        self.loose = import_module(KERNELS[kernel].looseness)
        self.smallest: tuple[list[Step], list[Any], list[Any]] | None = None
        self.effort = effort

    def search(self, runs: int) -> None:
        """Draws programs until one differs, and shrinks that."""
        configured = settings(
            max_examples=runs,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
        )
        body = seeded(self.report.seed)(configured(given(st.data())(self._example)))
        try:
            body()
        except (_Differs, _Stop, Flaky, HypothesisException):
            if self.smallest is None:
                raise
        if self.smallest is not None:
            self._take_steps_out()
            self._keep()

    def _example(self, data: st.DataObject) -> None:
        """What Hypothesis calls; it tells failures apart by the line that raised."""
        self.effort.left -= 1
        steps = self.program(lambda n: data.draw(st.integers(0, n - 1)) if n > 1 else 0)
        if self.smallest is not None and self.effort.spent:
            raise _Stop
        if self._differs(steps):
            raise _Differs

    def _differs(self, steps: list[Step]) -> bool:
        """Whether the kernels differ in `steps` without an explanation."""
        exploring = self.smallest is None
        simulated, hits = self._simulated(steps)
        real = self._real(steps, PACES[0])
        if exploring:
            self._count(steps)
        differs = simulated != real and self._unexplained(steps, simulated, real, exploring)
        if exploring:
            self.report.tried.append(Run(hits, differs))
        return differs

    def _unexplained(
        self, steps: list[Step], simulated: list[Any], real: list[Any], exploring: bool
    ) -> bool:
        """Whether no explanation is found for a difference; keeps the smallest such."""
        explained = self._explained(steps, real, exploring)
        if explained is None:
            real = self._real(steps, PACES[1])
            late = simulated == real
            explained = None if late else self._explained(steps, real, exploring)
            if late or explained:
                self.report.late += exploring
                return False
        if explained is not None:
            if exploring:
                self.report.explained[explained] = self.report.explained.get(explained, 0) + 1
            return False
        if self.smallest is None:
            self.effort.start()
        if self.smallest is None or len(steps) <= len(self.smallest[0]):
            self.smallest = (steps, simulated, real)
        return True

    def _count(self, steps: list[Step]) -> None:
        self.report.runs += 1
        self.report.operations += sum(step[0] not in {"settle", "sleep"} for step in steps)

    def _simulated(self, steps: list[Step]) -> tuple[list[Any], set[str]]:
        self.effort.left -= 1
        with watching() as watch:
            results = play_simulated(self.kernel, steps, self.report.profile)
        return self._comparable(steps, results), watch.hits

    def _real(self, steps: list[Step], pace: float) -> list[Any]:
        self.effort.left -= 1
        results = play_real(self.kernel, [steps], pace)[0]
        self.report.lost += not results
        return self._comparable(steps, results)

    def _comparable(self, steps: Sequence[Step], results: Sequence[Any]) -> list[Any]:
        """Results without what has no decision, where the kernel has such."""
        comparable = getattr(self.loose, "comparable", None)
        return list(results) if comparable is None else list(comparable(steps, results))

    def _explained(self, steps: list[Step], real: list[Any], counts: bool) -> str | None:
        """The freedoms with which the simulated kernel gives the real results, by name."""

        def play(choices: Choices, before: Callable[[int], object] | None) -> list[Any]:
            self.effort.left -= 1
            profile = self.report.profile
            return self._comparable(
                steps, play_simulated(self.kernel, steps, profile, choices, before)
            )

        if len(real) != len(steps):
            return None  # it did not come to its end
        decisions = explain(play, real, self.loose.DECISIONS)
        if decisions is None:
            return None
        if counts:
            self.report.decisions.update(decisions)
        return str(self.loose.named(decisions))

    def _take_steps_out(self) -> None:
        """Leaves out steps, from the last, as long as the difference stays.

        A settle goes with what it follows; and what makes a program comparable stays, or it would
        show another difference.
        """
        assert self.smallest is not None
        self.effort.start()
        index = len(self.smallest[0]) - 1
        while index >= 0 and not self.effort.spent:
            steps = self.smallest[0]
            if index < len(steps) and steps[index][0] not in self.needed | {"settle"}:
                rest = list(dropwhile(lambda step: step[0] == "settle", steps[index + 1 :]))
                try:
                    self._differs([*steps[:index], *rest])
                except UsageError:
                    pass  # it made something that a later step names
            index -= 1

    def _keep(self) -> None:
        """The smallest program as a case that expects what the real kernel gives."""
        assert self.smallest is not None
        steps, simulated, real = self.smallest
        report = self.report
        pairs = enumerate(zip(simulated, real, strict=False))
        report.step = next((n for n, (one, other) in pairs if one != other), len(real))
        at = report.step
        report.simulated = simulated[at] if at < len(simulated) else None
        report.real = real[at] if at < len(real) else None
        steps = steps[: at + 1]
        expect = [*real[: at + 1], *([None] * (at + 1 - len(real)))]
        overrides = {}
        if report.profile in OVERRIDES:
            overrides = {report.profile: {at: expect[at]}}
            expect[at] = None
        name = f"found_{report.kernel}_{report.seed}"
        source = f"duopoll conform --seed {report.seed}"
        report.found = Case(
            report.kernel, name, source, tuple(steps), tuple(expect), overrides, name
        )
        report.applied = self._applied(steps)

    def _applied(self, steps: Sequence[Step]) -> tuple[str, ...]:
        """The rules that the simulated kernel applies in the step that differs."""
        seen: list[set[str]] = []
        with watching() as watch:

            def before(_: int) -> None:
                seen.append(set(watch.hits))
                watch.hits.clear()

            play_simulated(self.kernel, steps, self.report.profile, None, before)
        last = watch.hits or (seen[-1] if seen else set())
        return tuple(sorted(last))
