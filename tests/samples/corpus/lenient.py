"""Mails that break the rules in ways that mail programs tolerate."""

from base64 import b64encode

from tests.samples.corpus.case import BONJOUR, Case, Row, mail, multipart, text_mail, wire
from tests.samples.nested_mail import mail as packed_mail
from tests.samples.nested_mail import signed, tnef, tnef_file, tnef_text

_CSV = b"sensor;value\r\nA;1\r\nB;2\r\n"
_ENCODED = b64encode(_CSV).decode()
_INNER = packed_mail("Inner", ("a.csv", b"1;2"))
_SHORT = b"Subject: Inner\r\nContent-Type: text/csv; name=a.csv\r\n\r\n1;2"
_XML = b'<?xml version="1.0"?><Fattura>42</Fattura>'
_SIGNED_XML = signed(_XML)
_TEXT_ONLY = tnef(tnef_text(html=b"<p>Messwert Blei: 42 mg/l</p>"))
_TRAILING = tnef(tnef_file("Messwerte Juli.csv", b"a;1")) + b"\r\n"


def _part(headers: str | bytes, content: str | bytes = _ENCODED) -> bytes:
    head = headers.encode() if isinstance(headers, str) else headers
    return head + b"\n\n" + (content.encode() if isinstance(content, str) else content) + b"\n"


def _clear(name: str, part: str | bytes, *rows: Row) -> Case:
    """Clear-signed mail with one part beside its text."""
    body = multipart('signed; protocol="application/pkcs7-signature"', multipart("mixed", BONJOUR, part))
    whole = Row("smime.p7m", wire(body).rstrip(b"\r\n") + b"\r\n", "multipart/signed")
    return Case(name, mail(name, body), body="Bonjour", rows=(whole, *rows))


def _inside(name: str, content: bytes = _CSV, kind: str = "application/octet-stream", detail: str | None = None) -> Row:
    return Row(name, content, kind, parent=0, origin="smime", detail=detail)


def _attached(name: str, part: bytes, *rows: Row) -> Case:
    return Case(name, mail(name, multipart("mixed", BONJOUR, part)), body="Bonjour", rows=rows)


_NAMED = "Content-Type: application/octet-stream; name=werte.csv\nContent-Transfer-Encoding: "
_IN_BASE64 = "\nContent-Transfer-Encoding: base64"
_DISPOSITION = "Content-Type: application/octet-stream\nContent-Disposition: attachment; "
_UMLAUT = "''Pr%C3%BCf.csv"
_NOTE = "\n\nThis mail was scanned, no virus found.\n"
_NOT_BASE64 = "It is not base64 as it says: these are the bytes as they were sent."

