"""Who does the work: this process, others, or a Dask cluster of this machine."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bulk import executors
from harness.bulk.search import Batch, search_batch
from harness.cli import main
from tests.harness.bulk.drawn import timeless
from tests.harness.made import ROOT

CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def test_a_batch_comes_to_the_same_in_another_process() -> None:
    batch = Batch(1, 5, "model", "timeout-early", ("sim-epoll", "sim-iocp"), 10)
    with executors.processes(2) as there, executors.processes(1) as here:
        far, near = there.submit(search_batch, batch), here.submit(search_batch, batch)
        assert timeless(far.result()) == timeless(near.result())


def test_what_a_job_raises_comes_back() -> None:
    with executors.processes(1) as here:
        assert isinstance(here.submit(int, "x").exception(), ValueError)


@pytest.mark.parametrize(
    "address", ["tcp://192.0.2.1:8786", "example.org:1", "tcp://127.0.0.1.example.org:1", ""]
)
def test_only_this_machine_is_spoken_to(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["campaign", "--dask", address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "give tcp://127.0.0.1:PORT" in line


def test_without_dask_one_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    asked = ["campaign", "--dir", str(tmp_path), "--dask", "tcp://127.0.0.1:1"]
    assert main(asked) == 2
    assert "pip install 'duopoll[dask]'" in capsys.readouterr().err


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="the extra dask is not installed"
)
def test_a_campaign_on_a_dask_cluster(tmp_path: Path) -> None:
    """Two workers, which are processes of their own, on the loopback address."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    cluster = subprocess.Popen(
        [sys.executable, str(_script(tmp_path))],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    assert cluster.stdin is not None and cluster.stdout is not None
    try:
        address = cluster.stdout.readline().strip()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "harness", "campaign", "--dask", address, "--json"),
                *("--dir", str(tmp_path / "c"), "--mutant", "timeout-early", "--runs", "200"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
        )
        told = json.loads(done.stdout)
        assert done.returncode == 1, done.stderr
        assert sum(told["runs"].values()) >= 200
        assert told["canary"]["found"]
        assert {"T-1"} <= {each["property"] for each in told["failures"]}
        assert all(Path(ROOT, each["file"]).exists() for each in told["failures"])
    finally:
        cluster.stdin.close()
        cluster.stdout.close()
        try:
            cluster.wait(30)
        except subprocess.TimeoutExpired:
            cluster.kill()  # its workers end with it
            cluster.wait()


def _script(folder: Path) -> Path:
    """The cluster's workers import its main module, so it is a file."""
    path = folder / "cluster.py"
    path.write_text(CLUSTER)
    return path
