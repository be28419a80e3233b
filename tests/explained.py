"""Every real run that a test makes through `harness.run` must be one that a simulated kernel could
have made: `explaining_real_runs` wraps what `harness.run.run` gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness import run as run_module
from harness.failure import FailureFile
from harness.inclusion.command import profile_of
from harness.inclusion.search import explain
from harness.run import Outcome
from harness.worlds import is_simulated


def assert_explained(outcome: Outcome) -> None:
    """The simulated kernel could have made these records.

    Threads and workers are not asked for, though most are explained: of drawn scenarios about one
    in a hundred is not (two threads' calls that are recorded in the other order than the kernel met
    them, a packet that is told after the end of its handle).
    """
    many = outcome.scenario.threads or outcome.scenario.workers
    if is_simulated(outcome.world) or many:
        return
    run = FailureFile.of(outcome)
    found = explain(run.world, run.scenario, run.records, profile_of(run))
    if not found.explained:
        assert found.record is not None
        told = f"record {found.record} {run.records[found.record]}: {found.found}"
        pytest.fail(f"{told}; possible: {found.possible}; {run.scenario}")


@contextmanager
def explaining_real_runs() -> Iterator[None]:
    """Every real outcome is explained while this lasts."""

    def checked(**fields: Any) -> Outcome:
        outcome = Outcome(**fields)
        assert_explained(outcome)
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "Outcome", checked)
        yield
