"""Names and addresses in a header (RFC 5322, section 3.4), read as leniently as Exchange does, also nested ones."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TOKEN: Final = re.compile(
    r"(?P<word>=\?[^?\s]+\?[bBqQ]\?[^?]*\?=)"
    r'|"(?P<quoted>(?:\\.|[^"\\])*)"'
    r"|<+(?P<angle>[^<>]*)>*"
    r"|(?P<mark>[,;:()])"
    r"|(?P<blank>\s+)"
    r'|\\.|[^\s",;:()<\\=]+|.',
    re.DOTALL,
)
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


def addresses(value: str) -> Iterator[tuple[str, str]]:
    """Yield name and address of each, either of which may be empty; members of groups as if they stood alone.

    Encoded words stay as they are. A text that is neither counts as an address, as an unknown recipient does.
    """
    one = _One()
    for token in _TOKEN.finditer(value):
        if one.depth or token["mark"] in {"(", ")"}:
            one.take_comment(token)
        elif token["mark"] == ":":  # the name of a group ends
            one = _One()
        elif token["mark"]:
            yield from one.found()
            one = _One()
        else:
            one.take(token)
    yield from one.found()


@dataclass
class _One:
    """One mailbox, as far as it is read. `words`: texts between blanks, as shown; `depth`: of open comments."""

    words: list[list[str]] = field(default_factory=lambda: [[]])
    comment: list[str] = field(default_factory=list)
    address: str | None = None
    depth: int = 0

    def take(self, token: re.Match[str]) -> None:
        """Process a token."""
        if token["blank"]:
            self.words.append([])
        elif token["angle"] is not None:
            self.address = "".join(token["angle"].split())
            self.words.append([])
        elif token["quoted"] is not None:
            self.words[-1].append(_PAIR.sub(r"\1", token["quoted"]))
        elif token[0] != '"':  # one that no other closes
            self.words[-1].append(token[0])

    def take_comment(self, token: re.Match[str]) -> None:
        """Process a token that begins, ends or is part of a comment; a lone `)` is dropped."""
        self.depth = max(self.depth + {"(": 1, ")": -1}.get(token["mark"] or "", 0), 0)
        outermost = (self.depth, token["mark"]) in {(1, "("), (0, ")")}
        if not outermost:
            self.comment.append(token[0])

    def found(self) -> Iterator[tuple[str, str]]:
        """Yield name and address, unless there is neither."""
        words, comment = ["".join(each) for each in self.words if each], "".join(self.comment)
        address = self.address
        if address is None:
            address = next((each for each in reversed(words) if "@" in each), " ".join(words))
            words = [each for each in words if each != address] if "@" in address else []
            shown = " ".join(words) or comment
        else:
            remark = f"({comment})" if comment and words else comment
            shown = " ".join([*words, remark]).strip()
        if shown or address:
            yield shown, address
