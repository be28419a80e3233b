"""Strategies: each finds what it promises to find, and a search that ends has seen all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from math import comb
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.iterative import Iterative
from harness.lanes import MarkedChoices, lanes, which_matter
from harness.schedule_command import PROGRAMS
from harness.schedules import (
    PCT,
    PREEMPTION,
    Exhaustive,
    Play,
    RandomWalk,
    Strategy,
    search,
    trimmed,
)
from harness.shrinking.tapes import smallest_tape
from harness.thread_programs import Planted
from harness.thread_run import player, run_threads
from model.choices import Choices
from model.trace import encode_trace
from model.world import World
from real import wine

ROOT = Path(__file__).parent.parent.parent
BY_NAME = {each.name: each for each in PROGRAMS}
SHORT = [each for each in PROGRAMS if each.name != "livelock"]
planted = pytest.mark.parametrize("each", PROGRAMS, ids=lambda each: str(each.name))

#: the least preemptions with which the bug shows; 0: in the dull order, or where a thread blocks
PREEMPTIONS = {
    "lost-update": 1,
    "check-then-act": 1,
    "two-orders": 0,
    "lost-wakeup": 1,
    "missing-lock": 0,
    "one-notify": 0,
    "two-looks": 2,
    "livelock": 1,
    "free-in-callback": 1,
    "lock-for-unlock": 0,
    "torn-arguments": 0,
    "inverted-try": 1,
    "no-wakeup": 0,
}


@planted
def test_the_exhaustive_search_finds_each_bug_with_the_fewest_preemptions(each: Planted) -> None:
    fewest = PREEMPTIONS[each.name]
    found = search(Exhaustive(fewest), player(each.broken, each.kind))
    assert found.failure is not None and found.failure.startswith(each.finds), found
    if fewest:
        none = search(Exhaustive(fewest - 1), player(each.broken, each.kind))
        assert none.failure is None and none.complete and not none.unbounded


@planted
def test_the_exhaustive_search_sees_that_the_twin_has_no_bug(each: Planted) -> None:
    seen = search(Exhaustive(None), player(each.fixed, each.kind))
    assert seen.failure is None, seen
    assert seen.complete and seen.unbounded


@planted
def test_the_iterative_search_finds_each_bug_when_it_has_seen_all_with_fewer(each: Planted) -> None:
    fewest = PREEMPTIONS[each.name]
    strategy = Iterative(None)
    found = search(strategy, player(each.broken, each.kind))
    assert found.failure is not None and found.failure.startswith(each.finds), found
    assert strategy.seen == fewest - 1


@planted
def test_both_searches_see_the_same_schedules_and_none_twice(each: Planted) -> None:
    for bound in (0, 1, 2, None):
        seen: list[set[tuple[int, ...]]] = []
        for strategy in (Exhaustive(bound), Iterative(bound)):
            tapes = schedules_of(strategy, player(each.fixed, each.kind))
            assert len(set(tapes)) == len(tapes)
            seen.append(set(tapes))
            assert strategy.complete and strategy.runs == len(tapes)
        assert seen[0] == seen[1]


def schedules_of(strategy: Exhaustive | Iterative, play: Play) -> list[tuple[int, ...]]:
    tapes = []
    while (source := strategy.source()) is not None:
        play(source)
        strategy.ended(source)
        tapes.append(source.recorded())
    return tapes


def test_the_iterative_search_stops_between_rounds_and_goes_on() -> None:
    whole, rounds = Iterative(2), Iterative(2)
    every = schedules_of(whole, player(touches))
    tapes = []
    for until in range(3):
        rounds.until = until
        more = schedules_of(rounds, player(touches))
        assert {preemptions(Choices(tape)) for tape in more} == {until}
        assert rounds.seen == until and rounds.complete == (until == 2)
        tapes += more
    assert tapes == every
    assert not rounds.unbounded and rounds.runs < comb(6, 2) * comb(4, 2)


def preemptions(choices: Choices) -> int:
    run_threads(touches, choices)
    return sum(name == PREEMPTION and value > 0 for name, _, value in choices.decisions)


@planted
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_random_walk_finds_each_bug_soon(each: Planted, seed: int) -> None:
    found = search(RandomWalk(seed), player(each.broken, each.kind), runs_max=100)
    assert found.failure is not None and found.failure.startswith(each.finds), found


@planted
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pct_finds_each_bug_at_the_depth_that_it_has(each: Planted, seed: int) -> None:
    depth = PREEMPTIONS[each.name] + 1
    runs_max = 3_000 if each.name == "livelock" else 300
    found = search(PCT(seed, depth), player(each.broken, each.kind), runs_max)
    assert found.failure is not None and found.failure.startswith(each.finds), found


def test_pct_of_depth_one_never_preempts() -> None:
    """Priorities alone: a thread runs until it blocks, so what needs a preemption is not found."""
    for name, fewest in PREEMPTIONS.items():
        if fewest:
            assert (
                search(
                    PCT(5, 1), player(BY_NAME[name].broken, BY_NAME[name].kind), runs_max=200
                ).failure
                is None
            )


@pytest.mark.parametrize(
    "make",
    [RandomWalk, lambda seed: PCT(seed, 3), lambda _: Exhaustive(1), lambda _: Iterative(1)],
)
@planted
def test_the_tape_of_a_find_replays_it_and_the_same_seed_finds_the_same(
    each: Planted, make: type[RandomWalk]
) -> None:
    play = player(each.broken, each.kind)
    first, again = (search(make(7), play, runs_max=3_000) for _ in range(2))
    assert (first.runs, first.tape, first.failure) == (again.runs, again.tape, again.failure)
    assert play(Choices(first.tape)) == first.failure


def recorded(strategy: Strategy, program: Planted) -> tuple[list[str], tuple[int, ...]]:
    source = strategy.source()
    assert source is not None
    run = run_threads(program.broken, source, program.kind)
    strategy.ended(source)
    return encode_trace(run.records), source.recorded()


@given(st.integers(0, 1 << 40), st.sampled_from(SHORT))
def test_replays_are_the_same_bytes(seed: int, each: Planted) -> None:
    for strategy in (RandomWalk(seed), PCT(seed, 2)):
        lines, tape = recorded(strategy, each)
        assert encode_trace(run_threads(each.broken, Choices(tape), each.kind).records) == lines


DIGEST = """
import hashlib
from harness.schedules import RandomWalk
from harness.schedule_command import PROGRAMS
from harness.thread_run import run_threads
from model.trace import encode_trace
lines = []
for each in PROGRAMS:
    if each.name != "livelock":
        for seed in range(5):
            run = run_threads(each.broken, RandomWalk(seed).source(), each.kind)
            lines += encode_trace(run.records)
