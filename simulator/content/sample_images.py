"""Small valid JPEG and PNG files, drawn from a seeded source: the photographs of field reports."""

import struct
import zlib
from random import Random

# Annex K of ITU-T T.81: the usual Huffman table for luminance DC. Of AC only "end of block" is ever written.
_DC_COUNTS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_VALUES = bytes(range(12))
_AC_COUNTS = bytes([1] + [0] * 15)
_AC_VALUES = b"\x00"
_BLOCK = 8


def jpeg(random: Random, blocks_wide: int = 20, blocks_high: int = 15) -> bytes:
    """Return a grey baseline JPEG of blocks of 8 by 8 pixels, darker towards the bottom like a landscape."""
    bits = _Bits()
    codes = _dc_codes()
    previous = 0
    for row in range(blocks_high):
        for _ in range(blocks_wide):
            level = 60 - 120 * row // blocks_high + random.randint(-12, 12)
            _write_difference(bits, codes, level - previous)
            previous = level
            bits.write(0, 1)
    width, height = blocks_wide * _BLOCK, blocks_high * _BLOCK
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
            _segment(0xDB, b"\x00" + bytes([8] * 64)),
            _segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"),
            _segment(0xC4, b"\x00" + _DC_COUNTS + _DC_VALUES),
            _segment(0xC4, b"\x10" + _AC_COUNTS + _AC_VALUES),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            bits.finish(),
            b"\xff\xd9",
        ),
    )


def png(random: Random, width: int = 64, height: int = 48) -> bytes:
    """Return an RGB PNG: a chart-like picture."""
    red, green, blue = random.randrange(256), random.randrange(256), random.randrange(256)
    rows = bytearray()
    for _ in range(height):
        edge = random.randrange(width)
        rows += b"\x00" + bytes((red, green, blue)) * edge + b"\xff\xff\xff" * (width - edge)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(rows))) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


class _Bits:
    def __init__(self) -> None:
        self._data = bytearray()
        self._held = 0
        self._count = 0

    def write(self, value: int, count: int) -> None:
        self._held = (self._held << count) | value
        self._count += count
        while self._count >= 8:
            self._count -= 8
            byte = (self._held >> self._count) & 0xFF
            self._data.append(byte)
            if byte == 0xFF:
                self._data.append(0)
        self._held &= (1 << self._count) - 1

    def finish(self) -> bytes:
        if self._count:
            padding = 8 - self._count
            self.write((1 << padding) - 1, padding)
        return bytes(self._data)


def _dc_codes() -> dict[int, tuple[int, int]]:
    codes = {}
    code, values = 0, iter(_DC_VALUES)
    for length, count in enumerate(_DC_COUNTS, start=1):
        for _ in range(count):
            codes[next(values)] = (code, length)
            code += 1
        code <<= 1
    return codes


def _write_difference(bits: _Bits, codes: dict[int, tuple[int, int]], difference: int) -> None:
    category = abs(difference).bit_length()
    bits.write(*codes[category])
    if category:
        bits.write(difference if difference > 0 else difference + (1 << category) - 1, category)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
