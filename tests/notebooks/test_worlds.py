"""The notebook runs from top to bottom, is the same in both of its forms, and holds no logic."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import jupytext
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "notebooks" / "worlds.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Jupyter's kernel is not installed on the Windows side"
)


def cells(notebook: Any) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source.strip()) for cell in notebook.cells]


def test_both_forms_are_the_same() -> None:
    paired = jupytext.read(NOTEBOOK)
    assert cells(jupytext.read(SCRIPT)) == cells(paired), (
        f"pair them again: jupytext --to ipynb {SCRIPT.relative_to(ROOT)}"
    )
    assert paired.metadata.jupytext.formats == "ipynb,py:percent"


def test_it_holds_no_logic() -> None:
    logic = (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.If, ast.While, ast.Try, ast.With)
    found = [node for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, logic)]
    assert found == []


def outputs(notebook: Any, kind: str) -> list[Any]:
    """What cells gave, of one media type."""
    given = [each for cell in notebook.cells for each in cell.get("outputs", [])]
    return [each.data[kind] for each in given if kind in each.get("data", {})]


def test_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = jupytext.read(NOTEBOOK)
    where = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=where).execute()
    assert len(outputs(notebook, "image/png")) == 2
    tables = outputs(notebook, "text/html")
    assert len(tables) == 5
    assert "sim-epoll" in tables[0]
    assert "sim-iocp" in tables[0]
    printed = "".join(
        each.get("text", "") for cell in notebook.cells for each in cell.get("outputs", [])
    )
    assert "with mutant LE-172 broke " in printed
