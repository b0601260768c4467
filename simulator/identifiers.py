"""Ids in the formats of Graph and Entra, from a seeded source."""

import base64
from random import Random

# The first 27 bytes of every Exchange item id: store and format, the same over many messages.
_IMMUTABLE_PREFIX = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
_DEFAULT_PREFIX = "AAMkAGUwNjQ4ZjIxLTQ3Y2YtNDZiYi04YmM1"
_FOLDER_PREFIX = "AQMkAGUwNjQ4ZjIxLTQ3Y2YtNDZiYi04YmM1"


class Identifiers:
    """Makes new ids; the same `random` state gives the same ids."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def guid(self) -> str:
        """Return a version 4 GUID in lower case."""
        bits = self._random.getrandbits(128)
        digits = f"{bits:032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def immutable_message_id(self) -> str:
        """Return an immutable id: 152 characters, case-sensitive, encoded in paths (docs/graph.md, section 7)."""
        return _IMMUTABLE_PREFIX + self._tail(86)

    def default_message_id(self) -> str:
        """Return a default id, as a message gets at every move."""
        return _DEFAULT_PREFIX + self._tail(86)

    def folder_id(self) -> str:
        """Return a folder id; these are constant (docs/graph.md, section 7)."""
        return _FOLDER_PREFIX + base64.urlsafe_b64encode(self._random.randbytes(59)).decode()

    def attachment_id(self) -> str:
        """Return an attachment id."""
        return _DEFAULT_PREFIX + base64.urlsafe_b64encode(self._random.randbytes(110)).decode()

    def change_key(self) -> str:
        """Return a change key, the inside of an `@odata.etag`."""
        return "CQAAABYAAA" + base64.b64encode(self._random.randbytes(22)).decode().replace("/", "_")

    def _tail(self, size: int) -> str:
        data = self._random.randbytes(size)
        if self._random.random() < 0.75:
            return base64.urlsafe_b64encode(data).decode()
        # Older ids use the plain alphabet: a client that does not percent-encode them is detected.
        text = base64.b64encode(data).decode()
        return f"{text[:8]}+{text[9:16]}/{text[17:]}"
