"""libevent itself as a subject: its binding, its memory, and that a run of it repeats."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.cage import Cage, Job, shared, watched
from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step, steps_of
from harness.strategies import foreign_scenarios, tapes
from harness.sweep import sweep
from model.choices import Decision
from model.errors import SimulatorError, WorldUnavailable
from model.faults import CallFault, Faults
from model.trace import Record, encode_trace
from tests.harness.foreign import needs_libevent

pytestmark = needs_libevent

LIMITING = {"set_rate_limit", "set_max_single", "join_group"}
ECHO = Scenario(
    (Connection(BuffereventEnd(), BuffereventEnd(on_read=((Step("echo"),),) * 9)),),
    (AppStep("write", "c0", (20_000,)), AppStep("write", "c0", (1,))),
)


def libevent(scenario: Scenario, tape: tuple[int, ...] = (), world: str = "sim-epoll") -> Outcome:
    return run(scenario, world, tape=tape, subject="libevent")


def trace(cage: Cage, scenario: Scenario, tape: tuple[int, ...]) -> list[str]:
    played = cage.run(Job(scenario, "sim-epoll", tape, "libevent", None, 50_000))
    return encode_trace(played.records)


@pytest.fixture(scope="module")
def other_cage() -> Iterator[Cage]:
    """Another process, under another hash seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "77")
        cage = Cage()
        cage.version("libevent")
    yield cage
    cage.close()


@settings(max_examples=40)
@given(foreign_scenarios(), tapes())
def test_a_run_is_the_same_in_every_process(
    other_cage: Cage, scenario: Scenario, tape: tuple[int, ...]
) -> None:
    assert trace(shared("libevent"), scenario, tape) == trace(other_cage, scenario, tape)


REFUSED = Scenario((Connection(BuffereventEnd(), PeerEnd(listens=False)),))


@settings(max_examples=40)
@example(REFUSED, ())  # whose callback reads errno behind calls that succeeded, and were told
@given(foreign_scenarios(), tapes())
def test_a_run_that_is_watched_is_the_same(scenario: Scenario, tape: tuple[int, ...]) -> None:
    """One that took its process with it is played again so, and its records are its trace."""
    outcome = libevent(scenario, tape)
    told = [record for record in outcome.records if record[1] != "crash"]  # it is the parent's
    records: list[Record] = []
    decisions: list[Decision] = []
    watched(scenario, "sim-epoll", tape, "libevent", records, decisions)
    assert encode_trace(records) == encode_trace(told)
    assert tuple(decisions) == outcome.decisions


@settings(max_examples=40)
@given(foreign_scenarios(race_free=True))
def test_it_is_clean_where_nothing_is_tight(scenario: Scenario) -> None:
    """Without timeouts, faults and full inputs no property breaks, but for what is found in the
    code of limits and layers where there are any."""
    broken = {violation.property for violation in libevent(scenario).verdicts.violations}
    known = set()
    if any(step.do in LIMITING for step in steps_of(scenario)) or scenario.groups:
        known |= {"R-4", "C-2", "L-5"}  # max-single-forgotten, write-callback-by-limit, group-timer
    if any(connection.layers for connection in scenario.connections):
        known |= {"C-2", "L-3"}  # filter-write-nests, filter-drain-nests; filter-leaves-rest, -idle
    assert not broken - known


@pytest.mark.parametrize("world", ["sim-epoll", "epoll"])
def test_an_echo_in_both_worlds(world: str) -> None:
    outcome = libevent(ECHO, world=world)
    assert not outcome.verdicts.violations
    read = sum(len(r[4]) for r in outcome.records if r[1] == "read" and r[2] == "c0")
    assert read == 20_001
    assert outcome.records[-1][1:] == ("base_free", 0)


def test_the_version_is_the_librarys_own() -> None:
    version = libevent(ECHO).subject_version
    assert version.startswith("2.1.")
    assert "(0x0201" in version


