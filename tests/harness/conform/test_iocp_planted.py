"""Wrong rules in the simulated completion kernel: conform finds each of them and names it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import pytest

from harness import cli
from harness.conform import arms, command, differential
from harness.conform.cases import own_cases
from harness.conform.command import Conformity, check_cases
from harness.conform.rules import unmarked
from sim.iocp import SimIocp
from sim.iocp_handles import Handles
from sim.iocp_port import Port
from sim.iocp_profile import PROFILES
from sim.iocp_socket import Socket
from sim.iocp_stream import Stream
from tests.harness.conform.planted import planted

#: rule -> where it is, what it says, what the wrong kernel says instead
WRONG: dict[str, tuple[type, str, str, str]] = {
    "R3": (Stream, "receive_end", "return SUCCESS  # rule R3", "return None  # rule R3"),
    "R4": (Stream, "receive_end", "return _RESET", "return SUCCESS"),
    "U1": (SimIocp, "_ended_at_once", "port.packets.append(packet)", "del packet"),
    "P5": (Port, "_hand_over", "-1 if self.profile", "0 if self.profile"),
    "C1": (Socket, "end_cancelled", "0, NtStatus.CANCELLED)  # rule", "0, SUCCESS)  # rule"),
    "H1": (Handles, "associate", "return Win32Error.ERROR_INVALID_PARAMETER  # rule H1", "pass"),
    "X1": (Socket, "_end_next", "self._close_receive_status()", "SUCCESS"),
}


def conformity(profiles: Sequence[str] = ("nt",)) -> Conformity:
    """The cases on the simulated kernel."""
    return check_cases("iocp", own_cases("iocp"), profiles, real=False)


def test_the_right_rules() -> None:
    report = conformity(list(PROFILES))
    assert report.clean
    assert report.suspects() == []
    assert unmarked("iocp") == []
    assert report.unexercised() == []


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_rule_is_found_and_named(rule: str) -> None:
    with planted(*WRONG[rule]):
        report = conformity()
    assert not report.clean
    assert rule in [suspect.rule for suspect in report.suspects()]


def test_the_command_fails_and_names_the_rule(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "why_not", lambda world: "not now")
    monkeypatch.delenv("CI", raising=False)
    with planted(*WRONG["R4"]):
        code = cli.main(["conform", "--profile", "nt"])
    out = capsys.readouterr().out
    assert code == 1
    assert re.search(r"^suspect.* R4 a reset fails all pending receives", out, re.MULTILINE)
    assert re.search(r"^  differs recv_rst_pending", out, re.MULTILINE)
    assert '      operation ["get", "p", 500]\n      simulated ["ok", 7, "o", 0]\n' in out


def other_kernel(wrong: tuple[type, str, str, str]) -> Callable[..., list[list[object]]]:
    """A real kernel that is the simulated one with a wrong rule."""

    def play_real(kernel: str, batch: list[arms.Steps], pace: float = 1.0) -> list[list[object]]:
        with planted(*wrong):
            return [arms.play_simulated(kernel, steps, "wine-8") for steps in batch]

    return play_real


def test_random_programs_find_a_difference_and_shrink_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differential, "SHRINK_S", 4.0)
    monkeypatch.setattr(differential, "play_real", other_kernel(WRONG["C1"]))
    report = differential.compare("iocp", 200, 0, "wine-8")
    found = report.found
    assert found is not None
    assert len(found.steps) < 12, "it is shrunk"
    assert any(run.failed and "C1" in run.rules for run in report.tried)
    assert arms.play_simulated("iocp", found.steps, "wine-8") != found.expected("wine-8")


def test_random_programs_agree_with_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def play_real(kernel: str, batch: list[arms.Steps], pace: float = 1.0) -> list[list[object]]:
        return [arms.play_simulated(kernel, steps, "wine-8") for steps in batch]

    monkeypatch.setattr(differential, "play_real", play_real)
    report = differential.compare("iocp", 30, 1, "wine-8")
    assert report.found is None
    assert report.runs == 30
    assert report.operations > 200
