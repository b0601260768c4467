"""A folder of the simulator with more messages than memory would hold: they are made only while they are listed.

Delta query and lists give them in order of their numbers. A single one cannot be fetched.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar, overload

from simulator.content.mail import Mail
from simulator.state.mailboxes import ChangeKind, Folder, FolderChange, Message

_T = TypeVar("_T")
_PREFIX: Final = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
_DEFAULT_PREFIX: Final = "AAMkAGUwNjQ4ZjIxLTQ3Y2YtNDZiYi04YmM1"
_ID_BYTES: Final = 86
_MAIL: Final = Mail(subject="listed")


class _Lazy(Sequence[_T]):
    """A sequence whose items are made when they are read."""

    def __init__(self, length: int, make: Callable[[int], _T]) -> None:
        self._length = length
        self._make = make

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> list[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | list[_T]:
        if isinstance(index, slice):
            return [self._make(number) for number in range(self._length)[index]]
        return self._make(range(self._length)[index])

    def __iter__(self) -> Iterator[_T]:
        return map(self._make, range(self._length))


def message_id(number: int) -> str:
    """The immutable id of a listed message: ids in order of numbers are in no order themselves, as at Graph."""
    return _PREFIX + _tail(number)


def list_messages(folder: Folder, number: int, *, last: datetime) -> None:
    """Have the empty folder list so many messages, a second apart, the last one received at `last`."""
    first = last - timedelta(seconds=number - 1)

    def message(place: int) -> Message:
        received = first + timedelta(seconds=place)
        return Message(
            immutable_id=message_id(place),
            default_id=_DEFAULT_PREFIX + _tail(place),
            folder=folder,
            mail=_MAIL,
            internet_message_id=None,
            conversation_id="conversation",
            sent=received,
            received=received,
            modified=received,
            change_key="CQAAABYAAA",
            order=(received, place),
            attachments=(),
            has_attachments=False,
            entered=place,
        )

    def change(place: int) -> FolderChange:
        made = message(place)
        return FolderChange(ChangeKind.CREATED, made, made.immutable_id, made.default_id)

    folder.messages = _Lazy(number, message)  # type: ignore[assignment]  # nothing is added to it
    folder.changes = _Lazy(number, change)  # type: ignore[assignment]  # as above


def _tail(number: int) -> str:
    return base64.urlsafe_b64encode(hashlib.shake_128(number.to_bytes(8)).digest(_ID_BYTES)).decode()
