"""How soon bulk search finds a mutant: the same question as `harness.mutation` asks of Hypothesis.

Rules are the same for both: the same mutants, worlds, focus (every second case uses the part that
the mutant is in) and property to break. Mutants of threads are searched alike by both
(`harness.thread_hunt` draws and plays schedules without Hypothesis), so no contest counts them.
"""

from __future__ import annotations

from random import Random
from time import monotonic

from harness.bulk.novelty import Key, keys_of
from harness.bulk.search import Search
from harness.collector import seldom
from harness.mutation import FOREVER_S, WORLDS, Hunt, focus_of, hunt_threads
from model.mutants import Mutant


def hunt(mutant: Mutant, *, runs: int, number: int = 0, seconds: float = FOREVER_S) -> Hunt:
    """Makes cases until the property that the mutant names breaks: at most `runs` of them, and
    none begins after `seconds`. `number` is the seed. The corpus is empty when it begins."""
    if mutant.threads:
        return hunt_threads(mutant, runs, number, seconds, False)
    across = mutant.breaks.startswith("X-")
    worlds = tuple(WORLDS.values()) if across else tuple(WORLDS[k] for k in mutant.kernels)
    search = Search(
        Random(number),
        worlds,
        mutant=mutant.name,
        focus=focus_of(mutant),
        calm=1 if across else 0,
    )
    seen: set[Key] = set()
    started = monotonic()
    with seldom() as after_run:
        for count in range(1, runs + 1):
            if monotonic() - started > seconds:
                break
            trial = search.trial(search.draw())
            after_run()
            names = {each.violation.property for each in trial.broken}
            if mutant.breaks in names:
                took = monotonic() - started
                return Hunt(mutant.name, True, count, took, tuple(sorted(names)))
            keys = set().union(*map(keys_of, trial.outcomes))
            if not keys <= seen:
                seen |= keys
                search.keep(trial)
    return Hunt(mutant.name, False, count, monotonic() - started, ())
