"""The stateful test finds each planted bug of the evbuffer, and finds nothing without one."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from model.mutants import BUFFER_MUTANTS, Mutant, patched
from tests.model.evbuffer.machine_more import WholeMachine

EVERY = pytest.mark.parametrize("mutant", BUFFER_MUTANTS.values(), ids=BUFFER_MUTANTS)
QUICKLY = settings(
    max_examples=2_000,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    report_multiple_bugs=False,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@EVERY
def test_the_machine_finds_it(mutant: Mutant, capsys: pytest.CaptureFixture[str]) -> None:
    with patched(mutant), pytest.raises((AssertionError, AttributeError)):
        run_state_machine_as_test(WholeMachine, settings=QUICKLY)
    capsys.readouterr()


def test_the_machine_finds_nothing() -> None:
    """The same runs, without a bug."""
    run_state_machine_as_test(WholeMachine, settings=settings(QUICKLY, max_examples=200))


@EVERY
def test_it_fits_the_model(mutant: Mutant) -> None:
    """Same parameters, same defaults, and a description; the model is whole again afterwards."""
    before = [owner.__dict__[attribute] for owner, attribute, _ in mutant.patches]
    with patched(mutant):
        for (owner, attribute, replacement), original in zip(mutant.patches, before, strict=True):
            assert owner.__dict__[attribute] is replacement
            mine = inspect.signature(original).parameters
            theirs = inspect.signature(replacement).parameters
            assert [(each.name, each.default) for each in mine.values()] == [
                (each.name, each.default) for each in theirs.values()
            ]
            assert replacement.__doc__
    assert [owner.__dict__[attribute] for owner, attribute, _ in mutant.patches] == before
