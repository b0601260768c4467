"""Errors of the operating system about an import folder, as errors for operators."""

import errno
import os
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from delivery.errors import FileRefused, FolderRefused, FolderUnavailable
from hostfaults import HostFault, host_fault_of
from phrases import Phrase

T = TypeVar("T")

MISSING: Final = "FolderMissing"
FULL: Final = "FolderFull"
READ_ONLY: Final = "FolderReadOnly"
ACCESS_DENIED: Final = "AccessDenied"
BUSY: Final = "FolderBusy"
UNREACHABLE: Final = "FolderUnreachable"
NO_ATOMIC_RENAME: Final = "NoAtomicRename"
FAILED: Final = "FolderFailed"
OUTSIDE_ROOTS: Final = "OutsideRoots"
LINK_IN_PATH: Final = "LinkInPath"
PATH_INVALID: Final = "PathInvalid"
MAYBE_OF_FILE: Final = frozenset({FULL, ACCESS_DENIED, BUSY, UNREACHABLE, FAILED})
"""Reasons for which a single file may be refused, by a folder that takes others: only a probe shows that. Servers
report much as an input/output error."""
NO_NEW_FILE: Final = frozenset({FULL, ACCESS_DENIED, BUSY})
"""Reasons for which a folder that takes no new file may still rename those that are there."""


class NoAtomicRenameError(OSError):
    """The file system can neither rename without overwriting nor link."""


def attempt(folder: str, call: Callable[[], T]) -> T:
    """Return the result of a call of the operating system.

    Raises:
        FolderUnavailable: the folder is the cause.
        HostFault: the host is.
    """
    try:
        return call()
    except OSError as exc:
        fault = fault_of(folder, exc)
    # Not chained: `host_fault_of` searches causes, and would take a share that is full for the disk of this host.
    raise fault


def fault_of(folder: str, error: OSError) -> FolderUnavailable | HostFault:
    """The error for operators."""
    if isinstance(error, NoAtomicRenameError):
        return _unavailable(folder, NO_ATOMIC_RENAME, error)
    number = error_number(error)
    if number in _OF_HOST and (fault := host_fault_of(OSError(number, ""))) is not None:
        return fault
    return _unavailable(folder, _REASONS.get(number, FAILED), error)


def _unavailable(folder: str, reason: str, error: OSError) -> FolderUnavailable:
    cause = _cause(error)
    return FolderUnavailable(reason, _TEXTS[reason](folder, cause), cause)


def refusal_of(folder: str, error: FolderUnavailable) -> FileRefused:
    """The error about a single file, of a folder that takes others."""
    cause = error.cause or error.reason
    if error.reason == FULL:
        text = Phrase(
            "The import folder {folder} has no room for this file, but for smaller ones ({cause}); free some there, or "
            "raise its quota.",
            folder=folder,
            cause=cause,
        )
        return FileRefused("NoRoomForFile", text)
    text = Phrase(
        "The import folder {folder} takes other files, but not this one ({cause}); look for a file screen of the file "
        "server, or a virus scanner, or have the rule give it another name.",
        folder=folder,
        cause=cause,
    )
    return FileRefused("FileRefused", text)


def error_number(error: OSError) -> int:
    """The `errno` of an error; the one that fits where Windows has a code that Python translates badly."""
    windows = getattr(error, "winerror", None)
    return _BY_WINDOWS_CODE.get(windows or 0, error.errno or 0)


def outside_roots(folder: str, roots: Iterable[str]) -> FolderRefused:
    """The refusal of a folder that is below no root."""
    named = ", ".join(roots)
    if not named:
        text = Phrase(
            "The folder {folder} is not allowed: set delivery_roots to the folders below which rules may save.",
            folder=folder,
        )
    else:
        text = Phrase(
            "The folder {folder} is not below one of delivery_roots ({roots}); name a folder that is, or add a root.",
            folder=folder,
            roots=named,
        )
    return FolderRefused(OUTSIDE_ROOTS, text)


def link_in_path(folder: str, component: str) -> FolderRefused:
    """The refusal of a folder that is reached through a link below its root."""
    text = Phrase(
        "The folder {folder} is reached through a link ({component}), which could be led elsewhere; name the folder "
        "that it leads to, or add it to delivery_roots.",
        folder=folder,
        component=component,
    )
    return FolderRefused(LINK_IN_PATH, text)


