"""Numbers of a scenario, and rounder ones in their place.

A number is rounder with fewer digits that are not trailing zeros; of two with as many the smaller
is. So 4097 bytes may become 5000, and 5000 may become 1000, but not 4999.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from harness.scenario import (
    ACTIONS,
    ON_NO_END,
    PEER_ACTIONS,
    AppStep,
    BuffereventEnd,
    Layer,
    Network,
    Parameter,
    PeerEnd,
    RateGroup,
    Scenario,
    Step,
)
from harness.scenario_bounds import INTEGERS
from harness.scenario_writing import GROUP_FIELDS
from model.faults import CallFault, Faults
from model.workers import Workers

#: data class -> its numbers and their kinds
_NUMBERS: dict[type, dict[str, str]] = {
    Network: {"sndbuf": "buffer", "rcvbuf": "buffer"},
    Layer: {"read_high": "size0", "write_high": "size0"},
    RateGroup: GROUP_FIELDS,
    PeerEnd: {"connects": "connects"},
    Faults: {"pool_pages": "pool_pages"},
    Workers: {"count": "workers", "concurrency": "concurrency"},
}
#: their defaults are the dullest numbers, whatever their digits
_DEFAULTS: dict[type, Any] = {Network: Network(), RateGroup: RateGroup(), Faults: Faults()}
_DULL_SETUP = BuffereventEnd().setup


def digits(number: int) -> int:
    """How many digits are left without the zeros at the end."""
    return len(str(abs(number)).rstrip("0"))


def roundness(number: int) -> tuple[int, int, bool]:
    """What rounder numbers have less of."""
    return digits(number), abs(number), number < 0


def rounder(number: int, kind: str) -> list[int]:
    """Rounder numbers of that kind (`harness.scenario_bounds`), the roundest first."""
    least, most = INTEGERS[kind]
    size = abs(number)
    found = {least if least >= 0 else 0, 1, abs(least)}
    power = 10 ** (len(str(size)) - 1)
    found |= {power, power // 10, size // 2, size - 1, -(-size // 2)}
    for unit in (power, max(power // 10, 1)):  # one digit, two digits
        found |= {size // unit * unit, -(-size // unit) * unit}
    tried = found if number >= 0 else found | {-each for each in found}
    mine = roundness(number)
    return sorted(
        [each for each in tried if least <= each <= most and roundness(each) < mine], key=roundness
    )


def rounded(scenario: Scenario) -> Iterator[Scenario]:
    """The scenario with one of its numbers rounder."""
    yield from _in(scenario)


def _in(value: Any) -> Iterator[Any]:
    """`value`, which is some part of a scenario, with one number in it rounder."""
    if isinstance(value, (Step, AppStep)):
        yield from _in_step(value)
    elif isinstance(value, CallFault):
        yield from (value._replace(n=n) for n in rounder(value.n, "nth"))
    elif isinstance(value, tuple):
        if value is _DULL_SETUP:
            return
        for index, item in enumerate(value):
            for each in _in(item):
                yield (*value[:index], each, *value[index + 1 :])
    elif is_dataclass(value) and not isinstance(value, type):
        default = _DEFAULTS.get(type(value))
        numbers = _NUMBERS.get(type(value), {})
        for field in fields(value):
            held = getattr(value, field.name)
            if default is not None and held == getattr(default, field.name):
                continue
            kind = numbers.get(field.name)
            found: Iterator[Any] = iter(rounder(held, kind)) if kind else _in(held)
            for each in found:
                yield replace(value, **{field.name: each})


def _in_step(step: Step | AppStep) -> Iterator[Step | AppStep]:
    for index, parameter in enumerate(_parameters(step)):
        for each in _arguments(step.args[index], parameter.kind):
            args = (*step.args[:index], each, *step.args[index + 1 :])
            yield step._replace(args=args)


def _parameters(step: Step | AppStep) -> tuple[Parameter, ...]:
    if step.do in ON_NO_END:
        return ON_NO_END[step.do]
    # an action with the same name takes the same number of arguments or is a peer's
    known = ACTIONS.get(step.do)
    if known is None or len(known) != len(step.args):
        known = PEER_ACTIONS[step.do]
    return known


def _arguments(value: Any, kind: str) -> Iterator[Any]:
    if kind == "sizes":
        yield from _sizes(tuple(value))
    elif kind == "duration_or_none":
        if value is not None:
            yield None
            yield from rounder(value, "timeout")
    elif kind in INTEGERS:
        yield from rounder(value, kind)


def _sizes(sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for index in range(len(sizes) if len(sizes) > 1 else 0):
        yield sizes[:index] + sizes[index + 1 :]
    for index, size in enumerate(sizes):
        for each in rounder(size, "size"):
            yield (*sizes[:index], each, *sizes[index + 1 :])
