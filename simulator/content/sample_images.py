"""Pictures of field reports: a photograph and a chart, as files beside this module."""

from pathlib import Path
from random import Random
from typing import Final

_FOLDER: Final = Path(__file__).with_name("images")
_START: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"


def photograph(random: Random) -> bytes:
    """Return a JPEG that differs from others by a comment (ITU-T T.81, B.2.4.5)."""
    picture = (_FOLDER / "field.jpg").read_bytes()
    comment = f"Camera {random.randrange(1_000_000):06}".encode()
    return b"".join((_START, _COMMENT, (len(comment) + 2).to_bytes(2, "big"), comment, picture.removeprefix(_START)))


def chart() -> bytes:
    """Return a PNG."""
    return (_FOLDER / "chart.png").read_bytes()
