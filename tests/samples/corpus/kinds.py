"""Mails that are more than mail: signed, encrypted, Outlook's own, meetings, reports, recordings."""

from base64 import b64encode

from tests.samples.corpus.case import BONJOUR, Case, Row, mail, multipart, wire
from tests.samples.nested_mail import enveloped, signed, tnef, tnef_file
from tests.samples.nested_mail import mail as packed_mail

_REPORT = packed_mail("Signed", ("report.csv", b"1;2"))
_SIGNED = signed(_REPORT)
_SECRET = enveloped(_REPORT)
_WINMAIL = tnef(tnef_file("Résultats 測.csv", b"x;y"))
_SEALED = b"\x76\xe8\x04\x60\xc4\x11\xe3\x86rpmsg"
_PROTECTED = "Not unpacked. It is encrypted (Microsoft's rights management): only Microsoft's programs open it."
_WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


def _base64(headers: str, content: bytes) -> bytes:
    return f"{headers}\nContent-Transfer-Encoding: base64\n\n".encode() + b64encode(content) + b"\n"


_CLEAR = multipart(
    'signed; protocol="application/pkcs7-signature"; micalg=sha-256',
    multipart("mixed", BONJOUR, "Content-Type: text/csv; name=a.csv\n\n1;2"),
    _base64("Content-Type: application/pkcs7-signature; name=smime.p7s", b"signature"),
)


def _meeting(name: str, method: str, type_name: str) -> Case:
    calendar = (
        f"Content-Type: text/calendar; charset=utf-8; method={method}\n\nBEGIN:VCALENDAR\nMETHOD:{method}\n"
        "BEGIN:VEVENT\nSUMMARY:Prélèvement\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    return Case(name, mail(name, multipart("alternative", BONJOUR, calendar)), body="Bonjour", type_name=type_name)


_STATUS = (
    "Reporting-MTA: dns; mx.example.com\n\nFinal-Recipient: rfc822; x@example.com\nAction: failed\nStatus: 5.1.1\n"
)
_RETURNED = packed_mail("Original", ("a.csv", b"1;2"))
_DISPOSITION = "Final-Recipient: rfc822; eau@riviere.example\nDisposition: manual-action; displayed\n"

CASES = (
    Case(
        "signed-opaque",
        mail(
            "signed-opaque",
            _base64("Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", _SIGNED),
        ),
        body="",
        body_text="Bonjour",
        rows=(
            Row("smime.p7m", _SIGNED, "application/pkcs7-mime"),
            Row(
                None,
                _REPORT,
                "message/rfc822",
                safe="attachment-2.eml",
                kind="item",
                item_type="message",
                parent=0,
                origin="smime",
            ),
            Row("report.csv", b"1;2", parent=1, origin="smime"),
        ),
    ),
    Case(
        "signed-clear",
        mail("signed-clear", _CLEAR),
        body="Bonjour",
        rows=(
            Row("smime.p7m", wire(_CLEAR).rstrip(b"\r\n") + b"\r\n", "multipart/signed"),
            Row("a.csv", b"1;2", "text/csv", parent=0, origin="smime"),
            Row("smime.p7s", b"signature", "application/pkcs7-signature", parent=0, origin="smime"),
        ),
    ),
    Case(
        "encrypted",
        mail(
            "encrypted",
            _base64("Content-Type: application/x-pkcs7-mime; smime-type=enveloped-data", _SECRET),
        ),
        body="",
        rows=(
            Row(
                "smime.p7m",
                _SECRET,
                "application/x-pkcs7-mime",
                detail="Not unpacked. It is encrypted (enveloped-data).",
            ),
        ),
    ),
    Case(
        "outlook-only",
        mail("outlook-only", multipart("mixed", BONJOUR, _base64("Content-Type: application/ms-tnef", _WINMAIL))),
        body="Bonjour",
        rows=(
            Row("winmail.dat", _WINMAIL, "application/ms-tnef"),
            Row("Résultats 測.csv", b"x;y", "text/csv", parent=0, origin="tnef"),
        ),
    ),
    Case(
        "rights-managed",
        mail(
            "rights-managed",
            multipart("mixed", BONJOUR, _base64("Content-Type: application/x-microsoft-rpmsg-message", _SEALED)),
        ),
        body="Bonjour",
        rows=(
            Row(
                "message.rpmsg",
                _SEALED,
                "application/x-microsoft-rpmsg-message",
                detail=_PROTECTED,
            ),
        ),
    ),
    _meeting("invitation", "REQUEST", "#microsoft.graph.eventMessageRequest"),
    _meeting("cancellation", "CANCEL", "#microsoft.graph.eventMessage"),
    _meeting("acceptance", "REPLY", "#microsoft.graph.eventMessageResponse"),
    Case(
        "bounce",
        mail(
            "bounce",
            multipart(
                "report; report-type=delivery-status",
                BONJOUR,
                f"Content-Type: message/delivery-status\n\n{_STATUS}",
                b"Content-Type: message/rfc822\n\n" + _RETURNED,
            ),
            From="<>",
        ),
        author=(None, None),
        sender=(None, None),
        body="Bonjour",
        rows=(
            Row("details.txt", wire(_STATUS), "message/delivery-status"),
            Row("Original", _RETURNED, None, safe="Original.eml", kind="item", item_type="message"),
            Row("a.csv", b"1;2", parent=1, origin="item"),
        ),
    ),
    Case(
        "read-receipt",
        mail(
            "read-receipt",
            multipart(
                "report; report-type=disposition-notification",
                BONJOUR,
                f"Content-Type: message/disposition-notification\n\n{_DISPOSITION}",
            ),
        ),
        body="Bonjour",
        rows=(Row("details.txt", wire(_DISPOSITION), "message/disposition-notification"),),
    ),
    Case(
        "voicemail",
        mail(
            "voicemail",
            multipart("mixed", BONJOUR, _base64('Content-Type: audio/wav; name="Anruf (0:42).wav"', _WAV)),
            From='"+49 30 123" <>',
        ),
        author=("+49 30 123", None),
        sender=("+49 30 123", None),
        body="Bonjour",
        rows=(Row("Anruf (0:42).wav", _WAV, "audio/wav", safe="Anruf (0_42).wav"),),
    ),
)
