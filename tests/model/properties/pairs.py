"""For every property of one trace: traces that keep it and traces that break it.

The two differ as little as they can. The `pairs_*` modules hold the builders, each of which
makes a fresh `Tape`; here they come together.
"""

from __future__ import annotations

from tests.model.properties import (
    pairs_events,
    pairs_layers,
    pairs_limits,
    pairs_liveness,
    pairs_rare,
    pairs_rates,
    pairs_tls,
    pairs_traffic,
    pairs_unwatched,
)
from tests.model.properties.pairs_events import o1_at_once, o1_own_trigger
from tests.model.properties.pairs_layers import m1_flushed
from tests.model.properties.pairs_limits import w3_suspended
from tests.model.properties.pairs_liveness import l1_disabled, l6_good
from tests.model.properties.pairs_rates import r_async_in_flight, r_resumed_writing, r_waits
from tests.model.properties.traces import Builder

#: id -> (traces that keep it and where it is counted, traces that break it)
PAIRS = (
    pairs_traffic.PAIRS
    | pairs_events.PAIRS
    | pairs_limits.PAIRS
    | pairs_rates.PAIRS
    | pairs_liveness.PAIRS
    | pairs_layers.PAIRS
)
for _name, (_good, _bad) in (
    *pairs_layers.MORE.items(),
    *pairs_tls.MORE.items(),
    *pairs_rare.MORE.items(),
    *pairs_unwatched.MORE.items(),
):
    PAIRS[_name] = ([*PAIRS[_name][0], *_good], [*PAIRS[_name][1], *_bad])

#: legal, though no property's antecedent is worth counting there
LEGAL: tuple[Builder, ...] = (
    o1_own_trigger,
    o1_at_once,
    w3_suspended,
    l1_disabled,
    l6_good,
    *(m1_flushed, r_waits, r_resumed_writing, r_async_in_flight),
    *pairs_rare.LEGAL,
    *pairs_unwatched.LEGAL,
)

__all__ = ["LEGAL", "PAIRS", "Builder"]
