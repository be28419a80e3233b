"""Redirecting the calls of a loaded shared library, by writing into its relocation table.

A library reaches the functions of others through slots that the dynamic linker filled when it was
loaded (elf(5): R_X86_64_JUMP_SLOT and R_X86_64_GLOB_DAT). Writing another address into a slot
redirects the calls of this library alone: the interpreter and every other library keep theirs.
The handle that dlopen(3) gives is the library's `struct link_map`, whose dynamic section leads to
the tables.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from model.errors import WorldUnavailable

_DT_PLTRELSZ, _DT_STRTAB, _DT_SYMTAB, _DT_RELA, _DT_RELASZ, _DT_JMPREL = 2, 5, 6, 7, 8, 23
_DT_NULL = 0
_GLOB_DAT, _JUMP_SLOT = 6, 7
_RELA_SIZE = 24  # Elf64_Rela: offset, info, addend
_SYMBOL_SIZE = 24  # Elf64_Sym
_LINK_MAP = struct.Struct("=QQQ")  # l_addr, l_name, l_ld
_DYNAMIC = struct.Struct("=qQ")
_RELA = struct.Struct("=QQq")


def check_platform() -> None:
    """Raises `WorldUnavailable` where relocation tables of this form do not exist."""
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in ("x86_64", "AMD64"):
        raise WorldUnavailable(
            f"libevent's calls can be redirected on Linux x86-64 only, this is {sys.platform}"
            f" {machine}: run this subject there"
        )


def imports(library: ctypes.CDLL) -> dict[str, list[int]]:
    """The functions that `library` calls in others: name -> addresses of its slots."""
    slots: dict[str, list[int]] = {}
    for name, slot in _relocations(library):
        slots.setdefault(name, []).append(slot)
    return slots


def redirect(library: ctypes.CDLL, functions: Mapping[str, int]) -> Redirection:
    """Sends the library's calls of each name to the address given.

    Raises `WorldUnavailable` when a slot cannot be made writable.
    """
    return Redirection(library, functions)


class Redirection:
    """Slots of a library in our hands, which can be given back (`redirect`)."""

    def __init__(self, library: ctypes.CDLL, functions: Mapping[str, int]) -> None:
        self._ours: dict[int, int] = {}  # slot -> address
        self._own: dict[int, int] = {}  # what the dynamic linker had put there
        for name, slot in _relocations(library):
            address = functions.get(name)
            if address is not None:
                _make_writable(slot)
                self._own[slot] = ctypes.c_uint64.from_address(slot).value
                self._ours[slot] = address
        _store(self._ours)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Inside, the library's calls go where they went before."""
        self.lift()
        try:
            yield
        finally:
            _store(self._ours)

    def lift(self) -> None:
        """From now on they do."""
        _store(self._own)


def _store(addresses: Mapping[int, int]) -> None:
    for slot, address in addresses.items():
        ctypes.c_uint64.from_address(slot).value = address


def _relocations(library: ctypes.CDLL) -> Iterator[tuple[str, int]]:
    """Name and slot address of every relocation that names a symbol."""
    check_platform()
    base, _, dynamic = _LINK_MAP.unpack(ctypes.string_at(library._handle, _LINK_MAP.size))
    tags = _dynamic_section(dynamic)
    for table, size in ((_DT_JMPREL, _DT_PLTRELSZ), (_DT_RELA, _DT_RELASZ)):
        entries = ctypes.string_at(tags[table], tags[size]) if table in tags else b""
        for offset, info, _ in _RELA.iter_unpack(entries):
            if info & 0xFFFFFFFF in (_GLOB_DAT, _JUMP_SLOT):
                symbol = tags[_DT_SYMTAB] + (info >> 32) * _SYMBOL_SIZE
                name = tags[_DT_STRTAB] + ctypes.c_uint32.from_address(symbol).value
                yield ctypes.string_at(name).decode(), base + offset


def _dynamic_section(address: int) -> dict[int, int]:
    tags: dict[int, int] = {}
    while True:
        tag, value = _DYNAMIC.unpack(ctypes.string_at(address, _DYNAMIC.size))
        if tag == _DT_NULL:
            return tags
        tags[tag] = value
        address += _DYNAMIC.size


def _make_writable(address: int) -> None:
    """mprotect(2): slots are read-only once the library is loaded (RELRO)."""
    page = address & ~(mmap.PAGESIZE - 1)
    libc = ctypes.CDLL(None, use_errno=True)
    length = address + 8 - page
    if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(length), 3):  # PROT_READ | PROT_WRITE
        raise WorldUnavailable(
            f"libevent's relocation table cannot be written (mprotect: errno {ctypes.get_errno()}):"
            " run without the security module that forbids it"
        )
