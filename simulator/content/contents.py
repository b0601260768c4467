"""The bytes of attachments: held, or generated from a seed at each read."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from random import Random
from typing import Protocol

_CHUNK_BYTES = 65_536


class Content(Protocol):
    """Bytes that can be measured, named by their digest, and read in pieces, any number of times."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the whole, hex."""

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes from the start."""


@dataclass(frozen=True)
class HeldContent:
    """Bytes held in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the whole, hex."""
        return hashlib.sha256(self.data).hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of 64 KiB."""
        for start in range(0, len(self.data), _CHUNK_BYTES):
            yield self.data[start : start + _CHUNK_BYTES]


@dataclass(frozen=True)
class GeneratedContent:
    """`size` bytes made from `seed`: 150 MB, the largest attachment (docs/graph.md, section 7), need no memory."""

    size: int
    seed: int = 0

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the whole, hex; reads it once."""
        digest = hashlib.sha256()
        for chunk in self.chunks():
            digest.update(chunk)
        return digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """Yield numbered blocks of 64 KiB, no two alike, so that a lost or repeated one changes the digest."""
        block = Random(self.seed).randbytes(_CHUNK_BYTES - 8)
        for number, start in enumerate(range(0, self.size, _CHUNK_BYTES)):
            chunk = number.to_bytes(8) + block
            yield chunk[: self.size - start]


def read_all(content: Content) -> bytes:
    """Return all of `content` in memory."""
    return content.data if isinstance(content, HeldContent) else b"".join(content.chunks())
