"""evbuffer: a queue of bytes as a list of chains (libevent: buffer.c).

One class in layers, each with one subject: `chains` the list, freezing and callbacks; `space` room
at the tail; `looking` bytes where they are; `contents` bytes in and out; `moves` chains between
buffers; `search` places and lines; `segments` pieces of files; `transfer` kernels. `chain` is what
the list is made of, `check` what is true of it.
"""

from model.evbuffer.callbacks import (
    CB_ENABLED,
    CB_NODEFER,
    BufferCallback,
    CallbackEntry,
    Change,
)
from model.evbuffer.chains import FLAG_DRAINS_TO_FD, OwnerHook
from model.evbuffer.looking import Position
from model.evbuffer.search import Eol
from model.evbuffer.segments import (
    FS_CLOSE_ON_FREE,
    FS_DISABLE_MMAP,
    FS_DISABLE_SENDFILE,
    FileSegment,
)
from model.evbuffer.space import Iovec
from model.evbuffer.transfer import Evbuffer, Launch

__all__ = [
    "CB_ENABLED",
    "CB_NODEFER",
    "FLAG_DRAINS_TO_FD",
    "FS_CLOSE_ON_FREE",
    "FS_DISABLE_MMAP",
    "FS_DISABLE_SENDFILE",
    "BufferCallback",
    "CallbackEntry",
    "Change",
    "Eol",
    "Evbuffer",
    "FileSegment",
    "Iovec",
    "Launch",
    "OwnerHook",
    "Position",
]
