"""The operations of kernel cases, by kernel, with the kinds of their arguments.

| kind | argument |
|---|---|
| name | a name that the case gives to a thing |
| name? | the same, or null for none |
| number | an integer: a key, a concurrency value, flags |
| count | how many: 0 to 10,000 |
| size | bytes: 0 to 64 MiB |
| ms | milliseconds: -1 (no limit, where a call has that) to 60,000 |
| text | any text |
| mask | epoll bits as `IN|ET`; `-` for an operation that ignores them |
| how | RD, WR or RDWR |
| family | tcp or unix |
| via | poll or epoll: how a thread waits |
| sizes | an object with rcvbuf, sndbuf or both, in bytes |

Arguments behind `/` may be left out; `*` stands for any number of the kind before it. The meaning
of an operation, and what its results look like, is in `sim.iocp_cases` and `sim.epoll_cases`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from harness.words import plain
from model.errors import UsageError
from model.kernel import EPOLL_BITS

_IOCP = """
    port name / number; assoc name name number; assoc_invalid name; close_port name
    post name size number / name?; get name / ms; get_n name count / ms; getex name count / ms
    start_get name name / ms count; join name; recv_in_thread name name size
    settle; sleep ms
    socket name; bind name; listen name / count; closed_port name; connect name name
    accept name name; tcp_pair name name; nonblocking name; close name; close_rst name
    pool count; pool_used
    shutdown name how; sndbuf name size; rcvbuf name size; so_error name; getpeername name
    raw_send name size; raw_send_str name text; raw_recv name size; raw_recv_exact name size
    recv name name size / number; send name name size; send_event_lowbit name name size
    event_set name; acceptex name name name / size; connectex name name name / size
    disconnectex name name? / number; cancel name / name?; cancelio name
    result name name; gresult name name; internal name; data name size
    skip_on_success name; update_accept name name; update_connect name
"""

_EPOLL = """
    epoll_create name; ctl_add name name mask / name; ctl_mod name name mask / name
    ctl_del name name / mask; ctl_badop name name / mask; ctl_nullev name name / mask
    wait name / ms number; wait_timed name ms; wait_count name count number; poll name mask
    start_wait name name / ms number via; join name; join_count name *; blocked name; signal name
    settle / ms; pair family name name; unix_pair name name; tcp_pair name name
    tcp_pair_opt name name sizes; pipe name name; eventfd name number; regular_file name
    socket name / family; bind name; listen name / count; connect name name; closed_port name
    accept name name; shutdown name how; close name; close_rst name; dup name name
    reuse_fd name name; send name size; send_partial name size; send_oob name size
    recv name size; recv_oob name / size; peek name size; read name size; write name size
    write_ev name number; fill name; drain name; drain_all name
    so_error name; getpeername name; rcvlowat name size; fd_limit_here; fd_limit_off
"""

KERNELS = ("epoll", "iocp")
_TEXT = {"epoll": _EPOLL, "iocp": _IOCP}


class Signature(NamedTuple):
    """Kinds of arguments: `needed`, then `optional`; `many`: the last one again and again."""

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    many: bool


@cache
def operations(kernel: str) -> dict[str, Signature]:
    """The operations of a kernel's cases."""
    table = {}
    for entry in _TEXT[kernel].replace("\n", ";").split(";"):
        words = entry.split()
        if not words:
            continue
        name, *kinds = words
        many = kinds[-1:] == ["*"]
        kinds = kinds[:-1] if many else kinds
        cut = kinds.index("/") if "/" in kinds else len(kinds)
        table[name] = Signature(tuple(kinds[:cut]), tuple(kinds[cut + 1 :]), many)
    return table


def check_step(kernel: str, step: Any) -> None:
    """Raises `UsageError` where a step is not in the vocabulary."""
    if not isinstance(step, list) or not step or not isinstance(step[0], str):
        raise UsageError(f"{_short(step)} is no step: give [operation, argument, ...]")
    operation, *args = step
    signature = operations(kernel).get(operation)
    if signature is None:
        known = ", ".join(sorted(operations(kernel)))
        raise UsageError(f"{kernel} has no operation {_short(operation)}: there are {known}")
    most = len(signature.needed) + len(signature.optional)
    if len(args) < len(signature.needed) or (len(args) > most and not signature.many):
        raise UsageError(f"{operation} takes {_told(signature)}: not {_short(args)}")
    kinds = (*signature.needed, *signature.optional)
    for index, arg in enumerate(args):
        kind = kinds[min(index, most - 1)]
        if not _CHECKS[kind](arg):
            raise UsageError(f"{operation} takes {_told(signature)}: {_short(arg)} is no {kind}")


def _told(signature: Signature) -> str:
    told = [*signature.needed, *(f"[{kind}]" for kind in signature.optional)]
    return " ".join(told + ["..."] * signature.many) or "no argument"


def _short(value: Any) -> str:
    return plain(json.dumps(value), 60)


def _between(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _among(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_mask(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    return value in {"", "-", "0"} or all(part in EPOLL_BITS for part in value.split("|"))


def _is_sizes(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in {"rcvbuf", "sndbuf"} and _CHECKS["size"](size) for name, size in value.items()
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "name": _is_name,
    "name?": lambda value: value is None or _is_name(value),
    "number": _between(-(1 << 63), (1 << 64) - 1),
    "count": _between(0, 10_000),
    "size": _between(0, 1 << 26),
    "ms": _between(-1, 60_000),
    "text": lambda value: isinstance(value, str),
    "mask": _is_mask,
    "how": _among("RD", "WR", "RDWR"),
    "family": _among("tcp", "unix"),
    "via": _among("poll", "epoll"),
    "sizes": _is_sizes,
}
