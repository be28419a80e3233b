"""Hypothesis profiles, and two rules: continuous integration has every world, and what a real
kernel did in a test the simulated one could have done (`tests.explained`).

`--hypothesis-profile` chooses: `dev` (the default, seconds), `ci` (what a change must pass: the
same examples for every run of the same tests; `make fuzz` and `make hunt` draw new ones), `hunt`
(hours) or `mutation` (of `make mutation`). A test that needs fewer examples than its profile gives
says so itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.explained import explaining_real_runs

_COMMON = settings(
    deadline=None,  # the machine is shared; a run has its own record budget
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("dev", _COMMON, max_examples=50)
settings.register_profile("ci", _COMMON, max_examples=250, derandomize=True, database=None)
settings.register_profile("hunt", _COMMON, max_examples=100_000, stateful_step_count=200)
settings.register_profile(  # scripts/mutation_suite.py: one failure is enough, and none is kept
    "mutation",
    _COMMON,
    max_examples=50,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
settings.load_profile("dev")


def pytest_configure(config: pytest.Config) -> None:
    """With CI=true a world that does not run here is a failure and not a skip."""
    if os.environ.get("CI") != "true" or hasattr(config, "workerinput"):
        return
    from real.world import why_not

    missing = [f"{name}: {why}" for name in ("epoll", "iocp") if (why := why_not(name))]
    if missing:
        raise pytest.UsageError("CI=true needs every world; " + "; ".join(missing))


@pytest.fixture(autouse=True, scope="session")
def _real_runs_are_explained() -> Iterator[None]:
    with explaining_real_runs():
        yield
