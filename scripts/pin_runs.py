"""Pins runs: `make pins` writes down what the pinned ones come to now.

`--draw` draws them anew: of the healthy model and of every mutant, runs that show something no run
before them has (a new pair of kinds of records, a property judged in another order of magnitude, a
violation of another property). From fixed seeds, so the same code gives the same pins.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count, islice, pairwise

from harness.mutation import focus_of, hunt
from harness.noise import FOCUSES, scenario_of, tape_of
from harness.run import Outcome, run
from harness.worlds import SIMULATED
from model.mutants import MUTANTS, Mutant
from tests.pins import FOLDER, Pin, came_to, load, told

SEED = 1
HEALTHY = 1_500  # runs to choose from, in each focus and world
THREADED = 300  # the same with application threads
HUNT = 20_000  # runs of each mutant, at most
EACH = 2  # pins of a mutant
SECOND = 200  # runs, at most, behind the first that shows it
RECORDS_MAX = 3_000  # of a pinned run
SIZES = (16, 48, 96, 200)  # bytes of noise
_WORLD = {"readiness": "sim-epoll", "completion": "sim-iocp"}


def main() -> int:
    """Rewrites the files of tests/pinned; says how many pins changed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draw", action="store_true", help="draw the runs anew")
    if parser.parse_args().draw:
        FOLDER.mkdir(exist_ok=True)
        for world in SIMULATED:
            _write(f"healthy-{world}", _healthy(world))
        for half in (0, 1):
            named = list(MUTANTS.values())[half::2]
            _write(f"mutants-{half + 1}", [pin for each in named for pin in _told(each)])
        return 0
    for path in sorted(FOLDER.glob("*.jsonl")):
        old = list(load(path))
        new = [replace(pin, came_to=came_to(pin)) for pin in old]
        path.write_text("".join(pin.line() + "\n" for pin in new), encoding="utf-8")
        changed = sum(before.line() != pin.line() for before, pin in zip(old, new, strict=True))
        print(f"{path.name}: {changed} of {len(new)} runs changed")
    return 0


def _write(name: str, pins: list[Pin]) -> None:
    path = FOLDER / f"{name}.jsonl"
    path.write_text("".join(pin.line() + "\n" for pin in pins), encoding="utf-8")
    print(f"{path.name}: {len(pins)} runs, {path.stat().st_size:,} bytes", flush=True)


def _healthy(world: str) -> list[Pin]:
    seen: set[object] = set()
    sources = [islice(_runs(world, focus, None), HEALTHY) for focus in FOCUSES]
    sources.append(islice(_runs(world, "", None, threads=True), THREADED))
    new = (each for each in chain(*sources) if _shows_something(each, seen))
    return [_pin(each) for each in new if not each.verdicts.violations]


def _runs(world: str, focus: str, mutant: str | None, threads: bool = False) -> Iterator[Outcome]:
    drawn = random.Random(f"{SEED} {world} {focus} {mutant} {threads}")
    for number in count():
        noise = drawn.randbytes(drawn.choice(SIZES))
        scenario = scenario_of(noise, focus=focus if number % 2 else "", threads=threads)
        tape = tape_of(drawn.randbytes(drawn.choice(SIZES)))
        yield run(scenario, world, tape=tape, mutant=mutant)


def _told(mutant: Mutant) -> list[Pin]:
    pins = _of(mutant)
    print(f"{mutant.name}: {len(pins)}", file=sys.stderr, flush=True)
    return pins


def _of(mutant: Mutant) -> list[Pin]:
    """Runs that break the property that the mutant names, the last of them shrunk; none where runs
    have to be compared."""
    if mutant.breaks.startswith("X-"):
        return []
    seen: set[object] = set()
    pins: list[Pin] = []
    left = 0 if mutant.threads else HUNT
    for outcome in _in_turn(mutant):
        left -= 1
        if left < 0:
            break
        broken = {each.property for each in outcome.verdicts.violations}
        if mutant.breaks in broken and _shows_something(outcome, seen):
            pins.append(_pin(outcome))
            left = SECOND
            if len(pins) == EACH:
                break
    return pins + _smallest(mutant)


def _smallest(mutant: Mutant) -> list[Pin]:
    """The shrunk failure of a hunt."""
    shrunk = hunt(mutant, runs=HUNT, number=SEED, shrinking=True).shrunk
    if shrunk is None:
        return []
    failure = shrunk.failure
    return [_pin(run(failure.scenario, failure.world, tape=failure.tape, mutant=failure.mutant))]


def _in_turn(mutant: Mutant) -> Iterator[Outcome]:
    """Runs in each of its worlds in turn."""
    worlds = [_runs(_WORLD[kernel], focus_of(mutant), mutant.name) for kernel in mutant.kernels]
    for each in zip(*worlds, strict=True):
        yield from each


def _shows_something(outcome: Outcome, seen: set[object]) -> bool:
    """Whether it does what no run before it did."""
    if len(outcome.records) > RECORDS_MAX:
        return False
    kinds = [record[1] for record in outcome.records]
    features: set[object] = set(pairwise(kinds))
    verdicts = outcome.verdicts
    features |= {(name, number.bit_length()) for name, number in verdicts.checked.items()}
    features |= {each.property for each in verdicts.violations}
    new = features - seen
    seen |= new
    return bool(new)


def _pin(outcome: Outcome) -> Pin:
    return Pin(outcome.scenario, outcome.world, outcome.tape, outcome.mutant, told(outcome))


if __name__ == "__main__":
    sys.exit(main())
