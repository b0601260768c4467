"""Names of parts and texts in headers, in all spellings of senders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.content.mime_headers import readable, split_headers

_DISPOSITION = b"Content-Disposition: attachment; "
_TYPE = b"Content-Type: application/pdf; "


def _name(headers: bytes) -> str | None:
    return split_headers(headers, 0, len(headers))[0].file_name()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        (b"filename=Report May 2025.pdf; size=3", "Report May 2025.pdf"),
        (b"filename=Report (final).pdf", "Report (final).pdf"),
        (b'filename="a; b.csv"; size=3', "a; b.csv"),
        (b'filename="never closed.csv; size=3', "never closed.csv"),
        (b'filename="a \\"b\\".csv"', 'a "b".csv'),
        (b'filename="C:\\Temp\\a.csv"', "C:\\Temp\\a.csv"),
        (b"FileName*=UTF-8''Pr%C3%BCf.pdf", "Prüf.pdf"),
        (b"filename*=\"iso-8859-1'de'%80uro.csv\"", "€uro.csv"),
        (b"filename*=gb2312''%E9F.csv", "镕.csv"),
        (b"filename*=%C3%BC.csv", "ü.csv"),
        (b"filename*=O'Brien's.pdf", "O'Brien's.pdf"),
        (b"filename*2=\".csv\"; filename*0*=utf-8''%E6%B8; filename*1*=%AC", "測.csv"),
        (b'filename*0="=?utf-8?B?w6ku"; filename*1="Y3N2?="', "é.csv"),
        (b"filename*=utf-8''" + b"%E6%B8%AC" * 3000 + b".csv", f"{'測' * 3000}.csv"),
        (b'filename="Pr\xfcf \x80.csv"', "Prüf €.csv"),
        ('filename="測.csv"'.encode(), "測.csv"),
        (b'filename="=?iso-8859-1?Q?Pr\xfcf.csv?="', "Prüf.csv"),
        (b'filename="=?iso-2022-jp?B?GyRCLSEbKEIuY3N2?="', "①.csv"),
        (b'filename=""', None),
        (b"size=3", None),
        (b"filename*=utf-8''Pr%FCf.pdf", "Prüf.pdf"),
        (b"filename*=x-unknown''Pr%C3%BCf.pdf", "Prüf.pdf"),
        (b"filename*='Pr%C3%BCf.pdf'", "'Prüf.pdf'"),
        (b'filename="a.csv" (final)', "a.csv"),
        (b'filename="a.csv" size=3', "a.csv"),
        (b'filename="Messwerte\r\n\tJuli.csv"', "Messwerte Juli.csv"),
    ],
)
def test_a_name_is_read_however_it_is_written(parameters: bytes, name: str | None) -> None:
    """It keeps its blanks and its extension, in its charset."""
    assert _name(_DISPOSITION + parameters) == name


@pytest.mark.parametrize(
    ("of_disposition", "of_type", "name"),
    [
        (b"filename=Pr_fung.pdf; filename*=utf-8''Pr%C3%BCfung.pdf", b"name=Pr_fung.pdf", "Prüfung.pdf"),
        (b"filename=Pr_fung.pdf", b"name*=utf-8''Pr%C3%BCfung.pdf", "Prüfung.pdf"),
        (b"filename=Pr?fung.pdf", b'name="=?utf-8?Q?Pr=C3=BCfung.pdf?="', "Prüfung.pdf"),
        (b"filename*=utf-8''Pr%FCfung.pdf", b'name="Pr\xfcfung.pdf"', "Prüfung.pdf"),
        (b"filename=Bericht", b"name=Bericht.pdf", "Bericht.pdf"),
        (b"filename=a.pdf", b"name=b.pdf", "a.pdf"),
    ],
)
def test_of_several_names_the_one_that_lost_least_counts(of_disposition: bytes, of_type: bytes, name: str) -> None:
    """Senders write several, for programs of several ages."""
    assert _name(_DISPOSITION + of_disposition + b"\r\n" + _TYPE + of_type) == name
    assert _name(_TYPE + of_type + b"\r\n" + _DISPOSITION + of_disposition) == name


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Disposition: attachment filename=a.csv",
        b'Content-Disposition: attachment, filename="a.csv"; size=3',
        b'Content-Type: text/csv charset="x name=no" name="a.csv"',
        b"Content-Type: text/csv;\r\nname=a.csv\r\nContent-Transfer-Encoding: base64",
        b"Content-Type: text/csv\r\nwhat is this\r\nContent-Disposition: attachment; filename=a.csv",
        b"\xef\xbb\xbfContent-Type: text/csv; name=a.csv",
    ],
)
def test_a_name_is_found_among_malformed_headers(headers: bytes) -> None:
    """A missing semicolon or blank, a line that is no header, and a mark before the first one."""
    assert _name(headers + b"\r\n\r\nBlei;42") == "a.csv"


@pytest.mark.parametrize("body", [b"Hello\r\nworld", b"Hello\r\n\r\nContent-Type: a/b", b"a;b\r\n" * 60])
def test_a_line_that_is_no_header_begins_the_body(body: bytes) -> None:
    """The empty line before it is missing."""
    data = b"Subject: x\r\n" + body
    headers, start = split_headers(data, 0, len(data))
    assert (len(headers.fields), data[start:]) == (1, body)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece",
    [b'x="\\"', b"; a=b", b'"', b"=?a?q?", b"=?a?q?b?= ", b" =", b"\\", b"*0*=", b"'", b"a\r\n", b", a", b"a= "],
)
def test_time_grows_with_the_length(piece: bytes) -> None:
    """It holds for any input of a sender."""
    header = _TYPE + piece * 100_000
    headers, _ = split_headers(header, 0, len(header))
    headers.file_name(), headers.content_type(), headers.text(b"content-type")


@given(st.binary(max_size=200))
def test_something_is_made_of_every_header(value: bytes) -> None:
    """A header never blocks the part."""
    headers, body = split_headers(_DISPOSITION + value, 0, len(_DISPOSITION) + len(value))
    headers.file_name(), headers.disposition(), headers.type_parameter("charset"), readable(value)
    assert 0 <= body <= len(_DISPOSITION) + len(value)
