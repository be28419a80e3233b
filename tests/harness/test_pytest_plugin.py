"""The pytest plugin: replays as items, the fixture, what reports say, and that it is inert."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from harness.failure import FailureFile, load, save
from harness.program import source_of_runs
from harness.run import run
from tests.harness.made import ROOT
from tests.harness.views.runs import LAYERED, broken

pytest_plugins = ["pytester"]

NAME = "harness.pytest_plugin"
#: an installation loads it by itself; naming it too would only warn that it is there already
INSTALLED = any(each.name == NAME for each in entry_points(group="pytest11"))
PLUGIN = ("-p", "no:cacheprovider", *(() if INSTALLED else ("-p", NAME)))
HEAD = """
from hypothesis import Phase, given, settings, strategies as st
from harness.strategies import scenarios
PHASES = [Phase.generate, Phase.shrink]
""" + source_of_runs(broken())[0]


@pytest.fixture
def lab(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder with a project of its own, in which this checkout can be imported."""
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return pytester


def ran(lab: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """pytest in this process, which has the modules already."""
    return lab.runpytest_inprocess(*PLUGIN, *arguments)


def ran_apart(lab: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """pytest in a process of its own."""
    return lab.runpytest_subprocess("-p", "no:cacheprovider", "-p", NAME, *arguments)


def test_a_file_is_replayed_as_an_item(lab: pytest.Pytester) -> None:
    lab.makepyfile("def test_other(): pass")
    path = save(lab.path / "kept" / "f.jsonl", broken())
    clean = run(LAYERED, "sim-epoll")
    good = save(lab.path / "good.jsonl", FailureFile.of(clean))
    result = ran(lab, "--duopoll-replay", str(path), "--duopoll-replay", str(good))
    result.assert_outcomes(passed=1, failed=1)  # test_other was not asked for
    text = result.stdout.str()
    assert "B-1 breaks again in sim-iocp" in text
    assert "Broken: c0 read 1 bytes that are not what arrived" in text
    assert "Traceback" not in text
    assert "runs: 1 in sim-epoll, 1 in sim-iocp; 1 failing" in text
    assert f"duopoll replay {path}" in text
    beside = ran(lab, "test_a_file_is_replayed_as_an_item.py", "--duopoll-replay", str(good))
    beside.assert_outcomes(passed=2)


def test_a_mended_bug_passes(lab: pytest.Pytester) -> None:
    """The run is not the recorded one any more: what counts is whether a property breaks."""
    path = save(lab.path / "mended.jsonl", replace(broken(), mutant=None))
    result = ran(lab, "--duopoll-replay", str(path))
    result.assert_outcomes(passed=1)


def test_a_file_that_is_none_is_an_error(lab: pytest.Pytester) -> None:
    missing = ran(lab, "--duopoll-replay", "none.jsonl")
    assert missing.ret == pytest.ExitCode.USAGE_ERROR
    missing.stderr.fnmatch_lines(["*--duopoll-replay none.jsonl: is no file*"])
    (lab.path / "bad.jsonl").write_text("{}")
    assert ran(lab, "--duopoll-replay", "bad.jsonl").ret == pytest.ExitCode.TESTS_FAILED


def test_the_fixture_fails_with_the_story(lab: pytest.Pytester) -> None:
    lab.makepyfile(
        HEAD
        + """
def test_bug(duopoll):
    duopoll.run(scenario, ["sim-iocp"], mutant="LE-174")

def test_no_bug(duopoll):
    outcomes = duopoll.run(scenario)
    assert list(outcomes) == ["sim-epoll", "sim-iocp"]
"""
    )
    result = ran(lab, "--duopoll-out", "kept", "--junit-xml", "junit.xml")
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert "Broken: c0 read 1 bytes that are not what arrived" in text
    assert "pytest_runs.py" not in text, "no traceback of the plugin"
    assert "runs: 1 in sim-epoll, 2 in sim-iocp; 1 failing" in text
    (path,) = (lab.path / "kept").iterdir()
    assert load(path).broken == "B-1"
    assert f"duopoll replay kept/{path.name}" in text
    document = ET.parse(lab.path / "junit.xml")
    found = {each.get("name"): each.get("value") for each in document.iter("property")}
    assert found["duopoll_failure"] == f"kept/{path.name}"
    assert found["duopoll_runs"] == "sim-epoll=1 sim-iocp=1"


def test_hypothesis_shrinks_and_is_told(lab: pytest.Pytester) -> None:
    """The file that is kept is of the smallest example, and statistics have the features."""
    lab.makepyfile(
        HEAD
        + """
@settings(max_examples=20, database=None, derandomize=True, deadline=None, phases=PHASES)
@given(st.integers(1, 20_000))
def test_bug(duopoll, size):
    server = BuffereventEnd(setup=(Step("write", (1,)), Step("write", (size,))))
    drawn = Scenario(connections=(Connection(server=server),))
    duopoll.run(drawn, ["sim-iocp"], mutant="LE-174")

@settings(max_examples=5, database=None, derandomize=True, deadline=None)
@given(scenarios(race_free=True))
def test_no_bug(duopoll, drawn):
    duopoll.run(drawn)
    duopoll.run(drawn)
"""
    )
    result = ran(lab, "--duopoll-out", "kept", "--hypothesis-show-statistics")
    result.assert_outcomes(passed=1, failed=1)
    text = result.stdout.str()
    assert "bufferevents at both ends" in text
    assert "properties judged in sim-iocp" in text
    (path,) = (lab.path / "kept").iterdir()
    kept = load(path)
    assert kept.mutant == "LE-174"
    assert kept.scenario == broken().scenario, "with one byte, the smallest"


def test_workers_report_to_the_summary(lab: pytest.Pytester) -> None:
    lab.makepyfile(
        HEAD
        + """
import pytest
@pytest.mark.parametrize("number", range(3))
def test_runs(duopoll, number):
    duopoll.run(scenario, ["sim-epoll"])
"""
    )
    path = save(lab.path / "f.jsonl", broken())
    named = "test_workers_report_to_the_summary.py"
    result = ran_apart(lab, "-n", "1", named, "--duopoll-replay", str(path))
    result.assert_outcomes(passed=3, failed=1)
    assert "runs: 3 in sim-epoll, 1 in sim-iocp; 1 failing" in result.stdout.str()


def test_it_is_inert_unless_asked(lab: pytest.Pytester) -> None:
    """A project that does not ask pays for one small module, and sees nothing."""
    lab.makepyfile("def test_other(): pass")
    lab.makeconftest(
        """
import json, sys
def pytest_unconfigure(config):
    names = ("hypothesis", "simpy", "greenlet", "harness.run", "harness.pytest_runs", "model")
    plugin = config.pluginmanager.has_plugin("harness.pytest_plugin")
    print("SEEN" + json.dumps([plugin, [name for name in names if name in sys.modules]]))
"""
    )
    result = ran_apart(lab, "-s", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)
    text = result.stdout.str()
    assert json.loads(text[text.index("SEEN") + 4 :].splitlines()[0]) == [True, []]
    told = [line for line in text.splitlines() if not line.startswith("plugins: ")]
    assert "duopoll" not in "\n".join(told)  # pytest names what is installed


def test_importing_it_imports_no_engine(tmp_path: Path) -> None:
    code = (
        "import sys, harness.pytest_plugin;"
        "print([n for n in ('hypothesis', 'simpy', 'greenlet', 'model') if n in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "[]\n"
