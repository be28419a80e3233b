"""Wrong rules in the simulated readiness kernel: conform finds each of them and names it."""

from __future__ import annotations

import re
import sys

import pytest

from harness import cli
from harness.conform.cases import own_cases
from harness.conform.command import Conformity, check_cases
from sim.eventpoll import Epoll, Item
from sim.stream import Stream
from sim.tcp import Endpoint
from sim.unix import UnixStream
from tests.harness.conform.planted import planted

#: rule -> where it is, what it says, what the wrong kernel says instead
WRONG: dict[str, tuple[type, str, str, str]] = {
    "EP2": (Item, "wake", "& mask:\n        return False", "& mask:\n        pass"),
    "EP5": (Epoll, "_wake_one", "waiters.pop()", "waiters.pop(0)"),
    "EP9": (Epoll, "harvest", "ready.append(item)", "item.linked = False"),
    "EP11": (Epoll, "harvest", "item.mask = mask & FLAGS", "item.mask = mask"),
    "EP12": (Epoll, "harvest", "len(events) == maxevents", "len(events) > maxevents"),
    "EP28": (Epoll, "_modify", "return  #", "item.linked = bool(self.ready.remove(item))  #"),
    "TM6": (Stream, "poll", "mask |= MASK_IN | EPOLLRDHUP", "mask |= MASK_IN"),
    "TR5": (
        Stream,
        "_recv_nothing",
        'eof:\n        return b""',
        "eof:\n        return Errno.EAGAIN",
    ),
    "TX13": (Endpoint, "close", "unread:\n            self._abort()", "unread:\n            pass"),
    "UX14": (
        UnixStream,
        "recv",
        "packet.data[size:]  #",
        "packet.data[size:] if self.peer._freed(64) is None else b''  #",
    ),
}


def conformity() -> Conformity:
    """The cases on the simulated kernel."""
    return check_cases("epoll", own_cases("epoll"), ["linux"], real=False)


def test_the_right_rules() -> None:
    report = conformity()
    assert report.clean
    assert report.suspects() == []
    assert report.unexercised() == []


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_rule_is_found_and_named(rule: str) -> None:
    with planted(*WRONG[rule]):
        report = conformity()
    assert not report.clean
    assert rule in [suspect.rule for suspect in report.suspects()[:5]]


@pytest.mark.skipif(sys.platform != "linux", reason="compares with the epoll of this machine")
def test_the_command_fails_and_names_the_rule(capsys: pytest.CaptureFixture[str]) -> None:
    with planted(*WRONG["EP11"]):
        code = cli.main(["conform", "--kernel", "epoll", "--runs", "0"])
    out = capsys.readouterr().out
    assert code == 1
    assert re.search(r"^suspect.* EP11 ", out, re.MULTILINE)
    assert "differs" in out


@pytest.mark.skipif(sys.platform != "linux", reason="compares with the epoll of this machine")
def test_random_programs_find_a_wrong_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """Without the cases: one case that says nothing, then programs."""
    from harness.conform.differential import compare

    with planted(*WRONG["EP9"]):
        report = compare("epoll", 200, 0)
    assert report.found is not None
    assert report.found.kernel == "epoll"
    assert len(report.found.steps) < 12, "it is shrunk"
    assert any(run.failed and "EP9" in run.rules for run in report.tried)
