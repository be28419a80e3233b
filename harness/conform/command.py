"""`duopoll conform`: cases and random programs on simulated and on real kernels.

For every kernel: each case on the simulated kernel, under each of its profiles, and on the real
one, under the profile that the real kernel is known to have; then random programs on both; then the
rules that all this exercised. A difference shows the operation, what the simulated kernel gave,
what the real one gave, what was expected, and the rules that the simulated kernel applied in that
step. Suspects are rules ranked over all cases and programs (`harness.conform.blame`).
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.conform.arms import (
    KERNELS,
    check_profile,
    play_real,
    play_simulated,
    real_profile,
)
from harness.conform.blame import Run, Suspect, suspects
from harness.conform.cases import Case, Difference, differences, load, own_cases, save
from harness.conform.differential import Report, compare
from harness.conform.rules import watching
from harness.inclusion.tightness import DECISIONS, never, told_never
from harness.words import count, plain
from harness.worlds import why_not
from model.choices import Decision
from model.errors import UsageError, WorldUnavailable
from sim.rules import rules

CLEAN, DIFFERENT = 0, 1
RUNS = 20  # random programs for each kernel, unless the user says
SLOW = 4.0  # the pace of a case's second chance on the real kernel
FOUND = "found.jsonl"


@dataclass
class Disagreement:
    """A step of a case on one arm (`simulated <profile>` or `real`) that was not as expected."""

    arm: str
    step: int
    operation: list[Any]
    simulated: Any
    real: Any
    expected: Any
    rules: tuple[str, ...]


@dataclass
class Played:
    """One case: the arms that played it, and where they differed from what was expected."""

    case: Case
    arms: list[str] = field(default_factory=list)
    differs: list[Disagreement] = field(default_factory=list)
    rules: set[str] = field(default_factory=set)


@dataclass
class Conformity:
    """One kernel's report."""

    kernel: str
    profiles: list[str]
    real: str | None  # the real kernel's profile; None: it does not run here
    played: list[Played] = field(default_factory=list)
    random: Report | None = None

    @property
    def differing(self) -> list[Played]:
        """The cases that are not as expected."""
        return [played for played in self.played if played.differs]

    @property
    def clean(self) -> bool:
        """Whether there is no difference anywhere."""
        return not self.differing and (self.random is None or self.random.found is None)

    def exercised(self) -> Counter[str]:
        """By rule: how many cases and programs applied it."""
        counts = Counter(rule for played in self.played for rule in played.rules)
        if self.random is not None:
            counts.update(rule for run in self.random.tried for rule in run.rules)
        return counts

    def unexercised(self) -> list[str]:
        """The rules that nothing applied."""
        exercised = self.exercised()
        return [rule.id for rule in rules(self.kernel) if rule.id not in exercised]

    def suspects(self) -> list[Suspect]:
        """The rules that differing cases and programs have in common, likeliest first."""
        runs = [Run(played.rules, bool(played.differs)) for played in self.played]
        return suspects([*runs, *(self.random.tried if self.random is not None else ())])


# Cases.


def check_cases(
    kernel: str, cases: Sequence[Case], profiles: Sequence[str], real: bool
) -> Conformity:
    """Plays `cases` on the simulated kernel under `profiles`, and on the real one."""
    own = real_profile(kernel) if real else None
    report = Conformity(kernel, list(profiles), own)
    on_real = _on_real(kernel, cases, own) if own is not None else [None] * len(cases)
    for case, real_results in zip(cases, on_real, strict=True):
        played = Played(case)
        for profile in profiles:
            _check_simulated(played, profile, real_results if profile == own else None)
        if real_results is not None:
            _check_real(played, own, real_results)
        report.played.append(played)
    return report


def _on_real(kernel: str, cases: Sequence[Case], profile: str | None) -> list[list[Any] | None]:
    """The real results. A case that differs is played again, with more time to settle."""
    results: list[list[Any] | None] = []
    results.extend(_named(kernel, cases, 1.0))
    for number, case in enumerate(cases):
        for _ in range(2):
            if not differences(results[number] or [], case.expected(profile)):
                break
            results[number] = _named(kernel, [case], SLOW)[0]
    return results


