"""Strategies that write schedules: random walk, PCT, and a search that can say it has seen all.

A strategy hands out sources of choices, one a run. A source answers the draws about threads
(`THREAD_DRAWS`) by its policy and keeps what it answered: a plain tape, which replays the run
without the strategy, byte for byte. Every other draw gets the dull answer, or with `noise` now and
then another one.

* `RandomWalk`: at each switch point any thread that can run, with equal chance.
* `PCT`: random priorities, and the thread with the highest runs; at `depth` - 1 random moments
  the one that runs falls below all others. A bug that needs `depth` orderings is found with
  chance 1 / (n * k ** (depth - 1)) or better in each run of n threads and k switch points
  (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic
  Guarantees of Finding Bugs, ASPLOS 2010). Its k is the longest run so far.
* `Exhaustive`: depth first through all orders with at most `bound` preemptions (Musuvathi, Qadeer:
  Iterative Context Bounding, PLDI 2007); switches where a thread blocks or ends are free. No
  schedule twice. `complete` when there is none left within the bound, `unbounded` when the bound
  has cut off nothing either: then the program has no other schedule.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Protocol, TypeAlias

from harness.collector import seldom
from model.choices import Choices, Decision

_new = tuple.__new__
PREEMPTION = "thread.next"
THREAD_DRAWS = frozenset({PREEMPTION, "sched.next", "thread.notify"})

Play: TypeAlias = Callable[[Choices], str | None]  # one run: what was wrong with it, or None


def trimmed(values: Sequence[int]) -> tuple[int, ...]:
    """A tape without the zeros at its end: they change nothing."""
    end = len(values)
    while end and not values[end - 1]:
        end -= 1
    return tuple(values[:end])


class Source(Choices):
    """Answers by a policy. `decisions` has every answer, `candidates` asks who could run."""

    __slots__ = ("candidates",)

    def __init__(self) -> None:
        super().__init__()
        self.candidates: Callable[[], Sequence[str]] = tuple

    def watch(self, candidates: Callable[[], Sequence[str]], position: Callable[[], int]) -> None:
        self.candidates = candidates

    def recorded(self) -> tuple[int, ...]:
        """The plain tape that replays this run."""
        return trimmed([decision.value for decision in self.decisions])


class Strategy(Protocol):
    """Sources, one a run. `name` says what it is and how it was set up."""

    @property
    def name(self) -> str: ...

    def source(self) -> Source | None:
        """For the next run; None when there is nothing left to try."""

    def ended(self, source: Source) -> None:
        """The run with `source` is over."""


class _Random(Source):
    """A random walk."""

    __slots__ = ("_noise", "_random")

    def __init__(self, draws: Callable[[], float], noise: float) -> None:
        super().__init__()
        self._random = draws
        self._noise = noise

    def draw(self, name: str, bound: int) -> int:
        if bound <= 1:
            return 0
        noise = self._noise
        thinks = name in THREAD_DRAWS or (noise and noise > self._random())
        value = int(self._random() * bound) if thinks else 0
        self.decisions.append(_new(Decision, (name, bound, value)))
        return value


class RandomWalk:
    """`noise`: how often a draw that is not about threads gets a random answer, 0 to 1."""

    def __init__(self, seed: int, noise: float = 0.0) -> None:
        self.name = "random walk"
        self._random = random.Random(seed).random  # one for all walks: seeding costs a walk's tenth
        self._noise = noise

    def source(self) -> Source:
        """The next walk."""
        return _Random(self._random, self._noise)

    def ended(self, source: Source) -> None:
        """Walks learn nothing."""


class _Priorities(Source):
    """One run of PCT."""

    __slots__ = ("_changes", "_noise", "_priorities", "_random", "_steps")

    def __init__(self, seed: int, depth: int, length: int, noise: float) -> None:
        super().__init__()
        self._random = random.Random(seed)
        moments = [self._random.randrange(max(length, 1)) for _ in range(depth - 1)]
        self._changes = {moment: -1 - rank for rank, moment in enumerate(moments)}
        self._priorities: dict[str, float] = {}
        self._noise = noise
        self._steps = 0

    def draw(self, name: str, bound: int) -> int:
        if bound <= 1:
            return 0
        if name not in THREAD_DRAWS or name == "thread.notify":
            thinks = name in THREAD_DRAWS or self._noise > self._random.random()
            value = self._random.randrange(bound) if thinks else 0
        else:
            value = self._next(self.candidates())
        self.decisions.append(Decision(name, bound, value))
        return value

    def _next(self, candidates: Sequence[str]) -> int:
        priorities = self._priorities
        for name in candidates:
            if name not in priorities:
                priorities[name] = self._random.random()
        best = max(range(len(candidates)), key=lambda index: priorities[candidates[index]])
        lowered = self._changes.get(self._steps)
        self._steps += 1
        if lowered is not None:
            priorities[candidates[best]] = lowered
            best = max(range(len(candidates)), key=lambda index: priorities[candidates[index]])
        return best


class PCT:
    """`depth` >= 1 is the number of orderings that the bug needs; `noise` as in `RandomWalk`."""

    def __init__(self, seed: int, depth: int, noise: float = 0.0) -> None:
        self.name = f"PCT, depth {depth}"
        self._seeds = random.Random(seed)
        self._depth = depth
        self._noise = noise
        self._length = 1

    def source(self) -> Source:
        """The next run."""
        return _Priorities(self._seeds.getrandbits(64), self._depth, self._length, self._noise)

    def ended(self, source: Source) -> None:
        """Learns how long runs are."""
        steps = sum(each.name in THREAD_DRAWS for each in source.decisions)
        self._length = max(self._length, steps)


class Prefix(Source):
    """Answers of an earlier run, and then the dull one."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: Sequence[int]) -> None:
        super().__init__()
        self._prefix = prefix

    def draw(self, name: str, bound: int) -> int:
        if bound <= 1:
            return 0
        decisions = self.decisions
        place = len(decisions)
        value = self._prefix[place] if place < len(self._prefix) else 0
        decisions.append(_new(Decision, (name, bound, value)))
        return value


