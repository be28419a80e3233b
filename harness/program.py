"""A scenario as a runnable Python program: the shortest text that does the same run again.

Made from the scenario's data classes; fields with their default are left out. Only literals of
checked types are printed, so that a scenario from a hostile file makes a harmless program.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from harness.failure import FailureFile
from harness.scenario import (
    AppStep,
    BuffereventEnd,
    Connection,
    Layer,
    Network,
    PeerEnd,
    RateGroup,
    Scenario,
    Step,
)
from harness.words import plain
from model.errors import SimulatorError
from model.faults import CallFault, Faults
from model.workers import Workers

WIDTH = 100
_NAMES = (AppStep, BuffereventEnd, Connection, Layer, Network, PeerEnd, RateGroup, Scenario, Step)
_FAULT_NAMES = (CallFault, Faults)


def program(failure: FailureFile) -> str:
    """Python source that runs the failure's scenario in its world and prints the verdict.

    It ends with status 1 if a property breaks, 0 if none does. Run it in the project's folder.
    """
    head, calls = source_of_runs(failure)
    title = f"{failure.broken or 'A clean run'} in {'+'.join((failure.world, *failure.others))}"
    return (
        f"# {plain(title)}: python THIS_FILE, in the folder of duopoll\n"
        f"{head}{calls}"
        "for violation in violations:\n"
        '    print(f"{violation.property} at record {violation.record}: {violation.message}")\n'
        'print(f"{len(outcome.records)} records in {outcome.world}")\n'
        "raise SystemExit(1 if violations else 0)\n"
    )


def source_of_runs(failure: FailureFile) -> tuple[str, str]:
    """Python source: imports and the scenario, then what leaves `outcome` and `violations`."""
    body = "scenario = " + _source(failure.scenario, 0, len("scenario = "))
    used = [kind.__name__ for kind in _NAMES if kind.__name__ + "(" in body]
    names = "from harness.scenario import " + ", ".join(used)
    if len(names) > WIDTH:
        names = "from harness.scenario import (\n" + "".join(f"    {n},\n" for n in used) + ")"
    fault_names = [kind.__name__ for kind in _FAULT_NAMES if kind.__name__ + "(" in body]
    if fault_names:
        names += "\nfrom model.faults import " + ", ".join(fault_names)
    if "Workers(" in body:
        names += "\nfrom model.workers import Workers"
    return _runs(failure, names, body)


def _runs(failure: FailureFile, names: str, body: str) -> tuple[str, str]:
    """With one run; or with runs in several worlds, and the comparison."""
    wanted = (("tape", failure.tape), ("subject", failure.subject), ("mutant", failure.mutant))
    arguments = [(name, value) for name, value in wanted if value]
    if not failure.others:
        call = "".join(f"    {n}={_source(value, 4, len(n) + 6)},\n" for n, value in arguments)
        calls = (
            f"outcome = run(\n    scenario,\n    {_literal(failure.world)},\n{call})\n"
            "violations = outcome.verdicts.violations\n"
        )
        return f"from harness.run import run\n{names}\n\n{body}\n", calls
    call = "".join(f"        {n}={_source(value, 8, len(n) + 10)},\n" for n, value in arguments)
    worlds = _source((failure.world, *failure.others), 0, 9)
    calls = (
        f"worlds = {worlds}\n"
        f"outcomes = [\n    run(\n        scenario,\n        world,\n{call}    )\n"
        "    for world in worlds\n]\n"
        "outcome = outcomes[0]\nviolations = compare(outcomes).violations\n"
    )
    modules = "from harness.compare import compare\nfrom harness.run import run\n"
    return f"{modules}{names}\n\n{body}\n", calls


def _source(value: Any, indent: int, column: int) -> str:
    """Python source of a value that begins in `column`; later lines are indented by `indent`."""
    flat = _flat(value)
    if column + len(flat) < WIDTH:
        return flat
    if isinstance(value, tuple) and value and all(type(item) is int for item in value):
        return _numbers(value, indent)
    opening, items, closing = _parts(value)
    if not items:
        return flat
    inner = indent + 4
    lines = [
        " " * inner + prefix + _source(item, inner, inner + len(prefix) + 1) + ",\n"
        for prefix, item in items
    ]
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _numbers(values: Sequence[int], indent: int) -> str:
    """Many integers, as many to a line as fit."""
    lines, line = [], " " * (indent + 4)
    for value in values:
        if len(line) + len(f"{value}, ") > WIDTH:
            lines.append(line.rstrip() + "\n")
            line = " " * (indent + 4)
        line += f"{value}, "
    lines.append(line.rstrip() + "\n")
    return "(\n" + "".join(lines) + " " * indent + ")"


def _flat(value: Any) -> str:
    opening, items, closing = _parts(value)
    inside = ", ".join(prefix + _flat(item) for prefix, item in items)
    if opening == "(" and len(items) == 1:
        inside += ","
    return opening + inside + closing


def _parts(value: Any) -> tuple[str, list[tuple[str, Any]], str]:
    """What opens a value's source, what stands in it as (prefix, value), and what closes it."""
    if isinstance(value, (Step, AppStep)):
        fields: Sequence[Any] = value if value.args else value[:-1]
        return type(value).__name__ + "(", [("", field) for field in fields], ")"
    if isinstance(value, CallFault):
        return "CallFault(", [("", field) for field in value], ")"
    if isinstance(value, (*_NAMES, Faults, Workers)):
        return type(value).__name__ + "(", _changed(value), ")"
    if isinstance(value, tuple):
        return "(", [("", item) for item in value], ")"
    return _literal(value), [], ""


def _changed(value: Any) -> list[tuple[str, Any]]:
    """The fields of a data class that do not have their default."""
    default = type(value)()
    names = [field.name for field in dataclasses.fields(value)]
    pairs = [(name, getattr(value, name)) for name in names]
    return [(f"{name}=", field) for name, field in pairs if field != getattr(default, name)]


def _literal(value: Any) -> str:
    if value is None or type(value) in {bool, int}:
        return repr(value)
    if type(value) is not str:
        raise SimulatorError(f"no source for a {type(value).__name__} in a scenario")
    text = ascii(value)
    return text if '"' in text or "\\" in text else f'"{text[1:-1]}"'
