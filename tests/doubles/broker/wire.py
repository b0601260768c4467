"""Messages as bytes: their sections kept unchanged, header and annotations rebuilt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from proton import Data, Described, symbol, timestamp, ubyte, uint, ulong

_HEADER, _ANNOTATIONS, _PROPERTIES, _APPLICATION, _DATA = 0x70, 0x72, 0x73, 0x74, 0x75
_BARE = range(0x70, 0x79)


@dataclass(frozen=True)
class Content:
    """The sent message, without the parts that the queue adds."""

    properties: bytes
    application: Mapping[Any, Any]
    application_raw: bytes
    body: bytes
    message_id: object = None
    scheduled: float | None = None

    @property
    def size(self) -> int:
        """Size in bytes, approximately."""
        return len(self.properties) + len(self.application_raw) + len(self.body) + 100

    def with_properties(self, added: Mapping[str, str | None]) -> "Content":
        """Return a copy with more application properties."""
        merged = {**self.application, **{key: value for key, value in added.items() if value is not None}}
        return replace(self, application=merged, application_raw=_section(_APPLICATION, merged))

    def encoded(self, annotations: Mapping[str, Any], *, delivery_count: int) -> bytes:
        """The message as the queue delivers it."""
        header = _section(_HEADER, [True, ubyte(4), None, None, uint(delivery_count)])
        marks = _section(_ANNOTATIONS, {symbol(key): value for key, value in annotations.items()})
        return header + marks + self.properties + self.application_raw + self.body


def read(raw: bytes) -> list[Content]:
    """Decode the message, or the messages of a batch."""
    sections = list(_sections(raw))
    bodies = [value for code, _, value in sections if code == _DATA]
    # A batch is a message of data sections that are messages themselves; Proton does not show its format.
    if bodies and all(len(each) > 3 and each[:2] == b"\x00\x53" and each[2] in _BARE for each in bodies):
        return [_content(list(_sections(each))) for each in bodies]
    return [_content(sections)]


def when(seconds: float) -> timestamp:
    """A time in AMQP format."""
    return timestamp(int(seconds * 1000))


def _content(sections: list[tuple[int, bytes, Any]]) -> Content:
    parts = {code: (raw, value) for code, raw, value in sections if code != _DATA}
    properties_raw, properties = parts.get(_PROPERTIES, (b"", []))
    application_raw, application = parts.get(_APPLICATION, (b"", {}))
    annotations = {str(key): value for key, value in parts.get(_ANNOTATIONS, (b"", {}))[1].items()}
    scheduled = annotations.get("x-opt-scheduled-enqueue-time")
    return Content(
        properties=properties_raw,
        application=application,
        application_raw=application_raw,
        body=b"".join(raw for code, raw, _ in sections if code >= _DATA),
        message_id=properties[0] if properties else None,
        scheduled=None if scheduled is None else int(scheduled) / 1000,
    )


def _sections(raw: bytes) -> Iterator[tuple[int, bytes, Any]]:
    start = 0
    while start < len(raw):
        data = Data()
        used = data.decode(raw[start:])
        data.rewind()
        data.next()
        described: Any = data.get_py_described()
        value = described.value
        yield (
            int(described.descriptor),
            raw[start : start + used],
            bytes(value) if isinstance(value, memoryview) else value,
        )
        start += used


def _section(code: int, value: list[Any] | Mapping[Any, Any]) -> bytes:
    data = Data()
    data.put_object(Described(ulong(code), value if isinstance(value, list) else dict(value)))
    return bytes(data.encode())