class Exhaustive:
    """`bound` is the most preemptions of a run (None: no bound); `also` names more draws than
    those of threads whose every answer is tried.
    """

    def __init__(self, bound: int | None, also: frozenset[str] = frozenset()) -> None:
        self.name = "exhaustive" if bound is None else f"exhaustive, {bound} preemptions"
        self._bound = bound
        self._tried = THREAD_DRAWS | also
        self._next: list[int] | None = []
        self._cut = False
        self.runs = 0

    @property
    def complete(self) -> bool:
        """Whether every schedule within the bound has been seen."""
        return self._next is None

    @property
    def unbounded(self) -> bool:
        """Whether that is every schedule that there is."""
        return self._next is None and not self._cut

    def source(self) -> Source | None:
        """The next schedule that has not been seen."""
        return None if self._next is None else Prefix(self._next)

    def ended(self, source: Source) -> None:
        """Finds the next: the last decision that has an answer left."""
        self.runs += 1
        decisions = source.decisions
        spent = [0]  # preemptions before each decision
        for name, _, value in decisions:
            spent.append(spent[-1] + (name == PREEMPTION and value > 0))
        for place in range(len(decisions) - 1, -1, -1):
            name, bound, value = decisions[place]
            if value + 1 >= bound or name not in self._tried:
                continue
            if name == PREEMPTION and self._bound is not None and spent[place] >= self._bound:
                self._cut = True
                continue
            self._next = [each.value for each in decisions[:place]]
            self._next.append(value + 1)
            return
        self._next = None


@dataclass(frozen=True)
class Search:
    """What a search came to: `failure` and the `tape` that shows it, after so many `runs`."""

    strategy: str
    runs: int
    seconds: float
    failure: str | None = None
    tape: tuple[int, ...] = ()
    complete: bool = False  # every schedule within the strategy's bound was run
    unbounded: bool = False  # and the bound excluded none


def search(
    strategy: Strategy, play: Play, runs_max: int = 100_000, seconds_max: float | None = None
) -> Search:
    """Runs `play` until a run fails, nothing is left to try, or the bounds are reached."""
    with seldom() as after_run:
        return _search(strategy, play, runs_max, seconds_max, after_run)


def _search(
    strategy: Strategy,
    play: Play,
    runs_max: int,
    seconds_max: float | None,
    after_run: Callable[[], None],
) -> Search:
    started = perf_counter()
    runs = 0
    while runs < runs_max and (seconds_max is None or perf_counter() - started < seconds_max):
        source = strategy.source()
        if source is None:
            break
        failure = play(source)
        strategy.ended(source)
        runs += 1
        after_run()
        if failure is not None:
            seconds = perf_counter() - started
            return Search(strategy.name, runs, seconds, failure, source.recorded())
    complete = getattr(strategy, "complete", False)
    unbounded = getattr(strategy, "unbounded", False)
    seconds = perf_counter() - started
    return Search(strategy.name, runs, seconds, complete=complete, unbounded=unbounded)