def path_invalid(folder: str) -> FolderRefused:
    """The refusal of a path that is not absolute, or that has components which are no plain names."""
    text = Phrase(
        "The folder {folder!r} cannot be used: name it by an absolute path of plain names, without `..`.", folder=folder
    )
    return FolderRefused(PATH_INVALID, text)


def _cause(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)


def _numbers(*names: str) -> tuple[int, ...]:
    """The numbers of those that this system has."""
    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


_OF_HOST: Final = frozenset(_numbers("EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"))
_REASONS: Final = {
    number: reason
    for reason, numbers in {
        MISSING: _numbers("ENOENT", "ENOTDIR"),
        # EFBIG: a limit of the file system, or of this process (ulimit -f).
        FULL: _numbers("ENOSPC", "EDQUOT", "EFBIG"),
        READ_ONLY: _numbers("EROFS"),
        # The keys are those of Kerberos, for a share.
        ACCESS_DENIED: _numbers("EACCES", "EPERM", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED"),
        BUSY: _numbers("EBUSY", "EAGAIN", "ETXTBSY", "ENOLCK", "EDEADLK"),
        UNREACHABLE: _numbers(
            *("EIO", "ESTALE", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH", "ENETRESET", "ETIMEDOUT"),
            *("ENOTCONN", "ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "ENOLINK", "EREMOTEIO", "ENXIO", "ENODEV"),
            *("ESHUTDOWN", "ENONET", "ECOMM", "EPIPE", "EPROTO", "EBADMSG", "EUCLEAN", "ETIME"),
        ),
    }.items()
    for number in numbers
}
_BY_WINDOWS_CODE: Final = {
    code: number
    for number, codes in {
        errno.EBUSY: (32, 33, 170),
        errno.ENOSPC: (39, 112, 1295, 1296),
        errno.EROFS: (19,),
        # Names that the network does not know, and servers that do not respond.
        errno.EIO: (21, 51, 53, 54, 55, 58, 59, 64, 67, 121, 1117, 1219, 1222, 1231, 1232, 1236, 1450),
        # 225, 226: a virus scanner found something in it.
        errno.EACCES: (5, 65, 86, 225, 226, 1326, 1327, 1330, 1331, 1396),
        errno.EINVAL: (123, 161),
        errno.ENAMETOOLONG: (111, 206),
    }.items()
    for code in codes
}
"""https://learn.microsoft.com/windows/win32/debug/system-error-codes"""

_TEXTS: Final[dict[str, Callable[[str, str], Phrase]]] = {
    MISSING: lambda folder, cause: Phrase(
        "The import folder {folder} does not exist ({cause}); create it, or mount the share that holds it: folders are "
        "never created by mail-importer.",
        folder=folder,
        cause=cause,
    ),
    FULL: lambda folder, cause: Phrase(
        "The import folder {folder} has no room ({cause}); free some there, or raise its quota.",
        folder=folder,
        cause=cause,
    ),
    READ_ONLY: lambda folder, cause: Phrase(
        "The import folder {folder} is read-only ({cause}); mount it for writing, and let the service write to it "
        "(ReadWritePaths of systemd).",
        folder=folder,
        cause=cause,
    ),
    ACCESS_DENIED: lambda folder, cause: Phrase(
        "Access to the import folder {folder} is denied ({cause}); let the account of mail-importer list it, and "
        "create, rename and delete files in it.",
        folder=folder,
        cause=cause,
    ),
    BUSY: lambda folder, cause: Phrase(
        "The import folder {folder} is in use ({cause}); find the program that locks files there, such as a virus "
        "scanner.",
        folder=folder,
        cause=cause,
    ),
    UNREACHABLE: lambda folder, cause: Phrase(
        "The import folder {folder} does not respond ({cause}); check its disk or file server, the network and the "
        "mount.",
        folder=folder,
        cause=cause,
    ),
    NO_ATOMIC_RENAME: lambda folder, cause: Phrase(
        "The file system of the import folder {folder} can neither rename a file without overwriting another nor link "
        "it ({cause}); use a local disk (ext4, XFS, Btrfs), an SMB share or NFS.",
        folder=folder,
        cause=cause,
    ),
    FAILED: lambda folder, cause: Phrase(
        "The import folder {folder} cannot be used ({cause}); check its disk or file server and the mount.",
        folder=folder,
        cause=cause,
    ),
}