def _named(kernel: str, cases: Sequence[Case], pace: float) -> list[list[Any]]:
    """`play_real`; an error of usage that the worker cannot place gets the name of the file."""
    try:
        return play_real(kernel, [case.steps for case in cases], pace)
    except UsageError as error:
        raise UsageError(f"{cases[0].file}: {error}") from None


def _check_simulated(played: Played, profile: str, real: list[Any] | None) -> None:
    case = played.case
    arm = f"simulated {profile}"
    steps: list[set[str]] = []
    with watching() as watch:

        def before(_: int) -> None:
            steps.append(watch.hits)
            watch.hits = set()

        try:
            results = play_simulated(case.kernel, case.steps, profile, None, before)
        except UsageError as error:
            raise UsageError(f"{case.file}: case {case.name}: {error}") from None
        steps.append(watch.hits)
    applied = steps[1:]
    played.arms.append(arm)
    played.rules.update(*applied)
    for found in differences(results, case.expected(profile)):
        ids = tuple(sorted(applied[found.step])) if found.step < len(applied) else ()
        played.differs.append(
            _disagreement(case, arm, found, found.result, _at(real, found.step), ids)
        )


def _check_real(played: Played, profile: str | None, results: list[Any]) -> None:
    case = played.case
    played.arms.append("real")
    for found in differences(results, case.expected(profile)):
        played.differs.append(_disagreement(case, "real", found, None, found.result, ()))


def _disagreement(
    case: Case, arm: str, found: Difference, simulated: Any, real: Any, ids: tuple[str, ...]
) -> Disagreement:
    step = list(case.steps[found.step])
    return Disagreement(arm, found.step, step, simulated, real, found.expected, ids)


def _at(results: list[Any] | None, step: int) -> Any:
    return results[step] if results is not None and step < len(results) else None


# The command.


def conform(options: argparse.Namespace, tell: Callable[[str], None]) -> int:
    """`duopoll conform`. Raises `UsageError` and `WorldUnavailable`."""
    reports = []
    for kernel, cases in _chosen(options).items():
        profiles = [options.profile] if options.profile else list(KERNELS[kernel].profiles)
        check_profile(kernel, profiles[0])
        real = _real_runs(kernel, options.kernel is not None, tell)
        if not options.json:
            print(f"{kernel}: {', '.join(profiles)}" + (f"; real: {real_profile(kernel)}" * real))
        report = check_cases(kernel, cases, profiles, real)
        if real and options.runs and real_profile(kernel) in profiles:
            report.random = compare(kernel, options.runs, options.seed)
            if report.random.found is not None and options.out is not None:
                save(Path(options.out) / FOUND, [report.random.found])
        reports.append(report)
        if not options.json:
            print("\n".join(told(report)))
    code = CLEAN if all(report.clean for report in reports) else DIFFERENT
    if options.json:
        print(json.dumps({"kernels": [as_json(each) for each in reports], "exit_code": code}))
    return code


def _chosen(options: argparse.Namespace) -> dict[str, list[Case]]:
    """The cases by kernel: from the files named, or the project's own."""
    if options.profile is not None:
        kernels = [each for each in KERNELS if options.profile in KERNELS[each].profiles]
        if not kernels:
            known = ", ".join(name for each in KERNELS.values() for name in each.profiles)
            raise UsageError(
                f"profile {options.profile[:40]!r} does not exist: name one of {known}"
            )
    else:
        kernels = list(KERNELS)
    if options.kernel is not None:
        if options.kernel not in kernels:
            check_profile(options.kernel, options.profile)
        kernels = [options.kernel]
    if not options.cases:
        return {kernel: own_cases(kernel) for kernel in kernels}
    given = [case for file in options.cases for case in load(file)]
    chosen = {kernel: [each for each in given if each.kernel == kernel] for kernel in kernels}
    found = {kernel: cases for kernel, cases in chosen.items() if cases}
    if not found:
        files = ", ".join(plain(file, 60) for file in options.cases)
        raise UsageError(f"no case for {' or '.join(kernels)} in {files}: name other files")
    return found


