"""What each command of `duopoll` does. Every function takes the parsed options and gives the exit
code; errors are exceptions, which `harness.cli` tells.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from harness.failure import FailureFile, save_in
from harness.replay import Replay
from harness.replay import replay as replay_file
from harness.run import SUBJECTS, Outcome, subject_version
from harness.run import run as run_scenario
from harness.scenario import Scenario
from harness.scenario_json import load as load_scenario
from harness.scenario_json import to_json
from harness.story import story, three_blocks
from harness.sweep import sweep
from harness.table import columns
from harness.words import count, plain
from harness.worlds import WORLDS, check_name, is_simulated, why_not
from model.errors import DuopollError, UsageError, WorldUnavailable
from model.properties import PROPERTIES, Verdicts
from sim.iocp_profile import switches as iocp_switches

CLEAN, BROKEN = 0, 1


def print_json(value: dict[str, Any]) -> None:
    """The one object of `--json`."""
    print(json.dumps(value))


def choose_worlds(
    asked: Sequence[str] | None, tell: Callable[[str], None], subject: str = "model"
) -> list[str]:
    """The worlds asked for, each of which must run here; or all of the subject's that do, the
    missing ones told.

    With CI=true in the environment a missing world is an error. Raises `WorldUnavailable`.
    """
    if asked:
        chosen = list(dict.fromkeys(asked))
        for world in chosen:
            check_name(world)
    else:
        known = SUBJECTS.get(subject)
        chosen = [world for world in WORLDS if known is None or world in known.worlds]
    missing = {world: reason for world in chosen if (reason := why_not(world)) is not None}
    for world, reason in missing.items():
        message = f"world {world} does not run here: {reason}"
        if asked or os.environ.get("CI") == "true":
            raise WorldUnavailable(message)
        tell(message)
    return [world for world in chosen if world not in missing]


def to_errors(message: str) -> None:
    """One line beside the output."""
    print(f"duopoll: {message}", file=sys.stderr)


# replay


def replay(options: argparse.Namespace) -> int:
    """`duopoll replay FILE`."""
    result = replay_file(options.file, options.world, options.times)
    if options.json:
        print_json(_replay_json(options.file, result))
        return result.exit_code
    print(result.message)
    if result.exit_code:
        print("\n".join(["", *story(FailureFile.of(result.outcome))]))
    return result.exit_code


def _replay_json(file: str, result: Replay) -> dict[str, Any]:
    return {
        "file": file,
        "result": result.result,
        "message": result.message,
        "runs": result.runs,
        "reproduced": result.reproduced,
        **outcome_json(result.outcome),
        "exit_code": result.exit_code,
    }


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """A run in numbers, and what broke."""
    checked, silent = _checked(outcome.verdicts)
    return {
        "world": outcome.world,
        "kernel_version": outcome.kernel_version,
        "subject": outcome.subject,
        "subject_version": outcome.subject_version,
        "mutant": outcome.mutant,
        "records": len(outcome.records),
        "decisions": len(outcome.decisions),
        "properties_checked": checked,
        "properties_not_applicable": silent,
        "violations": [violation._asdict() for violation in outcome.verdicts.violations],
    }


def _checked(verdicts: Verdicts) -> tuple[int, int]:
    """How many properties the run says something about, and about how many it says nothing."""
    counts = list(verdicts.checked.values())
    said = sum(1 for times in counts if times)
    return said, len(counts) - said


# run


def run(options: argparse.Namespace) -> int:
    """`duopoll run SCENARIO.json`."""
    scenario = load_scenario(options.file)
    worlds = choose_worlds(options.world, to_errors, options.subject)
    if options.sweep and not options.world:
        worlds = [world for world in worlds if is_simulated(world)]
    outcomes = []
    told: list[dict[str, Any]] = []
    for outcome in chain.from_iterable(_runs(options, scenario, world) for world in worlds):
        outcomes.append(outcome)
        path = _keep(outcome, options.out)
        told.append(outcome_json(outcome) | {"file": None if path is None else str(path)})
        if not options.json:
            _tell_run(outcome, path)
    code = BROKEN if any(outcome.verdicts.violations for outcome in outcomes) else CLEAN
    if options.json:
        print_json({"scenario": to_json(scenario), "runs": told, "exit_code": code})
    return code


def _runs(options: argparse.Namespace, scenario: Scenario, world: str) -> Iterator[Outcome]:
    """The run in one world; or those of a sweep."""
    tape = options.tape if is_simulated(world) else ()
    if options.sweep is None:
        subject, mutant = options.subject, options.mutant
        yield run_scenario(scenario, world, tape=tape, subject=subject, mutant=mutant)
        return
    call, _, outcome = options.sweep.partition("=")
    swept = list(
        sweep(
            scenario,
            world,
            call,
            outcome,
            tape=tape,
            subject=options.subject,
            mutant=options.mutant,
        )
    )
    yield from swept
    to_errors(f"{world}: {count(len(swept), 'run')}, in each of which one {plain(call)} failed")


def _keep(outcome: Outcome, folder: str | None) -> Path | None:
    """A violation is always kept, a clean run where a folder was named."""
    if folder is None and not outcome.verdicts.violations:
        return None
    return save_in(folder or "failures", outcome)


def _tell_run(outcome: Outcome, path: Path | None) -> None:
    checked, silent = _checked(outcome.verdicts)
    broken = len(outcome.verdicts.violations)
    print(
        f"{outcome.world} ({outcome.kernel_version}): {count(len(outcome.records), 'record')},"
        f" {checked} properties checked, {silent} not applicable,"
        f" {count(broken, 'violation') if broken else 'no violation'}"
    )
    if broken and path is not None:
        print("\n" + three_blocks(FailureFile.of(outcome), path))
    elif path is not None:
        print(f"kept in {path}")


# What there is.


def worlds(options: argparse.Namespace) -> int:
    """`duopoll worlds`."""
    reasons = {world: why_not(world) for world in WORLDS}
    subjects = {subject: _subject_here(subject) for subject in SUBJECTS}
    switches = iocp_switches()
    if options.json:
        listed = [
            {"world": world, "runs": reason is None, "why_not": reason}
            for world, reason in reasons.items()
        ]
        told = [switch._asdict() for switch in switches]
        print_json({"worlds": listed, "subjects": subjects, "switches": told})
        return CLEAN
    for line in columns([(world, reason or "runs here") for world, reason in reasons.items()]):
        print(line)
    print("\nWhat sim-iocp takes from NT, and where Wine 8 (so iocp on Linux) is different:\n")
    rows = [(switch.name, switch.nt, switch.wine_8) for switch in switches]
    table = list(columns([("switch", "nt", "wine-8"), *rows]))
    print(table[0])
    for line, switch in zip(table[1:], switches, strict=True):
        print(f"{line}\n    {switch.source}")
    print()
    for line in columns([("subject", "version"), *subjects.items()]):
        print(line)
    return CLEAN


def _subject_here(subject: str) -> str:
    """The version of a subject, or why it does not run here."""
    try:
        return subject_version(subject)
    except DuopollError as error:
        return f"does not run here: {error}"


def properties(options: argparse.Namespace) -> int:
    """`duopoll properties`."""
    if options.json:
        listed = [
            {
                "id": each.id,
                "statement": each.statement,
                "source": each.source,
                "kernels": list(each.kernels),
                "checked_by": each.checked_by,
                "needs_simulator": each.needs_simulator,
            }
            for each in PROPERTIES
        ]
        print_json({"properties": listed})
        return CLEAN
    for each in PROPERTIES:
        limits = [] if len(each.kernels) == 2 else [f"{each.kernels[0]} kernels only"]
        limits += ["simulated worlds only"] if each.needs_simulator else []
        limits += [] if each.checked_by == "trace" else [f"checked by {each.checked_by}"]
        print(f"{each.id:<6}{each.statement}")
        print(f"      source: {each.source}" + "".join(f"; {limit}" for limit in limits))
    return CLEAN


# Wine and its worker.


def setup_wine(options: argparse.Namespace) -> int:
    """`duopoll setup-wine`."""
    if sys.platform == "win32":
        raise UsageError("setup-wine is for Linux: here the world iocp is Windows's own")
    from real.wine import setup_wine as make

    interpreter = make(progress=to_errors)
    command = [str(part) for part in interpreter.command]
    if options.json:
        print_json({"command": command})
    else:
        print("the world iocp runs here, with " + " ".join(command))
    return CLEAN


def schedules(options: argparse.Namespace) -> int:
    """`duopoll schedules`: see `harness.schedule_command`."""
    from harness import schedule_command  # a replay needs none of it

    return schedule_command.schedules(options)


def worker(options: argparse.Namespace) -> int:
    """`duopoll worker PORT TOKEN`: the other side of `harness.worker.Worker`."""
    from harness.worker_process import main as answer_jobs

    answer_jobs(str(options.port), options.token)
    return CLEAN


def beside(options: argparse.Namespace) -> int:
    """`duopoll beside`."""
    from harness.beside import beside as compare_subjects  # it imports this module

    return compare_subjects(options)


def fuzz(options: argparse.Namespace) -> int:
    """`duopoll fuzz`: needs Hypothesis, so it is imported for this command alone."""
    from harness import campaign

    return campaign.fuzz(options)


def conform(options: argparse.Namespace) -> int:
    """`duopoll conform`: needs Hypothesis, as fuzz does; not so with `--trace`."""
    if options.trace:
        from harness.inclusion.command import conform_traces

        if options.cases or options.kernel or options.profile:
            raise UsageError("--trace goes without --cases, --kernel and --profile: leave them out")
        return conform_traces(options.trace, options.json)
    from harness.conform import command

    return command.conform(options, to_errors)
