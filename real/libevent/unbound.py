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

    def bufferevent_pair_new(self, options: int) -> NoReturn:
        refuse("a paired bufferevent")

    def bufferevent_filter_new(self, underlying: Any, filters: Any, options: int) -> NoReturn:
        refuse("a filter")

    def bufferevent_ssl_filter_new(
        self, underlying: Any, engine: Any, state: Any, options: int
    ) -> NoReturn:
        refuse("TLS")

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: Any, state: Any, options: int
    ) -> NoReturn:
        refuse("TLS")

    def rate_limit_group_new(self, cfg: Any) -> NoReturn:
        refuse("a rate limit group")


class UnboundBufferevent:
    """Of a bufferevent."""

    def get_underlying(self) -> None:
        """It sits on nothing: filters are not bound."""

    def get_partner(self) -> None:
        """It has none: pairs are not bound."""

    def disable_hard(self, mask: int) -> NoReturn:
        refuse("disable_hard, which reconnect needs")

    def incref(self) -> NoReturn:
        refuse("incref")

    def decref(self) -> NoReturn:
        refuse("decref")

    def set_rate_limit(self, cfg: Any) -> NoReturn:
        refuse("a rate limit")

    def add_to_rate_limit_group(self, group: Any) -> NoReturn:
        refuse("a rate limit group")

    def remove_from_rate_limit_group(self) -> NoReturn:
        refuse("a rate limit group")

    def get_read_limit(self) -> NoReturn:
        refuse("a rate limit")

    def get_write_limit(self) -> NoReturn:
        refuse("a rate limit")

    def decrement_read_limit(self, size: int) -> NoReturn:
        refuse("a rate limit")

    def decrement_write_limit(self, size: int) -> NoReturn:
        refuse("a rate limit")

    def observe_suspension(self, observer: Any) -> None:
        """Nobody can: libevent keeps it to itself."""