def test_debug_mode_is_a_subject_of_its_own() -> None:
    outcome = run(ECHO, "sim-epoll", subject="libevent-debug")
    assert not outcome.verdicts.violations
    assert "debug mode" in outcome.subject_version


def test_what_it_logs_is_recorded() -> None:
    faults = Faults(calls=(CallFault("epoll_ctl", 1, "ENOSPC"),))
    outcome = libevent(Scenario(ECHO.connections, (), faults=faults))
    logged = [record[3] for record in outcome.records if record[1] == "log"]
    assert any("Epoll ADD" in message for message in logged)


def test_every_allocation_fails_once() -> None:
    """The sweep ends by itself, and ends no campaign, though one of the runs crashes."""
    watermark = Step("setwatermark", ("R", 0, 64))
    end = BuffereventEnd(setup=(Step("enable", ("RW",)), watermark))
    scenario = Scenario((Connection(PeerEnd(), end),))
    done = list(sweep(scenario, "sim-epoll", "malloc", "ENOMEM", subject="libevent"))
    crashed = [o for o in done if any(record[1] == "crash" for record in o.records)]
    assert 5 < len(done) < 100
    assert len(crashed) < len(done)


def test_what_is_raised_below_it_comes_out_where_it_was_called() -> None:
    """An exception must not pass through C: the run of an unknown call stops with its name."""
    from real.libevent.system_calls import Gate

    gate = Gate(["frobnicate"])
    calls = type("Calls", (), {"failure": None})()
    gate.calls = calls
    import ctypes

    function = ctypes.PYFUNCTYPE(ctypes.c_int)(gate.addresses["frobnicate"])
    assert function() == -1
    assert isinstance(calls.failure, SimulatorError)
    assert "frobnicate" in str(calls.failure)


# Memory.


class Blocks:
    """The allocator's own functions, without libevent."""

    def __init__(self) -> None:
        from real.libevent.memory import Memory

        self.errors: list[int] = []
        self.memory = Memory(self._set_errno)
        self.give, self.move, self.take = self.memory.functions
        self.memory.begin()

    def _set_errno(self, number: int) -> int:
        self.errors.append(number)
        return -1


@settings(max_examples=30)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=20), st.data())
def test_blocks_that_are_given_back_are_no_leak(sizes: list[int], data: st.DataObject) -> None:
    blocks = Blocks()
    addresses = [blocks.give(size) for size in sizes]
    kept = data.draw(st.sets(st.integers(0, len(sizes) - 1)))
    for index, address in enumerate(addresses):
        if index not in kept:
            blocks.take(address)
    blocks.memory.flush()
    assert sorted(blocks.memory.leaked()) == sorted(max(sizes[index], 1) for index in kept)
    assert blocks.memory.misuse == []


def test_misuse_of_memory_is_seen() -> None:
    import ctypes

    blocks = Blocks()
    twice, late = blocks.give(10), blocks.give(10)
    blocks.take(twice)
    blocks.take(twice)
    blocks.take(late)
    ctypes.memset(late, 0, 1)  # it is still kept
    blocks.take(12_345)
    blocks.memory.flush()
    assert blocks.memory.misuse == [
        "a block was freed twice",
        "a free of no block",
        "a block of 10 bytes was written to after it was freed",
    ]


def test_an_allocation_fails_with_errno() -> None:
    blocks = Blocks()
    blocks.memory.fails = lambda: True
    assert blocks.give(10) is None
    assert blocks.errors == [12]


def test_a_library_that_is_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from real.libevent import library

    monkeypatch.setattr(library, "SONAME", "libnobody_has.so.7")
    with pytest.raises(WorldUnavailable, match=r"^libnobody_has\.so\.7 cannot be loaded .*install"):
        library.Library()


def test_another_machine_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from real.libevent import relocation

    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(WorldUnavailable, match="on Linux x86-64 only, this is linux riscv64"):
        relocation.check_platform()
    assert sys.platform == "linux"
