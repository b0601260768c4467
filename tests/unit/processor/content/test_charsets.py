"""Text by the labels of mails: decoded like in Windows and browsers, wider than Python's codecs of those names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.content.charsets import code_page_label, codec_of, decoded


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (b"3 \x80 \x93x\x94", "ISO-8859-1", "3 € “x”"),
        ("镕".encode("gbk"), "gb2312", "镕"),
        (b"\x1b$B-!\x1b(B test", "iso-2022-jp", "① test"),
        (b"\x1b(I123\x1b(B\r\n\x1b$B?e", "ISO-2022-JP", "ｱｲｳ\r\n水"),
        (b"\x1b$(D\x30\x21\x1b(B", "iso-2022-jp-1", b"\x8f\xb0\xa1".decode("euc_jp")),
        ("水質検査の結果".encode("iso2022_jp"), "iso-2022-jp", "水質検査の結果"),
        (b"\xad\xa1 \xbf\xe5", "euc-jp", "① 水"),
        ("①".encode("cp932"), "Shift_JIS", "①"),
        ("뷁".encode("cp949"), "ks_c_5601-1987", "뷁"),
        ("ก".encode("cp874"), "windows-874", "ก"),
        (b"\xe9t\xe9", "us-ascii", "été"),
        ("été".encode(), None, "été"),
        (b"4pyT", "base64", "4pyT"),
        (b"\\u0041", "unicode_escape", "\\u0041"),
        (b"x", "\x00", "x"),
        (b"\xef\xbb\xbf3 \xc2\xb5g/l", "utf-8", "3 µg/l"),
        (b"\xef\xbb\xbf3 \xc2\xb5g/l", "iso-8859-1", "3 µg/l"),
        ("3 µg/l".encode("utf-16"), None, "3 µg/l"),
        (b"\xfe\xff" + "3 µg/l".encode("utf-16-be"), "utf-16", "3 µg/l"),
        ("3 µg/l".encode("utf-32"), "utf-32", "3 µg/l"),
        (b"3 \xb5g/l", "utf-8", "3 µg/l"),
        ("3 µg/l, m".encode() + b"\xb3", "utf-8", "3 µg/l, m\ufffd"),
        (b"+2AA-42", "utf-7", "\ufffd42"),
        ("铅".encode("gbk"), "GB_2312-80", "铅"),
        ("Свинец".encode("koi8-r"), "koi8", "Свинец"),
        ("납".encode("cp949"), "ks_c_5601-1989", "납"),
    ],
)
def test_a_label_means_what_senders_mean_by_it(data: bytes, label: str | None, text: str) -> None:
    """A byte order mark counts first; what is unknown, or not what it says, is UTF-8 or Windows-1252."""
    assert decoded(data, label) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1251, "Вода"), (28592, "Kraków"), (65001, "測"), (50220, "水"), (936, "镕"), (20866, "Вода"), (99999, "é")],
)
def test_code_pages_have_numbers(number: int, text: str) -> None:
    """The numbers are Windows'; an unknown one is Windows-1252."""
    label = code_page_label(number)
    assert decoded(text.encode(codec_of(label) or ""), label) == text


@given(st.binary(max_size=60), st.sampled_from(["iso-2022-jp", "euc-jp", "utf-16", "utf-7", "hz", "big5"]))
def test_something_is_made_of_all_bytes(data: bytes, label: str) -> None:
    """U+FFFD replaces invalid bytes."""
    assert isinstance(decoded(data, label), str)
