"""Calls of Linux that Python does not have.

Sources: https://man7.org/linux/man-pages/man2/rename.2.html and https://man7.org/linux/man-pages/man2/statx.2.html.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable
from typing import Final

RENAME_NOREPLACE: Final = 1
_AT_EMPTY_PATH: Final = 0x1000
_STATX_BTIME: Final = 0x800
_STATX_SIZE: Final = 256
_BIRTH_OFFSET: Final = 80
"""Offset of stx_btime in struct statx."""
_RENAMEAT2: Final = {"x86_64": 316, "aarch64": 276}
"""Numbers of the call by machine, for C libraries without a function for it."""

_library = ctypes.CDLL(None, use_errno=True)


def rename_exclusively(folder: int, old: str, new: str) -> None:
    """Rename a file in the folder with this handle, in one step that fails if the new name is taken.

    Raises:
        FileExistsError: the new name is taken.
        FileNotFoundError: there is no such file, or the folder was removed.
        OSError: it cannot be renamed; EINVAL or ENOSYS: not in this way, or not to this name.
    """
    if _rename(folder, os.fsencode(old), folder, os.fsencode(new), RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def birth_time(folder: int) -> int | None:
    """The time at which the folder with this handle was created, in microseconds; None: the file system keeps none."""
    call = getattr(_library, "statx", None)
    if call is None:
        return None
    buffer = ctypes.create_string_buffer(_STATX_SIZE)
    if call(folder, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return None
    (mask,) = struct.unpack_from("=I", buffer)
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BIRTH_OFFSET)
    return seconds * 1_000_000 + nanoseconds // 1000 if mask & _STATX_BTIME else None


def _load_rename() -> Callable[[int, bytes, int, bytes, int], int]:
    file = (ctypes.c_int, ctypes.c_char_p)
    call = getattr(_library, "renameat2", None)
    if call is not None:
        call.argtypes = [*file, *file, ctypes.c_uint]
        return lambda *given: int(call(*given))
    number = _RENAMEAT2.get(platform.machine())
    if number is None:
        return _no_rename
    raw = _library.syscall
    raw.argtypes = [ctypes.c_long, *file, *file, ctypes.c_uint]
    raw.restype = ctypes.c_long
    return lambda *given: int(raw(number, *given))


def _no_rename(*_: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1


_rename = _load_rename()
