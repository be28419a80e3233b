"""Wine's server: who may end it and when, with tools that only write down how they were called."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from real import wine_server

LONG_AGO_S = 3_600

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Wine is not for Windows")

Keeping = Callable[..., AbstractContextManager[int]]


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    return tmp_path / "prefix"


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    """What the tools were asked for since the last time. `wineserver` says that it started."""
    log = tmp_path / "calls"
    for tool in ("wine64", "wineserver"):
        path = tmp_path / tool
        path.write_text(f'#!/bin/sh\necho "$*" >> {log}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def since() -> list[str]:
        told = log.read_text().split("\n")[:-1]
        log.write_text("")
        return told

    return since


@pytest.fixture
def keep(tmp_path: Path, prefix: Path) -> Keeping:
    def keeping(own: bool = True) -> AbstractContextManager[int]:
        command = (str(tmp_path / "wine64"), "python.exe")
        return wine_server.kept_up(command, {"WINEPREFIX": str(prefix)}, prefix, own)

    return keeping


STARTED = [f"-p{wine_server.LINGER_S}", "python.exe -V"]
ENDED = ["-k", "-w"]


def age(prefix: Path) -> None:
    """The last interpreter came long ago."""
    then = time.time() - LONG_AGO_S
    os.utime(prefix / "duopoll.users", (then, then))


def test_a_server_that_may_be_leaving_is_ended_first(
    keep: Keeping, prefix: Path, calls: Callable[[], list[str]]
) -> None:
    with keep():
        assert calls() == STARTED
    with keep():
        assert calls() == STARTED  # one came just now: it is not leaving
    age(prefix)
    with keep():
        assert calls() == [*ENDED, *STARTED]
    with keep():
        assert calls() == STARTED  # that one came just now as well


def test_not_while_an_interpreter_lives(
    keep: Keeping, prefix: Path, calls: Callable[[], list[str]]
) -> None:
    with keep() as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,)
        )
    calls()
    age(prefix)
    with keep():
        assert calls() == STARTED
    child.communicate(b"\n", timeout=30)
    age(prefix)
    with keep():
        assert calls() == [*ENDED, *STARTED]


def test_never_in_a_prefix_of_the_users(
    keep: Keeping, prefix: Path, calls: Callable[[], list[str]]
) -> None:
    with keep(own=False):
        calls()
    age(prefix)
    with keep(own=False):
        assert calls() == STARTED


def test_where_one_runs_its_services_are_up(
    keep: Keeping, tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    server = tmp_path / "wineserver"
    server.write_text(server.read_text() + "exit 2\n")  # there is one already
    with keep():
        assert calls() == STARTED[:1]
