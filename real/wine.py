r"""A Windows CPython on this machine: where it is, and starting and ending it.

On Linux the `iocp` world is a real Windows CPython under Wine. `setup_wine` makes it once, in a
cache folder (`real.wine_setup` says how); or DUOPOLL_WINDOWS_PYTHON names a python.exe that the
user already has. It is started through the 64-bit loader with

* standard input from the null device and output through a pipe: an inherited handle that Wine
  cannot map (a terminal, say) would stop start-up;
* a WINEPREFIX of its own in the cache, silent (WINEDEBUG=-all), without Mono and Gecko;
* PYTHONPATH holding the packages for Windows and this checkout, as Wine sees them (`Z:\...`), and
  compiled files in the cache, so that nothing is written into the checkout.

The cache folder is $DUOPOLL_CACHE, else `.cache/duopoll` in the checkout (which .gitignore names).

Wine's own processes (wineserver and a few Windows services) are `real.wine_server`'s. In a prefix
of the user's an interpreter may still be dropped without a word, with exit code 0: who starts one
that must come up starts another when one ends like that (`run_interpreter`, `harness.worker`).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.errors import WorldUnavailable
from real.wine_server import inherited, kept_up

ROOT = Path(__file__).resolve().parent.parent  # the checkout
GIVEN = "DUOPOLL_WINDOWS_PYTHON"
CACHE = "DUOPOLL_CACHE"
APT_REMEDY = "apt-get install --no-install-recommends wine wine64 gcc-mingw-w64-x86-64-win32"
SETUP_REMEDY = "run `duopoll setup-wine`"
_STOP_S = 10.0
_STARTS = 3  # of an interpreter that is dropped without a word
_LOADERS = ("/usr/lib/wine/wine64", "/opt/wine-stable/bin/wine64", "/usr/lib64/wine/wine64")

_running: list[subprocess.Popen[str]] = []
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Interpreter:
    """How to start a Windows CPython: the command, what it adds to the environment, its prefix."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    prefix: Path | None = None  # of Wine; None on Windows itself
    own: bool = True  # whether no programs but ours run in the prefix


def cache_folder() -> Path:
    """Where what was made once is kept: $DUOPOLL_CACHE, else .cache/duopoll in the checkout."""
    named = os.environ.get(CACHE)
    return Path(named).absolute() if named else ROOT / ".cache" / "duopoll"


def windows_path(path: Path | str) -> str:
    r"""A path of this machine as Wine's programs see it: `/a/b` is `Z:\a\b`."""
    return "Z:" + os.path.abspath(path).replace("/", "\\")


def wine_loader() -> str:
    """The 64-bit loader of Wine. Raises `WorldUnavailable` where there is none."""
    found = shutil.which("wine64") or next(filter(os.path.exists, _LOADERS), None)
    found = found or shutil.which("wine")
    if found is None:
        raise WorldUnavailable(f"iocp needs Windows, or Wine, and Wine is not here: {APT_REMEDY}")
    return found


