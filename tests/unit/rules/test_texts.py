"""Forms in which texts are compared: what is equal in them, and how their cost grows."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import texts, words
from rules.texts import comparable, comparable_name
from rules.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" ... ", []),
        ("Guten Tag, Herr Müller!", ["guten", "tag", "herr", "muller"]),
        ("A_b-1.5%", ["a_b", "1", "5"]),
        ("L’Œuvre d’ÉTÉ", ["l", "oeuvre", "d", "ete"]),
        ("Straße STRASSE STRAẞE", ["strasse"] * 3),
        ("Prü\u00adfung e\u0301te\u0301", ["prufung", "ete"]),
        ("Ærø Łódź ıI", ["aero", "lodz", "ii"]),
        ("ＷＩＤＥ ﬁne m²", ["wide", "fine", "m2"]),
        ("試験, OK", ["試", "験", "ok"]),
        ("がﾊﾟー", ["か\u3099", "ハ\u309a", "ー"]),
        ("हिन्दी है", ["हिन्दी", "है"]),
        ("보고서 가", [unicodedata.normalize("NFKD", each) for each in ("보고서", "가")]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("a\ud800b", ["a", "b"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """Words without letter case and accents, in the order of the text."""
    assert words_of(text).split() == words


@given(st.text(st.sampled_from("aÉe\u0301ß .-\u00ad試が\u3099Ａ\n")))
def test_words_of_words(text: str) -> None:
    """Words stand between single blanks, and are their own words."""
    words = words_of(text)
    assert "  " not in words.strip()
    assert words == f" {words.strip()} "
    assert words_of(words) == words


@given(st.text(min_size=300, max_size=700))
def test_pieces_are_invisible(text: str) -> None:
    """A long text is worked on in pieces, cut at any place; ASCII takes a shorter way to the same words."""
    long = f"{text} Prüfung bestanden".ljust(800) * 3
    assert " prufung " in words_of(long)
    ascii_only = long.encode("ascii", "ignore").decode()
    assert words_of(ascii_only) == words._words(ascii_only)


def test_words_across_pieces() -> None:
    """No word is cut in two, and no blank is doubled, where one piece ends."""
    for start in range(65_530, 65_540):
        assert words_of("é " * start + "試") == f" {'e ' * start}試 "
        assert words_of("é, " * start) == f" {'e ' * start}"
        words = words_of("é" * start + " --- été, hiver")
        assert words == f" {'e' * start} ete hiver "


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301\u0316" * 50_000,
        "a" + "\u05b0\u0592\u0315" * 50_000,
        "\ufdfa" * 100_000,
        "\U0001d165\u0592" * 50_000,
    ],
)
def test_texts_made_to_cost(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of each call, and of the result, is bounded for accents on accents, and letters that are sentences.

    Python orders accents in the square of their number, and U+FDFA becomes 18 letters.
    """
    lengths = []

    def counted(form: str, piece: str) -> str:
        lengths.append(len(piece))
        return unicodedata.normalize(form, piece)  # type: ignore[arg-type]  # one of them

    class Counting:
        normalize = staticmethod(counted)
        is_normalized = staticmethod(unicodedata.is_normalized)

    monkeypatch.setattr(texts, "unicodedata", Counting)
    for form in (words_of, comparable, comparable_name):
        assert len(form(text)) <= 4 * len(text) + 2
    assert max(lengths, default=0) <= 1024
    assert sum(lengths) <= 8 * len(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PRÜFUNG", "Pru\u0308fung"),
        ("straße", "STRASSE"),
        ("ﾃｽﾄ", "テスト"),
        ("ＡＢＣ", "abc"),
        ("a" * 300 + "é", "A" * 300 + "É"),
    ],
)
def test_comparable(one: str, other: str) -> None:
    """Texts that read the same are equal."""
    assert comparable(one) == comparable(other)


def test_comparable_names() -> None:
    """File names are equal in any letter case and coding of accents, but wide letters are others."""
    assert comparable_name("PRÜFUNG.CSV") == comparable_name("pru\u0308fung.csv")
    assert comparable_name("ＡＢＣ") != comparable_name("ABC")


@given(st.text(st.sampled_from([bytes([n]).decode("cp1252", "ignore") or "a" for n in range(256)])))
def test_western_words(text: str) -> None:
    """Western texts take a shorter way to the same words."""
    assert words._western_words(text).split() == words._words(text).split()
    assert words_of(text).strip() == words_of(f"{text} 試").removesuffix("試 ").strip()
