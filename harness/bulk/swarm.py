"""Swarms: what exists in a run. Drawn for each, so that no feature is always in another's way.

A connection that is reset at every turn never fills a window; a scenario that may free in every
callback seldom reaches its third. So a swarm says which steps there are at all, whether there may
be faults, rate limits and rarities, of which kind connections are, how dense the noise is, and
whether the world decides anything by its tape. It is read by a `Noise` that knows it: a step that
is not there gives way to another, and the same bytes still tell one scenario.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from typing import NamedTuple

from harness.noise import FOCUSES, KINDS, Noise
from harness.noise import PARTS as NOISE_PARTS
from harness.noise_tables import LAYERS, STOP
from harness.scenario import ACTIONS, PEER_ACTIONS, TLS_LAYERS, Reaction, Step

#: what a step does; the same word for the application and for a peer counts once
VERBS: tuple[str, ...] = tuple(dict.fromkeys((*ACTIONS, *PEER_ACTIONS)))
#: what a swarm may do without; 'tls': layers of TLS, which cost as much as several runs without
PARTS = (*NOISE_PARTS, "tls")
_FILTERS = [layer for layer in LAYERS if layer.kind not in TLS_LAYERS]
ALL = (1 << len(VERBS)) - 1
_BIT = {verb: 1 << number for number, verb in enumerate(VERBS)}
_STRIDE = 37  # through a table, past what does not exist: far enough to leave a run of likes
_LIKELY = 64  # a byte below leaves out a part that may exist
#: how dense the noise is: of 16 bytes so many become 0, which ends a list or is dull
SPARSITIES = (0, 1, 2, 4)
_DRAWN_KINDS = (*("any",) * 4, "plain", "both", "layered", "layered")
_KINDS = {"any": KINDS, "plain": KINDS[:2], "both": KINDS[2:3], "layered": KINDS[5:]}


class Swarm(NamedTuple):
    """What exists. `verbs` is a mask over `VERBS`; `parts` some of `PARTS`."""

    verbs: int = ALL
    parts: tuple[str, ...] = PARTS
    kinds: str = "any"  # of connections: any, plain (a raw peer), both (bufferevents), layered
    focus: str = ""  # one of harness.noise.FOCUSES
    sparsity: int = 0  # one of SPARSITIES
    taped: bool = True  # else every decision of the world is the dull one

    def names(self) -> list[str]:
        """The names of the steps that exist."""
        return [verb for verb in VERBS if self.verbs & _BIT[verb]]

    def told(self) -> str:
        """The swarm in a line, for people."""
        missing = [verb for verb in VERBS if not self.verbs & _BIT[verb]]
        said = [f"without {' '.join(missing)}" if missing else "all steps"]
        said.append(f"with {' '.join(self.parts)}" if self.parts else "no faults, no limits")
        said += [f"{self.kinds} connections"] if self.kinds != "any" else []
        said += [f"focus {self.focus}"] if self.focus else []
        said += [f"{self.sparsity} of 16 bytes dull"] if self.sparsity else []
        return "; ".join([*said, "taped" if self.taped else "no tape"])


def mask_of(names: Iterable[str]) -> int:
    """The mask over `VERBS` with these names."""
    return sum(_BIT[name] for name in set(names))


def kinds_of_connections() -> tuple[str, ...]:
    """What `Swarm.kinds` may be."""
    return tuple(_KINDS)


def draw(random: Random, focus: str | None = None) -> Swarm:
    """A swarm. `focus` fixes what is otherwise drawn, mostly the empty one."""
    bits = random.getrandbits(19)
    if focus is None:
        focus = FOCUSES[random.randrange(1, len(FOCUSES))] if bits & 7 == 7 else ""
    verbs = random.getrandbits(len(VERBS)) | random.getrandbits(len(VERBS))
    if bits >> 3 & 3 == 0 and bits & 1:
        verbs = ALL
    parts = tuple([part for number, part in enumerate(PARTS) if bits >> (5 + 2 * number) & 3 == 3])
    kinds = _DRAWN_KINDS[bits >> 13 & 7]
    return Swarm(verbs, parts, kinds, focus, SPARSITIES[bits >> 16 & 3], bool(bits >> 18))


class SwarmNoise(Noise):
    """Noise in which only what a swarm has exists."""

    __slots__ = ("_parts", "_verbs")

    def __init__(self, data: bytes, swarm: Swarm) -> None:
        super().__init__(data.translate(_sparse(swarm.sparsity)) if swarm.sparsity else data)
        self._verbs = swarm.verbs
        self._parts = swarm.parts
        self.kinds = _KINDS[swarm.kinds]
        if "tls" not in swarm.parts:
            self.layers = _FILTERS

    def part(self, name: str, least: int) -> int:
        """Likely where it may exist; else never."""
        byte = self.byte()
        return byte if byte >= _LIKELY and name in self._parts else 0

    def entry(self, table: Sequence[Step | Reaction], byte: int) -> Step | Reaction:
        """The first that exists, from the byte's place on; nothing where there is none."""
        size = len(table)
        place = (byte - STOP) % size
        verbs = self._verbs
        if verbs == ALL:
            return table[place]
        for _ in range(8):
            entry = table[place]
            verb = entry.do if isinstance(entry, Step) else entry[0].do
            if verbs & _BIT[verb]:
                return entry
            place = (place + _STRIDE) % size
        return ()


@cache
def _sparse(sparsity: int) -> bytes:
    """A table for bytes.translate: so many of 16 bytes, spread evenly, become 0."""
    return bytes([0 if (byte * 7 & 15) < sparsity else byte for byte in range(256)])
