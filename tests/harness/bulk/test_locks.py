"""Two campaigns do not write into one folder, and one that was killed is in nobody's way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bulk.lock import NAME, only_one
from harness.cli import main
from model.errors import UsageError
from tests.harness.made import ROOT

_HOLD = """
import sys
from pathlib import Path
from harness.bulk.lock import only_one
with only_one(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_campaign_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(tmp_path):
        before = {path.name for path in tmp_path.iterdir()}
        assert main(["campaign", "--dir", str(tmp_path), "--runs", "20", "--jobs", "1"]) == 2
        told = capsys.readouterr().err
        assert {path.name for path in tmp_path.iterdir()} == before == {NAME}
    assert told.count("\n") == 1
    assert f"{tmp_path}: a campaign is going on in it (process {os.getpid()})" in told


def test_the_lock_is_of_one_folder_and_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        one, other = tmp_path / "one", tmp_path / "other"
        with only_one(one), only_one(other), pytest.raises(UsageError), only_one(one):
            pass


def test_a_killed_holder_is_in_nobodys_way(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=rf"process {holder.pid}\)"), only_one(tmp_path):
            pass
        holder.kill()
        holder.wait()
        assert (tmp_path / NAME).exists()
        with only_one(tmp_path):
            pass


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="give another --dir"), only_one(tmp_path / "file"):
        pass


@pytest.mark.parametrize(
    "wrong",
    [("--resume",), ("--dask", "tcp://192.0.2.1:8786"), ("--canary", "nothing")],
)
def test_what_is_wrong_leaves_no_folder(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    assert main(["campaign", "--dir", str(tmp_path / "none"), "--runs", "9", *wrong]) == 2
    assert not (tmp_path / "none").exists()
