"""Faults in whole runs: each kind happens where it is on and never where it is off; the model
survives them all; a run is a function of its scenario and its tape."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.compare import race_free
from harness.features import features
from harness.noise import scenario_of, tape_of
from harness.run import Outcome, run
from harness.scenario import AppStep, BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.scenario_json import from_json, to_json
from harness.strategies import scenarios, tapes
from harness.sweep import sweep
from harness.worlds import SIMULATED, is_completion
from model.errors import NtStatus, UsageError
from model.faults import CALLS as ALL_CALLS
from model.faults import CONDITIONS, FAULTS, FOREIGN_CALLS, KINDS, NONE, CallFault, Faults
from model.trace import encode_trace

#: what a run of the model may have
CALLS = {call: made for call, made in ALL_CALLS.items() if call not in FOREIGN_CALLS}
#: kinds that a kernel does not have
READINESS_ONLY = ("spurious", "eintr", "eagain", "connect_at_once")
_WORLDS = st.sampled_from(SIMULATED)
_kinds = st.lists(st.sampled_from(KINDS), unique=True).map(tuple)
_calls = st.lists(
    st.sampled_from(
        [(call, each.name) for call, outcomes in CALLS.items() for each in outcomes]
    ).flatmap(lambda pair: st.integers(1, 20).map(lambda n: CallFault(pair[0], n, pair[1]))),
    max_size=3,
).map(tuple)
faults = st.builds(Faults, _kinds, _calls, st.integers(0, 64))

TALK = Scenario(
    connections=(
        Connection(
            BuffereventEnd(setup=(Step("enable", ("RW",)), Step("write", (20_000,)))),
            BuffereventEnd(after_reads="echo"),
        ),
        Connection(PeerEnd((Step("send", ((64,) * 4,)), Step("recv_all"))), BuffereventEnd()),
    )
)


#: a decision for a connection that waits when an AcceptEx is made: a crowd before a closed door
RARE = "iocp.accept_sync"
CROWD = Scenario(
    (Connection(PeerEnd(connects=16), BuffereventEnd(on_accept=((Step("listener_disable"),),))),),
    (AppStep("wait", None, (50_000_000,)), AppStep("listener_enable", "s0")),
    faults=Faults((*CONDITIONS, "eintr")),
)


def _told(outcome: Outcome) -> list[str]:
    return [record[2] for record in outcome.records if record[1] == "fault"]


def _with(kinds: tuple[str, ...], seed: int, world: str) -> Outcome:
    """A run of its own by seed, in which these kinds are on."""
    random = Random(seed)
    scenario = scenario_of(random.randbytes(80))
    tape = tape_of(random.randbytes(120))
    return run(replace(scenario, faults=Faults(kinds, pool_pages=5)), world, tape=tape)


@cache
def _swarm(kind: str, world: str) -> Counter[str]:
    """What happens in sixty runs in which all conditions and one fault are on."""
    seen: Counter[str] = Counter()
    for seed in range(60):
        seen.update(_told(_with((*CONDITIONS, kind), seed, world)))
    return seen


@pytest.mark.parametrize("world", SIMULATED)
@pytest.mark.parametrize("kind", FAULTS)
def test_a_kind_that_is_on_happens_and_no_other_does(kind: str, world: str) -> None:
    seen = _swarm(kind, world)
    has_none = kind in READINESS_ONLY if is_completion(world) else kind == "pool"
    assert set(seen) == (set() if has_none else {kind})


@pytest.mark.parametrize("world", SIMULATED)
@pytest.mark.parametrize("kind", CONDITIONS)
def test_a_condition_that_is_off_draws_nothing(kind: str, world: str) -> None:
    rest = tuple(each for each in CONDITIONS if each != kind)
    for seed in range(20):
        drawn = {decision.name for decision in _with(rest, seed, world).decisions}
        assert not drawn & set(CONDITIONS[kind])


def test_every_condition_is_drawn_where_it_is_on() -> None:
    drawn = {
        decision.name
        for world in SIMULATED
        for seed in range(300)
        for decision in _with((*CONDITIONS, "eintr"), seed, world).decisions
    }
    assert {name for names in CONDITIONS.values() for name in names} - {RARE} <= drawn
    drawn = {
        decision.name
        for seed in range(10)
        for decision in run(CROWD, "sim-iocp", tape=tape_of(Random(seed).randbytes(100))).decisions
    }
    assert RARE in drawn


@given(scenarios(), tapes(), _WORLDS)
def test_no_kind_no_decision_of_it(scenario: Scenario, tape: tuple[int, ...], world: str) -> None:
    outcome = run(replace(scenario, faults=NONE), world, tape=tape)
    assert not [each for each in outcome.decisions if each.name.startswith("fault.")]
    assert not [record for record in outcome.records if record[1] in ("fault", "pool")]


@given(scenarios(), tapes(), _WORLDS)
def test_kinds_that_are_on_by_name_are_as_by_default(
    scenario: Scenario, tape: tuple[int, ...], world: str
) -> None:
    """The wrapper and the network of faulty worlds change nothing by themselves."""
    plain = run(replace(scenario, faults=NONE), world, tape=tape)
    far = CallFault("recv", 99_999, "ECONNRESET")
    wrapped = run(replace(scenario, faults=Faults(calls=(far,))), world, tape=tape)
    assert wrapped.records == plain.records
    assert wrapped.decisions == plain.decisions


@settings(max_examples=300)
@given(scenarios(), tapes(), faults, _WORLDS)
def test_the_model_survives(
    scenario: Scenario, tape: tuple[int, ...], faulty: Faults, world: str
) -> None:
    outcome = run(replace(scenario, faults=faulty), world, tape=tape)
    assert outcome.verdicts.violations == ()
    assert outcome.verdicts.unreadable == ()


@pytest.mark.parametrize("world", SIMULATED)
def test_the_model_survives_thousands_of_swarms(world: str) -> None:
    random = Random(20_250)
    for _ in range(2_000):
        scenario = scenario_of(random.randbytes(100))
        kinds = tuple(kind for kind in KINDS if random.random() < 0.6)
        faulty = Faults(kinds, pool_pages=random.choice((2, 5, 8, 64)))
        tape = tape_of(random.randbytes(150))
        outcome = run(replace(scenario, faults=faulty), world, tape=tape)
        assert outcome.verdicts.violations == (), (to_json(outcome.scenario), tape)


@given(scenarios(), tapes(), faults, _WORLDS)
def test_a_run_is_a_function_of_scenario_and_tape(
    scenario: Scenario, tape: tuple[int, ...], faulty: Faults, world: str
) -> None:
    scenario = replace(scenario, faults=faulty)
    one, other = (run(scenario, world, tape=tape) for _ in range(2))
    assert encode_trace(one.records) == encode_trace(other.records)
    assert one.decisions == other.decisions


@pytest.mark.parametrize("world", SIMULATED)
@pytest.mark.parametrize(
    ("call", "outcome"),
    [(call, each.name) for call, outcomes in CALLS.items() for each in outcomes],
)
def test_a_sweep_hits_every_call_once_and_ends(world: str, call: str, outcome: str) -> None:
    hits = [_told(done) for done in sweep(TALK, world, call, outcome, most=200)]
    assert hits == [[f"{call} {n} {outcome}"] for n in range(1, len(hits) + 1)]
    assert len(hits) < 200
    completion_has_it = call != "wait"
    assert bool(hits) == (completion_has_it or not is_completion(world))


@pytest.mark.parametrize("world", SIMULATED)
@pytest.mark.parametrize("call", CALLS)
def test_the_model_survives_sweeps(world: str, call: str) -> None:
    for outcome in CALLS[call]:
        for done in sweep(TALK, world, call, outcome.name):
            assert done.verdicts.violations == (), done.scenario.faults


@pytest.mark.parametrize("world", SIMULATED)
def test_a_listener_goes_on_behind_an_aborted_connection(world: str) -> None:
    """A connection is accepted, or it is gone and counts as such; the others are not hurt."""
    crowd = Connection(PeerEnd(connects=12), BuffereventEnd())
    scenario = Scenario((crowd,), faults=Faults(("econnaborted",)))
    mixed = 0
    for seed in range(30):
        outcome = run(scenario, world, tape=tape_of(Random(seed).randbytes(60)))
        assert outcome.verdicts.violations == ()
        accepted = sum(
            record[1] == "cb" and record[3] == "accept" and record[2] == "l0"
            for record in outcome.records
        )
        aborted = len(_told(outcome))
        tried = [record for record in outcome.records if record[1:4] == ("peer", "c0", "connect")]
        assert accepted + aborted == len(tried) > 0
        mixed += bool(aborted) and accepted > 0
        if is_completion(world):
            failed = [
                record
                for record in outcome.records
                if record[1] == "completion" and record[5] is NtStatus.CONNECTION_RESET
            ]
            assert len(failed) == aborted
    assert mixed > 5


def test_a_failing_call_is_the_n_th() -> None:
    scenario = replace(TALK, faults=Faults(calls=(CallFault("recv", 3, "ENOBUFS"),)))
    calls = [record for record in run(scenario, "sim-epoll").records if record[1] == "recv"]
    failed = [
        number for number, record in enumerate(calls, 1) if str(record[4]).endswith("ENOBUFS")
    ]
    assert failed == [3]


def test_sweeps_refuse_what_there_is_not() -> None:
    for world, call, outcome in (
        ("epoll", "recv", "EAGAIN"),
        ("sim-epoll", "sleep", "EAGAIN"),
        ("sim-epoll", "recv", "EMFILE"),
    ):
        with pytest.raises(UsageError):
            next(sweep(TALK, world, call, outcome))


@given(scenarios(), tapes(), st.integers(0, 40), st.booleans())
def test_the_pool_is_never_overdrawn_and_empty_at_the_end(
    scenario: Scenario, tape: tuple[int, ...], size: int, reset: bool
) -> None:
    kinds = (*CONDITIONS, *(("reset", "emfile") if reset else ()), "pool")
    outcome = run(replace(scenario, faults=Faults(kinds, (), size)), "sim-iocp", tape=tape)
    pools = [record for record in outcome.records if record[1] == "pool"]
    assert len(pools) == 1 + (scenario.workers is not None)  # one at the end of each port
    for pool in pools:
        assert pool[2] == size
        assert 0 <= pool[3] <= size
    assert pools[-1][4] == 0


def test_the_pools_high_water_mark_is_what_was_locked() -> None:
    """c0 alone receives into 16,384 bytes: four pages."""
    scenario = Scenario((Connection(BuffereventEnd(), PeerEnd()),), faults=Faults(("pool",)))
    (pool,) = [record for record in run(scenario, "sim-iocp").records if record[1] == "pool"]
    assert pool[2:] == (64, 4, 0)


@given(scenarios(), faults)
def test_faults_are_told_in_json_and_back(scenario: Scenario, faulty: Faults) -> None:
    scenario = replace(scenario, faults=faulty)
    assert from_json(to_json(scenario)) == scenario
    assert ("faults" in to_json(scenario)) == (faulty != NONE)


@given(scenarios(), faults)
def test_features_name_faults_and_races_have_none(scenario: Scenario, faulty: Faults) -> None:
    seen = features(replace(scenario, faults=faulty))
    for kind in FAULTS:
        assert (f"fault {kind}" in seen) == (kind in faulty.kinds)
    for kind in CONDITIONS:
        assert (f"without {kind}" in seen) == (kind not in faulty.kinds)
    if faulty != NONE:
        assert not race_free(replace(scenario, faults=faulty))


def test_fuzzing_draws_swarms() -> None:
    random = Random(7)
    drawn = [scenario_of(random.randbytes(200)).faults for _ in range(2_000)]
    assert 200 < sum(each != NONE for each in drawn) < 1_500
    assert {kind for each in drawn for kind in each.kinds} == set(KINDS)
    assert {call.call for each in drawn for call in each.calls} == set(CALLS)
    for kind in KINDS:
        assert any(each != NONE and kind not in each.kinds for each in drawn)
    assert all(
        scenario_of(random.randbytes(200), race_free=True).faults == NONE for _ in range(100)
    )


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"kinds": ["rain"]}, "scenario.faults.kinds[0]"),
        ({"kinds": ["reset", "reset"]}, "scenario.faults.kinds"),
        ({"kinds": "reset"}, "scenario.faults.kinds"),
        ({"pool_pages": -1}, "scenario.faults.pool_pages"),
        ({"calls": [{"call": "recv", "n": 0, "outcome": "EAGAIN"}]}, "scenario.faults.calls[0].n"),
        ({"calls": [{"call": "recv", "n": 1}]}, "scenario.faults.calls[0]"),
        (
            {"calls": [{"call": "wait", "n": 1, "outcome": "EAGAIN"}]},
            "scenario.faults.calls[0].outcome",
        ),
        ({"weather": 1}, "scenario.faults"),
    ],
)
def test_bad_faults_are_refused_with_their_path(document: object, where: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json({**to_json(Scenario()), "faults": document})
    assert where in str(caught.value)


def test_the_command_line_sweeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(to_json(TALK)))
    assert main(["run", str(path), "--sweep", "send=ENOBUFS", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert {each["world"] for each in runs} == set(SIMULATED)
    assert len(runs) > 4
    assert main(["run", str(path), "--sweep", "send=EMFILE"]) == 2
    assert "EMFILE" in capsys.readouterr().err
