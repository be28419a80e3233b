"""A libevent of one's own: how it is named, and the counters of one that is measured."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.branches import counts
from model.errors import WorldUnavailable
from real.libevent import built, named
from real.libevent.library import SONAME, Library

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="libevent is a subject on Linux only"
)

ROOT = Path(__file__).resolve().parents[2]

SOURCE = """
#include <unistd.h>
int doubled(int number) { return number > 0 ? 2 * number : (int)getpid(); }
"""
#: our getpid says 77; libgcov asks for the real one, if it asks at all
USE = """
import ctypes, sys
from real.libevent.built import count, write_counters
from real.libevent.relocation import redirect
library = ctypes.PyDLL(sys.argv[1])
ours = ctypes.PYFUNCTYPE(ctypes.c_int)(lambda: 77)
wrong = ctypes.PYFUNCTYPE(ctypes.c_int)(lambda: sys.exit("libgcov was redirected"))
address = ctypes.cast(ours, ctypes.c_void_p).value
no = ctypes.cast(wrong, ctypes.c_void_p).value
redirection = redirect(library, {"getpid": address, "open": no, "fcntl": no, "fopen": no})
count(library, redirection)
for number in map(int, sys.argv[2:]):
    write_counters(True)
    assert library.doubled(number) == (2 * number if number > 0 else 77)
with redirection.lifted():
    assert library.doubled(0) not in (0, 77)
assert library.doubled(0) == 77
"""


def test_no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(named.VARIABLE, raising=False)
    assert named.directory() is None
    assert built.words() == ""


def test_a_folder_without_the_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        monkeypatch.setenv(named.VARIABLE, str(folder))
        with pytest.raises(WorldUnavailable, match=f"^{named.VARIABLE}=.* has no file .*: name"):
            Library()


def test_a_library_that_does_not_fit_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(named.VARIABLE, str(tmp_path))
    (tmp_path / SONAME).write_text("not a library\n")
    with pytest.raises(WorldUnavailable, match=r"cannot be loaded .*: name another folder"):
        Library()


def test_what_it_was_built_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(named.VARIABLE, str(tmp_path))
    assert named.directory() == tmp_path.resolve()
    assert built.words() == f"from {named.VARIABLE}"
    (tmp_path / named.BUILT_FROM).write_text("libevent 2.1.12-stable-8\nwith gcov\n")
    assert built.words() == "built from libevent 2.1.12-stable-8 with gcov"


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("gcov")), reason="no gcc or gcov")
def test_counters_of_several_processes_add_up(tmp_path: Path) -> None:
    """A tiny library with counters, which is redirected while it runs and not while it writes."""
    (tmp_path / "doubled.c").write_text(SOURCE)
    whole = "-Wl,--whole-archive,-lgcov,--no-whole-archive"
    make = ["gcc", "--coverage", "-O0", "-fPIC", "-shared", whole, "-o", "doubled.so", "doubled.c"]
    subprocess.run(make, cwd=tmp_path, check=True)
    library = str(tmp_path / "doubled.so")
    processes = [
        subprocess.Popen([sys.executable, "-c", USE, library, *numbers], cwd=ROOT)
        for numbers in (("1", "2", "0"), ("3", "0", "4"))
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    found = next(tmp_path.glob("*.gcda"))
    report = subprocess.run(
        ["gcov", "--json-format", "--stdout", "--branch-probabilities", found.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    taken = counts([report.stdout])
    assert {(each.file, each.function) for each in taken} == {("doubled.c", "doubled")}
    positive, others = 4, 2 + 2 * 2  # two more in each process while and after it was lifted
    assert sorted(taken.values()) == [positive, others]
