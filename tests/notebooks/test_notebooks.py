"""Each notebook runs from top to bottom, is the same in both of its forms, and holds no logic."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

from harness.bulk.sample import BROKEN, NEW
from harness.cli import main

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
NAMES = ("campaign", "failure", "worlds")

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Jupyter's kernel is not installed on the Windows side"
)
every_notebook = pytest.mark.parametrize("name", NAMES)


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def test_all_of_them_are_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(NAMES)
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@every_notebook
def test_both_forms_are_the_same(name: str) -> None:
    script = FOLDER / f"{name}.py"
    paired = jupytext.read(FOLDER / f"{name}.ipynb")
    assert cells(jupytext.read(script)) == cells(paired), (
        f"pair them again: jupytext --to ipynb {script.relative_to(ROOT)}"
    )
    assert paired.metadata.jupytext.formats == "ipynb,py:percent"
    assert not any(cell.get("outputs") for cell in paired.cells), "it is kept without outputs"


@every_notebook
def test_it_holds_no_logic(name: str) -> None:
    logic = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.While, ast.Try, ast.With)
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    assert [node for node in ast.walk(tree) if isinstance(node, logic)] == []


def outputs(notebook: Any, kind: str) -> list[Any]:
    """What cells gave, of one media type."""
    given = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    return [each.data[kind] for each in given if kind in each.get("data", {})]


def printed(notebook: Any) -> str:
    """What cells printed."""
    given = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    return "".join(each.get("text", "") for each in given)


@pytest.fixture
def executed(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The notebook after a run of all its cells."""
    return execute(name, monkeypatch, tmp_path)


def execute(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, campaign: Path | None = None
) -> Any:
    """The same, of the campaign in a folder."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("DUOPOLL_CAMPAIGN", raising=False)
    if campaign is not None:
        monkeypatch.setenv("DUOPOLL_CAMPAIGN", str(campaign))
    notebook = jupytext.read(FOLDER / f"{name}.ipynb")
    where = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()
    return notebook


@pytest.mark.parametrize("name", ["worlds"])
def test_worlds(executed: Any) -> None:
    assert len(outputs(executed, "image/png")) == 2
    tables = outputs(executed, "text/html")
    assert len(tables) == 5
    assert "sim-epoll" in tables[0]
    assert "sim-iocp" in tables[0]
    assert "with mutant LE-172 broke " in printed(executed)


@pytest.mark.parametrize("name", ["campaign"])
def test_campaign(executed: Any) -> None:
    assert len(outputs(executed, "image/png")) == 3
    summary, judged, found, failures = outputs(executed, "text/html")
    assert "sim-iocp" in summary and "sim-epoll" in summary
    assert "B-1" in judged
    assert "LE-174" in found and "short-write-lost" in found
    assert ".jsonl" in failures
    assert "different failures in" in printed(executed)


def test_campaign_of_bulk_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The folder that `duopoll campaign` leaves is what the notebook reads."""
    folder = tmp_path / "campaign"
    arguments = ("--mutant", "timeout-early", "--runs", "150", "--jobs", "1", "--seed", "3")
    short = ("--shrink-seconds", "1", "--canary-runs", "50")
    assert main(["campaign", "--dir", str(folder), *arguments, *short]) == 1
    executed = execute("campaign", monkeypatch, tmp_path, folder)
    assert len(outputs(executed, "image/png")) == 3
    summary, judged, found, failures = outputs(executed, "text/html")
    assert "sim-iocp" in summary and NEW in summary and BROKEN in summary
    assert "T-1" in judged and "timeout-early" in found
    assert failures.count(".jsonl") == len(list((folder / "failures").glob("*.jsonl"))) > 0
    assert "different failures in" in printed(executed)


@pytest.mark.parametrize("name", ["failure"])
def test_failure(executed: Any) -> None:
    assert len(outputs(executed, "image/png")) == 3
    decisions, moves = outputs(executed, "text/html")
    assert "tcp.short_write" in decisions
    assert "written" in moves
    assert "with mutant short-write-lost broke " in printed(executed)
