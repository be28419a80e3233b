"""Every finding against the library that is installed: which still hold.

With the version that a finding is of, its file must replay byte for byte and its program must show
it. With another version one that no longer holds is reported as skipped: that is news, and no
failure of ours.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.cage import shared
from harness.failure import load
from harness.replay import REPRODUCED, replay
from harness.run import run
from model.properties import PROPERTY
from tests.harness.foreign import needs_libevent

ROOT = Path(__file__).resolve().parents[2] / "findings"
NAMES = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
BESIDE_THREADS = {"disabled-beside-the-loop"}  # no tape decides where they stand: no file
FILED = [name for name in NAMES if name not in BESIDE_THREADS]
STATES = ("new", "known and open", "known and fixed after this version")
TRIES = 3  # the machine may be slow: the programs wait for tens of milliseconds


def text(name: str) -> str:
    return (ROOT / name / "README.md").read_text()


def told(name: str, what: str) -> str:
    """A line of the finding's text."""
    found = re.search(rf"^- {what}: (.*)$", text(name), re.MULTILINE)
    assert found is not None, f"{name} does not tell its {what}"
    return found[1]


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    assert told(name, "Property") in PROPERTY
    assert told(name, "State") in STATES
    assert f"[{name}]({name}/README.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_mend_or_says_why_not(name: str) -> None:
    """By which `duopoll causes` knows it; `make libevent-mended` asks each."""
    mended = bool(list((ROOT / name / "mend").glob("*.ed")))
    assert f"\n## {'A' if mended else 'No'} mend\n" in text(name)


@pytest.mark.parametrize("name", FILED)
def test_its_file_is_of_what_it_says(name: str) -> None:
    failure = load(ROOT / name / "failure.jsonl")
    assert told(name, "Property") == failure.broken
    assert failure.subject_version.startswith(told(name, "Library").removeprefix("libevent "))


@needs_libevent
@pytest.mark.parametrize("name", FILED)
def test_it_holds(name: str) -> None:
    failure = load(ROOT / name / "failure.jsonl")
    installed = shared("libevent").version("libevent")
    if installed == failure.subject_version:
        assert replay(failure).result == REPRODUCED
        return
    outcome = run(failure.scenario, failure.world, tape=failure.tape, subject="libevent")
    if failure.broken not in {each.property for each in outcome.verdicts.violations}:
        pytest.skip(f"{name} ({failure.broken}) no longer holds in libevent {installed}")


@needs_libevent
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: install gcc")
@pytest.mark.parametrize("name", NAMES)
def test_the_real_kernel_shows_it(name: str, tmp_path: Path) -> None:
    program = tmp_path / "reproducer"
    source = ROOT / name / "reproducer.c"
    libraries = re.search(r"^cc .*?reproducer\.c (-l.*?) &&", text(name), re.MULTILINE)
    assert libraries is not None, f"{name} does not tell how its program is built"
    command = ["cc", "-Wall", "-Werror", "-O1", "-o", str(program), str(source)]
    command += libraries[1].split()
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if re.search("(event2|openssl)/.*No such file", built.stderr):
        pytest.skip("headers are missing: install libevent-dev and libssl-dev")
    assert built.returncode == 0, built.stderr
    for _ in range(TRIES):
        done = subprocess.run([program], capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0:
            return
    version = told(name, "Library").removeprefix("libevent ")
    if f"libevent {version}:" not in done.stdout:
        pytest.skip(f"no longer shown: {done.stdout.strip()}")
    pytest.fail(f"{done.stdout}{done.stderr}")
