"""What is no explanation is refused in one line that names the place."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.views.explanation import FORM, check_explanation
from model.errors import UsageError
from tests.harness.views.runs import explanation

_WRONG = st.one_of(st.none(), st.booleans(), st.floats(), st.binary(), st.just([None]), st.just({}))


def test_a_whole_one_passes() -> None:
    whole = explanation(9)
    assert check_explanation(whole) is whole
    assert check_explanation(whole | {"certain_at": None, "first_difference": None})
    empty: dict[str, object] = {
        name: [] if isinstance(form, list) else None for name, form in FORM.items()
    }
    assert check_explanation(empty | {"verdict": ""})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every part of an explanation."""
    if not isinstance(value, dict | list):
        return [path]
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *[one for key, part in inside for one in places(part, (*path, key))]]


@given(st.sampled_from([each for each in places(explanation(9)) if each]), _WRONG)
def test_a_wrong_part_is_named(path: tuple[Any, ...], wrong: object) -> None:
    changed: Any = copy.deepcopy(explanation(9))
    part = changed
    for key in path[:-1]:
        part = part[key]
    null_is_right = path in {("first_difference",), ("certain_at",)} and wrong is None
    bool_is_right = path[-1] == "still_fails" and isinstance(wrong, bool)
    if null_is_right or bool_is_right:
        return
    part[path[-1]] = wrong
    with pytest.raises(UsageError) as caught:
        check_explanation(changed)
    message = str(caught.value)
    assert message.startswith("explanation")
    assert "\n" not in message
    assert "`duopoll explain`" in message


@pytest.mark.parametrize("value", [None, [], "explanation", 3])
def test_only_an_object_is_one(value: object) -> None:
    with pytest.raises(UsageError, match=r"^explanation is "):
        check_explanation(value)


def test_fields_are_neither_missing_nor_more() -> None:
    with pytest.raises(UsageError, match="'verdict' is missing"):
        check_explanation({k: v for k, v in explanation(9).items() if k != "verdict"})
    with pytest.raises(UsageError, match="no such field"):
        check_explanation(explanation(9) | {"more": 1})
