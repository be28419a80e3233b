"""The table of regress_buffer.c is whole, and each row's test exists."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.upstream.cases_buffer import CASES

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def _functions(path: str) -> frozenset[str]:
    """The functions of a test file, and its state machines' test classes."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_case_has_a_test(case: tuple[str, ...]) -> None:
    _, name, status, where, why = case
    assert (status == "not applicable") is (not where)
    assert where or why, f"{name} does not say why it is not here"
    if where:
        path, _, function = where.partition("::")
        assert function in _functions(path), f"{name}: there is no {where}"


def test_the_table_is_whole() -> None:
    assert len(CASES) == 61
    assert len({case.name for case in CASES}) == 61
    assert {case.source for case in CASES} == {"regress_buffer.c"}
