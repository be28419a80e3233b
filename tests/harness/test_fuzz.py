"""The fuzzer: it finds what is planted, makes it small, and keeps its bounds."""

from __future__ import annotations

from time import monotonic

import pytest

from harness import fuzz as fuzz_module
from harness.fuzz import PROGRESS_S, FuzzReport, fuzz
from harness.run import run
from harness.scenario import steps_of
from harness.shrinking import judge
from harness.worlds import SIMULATED
from model.errors import UsageError
from model.properties import PROPERTY, Verdicts, Violation
from model.trace import Record


def planted(records: list[Record], **_: object) -> Verdicts:
    """Two false properties: nobody resets, and nothing ever times out."""
    found = []
    for index, record in enumerate(records):
        if record[1] == "peer" and record[3] == "reset":
            found.append(Violation("B-1", index, "a reset"))
        if record[1] == "cb" and record[3] == "event" and record[4] & 0x40:
            found.append(Violation("T-1", index, "a timeout"))
    return Verdicts(tuple(found), {"B-1": 1, "T-1": 0})


@pytest.fixture
def plants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.run.check", planted)


def test_the_model_is_clean_and_the_report_says_what_was_done() -> None:
    report = fuzz(SIMULATED, runs=150, seed=5)
    assert report.failures == [] and not report.interrupted
    assert report.examples == 150
    for world in SIMULATED:
        counts = report.worlds[world]
        assert counts.runs == 150 and counts.shrink_runs == 0
        assert counts.records > 150 * 20 and counts.runs_per_s > 0
        assert set(counts.checked) <= set(PROPERTY) and len(counts.checked) > 10
    assert report.features["peer send"] > 20 and report.features["event CONNECTED"] > 50


def test_the_same_seed_gives_the_same_campaign() -> None:
    first, again = (fuzz(SIMULATED, runs=60, seed=9) for _ in range(2))
    assert first.features == again.features
    other = fuzz(SIMULATED, runs=60, seed=10)
    assert other.features != first.features


@pytest.mark.usefixtures("plants")
def test_every_failure_is_found_once_and_small() -> None:
    report = fuzz(["sim-epoll"], runs=600, seed=2)
    assert sorted(failure.property for failure in report.failures) == ["B-1", "T-1"]
    for failure in report.failures:
        assert failure.finished and failure.shrunk_from > 5
        assert failure.outcome.tape == ()
        assert failure.violation in failure.outcome.verdicts.violations
        steps = [step.do for step in steps_of(failure.outcome.scenario)]
        assert len(steps) <= 3, steps
        again = run(failure.outcome.scenario, failure.world, tape=failure.outcome.tape)
        assert again == failure.outcome
    assert report.worlds["sim-epoll"].checked == {"B-1": report.worlds["sim-epoll"].runs}


@pytest.mark.usefixtures("plants")
def test_it_can_stop_at_the_first() -> None:
    assert len(fuzz(SIMULATED, runs=600, seed=2, stop_at_first=True).failures) == 1


@pytest.mark.usefixtures("plants")
def test_time_bounds_hold_while_shrinking(monkeypatch: pytest.MonkeyPatch) -> None:
    started = monotonic()
    report = fuzz(["sim-epoll"], seconds=1.0, seed=3)
    assert monotonic() - started < 4.0
    assert report.worlds["sim-epoll"].runs > 0
    monkeypatch.setattr(fuzz_module, "SHRINK_S", 0.0)
    report = fuzz(["sim-epoll"], runs=200, seed=2)
    assert report.failures and not any(failure.finished for failure in report.failures)


def test_progress_is_told_and_an_interrupt_keeps_what_there_is() -> None:
    told: list[int] = []

    def progress(report: FuzzReport) -> None:
        told.append(report.examples)
        if len(told) == 3:
            raise KeyboardInterrupt

    report = fuzz(SIMULATED, seconds=30 * PROGRESS_S, seed=4, progress=progress)
    assert report.interrupted and report.examples >= told[2] > 0
    assert told == sorted(told) and len(told) == 4  # and once more at the end


def test_names_are_checked_first() -> None:
    with pytest.raises(UsageError):
        fuzz(["sim-epoll", "mars"], runs=1)
    with pytest.raises(UsageError):
        fuzz(["sim-epoll"], runs=1, mutant="none such")


def test_a_broken_comparison_is_a_failure_with_both_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def differs(outcomes: list[object]) -> Verdicts:
        return Verdicts((Violation("X-1", -1, "they differ"),), {"X-1": 1})

    monkeypatch.setattr(fuzz_module, "compare", differs)
    monkeypatch.setattr(judge, "compare", differs)
    monkeypatch.setattr("harness.run.check", lambda *_, **__: Verdicts(()))
    report = fuzz(SIMULATED, runs=300, seed=1)
    (failure,) = [failure for failure in report.failures if failure.property == "X-1"]
    assert (failure.property, failure.world) == ("X-1", "sim-epoll+sim-iocp")
    assert [failure.outcome.world, *(o.world for o in failure.others)] == list(SIMULATED)
    assert failure.outcome.verdicts.violations == (failure.violation,)


def test_real_worlds_take_part() -> None:
    report = fuzz(["sim-epoll", "epoll"], seconds=3, seed=6)
    assert report.worlds["epoll"].runs > 5
    assert report.worlds["epoll"].kernel_version.startswith("Linux")