def _real_runs(kernel: str, asked: bool, tell: Callable[[str], None]) -> bool:
    """Whether the real kernel takes part. Missing is an error where it was asked for, or in CI."""
    reason = why_not(KERNELS[kernel].world)
    if reason is None:
        return True
    message = f"the real {kernel} does not run here: {reason}"
    if asked or os.environ.get("CI") == "true":
        raise WorldUnavailable(message)
    tell(message)
    return False


# Telling.


def told(report: Conformity) -> list[str]:
    """The report in lines."""
    lines = []
    for played in report.played:
        word = "differs" if played.differs else "agrees "
        lines.append(f"  {word} {plain(played.case.name, 60)} ({len(played.case.steps)} steps)")
        for differs in played.differs:
            lines += _told_difference(differs, f"step {differs.step} on {differs.arm}")
    bad = len(report.differing)
    lines.append(f"{count(len(report.played), 'case')}, {bad} not as expected")
    if report.random is not None:
        lines += _told_random(report.random)
    missing = report.unexercised()
    exercised = len(rules(report.kernel)) - len(missing)
    lines.append(
        f"{exercised} of {count(len(rules(report.kernel)), 'rule')} exercised"
        + (f"; not {', '.join(missing)}" if missing else "")
    )
    if not report.clean:
        statements = {rule.id: rule.statement for kernel in KERNELS for rule in rules(kernel)}
        lines += [
            f"suspect {score:.2f}: {each} {statements.get(each, '')}"
            for each, score in report.suspects()
        ]
    return lines


def _told_difference(differs: Disagreement, where: str) -> list[str]:
    rows = [("operation", differs.operation)]
    if differs.arm != "real":
        rows.append(("simulated", differs.simulated))
    rows += [("real", differs.real), ("expected", differs.expected)]
    lines = [f"    {where}"]
    lines += [f"      {name:<10}{plain(json.dumps(value), 400)}" for name, value in rows]
    if differs.rules:
        lines.append(f"      rules     {', '.join(differs.rules)}")
    return lines


def _told_random(report: Report) -> list[str]:
    explained = sum(report.explained.values())
    verdict = "a difference" if report.found else "no difference"
    done = f"{count(report.runs, 'random program')}, {count(report.operations, 'operation')}"
    known = f"{explained} explained, {report.late} late, {report.lost} lost"
    lines = [f"{done}, seed {report.seed}: {known}, {verdict} ({report.seconds:.0f} s)"]
    lines += [f"  explained by {name}: {times}" for name, times in report.explained.items()]
    lines.append("  in explanations " + told_never(never(report.kernel, _asked(report))))
    found = report.found
    if found is not None:
        differs = Disagreement(
            "simulated",
            report.step,
            list(found.steps[report.step]),
            report.simulated,
            report.real,
            report.real,
            report.applied,
        )
        lines += _told_difference(differs, f"step {report.step} of {len(found.steps)}")
        lines.append(json.dumps(found.to_json()))
    return lines


def _asked(report: Report) -> list[Decision]:
    """The decisions of a kernel's explanations, and all dull ones: a plain agreement is those."""
    dull = [Decision(name, bound, 0) for name, bound in DECISIONS[report.kernel].items()]
    return [*dull, *report.decisions]


def as_json(report: Conformity) -> dict[str, Any]:
    """The report as one object."""
    exercised = report.exercised()
    told: dict[str, Any] = {
        "kernel": report.kernel,
        "profiles": report.profiles,
        "real": report.real,
        "clean": report.clean,
        "cases": [
            {
                "name": played.case.name,
                "arms": played.arms,
                "agrees": not played.differs,
                "differences": [vars(differs) for differs in played.differs],
            }
            for played in report.played
        ],
        "rules": {rule.id: exercised[rule.id] for rule in rules(report.kernel)},
        "unexercised": report.unexercised(),
        "suspects": [each._asdict() for each in report.suspects()],
        "random": None,
    }
    if report.random is not None:
        found = report.random.found
        told["random"] = {
            **{
                name: value
                for name, value in vars(report.random).items()
                if name not in ("tried", "decisions")
            },
            "never": never(report.kernel, _asked(report.random)),
            "found": None if found is None else found.to_json(),
        }
    return told
