"""Wine's server and services in a prefix: up before an interpreter comes, and not about to leave.

They are started before the first interpreter, or they would inherit its output pipe and keep it
open; one starter at a time, so that nobody meets services that are half up.

The server leaves by itself `LINGER_S` after the last program in its prefix. A program that comes
while it leaves is not refused. It is dropped with exit code 0 (its connection ends, and Wine's
client takes that for the end of the session: dlls/ntdll/unix/server.c, read_reply_data). Or it
keeps the server from ending everybody, but not from leaving four seconds later (server/process.c:
add_process_thread stops the timer that server_shutdown_timeout set, not close_master_socket's);
then it waits for ever for a wake-up, through a pipe of which it holds both ends. Seen on Wine 8: of
the interpreters that six processes started and ended, one in twelve.

So nobody comes while it leaves. An interpreter inherits a shared lock on a file of the prefix,
which is held for as long as it lives. Where nobody holds it, and the last one came longer ago than
`SURE_S`, the server may be leaving: it is ended, with the idle services that are all it has, and
another is started. In a prefix of the user's nothing is ended: other programs may run there. With
this one hang came in some 220 starts; it is not explained.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

LINGER_S = 30
SURE_S = 10.0  # leaves an interpreter that starts LINGER_S - SURE_S to say that it is there
_TOOL_S = 120  # making a prefix takes 7 s on a quiet machine
_STARTERS, _USERS = "duopoll.lock", "duopoll.users"  # files of the prefix

Command = Sequence[str]
Environment = Mapping[str, str]


@contextmanager
def kept_up(command: Command, environment: Environment, prefix: Path, own: bool) -> Iterator[int]:
    """The server of `prefix` runs, and does not leave while a process holds the descriptor that
    is given here: hand it on to the interpreter. `command` and `environment` start one."""
    prefix.mkdir(parents=True, exist_ok=True)
    with open(prefix / _USERS, "ab") as users:
        with open(prefix / _STARTERS, "ab") as starters:
            _lock(starters.fileno(), wait=True)
            if own and _may_be_leaving(users.fileno()):
                end(command[0], environment)
            if _tool([_server(command[0]), f"-p{LINGER_S}"], environment) == 0:  # 2: there is one
                _tool([*command, "-V"], environment)
            _lock(users.fileno(), shared=True, wait=True)
            os.utime(prefix / _USERS)
        yield users.fileno()


def _may_be_leaving(users: int) -> bool:
    """Whether no interpreter lives, and the last came too long ago to be sure of the server."""
    alone = _lock(users, wait=False)
    return alone and abs(time.time() - os.fstat(users).st_mtime) > SURE_S


def end(loader: str, environment: Environment) -> None:
    """Ends the server of the environment's prefix, with all in it, its registry written."""
    _tool([_server(loader), "-k"], environment)
    _tool([_server(loader), "-w"], environment)  # -k may come back before it has left


def _server(loader: str) -> str:
    beside = Path(loader).with_name("wineserver")
    return str(beside) if beside.exists() else "wineserver"


def _lock(descriptor: int, *, shared: bool = False, wait: bool) -> bool:
    """flock(2), which lasts as long as any copy of the descriptor. False if it is held."""
    if sys.platform != "win32":
        import fcntl

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _tool(command: Command, environment: Environment) -> int:
    """Runs a tool of Wine's with no descriptor of ours. Raises TimeoutExpired."""
    none = subprocess.DEVNULL
    done = subprocess.run(
        command,
        stdin=none,
        stdout=none,
        stderr=none,
        env={**inherited(), **environment},
        timeout=_TOOL_S,
        check=False,
    )
    return done.returncode


def inherited() -> dict[str, str]:
    """The environment without this interpreter's own settings, Wine's, and the display."""
    unwanted = ("PYTHON", "WINE", "DISPLAY", "WAYLAND_DISPLAY", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
