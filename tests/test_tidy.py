"""House rules as tests: short functions and files, no dead module, no skip without a reason.

The layering of the packages is import-linter's job (`make lint`); this file holds what is left.
"""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("model", "sim", "real", "harness")
PYTHON_FOLDERS = (*PACKAGES, "bench", "scripts", "tests", "notebooks")
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400

#: modules that nobody imports because people or programs start them
ENTRY_POINTS = frozenset({"harness.__main__", "harness.cli", "harness.pytest_plugin"})

#: written in pieces, so that this file does not hold what it forbids
FORBIDDEN = (
    "pypi" + ".org",
    "files.python" + "hosted",
    "proxy." + "golang",
    "/opt/" + "pypi",
    "/opt/" + "wheels",
    "/root" + "/",
    "/home" + "/",
    "/work" + "/",
    ".." + "/shared",
    "/tmp/" + "plan",
    "/tmp/" + "dl",
)
FORBIDDEN_WORDS = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "Not" + "ImplementedError", "X" * 3)) + r")\b"
)


def _sources() -> list[Path]:
    found = [path for folder in PYTHON_FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "__pycache__" not in path.parts)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tracked() -> list[Path]:
    """The files of the project: what git has or would take."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        return _sources()
    paths = (ROOT / line for line in listed.stdout.splitlines())
    return [path for path in paths if path.is_file()]


def test_functions_fit_a_screen() -> None:
    long = [
        f"{_name(path)}:{node.lineno} {node.name} has {length} lines"
        for path in _sources()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not long, f"more than {FUNCTION_LINES_MAX} lines: {long}"


def test_files_have_one_subject() -> None:
    long = [
        f"{_name(path)} has {count} lines"
        for path in _sources()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ]
    assert not long, f"more than {FILE_LINES_MAX} lines, split by noun: {long}"


def test_modules_say_what_they_are() -> None:
    silent = [
        _name(path)
        for path in _sources()
        if path.stat().st_size and not (ast.get_docstring(_tree(path)) or "notebooks" in path.parts)
    ]
    assert not silent, f"no module docstring: {silent}"


def _imports(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, at any depth."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.partition(":")[0]  # importlib.import_module("real.iocp"), -m names


def test_no_dead_module() -> None:
    """A module that only its own tests import is dead."""
    users = [path for path in _sources() if "tests" not in path.relative_to(ROOT).parts]
    imported = {name for path in users for name in _imports(path)}
    modules = {
        _name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for folder in PACKAGES
        for path in (ROOT / folder).rglob("*.py")
    }
    dead = modules - imported - ENTRY_POINTS - set(PACKAGES)
    assert not dead, f"nobody imports {sorted(dead)}"


def test_tests_are_packages() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    bare = [_name(folder) for folder in folders if not (folder / "__init__.py").exists()]
    assert not bare, f"without __init__.py its tests shadow a package: {bare}"


def test_forbidden_words() -> None:
    found = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            place = f"{_name(path)}:{number}"
            found += [f"{place} {word!r}" for word in FORBIDDEN if word in line]
            found += [f"{place} {word!r}" for word in FORBIDDEN_WORDS.findall(line)]
    assert not found, found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_come_from_this_checkout(package: str) -> None:
    """The names are plain, so another distribution could shadow them."""
    origin = importlib.import_module(package).__file__
    assert origin is not None
    assert Path(origin).resolve() == ROOT / package / "__init__.py"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _gives_reason(call: ast.Call, name: str) -> bool:
    reasons = {keyword.arg for keyword in call.keywords}
    if name.endswith((".mark.skipif", ".mark.xfail")):
        return "reason" in reasons
    return bool(call.args) or "reason" in reasons


def test_every_skip_has_a_reason() -> None:
    marks = ("skip", "skipif", "xfail")
    skips = {"pytest.skip", "pytest.xfail", *(f"pytest.mark.{mark}" for mark in marks)}
    silent = []
    for path in (ROOT / "tests").rglob("*.py"):
        calls = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)]
        called = {id(call.func) for call in calls}
        for call in calls:
            name = _dotted(call.func)
            if name in skips and not _gives_reason(call, name):
                silent.append(f"{_name(path)}:{call.lineno} {name}")
        names = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Attribute)]
        for node in names:
            bare = id(node) not in called
            if bare and _dotted(node) in ("pytest.mark.skip", "pytest.mark.xfail"):
                silent.append(f"{_name(path)}:{node.lineno} {_dotted(node)}")
    assert not silent, f"skipped without a reason: {silent}"


def test_no_exception_is_swallowed() -> None:
    """`except Exception: pass` hides the crash that a run should record."""
    swallowed = []
    for path in _sources():
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or _dotted(node.type) in ("Exception", "BaseException")
            if broad and all(isinstance(line, ast.Pass) for line in node.body):
                swallowed.append(f"{_name(path)}:{node.lineno}")
    assert not swallowed, swallowed
