"""RTF in the packed form of Outlook's mail texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.content.parts import NotUnpacked
from processor.content.rtf import RichText, decompressed, text_of

# The examples of MS-OXRTFCP, sections 4.1 and 4.2.
_SIMPLE = "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
_CROSSING = "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0"

_ENCAPSULATED = (
    rb"{\rtf1\ansi\ansicpg1252\fromhtml1{\fonttbl{\f0;}{\f1\fcharset204 y;}}{\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 "
    rb"{\f1 \'cf\'f0}{\*\htmltag84 &lt;}\htmlrtf }\par x\htmlrtf0{\*\mhtmltag84 <i>}{\*\htmltag72 </p>}}"
)


def test_compressed_rtf_is_expanded() -> None:
    """A copy may overlap the data being written."""
    assert decompressed(bytes.fromhex(_SIMPLE)) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompressed(bytes.fromhex(_CROSSING)) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert decompressed(bytes.fromhex(_SIMPLE)[:-10]).startswith(b"{\\rtf1\\ansi\\ansicpg1252\\pard")
    with pytest.raises(NotUnpacked):
        decompressed(b"no RTF at all, of any form")


@pytest.mark.parametrize(
    ("source", "text", "is_html"),
    [
        (rb"{\rtf1\ansi\ansicpg1252 Pr\'fcfung\par \u8364? x\~y}", "Prüfung\r\n€ x\u00a0y", False),
        (rb"{\rtf1\fromtext{\fonttbl{\f0 x;}}a\tab b{\*\generator y;}{\pict 01}\line c}", "a\tb\r\nc", False),
        (
            _ENCAPSULATED,
            "<p>Пр&lt;</p>",
            True,
        ),
        (rb"{\rtf1{\fonttbl{\f1\fcharset128 x;}}\f1 \'8c\'8e{\f0 a}}", "月a", False),
        (rb"{\rtf1\uc2\u27700\'90\'85 \u-10179??\u-8704??}", "水 😀", False),
        (rb"{\rtf1 a\bin5 {{{{{b}", "ab", False),
        (
            rb"{\rtf1 10{\super -6} m\super 3\nosupersub 2 42\super 1)\plain 7\super er\super0 8}",
            "10⁻⁶ m³2 42¹⁾7er8",
            False,
        ),
    ],
)
def test_the_text_is_what_was_made_into_rtf(source: bytes, text: str, is_html: bool) -> None:
    """HTML without its twin in RTF, characters of all fonts, no hidden text; exponents stay raised."""
    assert text_of(source) == RichText(text, is_html)


@given(st.lists(st.sampled_from([b"{", b"}", b"\\", b"\\par", b"\\u9", b"\\'8", b"\\f1", b"x", b"\\*", b"\\bin9"])))
def test_damage_stops_nothing(tokens: list[bytes]) -> None:
    """Some text results, or none."""
    text_of(b"".join(tokens))
