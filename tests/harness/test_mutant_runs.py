"""Runs of a model with a planted bug: whatever goes wrong, the judges keep their own promises.

The mutants make the records that a healthy model never writes; what finds them, and how soon, is
`test_mutation`'s.
"""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.compare import compare
from harness.run import Outcome, judge, run
from harness.scenario import Scenario
from harness.strategies import scenarios, tapes
from harness.worlds import SIMULATED
from model.mutants import MUTANTS, Mutant
from model.properties import PROPERTY, Verdicts
from model.trace import decode_record, encode_trace

_WORLD = {"readiness": "sim-epoll", "completion": "sim-iocp"}
_MUTANTS = st.sampled_from(list(MUTANTS.values()))


def _in_form(verdicts: Verdicts, records: int) -> None:
    assert set(verdicts.checked) <= set(PROPERTY)
    for each in verdicts.violations:
        assert each.property in PROPERTY
        assert -1 <= each.record < records
        assert each.message and "\n" not in each.message


@given(_MUTANTS, scenarios(), tapes(), st.data())
@settings(max_examples=500)
def test_what_a_mutant_does_is_judged_the_same_from_its_file(
    mutant: Mutant, scenario: Scenario, tape: tuple[int, ...], data: st.DataObject
) -> None:
    world = _WORLD[data.draw(st.sampled_from(mutant.kernels))]
    outcome = run(scenario, world, tape=tape, mutant=mutant.name)
    _in_form(outcome.verdicts, len(outcome.records))
    assert outcome.verdicts.unreadable == ()
    lines = encode_trace(outcome.records)
    read = [decode_record(json.loads(line)) for line in lines]
    assert judge(read, world, outcome.decisions) == outcome.verdicts


@given(_MUTANTS, scenarios(), tapes(), st.data())
@settings(max_examples=50)
def test_a_mutant_s_run_is_a_function_of_its_tape(
    mutant: Mutant, scenario: Scenario, tape: tuple[int, ...], data: st.DataObject
) -> None:
    world = _WORLD[data.draw(st.sampled_from(mutant.kernels))]
    first, second = (run(scenario, world, tape=tape, mutant=mutant.name) for _ in range(2))
    assert list(encode_trace(first.records)) == list(encode_trace(second.records))
    assert first.verdicts == second.verdicts


@given(_MUTANTS, scenarios(race_free=True), tapes(), tapes())
@settings(max_examples=500)
def test_who_is_named_first_does_not_matter(
    mutant: Mutant, scenario: Scenario, tape: tuple[int, ...], other: tuple[int, ...]
) -> None:
    """A mutant beside the healthy model, and each beside itself. X-2 is of one world alone, and a
    mutant may break it."""
    outcomes: list[Outcome] = [
        run(scenario, world, tape=answers, mutant=name)
        for world, answers, name in zip(SIMULATED, (tape, other), (mutant.name, None), strict=True)
    ]
    forward, backward = compare(outcomes), compare(outcomes[::-1])
    assert sorted(each.property for each in forward.violations) == sorted(
        each.property for each in backward.violations
    )
    for verdicts in (forward, backward):
        _in_form(verdicts, max(len(each.records) for each in outcomes))
    ill, healthy = (compare([outcome, outcome]).violations for outcome in outcomes)
    assert healthy == ()
    assert {each.property for each in ill} <= {"X-2"} & {
        each.property for each in forward.violations
    }
