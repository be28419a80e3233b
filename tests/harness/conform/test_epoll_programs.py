"""Random programs of epoll operations, what may explain their results, and the rules they apply."""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.conform.cases import own_cases
from harness.conform.epoll_looseness import DECISIONS, LOOSE, named
from harness.conform.epoll_programs import program
from harness.conform.explain import explain
from harness.conform.rules import marks, unmarked, watching
from harness.conform.vocabulary import check_step
from model.choices import Choices, Decision
from sim.epoll_cases import OPERATIONS, play
from sim.rules import rules

STEPS_MAX = 150


def programs(seed: int, number: int) -> list[list[list[Any]]]:
    """Programs drawn without Hypothesis."""
    source = random.Random(seed)
    return [program(source.randrange) for _ in range(number)]


@settings(max_examples=100)
@given(st.data())
def test_a_program_is_in_the_vocabulary_and_ends(data: st.DataObject) -> None:
    steps = program(lambda n: data.draw(st.integers(0, n - 1)) if n > 1 else 0)
    for step in steps:
        check_step("epoll", step)
    assert len(steps) < STEPS_MAX
    assert len(play(steps)) == len(steps)


def test_programs_use_most_of_the_vocabulary() -> None:
    used = Counter(step[0] for steps in programs(1, 300) for step in steps)
    never = {"bind", "wait_timed", "wait_count", "join_count", "regular_file", "pair", "drain"}
    never |= {"ctl_badop", "ctl_nullev", "send_partial"}
    assert set(OPERATIONS) - set(used) == never, "the cases have these"


def test_a_tape_never_breaks_a_program() -> None:
    source = random.Random(2)
    for steps in programs(2, 60):
        tape = [source.randrange(8) for _ in range(200)]
        assert len(play(steps, Choices(tape))) == len(steps)


def test_an_acknowledgement_that_comes_late_explains_a_second_wake() -> None:
    """A thread takes the wake of shutdown; the acknowledgement of the FIN is another."""
    steps: list[list[Any]] = [
        ["tcp_pair", "a", "b"],
        ["epoll_create", "e"],
        ["ctl_add", "e", "b", "IN|ET"],
        ["start_wait", "T", "e", -1],
        ["shutdown", "b", "RDWR"],
        ["settle"],
        ["wait", "e"],
    ]
    real = ["ok", "ok", "ok", "ok", "ok", "ok", [["b", "IN|HUP"]]]
    assert play(steps) != real
    found = explain(lambda choices, before: play(steps, choices, before), real, DECISIONS)
    assert found is not None
    assert named(found) == "acknowledgement"


def test_what_the_kernel_cannot_do_is_not_explained() -> None:
    steps: list[list[Any]] = [
        ["tcp_pair", "a", "b"],
        ["send", "a", 9],
        ["settle"],
        ["recv", "b", 9],
    ]
    assert explain(lambda c, b: play(steps, c, b), ["ok", 9, "ok", 8], DECISIONS) is None
    assert explain(lambda c, b: play(steps, c, b), ["ok", 9, "ok", 9], DECISIONS) == []


def test_looseness_has_names_and_sources() -> None:
    assert len({loose.name for loose in LOOSE}) == len(LOOSE)
    assert all(loose.statement and loose.source for loose in LOOSE)
    assert named([Decision("sched.next", 2, 1)]) == "race"


def test_every_rule_has_a_mark_and_a_source() -> None:
    table = rules("epoll")
    ids = [rule.id for rule in table]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & {rule.id for rule in rules("iocp")}
    assert all(rule.statement and rule.source for rule in table)
    assert unmarked("epoll") == []
    marked = {each for lines in marks().values() for names in lines.values() for each in names}
    assert marked <= {rule.id for kernel in ("epoll", "iocp") for rule in rules(kernel)}


def test_every_rule_is_applied_by_a_case() -> None:
    with watching() as watch:
        for case in own_cases("epoll"):
            play(case.steps)
    assert {rule.id for rule in rules("epoll")} - watch.hits == set()


@pytest.mark.skipif(sys.platform != "linux", reason="compares with the epoll of this machine")
def test_random_programs_on_both_kernels() -> None:
    from harness.conform.differential import compare

    report = compare("epoll", 150, 7)
    assert report.found is None, report.found
    assert report.runs == 150
