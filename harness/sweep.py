"""Sweeps: the first, the second, the third ... call of a kind fails, one run for each.

A random fault finds what is likely, a sweep what is rare: it ends when a run has no n-th call any
more, so every call of the program has failed once. Simulated worlds only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.run import SUBJECTS, Outcome, run
from harness.scenario import Scenario
from harness.scenario_json import validate
from harness.worlds import SIMULATED
from model.errors import UsageError
from model.faults import FOREIGN_CALLS, NTH_MAX, CallFault


def sweep(
    scenario: Scenario,
    world: str,
    call: str,
    outcome: str,
    *,
    tape: Sequence[int] = (),
    subject: str = "model",
    mutant: str | None = None,
    most: int = NTH_MAX,
) -> Iterator[Outcome]:
    """Runs `scenario` with the n-th `call` failing with `outcome`, n from 1 to `most`.

    It ends with the first run that makes fewer calls; that one is not given. Raises `UsageError`
    for a call or an outcome that there is not (`model.faults.CALLS`), and for a real world.
    """
    if world not in SIMULATED:
        raise UsageError(
            f"world {world[:40]!r} takes no faults: name one of {', '.join(SIMULATED)}"
        )
    if call in FOREIGN_CALLS and not SUBJECTS[subject].caged:
        raise UsageError(f"call {call} of subject {subject} cannot fail: name another --subject")
    for number in range(1, most + 1):
        fault = CallFault(call, number, outcome)
        faults = replace(scenario.faults, calls=(*scenario.faults.calls, fault))
        failing = replace(scenario, faults=faults)
        if number == 1:
            validate(failing)
        done = run(failing, world, tape=tape, subject=subject, mutant=mutant)
        if not any(
            record[1] == "fault" and record[2] == fault_name(fault) for record in done.records
        ):
            return
        yield done


def fault_name(fault: CallFault) -> str:
    """The name that a trace has for it."""
    return f"{fault.call} {fault.n} {fault.outcome}"
