"""`make libevent-mended`, without what needs a build: how mends are put together."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from model.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
MENDS = {
    "a-bug": {"x.c": "1a\n\tif (MEND(a_bug)) return;\n.\n", "x-internal.h": "1d\n"},
    "b-bug": {"x.c": "0a\nB\n.\n"},
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("libevent_mended")


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    """What is built, and the sources as they were."""
    tree, pristine = tmp_path / "tree", tmp_path / "pristine"
    for folder in (tree, pristine):
        folder.mkdir()
    for name, text in (("x.c", "1\n2\n"), ("x-internal.h", "h\n"), ("log.c", "log\n")):
        (pristine / name).write_text(text)
    return tree, pristine


def test_all_mends_are_applied(script: ModuleType, trees: tuple[Path, Path]) -> None:
    tree, pristine = trees
    script._compose(tree, pristine, MENDS)
    assert (tree / "x.c").read_text() == "B\n1\n\tif (MEND(a_bug)) return;\n2\n"
    assert (tree / "x-internal.h").read_text() == ""
    assert "event_mends_[] = {1, 1};" in (tree / "log.c").read_text()
    header = (tree / script.HEADER).read_text()
    assert header.index("MEND_NR_a_bug") < header.index("MEND_NR_b_bug"), "as the names are told"


def test_only_what_changed_is_written(script: ModuleType, trees: tuple[Path, Path]) -> None:
    """The build goes by the times of files, and knows nothing of who includes what."""
    tree, pristine = trees
    script._compose(tree, pristine, MENDS)
    before = {path.name: path.stat().st_mtime_ns for path in tree.iterdir()}
    script._compose(tree, pristine, MENDS)
    assert {path.name: path.stat().st_mtime_ns for path in tree.iterdir()} == before
    script._compose(tree, pristine, {**MENDS, "b-bug": {"x.c": "0a\nC\n.\n"}})
    after = {path.name: path.stat().st_mtime_ns for path in tree.iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"x.c"}
    script._compose(tree, pristine, {"b-bug": MENDS["b-bug"]})
    last = {path.name: path.stat().st_mtime_ns for path in tree.iterdir()}
    assert all(last[name] != after[name] for name in last), "the header is everybody's"


def test_a_file_that_libevent_has_not_is_told(script: ModuleType, trees: tuple[Path, Path]) -> None:
    tree, pristine = trees
    with pytest.raises(UsageError, match=r"^mends of y\.c: libevent has no such file$"):
        script._compose(tree, pristine, {"a-bug": {"y.c": "1d\n"}})


def test_the_mends_of_the_findings_are_found(script: ModuleType) -> None:
    found = script.mends()
    assert list(found) == sorted(found)
    assert set(found) == {path.parents[1].name for path in ROOT.glob("findings/*/mend/*.ed")}
    assert "bufferevent_sock.c" in found["connect-not-polled"]