print(hashlib.sha256("\\n".join(lines).encode()).hexdigest())
"""


def test_another_process_and_another_hash_seed_give_the_same_bytes() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1 and len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())


@pytest.mark.skipif(
    sys.platform == "win32" or wine.why_not() is not None,
    reason="needs Linux and a Windows interpreter under Wine: duopoll setup-wine",
)
def test_windows_gives_the_same_bytes() -> None:
    space: dict[str, object] = {"print": lambda text: space.update(digest=text)}
    exec(DIGEST, space)
    code, told = wine.run_interpreter(["-c", DIGEST], timeout_s=120)
    assert code == 0, told
    assert told.split() == [space["digest"]]


def touches(world: World) -> None:
    """Three threads of two operations each."""

    def body() -> None:
        for _ in range(2):
            world.threads.touch("x", write=False)

    for number in range(3):
        world.threads.spawn(f"t{number}", body)
    world.threads.join()


def test_a_search_tells_what_it_has_seen() -> None:
    play = player(touches)
    every = comb(6, 2) * comb(4, 2)
    assert search(Exhaustive(None), play).runs == every
    cut = search(Exhaustive(None), play, runs_max=every - 1)
    assert cut.runs == every - 1 and not cut.complete
    last = search(Exhaustive(None), play, runs_max=every)
    assert last.complete and last.unbounded
    assert search(RandomWalk(1), play, runs_max=50).runs == 50
    assert search(RandomWalk(1), play, seconds_max=0.0).runs == 0


def test_a_random_walk_reaches_every_schedule() -> None:
    seen = set()
    walk = RandomWalk(3)
    for _ in range(3_000):
        source = walk.source()
        run_threads(touches, source)
        seen.add(source.recorded())
    assert len(seen) == comb(6, 2) * comb(4, 2)


def test_noise_is_for_the_draws_that_are_not_about_threads() -> None:
    quiet, noisy = (RandomWalk(1, noise).source() for noise in (0.0, 1.0))
    assert {quiet.draw("tcp.latency", 9) for _ in range(50)} == {0}
    assert len({noisy.draw("tcp.latency", 9) for _ in range(200)}) == 9
    assert noisy.draw("tcp.latency", 1) == 0


@given(st.lists(st.integers(0, 3)))
def test_trimmed_tapes_answer_alike(tape: list[int]) -> None:
    short, whole = Choices(trimmed(tape)), Choices(tape)
    assert [short.draw("x", 4) for _ in tape] == [whole.draw("x", 4) for _ in tape]
    assert not trimmed(tape) or trimmed(tape)[-1]


@pytest.mark.parametrize("each", SHORT, ids=lambda each: str(each.name))
def test_the_needed_decisions_are_few_and_each_of_them_matters(each: Planted) -> None:
    play = player(each.broken, each.kind)
    found = search(RandomWalk(11), play, runs_max=200)
    tape = smallest_tape(found.tape, lambda tried: play(Choices(tried)) == found.failure)
    assert play(Choices(tape)) == found.failure
    marked = MarkedChoices(tape)
    run_threads(each.broken, marked, each.kind)
    marks = which_matter(marked.marks, tape, play)
    assert len(marks) == sum(map(bool, tape)) <= sum(map(bool, found.tape))
    assert all(mark.matters for mark in marks)


def test_the_lanes_of_a_lost_wakeup() -> None:
    each = BY_NAME["lost-wakeup"]
    marked = MarkedChoices([0, 1])
    run = run_threads(each.broken, marked, each.kind)
    marks = which_matter(marked.marks, [0, 1], player(each.broken, each.kind))
    table = list(lanes(run.records, marks))
    columns = {name: table[0].index(name) for name in ("main", "t1", "t2")}
    wait = next(line for line in table if "wait given" in line)
    notify = next(line for line in table if "notify given (0 woken)" in line)
    assert wait.index("wait") == columns["t1"] and notify.index("notify") == columns["t2"]
    assert table.index(notify) < table.index(wait)
    (mark,) = marks
    assert mark.chosen == "t2" and str(mark).endswith("without it no failure")
    assert any(f"{mark.number}!" in line and "acquire word" in line for line in table)
    assert all(line.isascii() and "\x1b" not in line for line in table)
