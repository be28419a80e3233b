"""Random programs on a simulated kernel and on the real one: do they give the same results?

Hypothesis draws programs (`harness.conform.<kernel>_programs`). Where the results differ, the
difference may have an explanation, looked for in this order:

* the simulated kernel gives the real results when some of its free decisions are taken otherwise
  (`explained`): what the real kernel did is one of those things that it may do, by name in
  `harness.conform.<kernel>_looseness`;
* the real kernel gives other results when it is given more time to settle (`late`).

What is left is a difference. Hypothesis shrinks it, then steps are taken out as long as it stays;
the smallest is a case in the format of `harness.conform.cases`, which expects what the real kernel
gave.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
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
SHRINK_S = 30.0  # for Hypothesis, and again for taking steps out


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


def compare(kernel: str, runs: int, seed: int, profile: str | None = None) -> Report:
    """Plays `runs` random programs on both kernels. `profile`: that of the simulated one.

    Raises `WorldUnavailable` where the real kernel does not run.
    """
    comparison = _Comparison(kernel, profile or real_profile(kernel), seed)
    started = monotonic()
    if runs:
        comparison.search(runs)
    comparison.report.seconds = monotonic() - started
    return comparison.report


class _Comparison:
    def __init__(self, kernel: str, profile: str, seed: int) -> None:
        self.kernel = kernel
        self.report = Report(kernel, profile, seed)
        programs = import_module(KERNELS[kernel].programs)
        self.program: Callable[[Callable[[int], int]], list[Step]] = programs.program
        self.loose = import_module(KERNELS[kernel].looseness)
        self.smallest: tuple[list[Step], list[Any], list[Any]] | None = None
        self.deadline = 0.0
        self.runs_left = 0

    def search(self, runs: int) -> None:
        """Draws programs until one differs, and shrinks that."""
        self.runs_left = runs
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
        steps = self.program(lambda n: data.draw(st.integers(0, n - 1)) if n > 1 else 0)
        if self.smallest is not None and monotonic() > self.deadline:
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
            self.deadline = monotonic() + SHRINK_S
        if self.smallest is None or len(steps) <= len(self.smallest[0]):
            self.smallest = (steps, simulated, real)
        return True

    def _count(self, steps: list[Step]) -> None:
        self.report.runs += 1
        self.report.operations += sum(step[0] not in {"settle", "sleep"} for step in steps)

    def _simulated(self, steps: list[Step]) -> tuple[list[Any], set[str]]:
        with watching() as watch:
            results = play_simulated(self.kernel, steps, self.report.profile)
        return self._comparable(steps, results), watch.hits

    def _real(self, steps: list[Step], pace: float) -> list[Any]:
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
        """Leaves out steps, from the last, as long as the difference stays."""
        assert self.smallest is not None
        self.deadline = monotonic() + SHRINK_S
        index = len(self.smallest[0]) - 1
        while index >= 0 and monotonic() < self.deadline:
            steps = self.smallest[0]
            if index < len(steps):
                try:
                    self._differs([*steps[:index], *steps[index + 1 :]])
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