CASES = (
    _clear("signed-encoding-with-blank", _part(f"{_NAMED}base64 "), _inside("werte.csv")),
    _clear("signed-encoding-with-comment", _part(f'{_NAMED}"BASE64" (as ever)'), _inside("werte.csv")),
    _clear("signed-stray-character", _part(f"{_NAMED}base64", f"{_ENCODED}Q"), _inside("werte.csv")),
    _clear(
        "signed-no-base64",
        _part(f"{_NAMED}base64", "sensor;value\nA;1"),
        _inside("werte.csv", b"sensor;value\r\nA;1\r\n", detail=_NOT_BASE64),
    ),
    _clear(
        "signed-mail-in-base64",
        _part(f"Content-Type: message/rfc822; name=in.eml{_IN_BASE64}", b64encode(_INNER)),
        Row("in.eml", _INNER, "message/rfc822", kind="item", item_type="message", parent=0, origin="smime"),
        Row("a.csv", b"1;2", parent=1, origin="smime"),
    ),
    _clear(
        "signed-both-names",
        _part(
            "Content-Type: application/octet-stream; name=Pr_fbericht.pdf\nContent-Disposition: attachment; "
            f"filename=\"Pr_fbericht.pdf\"; filename*=UTF-8''Pr%C3%BCfbericht.pdf{_IN_BASE64}"
        ),
        _inside("Prüfbericht.pdf"),
    ),
    _clear(
        "signed-name-with-blanks",
        _part(
            "Content-Type: application/octet-stream\n"
            f"Content-Disposition: attachment; filename=Report May 2025.pdf{_IN_BASE64}"
        ),
        _inside("Report May 2025.pdf"),
    ),
    _clear(
        "signed-latin1-name",
        _part(b'Content-Type: application/octet-stream; name="Pr\xfcf \x80.csv"' + _IN_BASE64.encode()),
        _inside("Prüf €.csv"),
    ),
    _clear(
        "signed-japanese-name",
        _part(f'Content-Type: application/octet-stream; name="=?iso-2022-jp?B?GyRCLSEbKEIuY3N2?="{_IN_BASE64}'),
        _inside("①.csv"),
    ),
    _clear(
        "signed-long-name",
        _part(
            "Content-Type: application/octet-stream\nContent-Disposition: attachment;\n "
            + ";\n ".join(
                f"filename*{n}*={'' if n else chr(39).join(('utf-8', '', ''))}{'%E6%B8%AC' * 20}" for n in range(9)
            )
            + f";\n filename*9=.csv{_IN_BASE64}"
        ),
        Row(f"{'測' * 180}.csv", _CSV, parent=0, origin="smime", safe=f"{'測' * 83}.csv"),
    ),
    _clear(
        "signed-text-behind-text",
        "Content-Type: text/plain\n\nNachtrag: Blei 42 mg/l",
        _inside("ATT00001.txt", b"Nachtrag: Blei 42 mg/l", "text/plain"),
    ),
    _clear(
        "signed-file-among-alternatives",
        multipart("alternative", "\nBonjour", "Content-Type: text/csv; name=werte.csv\n\nA;1"),
        _inside("ATT00001.txt", b"Bonjour", "text/plain"),
        _inside("werte.csv", b"A;1", "text/csv"),
    ),
    _attached(
        "signed-document",
        _part(f"Content-Type: application/pkcs7-mime; name=IT0042.xml.p7m{_IN_BASE64}", b64encode(_SIGNED_XML)),
        Row("IT0042.xml.p7m", _SIGNED_XML, "application/pkcs7-mime"),
        _inside("IT0042.xml", _XML, "text/xml"),
    ),
    _attached(
        "outlook-with-more-at-its-end",
        _part(f"Content-Type: application/ms-tnef; name=winmail.dat{_IN_BASE64}", b64encode(_TRAILING)),
        Row(
            "winmail.dat",
            _TRAILING,
            "application/ms-tnef",
            detail="Unpacked in part. It is damaged or cut off: 2 bytes at its end cannot be read.",
        ),
        Row("Messwerte Juli.csv", b"a;1", "text/csv", parent=0, origin="tnef"),
    ),
    _attached(
        "mail-as-a-file",
        _part(f"Content-Type: application/octet-stream; name=weiter.eml{_IN_BASE64}", b64encode(_INNER)),
        Row("weiter.eml", _INNER),
        Row("a.csv", b"1;2", parent=0, origin="item"),
    ),
    Case(
        "outlook-with-the-text-alone",
        mail(
            "outlook-with-the-text-alone",
            f"Content-Type: application/ms-tnef{_IN_BASE64}\n\n{b64encode(_TEXT_ONLY).decode()}\n",
        ),
        body="",
        body_text="Messwert Blei: 42 mg/l",
        rows=(Row("winmail.dat", _TEXT_ONLY, "application/ms-tnef"),),
    ),
    Case(
        "html-of-two-documents",
        mail(
            "html-of-two-documents",
            "Content-Type: text/html\n\n<html><body>Befund</body></html><html><body>Blei: 42 mg/l</body></html>",
        ),
        body="<html><body>Befund</body></html><html><body>Blei: 42 mg/l</body></html>",
        body_type="html",
        body_text="Befund\nBlei: 42 mg/l",
    ),
    _attached("encoding-with-blank", _part(f"{_NAMED}base64 "), Row("werte.csv", _CSV)),
    _attached(
        "blank-before-colon",
        _part("Content-Type: application/octet-stream; name=werte.csv\nContent-Transfer-Encoding : base64"),
        Row("werte.csv", _CSV),
    ),
    _attached("note-below-base64", _part(f"{_NAMED}base64", f"{_ENCODED}{_NOTE}"), Row("werte.csv", _CSV)),
    _clear("signed-note-below-base64", _part(f"{_NAMED}base64", f"{_ENCODED}{_NOTE}"), _inside("werte.csv")),
    _attached("soft-break", _part(f"{_NAMED}quoted-printable", "a=3db= \t\n;1="), Row("werte.csv", b"a=b;1")),
    _clear("signed-soft-break", _part(f"{_NAMED}quoted-printable", "a=3db= \t\n;1="), _inside("werte.csv", b"a=b;1")),
    _attached(
        "unknown-charset", _part(f"{_DISPOSITION}filename*=x-unknown{_UMLAUT}{_IN_BASE64}"), Row("Prüf.csv", _CSV)
    ),
    _clear(
        "signed-unknown-charset", _part(f"{_DISPOSITION}filename*=x-unknown{_UMLAUT}{_IN_BASE64}"), _inside("Prüf.csv")
    ),
    _attached(
        "name-whole-and-in-pieces",
        _part(f"{_DISPOSITION}filename*=utf-8{_UMLAUT}; filename*1*=v{_IN_BASE64}"),
        Row("Prüf.csv", _CSV),
    ),
    _attached(
        "mail-in-quoted-printable",
        _part(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable", _SHORT.replace(b"=", b"=3D")
        ),
        Row("Inner", _SHORT + b"\r\n", None, kind="item", item_type="message", safe="Inner.eml"),
        Row("a.csv", b"1;2\r\n", "text/csv", parent=0, origin="item"),
    ),
    Case(
        "charset-of-the-html",
        mail("charset-of-the-html", b"Content-Type: text/html\n\n<meta charset=iso-8859-2><p>\xb3</p>"),
        body="<meta charset=iso-8859-2><p>ł</p>",
        body_type="html",
        body_text="ł",
    ),
    Case("byte-order-mark", text_mail("byte-order-mark", b"\xef\xbb\xbf3 \xc2\xb5g/l", "utf-8"), body="3 µg/l"),
    Case(
        "code-page-with-hyphen", text_mail("code-page-with-hyphen", "3 µg/l".encode("cp850"), "cp-850"), body="3 µg/l"
    ),
    _attached("stray-character", _part(f"{_NAMED}base64", f"{_ENCODED}Q"), Row("werte.csv", _CSV)),
    Case(
        "text-among-alternatives-that-is-a-file",
        mail(
            "text-among-alternatives-that-is-a-file",
            multipart(
                "alternative",
                BONJOUR,
                "Content-Type: text/html\n\n<p>Grüße</p>",
                "Content-Type: text/csv\nContent-Disposition: attachment; filename=a.csv\n\n1;2",
            ),
        ),
        body="<p>Grüße</p>",
        body_type="html",
        body_text="Grüße",
        rows=(Row("a.csv", b"1;2", "text/csv"),),
    ),
    Case(
        "eight-bits-in-an-encoded-word",
        mail("eight-bits-in-an-encoded-word", "\nBonjour\n", subject=b"=?iso-8859-1?Q?Pr\xfcfbericht?="),
        subject="Prüfbericht",
    ),
    Case(
        "japanese-of-windows",
        mail("japanese-of-windows", "\nBonjour\n", subject="=?iso-2022-jp?B?GyRCLSEbKEIgdGVzdA==?="),
        subject="① test",
    ),
    Case("groups-in-groups", mail("groups-in-groups", "\nBonjour\n", To="a:" * 1000), recipients=()),
    Case(
        "comments-in-comments",
        mail("comments-in-comments", "\nBonjour\n", To=f"eau@riviere.example {'(' * 1000}Eau{')' * 1000}"),
        recipients=(("to", f"{'(' * 999}Eau{')' * 999}", "eau@riviere.example"),),
    ),
)
