"""What the binding does not reach yet: a scenario that asks for it is refused in one line.

`harness.foreign` leaves it out of drawn scenarios.
"""

from __future__ import annotations

from typing import NoReturn

from model.errors import UsageError


def refuse(what: str) -> NoReturn:
    """Raises `UsageError`."""
    raise UsageError(
        f"{what}: libevent's are not bound; take it out of the scenario, or run it on the model"
    )
