"""The numbers of errors, and the exit codes of ours."""

from __future__ import annotations

import enum
import errno
import ssl

import pytest

from model import errors
from model.errors import (
    WSA_ERROR_OF_STATUS,
    Divergence,
    DuopollError,
    Errno,
    NtStatus,
    SimulatorError,
    UsageError,
    Win32Error,
    WorldUnavailable,
)
from model.tls import TlsResult


@pytest.mark.parametrize("name", Errno.__members__)
def test_errno_numbers_are_linux_numbers(name: str) -> None:
    """The host of the tests is Linux: errno.h is the oracle."""
    assert getattr(errno, name) == Errno[name].value


@pytest.mark.parametrize("name", TlsResult.__members__)
def test_tls_results_are_those_of_the_library(name: str) -> None:
    """SSL_get_error(3), as the standard library gives it."""
    assert getattr(ssl.SSLErrorNumber, name) == TlsResult[name].value


@pytest.mark.parametrize("enumeration", [Errno, Win32Error, NtStatus, TlsResult])
def test_no_number_is_given_twice(enumeration: type[enum.Enum]) -> None:
    assert len(enumeration.__members__) == len(list(enumeration))


def test_every_failure_status_has_a_winsock_error() -> None:
    assert set(WSA_ERROR_OF_STATUS) == set(NtStatus) - {NtStatus.SUCCESS}
    assert all(isinstance(error, Win32Error) for error in WSA_ERROR_OF_STATUS.values())


def test_names_are_unique_over_all_enumerations() -> None:
    """A trace file writes outcomes by bare name."""
    names = [member.name for enumeration in (Errno, Win32Error, NtStatus) for member in enumeration]
    assert len(names) == len(set(names))


def test_members_hash_and_compare() -> None:
    for enumeration in (Errno, Win32Error, NtStatus):
        members = list(enumeration)
        assert len({*members, *members}) == len(members)
        assert all(enumeration(member.value) is member for member in members)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(UsageError, 2), (WorldUnavailable, 2), (Divergence, 3), (SimulatorError, 3)],
)
def test_exit_codes(kind: type[DuopollError], code: int) -> None:
    assert issubclass(kind, DuopollError)
    assert kind.exit_code == code
    assert kind.__doc__


def test_all_our_errors_are_one_family() -> None:
    ours = [each for each in vars(errors).values() if isinstance(each, type)]
    assert all(issubclass(each, DuopollError) for each in ours if issubclass(each, Exception))
