"""Plants a wrong rule: a method of a simulated kernel with one piece of its text replaced.

The changed text is compiled under its own file and line numbers, so that the marks of rules behind
its lines count as before (`harness.conform.rules`).
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any


@contextmanager
def planted(owner: type, method: str, right: str, wrong: str) -> Iterator[None]:
    """Within the block `owner.method` has `wrong` where its source has `right`."""
    before: FunctionType = vars(owner)[method]
    lines, first = inspect.getsourcelines(before)
    source = textwrap.dedent("".join(lines))
    assert source.count(right) == 1, f"{method} has {right!r} {source.count(right)} times"
    assert right.count("\n") == wrong.count("\n"), "the lines must keep their numbers"
    tree = ast.increment_lineno(ast.parse(source.replace(right, wrong)), first - 1)
    made: dict[str, Any] = {}
    code = compile(tree, before.__code__.co_filename, "exec", dont_inherit=True)
    exec(code, sys.modules[before.__module__].__dict__, made)
    setattr(owner, method, made[method])
    try:
        yield
    finally:
        setattr(owner, method, before)