def wine_environment(prefix: Path) -> dict[str, str]:
    """What Wine needs in the environment."""
    overrides = "mscoree,mshtml="  # no .NET, no browser: both would ask to be downloaded
    return {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": overrides}


def python_environment(packages: Path, cache: Path) -> dict[str, str]:
    """What a Windows CPython under Wine needs to find the packages and this checkout."""
    return {
        "PYTHONPATH": f"{windows_path(packages)};{windows_path(ROOT)}",
        "PYTHONPYCACHEPREFIX": windows_path(cache / "pycache"),
        "PYTHONUTF8": "1",
    }


# Finding.


def setup_wine(cache_dir: Path | None = None, progress: Progress = print) -> Interpreter:
    """Makes the Windows interpreter and its packages where they are missing, and gives it.

    Idempotent, and at once when all is there. Tells each longer step in one line to `progress`.
    Raises `WorldUnavailable`, one line that names what is missing and the remedy.
    """
    from real import wine_setup

    if sys.platform == "win32":
        progress("this is Windows: nothing to set up")
        return _on_windows()
    return wine_setup.setup(cache_dir or cache_folder(), progress)


def find_interpreter(cache_dir: Path | None = None) -> Interpreter:
    """The interpreter that `setup_wine` made, or the user's own; makes nothing.

    Raises `WorldUnavailable`, one line that names the remedy.
    """
    from real import wine_setup

    if sys.platform == "win32":
        return _on_windows()
    if sys.platform != "linux":
        raise WorldUnavailable(f"iocp needs Windows, or Linux with Wine: this is {sys.platform}")
    return wine_setup.find(cache_dir or cache_folder())


def why_not(cache_dir: Path | None = None) -> str | None:
    """None where a Windows interpreter can be started; else one line: why not, and the remedy."""
    try:
        find_interpreter(cache_dir)
    except WorldUnavailable as error:
        return str(error)
    return None


def _on_windows() -> Interpreter:
    python = os.environ.get(GIVEN) or sys.executable
    return Interpreter((python,), {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"})


def given_interpreter() -> Path | None:
    """The python.exe that DUOPOLL_WINDOWS_PYTHON names, if any."""
    named = os.environ.get(GIVEN)
    if not named:
        return None
    path = Path(named).absolute()
    if not path.is_file():
        raise WorldUnavailable(f"{GIVEN}={named} is not a file: name a python.exe, or unset it")
    return path


def prefix_around(python: Path) -> Path | None:
    """The Wine prefix in which `python` was installed: what stands before `/drive_c/`."""
    found = re.match(r"(.+)/drive_c/", str(python))
    return Path(found[1]) if found else None


# Starting and ending.


def start_interpreter(
    args: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    interpreter: Interpreter | None = None,
) -> subprocess.Popen[str]:
    """Starts the Windows CPython with `args`; its output and errors come through `stdout`.

    `env` is added to the environment. Python's own variables are not inherited. Paths among the
    arguments must be Windows ones (`windows_path`). End it with `stop_interpreter`; what is still
    running when this process exits is ended then.
    """
    found = interpreter or find_interpreter()
    with contextlib.ExitStack() as until_it_runs:
        kept: tuple[int, ...] = ()
        if found.prefix is not None:
            up = kept_up(found.command, found.environment, found.prefix, found.own)
            kept = (until_it_runs.enter_context(up),)
        process = subprocess.Popen(
            [*found.command, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**inherited(), **found.environment, **(env or {})},
            cwd=cwd,
            start_new_session=True,  # an interrupt from the keyboard is ours to hand on
            pass_fds=kept,
        )
    _running.append(process)
    return process


def run_interpreter(
    args: Sequence[str],
    *,
    timeout_s: float,
    env: Mapping[str, str] | None = None,
    interpreter: Interpreter | None = None,
) -> tuple[int, str]:
    """Runs the Windows CPython to its end: exit code and output. Raises TimeoutExpired.

    One that was dropped without a word is started again: `args` must print something, then.
    """
    for _ in range(_STARTS - 1):
        code, output = _run_once(args, timeout_s, env, interpreter)
        if code or output:
            return code, output
    return _run_once(args, timeout_s, env, interpreter)


def _run_once(
    args: Sequence[str],
    timeout_s: float,
    env: Mapping[str, str] | None,
    interpreter: Interpreter | None,
) -> tuple[int, str]:
    process = start_interpreter(args, env=env, interpreter=interpreter)
    assert process.stdout is not None
    source = process.stdout.fileno()
    deadline = time.monotonic() + timeout_s
    output = b""
    try:
        while True:
            ended = process.poll() is not None
            ready = select.select([source], [], [], 0 if ended else 0.05)[0]
            piece = os.read(source, 65_536) if ready else b""
            output += piece
            if ended and not piece:
                break
            if ready and not piece:  # its end of the pipe is closed; it has still to leave
                process.wait(max(0.0, deadline - time.monotonic()))
            elif time.monotonic() > deadline:
                raise subprocess.TimeoutExpired([*args], timeout_s, output)
    finally:
        stop_interpreter(process)
    return process.returncode, output.decode("utf-8", "replace").replace("\r\n", "\n")


def stop_interpreter(process: subprocess.Popen[str]) -> int:
    """Ends one interpreter: asks, waits, then kills, by its id. Gives its exit code."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)
    if process.stdout is not None:
        process.stdout.close()
    if process in _running:
        _running.remove(process)
    return process.returncode


def release() -> None:
    """Ends all interpreters that were started here and still run."""
    for process in _running.copy():
        stop_interpreter(process)


atexit.register(release)
