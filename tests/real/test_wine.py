"""What the set-up of the Windows interpreter refuses, and that it makes nothing twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from model.errors import WorldUnavailable
from real import wine, wine_setup

if sys.platform != "linux":
    pytest.skip("Wine is for Linux", allow_module_level=True)


@pytest.fixture(autouse=True)
def no_given_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(wine.GIVEN, raising=False)


@pytest.fixture
def wine_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wine, "wine_loader", lambda: "/usr/lib/wine/wine64")


def one_line(error: pytest.ExceptionInfo[WorldUnavailable]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_without_wine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(wine, "_LOADERS", ())
    with pytest.raises(WorldUnavailable) as error:
        wine.setup_wine(tmp_path / "cache", print)
    assert "apt-get install --no-install-recommends wine wine64" in one_line(error)
    assert wine.why_not(tmp_path / "cache") == str(error.value)


@pytest.mark.usefixtures("wine_is_here")
def test_without_the_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorldUnavailable, match=wine_setup.COMPILER) as error:
        wine.setup_wine(tmp_path / "cache", print)
    assert "gcc-mingw-w64-x86-64-win32" in one_line(error)
    reason = wine.why_not(tmp_path / "cache")
    assert reason is not None
    assert wine.APT_REMEDY in reason


@pytest.mark.usefixtures("wine_is_here")
def test_without_a_standard_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wine_setup, "MINORS", (7,))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WorldUnavailable, match=r"standard library of a CPython 3\.7"):
        wine.setup_wine(tmp_path / "cache", print)


@pytest.mark.usefixtures("wine_is_here")
def test_not_made_yet(tmp_path: Path) -> None:
    assert wine.SETUP_REMEDY in (wine.why_not(tmp_path) or "")
    assert not list(tmp_path.iterdir()), "asking made something"


@pytest.mark.usefixtures("wine_is_here")
def test_a_half_made_folder_does_not_count(tmp_path: Path) -> None:
    home = tmp_path / f"windows-3.{wine_setup._minors()[0]}"
    (home / "python").mkdir(parents=True)
    assert wine.why_not(tmp_path) is not None
    (home / "complete.json").write_text("not JSON")
    assert wine.why_not(tmp_path) is not None


def test_what_an_interrupted_set_up_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "windows-3.11.part" / "python").mkdir(parents=True)
    (tmp_path / "windows-3.11").mkdir()
    with wine_setup._alone(tmp_path, print):
        assert [path.name for path in tmp_path.glob("win*")] == ["windows-3.11"]


@pytest.mark.usefixtures("wine_is_here")
def test_an_interpreter_that_is_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(wine.GIVEN, str(tmp_path / "python.exe"))
    reason = wine.why_not(tmp_path)
    assert reason is not None
    assert str(tmp_path / "python.exe") in reason
    (tmp_path / "python.exe").write_bytes(b"MZ")
    assert "not set up" in (wine.why_not(tmp_path) or "")


def test_a_failing_tool_is_told_in_one_line() -> None:
    code = "import sys; print('x\\nthe reason', file=sys.stderr); sys.exit(3)"
    with pytest.raises(WorldUnavailable, match="exit code 3: the reason") as error:
        wine_setup._run([sys.executable, "-c", code])
    one_line(error)


def test_paths() -> None:
    assert wine.windows_path("/a/b") == "Z:\\a\\b"
    assert wine.prefix_around(Path("/h/.wine/drive_c/Python311/python.exe")) == Path("/h/.wine")
    assert wine.prefix_around(Path("/opt/python.exe")) is None


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(wine.CACHE, str(tmp_path))
    assert wine.cache_folder() == tmp_path
    monkeypatch.delenv(wine.CACHE)
    assert wine.cache_folder() == wine.ROOT / ".cache" / "duopoll"


def test_the_interpreter_starts_and_ends() -> None:
    reason = wine.why_not()
    if reason is not None:
        pytest.skip(reason)
    told: list[str] = []
    wine.setup_wine(progress=told.append)
    assert told == [], "it was made a second time"
    code = "import sys, greenlet, hypothesis, simpy, model; print(sys.platform)"
    assert wine.run_interpreter(["-c", code], timeout_s=60) == (0, "win32\n")
    process = wine.start_interpreter(["-c", "import time; print('up', flush=True); time.sleep(99)"])
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert wine.stop_interpreter(process) != 0
    assert process.poll() is not None


@pytest.mark.parametrize(("silent", "starts", "told"), [(0, 1, "up\n"), (2, 3, "up\n"), (9, 3, "")])
def test_what_is_dropped_without_a_word_is_started_again(
    silent: int, starts: int, told: str, tmp_path: Path
) -> None:
    """Not for ever, and nothing that fails."""
    count = tmp_path / "starts"
    script = f"echo >> {count}; [ $(wc -l < {count}) -le {silent} ] || echo up"
    shell = wine.Interpreter(("/bin/sh", "-c", script), {})
    assert wine.run_interpreter([], timeout_s=60, interpreter=shell) == (0, told)
    assert count.read_text().count("\n") == starts
    fails = wine.Interpreter(("/bin/sh", "-c", f"echo >> {count}; exit 3"), {})
    assert wine.run_interpreter([], timeout_s=60, interpreter=fails) == (3, "")
    assert count.read_text().count("\n") == starts + 1
