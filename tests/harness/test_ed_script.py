"""ed scripts: `diff -e` wrote them, so applying them gives the file that it saw."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.ed_script import Edit, apply, parse
from model.errors import UsageError

LINES = st.lists(st.sampled_from(["a", "b", "", "}", "\tx;", ".x"]), max_size=12)


def text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[str], list[Edit], list[str]]:
    """A file, edits of it from the first to the last, and what they make of it."""
    before = draw(LINES)
    edits, after, at = [], [], 0
    while at <= len(before):
        taken = draw(st.integers(0, min(2, len(before) - at)))
        new = draw(st.lists(st.sampled_from(["n", "m"]), max_size=2))
        if taken or new:
            edits.append(Edit(at + 1, at + taken, tuple(new), "s"))
        after += new + before[at + taken : at + taken + 1]
        at += taken + 1
    return before, edits, after


def script_of(edits: list[Edit]) -> str:
    """As `diff -e` writes them: from the last to the first."""
    written = []
    for first, last, lines, _ in reversed(edits):
        places = f"{first}" if first >= last else f"{first},{last}"
        command = f"{last}a" if last < first else places + ("c" if lines else "d")
        written += [command, *lines, *(["."] if lines else [])]
    return text(written)


@given(edited())
def test_it_makes_what_the_edits_say(example: tuple[list[str], list[Edit], list[str]]) -> None:
    before, edits, after = example
    assert apply(text(before), {"s": script_of(edits)}) == text(after)
    assert sorted(parse(script_of(edits), "s")) == sorted(edits)


@given(edited(), st.data())
def test_scripts_are_applied_together(
    example: tuple[list[str], list[Edit], list[str]], data: st.DataObject
) -> None:
    before, edits, after = example
    mine = [data.draw(st.booleans()) for _ in edits]
    one = [edit for edit, own in zip(edits, mine, strict=True) if own]
    other = [edit for edit, own in zip(edits, mine, strict=True) if not own]
    scripts = {"one": script_of(one), "other": script_of(other)}
    assert apply(text(before), scripts) == text(after)


@pytest.mark.skipif(shutil.which("diff") is None, reason="no diff: install diffutils")
@settings(max_examples=20)
@given(before=LINES, after=LINES)
def test_diff_writes_such(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], after: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    (folder / "one").write_text(text(before))
    (folder / "other").write_text(text(after))
    command = ["diff", "-e", "one", "other"]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=20)
    assert apply(text(before), {"s": said.stdout}) == text(after)


def test_what_several_put_in_at_one_place_is_in_the_order_of_their_names() -> None:
    assert apply("x\ny\n", {"b": "1a\nB\n.\n", "a": "1a\nA\n.\n"}) == "x\nA\nB\ny\n"


@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        ({"s": "1x\n"}, "s, line 1: '1x': name lines and one of a, c, d"),
        ({"s": "1a\nno end\n"}, "s, line 1: no line of one dot ends its text"),
        ({"s": "s/.//\n"}, "a line of one dot is not supported"),
        ({"s": "3,2d\n"}, "s, line 1: '3,2d' is no range of lines"),
        ({"s": "0d\n"}, "s, line 1: '0d' is no range of lines"),
        ({"s": "9d\n"}, "s is of a longer file: it has no line 9"),
        ({"a": "1,2d\n", "b": "2c\nx\n.\n"}, "b and a both change line 2"),
        ({"a": "1,3d\n", "b": "2a\nx\n.\n"}, "b and a both change line 3"),
    ],
)
def test_what_does_not_fit_is_told(scripts: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        apply("1\n2\n3\n", scripts)


def test_the_scripts_of_every_finding_are_well_formed() -> None:
    """And one of them asks for the finding's own mend; others may only have its fields."""
    root = Path(__file__).resolve().parents[2] / "findings"
    folders = {path.parent for path in root.glob("*/mend/*.ed")}
    assert len(folders) > 50
    for folder in folders:
        texts = {path: path.read_text() for path in folder.glob("*.ed")}
        edits = [edit for path, text in texts.items() for edit in parse(text, str(path))]
        name = folder.parent.name.replace("-", "_")
        assert any(f"MEND({name})" in line for edit in edits for line in edit.lines), folder
