"""Failures become small and stay the same; the certificate says so, and can be checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.failure import FailureFile, decode, encode
from harness.replay import REPRODUCED, replay
from harness.run import run
from harness.scenario import Scenario
from harness.shrinking import Shrinking, Shrunk, check_certificate, shrink_failure, shrink_here
from harness.signature import signature
from model.errors import Divergence, UsageError
from model.mutants import MUTANTS
from tests.harness.foreign import needs_libevent
from tests.harness.made import failure
from tests.harness.shrinking.found import found

ROOT = Path(__file__).resolve().parents[3]
TRIES = 3_000
NAMES = ("LE-001", "LE-113", "LE-144", "timeout-early", "two-orders", "two-orders-hang")


def shrunk(name: str) -> Shrunk:
    return shrink_failure(found(name), tries=TRIES)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_still_fails_in_the_same_way_and_is_certified(name: str) -> None:
    small = shrunk(name)
    made = small.failure
    assert small.complete and not small.interrupted
    assert made.broken == MUTANTS[name].breaks == found(name).broken
    assert replay(made).result == REPRODUCED
    assert small.steps <= 6 and small.decisions <= 4, (small.steps, small.decisions)
    assert check_certificate(decode(encode(made).split(b"\n"))) is None


@pytest.mark.parametrize("name", NAMES[:4])
def test_shrinking_what_is_shrunk_changes_nothing(name: str) -> None:
    once = shrunk(name).failure
    assert encode(shrink_failure(once, tries=TRIES).failure) == encode(once)
    bare = replace(once, certificate=None)
    assert encode(shrink_failure(bare, tries=TRIES).failure) == encode(once)


def test_it_is_a_function_of_the_failure_and_the_tries() -> None:
    for tries in (1, 20, TRIES):
        one, other = (shrink_failure(found("LE-001"), tries=tries) for _ in range(2))
        assert encode(one.failure) == encode(other.failure)
        assert one.tries == other.tries
    assert shrink_failure(found("LE-001"), tries=1).failure.scenario == found("LE-001").scenario


def test_a_bound_ends_it_without_a_certificate() -> None:
    for bounded in (
        shrink_failure(found("LE-144"), tries=10),
        shrink_failure(found("LE-144"), seconds=0),
    ):
        assert not bounded.complete and bounded.failure.certificate is None
        assert replay(bounded.failure).result == REPRODUCED


def test_an_interrupt_keeps_the_smallest_so_far() -> None:
    told: list[Shrinking] = []

    def progress(state: Shrinking) -> None:
        told.append(state)
        if len(told) == 30:
            raise KeyboardInterrupt

    cut = shrink_failure(found("LE-144"), progress=progress)
    assert cut.interrupted and not cut.complete and cut.failure.certificate is None
    assert (cut.steps, cut.decisions) == (told[-1].steps, told[-1].decisions)
    assert cut.steps < cut.steps_before
    assert replay(cut.failure).result == REPRODUCED


def test_a_damaged_certificate_is_refused() -> None:
    small = shrunk("LE-001").failure
    certificate = small.certificate
    assert certificate is not None
    lines = encode(small).split(b"\n")
    place = next(i for i, line in enumerate(lines) if line.startswith(b'{"certificate"'))
    damaged = [*lines[:place], lines[place].replace(b'"step":', b'"stop":'), *lines[place + 1 :]]
    with pytest.raises(UsageError, match="the lines above were changed"):
        decode(damaged)
    forged = replace(small, certificate=replace(certificate, tried={"step": 3}))
    with pytest.raises(UsageError, match="not this run's"):
        check_certificate(decode(encode(forged).split(b"\n")))
    with pytest.raises(UsageError, match="of list 9"):
        check_certificate(replace(small, certificate=replace(certificate, list=9)))
    with pytest.raises(UsageError, match="no certificate"):
        check_certificate(found("LE-001"))


def test_a_certificate_of_what_is_not_small_is_refuted() -> None:
    from harness.shrinking.case import Case
    from harness.shrinking.removals import counted

    large = found("LE-001")
    made = shrunk("LE-001").failure.certificate
    assert made is not None
    case = Case(large.scenario, large.tape)
    case = case._replace(tape=tuple(each.value for each in large.decisions))
    forged = replace(large, tape=case.tape, certificate=replace(made, tried=counted(case, True)))
    wrong = check_certificate(forged)
    assert wrong is not None and "T-2 still breaks with less" in wrong


def test_a_failure_of_a_real_world_is_made_in_the_simulator() -> None:
    real = replace(found("timeout-early"), world="epoll", tape=(), decisions=())
    small = shrink_failure(real, tries=TRIES)
    assert small.failure.world == "sim-epoll" and small.complete
    assert replay(small.failure).result == REPRODUCED
    clean = replace(real, mutant=None)
    with pytest.raises(UsageError, match="does not break in sim-epoll") as told:
        shrink_failure(clean, tries=TRIES)
    assert "\n" not in str(told.value)


def test_what_is_no_failure_is_refused() -> None:
    clean = FailureFile.of(run(Scenario(), "sim-epoll"))
    with pytest.raises(UsageError, match="no property broke"):
        shrink_failure(clean, seconds=1)
    with pytest.raises(Divergence, match="does not break again"):
        shrink_failure(failure(), seconds=1)


def test_a_property_between_worlds_stays_one() -> None:
    """Found in two worlds, shrunk in both."""
    name = next(each.name for each in MUTANTS.values() if each.breaks == "X-1")
    from harness.mutation import hunt

    small = hunt(MUTANTS[name], runs=20_000, number=1, shrinking=True).shrunk
    assert small is not None and small.failure.others == ("sim-iocp",)
    assert small.complete and small.failure.broken == "X-1"
    assert check_certificate(small.failure) is None


def test_a_real_world_is_its_own_judge() -> None:
    real = replace(found("write-gives-up"), world="epoll", tape=(), decisions=())
    told: list[str] = []
    small = shrink_here(real, tries=8, told=lambda runs: told.extend(each.world for each in runs))
    assert told == ["epoll"] * small.tries
    assert small.failure.world == "epoll" and small.failure.certificate is None


@needs_libevent
def test_a_foreign_failure_keeps_its_signature() -> None:
    from harness.failure import load

    kept = load(ROOT / "findings" / "timeout-hides-readiness" / "failure.jsonl")
    assert kept.violation is not None
    small = shrink_failure(kept, tries=TRIES)
    assert small.failure.violation is not None and small.complete
    same = signature(kept.violation, kept.records)
    assert signature(small.failure.violation, small.failure.records) == same
    assert small.failure.certificate is not None and small.failure.certificate.same == same
