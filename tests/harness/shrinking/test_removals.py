"""The list of removals, and the search over it: all that is not needed goes, whatever fails."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.failure import FailureFile
from harness.features import features
from harness.run import run
from harness.scenario import AppStep, BuffereventEnd, Connection, Network, Scenario, Step, steps_of
from harness.scenario_bounds import INTEGERS
from harness.scenario_json import validate
from harness.schedules import Source
from harness.shrinking.case import Case
from harness.shrinking.judge import Judge, Shown
from harness.shrinking.numbers import rounder, roundness
from harness.shrinking.parts import parts_out
from harness.shrinking.removals import counted, removals
from harness.shrinking.search import Search
from harness.shrinking.tapes import ByName, smaller_tapes
from harness.strategies import scenarios, tapes
from model.choices import Choices, Decision
from model.properties import Violation

OUTCOME = run(Scenario(), "sim-epoll")


class Pretended(Judge):
    """Says of cases, without a run, whether they fail."""

    def __init__(self, fails: Callable[[Case], bool]) -> None:
        super().__init__(FailureFile.of(OUTCOME), "C-1")
        self.by_name = False  # there are no draws
        self.fails = fails

    def shown(self, case: Case, choices: Source | None = None) -> Shown | None:
        self.tries += 1
        if not self.fails(case):
            return None
        dull = tuple([Decision("draw", 256, value % 256) for value in case.tape])
        outcome = replace(OUTCOME, tape=case.tape, decisions=dull)
        return Shown(case, outcome, Violation("C-1", 0, ""))


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """What the search makes of a case that fails."""
    judge = Pretended(fails)
    shown = judge.shown(case)
    assert shown is not None
    search = Search(judge, shown, None, None, None)
    search.run()
    assert search.certified()
    return search.best.case


@given(scenarios(max_connections=3))
def test_parts_out_are_valid_and_different(scenario: Scenario) -> None:
    seen = {scenario}
    for kind, smaller in parts_out(scenario):
        validate(smaller)
        assert kind and smaller not in seen
        assert Case(smaller).steps <= Case(scenario).steps or kind == "bufferevent"
        seen.add(smaller)


def has(feature: str, case: Case) -> bool:
    return feature in features(case.scenario)


@settings(max_examples=8)
@given(scenarios(max_connections=3), tapes())
def test_nothing_is_left_that_is_not_needed(scenario: Scenario, tape: tuple[int, ...]) -> None:
    for feature in sorted(features(scenario)):
        found = smallest(Case(scenario, tape), partial(has, feature))
        assert feature in features(found.scenario)
        assert len(found.scenario.connections) <= 2 and len(list(steps_of(found.scenario))) <= 3
        assert found.tape == ()


@settings(max_examples=25)
@given(scenarios(), tapes(), st.integers(2, 5), st.integers(0, 1 << 30))
def test_the_search_ends_and_leaves_nothing_whatever_fails(
    scenario: Scenario, tape: tuple[int, ...], share: int, salt: int
) -> None:
    """Failing is a matter of chance here: a removal may fail where two others do not."""

    def fails(case: Case) -> bool:
        if case == first:
            return True
        digest = hashlib.sha256(f"{salt} {case}".encode()).digest()
        return digest[0] % share == 0

    first = Case(scenario, tape)
    found = smallest(first, fails)
    assert fails(found)
    assert not any(fails(each.case) for each in removals(found, by_name=False))
    assert sum(counted(found, True).values()) == len(list(removals(found, True)))


@given(st.sampled_from(sorted(INTEGERS)), st.data())
def test_rounder_numbers_are_rounder_and_within_bounds(kind: str, data: st.DataObject) -> None:
    least, most = INTEGERS[kind]
    number = data.draw(st.integers(least, most))
    for each in rounder(number, kind):
        assert least <= each <= most and roundness(each) < roundness(number)


def test_numbers_become_round() -> None:
    app = (AppStep("write", "c0", (4_777,)), AppStep("wait", None, (123_456,)))
    scenario = Scenario(app=app, network=Network(sndbuf=4_097))

    def fails(case: Case) -> bool:
        writes = [step.args[0] for step in case.scenario.app if step.do == "write"]
        return bool(sum(writes) >= 4_097) and case.scenario.network.sndbuf < 9_000

    small = smallest(Case(scenario), fails).scenario
    assert [(step.do, step.args) for step in small.app] == [("write", (5_000,))]
    assert small.network == Network(sndbuf=1)


def test_steps_that_only_fail_together_are_merged() -> None:
    app = tuple([AppStep("write", "c0", (10,))] * 3)

    def fails(case: Case) -> bool:
        return bool(sum(step.args[0] for step in case.scenario.app if step.do == "write") >= 30)

    assert smallest(Case(Scenario(app=app)), fails).scenario.app == (AppStep("write", "c0", (30,)),)


def test_two_bufferevents_become_one_and_a_peer_that_reads() -> None:
    end = BuffereventEnd(setup=(Step("enable", ("RW",)), Step("write", (5,))))
    kinds = [kind for kind, _ in parts_out(Scenario((Connection(end, end),)))]
    assert kinds.count("bufferevent") == 4


@given(tapes())
def test_smaller_tapes_are_smaller(tape: tuple[int, ...]) -> None:
    for _, smaller in smaller_tapes(tape):
        sharp, before = sum(map(bool, smaller)), sum(map(bool, tape))
        assert (len(smaller), sharp, sum(smaller)) != (len(tape), before, sum(tape))
        assert len(smaller) <= len(tape) and sharp <= before and sum(smaller) <= sum(tape)


def test_a_tape_by_names_finds_its_draws_again() -> None:
    recorded = [Decision("a", 4, 0), Decision("b", 9, 5), Decision("a", 4, 3)]
    named = ByName(recorded)
    draws = [("b", 9), ("c", 1), ("b", 9), ("a", 4), ("a", 2)]
    assert [named.draw(name, bound) for name, bound in draws] == [5, 0, 0, 0, 1]
    plain = Choices(named.recorded())
    assert [plain.draw(name, bound) for name, bound in draws] == [5, 0, 0, 0, 1]
