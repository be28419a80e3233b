"""The demonstration ends with a failure, its page, its explanation and its test."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.demo import MUTANT
from harness.failure import FailureFile, load
from harness.run import run
from harness.scenario import BuffereventEnd, Connection, PeerEnd, Scenario, Step
from harness.views.explained import explanation_of
from model.errors import UsageError
from tests.harness.views.runs import BUSY, broken, busy


def test_it_leads_from_nothing_to_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    (file,) = tmp_path.glob("*.jsonl")
    failure = load(file)
    assert failure.mutant == MUTANT
    assert failure.certificate is not None
    assert main(["shrink", str(file), "--check"]) == 0
    assert f"{failure.broken} breaks again in sim-epoll" in told
    assert "in its place no failure" in told
    page = file.with_suffix(".html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found[1])
    decisions = {each["index"]: each for each in data["explanation"]["decisions"]}
    sharp = [index for index, each in enumerate(failure.decisions) if each.value]
    assert set(sharp) <= set(decisions)
    assert any(not decisions[index]["still_fails"] for index in sharp)
    compile((tmp_path / "test_demo.py").read_text(), "test_demo.py", "exec")


def test_a_clean_run_has_no_explanation() -> None:
    clean = FailureFile.of(busy("sim-epoll"))
    assert clean.scenario == BUSY
    with pytest.raises(UsageError, match="no property broke in this run"):
        explanation_of(clean)


def test_an_explanation_is_of_its_failure() -> None:
    violation = broken().violation
    assert violation is not None
    told = explanation_of(broken())
    assert violation.property in told["verdict"]
    assert told["story"]
    with pytest.raises(UsageError, match="make that one with `duopoll shrink`"):
        explanation_of(replace(broken(), records=broken().records[:-1]))


@pytest.mark.skipif(sys.platform != "linux", reason="the world epoll is Linux's")
def test_a_run_of_a_real_world_is_not_explained_by_the_records_of_another() -> None:
    """It breaks in the simulator too, whose records have other times and descriptors."""
    enable, low = Step("enable", ("RW",)), Step("setwatermark", ("R", 10, 0))
    server = BuffereventEnd(setup=(enable, low))
    one_byte = Scenario((Connection(PeerEnd((Step("send", ((1,),)),)), server),))
    real = FailureFile.of(run(one_byte, "epoll", mutant="low-ignored"))
    assert real.broken is not None
    with pytest.raises(UsageError, match="the run in epoll is explained by a simulated one"):
        explanation_of(real, seconds=2.0)


def test_an_unknown_mutant_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--mutant", "nothing"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
