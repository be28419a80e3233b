"""Kernel cases: files, the words in them, and what they expect.

A file has one JSON object a line: `{"source", "name", "kernel", "steps", "expect"}`, and perhaps
`"wine_actual"`, what Wine 8 answers where that differs (step number -> result), and notes. A step
is `[operation, argument, ...]`; `expect[i]` is the result of `steps[i]`: null for anything,
`{"any": [...]}` for one of these, `{"set": [...]}` for these in any order; all three also inside a
list. `harness.conform.vocabulary` has the operations. Any file in that vocabulary will do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from harness.conform.vocabulary import KERNELS, check_step
from harness.words import plain
from model.errors import UsageError

FOLDER = Path(__file__).resolve().parent.parent / "cases"
Step: TypeAlias = Sequence[Any]

#: profile -> the key of what it answers where that is not what is expected
OVERRIDES = {"wine-8": "wine_actual"}


@dataclass(frozen=True)
class Case:
    """One case. `overrides`: profile -> step number -> what it gives instead."""

    kernel: str
    name: str
    source: str
    steps: tuple[Step, ...]
    expect: tuple[Any, ...]
    overrides: dict[str, dict[int, Any]] = field(default_factory=dict)
    file: str = ""

    def expected(self, profile: str | None) -> list[Any]:
        """What each step gives under a profile."""
        expected = list(self.expect)
        for step, value in self.overrides.get(profile or "", {}).items():
            expected[step] = value
        return expected

    def to_json(self) -> dict[str, Any]:
        """The case as a line of a file has it."""
        written: dict[str, Any] = {"source": self.source, "name": self.name, "kernel": self.kernel}
        written |= {"steps": [list(step) for step in self.steps], "expect": list(self.expect)}
        for profile, values in self.overrides.items():
            written[OVERRIDES[profile]] = {str(step): value for step, value in values.items()}
        return written


def agrees(result: Any, expected: Any) -> bool:
    """Whether a result is what a case expects."""
    if expected is None:
        return True
    if isinstance(expected, dict):
        if set(expected) == {"any"}:
            return any(agrees(result, each) for each in expected["any"])
        if set(expected) == {"set"}:
            return isinstance(result, list) and _agrees_in_some_order(result, expected["set"])
    if isinstance(expected, list) and isinstance(result, list):
        return len(result) == len(expected) and all(map(agrees, result, expected))
    return type(result) is type(expected) and bool(result == expected)


def _agrees_in_some_order(results: Sequence[Any], expected: Sequence[Any]) -> bool:
    if len(results) != len(expected):
        return False
    if not expected:
        return True
    first, *rest = expected
    return any(
        agrees(result, first) and _agrees_in_some_order([*results[:i], *results[i + 1 :]], rest)
        for i, result in enumerate(results)
    )


class Difference(NamedTuple):
    """A step whose result is not what was expected."""

    step: int
    result: Any
    expected: Any


def differences(results: Sequence[Any], expected: Sequence[Any]) -> list[Difference]:
    """The steps that differ. A run that broke off differs in the first step that it lacks."""
    found = [
        Difference(step, result, want)
        for step, (result, want) in enumerate(zip(results, expected, strict=False))
        if not agrees(result, want)
    ]
    if len(results) < len(expected) and not found:
        found.append(Difference(len(results), None, expected[len(results)]))
    return found


# Files.


def own_files(kernel: str) -> list[Path]:
    """The project's own cases of a kernel."""
    return sorted(FOLDER.glob(f"{kernel}*.jsonl"))


def own_cases(kernel: str) -> list[Case]:
    """All cases of the project's own files for a kernel."""
    return [case for path in own_files(kernel) for case in load(path)]


def load(path: Path | str) -> list[Case]:
    """The cases of a file. Raises `UsageError`: the file, the line, what is wrong there."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f"cases {path}: cannot be read: {reason}") from None
    cases = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                cases.append(_case(json.loads(line), str(path)))
            except json.JSONDecodeError as error:
                raise UsageError(f"{path}:{number}: not JSON: {error.msg}") from None
            except RecursionError:
                raise UsageError(f"{path}:{number}: nested too deeply") from None
            except UsageError as error:
                raise UsageError(f"{path}:{number}: {error}") from None
    return cases


def save(path: Path, cases: Iterable[Case]) -> None:
    """Writes cases as a file that `load` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(case.to_json()) + "\n" for case in cases]
    path.write_text("".join(lines), encoding="utf-8")


def _case(given: Any, file: str) -> Case:
    if not isinstance(given, dict):
        raise UsageError(f"a case is an object with steps and expect, not {_short(given)}")
    kernel = given.get("kernel")
    if not isinstance(kernel, str) or kernel not in KERNELS:
        raise UsageError(f"kernel {_short(kernel)}: give one of {', '.join(KERNELS)}")
    name, source = given.get("name"), given.get("source", "")
    if not isinstance(name, str) or not isinstance(source, str):
        raise UsageError(f"name {_short(name)} and source {_short(source)} must be texts")
    steps, expect = given.get("steps"), given.get("expect")
    if not isinstance(steps, list) or not steps:
        raise UsageError(f"case {_short(name)}: steps {_short(steps)}: give a list of operations")
    if not isinstance(expect, list) or len(expect) != len(steps):
        raise UsageError(f"case {_short(name)}: expect must have one result for each step")
    for number, step in enumerate(steps):
        try:
            check_step(kernel, step)
        except UsageError as error:
            raise UsageError(f"case {_short(name)}, step {number}: {error}") from None
    overrides = {
        profile: _overrides(given[key], name, key, len(steps))
        for profile, key in OVERRIDES.items()
        if key in given
    }
    return Case(kernel, name, source, tuple(steps), tuple(expect), overrides, file)


def _overrides(given: Any, name: str, key: str, steps: int) -> dict[int, Any]:
    if not isinstance(given, dict):
        raise UsageError(f"case {_short(name)}: {key} is an object of step numbers and results")
    for step in given:
        if not step.isascii() or not step.isdecimal() or int(step[:9]) >= steps:
            raise UsageError(f"case {_short(name)}: {key}: there is no step {_short(step)}")
    return {int(step): value for step, value in given.items()}


def _short(value: Any) -> str:
    return plain(json.dumps(value), 60)
