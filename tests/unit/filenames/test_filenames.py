"""The names attachments can be written under: any name from a sender becomes valid on any disk, and unique."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filenames import FileNames, extension_for


def _safe(name: str | None, number: int = 1, extension: str = "") -> str:
    return FileNames().take(name, number=number, extension=extension)


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("results.csv", "results.csv"),
        ("Prüfbericht № 7.csv", "Prüfbericht № 7.csv"),
        ("..\\..\\windows\\evil.exe", ".._.._windows_evil.exe"),
        ("/etc/passwd", "_etc_passwd"),
        ("a:b*c?.txt", "a_b_c_.txt"),
        ("tab\tand\x00nul\x85.txt", "tabandnul.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\ufeffname\u200b.txt", "name.txt"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("NUL .tar.gz", "_NUL .tar.gz"),
        ("com1.", "_com1"),
        ("LPT¹.log", "_LPT¹.log"),
        ("CONIN$", "_CONIN$"),
        ("console.txt", "console.txt"),
        ("ends badly. . ", "ends badly"),
        ("  begins badly.txt", "begins badly.txt"),
        ("two  blanks.txt", "two blanks.txt"),
        (".profile", ".profile"),
        ("..", "attachment-1"),
        ("", "attachment-1"),
        (None, "attachment-1"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_a_name_as_sent_becomes_one_that_any_disk_takes(sent: str | None, safe: str) -> None:
    """No path, nothing invisible, no Windows device name; a harmless name stays unchanged."""
    assert _safe(sent) == safe


@pytest.mark.parametrize(
    ("sent", "extension", "safe"),
    [
        ("Original", ".eml", "Original.eml"),
        ("Original.EML", ".eml", "Original.EML"),
        ("Results 3.5", ".eml", "Results 3.5.eml"),
        (None, ".ics", "attachment-4.ics"),
        ("   ", ".vcf", "attachment-4.vcf"),
        ("NUL", ".eml", "_NUL.eml"),
    ],
)
def test_an_item_is_named_with_what_opens_it(sent: str | None, extension: str, safe: str) -> None:
    """Its name is a subject, mostly."""
    assert _safe(sent, 4, extension) == safe


def test_names_of_one_message_differ_whatever_their_letters() -> None:
    """Windows and macOS would write the second over the first; so would a name that was made to be unique."""
    names = FileNames()
    sent = ["a.txt", "A.TXT", "a (2).txt", "a.txt", "Straße.txt", "STRASSE.TXT", "\u212b.txt", "å.txt"]
    taken = [names.take(each, number=number) for number, each in enumerate(sent)]
    assert taken == [
        "a.txt",
        "A (2).TXT",
        "a (2) (2).txt",
        "a (3).txt",
        "Straße.txt",
        "STRASSE (2).TXT",
        "Å.txt",
        "å (2).txt",
    ]


@pytest.mark.parametrize("letter", ["a", "é", "測", "🧪", "."])
def test_a_long_name_keeps_its_extension(letter: str) -> None:
    """The stem is cut: the extension opens the file."""
    names = FileNames()
    first, second = (names.take(letter * 300 + "x.csv", number=1) for _ in range(2))
    for name in (first, second):
        assert name.endswith(".csv")
        assert len(name.encode("utf-16-le")) // 2 <= 200
        assert len(name.encode()) <= 255
    assert first != second


def test_a_packed_archive_keeps_both_its_extensions() -> None:
    """A program that unpacks it knows by them that there are two steps; letter case makes no other name."""
    names = FileNames()
    taken = [names.take(name, number=1) for name in ("a.tar.gz", "A.TAR.GZ", f"{'x' * 300}.tar.gz", ".tar.gz")]
    assert taken[:2] == ["a.tar.gz", "A (2).TAR.GZ"]
    assert taken[2].endswith("x.tar.gz")
    assert taken[3] == ".tar.gz"


def test_extensions_follow_from_the_content_type() -> None:
    """It follows only if the type is specific."""
    assert extension_for("application/pdf; name=x") == ".pdf"
    assert extension_for("application/octet-stream") == ""
    assert extension_for("no such thing") == ""
    assert extension_for(None) == ""


_HARD = st.one_of(
    st.text(max_size=40),
    st.text(max_size=400),
    st.text(alphabet="CONULcom1¹LPT.$ /\\:\u202e\u200b\t", max_size=12),
    st.sampled_from(["a.txt", "A.txt", "a (2).txt", "NUL", "con.txt", "attachment-1", "attachment-2"]),
)


@pytest.mark.slow
@given(st.lists(st.tuples(_HARD | st.none(), st.sampled_from(["", ".eml", ".ics"])), max_size=12))
def test_whatever_is_sent_can_be_written(sent: list[tuple[str | None, str]]) -> None:
    """Every promise at once, of every name, side by side."""
    names = FileNames()
    taken = [names.take(name, number=number, extension=end) for number, (name, end) in enumerate(sent, start=1)]
    assert len({name.lower() for name in taken}) == len(taken)
    for name, (_, extension) in zip(taken, sent, strict=True):
        assert name
        assert name not in {".", ".."}
        assert Path(name).name == name
        assert not set(name) & set('<>:"/\\|?*')
        assert name == name.strip()
        assert not name.endswith(".")
        assert len(name.encode("utf-16-le")) // 2 <= 200
        assert len(name.encode()) <= 255
        assert not {unicodedata.category(each) for each in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
        device = name.partition(".")[0].strip().upper()
        assert device not in {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "COM1", "COM¹", "LPT1", "LPT¹"}
        assert name.lower().endswith(extension)
