"""A failure of the machine is distinguished from all others, however deep it lies."""

import errno
import os
import tempfile
from typing import NoReturn

import pytest

from hostfaults import HostFault, host_fault_of, probe, temporary_file_fault

_NUMBERS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM]


def _chained(cause: BaseException, *, explicitly: bool) -> BaseException:
    """An error three steps away from its cause."""
    error: BaseException = cause
    for step in ("a", "b", "c"):
        outer = ValueError(step)
        if explicitly:
            outer.__cause__ = error
        else:
            outer.__context__ = error
        error = outer
    return error


@pytest.mark.parametrize(
    "fault",
    [
        *(OSError(number, os.strerror(number)) for number in _NUMBERS),
        MemoryError(),
        RuntimeError("can't start new thread"),
        FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"),
    ],
    ids=repr,
)
def test_trouble_of_the_machine_is_found_among_the_causes(fault: BaseException) -> None:
    for error in (fault, _chained(fault, explicitly=True), _chained(fault, explicitly=False)):
        found = host_fault_of(error)
        assert found is not None
        assert str(found).startswith("This host cannot work on: ")
        assert host_fault_of(found) is found


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ECONNREFUSED, "refused"),
        OSError("no number"),
        FileNotFoundError(errno.ENOENT, "mail.eml"),
        TimeoutError(),
        RuntimeError("something else"),
        ValueError("mail"),
    ],
    ids=repr,
)
def test_other_trouble_is_not(error: BaseException) -> None:
    assert host_fault_of(error) is None


def test_a_circle_of_causes_is_no_endless_search() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert host_fault_of(first) is None


def test_whatever_keeps_a_temporary_file_from_being_made_is_the_machines() -> None:
    assert "TMPDIR" in str(temporary_file_fault(PermissionError(errno.EACCES, "no")))


def test_the_probe_writes_as_an_import_does(monkeypatch: pytest.MonkeyPatch) -> None:
    probe()

    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(HostFault, match="full"):
        probe()
