"""What the binding does not reach yet: a scenario that asks for it is refused in one line.

`harness.foreign` leaves it out of drawn scenarios.
"""

from __future__ import annotations

from typing import Any, NoReturn

from model.errors import UsageError


def refuse(what: str) -> NoReturn:
    """Raises `UsageError`."""
    raise UsageError(
        f"{what}: libevent's are not bound; take it out of the scenario, or run it on the model"
    )


class UnboundBase:
    """Of an event base."""

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: Any, state: Any, options: int
    ) -> NoReturn:
        refuse("TLS on a descriptor of its own")
