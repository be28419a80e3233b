"""Case files: what is accepted, what is refused and how, and when a result is as expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.conform.arms import KERNELS
from harness.conform.cases import Case, agrees, differences, load, own_cases, save
from harness.conform.vocabulary import check_step, operations
from model.errors import UsageError

GOOD: dict[str, Any] = {
    "source": "here",
    "name": "one",
    "kernel": "iocp",
    "steps": [["port", "p"], ["get", "p", 0]],
    "expect": [None, ["none", 258]],
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def written(tmp_path: Path, *lines: Any) -> Path:
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("kernel", KERNELS)
def test_own_cases_are_many_and_have_names_of_their_own(kernel: str) -> None:
    names = [case.name for case in own_cases(kernel)]
    assert len(names) >= 81
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kernel", KERNELS)
def test_own_cases_use_every_operation(kernel: str) -> None:
    used = {step[0] for case in own_cases(kernel) for step in case.steps}
    spare = {"sleep", "rcvbuf", "drain", "wait_count", "recv_oob"}
    assert set(operations(kernel)) - used <= spare


def test_a_case_survives_its_file(tmp_path: Path) -> None:
    given = [GOOD, {**GOOD, "name": "two", "wine_actual": {"1": ["none", 1]}, "note": "..."}]
    cases = load(written(tmp_path, *given))
    save(tmp_path / "again.jsonl", cases)
    again = load(tmp_path / "again.jsonl")
    assert [case.to_json() for case in again] == [case.to_json() for case in cases]
    assert cases[1].expected("nt") == [None, ["none", 258]]
    assert cases[1].expected("wine-8") == [None, ["none", 1]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kernel": "kqueue"}, 'kernel "kqueue": give one of epoll, iocp'),
        ({"name": 3}, "name 3 and source"),
        ({"steps": []}, "give a list of operations"),
        ({"expect": [None]}, "one result for each step"),
        ({"steps": [["port", "p"], ["gett", "p"]]}, 'step 1: iocp has no operation "gett"'),
        ({"steps": [["port", "p"], ["get"]]}, r"get takes name \[ms\]: not \[\]"),
        ({"steps": [["port", "p"], ["get", "p", "x"]]}, '"x" is no ms'),
        ({"steps": [["port", "p"], ["get", "p", True]]}, "true is no ms"),
        ({"steps": [["port", "p"], "get"]}, r"is no step: give \[operation, argument, ...\]"),
        ({"steps": [["port", "p"], ["recv", "a", "o", 1 << 40]]}, "is no size"),
        ({"wine_actual": {"2": None}}, 'wine_actual: there is no step "2"'),
        ({"wine_actual": []}, "wine_actual is an object"),
    ],
)
def test_what_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    path = written(tmp_path, GOOD, {**GOOD, **changed})
    with pytest.raises(UsageError, match=f"cases.jsonl:2: .*{said}") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "missing.jsonl")
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"\xff\xfe\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(bad)
    bad.write_text("{nothing\n")
    with pytest.raises(UsageError, match=r"bad\.jsonl:1: not JSON"):
        load(bad)
    bad.write_text("[" * 100_000 + "\n")
    with pytest.raises(UsageError, match=r"bad\.jsonl:1: "):
        load(bad)


@pytest.mark.parametrize(
    ("result", "expected", "same"),
    [
        (["ok", 7, "o", 3], None, True),
        (["ok", 7, "o", 3], ["ok", 7, "o", None], True),
        (["ok", 7, "o", 3], ["ok", 7, "o"], False),
        (3, {"any": [1, 3]}, True),
        (["err", 1], {"any": [["err", None], 0]}, True),
        ([1, 2], {"set": [2, 1]}, True),
        ([1, 1], {"set": [2, 1]}, False),
        ([1, 2], {"set": [2, None]}, True),
        ("ok", {"set": ["ok"]}, False),
        (1, True, False),
        ({"a": 2}, {"a": 2}, True),
    ],
)
def test_agreement(result: Any, expected: Any, same: bool) -> None:
    assert agrees(result, expected) is same


@given(json_values)
def test_a_value_agrees_with_itself_and_its_alternatives(value: Any) -> None:
    if not _has_pattern(value):
        assert agrees(value, value)
        assert agrees(value, {"any": [value]})
        assert agrees([value, 1], {"set": [1, value]})


def _has_pattern(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) in ({"any"}, {"set"}) or value != {} or any(map(_has_pattern, value))
    return isinstance(value, list) and any(map(_has_pattern, value))


def test_a_run_that_broke_off_differs() -> None:
    assert differences([1], [1, 2])[0].step == 1
    assert not differences([1, 2], [1, None])


@given(st.sampled_from(sorted(KERNELS)), json_values)
def test_a_step_is_accepted_or_refused_in_one_line(kernel: str, step: Any) -> None:
    message = ""
    try:
        check_step(kernel, step)
    except UsageError as error:
        message = str(error)
    assert "\n" not in message
    assert message or step[0] in operations(kernel)


def test_a_case_has_its_file() -> None:
    assert all(Path(case.file).exists() for case in own_cases("iocp"))
    assert isinstance(own_cases("iocp")[0], Case)
