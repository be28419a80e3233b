"""Which changes of `model/` are worth trying: Cosmic Ray's, less what nothing could tell apart.

Left out by rule, each with its reason:

- changes inside annotations and type aliases, and of `if TYPE_CHECKING`: never evaluated in a run;
- the bare `*` of a signature, which is no operator;
- `==` to `is` and back, `!=` to `is not` and back: the same for enum members, None and the small
  integers that flags, sizes of tables and results of calls are (CPython keeps one of each);
- `|` to `^`: the same for flags that do not overlap, which is what `|` joins here;
- `|`, `&` and `^` to arithmetic or shifts: on masks of flags these are no slips that anybody makes,
  and by their number (nine for each operator) they would be what the score is about;
- the planted mutants of `model/mutants/`: no part of the model.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.commands.init import _all_work_items

ROOT = Path(__file__).resolve().parent.parent
SAME = (
    "ComparisonOperator_Eq_Is",
    "ComparisonOperator_Is_Eq",
    "ComparisonOperator_NotEq_IsNot",
    "ComparisonOperator_IsNot_NotEq",
    "BinaryOperator_BitOr_BitXor",
    *(
        f"BinaryOperator_{bits}_{other}"
        for bits in ("BitOr", "BitAnd", "BitXor")
        for other in ("Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow", "LShift", "RShift")
    ),
)
Position = tuple[int, int]


class Place(NamedTuple):
    """Where a mutant changes the code; the same in every run."""

    module: str
    operator: str
    occurrence: int
    arguments: str
    line: int


def places(module: str) -> Iterator[Place]:
    """All mutants of a file or folder that are not left out by rule."""
    root = ROOT / module
    paths = [root] if root.is_file() else sorted(root.rglob("*.py"))
    for path in paths:
        relative = path.relative_to(ROOT)
        if relative.parts[:2] == ("model", "mutants"):
            continue
        spans = _never_evaluated(ast.parse(path.read_text()))
        for item in _all_work_items([path], {}):
            (mutation,) = item.mutations
            start = mutation.start_pos
            if mutation.operator_name.endswith(SAME):
                continue
            if any(first <= start < last for first, last in spans):
                continue
            arguments = json.dumps(mutation.operator_args, sort_keys=True)
            yield Place(
                relative.as_posix(),
                mutation.operator_name,
                mutation.occurrence,
                arguments,
                start[0],
            )


def _never_evaluated(tree: ast.Module) -> list[tuple[Position, Position]]:
    found: list[tuple[Position, Position]] = []
    for node in ast.walk(tree):
        if (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING") or (
            isinstance(node, ast.AnnAssign) and getattr(node.annotation, "id", "") == "TypeAlias"
        ):
            found.append(_span(node))
        elif isinstance(node, ast.FunctionDef):
            first = node.lineno, node.col_offset
            last = node.body[0].lineno, node.body[0].col_offset
            if not (node.args.defaults or any(node.args.kw_defaults)):
                found.append((first, last))
            elif node.args.kwonlyargs:
                found.append((first, _span(node.args.kwonlyargs[0])[0]))
        for name in ("annotation", "returns"):
            annotation = getattr(node, name, None)
            if annotation is not None:
                found.append(_span(annotation))
    return found


def _span(node: ast.expr | ast.stmt | ast.arg) -> tuple[Position, Position]:
    last = node.end_lineno or node.lineno
    return (node.lineno, node.col_offset), (last, node.end_col_offset or 0)
