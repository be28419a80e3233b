"""An emitted test stands alone: it fails with the bug, and passes without it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from harness.cli import main
from harness.emit_test import test_source as source_of
from harness.failure import FailureFile, save
from tests.harness.made import ROOT, failures
from tests.harness.views.runs import broken


def run_test(path: Path) -> subprocess.CompletedProcess[str]:
    """pytest on one file, in a process and a folder of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        cwd=path.parent,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "SYSTEMROOT": "C:\\Windows"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_fails_while_the_bug_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(save(tmp_path / "f.jsonl", broken()))
    with_bug, without = tmp_path / "test_with.py", tmp_path / "test_without.py"
    assert main(["emit-test", file, "--out", str(with_bug)]) == 0
    assert capsys.readouterr().out.startswith(f"{with_bug}: ")
    assert main(["emit-test", file, "--without-mutant", "--out", str(without), "--json"]) == 0
    failed = run_test(with_bug)
    assert failed.returncode == 1, failed.stdout
    assert "B-1 at record 54: c0 read 1 bytes that are not what arrived" in failed.stdout
    assert "1 failed" in failed.stdout
    passed = run_test(without)
    assert passed.returncode == 0, passed.stdout


@given(failures())
@settings(max_examples=20)
def test_any_failure_makes_one_test(drawn: FailureFile) -> None:
    """Whatever a file holds, its test is Python with imports, a scenario and one function."""
    source = source_of(drawn)
    assert source.isascii()
    tree = ast.parse(source)
    kinds = [type(node) for node in tree.body if not isinstance(node, ast.ImportFrom)]
    assert kinds == [ast.Expr, ast.Assign, ast.FunctionDef]
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert function.name.startswith("test_")
