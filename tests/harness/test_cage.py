"""A foreign subject's process may die or hang: the run is a crash with its trace, no more."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from typing import Any, cast

import pytest

from harness.cage import Cage, Job, _Told
from harness.run import Played, judge, run
from harness.scenario import BuffereventEnd, Connection, Scenario
from model.errors import UsageError
from model.trace import encode_trace

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="a foreign subject's process is made on Linux only"
)
TWO = Scenario((Connection(BuffereventEnd(), BuffereventEnd()),))
TAPE = (3, 1, 2)


@pytest.fixture
def cage() -> Iterator[Cage]:
    """A cage with the subjects of `tests.harness.caged`."""
    cage = Cage(silence_s=3.0, module="tests.harness.caged")
    yield cage
    cage.close()


def play(cage: Cage, subject: str) -> Played:
    return cage.run(Job(TWO, "sim-epoll", TAPE, subject, None, 50_000))


def test_a_whole_run_is_the_one_made_here(cage: Cage) -> None:
    played = play(cage, "whole")
    here = run(TWO, "sim-epoll", tape=TAPE)
    assert encode_trace(played.records) == encode_trace(here.records)
    assert played.decisions == here.decisions


@pytest.mark.parametrize(
    ("subject", "how"),
    [
        ("null", "was killed by SIGSEGV"),
        ("abort", "was killed by SIGABRT"),
        ("leaves", "ended with exit code 3"),
        ("spins", "nothing came back for 3 real seconds"),
    ],
)
def test_a_death_is_a_crash_behind_what_was_recorded(cage: Cage, subject: str, how: str) -> None:
    """The records and decisions up to the end are those of the same run that does not die."""
    whole = play(cage, "whole")
    starts = cage.starts
    played = play(cage, subject)
    *before, last = played.records
    assert last[1] == "crash"
    assert how in last[3]
    assert tuple(before) == whole.records[: len(before)]
    assert any(record[1] == "new" for record in before)
    assert played.decisions == whole.decisions[: len(played.decisions)]
    assert played.decisions
    assert [v.property for v in judge(played.records, "sim-epoll").violations] == ["S-1"]
    assert play(cage, "whole") == whole  # and the campaign goes on
    assert cage.starts == starts + 2  # the second try, and the run after it


def test_what_is_known_behind_a_call_is_sent_then() -> None:
    """A stack's record of a read is made before the read, so that what it causes stands behind."""
    ours, theirs = Pipe()
    records = _Told(cast("Any", theirs), "record")  # another class on Windows
    records.append((0, "read", "c0", 5, b""))
    records.append((0, "quiet"))
    records[0] = (0, "read", "c0", 5, b"bytes")
    sent = [pickle.loads(ours.recv_bytes()) for _ in range(3)]
    assert sent[0] == ("record", (0, "read", "c0", 5, b""))
    assert sent[2] == ("filled", 0, records[0])


def test_the_place_is_named(cage: Cage) -> None:
    assert play(cage, "null").records[-1][4] == "__init__ string_at"


def test_an_exception_is_no_death(cage: Cage) -> None:
    played = play(cage, "raises")
    assert [record[2] for record in played.records if record[1] == "crash"] == ["ZeroDivisionError"]
    assert cage.starts == 1


def test_a_process_that_ended_between_runs_is_no_runs_fault(cage: Cage) -> None:
    whole = play(cage, "whole")
    assert cage._process is not None
    cage._process.kill()
    cage._process.wait()
    assert play(cage, "whole") == whole


@pytest.mark.parametrize("world", ["sim-iocp", "iocp"])
def test_a_subject_says_where_it_runs(world: str) -> None:
    with pytest.raises(
        UsageError, match=f"libevent does not run in {world}: name one of sim-epoll"
    ):
        run(TWO, world, subject="libevent")


def test_mutants_are_of_the_model() -> None:
    with pytest.raises(UsageError, match="is of the model, not of libevent"):
        run(TWO, "sim-epoll", subject="libevent", mutant="LE-174")
