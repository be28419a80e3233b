"""regress_buffer.c: what became of each of its 61 cases."""

from __future__ import annotations

from tests.upstream.case import UpstreamCase

_CONTENTS = "tests/upstream/test_regress_buffer.py"
_SPACE = "tests/upstream/test_regress_buffer_space.py"
_FILES = "tests/upstream/test_regress_buffer_files.py"


def _ported(file: str, *names: str, test: str = "") -> tuple[UpstreamCase, ...]:
    """Cases with a test of that name each, or all with one test and its parameters."""
    return tuple(
        UpstreamCase("regress_buffer.c", name, "ported", f"{file}::test_{test or name}")
        for name in names
    )


CASES: tuple[UpstreamCase, ...] = (
    *_ported(_CONTENTS, "evbuffer", "remove_buffer_with_empty", "remove_buffer_with_empty2"),
    *_ported(_CONTENTS, "remove_buffer_with_empty3", "remove_buffer_with_empty_front"),
    *_ported(_CONTENTS, "remove_buffer_adjust_last_with_datap_with_empty"),
    *_ported(
        _CONTENTS, "add_buffer_with_empty", "add_buffer_with_empty2", test="add_buffer_with_empty"
    ),
    *_ported(_SPACE, "reserve2"),
    *_ported(_SPACE, "reserve_many", "reserve_many2", "reserve_many3", test="reserve_many"),
    *_ported(_SPACE, "reserve_with_empty", "reserve_invalid_last_with_datap"),
    *_ported(_SPACE, "expand", "expand_overflow", "add1", "add2"),
    *_ported(_CONTENTS, "reference", "reference2", "iterative"),
    *_ported(_SPACE, "readln", "search_eol", "find", "ptr_set", "search"),
    *_ported(_CONTENTS, "callbacks", "add_reference", "add_reference_with_offset"),
    *_ported(_CONTENTS, "multicast", "multicast_drain", "prepend"),
    *_ported(_CONTENTS, "empty_reference_prepend", "empty_reference_prepend_buffer"),
    *_ported(_SPACE, "peek", "peek_first_gt"),
    *_ported(_SPACE, "freeze_start", "freeze_end", test="freeze"),
    *_ported(_CONTENTS, "add_iovec", "copyout"),
    *_ported(_FILES, "file_segment_add_cleanup_cb"),
    *_ported(_SPACE, "pullup_with_empty"),
    *_ported(_FILES, "add_file_leak1"),
    *_ported(
        _FILES,
        *("add_file_sendfile", "add_file_mmap", "add_file_linear", "add_file_nosegment"),
        test="add_file",
    ),
    *_ported(
        _FILES,
        *("add_big_file_sendfile", "add_big_file_mmap", "add_big_file_linear"),
        "add_big_file_nosegment",
        test="add_big_file",
    ),
    *_ported(
        _FILES,
        *("add_file_offset_sendfile", "add_file_offset_mmap", "add_file_offset_linear"),
        "add_file_offset_nosegment",
        test="add_file_offset",
    ),
    *_ported(
        _FILES,
        *("add_file_offset2_sendfile", "add_file_offset2_mmap", "add_file_offset2_linear"),
        test="add_file_offset2",
    ),
    *_ported(
        _FILES,
        *("add_file_offset3_sendfile", "add_file_offset3_mmap", "add_file_offset3_linear"),
        test="add_file_offset3",
    ),
)
