"""Prototypes of what stacks, pairs and rate limits need (event2/bufferevent.h, event2/buffer.h)."""

from __future__ import annotations

import ctypes
from typing import Any

_P, _I, _Z, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_short
_SIGNED = ctypes.c_ssize_t

BUFFER_CB = ctypes.PYFUNCTYPE(None, _P, _P, _P)
FILTER_CB = ctypes.PYFUNCTYPE(_I, _P, _P, _SIGNED, _I, _P)
FREE_CB = ctypes.PYFUNCTYPE(None, _P)


class BufferChange(ctypes.Structure):
    """struct evbuffer_cb_info: bytes."""

    _fields_ = (("orig_size", _Z), ("n_added", _Z), ("n_deleted", _Z))


#: name -> result, arguments
LAYERS: dict[str, tuple[Any, ...]] = {
    "evbuffer_add": (_I, _P, ctypes.c_char_p, _Z),
    "evbuffer_add_buffer": (_I, _P, _P),
    "evbuffer_copyout": (_SIGNED, _P, _P, _Z),
    "evbuffer_add_cb": (_P, _P, BUFFER_CB, _P),
    "bufferevent_getwatermark": (_I, _P, _S, ctypes.POINTER(_Z), ctypes.POINTER(_Z)),
    "bufferevent_incref": (None, _P),
    "bufferevent_decref": (_I, _P),
    "bufferevent_disable_hard_": (_I, _P, _S),
    "bufferevent_pair_new": (_I, _P, _I, ctypes.POINTER(_P)),
    "bufferevent_pair_get_partner": (_P, _P),
    "bufferevent_filter_new": (_P, _P, FILTER_CB, FILTER_CB, _I, FREE_CB, _P),
}

RATES: dict[str, tuple[Any, ...]] = {
    "ev_token_bucket_cfg_new": (_P, _Z, _Z, _Z, _Z, _P),
    "ev_token_bucket_cfg_free": (None, _P),
    "bufferevent_set_rate_limit": (_I, _P, _P),
    "bufferevent_add_to_rate_limit_group": (_I, _P, _P),
    "bufferevent_remove_from_rate_limit_group": (_I, _P),
    "bufferevent_get_read_limit": (_SIGNED, _P),
    "bufferevent_get_write_limit": (_SIGNED, _P),
    "bufferevent_decrement_read_limit": (_I, _P, _SIGNED),
    "bufferevent_decrement_write_limit": (_I, _P, _SIGNED),
    "bufferevent_rate_limit_group_new": (_P, _P, _P),
    "bufferevent_rate_limit_group_set_cfg": (_I, _P, _P),
    "bufferevent_rate_limit_group_set_min_share": (_I, _P, _Z),
    "bufferevent_rate_limit_group_get_read_limit": (_SIGNED, _P),
    "bufferevent_rate_limit_group_get_write_limit": (_SIGNED, _P),
    "bufferevent_rate_limit_group_decrement_read": (_I, _P, _SIGNED),
    "bufferevent_rate_limit_group_decrement_write": (_I, _P, _SIGNED),
    "bufferevent_rate_limit_group_get_totals": (
        None,
        _P,
        ctypes.POINTER(ctypes.c_uint64),
        ctypes.POINTER(ctypes.c_uint64),
    ),
    "bufferevent_rate_limit_group_reset_totals": (None, _P),
    "bufferevent_rate_limit_group_free": (None, _P),
}

_WHY = ctypes.c_uint16  # bufferevent_suspend_flags

#: functions of libevent that its own code calls through slots (bufferevent-internal.h)
INSIDE: dict[str, tuple[Any, ...]] = {
    "bufferevent_suspend_read_": (None, _P, _WHY),
    "bufferevent_unsuspend_read_": (None, _P, _WHY),
    "bufferevent_suspend_write_": (None, _P, _WHY),
    "bufferevent_unsuspend_write_": (None, _P, _WHY),
    "bufferevent_setcb": (None, _P, _P, _P, _P, _P),
    "bufferevent_enable": (_I, _P, _S),
    "bufferevent_setwatermark": (None, _P, _S, _Z, _Z),
    "bufferevent_flush": (_I, _P, _S, _I),
    "bufferevent_free": (None, _P),
    "evutil_weakrand_seed_": (ctypes.c_uint32, _P, ctypes.c_uint32),
}
