"""Mails of many parts: well made, badly made, and made in ignorance of the standard."""

from base64 import b64encode
from email.message import EmailMessage
from email.policy import SMTP

from tests.samples.corpus.case import BONJOUR, Case, Row, mail, multipart, text_mail, wire
from tests.samples.nested_mail import mail as packed_mail

_HTML = "Content-Type: text/html; charset=utf-8\n\n<p>Grüße <b>x</b></p>"
_PNG = b"\x89PNG\r\n\x1a\n\x00\xff"
_PICTURE = (
    b"Content-Type: image/png; name=map.png\nContent-ID: <map@1>\nContent-Transfer-Encoding: base64\n"
    b"Content-Disposition: inline; filename=map.png\n\n" + b64encode(_PNG)
)
_CSV = "Content-Type: text/csv\nContent-Disposition: attachment; filename=a.csv\n\n1;2\n3;4\n"
_CSV_ROW = Row("a.csv", b"1;2\r\n3;4\r\n", "text/csv")
_SHOWN = "<p>Grüße <b>x</b></p>"


def _built() -> bytes:
    """Build it with Python's own package."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "Labor <labor@example.com>"
    message["To"] = "Eau <eau@riviere.example>"
    message["Date"] = "Mon, 01 Mar 2027 09:15:00 +0100"
    message["Message-ID"] = "<built@example.com>"
    message["Subject"] = "Résultats d'été " * 12
    message["Importance"] = "High"
    message.set_content("Grüße\n")
    message.add_alternative("<p>Grüße</p><img src='cid:map@1'>\n", subtype="html")
    html = message.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(_PNG, "image", "png", cid="<map@1>", filename="map.png", disposition="inline")
    message.add_attachment(bytes(range(256)), "application", "octet-stream", filename="Ergebnis Süd.bin")
    message.add_attachment("é;1\n", subtype="csv", filename="résultat.csv")
    return message.as_bytes()


_FIVE_DEEP = packed_mail(
    "1", packed_mail("2", packed_mail("3", packed_mail("4", packed_mail("5", ("deep é.csv", b"deep")))))
)


def _nested() -> tuple[Row, ...]:
    """Five mails, each in the one before, and the file in the last."""
    mails = [_FIVE_DEEP]
    for _ in range(4):
        inner = mails[-1].split(b"Content-Type: message/rfc822\r\n\r\n", 1)[1]
        mails.append(inner[: inner.rindex(b"--\r\n", 0, inner.rindex(b"\r\n--")) + 4])
    items = [
        Row(
            str(number + 1),
            content,
            None if number == 0 else "message/rfc822",
            safe=f"{number + 1}.eml",
            kind="item",
            item_type="message",
            parent=number - 1 if number else None,
            origin="item" if number else "graph",
        )
        for number, content in enumerate(mails)
    ]
    return (*items, Row("deep é.csv", b"deep", parent=4, origin="item"))


_DAMAGED = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
_INNER = packed_mail("Inner", ("a.csv", b"1;2"))

CASES = (
    Case(
        "alternative",
        mail("alternative", multipart("alternative", BONJOUR, _HTML)),
        body=_SHOWN,
        body_type="html",
        body_text="Grüße x",
    ),
    Case(
        "alternative-the-wrong-way-round",
        mail("alternative-the-wrong-way-round", multipart("alternative", _HTML, BONJOUR)),
        body=_SHOWN,
        body_type="html",
        body_text="Grüße x",
    ),
    Case(
        "related",
        mail("related", multipart("related", _HTML.replace(">x<", '><img src="cid:map@1"><'), _PICTURE)),
        body='<p>Grüße <b><img src="cid:map@1"></b></p>',
        body_type="html",
        body_text="Grüße",
        rows=(Row("map.png", _PNG, "image/png", inline=True, content_id="map@1"),),
        only_inline=True,
    ),
    Case(
        "as-apple-does",
        mail(
            "as-apple-does",
            multipart("alternative", BONJOUR, multipart("mixed", _HTML, _CSV, _HTML.replace("Grüße", "Ende"))),
        ),
        body=_SHOWN,
        body_type="html",
        body_text="Grüße x",
        rows=(_CSV_ROW, Row("ATT00002.html", b"<p>Ende <b>x</b></p>", "text/html")),
    ),
    Case(
        "a-file-among-alternatives",
        mail("a-file-among-alternatives", multipart("alternative", BONJOUR, "Content-Type: application/pdf\n\n%PDF")),
        body="Bonjour",
        rows=(Row("ATT00001.pdf", b"%PDF", "application/pdf"),),
    ),
    Case(
        "text-after-text",
        mail("text-after-text", multipart("mixed", BONJOUR, "Content-Type: text/plain\n\nListe", _CSV)),
        body="Bonjour",
        rows=(Row("ATT00001.txt", b"Liste", "text/plain"), _CSV_ROW),
    ),
    Case("no-body", mail("no-body", multipart("mixed", _CSV)), body="", rows=(_CSV_ROW,)),
    Case(
        "only-a-file",
        mail(
            "only-a-file", "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\nJVBERg==\n"
        ),
        body="",
        rows=(Row("a.pdf", b"%PDF", "application/pdf"),),
    ),
    Case(
        "never-closed",
        mail("never-closed", multipart("mixed", BONJOUR, _CSV).rsplit(b"--=_", 1)[0]),
        body="Bonjour",
        rows=(_CSV_ROW,),
    ),
    Case(
        "no-boundary",
        mail("no-boundary", "Content-Type: multipart/mixed\n\n--x\n\nBonjour\n--x--\n"),
        body="",
        rows=(Row("ATT00001.dat", b"--x\r\n\r\nBonjour\r\n--x--\r\n", "multipart/mixed"),),
    ),
    Case(
        "same-boundary-within",
        mail(
            "same-boundary-within",
            b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: multipart/mixed; boundary="x y"\n\n'
            b"--x y\n\nBonjour\n--x y\nContent-Type: image/gif\n\nGIF\n--x y--\n--x--\n",
        ),
        body="Bonjour",
        rows=(Row("ATT00001.gif", b"GIF", "image/gif"),),
    ),
    Case(
        "digest",
        mail("digest", multipart("digest", "\n" + "Subject: Eins\n\nText", "\nSubject: Zwei\n\nText")),
        body="",
        rows=tuple(
            Row(name, wire(f"Subject: {name}\n\nText"), None, safe=f"{name}.eml", kind="item", item_type="message")
            for name in ("Eins", "Zwei")
        ),
    ),
    Case(
        "a-mail-in-base64",
        mail("a-mail-in-base64", multipart("mixed", BONJOUR, _DAMAGED + b64encode(_INNER))),
        body="Bonjour",
        rows=(
            Row("Inner", _INNER, None, safe="Inner.eml", kind="item", item_type="message"),
            Row("a.csv", b"1;2", parent=0, origin="item"),
        ),
    ),
    Case(
        "five-deep",
        mail("five-deep", multipart("mixed", BONJOUR, b"Content-Type: message/rfc822\n\n" + _FIVE_DEEP)),
        body="Bonjour",
        rows=_nested(),
    ),
    Case("nothing", b"", subject=None, author=(None, None), sender=(None, None), recipients=(), sent=None, body=""),
    Case(
        "no-mail-at-all",
        bytes(range(128, 256)) * 4,
        subject=None,
        author=(None, None),
        sender=(None, None),
        recipients=(),
        sent=None,
        body=(bytes(range(128, 256)) * 4).decode("cp1252", "replace"),
    ),
    Case("bad-date", mail("bad-date", "\nBonjour\n", Date="yesterday, around noon"), sent=None),
    Case("a-part-with-nul", text_mail("a-part-with-nul", b"a\x00b", "utf-8"), body="a\ufffdb"),
    Case(
        "built",
        _built(),
        subject=("Résultats d'été " * 12).strip(),
        importance="high",
        body="<p>Grüße</p><img src='cid:map@1'>\r\n",
        body_type="html",
        body_text="Grüße",
        rows=(
            Row("map.png", _PNG, "image/png", inline=True, content_id="map@1"),
            Row("Ergebnis Süd.bin", bytes(range(256))),
            Row("résultat.csv", "é;1\r\n".encode(), "text/csv"),
        ),
    ),
    Case(
        "somebody-for-somebody",
        mail("somebody-for-somebody", "\nBonjour\n", Sender="Amt <amt@example.com>", X_Priority="5 (Lowest)"),
        sender=("Amt", "amt@example.com"),
        importance="low",
    ),
)
