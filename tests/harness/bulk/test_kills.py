"""A campaign that is killed loses no failure that it told of.

DUOPOLL_KILLS=20 kills more often than a change has to wait for.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from time import monotonic, sleep

import pytest

from harness.bulk import corpus, state
from harness.cli import main
from harness.failure import load
from harness.observe import OBSERVATIONS
from harness.views.campaigns import observations
from tests.harness.made import ROOT

KILLS = int(os.environ.get("DUOPOLL_KILLS", "2"))
START_S = 120.0

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="process groups and SIGKILL are POSIX's"
)


def killed(folder: Path, random: Random) -> str:
    """One session with two workers, killed with them at some moment after it began to search."""
    if sys.platform == "win32":  # a check that mypy understands
        raise OSError("no process groups")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "harness", "campaign", "--dir", str(folder), "--jobs", "2"),
            *("--mutant", "timeout-early", "--seed", "3", "--seconds", "100"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    path = folder / state.NAME
    deadline = monotonic() + START_S
    writes = random.choice((1, 2, 2, 3))  # at its beginning, with its first failure, ...
    written = path.stat().st_mtime_ns if path.exists() else 0
    while writes and monotonic() < deadline and process.poll() is None:
        now = path.stat().st_mtime_ns if path.exists() else 0
        writes -= now != written
        written = now
        sleep(0.01)
    sleep(random.random())
    os.killpg(process.pid, signal.SIGKILL)
    told, _ = process.communicate()
    return told


def test_a_killed_campaign_loses_nothing_that_it_told_of(tmp_path: Path) -> None:
    random = Random(KILLS)
    told: set[str] = set()
    runs = 0
    for _ in range(KILLS):
        told |= set(re.findall(r"kept in (\S+\.jsonl)$", killed(tmp_path, random), re.MULTILINE))
        held = state.load(tmp_path)
        for path in told:
            assert load(path).broken is not None
        assert {Path(path).name for path in told} <= {x.file for x in held.failures.values()}
        for each in held.failures.values():
            assert load(tmp_path / "failures" / each.file).broken == each.property
        assert sum(held.runs.values()) >= runs
        runs = sum(held.runs.values())
        if (tmp_path / "corpus").exists():
            corpus.load(tmp_path / "corpus")
        if (tmp_path / OBSERVATIONS).exists():
            assert all(each["arguments"] for each in observations(tmp_path / OBSERVATIONS))
    arguments = [
        "--shrink-seconds",
        "1",
        "--mutant",
        "timeout-early",
        "--runs",
        str(runs + 20),
        "--jobs",
        "1",
    ]
    assert main(["campaign", "--resume", "--dir", str(tmp_path), *arguments]) == 1
    held = state.load(tmp_path)
    assert held.failures
    assert any(each["status"] == "failed" for each in observations(tmp_path / OBSERVATIONS))
    assert {Path(path).name for path in told} <= {each.file for each in held.failures.values()}
