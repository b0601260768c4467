"""Injected faults, switched on and off while the simulator runs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from random import Random
from typing import Any

from simulator.calls import Operation


class FaultKind(StrEnum):
    """Graph calls and sign-in: the first group. Delta query, notifications and the handshake: the others."""

    LATENCY = "latency"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    RESET = "reset"
    RESET_IN_BODY = "reset_in_body"
    TRUNCATED = "truncated"
    ANSWER_LOST = "answer_lost"
    HANG = "hang"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND_AT_FIRST = "not_found_at_first"
    CORRUPT = "corrupt"
    REFUSED = "refused"
    SIGN_IN_REFUSED = "sign_in_refused"

    SYNC_STATE_LOST = "sync_state_lost"
    DELTA_REPLAYED = "delta_replayed"
    DELTA_DUPLICATED = "delta_duplicated"
    DELTA_EMPTY_PAGE = "delta_empty_page"
    DELTA_DELAYED = "delta_delayed"

    NOTIFICATION_DUPLICATED = "notification_duplicated"
    NOTIFICATION_LOST = "notification_lost"
    NOTIFICATION_FORGED = "notification_forged"
    NOTIFICATION_UNSIGNED = "notification_unsigned"
    NOTIFICATION_DELAYED = "notification_delayed"
    NOTIFICATION_REORDERED = "notification_reordered"

    VALIDATION_SKIPPED = "validation_skipped"
    VALIDATION_WRONG_TOKEN = "validation_wrong_token"  # noqa: S105 - the name of a fault
    VALIDATION_TIMED_OUT = "validation_timed_out"


_SIGN_IN_OPERATIONS = {Operation.TOKEN, Operation.DISCOVERY}


@dataclass
class Fault:
    """One fault.

    It strikes with `probability`, at most `count` times (`None`: no end), and only what its scope names: `operation`,
    `mailbox` (address or user id), `message_id` (either format), `attachment_id`: calls whose answer would hold bytes
    of that attachment. Without an operation it strikes calls of Graph only, not sign-in.

    `seconds`: LATENCY, NOTIFICATION_DELAYED. `status`: UNAVAILABLE (500, 503, 504). `retry_after` in seconds, written
    as an HTTP date with `retry_after_as_date`, left out when `None`: THROTTLED, UNAVAILABLE. `times`:
    NOT_FOUND_AT_FIRST answers 404 to the first so many GETs of each message. CORRUPT answers 500 `ErrorCorruptData`,
    REFUSED `status` with `error_code`. `code`: SIGN_IN_REFUSED, the number after AADSTS. SYNC_STATE_LOST strikes
    calls with a token, with `status` (410 has a `Location`; else a 40x) and `error_code`, in any spelling.
    DELTA_REPLAYED reports changes of earlier rounds again, DELTA_DELAYED holds the last one back for a later round.
    ANSWER_LOST executes the call, and ends the connection without a byte.
    """

    kind: FaultKind
    probability: float = 1.0
    count: int | None = None
    operation: Operation | None = None
    mailbox: str | None = None
    message_id: str | None = None
    attachment_id: str | None = None
    seconds: float = 0.0
    status: int = 503
    retry_after: float | None = None
    retry_after_as_date: bool = False
    times: int = 1
    code: int = 700027
    error_code: str = "SyncStateNotFound"

    def as_dict(self) -> dict[str, Any]:
        """Return the fault as JSON values."""
        return asdict(self)


def fault_from_dict(values: dict[str, Any]) -> Fault:
    """Read a fault from JSON values.

    Raises:
        ValueError: an unknown key or kind, or no kind.
    """
    unknown = set(values) - {item.name for item in fields(Fault)}
    if unknown or "kind" not in values:
        msg = f"a fault has a kind, and no {', '.join(sorted(unknown)) or 'less'}"
        raise ValueError(msg)
    operation = values.get("operation")
    known = {**values, "kind": FaultKind(values["kind"]), "operation": Operation(operation) if operation else None}
    return Fault(**known)


@dataclass(frozen=True)
class Subject:
    """The target of a fault: the names that a scope can match."""

    operation: Operation | None = None
    mailbox: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()


@dataclass
class _Active:
    fault: Fault
    seen: dict[str, int] = field(default_factory=dict)


class Faults:
    """The faults now switched on. `struck` counts the strikes of each kind."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._active: dict[int, _Active] = {}
        self._next_id = 1
        self.struck: dict[FaultKind, int] = {}

    def __bool__(self) -> bool:
        return bool(self._active)

    def add(self, fault: Fault) -> int:
        """Switch a fault on; returns the number to switch it off by."""
        number = self._next_id
        self._next_id += 1
        self._active[number] = _Active(replace(fault))
        return number

    def remove(self, number: int) -> bool:
        """Switch a fault off; return False if it was not on."""
        return self._active.pop(number, None) is not None

    def clear(self) -> None:
        """Switch all faults off."""
        self._active.clear()

    def replace(self, faults: list[Fault]) -> list[int]:
        """Switch on these and no others."""
        self.clear()
        return [self.add(fault) for fault in faults]

    def active(self) -> dict[int, Fault]:
        """Return the faults that are on, by number; `count` is the rest of it."""
        return {number: entry.fault for number, entry in self._active.items()}

    def strike(self, kind: FaultKind, subject: Subject) -> Fault | None:
        """Return a fault of that kind that strikes the subject now, counted as having struck."""
        if not self._active:
            return None
        return self._strike(lambda fault: fault.kind is kind, subject)

    def strike_call(self, subject: Subject, kinds: frozenset[FaultKind]) -> Fault | None:
        """Return the first fault of any of these kinds that strikes a call."""
        if not self._active:
            return None
        return self._strike(lambda fault: fault.kind in kinds, subject)

    def _strike(self, wanted: Callable[[Fault], bool], subject: Subject) -> Fault | None:
        for number, entry in list(self._active.items()):
            fault = entry.fault
            if wanted(fault) and _covers(fault, subject) and self._happens(entry, subject):
                self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        del self._active[number]
                return fault
        return None

    def _happens(self, entry: _Active, subject: Subject) -> bool:
        fault = entry.fault
        if fault.kind is FaultKind.NOT_FOUND_AT_FIRST:
            name = subject.message[0] if subject.message else ""
            entry.seen[name] = entry.seen.get(name, 0) + 1
            if entry.seen[name] > fault.times:
                return False
        return fault.probability >= 1 or self._random.random() < fault.probability


def _covers(fault: Fault, subject: Subject) -> bool:
    if fault.operation is None:
        if subject.operation in _SIGN_IN_OPERATIONS and fault.kind is not FaultKind.SIGN_IN_REFUSED:
            return False
    elif fault.operation is not subject.operation:
        return False
    if fault.kind is FaultKind.NOT_FOUND_AT_FIRST and subject.operation is not Operation.GET_MESSAGE:
        return False
    if fault.mailbox is not None and fault.mailbox.lower() not in subject.mailbox:
        return False
    if fault.attachment_id is not None and fault.attachment_id not in subject.attachments:
        return False
    return fault.message_id is None or fault.message_id in subject.message
